"""The voxels of a volume by literal coordinates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyvolume.indexing.selection import Selection
from pyvolume.model.box import Box


class Coordinates:
    """The voxels of a volume by literal coordinates; made by `Volume.coords`."""

    def __init__(
        self, read: Callable[[Selection], Any], write: Callable[[Selection, object], None], bounds: Box
    ) -> None:
        self._read = read
        self._write = write
        self._bounds = bounds

    def __getitem__(self, key: object) -> Any:
        return self._read(Selection.of_coordinates(key, self._bounds))

    def __setitem__(self, key: object, values: object) -> None:
        self._write(Selection.of_coordinates(key, self._bounds), values)
