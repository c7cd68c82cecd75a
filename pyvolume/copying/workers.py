"""Workers: what copies the pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, TypeVar

from pyvolume.copying.piece import Calls, Copied, Copier
from pyvolume.model.box import Box
from pyvolume.transfer.pieces import Step
from pyvolume.transfer.pool import run_all

Result = TypeVar("Result")


class Workers(Protocol):
    """Copies pieces, several at once: in threads of this process, or on a cluster."""

    @property
    def calls(self) -> Calls:
        """What all pieces cost so far."""

    def copy(self, steps: Iterable[Step], finished: Mapping[Box, str], done: Callable[[Step, Copied], object]) -> None:
        """Copy pieces.

        Parameters
        ----------
        steps : iterable of Step
            The pieces; it can be iterated more than once.
        finished : mapping of Box to str
            The checksums of pieces that were copied before.
        done : callable
            Called in this process for each piece that is finished.

        Raises
        ------
        StoreError
            If a store could not serve a piece; `remaining` holds the boxes that were not copied.
        """

    def read(self, steps: Iterable[Step], done: Callable[[Step, str], object]) -> None:
        """Read pieces of the destination, and give the checksum of each."""


class Threads:
    """Threads of this process.

    Parameters
    ----------
    copier : Copier
        Copies a piece.
    room : callable
        Returns how many pieces to move at once now.
    """

    def __init__(self, copier: Copier, room: Callable[[], int]) -> None:
        self.calls = copier.begin()
        self._copier = copier
        self._room = room

    def copy(self, steps: Iterable[Step], finished: Mapping[Box, str], done: Callable[[Step, Copied], object]) -> None:
        """Copy pieces, see `Workers.copy`."""
        self._run(steps, lambda box: self._copier.copy(box, finished.get(box), self.calls), done)

    def read(self, steps: Iterable[Step], done: Callable[[Step, str], object]) -> None:
        """Read pieces, see `Workers.read`."""
        self._run(steps, lambda box: self._copier.stored(box, self.calls), done)

    def _run(
        self, steps: Iterable[Step], work: Callable[[Box], Result], done: Callable[[Step, Result], object]
    ) -> None:
        def move(step: Step) -> None:
            done(step, work(step.box))

        try:
            run_all(steps, move, self.calls.destination, self._room)
        except BaseException:
            self.calls.cancel()
            raise
        finally:
            self.calls.spare.clear()
