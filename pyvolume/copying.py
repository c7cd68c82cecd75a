"""Copying: between two volumes, or an array and a volume, piece by piece."""

from __future__ import annotations

import contextlib
import logging
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pyvolume.calls.progress import Progress, Reporter
from pyvolume.codecs import raw
from pyvolume.errors import AnswerError, MetadataError, UnsupportedError, VoxelsMismatchError
from pyvolume.indexing.selection import Selection
from pyvolume.model import arguments
from pyvolume.model.box import Box, BoxLike
from pyvolume.stores.arrays import ArrayStore, Sliceable
from pyvolume.stores.base import Incomplete, identity_of
from pyvolume.transfer.casting import castable
from pyvolume.transfer.checks import check_inside, checked_box
from pyvolume.transfer.engine import Operation, Transfer
from pyvolume.transfer.grid import aligned, grid_of
from pyvolume.transfer.journal import Journal
from pyvolume.transfer.overlap import memory_of
from pyvolume.transfer.pieces import Pieces, Step
from pyvolume.transfer.pool import run_all
from pyvolume.volume import Volume, transfer_of

_log = logging.getLogger(__name__)

PIECES = 16
"""As many pieces as a copy should have at least, where they do not get too small: whatever the concurrency, so that
it may change before a copy is continued."""


OVERLAP_WORK = 10_000
"""Steps of the search for voxels that two arrays share; where it is not enough, they count as sharing some."""


class WritableArray(Sliceable, Protocol):
    """An array-like that takes voxels too."""

    def __setitem__(self, key: Any, value: Any, /) -> None: ...


def copy(
    src: Volume | Sliceable,
    dst: Volume | WritableArray,
    box: BoxLike | None = None,
    *,
    concurrency: int | None = None,
    progress: Progress = None,
    resume: str | os.PathLike[str] | None = None,
    verify: bool = False,
) -> int:
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
    box : Box or pair of corners, optional
        What to copy; by default all that is stored in `src`: its bounds, or the whole array.
    concurrency : int, optional
        How many pieces to move at once; by default what the store of `dst` prefers, or else that of `src`.
    progress : bool or callable, optional
        Show a bar, or call a function with a `TransferStatus`; see `set_options`. Bytes are those of `dst`.
    resume : path, optional
        A journal. A copy that was killed continues where it stopped if it is begun again with the same journal; one
        that was finished does nothing. If `src` is an array in memory, everything is copied again: another process
        cannot know that it is the same array. If the file of `dst` is not as the journal left it, its finished pieces
        are compared with the journal.
    verify : bool
        Read each piece once more from both, and compare its CRC-32. Pieces that the journal has are compared too, and
        copied again where they differ, also if an end of the copy was made anew.

    Returns
    -------
    int
        Bytes that were written into `dst`; 0 if the journal had all pieces, so that nothing was left to do.

    Raises
    ------
    SelectionError
        If the box is not within `src`, or does not fit into `dst`.
    VoxelsMismatchError
        If the numbers of axes differ, or values do not fit. What only values can tell is found piece by piece.
    UnsupportedError
        If `dst` cannot be written, or is another view of the array of `src`; if blocks may not be merged, or `verify`
        cannot work: reads of `dst` are not faithful.
    MetadataError
        If the journal is that of another copy, or one of its ends is not the one that the journal describes.
    BusyError
        If another copy uses the journal.
    AnswerError
        If a piece that was copied differs from the source.
    StoreError
        If a store could not serve a piece; `remaining` holds the boxes that were not copied.

    Notes
    -----
    Voxels of a source that change without a new version, or in the chunks of a zarr array, are not noticed between a
    copy and its continuation; with `verify` they are.

    Examples
    --------
    >>> import numpy as np, pyvolume
    >>> volume = pyvolume.from_array(np.zeros((1, 8, 8, 8), "uint8"))
    >>> pyvolume.copy(np.full((1, 4, 4, 4), 7), volume)
    64
    >>> int(volume[...].sum()) == 7 * 4**3
    True
    """
    if concurrency is not None:
        arguments.integer(concurrency, "copy", "concurrency", least=1)
    source, destination = transfer_of(src, "copy"), transfer_of(dst, "copy")
    box = _checked_box(source.metadata.bounds if box is None else box, source, destination)
    _check(source, destination, box, verify)
    if not box.size:
        return 0
    traits = destination.store.traits
    grid = grid_of(traits.chunks, source.store.traits.chunks) or traits.write_grid
    whole = aligned(box, grid, traits, destination.metadata.bounds)
    most = _piece_voxels(source, destination, box)
    pieces = Pieces.of_box(box, whole, grid, most)
    copied = {
        "source": source.name,
        "destination": destination.name,
        "box": str(box),
        "dtype": f"{source.metadata.dtype} to {destination.metadata.dtype}",
        "plan": f"pieces of {most} voxels in blocks of {grid} of {whole}",
    }
    count = concurrency or traits.preferred_concurrency or source.store.traits.concurrency
    with contextlib.ExitStack() as stack:
        journal = (
            stack.enter_context(_journal(resume, copied, box, source, destination)) if resume is not None else None
        )
        reporter = stack.enter_context(Reporter(progress, "copy", box.size * destination.metadata.dtype.itemsize))
        return _Copy(source, destination, journal, reporter, verify).run(pieces, count)


def _journal(
    path: str | os.PathLike[str],
    copied: dict[str, str],
    box: Box,
    source: Transfer,
    destination: Transfer,
) -> Journal:
    if not destination.store.traits.crash_safe:
        _log.warning(
            "copy to %s: HDF5 can leave the file unreadable if the process is killed during a write, and then the "
            "journal does not help (.zarr and .npy stay readable)",
            destination.name,
        )
    return Journal(
        path, copied, box, source=identity_of(source.store), destination=lambda: identity_of(destination.store)
    )


def _checked_box(box: BoxLike, source: Transfer, destination: Transfer) -> Box:
    ndim, other = source.metadata.bounds.ndim, destination.metadata.bounds.ndim
    if ndim != other:
        raise VoxelsMismatchError(
            f"copy: expected as many axes in both, channel first, and found {ndim} in {source.store.address} "
            f"and {other} in {destination.store.address}"
        )
    return checked_box(box, source.metadata)


def _check(source: Transfer, destination: Transfer, box: Box, verify: bool) -> None:
    """Refuse whatever can be refused before anything moves."""
    traits, metadata = destination.store.traits, destination.metadata
    check_inside(box, source.metadata, source.store.traits, growing=False)
    destination.check_writable("copy into voxels")
    check_inside(box, metadata, traits, growing=True)
    whole = aligned(box, traits.write_grid, traits, metadata.bounds)
    if whole != box:
        destination.check_may_merge(Selection.of_box(box), whole)
    # zeros fit everywhere: what is refused here is refused whatever the values are
    castable(np.zeros(1, source.metadata.dtype), metadata.dtype, destination.casting)
    if _overlap(source, destination):
        raise UnsupportedError(
            "copy: source and destination are views of one array, at different places in it; copy the source first"
        )
    if verify and not traits.faithful:
        raise UnsupportedError(
            f"verify copy: what is read from {destination.store.address} may differ from what is written"
        )


def _overlap(source: Transfer, destination: Transfer) -> bool:
    """Whether a piece that is written could change voxels that are read later, for other coordinates."""
    first, second = memory_of(source.store), memory_of(destination.store)
    if first is None or second is None:
        return False
    starts = source.metadata.bounds.start, destination.metadata.bounds.start
    if starts[0] == starts[1] and _layout(first) == _layout(second):
        return False  # each voxel is copied onto itself
    shares: Any = np.shares_memory  # its stubs know no other limits than 0 and -1
    try:
        return bool(shares(first, second, max_work=OVERLAP_WORK))
    except np.exceptions.TooHardError:
        return True


def _layout(array: NDArray[Any]) -> tuple[object, ...]:
    return array.ctypes.data, array.strides, array.dtype


def _piece_voxels(source: Transfer, destination: Transfer, box: Box) -> int:
    traits = destination.store.traits
    itemsize = max(source.metadata.dtype.itemsize, destination.metadata.dtype.itemsize)
    lowest, highest = traits.piece_bytes
    piece = min(max(-(-box.size * itemsize // PIECES), lowest), traits.max_write_bytes, highest)
    return max(1, piece // itemsize)


@dataclass(frozen=True)
class _Unfinished:
    """The steps of a copy that are left to do."""

    pieces: Pieces
    finished: Mapping[Box, str]

    def __iter__(self) -> Iterator[Step]:
        return (Step(box) for box in self.pieces if box not in self.finished)


class _Copy:
    """One copy that is running."""

    def __init__(
        self, source: Transfer, destination: Transfer, journal: Journal | None, reporter: Reporter, verify: bool
    ) -> None:
        self._source = source
        self._destination = destination
        self._calls = source.begin(), destination.begin()
        self._journal = journal
        self._reporter = reporter
        self._verify = verify
        self._copied: list[Box] = []
        # nobody knows whether an array in memory is the one of the process before
        self._finished = dict(journal.finished) if journal is not None and source.store.traits.lasting else {}
        if (
            verify
            and self._finished
            and journal is not None
            and not (journal.knows_source and journal.knows_destination)
        ):
            journal.renew()

    def run(self, pieces: Pieces, concurrency: int) -> int:
        """Copy what is not finished, and return how many bytes were written."""
        finished = {} if self._verify or not self._destination.store.traits.lasting else self._finished
        if self._journal is not None and finished:
            self._check_ends(self._journal, finished, concurrency)
            self._report(sum(box.size for box in finished))
        _log.info("copy %s to %s: %d pieces are there", self._source.name, self._destination.name, len(finished))
        try:
            run_all(_Unfinished(pieces, finished), self._move, self._calls[1], concurrency)
        except BaseException:
            self._calls[0].cancel()
            raise
        if not self._copied:
            _log.info("copy %s to %s: nothing was left to do", self._source.name, self._destination.name)
        return sum(box.size for box in self._copied) * self._destination.metadata.dtype.itemsize

    def _check_ends(self, journal: Journal, finished: dict[Box, str], concurrency: int) -> None:
        """Refuse an end that is not the one of the finished pieces."""
        way_out = "remove the journal to copy everything, or verify the copy to copy again what differs"
        if not journal.knows_source:
            raise MetadataError(
                f"resume copy: {journal.path} is the journal of another copy: {self._source.name} was made anew or "
                f"changed since; {way_out}"
            )

        def compare(step: Step) -> None:
            self._touch()
            if self._stored(step.box) != finished[step.box]:
                raise MetadataError(
                    f"resume copy: {journal.path} is the journal of another copy: {self._destination.name} was made "
                    f"anew or changed since, {step.box} has other voxels; {way_out}"
                )

        if not journal.knows_destination:
            run_all([Step(box) for box in finished], compare, self._calls[1], concurrency)

    def _touch(self) -> None:
        for call in self._calls:
            call.remaining()
            call.touch()

    def _move(self, step: Step) -> None:
        self._touch()
        source = self._source.store
        is_left_out = isinstance(source, Incomplete) and not source.has_voxels(step.box)
        if not is_left_out and not self._is_there(step.box):
            self._copy(step.box)
            self._copied.append(step.box)
        self._report(step.box.size)

    def _is_there(self, box: Box) -> bool:
        expected = self._finished.get(box)
        if expected is None:
            return False
        known = "the journal"
        if self._verify:
            expected, known = self._given(box), self._source.name
        same = self._stored(box) == expected
        if not same:
            _log.warning("copy %s again: %s has other voxels than %s", box, self._destination.name, known)
        elif self._journal is not None and box not in self._journal.finished:
            self._journal.add(box, expected)
        return same

    def _copy(self, box: Box) -> None:
        voxels = self._source.take(box, self._calls[0])
        self._calls[1].touch()
        self._destination.post(box, voxels, Operation(self._calls[1], progress=False, concurrency=1))
        if self._journal is None and not self._verify:
            return
        written = _checksum(voxels, self._destination.metadata.dtype)
        del voxels
        if self._verify and (found := self._stored(box)) != (written := self._given(box)):
            raise AnswerError(
                f"verify copy of {box}: expected voxels of the checksum {written}, as in {self._source.name}, "
                f"and found {found} in {self._destination.name}"
            )
        if self._journal is not None:
            if isinstance(self._destination.store, ArrayStore):
                self._destination.store.flush()
            self._journal.add(box, written)

    def _given(self, box: Box) -> str:
        """Read the source once more: what arrived the first time may have been wrong."""
        return _checksum(self._source.take(box, self._calls[0]), self._destination.metadata.dtype)

    def _stored(self, box: Box) -> str:
        return _checksum(self._destination.take(box, self._calls[1]), self._destination.metadata.dtype)

    def _report(self, voxels: int) -> None:
        retries = sum(call.counted.retries for call in self._calls)
        self._reporter.moved(voxels * self._destination.metadata.dtype.itemsize, retries)


def _checksum(voxels: NDArray[Any], dtype: np.dtype[Any]) -> str:
    """Return the CRC-32 of the voxels cast to `dtype`, whatever their order in memory."""
    checksum = 0
    for part in raw.encode(voxels, dtype):
        checksum = zlib.crc32(part, checksum)
    return f"{checksum:08x}"
