"""What an instance keeps under keys, sparsely: one layer for each version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

from mockserver.dvid.model.lineage import Lineage

K = TypeVar("K")
V = TypeVar("V")


class Layers(Generic[K, V]):
    """Values by key in all versions; a deletion hides what an ancestor holds.

    A layer is never changed, only replaced: a reader sees all of a change or nothing of it.
    """

    def __init__(self) -> None:
        self._layers: dict[int, dict[K, V | None]] = {}

    def seen(self, lineage: Lineage) -> dict[K, V]:
        """Return all that a version sees, its own and its ancestors'."""
        keys = {key for version in lineage for key in self._layers.get(version, {})}
        return {key: value for key in keys if (value := self.get(lineage, key)) is not None}

    def get(self, lineage: Lineage, key: K) -> V | None:
        """Return what a version sees under a key."""
        return lineage.first(
            (version, layer[key]) for version in lineage if key in (layer := self._layers.get(version, {}))
        )

    def put(self, version: int, values: Mapping[K, V], *, without: Iterable[K] = ()) -> None:
        """Add to the layer of a version, and hide the keys in `without`; one writer at a time."""
        self._layers[version] = self._layers.get(version, {}) | dict.fromkeys(without) | dict(values)
