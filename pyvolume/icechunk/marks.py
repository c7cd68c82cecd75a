"""Marks: what a session notes of its writes when it is committed.

Sessions that note at once which boxes of an image are newer than its coarser levels change the same attributes. Then
only one of them could be committed, also where they have written other chunks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyvolume.calls.call import Call
from pyvolume.model.box import Box
from pyvolume.zarr.client import Client
from pyvolume.zarr.nodes import Node
from pyvolume.zarr.stale import Stale, marked, note


class Marks:
    """Boxes of the finest levels of images that were written."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, tuple[str, ...]], tuple[Box, ...]] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, group: str, levels: tuple[str, ...], boxes: tuple[Box, ...]) -> None:
        """Keep boxes of an image, for its coarser levels."""
        known = self._found.get((group, levels), ())
        self._found[group, levels] = (*known, *(each for each in boxes if not any(b.contains(each) for b in known)))

    def take_over(self, others: Marks) -> None:
        """Keep the boxes of others too."""
        for (group, levels), boxes in others._found.items():
            self.add(group, levels, boxes)

    def on_top_of(self, group: str, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the attributes of an image as they will be."""
        for (name, levels), boxes in self._found.items():
            if name == group:
                attributes = marked(attributes, levels, boxes) or attributes
        return attributes

    def note(self, client: Client, call: Call) -> None:
        """Note all boxes in the attributes of their images."""
        for (group, levels), boxes in list(self._found.items()):
            note(client, group, levels, boxes, call)
            del self._found[group, levels]

    def forget(self) -> None:
        """Forget all boxes."""
        self._found.clear()


class StaleLater(Stale):
    """The stale boxes of a level, of which those of a session are noted at its commit.

    Parameters
    ----------
    client, node
        As for `Stale`.
    marks : Marks
        Those of the session.
    """

    def __init__(self, client: Client, node: Node, marks: Marks) -> None:
        super().__init__(client, node)
        self._marks = marks

    def mark(self, box: Box, call: Call) -> None:
        if self.coarser:
            call.remaining()
            self._marks.add(self._node.group, self.coarser, (box,))

    def boxes(self, attributes: Mapping[str, Any]) -> list[Box]:
        return super().boxes(self._marks.on_top_of(self._node.group, attributes))

    def renewed(self, box: Box, call: Call) -> None:
        self._marks.note(self._client, call)
        super().renewed(box, call)
