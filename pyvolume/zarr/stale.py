"""Stale boxes: where the coarser levels of an image are older than the finest one."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from pyvolume.calls.call import Call
from pyvolume.errors import MetadataError
from pyvolume.model.box import Box
from pyvolume.zarr.attributes import change_attributes
from pyvolume.zarr.client import Client
from pyvolume.zarr.nodes import OURS, Node

STALE = "stale"
"""What pyvolume keeps of it: for each level the boxes in voxels of the array of the finest one."""

MOST = 16
"""More boxes of a level are joined."""


class Stale:
    """The boxes that were written since the coarser levels of an image were made.

    Parameters
    ----------
    client : Client
        Asks for the attributes of the image.
    node : Node
        A level of the image.
    """

    def __init__(self, client: Client, node: Node) -> None:
        self._client, self._node = client, node

    @property
    def coarser(self) -> tuple[str, ...]:
        """The levels for which writes are noted, none for those of a coarser level, or of an image with one level."""
        image = self._node.image
        if image is None or self._node.level or not self._node.has_levels:
            return ()
        return tuple(str(level) for level in range(1, len(image.datasets)))

    def mark(self, box: Box, call: Call) -> None:
        """Note that a box of the finest level will be written."""
        if self.coarser:
            note(self._client, self._node.group, self.coarser, [box], call)

    def boxes(self, attributes: Mapping[str, Any]) -> list[Box]:
        """Return the stale boxes of this level, in voxels of the finest one; of the finest one those of all levels.

        Parameters
        ----------
        attributes : mapping
            Those of the image.
        """
        level = self._node.level
        if not self._node.has_levels:
            return []
        found = _boxes_by_level(attributes)
        return found.get(str(level), []) if level else _joined([box for boxes in found.values() for box in boxes])

    def renewed(self, box: Box, call: Call) -> None:
        """Note that this level was made anew, in a box of the finest one."""
        if self._node.image is None or not self._node.level:
            return
        level = str(self._node.level)

        def without(attributes: dict[str, Any]) -> dict[str, Any] | None:
            found = _boxes_by_level(attributes)
            left = [each for each in found.get(level, ()) if not box.contains(each)]
            return None if left == found.get(level, []) else _with(attributes, found | {level: left})

        change_attributes(self._client, self._node.group, call, without)


def note(client: Client, group: str, levels: Sequence[str], boxes: Sequence[Box], call: Call) -> None:
    """Note in the attributes of an image that some levels are older than boxes of the finest one."""
    change_attributes(client, group, call, lambda attributes: marked(attributes, levels, boxes))


def marked(attributes: Mapping[str, Any], levels: Sequence[str], boxes: Sequence[Box]) -> dict[str, Any] | None:
    """Return attributes that say so; None if they do already."""
    found = _boxes_by_level(attributes)
    if all(any(each.contains(box) for each in found.get(level, ())) for level in levels for box in boxes):
        return None
    return _with(attributes, found | {level: _joined([*found.get(level, ()), *boxes]) for level in levels})


def _with(attributes: Mapping[str, Any], boxes: Mapping[str, Sequence[Box]]) -> dict[str, Any]:
    stale = {level: [[list(each.start), list(each.stop)] for each in found] for level, found in boxes.items() if found}
    kept = {name: value for name, value in attributes.get(OURS, {}).items() if name != STALE}
    return {**attributes, OURS: kept | ({STALE: stale} if stale else {})}


def _joined(boxes: list[Box]) -> list[Box]:
    """Leave out boxes inside of others, and join them all if they are many."""
    kept = [each for at, each in enumerate(boxes) if not any(other.contains(each) for other in boxes[at + 1 :])]
    return kept if len(kept) <= MOST else [functools.reduce(Box.union, kept)]


def _boxes_by_level(attributes: Mapping[str, Any]) -> dict[str, list[Box]]:
    try:
        found = attributes.get(OURS, {}).get(STALE, {})
        return {str(level): [Box(start, stop) for start, stop in boxes] for level, boxes in found.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise MetadataError(f"read the stale boxes: expected what pyvolume has written: {error}") from None
