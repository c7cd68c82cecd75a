"""The chunks of an array in a bucket: many are asked for ahead, and the thread that asks decodes them as they come.

zarr decodes them one by one on its event loop, or hands each to another thread and back. Where chunks are small this
takes longer than the requests.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from pyvolume.calls.call import Call
from pyvolume.calls.holds import MOST
from pyvolume.errors import AnswerError
from pyvolume.model.tiles import copy_tiled
from pyvolume.zarr.chunks import fill_value_of, names_of
from pyvolume.zarr.client import Client
from pyvolume.zarr.coding import Coding, coding_of, each_chunk

AHEAD_BYTES = 16 << 20
"""Bytes of the chunks that one thread asks for ahead."""

FEW = 4
"""How many chunks one thread asks for ahead, at least."""


@dataclass(frozen=True, slots=True)
class FetchedChunks:
    """The chunks of an array in a bucket, each of which is one object.

    Parameters
    ----------
    client : Client
        Sends the requests.
    name_of : callable
        Gives the key of a chunk.
    coding : Coding
        How they are decoded.
    fill_value : scalar
        The value of voxels whose chunk is not stored.
    """

    client: Client
    name_of: Callable[[tuple[int, ...]], str]
    coding: Coding
    fill_value: Any

    def read(self, key: Sequence[slice], out: NDArray[Any], call: Call, action: str) -> None:
        """Fill an array with voxels, as `pyvolume.zarr.chunks.Chunks.read` does.

        Only so many chunks are asked for ahead that they stay small in memory.

        Raises
        ------
        AnswerError
            If a chunk is broken; it names the object.
        ClosedError, StoreError
            If a chunk cannot be read.
        """
        cells: dict[int, Any] = {}

        def names() -> Iterator[str]:
            found = each_chunk([each.start for each in key], [each.stop for each in key], self.coding.shape)
            for at, cell in enumerate(found):
                cells[at] = cell
                yield self.name_of(cell[0])

        def receive(at: int, data: memoryview | None) -> None:
            number, part, place = cells.pop(at)
            if data is None:
                out[place] = self.fill_value
                return
            try:
                voxels = self.coding.decode(data)
            except ValueError as error:
                url = f"{self.client.address}/{self.name_of(number)}"
                raise AnswerError(f"{action}: the chunk {url} cannot be decoded: {error}") from error
            copy_tiled(out[place], voxels[part])

        nbytes = math.prod(self.coding.shape) * self.coding.dtype.itemsize
        most = min(MOST, max(FEW, AHEAD_BYTES // nbytes))
        self.client.fetch(names(), receive, call, action, most=most)


def fetched_chunks_of(client: Client, path: str, array: Any) -> FetchedChunks | None:
    """Return the chunks of the array at a path; None if it is in a folder, or if only zarr reads them, as in shards."""
    coding = None if client.folder else coding_of(array)
    if not isinstance(coding, Coding):
        return None
    return FetchedChunks(client, names_of(path, array), coding, fill_value_of(array))
