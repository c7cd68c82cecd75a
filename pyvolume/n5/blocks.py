"""The blocks of one dataset: boxes of voxels from files, and into files."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyvolume.calls.call import Call
from pyvolume.codecs import n5
from pyvolume.errors import AnswerError, NotFoundError
from pyvolume.model.tiles import copy_tiled
from pyvolume.n5.client import Client, inside
from pyvolume.n5.documents import DatasetInfo


@dataclass(frozen=True, slots=True)
class Missing:
    """What a read gives for blocks that are not stored.

    Parameters
    ----------
    fill_value : float
        The value of their voxels.
    raises : bool
        Whether they are an error instead.
    """

    fill_value: float = 0
    raises: bool = False


FILLED = Missing()
"""Blocks that are not stored are zeros, as N5 has it."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks of a dataset, in one folder or in those of several versions.

    Parameters
    ----------
    client : Client
        Reads and writes the files.
    paths : tuple of str
        Of the dataset; a block is taken from the first one that has it.
    home : str
        A folder without which the dataset is not there any more.
    info : DatasetInfo
        What the attributes say.
    missing : Missing
        What a read gives for blocks that are not stored.
    """

    client: Client
    paths: tuple[str, ...]
    home: str
    info: DatasetInfo
    missing: Missing = FILLED

    def read(self, start: Sequence[int], stop: Sequence[int], out: NDArray[Any], call: Call) -> None:
        """Fill an array with the voxels between two corners.

        Parameters
        ----------
        start, stop : sequence of int
            In the order of N5.
        out : ndarray
            Of the same order, with any strides.
        call : Call
            Ends between two blocks when it is cancelled, or its deadline passes.

        Raises
        ------
        NotFoundError
            If the dataset is gone, or a block is not stored and `missing` says so.
        AnswerError
            If a block is broken; it names the file.
        """
        absent, memory = "", np.empty(self.info.form.most_bytes, np.uint8).data
        for name, low, high in self._cells(start, stop):
            place = out[tuple(slice(a - o, b - o) for a, b, o in zip(low, high, start, strict=True))]
            path, voxels = self._decoded(name, memory, call)
            if voxels is None:
                absent = absent or path
                place[...] = self.missing.fill_value
                continue
            cell = zip(low, high, self.info.form.shape, strict=True)
            self._put(voxels[tuple(slice(a % step, (b - 1) % step + 1) for a, b, step in cell)], place)
        if absent:
            self._check(absent, call)

    def _decoded(self, name: str, memory: memoryview, call: Call) -> tuple[str, NDArray[Any] | None]:
        """Return the path of a block, and its voxels, which are valid until the next one is asked for.

        Java's N5 writes into the file in place: a block that another process is writing is broken for a moment.
        """
        path, data = self._found(name, memory, call)
        if data is None:
            return path, None
        try:
            return path, n5.decode(data, self.info.form, f"read the block {self.client.full(path)}")
        except AnswerError:
            before = bytes(data)
            path, data = self._found(name, memory, call)
            if data is None or data == before:
                raise
            return path, n5.decode(data, self.info.form, f"read the block {self.client.full(path)}")

    def _put(self, voxels: NDArray[Any], place: NDArray[Any]) -> None:
        """Put voxels into their place; somebody may have stored a smaller block."""
        if voxels.shape == place.shape:
            copy_tiled(place, voxels)
            return
        common = tuple(slice(n) for n in voxels.shape)
        place[...] = self.missing.fill_value
        place[common] = voxels

    def _found(self, name: str, memory: memoryview, call: Call) -> tuple[str, memoryview | None]:
        """Return the path of a block, and its bytes from the first version that has it."""
        for folder in self.paths:
            path = inside(folder, name)
            data = self.client.get(path, memory, call)
            if data is not None:
                return path, data
        return inside(self.paths[0], name), None

    def _check(self, absent: str, call: Call) -> None:
        """Refuse blocks that are not stored, where that is asked for, and those of a dataset that is gone."""
        if not self.client.has(self.home, call):
            raise self.client.gone(self.home)
        if self.missing.raises:
            action = f"read the block {self.client.full(absent)}"
            raise NotFoundError(f"{action}: it is not stored", action=action)

    def write(self, start: Sequence[int], stop: Sequence[int], voxels: NDArray[Any], call: Call) -> None:
        """Store an array between two corners, which lie on the grid of blocks or at the edge.

        Raises
        ------
        NotFoundError
            If the dataset is gone.
        ForbiddenError, OSError
            If a block cannot be written; it names the file.
        """
        if not self.client.has(self.home, call):  # its folder would be made again
            raise self.client.gone(self.home)
        for name, low, high in self._cells(start, stop):
            place = tuple(slice(a - o, b - o) for a, b, o in zip(low, high, start, strict=True))
            self.client.put(inside(self.paths[0], name), n5.encode(voxels[place], self.info.form), call)

    def stored(self, start: Sequence[int], stop: Sequence[int], call: Call) -> bool:
        """Whether a block between two corners is stored."""
        names = (name for name, _, _ in self._cells(start, stop))
        return any(self.client.has(inside(folder, name), call) for name in names for folder in self.paths)

    def _cells(
        self, start: Sequence[int], stop: Sequence[int]
    ) -> Iterator[tuple[str, tuple[int, ...], tuple[int, ...]]]:
        """Give the name of each block between two corners, and the part of it that lies between them."""
        sides = zip(start, stop, self.info.form.shape, strict=True)
        along = [
            [(str(n), max(low, n * step), min(high, (n + 1) * step)) for n in range(low // step, -(-high // step))]
            for low, high, step in sides
        ]
        for cell in itertools.product(*reversed(along)):
            names, low, high = zip(*reversed(cell), strict=True)
            yield "/".join(names), low, high


def each_stored(start: Sequence[int], stop: Sequence[int], grid: Sequence[int], is_stored: Any) -> NDArray[np.bool_]:
    """Ask for each cell of a grid between two corners whether it is stored."""
    ranges = [range(a // step, -(-b // step)) for a, b, step in zip(start, stop, grid, strict=True)]
    found = np.zeros([len(each) for each in ranges], bool)
    for index in itertools.product(*ranges):
        low = [n * step for n, step in zip(index, grid, strict=True)]
        high = [min((n + 1) * step, end) for n, step, end in zip(index, grid, stop, strict=True)]
        found[tuple(n - each.start for n, each in zip(index, ranges, strict=True))] = is_stored(low, high)
    return found
