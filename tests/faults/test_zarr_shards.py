"""Shards that are replaced while parts of them are read: what comes is of one state of each shard."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from file_server import Asked, Behaviour, FileServer
from zarr.abc.store import ByteRequest
from zarr.codecs import ZstdCodec
from zarr.core.buffer import Buffer
from zarr.storage import MemoryStore
from zarr_clients import address_of, array_of, new_call, opened, read_by_zarr

from pyvolume.errors import ForbiddenError, RefusedError, StoreError, TransportError
from pyvolume.zarr.client import Client
from pyvolume.zarr.requests.buckets import open_bucket
from pyvolume.zarr.requests.folders import Folder
from pyvolume.zarr.requests.parts import Part
from pyvolume.zarr.requests.places import parse

SHAPE = (32, 8, 8)
MANY = np.random.default_rng(0).integers(0, 255, SHAPE, "uint8")
"""Voxels whose chunks have many bytes."""

FEW = np.where(np.arange(32).reshape(32, 1, 1) % 8 < 4, np.uint8(0), MANY)
"""Voxels of which every other chunk is not stored."""

CROP = (slice(3, 20), slice(0, 7), slice(2, 8))
MOST = 8
"""Of a crop at least so many parts and one more are read."""

SHARD = "c/0/0/0"


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


@pytest.fixture
def one_by_one() -> Iterator[None]:
    """Let newer versions of zarr ask for each chunk, also for those that are near to each other."""
    with zarr.config.set({"array.sharding_coalesce_max_bytes": 0}):
        yield


class Happening(Folder):
    """A folder in which something happens once, after a number of parts."""

    def __init__(self, root: Path, after: int, event: Callable[[], None], *, read_only: bool = True) -> None:
        super().__init__(root, read_only=read_only)
        self._left, self._event = after, event
        self.wholes = 0

    async def get(self, key: str, prototype: Any = None, byte_range: ByteRequest | None = None) -> Buffer | None:
        self.wholes += key == SHARD
        return await super().get(key, prototype, byte_range)

    async def part(self, *args: Any) -> Part:
        found = await super().part(*args)
        self._left -= 1
        if self._left == 0:
            await asyncio.to_thread(self._event)
        return found


@pytest.mark.usefixtures("one_by_one")
@pytest.mark.parametrize("after", [1, 2, MOST])
def test_a_shard_of_a_folder(folder: Path, states: Any, after: int) -> None:
    place = folder / "bucket" / "x.zarr"

    def replace() -> None:
        zarr.open_array(place, mode="r+")[...] = states[1]

    raw = Happening(place, after, replace)
    client = Client(raw, str(place), pool=1)
    found = read_by_zarr(client, array_of(client), CROP)
    np.testing.assert_array_equal(found, states[1][CROP], strict=True)
    assert raw.wholes == 1


def test_a_shard_that_is_replaced_before_its_chunks_are_read(folder: Path, states: Any) -> None:
    place = folder / "bucket" / "x.zarr"

    def replace() -> None:
        zarr.open_array(place, mode="r+")[...] = states[1]

    client = Client(Happening(place, 1, replace), str(place))
    np.testing.assert_array_equal(read_by_zarr(client, array_of(client), CROP), states[1][CROP], strict=True)


def test_a_shard_of_a_folder_that_goes(folder: Path) -> None:
    place = folder / "bucket" / "x.zarr"
    client = Client(Happening(place, 1, (place / "c" / "0" / "0" / "0").unlink), str(place))
    found = read_by_zarr(client, array_of(client), CROP)
    np.testing.assert_array_equal(found, np.zeros_like(MANY[CROP]), strict=True)


@pytest.mark.parametrize("kind", ["http", "s3"])
@pytest.mark.usefixtures("one_by_one")
@pytest.mark.parametrize("after", [1, 2, MOST])
def test_a_shard_behind_a_server(folder: Path, states: Any, kind: str, after: int) -> None:
    with FileServer(folder) as server:
        parts = 0

        def replace_once(request: Asked) -> None:
            nonlocal parts
            if "range" in request.headers:
                parts += 1
                if parts == after + 1:
                    zarr.open_array(folder / "bucket" / "x.zarr", mode="r+")[...] = states[1]

        server.behaviour = replace_once
        client = bounded(server, kind, pool=1)
        found = read_by_zarr(client, array_of(client), CROP)
        wholes = [each for each in server.asked if each.path.endswith(SHARD) and "range" not in each.headers]
    np.testing.assert_array_equal(found, states[1][CROP], strict=True)
    assert parts > after
    assert len(wholes) == 1


def bounded(server: FileServer, kind: str, pool: int) -> Client:
    """Return a client that has so many requests under way at once."""
    raw, place = open_bucket(parse(address_of(server, kind)), read_only=True)
    return Client(raw, place.address, engine="obstore", pool=pool)


def for_parts(behaviour: Behaviour, times: int) -> Callable[[Asked], Behaviour]:
    """Misbehave for so many requests for chunks of a shard; its index, the last bytes, is sent."""
    left = iter([behaviour] * times)
    return lambda asked: next(left, None) if re.search(r"=\d", asked.headers.get("range", "")) else None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileServer]:
    sharded: dict[str, Any] = {"shape": SHAPE, "dtype": "uint8", "shards": SHAPE, "chunks": (4, 4, 4)}
    zarr.create_array(tmp_path / "bucket" / "x.zarr", **sharded)[...] = MANY
    with FileServer(tmp_path) as server:
        yield server


@pytest.mark.parametrize("kind", ["http", "s3"])
def test_parts_are_asked_for_again(server: FileServer, kind: str) -> None:
    client, call = opened(server, kind), new_call()
    array = array_of(client)
    server.behaviour = for_parts(503, times=2)
    asked = len(server.asked)
    np.testing.assert_array_equal(read_by_zarr(client, array, CROP, call), MANY[CROP], strict=True)
    assert (call.counted.retries, call.counted.requests) == (2, len(server.asked) - asked)


@pytest.mark.usefixtures("one_by_one")
def test_not_all_parts_are_asked_for_at_once(server: FileServer) -> None:
    client = bounded(server, "http", pool=3)
    array = array_of(client)
    server.behaviour = lambda _: "slow"
    np.testing.assert_array_equal(read_by_zarr(client, array, CROP), MANY[CROP], strict=True)
    assert server.most_in_flight <= 3


@pytest.mark.parametrize(
    ("behaviour", "expected"), [(403, ForbiddenError), (500, RefusedError), ("stall", TransportError)], ids=str
)
def test_an_error_of_a_part_is_that_of_the_read(
    server: FileServer, behaviour: Behaviour, expected: type[StoreError]
) -> None:
    client = opened(server, "s3")
    array = array_of(client)
    server.behaviour = for_parts(behaviour, times=99)
    with pytest.raises(expected) as caught:
        read_by_zarr(client, array, CROP, new_call(deadline=0.5))
    assert type(caught.value) is expected


def test_a_store_that_tells_no_states_sends_a_shard_as_a_whole(layout: dict[str, Any]) -> None:
    raw, call = MemoryStore(), new_call()
    zarr.create_array(raw, **layout)[...] = MANY
    client = Client(raw, "memory://x")
    array = array_of(client, "r+")
    np.testing.assert_array_equal(read_by_zarr(client, array, CROP, call), MANY[CROP], strict=True)
    assert call.counted.requests == 1


def test_parts_are_read_of_a_shard_that_stays(folder: Path, states: Any) -> None:
    place = folder / "bucket" / "x.zarr"
    client, call = Client(Folder(place, read_only=True), str(place)), new_call()
    np.testing.assert_array_equal(
        read_by_zarr(client, array_of(client), np.s_[5:8, 5:8, 1:2], call), states[0][5:8, 5:8, 1:2]
    )
    assert call.counted.requests == 2
    assert call.counted.bytes_fetched < 700  # the index and one chunk
