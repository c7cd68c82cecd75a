"""The whole of a copy: its pieces, its journal, its progress."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pyvolume.calls.progress import Progress, Reporter
from pyvolume.copying.checks import check, checked_box
from pyvolume.copying.cluster import Cluster
from pyvolume.copying.piece import Copied, Copier, Division
from pyvolume.copying.workers import Threads, Workers
from pyvolume.errors import MetadataError
from pyvolume.integrations.distributed import check_client
from pyvolume.model import arguments
from pyvolume.model.box import Box, BoxLike
from pyvolume.stores.arrays import Sliceable
from pyvolume.stores.base import FEW, Checkpointed, identity_of, lanes_of, room_of
from pyvolume.transfer.engine import Transfer
from pyvolume.transfer.grid import aligned, grid_of
from pyvolume.transfer.journal import Journal
from pyvolume.transfer.pieces import Pieces, Step
from pyvolume.volume import Volume, transfer_of

if TYPE_CHECKING:
    from distributed import Client

_log = logging.getLogger(__name__)

PIECE_BYTES = 4 << 20, 16 << 20
"""The lowest and the highest size of a piece. It does not depend on the concurrency, which may change before a copy is
continued."""

PIECES = 16_384
"""Pieces are larger than the lowest size only where they would be more than these: a journal has a line for each."""

HELD_BYTES = 80 << 20
"""Memory of all pieces that move at once, where nobody says how many they are."""

CHECKPOINT_BYTES = 1 << 30
"""After so many bytes a destination that keeps writes at checkpoints only gets one."""

CHECKPOINT_SECONDS = 60.0
"""And after so much time."""


class WritableArray(Sliceable, Protocol):
    """An array-like that takes voxels too."""

    def __setitem__(self, key: Any, value: Any, /) -> None: ...


def copy(
    src: Volume | Sliceable,
    dst: Volume | WritableArray,
    box: BoxLike | None = None,
    *,
    client: Client | None = None,
    concurrency: int | None = None,
    progress: Progress = None,
    resume: str | os.PathLike[str] | None = None,
    verify: bool = False,
) -> int:
    """Copy voxels between two volumes, or between an array and a volume.

    The voxels come from the literal coordinates that they go to. They move in pieces of 4 to 16 MiB that share no
    block of the destination, or of one block if that is larger. One piece for each worker is in memory, and its blocks
    too where they are merged.

    Parameters
    ----------
    src, dst : Volume or array-like
        Of equally many axes, channel first. An array-like has a shape and a dtype and is sliced, as numpy arrays,
        memmaps, h5py datasets and zarr arrays are; its first voxel has the coordinates 0. It is used by
        several threads at once, unless `concurrency` is 1. Values are cast as the destination allows it; an
        array-like's rule is "checked".
    box : Box or pair of corners, optional
        What to copy; by default all that is stored in `src`: its bounds, or the whole array.
    client : distributed.Client, optional
        Of a cluster of dask.distributed, whose workers move the pieces; needs the extra ``distributed``. The workers
        must reach `src` and `dst`: volumes on servers, files that `pyvolume.open` has opened, and arrays of zarr, under
        paths that all workers have. A token is sent to the workers only if its identity has ``pickle_secrets=True``.
        If a worker dies, another one moves its pieces; a piece may be sent twice then. This process writes the journal.
    concurrency : int, optional
        How many pieces to move at once; by default one for each request that `src` and `dst` serve at once, in up to
        80 MiB of memory, or a single one if a store wants one request at a time. With `client` it counts over the whole
        cluster; by default all threads of the cluster move pieces, or one of them if a store wants one request at a
        time. Without it and without `client`, a piece takes several requests at once where so few pieces do not fill
        those that the stores serve.
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
        cannot work: reads of `dst` are not faithful; with `client`, if the workers cannot reach `src` or `dst`.
    MetadataError
        If the journal is that of another copy, or one of its ends is not the one that the journal describes.
    BusyError
        If another copy uses the journal.
    AnswerError
        If a piece that was copied differs from the source.
    StoreError
        If a store could not serve a piece; `remaining` holds the boxes that were not copied. With `client` some of
        these may have arrived: a worker finishes a piece that it has begun, also after Ctrl-C.
    ImportError
        If `client` is given and distributed is not installed.

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
    if client is not None:
        check_client(client, "copy")
    source, destination = transfer_of(src, "copy"), transfer_of(dst, "copy")
    box = checked_box(source.metadata.bounds if box is None else box, source, destination)
    check(source, destination, box, verify)
    if not box.size:
        return 0
    store = destination.store
    traits = store.traits
    grid = _grid(source, destination)
    whole = aligned(box, grid, traits, destination.metadata.bounds)
    most = _piece_voxels(source, destination, box)
    pieces = Pieces.of_box(box, whole, grid, most)
    copied = {
        "source": source.name,
        "destination": store.place if isinstance(store, Checkpointed) else destination.name,
        "box": str(box),
        "dtype": f"{source.metadata.dtype} to {destination.metadata.dtype}",
        "plan": f"pieces of {most} voxels in blocks of {grid} of {whole}",
    }
    copier = Copier(source, destination, verify=verify, lasting=resume is not None or client is not None)
    workers = _workers(copier, client, concurrency, grid, most)
    with contextlib.ExitStack() as stack:
        journal = (
            stack.enter_context(_journal(resume, copied, box, source, destination)) if resume is not None else None
        )
        reporter = stack.enter_context(Reporter(progress, "copy", box.size * destination.metadata.dtype.itemsize))
        return _Copy(copier, workers, journal, reporter).run(pieces)


def _workers(
    copier: Copier, client: Client | None, concurrency: int | None, grid: tuple[int, ...], voxels: int
) -> Workers:
    if client is not None:
        return Cluster(copier, client, concurrency)
    if concurrency is not None:
        return Threads(copier, lambda: concurrency)
    itemsize = max(side.metadata.dtype.itemsize for side in (copier.source, copier.destination))
    most = max(FEW, HELD_BYTES // (max(voxels, math.prod(grid)) * itemsize))
    dividing = dataclasses.replace(copier, division=Division(grid, most))
    return Threads(dividing, lambda: min(_room(copier), most))


def _room(copier: Copier) -> int:
    """Return how many pieces to move at once now: one for each request that the two sides serve at once.

    A thread reads a piece, then writes it. To verify, it reads the piece of both sides once more.
    """
    rooms: dict[int, int] = {}
    for store, write in ((copier.source.store, False), (copier.destination.store, True)):
        lanes = lanes_of(store)
        if lanes is None and store.traits.preferred_concurrency == 1:  # nothing else keeps requests apart
            return 1
        if store.traits.preferred_concurrency:
            rooms[id(store if lanes is None else lanes.of(write=write))] = room_of(store, write=write)
    return max(1, sum(rooms.values())) * (2 if copier.verify else 1)


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


def _grid(source: Transfer, destination: Transfer) -> tuple[int, ...]:
    """Return the blocks of the destination, or of the source where these are multiples: no block is read twice."""
    given, taken = source.store.traits.chunks, destination.store.traits
    grid = grid_of(taken.chunks, given) or taken.write_grid
    both = tuple(a if a % b == 0 else b for a, b in zip(given, grid, strict=True))
    return both if math.prod(both) * source.metadata.dtype.itemsize <= PIECE_BYTES[1] else grid


def _piece_voxels(source: Transfer, destination: Transfer, box: Box) -> int:
    traits = destination.store.traits
    itemsize = max(source.metadata.dtype.itemsize, destination.metadata.dtype.itemsize)
    lowest, highest = PIECE_BYTES
    piece = min(max(-(-box.size * itemsize // PIECES), lowest), highest, traits.piece_bytes[0], traits.max_write_bytes)
    return max(1, piece // itemsize)


@dataclass(frozen=True)
class _Unfinished:
    """The steps of a copy that are left to do."""

    pieces: Pieces
    finished: Mapping[Box, str]

    def __iter__(self) -> Iterator[Step]:
        return (Step(box) for box in self.pieces if box not in self.finished)


class _Copy:
    """One copy that is running: gives out its pieces, and notes those that are finished."""

    def __init__(self, copier: Copier, workers: Workers, journal: Journal | None, reporter: Reporter) -> None:
        self._copier = copier
        self._workers = workers
        self._journal = journal
        self._reporter = reporter
        self._copied = 0
        self._unkept: list[tuple[Box, str]] = []
        self._unkept_bytes, self._kept_at = 0, time.monotonic()
        self._noting = threading.Lock()
        # nobody knows whether an array in memory is the one of the process before
        lasting = copier.source.store.traits.lasting
        self._finished = dict(journal.finished) if journal is not None and lasting else {}
        if (
            copier.verify
            and self._finished
            and journal is not None
            and not (journal.knows_source and journal.knows_destination)
        ):
            journal.renew()

    def run(self, pieces: Pieces) -> int:
        """Copy what is not finished, and return how many bytes were written."""
        source, destination = self._copier.source, self._copier.destination
        finished = {} if self._copier.verify or not destination.store.traits.lasting else self._finished
        if self._journal is not None and finished:
            self._check_ends(self._journal, finished)
            self._report(sum(box.size for box in finished))
        _log.info("copy %s to %s: %d pieces are there", source.name, destination.name, len(finished))
        self._workers.copy(_Unfinished(pieces, finished), self._finished, self._note)
        with self._noting:
            self._checkpoint()
        if not self._copied:
            _log.info("copy %s to %s: nothing was left to do", source.name, destination.name)
        return self._copied * destination.metadata.dtype.itemsize

    def _check_ends(self, journal: Journal, finished: dict[Box, str]) -> None:
        """Refuse an end that is not the one of the finished pieces."""
        way_out = "remove the journal to copy everything, or verify the copy to copy again what differs"
        source, destination = self._copier.source, self._copier.destination
        if not journal.knows_source:
            raise MetadataError(
                f"resume copy: {journal.path} is the journal of another copy: {source.name} was made anew or "
                f"changed since; {way_out}"
            )

        def compare(step: Step, found: str) -> None:
            if found != finished[step.box]:
                raise MetadataError(
                    f"resume copy: {journal.path} is the journal of another copy: {destination.name} was made "
                    f"anew or changed since, {step.box} has other voxels; {way_out}"
                )

        if not journal.knows_destination:
            self._workers.read([Step(box) for box in finished], compare)

    def _note(self, step: Step, copied: Copied) -> None:
        """Note a piece that is finished."""
        box = step.box
        if copied.written:
            with self._noting:
                self._copied += box.size
        if self._journal is not None and copied.checksum and (copied.written or box not in self._journal.finished):
            self._add(self._journal, box, copied.checksum)
        self._report(box.size)

    def _add(self, journal: Journal, box: Box, checksum: str) -> None:
        """Write down a piece; one that is kept from the next checkpoint on, then."""
        if not isinstance(self._copier.destination.store, Checkpointed):
            journal.add(box, checksum)
            return
        with self._noting:
            self._unkept.append((box, checksum))
            self._unkept_bytes += box.size * self._copier.destination.metadata.dtype.itemsize
            is_late = time.monotonic() - self._kept_at > CHECKPOINT_SECONDS
            if is_late or self._unkept_bytes >= CHECKPOINT_BYTES:
                self._checkpoint()

    def _checkpoint(self) -> None:
        """Let the destination keep what is written, and write the pieces down."""
        store = self._copier.destination.store
        if self._journal is None or not self._unkept or not isinstance(store, Checkpointed):
            return
        store.checkpoint(f"copy of {self._copier.source.name}", self._workers.calls.destination)
        for box, checksum in self._unkept:
            self._journal.add(box, checksum)
        self._unkept, self._unkept_bytes, self._kept_at = [], 0, time.monotonic()

    def _report(self, voxels: int) -> None:
        nbytes = voxels * self._copier.destination.metadata.dtype.itemsize
        self._reporter.moved(nbytes, self._workers.calls.retries, self._workers.calls.at_once)
