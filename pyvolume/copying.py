"""Copying: between two volumes, or an array and a volume, piece by piece."""

from __future__ import annotations

import contextlib
import logging
import os
import zlib
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pyvolume.calls.progress import Progress, Reporter
from pyvolume.codecs import raw
from pyvolume.ends import End, end_of
from pyvolume.errors import AnswerError, SelectionError, UnsupportedError, VoxelsMismatchError
from pyvolume.model.box import Box
from pyvolume.transfer.casting import ArrayLike
from pyvolume.transfer.grid import cut
from pyvolume.transfer.journal import Journal
from pyvolume.transfer.plan import Step
from pyvolume.transfer.pool import run_all
from pyvolume.volume import Volume

_log = logging.getLogger(__name__)

PIECES = 16
"""As many pieces as a copy should have at least, where they do not get too small: whatever the concurrency, so that
it may change before a copy is continued."""


class WritableArray(ArrayLike, Protocol):
    """An array-like that takes voxels too."""

    def __setitem__(self, key: Any, value: Any, /) -> None: ...


def copy(
    src: Volume | ArrayLike,
    dst: Volume | WritableArray,
    box: Box | None = None,
    *,
    concurrency: int | None = None,
    progress: Progress = None,
    resume: str | os.PathLike[str] | None = None,
    verify: bool = False,
) -> None:
    """Copy voxels between two volumes, or between an array and a volume.

    The voxels come from the literal coordinates that they go to. They move in pieces of 16 to 64 MiB that share no
    block of the destination; one piece for each worker is in memory, and its blocks too where they are merged.

    Parameters
    ----------
    src, dst : Volume or array-like
        Of equally many axes, channel first. An array-like has a shape and a dtype and is sliced, as numpy arrays,
        memmaps, h5py datasets and zarr arrays are; its first voxel has the coordinates 0. It is used by
        several threads at once, unless `concurrency` is 1. Values are cast as the destination allows it; an
        array-like's rule is "checked".
    box : Box, optional
        What to copy; by default all that is stored in `src`: its bounds, or the whole array.
    concurrency : int, optional
        How many pieces to move at once; by default what the store of `dst` prefers, or else that of `src`.
    progress : bool or callable, optional
        Show a bar, or call a function with a `TransferStatus`; see `set_options`. Bytes are those of `dst`.
    resume : path, optional
        A journal. A copy that was killed continues where it stopped if it is begun again with the same journal; one
        that was finished does nothing.
    verify : bool
        Read back each piece and compare its CRC-32. Pieces that the journal has are compared too, and copied again
        where they differ.

    Raises
    ------
    SelectionError
        If the box is not within `src`, or does not fit into `dst`.
    VoxelsMismatchError
        If the numbers of axes differ, or values do not fit. What only values can tell is found piece by piece.
    UnsupportedError
        If `dst` cannot be written, blocks may not be merged, or `verify` cannot work: reads of `dst` are not faithful.
    MetadataError
        If the journal is that of another copy.
    AnswerError
        If a piece is not read back as it was written.
    StoreError
        If a store could not serve a piece; `remaining` holds the boxes that were not copied.

    Notes
    -----
    Nobody looks whether the source changes between a copy and its continuation, nor whether two processes use one
    journal at once; the second would copy the same voxels once more.

    Examples
    --------
    >>> import numpy as np, pyvolume
    >>> volume = pyvolume.from_array(np.zeros((1, 8, 8, 8), "uint8"))
    >>> pyvolume.copy(np.full((1, 4, 4, 4), 7), volume)
    >>> int(volume[...].sum()) == 7 * 4**3
    True
    """
    if concurrency is not None and concurrency < 1:
        raise ValueError(f"copy: concurrency is a number of pieces, at least 1, not {concurrency!r}")
    source, destination = end_of(src), end_of(dst)
    box = _checked_box(source.bounds if box is None else box, source, destination)
    _check(source, destination, box, verify)
    if not box.size:
        return
    grid = destination.grid or source.grid or (1,) * box.ndim
    pieces = _pieces(box, destination.whole(box, grid), grid, _piece_voxels(source, destination, box))
    copied = {
        "source": source.name,
        "destination": destination.name,
        "box": str(box),
        "dtype": f"{source.dtype} to {destination.dtype}",
    }
    with contextlib.ExitStack() as stack:
        journal = stack.enter_context(Journal(resume, copied, pieces)) if resume is not None else None
        reporter = stack.enter_context(Reporter(progress, "copy", box.size * destination.dtype.itemsize))
        count = concurrency or destination.concurrency or source.concurrency or 1
        if _Copy(source, destination, journal, reporter, verify).run(pieces, count):
            destination.finish(box)


def _checked_box(box: object, source: End, destination: End) -> Box:
    if source.bounds.ndim != destination.bounds.ndim:
        raise VoxelsMismatchError(
            f"copy: expected as many axes in both, channel first, and found {source.bounds.ndim} in {source.name} "
            f"and {destination.bounds.ndim} in {destination.name}"
        )
    if not isinstance(box, Box) or box.ndim != source.bounds.ndim:
        raise SelectionError(f"copy: expected a Box of {source.bounds.ndim} axes and found {box!r}")
    return box


def _check(source: End, destination: End, box: Box, verify: bool) -> None:
    """Refuse whatever can be refused before anything moves."""
    source.check_read(box)
    destination.check_write(box)
    # zeros fit everywhere: what is refused here is refused whatever the values are
    destination.castable(np.zeros(1, source.dtype))
    if verify and not destination.faithful:
        raise UnsupportedError(f"verify copy: what is read from {destination.name} may differ from what is written")


def _piece_voxels(source: End, destination: End, box: Box) -> int:
    itemsize = max(source.dtype.itemsize, destination.dtype.itemsize)
    lowest, highest = destination.piece_bytes
    piece = min(max(-(-box.size * itemsize // PIECES), lowest), destination.max_bytes or highest, highest)
    return max(1, piece // itemsize)


def _pieces(box: Box, whole: Box, grid: tuple[int, ...], most: int) -> tuple[Box, ...]:
    """Cut a box where no block is cut: into the parts of it that lie in the pieces of the blocks around it."""
    parts = (piece.intersection(box) for piece in cut(whole, grid, most))
    return tuple(part for part in parts if part is not None)


@dataclass(frozen=True, slots=True)
class _Copy:
    """One copy under way."""

    source: End
    destination: End
    journal: Journal | None
    reporter: Reporter
    verify: bool

    def run(self, pieces: tuple[Box, ...], concurrency: int) -> bool:
        """Copy what is not finished; return whether there was anything to do."""
        finished = {} if self.journal is None or self._looks_again else dict(self.journal.finished)
        if finished:
            self._report(sum(box.size for box in finished))
        steps = [Step(box) for box in pieces if box not in finished]
        _log.info("copy %s to %s: %d of %d pieces", self.source.name, self.destination.name, len(steps), len(pieces))
        try:
            run_all(steps, self._move, self.destination.call, concurrency)
        except BaseException:
            self.source.call.cancel()
            raise
        return bool(steps)

    @property
    def _looks_again(self) -> bool:
        """Whether the journal's word is not enough: an array in memory is not the one of the process before."""
        return self.verify or not self.destination.lasting

    def _move(self, step: Step) -> None:
        box = step.box
        for end in (self.source, self.destination):
            end.call.remaining()
            end.call.touch()
        if not self._is_there(box):
            self._copy(box)
        self._report(box.size)

    def _is_there(self, box: Box) -> bool:
        expected = None if self.journal is None else self.journal.finished.get(box)
        if expected is None:
            return False
        same = self._stored(box) == expected
        if not same:
            _log.warning("copy %s again: %s has other voxels than the journal", box, self.destination.name)
        return same

    def _copy(self, box: Box) -> None:
        voxels = self.source.read(box)
        self.destination.call.touch()
        self.destination.write(box, voxels)
        if self.journal is None and not self.verify:
            return
        written = _checksum(voxels, self.destination.dtype)
        del voxels
        if self.verify and (found := self._stored(box)) != written:
            raise AnswerError(
                f"verify copy of {box}: expected voxels of the checksum {written} in {self.destination.name} "
                f"and found {found}"
            )
        if self.journal is not None:
            self.destination.flush()
            self.journal.add(box, written)

    def _stored(self, box: Box) -> str:
        return _checksum(self.destination.read(box), self.destination.dtype)

    def _report(self, voxels: int) -> None:
        retries = self.source.call.counted.retries + self.destination.call.counted.retries
        self.reporter.moved(voxels * self.destination.dtype.itemsize, retries)


def _checksum(voxels: NDArray[Any], dtype: np.dtype[Any]) -> str:
    """Return the CRC-32 of the voxels cast to `dtype`, whatever their order in memory."""
    checksum = 0
    for part in raw.encode(voxels, dtype):
        checksum = zlib.crc32(part, checksum)
    return f"{checksum:08x}"
