"""One piece of a copy: read, written and compared, in whatever thread or process."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyvolume.calls.call import Call
from pyvolume.codecs import raw
from pyvolume.copying.spare import Spare
from pyvolume.errors import AnswerError
from pyvolume.model.box import Box
from pyvolume.stores.arrays import ArrayStore
from pyvolume.stores.base import Incomplete, lanes_of
from pyvolume.transfer.engine import Operation, Transfer
from pyvolume.transfer.pieces import Pieces, Step
from pyvolume.transfer.plan import LEAST_PIECE_BYTES, PIECE_SECONDS
from pyvolume.transfer.pool import run_all

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Calls:
    """What the pieces of a copy share: a call of the source, one of the destination, and memory.

    Parameters
    ----------
    source, destination : Call
        Their patience and counters.
    spare : Spare
        Memory for pieces.
    """

    source: Call
    destination: Call
    spare: Spare = dataclasses.field(default_factory=Spare)

    def check(self) -> None:
        """Do nothing, unless the copy has to end.

        Raises
        ------
        TransportError
            If a call is cancelled, or its deadline has passed.
        """
        self.source.remaining()
        self.destination.remaining()

    def touch(self) -> None:
        """Begin a piece: the patience starts anew."""
        self.check()
        self.source.touch()
        self.destination.touch()

    def cancel(self) -> None:
        """Let both end."""
        self.source.cancel()
        self.destination.cancel()

    @property
    def retries(self) -> int:
        """How many attempts were repeated."""
        return self.source.counted.retries + self.destination.counted.retries

    @property
    def at_once(self) -> int:
        """How many requests were under way at once, of both sides together."""
        return self.source.counted.at_once + self.destination.counted.at_once


@dataclass(frozen=True, slots=True)
class Copied:
    """What became of a piece.

    Parameters
    ----------
    written : bool
        Whether it was written; if not, the voxels were there, or the source has none.
    checksum : str
        The CRC-32 of the voxels in the dtype of the destination; empty if nobody wants it, or the source has none.
    """

    written: bool
    checksum: str


@dataclass(frozen=True, slots=True)
class Division:
    """Divides a piece into several requests where all pieces that fit into memory do not fill the slots.

    Parameters
    ----------
    grid : tuple of int
        The shape of a block; no block is divided.
    pieces : int
        How many pieces move at once, at most: one half of them is read, the other one is written.
    """

    grid: tuple[int, ...]
    pieces: int

    def parts(self, box: Box, side: Transfer, *, write: bool) -> list[Box]:
        """Return the parts of a piece, each of which is one request; they fill the slots that it has."""
        lanes, itemsize = lanes_of(side.store), side.metadata.dtype.itemsize
        if lanes is None or side.store.traits.request_chunks:  # there a piece sends one for each of its chunks
            return [box]
        slots = lanes.of(write=write)
        number = -(-2 * slots.room // self.pieces)
        nbytes = max(LEAST_PIECE_BYTES, int(slots.rate * PIECE_SECONDS[0]), -(-box.size * itemsize // number))
        most = nbytes // itemsize
        if box.size <= most:
            return [box]
        return list(Pieces.of_box(box, box.aligned_to(self.grid), self.grid, most))


@dataclass(frozen=True, slots=True)
class Copier:
    """Copies pieces that share no block of the destination.

    Parameters
    ----------
    source, destination : Transfer
        How the two volumes are read and written.
    verify : bool
        Whether to read each piece once more from both, and to compare.
    lasting : bool
        Whether a piece that is finished survives the end of the process, and has a checksum.
    division : Division, optional
        Divides the pieces. By default each takes one request at a time.
    """

    source: Transfer
    destination: Transfer
    verify: bool = False
    lasting: bool = False
    division: Division | None = None

    def begin(self) -> Calls:
        """Begin an operation on both sides."""
        return Calls(self.source.begin(), self.destination.begin())

    def in_this_process(self) -> Copier:
        """Return the copier after its way to another process, where no other task writes blocks of its pieces."""
        # merging needs no warning then
        return dataclasses.replace(self, destination=dataclasses.replace(self.destination, process=os.getpid()))

    def copy(self, box: Box, expected: str | None, calls: Calls) -> Copied:
        """Copy a piece, unless it is there, or the source has no voxels of it.

        Parameters
        ----------
        box : Box
            The piece.
        expected : str, optional
            The checksum that the piece has if it was copied before; None if it was not.
        calls : Calls
            The operation that the piece belongs to.

        Raises
        ------
        AnswerError
            If the copied voxels differ from the source.
        StoreError
            If a store could not serve the piece.
        """
        calls.touch()
        source = self.source.store
        if isinstance(source, Incomplete) and not source.has_voxels(box):
            return Copied(written=False, checksum="")
        if expected is not None:
            known = self.source.name if self.verify else "the journal"
            wanted = self._given(box, calls) if self.verify else expected
            if self._stored(box, calls) == wanted:
                return Copied(written=False, checksum=wanted)
            _log.warning("copy %s again: %s has other voxels than %s", box, self.destination.name, known)
        return Copied(written=True, checksum=self._copy(box, calls))

    def stored(self, box: Box, calls: Calls) -> str:
        """Return the checksum of what the destination has."""
        calls.touch()
        return self._stored(box, calls)

    def _copy(self, box: Box, calls: Calls) -> str:
        written = ""
        with self._taken(self.source, box, calls.source, calls.spare) as voxels:
            calls.destination.touch()
            self._post(box, voxels, calls.destination)
            if self.lasting and not self.verify:
                written = _checksum(voxels, self.destination.metadata.dtype)
        if self.verify and (found := self._stored(box, calls)) != (written := self._given(box, calls)):
            raise AnswerError(
                f"verify copy of {box}: expected voxels of the checksum {written}, as in {self.source.name}, "
                f"and found {found} in {self.destination.name}"
            )
        if self.lasting and isinstance(self.destination.store, ArrayStore):
            self.destination.store.flush()
        return written

    def _given(self, box: Box, calls: Calls) -> str:
        """Read the source once more: what arrived the first time may have been wrong."""
        with self._taken(self.source, box, calls.source, calls.spare) as voxels:
            return _checksum(voxels, self.destination.metadata.dtype)

    def _stored(self, box: Box, calls: Calls) -> str:
        with self._taken(self.destination, box, calls.destination, calls.spare) as voxels:
            return _checksum(voxels, self.destination.metadata.dtype)

    @contextlib.contextmanager
    def _taken(self, side: Transfer, box: Box, call: Call, spare: Spare) -> Iterator[NDArray[Any]]:
        """Read a piece, into spare memory if it is not in memory already."""
        if isinstance(side.store, ArrayStore):
            yield side.take(box, call)
            return
        operation = Operation(call, progress=False, concurrency=1)
        with spare.array(box.shape, side.metadata.dtype) as voxels:

            def read(part: Box) -> None:
                side.read_box(part, voxels[part.slices_from(box.start)], operation)

            self._move(box, side, call, read, write=False)
            yield voxels

    def _post(self, box: Box, voxels: NDArray[Any], call: Call) -> None:
        operation = Operation(call, progress=False, concurrency=1)

        def post(part: Box) -> None:
            self.destination.post(part, voxels[part.slices_from(box.start)], operation)

        self._move(box, self.destination, call, post, write=True)

    def _move(self, box: Box, side: Transfer, call: Call, part: Callable[[Box], object], *, write: bool) -> None:
        parts = [box] if self.division is None else self.division.parts(box, side, write=write)
        run_all([Step(each) for each in parts], lambda step: part(step.box), call, lambda: len(parts))


def _checksum(voxels: NDArray[Any], dtype: np.dtype[Any]) -> str:
    """Return the CRC-32 of the voxels cast to `dtype`, whatever their order in memory."""
    checksum = 0
    for part in raw.encode(voxels, dtype):
        checksum = zlib.crc32(part, checksum)
    return f"{checksum:08x}"
