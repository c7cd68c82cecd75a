"""One channel of a volume, without the channel axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pyvolume.errors import SelectionError
from pyvolume.indexing.absolute import AbsoluteVoxels
from pyvolume.indexing.elementwise import is_array_like, missing_attribute, reduced, refusal
from pyvolume.indexing.selection import Selection
from pyvolume.model.box import Box, BoxLike, as_box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.stores.base import VoxelStore


class ChannelFirst(Protocol):
    """A volume, as far as one of its channels needs it."""

    @property
    def metadata(self) -> VoxelsMetadata: ...

    @property
    def chunks(self) -> tuple[int, ...]: ...

    @property
    def store(self) -> VoxelStore: ...

    def read(self, box: Box, out: NDArray[Any] | None = None) -> NDArray[Any]: ...

    def write(self, box: Box, array: NDArray[Any]) -> None: ...


class Channel:
    """One channel of a volume, read and written as an array without the channel axis; made by `Volume.channel`.

    Keys, boxes and arrays have the axes behind the channel: x, y, z for DVID. Everything else is as for the volume, of
    which it shows the present state.

    Parameters
    ----------
    volume : Volume
        With all channels.
    number : int
        Which channel, from 0 on.
    read : callable
        Reads a selection of the volume.
    write : callable
        Writes values to a selection of the volume.

    Examples
    --------
    >>> import numpy as np, pyvolume
    >>> volume = pyvolume.from_array(np.arange(24).reshape(1, 2, 3, 4))
    >>> gray = volume.channel(0)
    >>> gray.shape
    (2, 3, 4)
    >>> gray[1, :, 0] = [7, 8, 9]
    >>> volume[0, 1, :, 0]
    array([7, 8, 9])
    """

    __iter__ = None

    def __init__(
        self,
        volume: ChannelFirst,
        number: int,
        read: Callable[[Selection], Any],
        write: Callable[[Selection, object], None],
    ) -> None:
        self._volume = volume
        self.number = number
        self._read_whole = read
        self._write_whole = write

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the volume behind the channel axis."""
        return self._volume.metadata.shape[1:]

    @property
    def ndim(self) -> int:
        """Number of axes, without the channel."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of voxels that ``channel[...]`` reads."""
        return Box((0,) * self.ndim, self.shape).size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of a voxel."""
        return self._volume.metadata.dtype

    @property
    def dims(self) -> tuple[str, ...]:
        """The name of each axis behind the channel."""
        return self._volume.metadata.dims[1:]

    @property
    def bounds(self) -> Box:
        """The stored box in absolute voxel coordinates, without the channel axis."""
        bounds = self._volume.metadata.bounds
        return Box(bounds.start[1:], bounds.stop[1:])

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of the boxes that the store writes at once, without the channel axis."""
        return self._volume.chunks[1:]

    @property
    def resolution(self) -> tuple[float, ...]:
        """Size of a voxel, one per axis."""
        return self._volume.metadata.resolution

    @property
    def units(self) -> tuple[str, ...]:
        """Units of the resolution, one per axis."""
        return self._volume.metadata.units

    @property
    def absolute(self) -> AbsoluteVoxels:
        """The voxels by absolute coordinates, see `AbsoluteVoxels`."""
        return AbsoluteVoxels(self._read, self._write, self.bounds)

    def __getitem__(self, key: object) -> Any:
        """Read voxels: ``channel[10:110, ..., ::2]``, see `Volume.__getitem__`."""
        return self._read(Selection.for_reading(key, self.shape))

    def __setitem__(self, key: object, values: object) -> None:
        """Write voxels: ``channel[10:110] = a``, see `Volume.__setitem__`."""
        growable = self._volume.store.traits.growable[1:]
        self._write(Selection.for_writing(key, self.shape, growable, self.dims), values)

    def read(self, box: BoxLike, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Read a box without the channel axis, given by absolute voxel coordinates, see `Volume.read`."""
        voxels: NDArray[Any] = self._volume.read(self._whole(box), None if out is None else out[np.newaxis])[0]
        return voxels if out is None else out

    def write(self, box: BoxLike, array: NDArray[Any]) -> None:
        """Write a box without the channel axis, given by absolute voxel coordinates, see `Volume.write`."""
        self._volume.write(self._whole(box), np.asarray(array)[np.newaxis])

    def _whole(self, box: BoxLike) -> Box:
        """Return a box of the volume."""
        given = as_box(box)
        if given.ndim != self.ndim:
            raise SelectionError(f"box: expected one number for each of the axes {self.dims} and found {given.ndim}")
        return Box((self.number, *given.start), (self.number + 1, *given.stop))

    def _read(self, selection: Selection) -> Any:
        whole = selection.in_channel(self.number)
        voxels = np.squeeze(self._read_whole(whole), whole.hidden)
        return voxels[()] if selection.is_scalar else voxels

    def _write(self, selection: Selection, values: object) -> None:
        self._write_whole(selection.in_channel(self.number), values)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("a channel of a volume cannot become an array without a copy")
        voxels = np.asarray(self[...])
        return voxels if dtype is None else voxels.astype(dtype, copy=False)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        return reduced(self, ufunc, method, inputs, options)

    if not TYPE_CHECKING:  # a type checker would take any name for an attribute

        def __getattr__(self, name: str) -> Any:
            return missing_attribute(self, name, "channel[...]")

    def __eq__(self, other: object) -> bool:
        """Whether two objects are the same channel of equal volumes; numbers and arrays are refused."""
        if isinstance(other, Channel):
            return bool(self._volume == other._volume) and self.number == other.number
        if is_array_like(other):
            raise refusal("==", "channel[...] == 3")
        return NotImplemented

    def __hash__(self) -> int:
        return hash((self._volume, self.number))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.number} of {self._volume!r}>"
