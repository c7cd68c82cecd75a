"""The chunks of an array in a folder: boxes of voxels from files, in the thread that asks.

zarr reads each chunk on an event loop, which hands the work to other threads and back. That takes longer than the work
where chunks are small or come from memory. Buckets need the loop for their many requests at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from numpy.typing import NDArray

from pyvolume.calls.call import Call
from pyvolume.errors import AnswerError
from pyvolume.model.tiles import copy_tiled
from pyvolume.zarr.client import Client
from pyvolume.zarr.decoding import ABSENT, Decoding, Sharding, decoding_of, each_chunk


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
    decoding : Decoding or Sharding
        How they are decoded.
    fill_value : scalar
        The value of voxels whose chunk is not stored.
    """

    client: Client
    root: str
    name_of: Callable[[tuple[int, ...]], str]
    decoding: Decoding | Sharding
    fill_value: Any

    @property
    def grid(self) -> tuple[int, ...]:
        """The shape of what a file holds."""
        if isinstance(self.decoding, Decoding):
            return self.decoding.shape
        return tuple(n * side for n, side in zip(self.decoding.counts, self.decoding.chunk.shape, strict=True))

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
        read = self._read_chunk if isinstance(self.decoding, Decoding) else self._read_shard
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
        assert isinstance(self.decoding, Decoding)
        data = file.read()
        call.count(requests=1, bytes_fetched=len(data))
        copy_tiled(out, self.decoding(data)[part])
        call.touch()

    def _read_shard(self, file: BinaryIO, part: tuple[slice, ...], out: NDArray[Any], call: Call) -> None:
        """Read chunks of a shard; nobody changes the file that is open, a writer replaces it by another one."""
        sharding = self.decoding
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
            copy_tiled(out[place], sharding.chunk(self._bytes(file, begin, length, call))[inner])
            call.touch()

    def _bytes(self, file: BinaryIO, begin: int, length: int, call: Call) -> bytes:
        file.seek(max(0, begin))
        data = file.read(length)
        call.count(requests=1, bytes_fetched=len(data))
        return data


def chunks_of(client: Client, path: str, array: Any) -> Chunks | None:
    """Return the chunks of the array at a path; None if it is not in a folder, or if only zarr can decode it."""
    decoding = decoding_of(array) if client.folder else None
    if decoding is None:
        return None
    name_of = array.metadata.encode_chunk_key
    prefix = f"{path}/" if path else ""
    return Chunks(
        client, f"{client.address.rstrip('/')}/", lambda at: prefix + name_of(at), decoding, fill_value_of(array)
    )


def fill_value_of(array: Any) -> Any:
    """Return the value of voxels whose chunk is not stored; 0 where version 2 of zarr says null."""
    return array.dtype.type(0) if array.fill_value is None else array.fill_value
