"""What was written to a volume of labels, whose index of bodies follows later."""

from __future__ import annotations

import threading
from collections.abc import Collection

from pyvolume.model.box import Box

MOST_BOXES = 256
"""Boxes that are remembered one by one; of more of them the box around all."""


class Written:
    """The boxes that were written since somebody waited for the index; shared by all views of a volume."""

    def __init__(self) -> None:
        self._boxes: list[Box] = []
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[Written], tuple[()]]:
        return Written, ()  # another process waits for what it has written itself

    def add(self, box: Box) -> None:
        """Remember a box."""
        with self._lock:
            self._boxes.append(box)
            if len(self._boxes) > MOST_BOXES:
                around = self._boxes[0]
                for each in self._boxes[1:]:
                    around = around.union(each)
                self._boxes = [around]

    def boxes(self) -> list[Box]:
        """Return the boxes."""
        with self._lock:
            return list(self._boxes)

    def forget(self, boxes: Collection[Box]) -> None:
        """Forget boxes of which the index is known to be right."""
        with self._lock:
            self._boxes = [each for each in self._boxes if each not in boxes]
