"""Shards that are replaced while parts of them are read: what comes is of one state of each shard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from file_server import Asked, FileServer
from zarr.codecs import ZstdCodec
from zarr.storage import MemoryStore
from zarr_clients import array_of, new_call, opened, read

from pyvolume.zarr.client import Client
from pyvolume.zarr.requests.folders import Folder
from pyvolume.zarr.requests.parts import Part

SHAPE = (32, 8, 8)
MANY = np.random.default_rng(0).integers(0, 255, SHAPE, "uint8")
"""Voxels whose chunks have many bytes."""

FEW = np.where(np.arange(32).reshape(32, 1, 1) % 8 < 4, np.uint8(0), MANY)
"""Voxels of which every other chunk is not stored."""

CROP = (slice(3, 20), slice(0, 7), slice(2, 8))
MOST = 8
"""Of a crop at least so many parts and one more are read."""


@pytest.fixture(params=[(MANY, FEW), (FEW, MANY)], ids=["shorter", "longer"])
def states(request: pytest.FixtureRequest) -> Any:
    """The voxels before, and after."""
    return request.param


@pytest.fixture(params=[None, ZstdCodec()], ids=["raw", "zstd"])
def layout(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"shape": SHAPE, "dtype": "uint8", "shards": SHAPE, "chunks": (4, 4, 4), "compressors": request.param}


@pytest.fixture
def folder(tmp_path: Path, states: Any, layout: dict[str, Any]) -> Path:
    zarr.create_array(tmp_path / "bucket" / "x.zarr", **layout)[...] = states[0]
    return tmp_path


class Happening(Folder):
    """A folder in which something happens once, after a number of parts."""

    def __init__(self, root: Path, after: int, event: Callable[[], None], *, read_only: bool = True) -> None:
        super().__init__(root, read_only=read_only)
        self._left, self._event = after, event

    async def part(self, *args: Any) -> Part:
        found = await super().part(*args)
        self._left -= 1
        if self._left == 0:
            await asyncio.to_thread(self._event)
        return found


@pytest.mark.parametrize("after", [1, 2, MOST])
def test_a_shard_of_a_folder(folder: Path, states: Any, after: int) -> None:
    place = folder / "bucket" / "x.zarr"

    def replace() -> None:
        zarr.open_array(place, mode="r+")[...] = states[1]

    client, call = Client(Happening(place, after, replace), str(place)), new_call()
    found = read(client, array_of(client), CROP, call)
    np.testing.assert_array_equal(found, states[1][CROP], strict=True)
    assert call.counted.requests == after + 1 + 1  # one more part tells, then the shard comes as a whole


def test_a_shard_of_a_folder_that_goes(folder: Path) -> None:
    place = folder / "bucket" / "x.zarr"
    client = Client(Happening(place, 1, (place / "c" / "0" / "0" / "0").unlink), str(place))
    found = read(client, array_of(client), CROP)
    np.testing.assert_array_equal(found, np.zeros_like(MANY[CROP]), strict=True)


@pytest.mark.parametrize("kind", ["http", "s3"])
@pytest.mark.parametrize("after", [1, 2, MOST])
def test_a_shard_behind_a_server(folder: Path, states: Any, kind: str, after: int) -> None:
    with FileServer(folder) as server:
        asked = 0

        def replace_once(request: Asked) -> None:
            nonlocal asked
            if "range" in request.headers:
                asked += 1
                if asked == after + 1:
                    zarr.open_array(folder / "bucket" / "x.zarr", mode="r+")[...] = states[1]

        server.behaviour = replace_once
        client = opened(server, kind)
        found = read(client, array_of(client), CROP)
    np.testing.assert_array_equal(found, states[1][CROP], strict=True)
    assert asked == after + 1


def test_a_store_that_tells_no_states_sends_a_shard_as_a_whole(layout: dict[str, Any]) -> None:
    raw, call = MemoryStore(), new_call()
    zarr.create_array(raw, **layout)[...] = MANY
    client = Client(raw, "memory://x")
    array = array_of(client, "r+")
    np.testing.assert_array_equal(read(client, array, CROP, call), MANY[CROP], strict=True)
    assert call.counted.requests == 1


def test_parts_are_read_of_a_shard_that_stays(folder: Path, states: Any) -> None:
    place = folder / "bucket" / "x.zarr"
    client, call = Client(Folder(place, read_only=True), str(place)), new_call()
    np.testing.assert_array_equal(read(client, array_of(client), np.s_[5:8, 5:8, 1:2], call), states[0][5:8, 5:8, 1:2])
    assert call.counted.requests == 2
    assert call.counted.bytes_fetched < 700  # the index and one chunk
