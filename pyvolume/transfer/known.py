"""What a handle knows of its volume, which grows under its writes."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

from pyvolume.calls.processes import OfProcess
from pyvolume.errors import RefusedError
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata


class Known:
    """The metadata of a volume as one handle knows them; its threads share this object.

    Parameters
    ----------
    metadata : VoxelsMetadata
        As the store gave them.
    """

    def __init__(self, metadata: VoxelsMetadata) -> None:
        self.metadata = metadata
        self._prepare()

    def _prepare(self) -> None:
        self._locks = OfProcess(threading.RLock)
        self._asked = self._answered = 0
        self._written: dict[int, list[Box]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"metadata": self.metadata}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.metadata = state["metadata"]
        self._prepare()

    @contextlib.contextmanager
    def growing(self, box: Box) -> Iterator[None]:
        """Write a box; the bounds hold it afterwards, also if nobody knows whether it was stored."""
        try:
            yield
        except BaseException as error:
            if not isinstance(error, RefusedError) or error.uncertain:
                self.grow(box)
            raise
        self.grow(box)

    def grow(self, box: Box) -> None:
        """Extend the bounds to hold a box."""
        with self._locks[os.getpid()]:
            for written in self._written.values():
                written.append(box)
            if not self.metadata.bounds.contains(box):
                self._extend([box])

    def refresh(self, read: Callable[[], VoxelsMetadata]) -> None:
        """Take what the store says, and what was written while it was asked.

        An answer to an earlier question does not replace the answer to a later one.
        """
        with self._locks[os.getpid()]:
            self._asked += 1
            number = self._asked
            self._written[number] = []
        try:
            metadata = read()
        except BaseException:
            with self._locks[os.getpid()]:
                del self._written[number]
            raise
        with self._locks[os.getpid()]:
            meanwhile = self._written.pop(number)
            if number > self._answered:
                self._answered, self.metadata = number, metadata
                self._extend(meanwhile)

    def _extend(self, boxes: list[Box]) -> None:
        bounds = self.metadata.bounds
        for box in boxes:
            # bounds with a length have a place, also if another axis has none
            has_place = any(bounds.shape[1:])
            bounds = Box(map(min, bounds.start, box.start), map(max, bounds.stop, box.stop)) if has_place else box
        self.metadata = dataclasses.replace(self.metadata, bounds=bounds)
