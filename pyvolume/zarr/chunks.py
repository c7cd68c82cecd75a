"""The chunks of an array in a folder: boxes of voxels in files, in the thread that asks.

zarr reads and writes each chunk on an event loop, which hands the work to other threads and back. That takes longer
than the work where chunks are small or come from memory. Buckets need many requests at once, see
`pyvolume.zarr.fetched`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from zarr.core.buffer.cpu import NDBuffer

from pyvolume.calls.call import Call
from pyvolume.errors import AnswerError
from pyvolume.model.tiles import copy_tiled
from pyvolume.zarr.client import Client
from pyvolume.zarr.coding import ABSENT, Coding, Sharding, coding_of, each_chunk


@dataclass(frozen=True, slots=True)
class Chunks:
    """The chunks of an array in a folder.

    Parameters
    ----------
    client : Client
        Of the folder; it tells whether it is closed, and what errors mean.
    root : str
        The folder, with a slash at the end.
    name_of : callable
        Gives the path of a chunk, or of a shard, below the root.
    coding : Coding or Sharding
        How they are encoded and decoded.
    fill_value : scalar
        The value of voxels whose chunk is not stored.
    keeps_empty : bool
        Whether a chunk is stored that holds nothing but the fill value.
    """

    client: Client
    root: str
    name_of: Callable[[tuple[int, ...]], str]
    coding: Coding | Sharding
    fill_value: Any
    keeps_empty: bool

    @property
    def grid(self) -> tuple[int, ...]:
        """The shape of what a file holds."""
        if isinstance(self.coding, Coding):
            return self.coding.shape
        return tuple(n * side for n, side in zip(self.coding.counts, self.coding.chunk.shape, strict=True))

    def read(self, key: Sequence[slice], out: NDArray[Any], call: Call, action: str) -> None:
        """Fill an array with voxels.

        Parameters
        ----------
        key : sequence of slice
            Which voxels, along the axes of the array.
        out : ndarray
            Of the same axes, with any strides.
        call : Call
            Ends between two chunks when it is cancelled, or its deadline passes.
        action : str
            What the user wanted, as errors say it.

        Raises
        ------
        AnswerError
            If a chunk is broken; it names the file.
        ClosedError, ForbiddenError, OSError
            If a file cannot be read.
        """
        start, stop = [each.start for each in key], [each.stop for each in key]
        read = self._read_chunk if isinstance(self.coding, Coding) else self._read_shard
        for number, part, place in each_chunk(start, stop, self.grid):
            name = self.name_of(number)
            with self.client.reading(name, call, action) as file:
                if file is None:
                    out[place] = self.fill_value
                    continue
                try:
                    read(file, part, out[place], call)
                except ValueError as error:
                    raise AnswerError(f"{action}: the chunk {self.root}{name} cannot be decoded: {error}") from error

    def _read_chunk(self, file: BinaryIO, part: tuple[slice, ...], out: NDArray[Any], call: Call) -> None:
        assert isinstance(self.coding, Coding)
        data = file.read()
        call.count(requests=1, bytes_fetched=len(data))
        copy_tiled(out, self.coding.decode(data)[part])
        call.touch()

    def _read_shard(self, file: BinaryIO, part: tuple[slice, ...], out: NDArray[Any], call: Call) -> None:
        """Read chunks of a shard; nobody changes the file that is open, a writer replaces it by another one."""
        sharding = self.coding
        assert isinstance(sharding, Sharding)
        start, stop = [each.start for each in part], [each.stop for each in part]
        size = os.fstat(file.fileno()).st_size
        data = self._bytes(file, 0 if sharding.is_first else size - sharding.index_bytes, sharding.index_bytes, call)
        index = sharding.index(data, size)
        for number, inner, place in each_chunk(start, stop, sharding.chunk.shape):
            call.remaining()
            begin, length = (int(each) for each in index[number])
            if begin == ABSENT:
                out[place] = self.fill_value
                continue
            copy_tiled(out[place], sharding.chunk.decode(self._bytes(file, begin, length, call))[inner])
            call.touch()

    def write(self, key: Sequence[slice], voxels: NDArray[Any], call: Call, action: str) -> None:
        """Store voxels; a chunk that holds nothing but the fill value is deleted.

        Parameters
        ----------
        key : sequence of slice
            Which voxels, along the axes of the array: whole chunks, or shards, except at the upper edge of the array.
            What is left of a chunk beyond it becomes the fill value.
        voxels : ndarray
            Of the same axes, with any strides.
        call, action
            As for `read`.

        Raises
        ------
        ClosedError, ForbiddenError, OSError
            If a file cannot be written; the chunk is then as it was.
        """
        start, stop = [each.start for each in key], [each.stop for each in key]
        for number, part, place in each_chunk(start, stop, self.grid):
            cell = self._whole(voxels[place], part)
            parts = self._chunk(cell) if isinstance(self.coding, Coding) else self._shard(cell, call)
            self.client.store_file(self.name_of(number), parts, call, action)

    def _chunk(self, voxels: NDArray[Any]) -> list[bytes | memoryview]:
        """Return what is stored of a chunk: nothing if it holds nothing but the fill value."""
        assert isinstance(self.coding, Coding)
        return [self.coding.encode(voxels)] if self._is_kept(voxels) else []

    def _shard(self, voxels: NDArray[Any], call: Call) -> list[bytes | memoryview]:
        """Return what is stored of a shard, its index included."""
        sharding = self.coding
        assert isinstance(sharding, Sharding)
        index, parts = sharding.no_index(), list[bytes | memoryview]()
        end = sharding.index_bytes if sharding.is_first else 0
        for number, _, place in each_chunk((0,) * voxels.ndim, voxels.shape, sharding.chunk.shape):
            call.remaining()
            if self._is_kept(voxels[place]):
                data = sharding.chunk.encode(voxels[place])
                index[number] = end, len(data)
                end += len(data)
                parts.append(data)
        if parts:
            parts.insert(0 if sharding.is_first else len(parts), sharding.encode_index(index))
        return parts

    def _whole(self, voxels: NDArray[Any], part: tuple[slice, ...]) -> NDArray[Any]:
        """Return the voxels of a chunk, or a shard, of which some can lie beyond the edge of the array."""
        if voxels.shape == self.grid:
            return voxels
        whole = np.full(self.grid, self.fill_value, voxels.dtype)
        whole[part] = voxels
        return whole

    def _is_kept(self, voxels: NDArray[Any]) -> bool:
        first = voxels[(slice(0, 1),) * voxels.ndim]
        return self.keeps_empty or not (self._is_empty(first) and self._is_empty(voxels))

    def _is_empty(self, voxels: NDArray[Any]) -> bool:
        return bool(NDBuffer.from_numpy_array(voxels).all_equal(self.fill_value))

    def _bytes(self, file: BinaryIO, begin: int, length: int, call: Call) -> bytes:
        file.seek(max(0, begin))
        data = file.read(length)
        call.count(requests=1, bytes_fetched=len(data))
        return data


def chunks_of(client: Client, path: str, array: Any) -> Chunks | None:
    """Return the chunks of the array at a path; None if it is not in a folder, or if only zarr knows its codecs."""
    coding = coding_of(array) if client.folder else None
    if coding is None:
        return None
    root, keeps_empty = f"{client.address.rstrip('/')}/", array.config.write_empty_chunks
    return Chunks(client, root, names_of(path, array), coding, fill_value_of(array), keeps_empty)


def names_of(path: str, array: Any) -> Callable[[tuple[int, ...]], str]:
    """Return what gives the key of a chunk, or of a shard, of the array at a path."""
    name_of = array.metadata.encode_chunk_key
    prefix = f"{path}/" if path else ""
    return lambda at: prefix + name_of(at)


def fill_value_of(array: Any) -> Any:
    """Return the value of voxels whose chunk is not stored; 0 where version 2 of zarr says null."""
    return array.dtype.type(0) if array.fill_value is None else array.fill_value
