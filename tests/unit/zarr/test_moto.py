"""Buckets of S3, as far as moto goes: every kind of request that zarr sends."""

from __future__ import annotations

import uuid
from typing import Any

import moto_server
import numpy as np
import pytest
import zarr
from zarr.core.sync import sync
from zarr_clients import VOXELS, array_of, new_call, read, write

from pyvolume.errors import NotFoundError, UnsupportedError
from pyvolume.zarr.client import Client
from pyvolume.zarr.opening import open_client


@pytest.fixture
def options(moto_url: str) -> dict[str, Any]:
    return {"endpoint": moto_url, "credentials": moto_server.KEYS}


@pytest.fixture
def bucket(moto_url: str) -> str:
    name = f"bucket-{uuid.uuid4().hex}"
    moto_server.make_bucket(moto_url, name)
    return f"s3://{name}"


@pytest.fixture
def client(bucket: str, options: dict[str, Any]) -> Client:
    return open_client(f"{bucket}/a folder/x.zarr", mode="r+", **options)


def created(client: Client, **options: Any) -> Any:
    with client.run(new_call(), "create x"):
        return zarr.create_array(client.store, shape=(16, 16, 16), chunks=(4, 4, 4), dtype="uint16", **options)


@pytest.mark.parametrize(
    "options_of_array",
    [{"zarr_format": 2}, {}, {"shards": (8, 8, 8)}, {"compressors": None}],
    ids=["v2", "v3", "sharded", "not compressed"],
)
def test_reads_what_it_has_written(client: Client, options_of_array: dict[str, Any]) -> None:
    write(client, created(client, **options_of_array), VOXELS)
    array = array_of(client)
    np.testing.assert_array_equal(read(client, array), VOXELS, strict=True)
    np.testing.assert_array_equal(read(client, array, (3, slice(1, 9), 5)), VOXELS[3, 1:9, 5], strict=True)


def test_a_chunk_that_is_not_stored_is_the_fill_value(client: Client) -> None:
    array = created(client, fill_value=7)
    assert (read(client, array) == 7).all()
    write(client, array, 1, (0, 0, 0))
    assert read(client, array, (0, 0, slice(0, 2))).tolist() == [1, 7]


def test_lists_and_deletes(client: Client) -> None:
    write(client, created(client), VOXELS)

    async def names(prefix: str) -> list[str]:
        return sorted([name async for name in client.store.list_dir(prefix)])

    with client.run(new_call(), "list x"):
        assert sync(names("")) == ["c", "zarr.json"]
        assert sync(client.store.getsize_prefix("c")) > 64
        assert not sync(client.store.is_empty("c"))
        sync(client.store.delete_dir("c"))
        assert sync(client.store.is_empty("c"))
        assert sync(names("")) == ["zarr.json"]
        assert sync(client.store.exists("zarr.json"))
        assert not sync(client.store.exists("c/0/0/0"))


def test_what_is_opened_to_be_read_is_not_written(client: Client) -> None:
    created(client)
    array = array_of(client, "r")
    with pytest.raises(UnsupportedError, match=r"write x: .*x\.zarr is opened with mode='r'"):
        write(client, array, VOXELS)


def test_a_bucket_that_is_not_there(options: dict[str, Any]) -> None:
    with pytest.raises(NotFoundError, match=r"open x: the server answered 404 for .*no-such-bucket.*NoSuchBucket"):
        array_of(open_client("s3://no-such-bucket/x.zarr", **options))
