"""Between a volume and an array in a file, piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyvolume.calls.progress import TransferStatus
from pyvolume.calls.trace import trace
from pyvolume.errors import SelectionError, VoxelsMismatchError
from pyvolume.files.description import Description
from pyvolume.indexing.selection import Selection
from pyvolume.model.box import Box
from pyvolume.transfer.grid import cut, touched
from pyvolume.volume import Volume

PIECE_BYTES = 16 << 20
"""What is asked for at once; some of these are in memory."""

Tell = Callable[[TransferStatus], object]


def describe(volume: Volume, selection: Selection) -> Description:
    """Say where the voxels of a selection lie; indices from a list have no place of their own."""
    where: tuple[Any, ...] = selection.by_axis
    axes = "".join(axis for axis, each in zip(volume.dims, where, strict=True) if not isinstance(each, int))
    has_place = not any(isinstance(each, np.ndarray) for each in where)
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
    )


def box_of(volume: Volume, key: object) -> Box:
    """Return the box that slices without a step stand for.

    Raises
    ------
    SelectionError
        For any other key.
    """
    selection = Selection.for_reading(key, volume.shape)
    if selection.form != "box":
        raise SelectionError(f"slices: expected a box, without steps and lists, and found {key}")
    return selection.box


def fetch(volume: Volume, selection: Selection, target: Any, tell: Tell) -> None:
    """Read the voxels of a selection into an array in a file.

    Parameters
    ----------
    volume : Volume
        The volume to transfer from or to.
    selection : Selection
        The voxels of the volume.
    target : array-like
        Assigned to by slices; by one thread.
    tell : callable
        Called with a `TransferStatus`.
    """
    if any(isinstance(each, np.ndarray) for each in selection.by_axis):
        # an array in a file is not assigned to by indices everywhere
        target[...] = volume.absolute[tuple(_item(each) for each in selection.where)]
        return
    boxes = list(_pieces(volume, selection))
    total, done = sum(box.size for box in boxes) * volume.dtype.itemsize, 0
    with trace() as counted:
        for box, voxels in volume.read_many(boxes, ordered=False):
            part = selection.within(box)
            if part is not None:
                target[part.place] = voxels[part.local]
            done += voxels.nbytes
            tell(TransferStatus(done, total, counted.retries))


def _pieces(volume: Volume, selection: Selection) -> Iterator[Box]:
    """Give boxes around the selected voxels, cut between blocks, without the large gaps of a step."""
    grid = volume.store.traits.write_grid
    itemsize = volume.dtype.itemsize
    for around in touched(selection, selection.box.aligned_to(grid), grid, itemsize):
        wanted = around.intersection(selection.box)
        if wanted is not None:
            yield from cut(wanted, grid, PIECE_BYTES // itemsize)


def store(volume: Volume, selection: Selection, source: Any, tell: Tell) -> None:
    """Write an array in a file to a selection.

    Parameters
    ----------
    volume : Volume
        The volume to transfer from or to.
    selection : Selection
        The voxels of the volume.
    source : array-like
        Of the shape of the selection, but for axes of length 1.
    tell : callable
        Called with a `TransferStatus`.

    Raises
    ------
    VoxelsMismatchError
        If the shapes differ.
    """
    if _long(source.shape) != _long(selection.shape):
        raise VoxelsMismatchError(
            f"put: expected an array of shape {selection.shape} for {selection.box} and found {tuple(source.shape)}"
        )
    if selection.form == "box":
        placed = (
            source.reshape(selection.box.shape) if isinstance(source, np.ndarray) else _Placed(source, selection.box)
        )
        volume.post_ndarray(selection.box.start, selection.box.stop, placed, progress=tell)
        return
    volume.absolute[tuple(_item(each) for each in selection.where)] = np.asarray(source[...]).reshape(selection.shape)


def _long(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


def _item(where: Any) -> Any:
    """Return coordinates as an item of a key."""
    return slice(where.start, where.stop, where.step) if isinstance(where, range) else where


@dataclass(frozen=True, slots=True)
class _Placed:
    """An array-like under the axes of a box, which has some of length 1 more or less."""

    array: Any
    box: Box

    @property
    def shape(self) -> tuple[int, ...]:
        return self.box.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = np.dtype(self.array.dtype)
        return dtype

    def __getitem__(self, key: tuple[slice, ...]) -> NDArray[Any]:
        parts = [range(*part.indices(n)) for part, n in zip(key, self.shape, strict=True)]
        long = iter(part for part, n in zip(key, self.shape, strict=True) if n != 1)
        inner = tuple(next(long) if n != 1 else slice(None) for n in self.array.shape)
        voxels = np.asarray(self.array[inner])
        return voxels.reshape([len(part) for part in parts])
