"""Pyramids: filling the coarser resolution levels of an image from the finer ones."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyvolume.calls.call import Call
from pyvolume.calls.progress import Progress
from pyvolume.copying import copy
from pyvolume.errors import SelectionError, UnsupportedError
from pyvolume.model import arguments
from pyvolume.model.box import Box, BoxLike
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.model.scales import Scales
from pyvolume.stores.base import Derived, StoreTraits, VoxelStore, completed_from, identity_of
from pyvolume.transfer.checks import checked_box
from pyvolume.transfer.engine import Transfer
from pyvolume.transfer.reducing import Method, reduced
from pyvolume.volume import Volume, transfer_of

__all__ = ["build_pyramid"]

METHODS = ("mean", "mode", "label", "stride")


def build_pyramid(
    volume: Volume,
    levels: Sequence[int] | None = None,
    method: Method = "mean",
    *,
    box: BoxLike | None = None,
    concurrency: int | None = None,
    progress: Progress = None,
    resume: str | os.PathLike[str] | None = None,
    verify: bool = False,
) -> int:
    """Fill coarser resolution levels of an image, each from the next finer one.

    The voxels move piece by piece, as in `copy`: each worker holds one piece and the finer voxels that it is made of.
    Where older versions complete the blocks of a version, they complete the finer voxels too. A piece is left out
    then, if the version has no finer block of it: zeros would hide the voxels of the older versions.

    Parameters
    ----------
    volume : Volume
        Any level of the image. All levels of ``volume.scales`` must exist.
    levels : sequence of int, optional
        Which levels to fill, by number; by default all that are coarser than `volume`.
    method : "mean", "mode", "label" or "stride"
        What a voxel becomes: the mean of the finer voxels, for intensities; the most frequent one, for classes; the
        most frequent one that is not 0, for labels, as DVID makes it; or the first one, as Fiji's client of the HPC
        DataStore makes it. The mean of integers is rounded half up, once for each level. Of equally frequent values
        the lowest one counts. A label is 0 only where all finer voxels are 0.
    box : Box or pair of corners, optional
        What has changed, in absolute coordinates of `volume`: only the voxels that are made from it are renewed. By
        default everything.
    concurrency, progress, verify : optional
        As for `copy`; the progress begins at 0 for each level.
    resume : path, optional
        As for `copy`; the number of the level is added to the name of the journal.

    Returns
    -------
    int
        Bytes that were written.

    Raises
    ------
    SelectionError
        For a level that the image does not have.
    UnsupportedError
        If a level is no multiple of any finer one, or cannot be written.
    StoreError
        If a store could not serve a piece; the levels before are complete.

    Examples
    --------
    >>> import pyvolume
    >>> from mockserver import DataStoreServer
    >>> from pyvolume.hpc import DataStore
    >>> with DataStoreServer() as server, DataStore(server.url) as store:
    ...     levels = [((1, 1, 1), (8, 8, 8)), ((2, 2, 1), (8, 8, 8))]
    ...     dataset = store.create_dataset((16, 16, 8), "uint8", levels=levels)
    ...     volume = dataset.volume()
    ...     volume[...] = 7
    ...     pyvolume.build_pyramid(volume)
    ...     int(volume.scale(1)[0, 5, 5, 5, 0, 0])
    512
    7
    """
    arguments.instance_of(volume, Volume, "build a pyramid")
    arguments.one_of(method, METHODS, "build a pyramid", "method")
    scales = volume.scales
    chosen = range(scales.current + 1, len(scales)) if levels is None else _checked(levels, len(scales))
    changed = volume.bounds if box is None else checked_box(box, volume.metadata)
    written = 0
    for level in chosen:
        finer, factors = _finer(scales.factors, level)
        # without the warning of a store that a level is stale, which is being made
        source, destination = (Volume.scale(volume, each) for each in (finer, level))
        made = _made_from(changed, volume, destination, scales, level)
        metadata = dataclasses.replace(destination.metadata, bounds=destination.bounds.union(made))
        reducing = ReducedStore(
            transfer_of(source, "build a pyramid"), metadata, factors, method, absolute=scales.absolute
        )
        written += copy(
            Volume(reducing, metadata, mode="r"),
            destination,
            made,
            concurrency=concurrency,
            progress=progress,
            resume=None if resume is None else Path(resume).with_name(f"{Path(resume).name}-{level}"),
            verify=verify,
        )
        if isinstance(destination.store, Derived):
            destination.store.renewed(made, transfer_of(destination, "build a pyramid").begin())
    return written


def _made_from(box: Box, volume: Volume, coarser: Volume, scales: Scales[VoxelStore], level: int) -> Box:
    """Return the voxels of a coarser level that are made from a box of the level that a volume shows."""
    factors, own = scales.factors[level], scales.factors[scales.current]
    if scales.absolute:
        edges = list(zip(box.start, box.stop, own, factors, strict=True))
        start = [math.floor(low * size / by) for low, _, size, by in edges]
        return Box(start, [math.ceil(high * size / by) for _, high, size, by in edges])
    sides = zip(box.start, box.stop, volume.bounds.start, coarser.bounds.start, coarser.bounds.stop, strict=True)
    start, stop = [], []
    for (low, high, first, new, end), size, by in zip(sides, own, factors, strict=True):
        start.append(min(new + math.floor((low - first) * size / by), end))
        stop.append(min(new + math.ceil((high - first) * size / by), end))
    return Box(start, stop)


def _checked(levels: Sequence[int], count: int) -> list[int]:
    """Return the numbers of levels, the finest first.

    Raises
    ------
    SelectionError
    """
    numbers = [
        arguments.integer(each, "build a pyramid", "a level") for each in arguments.each_of(levels, "", "levels")
    ]
    wrong = [number for number in numbers if not 0 < number < count]
    if wrong:
        raise SelectionError(f"build a pyramid: expected levels from 1 to {count - 1} and found {wrong[0]}")
    return sorted(set(numbers))


def _finer(factors: Sequence[Sequence[float]], level: int) -> tuple[int, tuple[int, ...]]:
    """Return the next finer level that a level is a multiple of, and by how much.

    Raises
    ------
    UnsupportedError
    """
    for finer in sorted(range(len(factors)), key=lambda each: np.prod(factors[each]), reverse=True):
        ratios = [a / b for a, b in zip(factors[level], factors[finer], strict=True)]
        if finer != level and all(ratio >= 1 and ratio == int(ratio) for ratio in ratios) and max(ratios) > 1:
            return finer, tuple(map(int, ratios))
    raise UnsupportedError(f"build a pyramid: level {level} of the factors {factors[level]} is no multiple of another")


class ReducedStore:
    """The voxels of a coarser level, made from those of a finer one when they are read.

    Parameters
    ----------
    source : Transfer
        Reads the finer level.
    metadata : VoxelsMetadata
        Of the coarser level.
    factors : sequence of int
        Size of a coarser voxel in finer ones, for each axis.
    method : "mean", "mode", "label" or "stride"
        What a voxel becomes.
    absolute : bool
        As of `Scales`. Voxels at the edge of the finer level are then repeated behind it.
    """

    def __init__(
        self,
        source: Transfer,
        metadata: VoxelsMetadata,
        factors: Sequence[int],
        method: Method,
        *,
        absolute: bool = False,
    ) -> None:
        self._metadata, self._factors, self._method = metadata, tuple(factors), method
        self._absolute = absolute
        completing = completed_from(source.store)
        self._source = dataclasses.replace(source, store=completing)
        self._own = source if completing is not source.store else None
        traits = completing.traits
        ratio = int(np.prod(self._factors))
        self.address = f"{source.name} reduced by {method} of {self._factors}"
        self.traits = StoreTraits(
            write_grid=(1,) * len(self._factors),
            chunks=tuple(max(1, chunk // factor) for chunk, factor in zip(traits.chunks, self._factors, strict=True)),
            max_read_bytes=max(1, traits.piece_bytes[1] // ratio),
            piece_bytes=(max(1, traits.piece_bytes[0] // ratio), max(1, traits.piece_bytes[1] // ratio)),
            preferred_concurrency=traits.preferred_concurrency,
            writable=False,
            lasting=traits.lasting,
        )

    def identity(self) -> str:
        """Return what tells the finer voxels from others of the same address."""
        source = identity_of(self._source.store)
        return f"{source} {self._method} {self._factors}" if source else ""

    def read_metadata(self, _call: Call) -> VoxelsMetadata:
        return self._metadata

    def read_box(self, box: Box, out: NDArray[Any], call: Call) -> None:
        finer = self._finer(box)
        inside = finer.intersection(self._source.metadata.bounds) or finer
        voxels = self._source.take(inside, call)
        if inside != finer:
            edges = zip(finer.start, finer.stop, inside.start, inside.stop, strict=True)
            voxels = np.pad(voxels, [(first - low, high - last) for low, high, first, last in edges], mode="edge")
        out[...] = reduced(voxels, self._factors, self._method)

    def has_voxels(self, box: Box) -> bool:
        """Whether the finer level has a block there of its own; the others are those of an older version."""
        return self._own is None or bool(self._own.stored(self._finer(box)).any())

    def _finer(self, box: Box) -> Box:
        """Return the voxels of the finer level that a box is made of."""
        if self._absolute:
            corners = zip(box.start, box.stop, self._factors, strict=True)
            return Box(*zip(*((low * by, high * by) for low, high, by in corners), strict=True))
        bounds = self._source.metadata.bounds
        sides = list(zip(self._metadata.bounds.start, bounds.start, bounds.stop, self._factors, strict=True))
        low = [fine + (n - first) * by for n, (first, fine, _, by) in zip(box.start, sides, strict=True)]
        high = [min(fine + (n - first) * by, end) for n, (first, fine, end, by) in zip(box.stop, sides, strict=True)]
        return Box(low, high)

    def write_box(self, box: Box, voxels: NDArray[Any], call: Call) -> None:  # noqa: ARG002 - never called: not writable
        raise UnsupportedError(f"write voxels {box} of {self.address}: a coarser level is not written through")

    def close(self) -> None:
        pass
