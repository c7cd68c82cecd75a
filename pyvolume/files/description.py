"""Description: where the voxels of a file come from, kept in the file's own metadata."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

from pyvolume.errors import MetadataError, SelectionError
from pyvolume.files.axes import in_order
from pyvolume.indexing.selection import Selection
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.model.units import MILLIMETERS, name_of, symbol_of
from pyvolume.stores.base import VoxelStore


class Described(Protocol):
    """What is asked of a volume whose voxels go into a file; a volume in a version has a `uuid` too."""

    @property
    def store(self) -> VoxelStore: ...

    @property
    def dims(self) -> tuple[str, ...]: ...

    @property
    def resolution(self) -> tuple[float, ...]: ...

    @property
    def units(self) -> tuple[str, ...]: ...

    @property
    def metadata(self) -> VoxelsMetadata: ...


@dataclass(frozen=True, slots=True)
class Description:
    """Where the voxels of a file come from.

    Everything but the axes may be missing: other programs write files too.

    Parameters
    ----------
    axes : str
        One letter per axis of the array.
    volume_axes : str
        Of the volume, channel first; an axis that the array lacks was taken at one index.
    offset : tuple of int
        Literal coordinates of the first voxel, one per axis of the volume.
    step : tuple of int
        Distance of the voxels, one per axis of the volume.
    resolution : tuple of float
        Size of the volume's voxels, one per axis behind the channel.
    units : tuple of str
        Likewise.
    version : str
        The uuid of the version.
    source : str
        The url of the volume.
    translation : tuple of float
        Where the centre of the volume's voxel 0 lies, one per axis behind the channel.
    """

    axes: str
    volume_axes: str = ""
    offset: tuple[int, ...] = ()
    step: tuple[int, ...] = ()
    resolution: tuple[float, ...] = ()
    units: tuple[str, ...] = ()
    version: str = ""
    source: str = ""
    translation: tuple[float, ...] = ()

    @classmethod
    def of_foreign(
        cls,
        held: str,
        shape: Sequence[int],
        sizes: Mapping[str, float] | None = None,
        units: Mapping[str, str] | None = None,
    ) -> Self:
        """Describe an array of another program: its axes in order, without those of one voxel that few volumes have.

        Parameters
        ----------
        held : str
            The axes of the array as it is stored.
        shape : sequence of int
            Likewise.
        sizes : mapping of float, optional
            The size of a voxel on each axis; 1 where it is missing. Without it no size is known.
        units : mapping of str, optional
            The unit of each size, in any spelling.
        """
        lengths = dict(zip(held, shape, strict=True))
        axes = in_order("".join(axis for axis, length in lengths.items() if axis in "cxyz" or length != 1))
        if not sizes:
            return cls(axes)
        volume_axes = in_order("cxyz" + axes)
        return cls(
            axes,
            volume_axes,
            resolution=tuple(float(sizes.get(axis, 1.0)) for axis in volume_axes[1:]),
            units=tuple(name_of((units or {}).get(axis, "")) for axis in volume_axes[1:]),
        )

    @classmethod
    def of_metadata(cls, metadata: VoxelsMetadata, axes: str) -> Self:
        """Describe an array with all voxels of a volume, whose axes are `axes`."""
        return cls(
            axes,
            "".join(metadata.dims),
            metadata.bounds.start,
            (1,) * len(metadata.dims),
            resolution=metadata.resolution,
            units=metadata.units,
            translation=metadata.translation,
        )

    @classmethod
    def of_document(cls, document: Mapping[str, Any], path: str) -> Self:
        """Read what `to_document` has made; other fields are ignored."""
        numbers = {"offset": int, "step": int, "resolution": float, "units": str, "translation": float}
        texts = {"axes", "volume_axes", "version", "source"}
        try:
            found: dict[str, Any] = {name: str(document[name]) for name in texts if name in document}
            found |= {name: tuple(map(kind, document[name])) for name, kind in numbers.items() if name in document}
            description = cls(**found)
        except (TypeError, ValueError) as error:
            raise MetadataError(f"read {path}: expected metadata that pyvolume has written: {error}") from None
        description._check(path)
        return description

    def _check(self, path: str) -> None:
        """Refuse items that do not fit each other."""
        count = len(self.volume_axes)
        has_axes = self.volume_axes[:1] == "c" and len(set(self.volume_axes)) == count
        if self.volume_axes and not (
            has_axes
            and set(self.axes) <= set(self.volume_axes)
            and len(set(self.axes)) == len(self.axes)
            and all(len(each) in {0, count} for each in (self.offset, self.step))
            and all(len(each) in {0, count - 1} for each in (self.resolution, self.units, self.translation))
        ):
            raise MetadataError(f"read {path}: expected metadata that pyvolume has written and found {self}")

    @classmethod
    def of_attributes(cls, attributes: Mapping[str, Any], path: str, axes: str) -> Self | None:
        """Read the attributes of an array, whose axes are known otherwise: those of `to_document`, or None.

        Raises
        ------
        MetadataError
            If they contradict the axes.
        """
        if "axes" not in attributes or "volume_axes" not in attributes:
            return None
        description = cls.of_document(attributes, path)
        if description.axes != axes:
            raise MetadataError(f"read {path}: expected the axes {description.axes!r} and found {axes!r}")
        return description

    @classmethod
    def of_json(cls, text: str, path: str) -> Self:
        """Read the text of `to_json`."""
        try:
            document = json.loads(text)
        except ValueError as error:
            raise MetadataError(f"read {path}: expected metadata that pyvolume has written: {error}") from None
        return cls.of_document(document, path)

    def to_document(self) -> dict[str, Any]:
        """Return what goes into the file: text, and lists of numbers or text; nothing that is not known."""
        values = dataclasses.asdict(self)
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if value or name == "axes"
        }

    def to_json(self) -> str:
        """Return `to_document` as text on one line."""
        return json.dumps(self.to_document())

    def size_of(self, axis: str) -> float:
        """Return the distance of the array's voxels on an axis, 1 where it is not known."""
        if not self.resolution or axis not in self.volume_axes[1:]:
            return 1.0
        at = self.volume_axes.index(axis)
        return self.resolution[at - 1] * abs(self.step[at] if self.step else 1)

    def unit_of(self, axis: str) -> str:
        """Return the unit of an axis, empty where it is not known."""
        return self.units[self.volume_axes.index(axis) - 1] if self.units and axis in self.volume_axes[1:] else ""

    def common_sizes(self) -> tuple[dict[str, float], str]:
        """Return the distances on x, y and z in one unit, and its symbol, for files that have one; empty if unknown."""
        symbols = {axis: symbol_of(self.unit_of(axis)) for axis in "xyz"}
        sizes = {axis: self.size_of(axis) for axis in "xyz"}
        if not all(symbols.values()):
            return sizes, ""
        if len(set(symbols.values())) == 1:
            return sizes, symbols["x"]
        return {axis: size * MILLIMETERS[symbols[axis]] for axis, size in sizes.items()}, "mm"

    def backwards(self) -> tuple[bool, ...]:
        """Return for each axis of the array whether its voxels go down in the volume."""
        steps = dict(zip(self.volume_axes, self.step, strict=False))
        return tuple(steps.get(axis, 1) < 0 for axis in self.axes)

    def forwards(self, shape: Sequence[int]) -> Self:
        """Describe the array after its backward axes are turned around."""
        if not any(self.backwards()):
            return self
        lengths = dict(zip(self.axes, shape, strict=True))
        places = zip(self.volume_axes, self.offset, self.step, strict=True)
        offset = tuple(first + (lengths.get(axis, 1) - 1) * min(apart, 0) for axis, first, apart in places)
        return dataclasses.replace(self, offset=offset, step=tuple(map(abs, self.step)))

    def key(self, dims: str, shape: Iterable[int]) -> tuple[int | slice, ...]:
        """Return where an array of this shape belongs in a volume, as literal coordinates.

        Raises
        ------
        MetadataError
            If the volume lacks an axis of the array, or the place is lost: voxels taken by a list of indices have none.
        """
        if self.source and not self.offset:
            raise MetadataError("place voxels: the file does not say where they belong; give slices")
        lengths = dict(zip(self.axes, shape, strict=True))
        if not set(lengths) <= set(dims) or (self.offset and self.volume_axes != dims):
            raise MetadataError(
                f"place voxels: expected axes of the volume, {dims!r}, and found {self.volume_axes or self.axes!r}; "
                "give slices"
            )
        offset = self.offset or (0,) * len(dims)
        step = self.step or (1,) * len(dims)
        return tuple(
            slice(first, first + lengths[axis] * apart, apart) if axis in lengths else first
            for axis, first, apart in zip(dims, offset, step, strict=True)
        )


def describe(volume: Described, selection: Selection) -> Description:
    """Say where the voxels of a selection lie; indices from a list have no place of their own.

    Raises
    ------
    SelectionError
        If the array has an axis that is none of the volume: a new one, or lists for several axes together.
    """
    if None in selection.axes:
        raise SelectionError(
            "save: expected a key whose array has axes of the volume, and found a new axis, a mask of several axes or "
            "lists for several axes"
        )
    where: tuple[Any, ...] = selection.by_axis
    axes = "".join(volume.dims[axis] for axis in selection.axes if axis is not None)
    has_place = selection.points is None
    pairs = [(each, 1) if isinstance(each, int) else (each.start, each.step) for each in where] if has_place else []
    return Description(
        axes=axes,
        volume_axes="".join(volume.dims),
        offset=tuple(first for first, _ in pairs),
        step=tuple(step for _, step in pairs),
        resolution=volume.resolution,
        units=volume.units,
        version=str(getattr(volume, "uuid", "")),
        source=volume.store.address,
        translation=volume.metadata.translation,
    )
