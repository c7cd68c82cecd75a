"""The attributes with which OME-Zarr (NGFF) describes the images of a group, read and written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike

from pyvolume.errors import MetadataError, UnsupportedError
from pyvolume.model.arguments import brief
from pyvolume.zarr.ngff.schemas import SCHEMAS
from pyvolume.zarr.ngff.sources import Source, path_inside, source_of
from pyvolume.zarr.ngff.transformations import affine_of

Version = Literal["0.4", "0.5"]
"""The versions of NGFF that are written."""

NEWEST = (0, 5)
"""The newest version of NGFF that is read."""

WITHOUT_AXES = ("0.1", "0.2")
"""The versions of NGFF that do not name axes."""

IMPLICIT_AXES = ("t", "c", "z", "y", "x")
"""The axes of every image of these versions."""

KINDS = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}
"""The type of an axis that has only a name."""

LARGEST = 1e150
"""A ratio of two numbers that are not larger is a number."""

COLORS = ("FFFFFF", "00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF")
"""The colors of channels, one after the other: NGFF 0.4 demands one."""


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis of an image.

    Parameters
    ----------
    name : str
        As the document has it.
    kind : str
        ``"space"``, ``"time"``, ``"channel"`` or another word; empty if the document says none.
    unit : str
        A word of UDUNITS, e.g. ``"nanometer"``; empty if the document says none.
    """

    name: str
    kind: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Dataset:
    """The array of one resolution level.

    Parameters
    ----------
    path : str
        From the group of the image, without a slash at its ends.
    scale : tuple of float
        Size of a voxel, one per axis on disk; empty if the document says none.
    translation : tuple of float
        Where the center of voxel 0 lies, one per axis on disk; zeros if the document says none.
    """

    path: str
    scale: tuple[float, ...]
    translation: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Image:
    """An image of several resolution levels.

    Parameters
    ----------
    axes : tuple of Axis
        In the order on disk.
    datasets : tuple of Dataset
        The resolution levels, the finest first.
    name : str
        Empty if the document says none.
    version : str
        Of NGFF.
    channels : tuple of str
        The labels of the channels; empty if the document says none.
    method : str
        How the coarser levels came about, e.g. ``"mean"``; empty if the document says nothing.
    where : str
        JSON path in the attributes, for messages.
    """

    axes: tuple[Axis, ...]
    datasets: tuple[Dataset, ...]
    name: str = ""
    version: str = "0.5"
    channels: tuple[str, ...] = ()
    method: str = ""
    where: str = "$"

    def check_array(self, level: int, ndim: int, action: str) -> None:
        """Refuse an array of another number of axes.

        Raises
        ------
        MetadataError
        """
        if ndim != len(self.axes):
            names = ", ".join(axis.name for axis in self.axes)
            raise MetadataError(
                f"{action}: expected an array of the axes {names} at {self.datasets[level].path} and found {ndim} axes",
                path=f"{self.where}.axes",
            )


def images_of(attributes: Mapping[str, Any], action: str = "read OME-Zarr") -> tuple[Image, ...]:
    """Return the images that the attributes of a group describe, NGFF 0.1 to 0.5; none if they describe none.

    Parameters
    ----------
    attributes : mapping
        Of a group, as Zarr gives them.
    action : str, optional
        What is done, with the path of the group, for messages.

    Raises
    ------
    MetadataError
        If the document is broken; ``path`` is the JSON path.
    UnsupportedError
        If it is of a newer version, or has a transformation other than numbers of scale and translation.

    Examples
    --------
    >>> sizes = [{"type": "scale", "scale": [40.0, 8.0, 8.0]}]
    >>> axes = [{"name": name, "unit": "nanometer"} for name in "zyx"]
    >>> datasets = [{"path": "0", "coordinateTransformations": sizes}]
    >>> document = {"multiscales": [{"axes": axes, "datasets": datasets}]}
    >>> image, = images_of({"ome": {"version": "0.5", **document}})
    >>> image.datasets
    (Dataset(path='0', scale=(40.0, 8.0, 8.0), translation=(0.0, 0.0, 0.0)),)
    """
    source = source_of(attributes, "multiscales")
    if source.content.get("multiscales") is None:
        return ()
    _check_version(
        source.content.get("version") if source.where == "$.ome" else None, f"{source.where}.version", action
    )
    listed = source.content["multiscales"]
    for number, each in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(each, Mapping):
            _check_version(each.get("version"), f"{source.where}.multiscales[{number}].version", action)
    SCHEMAS.validate("ngff-image-1", source.document("multiscales", "omero"), action)
    channels = _labels_of(source.content.get("omero") or {})
    return tuple(_image(source, number, channels, action) for number in range(len(listed)))


def _check_version(found: object, path: str, action: str) -> None:
    """Refuse versions that came after this code; their documents have other keys."""
    numbers = re.match(r"(\d{1,4})\.(\d{1,4})", str(found))
    if numbers and (int(numbers[1]), int(numbers[2])) > NEWEST:
        raise UnsupportedError(f"{action}: expected OME-Zarr (NGFF) 0.1 to 0.5 and found {brief(found)} at {path}")


def _labels_of(omero: Mapping[str, Any]) -> tuple[str, ...]:
    found = [channel.get("label") for channel in omero.get("channels") or ()]
    if all(label in (None, "") for label in found):
        return ()
    return tuple(f"channel-{at}" if label in (None, "") else str(label) for at, label in enumerate(found))


def _image(source: Source, number: int, channels: tuple[str, ...], action: str) -> Image:
    document, where = source.content["multiscales"][number], f"{source.where}.multiscales[{number}]"
    said = (source.content if source.where == "$.ome" else document).get("version")
    version, given = str(said or _guessed_version(source, document)), document.get("axes")
    if given is None and version not in WITHOUT_AXES:
        raise MetadataError(f"{action}: expected axes at {where} and found none", path=where)
    axes = tuple(map(_axis, IMPLICIT_AXES if given is None else given))
    names = [axis.name for axis in axes]
    if len(set(names)) < len(names):
        raise MetadataError(
            f"{action}: expected different axes at {where}.axes and found {names}", path=f"{where}.axes"
        )
    datasets = tuple(_datasets(document, len(axes), where, action))
    return Image(
        axes=axes,
        datasets=datasets,
        name=str(document.get("name") or ""),
        version=version,
        channels=channels,
        method=str(document.get("type") or ""),
        where=where,
    )


def _guessed_version(source: Source, document: Mapping[str, Any]) -> str:
    """Return the version that a document without one keeps."""
    if source.where == "$.ome":
        return "0.5"
    if not (axes := document.get("axes")):
        return "0.2"
    return "0.4" if isinstance(axes[0], Mapping) else "0.3"


def _axis(document: Mapping[str, Any] | str) -> Axis:
    if isinstance(document, str):
        return Axis(document, KINDS.get(document, ""))
    kind = document.get("type")
    name = document["name"]
    return Axis(name, KINDS.get(name, "") if kind is None else kind, document.get("unit") or "")


def _datasets(document: Mapping[str, Any], ndim: int, where: str, action: str) -> Iterator[Dataset]:
    """Read the levels of an image. What the image says of all its levels comes after what is said of one."""
    paths: set[str] = set()
    behind = affine_of(document, ndim, where, action)
    for number, each in enumerate(document["datasets"]):
        here = f"{where}.datasets[{number}]"
        path = path_inside(each["path"], f"{here}.path", action)
        if path in paths:
            raise MetadataError(f"{action}: {brief(path)} at {here}.path is there twice", path=f"{here}.path")
        paths.add(path)
        own = affine_of(each, ndim, here, action)
        scale, translation = own.then(behind)
        if not all(1 / LARGEST <= n <= LARGEST for n in scale) or not all(abs(n) <= LARGEST for n in translation):
            raise MetadataError(f"{action}: the scale or the translation at {here} is out of range", path=here)
        # a coarser level without a scale of its own has not that of the image
        yield Dataset(path, scale if own.scale or number == 0 else (), translation)


def multiscales(image: Image, version: Version = "0.5", dtype: DTypeLike | None = None) -> dict[str, Any]:
    """Return the attributes to write of a group that holds one image.

    Parameters
    ----------
    image : Image
        Each of its datasets has a scale.
    version : "0.4" or "0.5"
        The first is for Zarr v2, the second for Zarr v3.
    dtype : dtype-like, optional
        Of the voxels. Where channels have labels, NGFF demands the range of their values: that of integers, or 0 to 1.

    Raises
    ------
    MetadataError
        If the image says what a document cannot hold.
    UnsupportedError
        If NGFF does not have axes in this order.
    """
    _check_order(image, f"write OME-Zarr {version}")
    document = {
        **({"name": image.name} if image.name else {}),
        **({"type": image.method} if image.method else {}),
        "axes": [_axis_document(axis) for axis in image.axes],
        "datasets": [_dataset_document(dataset) for dataset in image.datasets],
    }
    omero = {"omero": _omero(image.channels, dtype)} if image.channels else {}
    if version == "0.5":
        attributes: dict[str, Any] = {"ome": {"version": version, "multiscales": [document], **omero}}
    else:
        attributes = {"multiscales": [{"version": version, **document}], **omero}
    SCHEMAS.validate("ngff-create-image-1", attributes, f"write OME-Zarr {version}")
    return attributes


def _check_order(image: Image, action: str) -> None:
    """Refuse axes that are not one of time, one of channels or of another kind, and then those of space."""
    ranks = [{"time": 0, "space": 2}.get(axis.kind, 1) for axis in image.axes]
    if ranks != sorted(ranks) or max(ranks.count(0), ranks.count(1)) > 1:
        found = ", ".join(f"{axis.name} ({axis.kind or 'no type'})" for axis in image.axes)
        raise UnsupportedError(
            f"{action}: expected one axis of time, one of channels, those of space, and found {found}"
        )


def _axis_document(axis: Axis) -> dict[str, str]:
    optional = {"type": axis.kind, "unit": axis.unit}
    return {"name": axis.name, **{name: value for name, value in optional.items() if value}}


def _dataset_document(dataset: Dataset) -> dict[str, Any]:
    transformations: list[dict[str, Any]] = [{"type": "scale", "scale": list(dataset.scale)}]
    if any(dataset.translation):
        transformations.append({"type": "translation", "translation": list(dataset.translation)})
    return {"path": dataset.path, "coordinateTransformations": transformations}


def _omero(labels: Sequence[str], dtype: DTypeLike | None) -> dict[str, Any]:
    least, most = _range(dtype)
    window = {"min": least, "max": most, "start": least, "end": most}
    colors = [COLORS[at % len(COLORS)] for at in range(len(labels))]
    return {
        "channels": [
            {"label": label, "color": color, "active": True, "window": dict(window)}
            for label, color in zip(labels, colors, strict=True)
        ]
    }


def _range(dtype: DTypeLike | None) -> tuple[int, int]:
    kind = np.dtype(np.float64 if dtype is None else dtype)
    return (int(np.iinfo(kind).min), int(np.iinfo(kind).max)) if kind.kind in "iu" else (0, 1)
