"""BoxLocks: which boxes of which store are being written at the moment."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from pyvolume.model.box import Box


class BoxLocks:
    """Boxes that are held, by the address of their store; one condition for all of them.

    A writer holds one box at a time, so writers cannot wait for each other in a circle.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held: list[tuple[str, Box]] = []

    def __reduce__(self) -> tuple[type[BoxLocks], tuple[()]]:
        return BoxLocks, ()

    @contextlib.contextmanager
    def holding(self, address: str, box: Box) -> Iterator[None]:
        """Hold `box` of the store at `address`; wait while a box that intersects it is held."""
        entry = (address, box)
        with self._changed:
            self._changed.wait_for(lambda: not self._is_taken(address, box))
            self._held.append(entry)
        try:
            yield
        finally:
            with self._changed:
                self._held.remove(entry)
                self._changed.notify_all()

    def _is_taken(self, address: str, box: Box) -> bool:
        return any(other == address and held.intersection(box) for other, held in self._held)
