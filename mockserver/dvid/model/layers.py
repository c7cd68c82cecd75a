"""Layers: values by key, a sparse layer for each version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

from mockserver.dvid.model.lineage import Lineage

K = TypeVar("K")
V = TypeVar("V")


class Layers(Generic[K, V]):
    """Values by key in all versions; a deletion hides the value of an ancestor.

    A layer is replaced, never changed: a reader sees a whole change or nothing of it.
    """

    def __init__(self) -> None:
        self._layers: dict[int, dict[K, V | None]] = {}

    def seen(self, lineage: Lineage) -> dict[K, V]:
        """Return all values that are visible in a version."""
        keys = {key for version in lineage for key in self._layers.get(version, {})}
        return {key: value for key in keys if (value := self.get(lineage, key)) is not None}

    def get(self, lineage: Lineage, key: K) -> V | None:
        """Return the value of a key that is visible in a version."""
        return lineage.first(
            (version, layer[key]) for version in lineage if key in (layer := self._layers.get(version, {}))
        )

    def anywhere(self, key: K) -> bool:
        """Return whether any version has a value or a deletion of a key."""
        return any(key in layer for layer in list(self._layers.values()))

    def put(self, version: int, values: Mapping[K, V], *, without: Iterable[K] = ()) -> None:
        """Add values to the layer of a version, and delete the keys in `without`; one writer at a time."""
        self._layers[version] = self._layers.get(version, {}) | dict.fromkeys(without) | dict(values)
