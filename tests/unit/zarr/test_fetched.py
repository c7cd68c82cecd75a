"""Chunks behind a web server are decoded as zarr does it, and what is broken is told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from file_server import FileServer
from zarr_layouts import CHUNK, LAYOUTS, OTHERS, stored

import pyvolume
from pyvolume.calls.holds import MOST, Lanes
from pyvolume.errors import AnswerError, ClosedError, ForbiddenError, TransportError
from pyvolume.zarr import address
from pyvolume.zarr.accessor import open_volume
from pyvolume.zarr.coding import Coding
from pyvolume.zarr.fetched import FEW, fetched_chunks_of
from pyvolume.zarr.opening import open_client

CHUNKS = 3 * 3 * 2

BY_ZARR = [*OTHERS, "shards", "shards, raw", "shards, index first"]
"""What zarr fetches and decodes: a part of an object, or codecs that only zarr has."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileServer]:
    with FileServer(tmp_path) as server:
        yield server


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("name", [*LAYOUTS, *OTHERS])
@pytest.mark.parametrize("key", [np.s_[:], np.s_[3:9, :5, 4:]], ids=["all", "some"])
def test_voxels_are_those_of_zarr(server: FileServer, tmp_path: Path, name: str, key: Any) -> None:
    array = stored(tmp_path / "x.zarr", (LAYOUTS | OTHERS)[name], key)
    client = open_client(f"{server.url}/x.zarr")
    assert (fetched_chunks_of(client, "", array) is None) == (name in BY_ZARR)
    with pyvolume.open(f"{server.url}/x.zarr") as volume:
        for part in (np.s_[:, :, :], np.s_[2:10, 3:5, 1:7], np.s_[4:8, 4:8, :4], np.s_[10:, 8:, 6:]):
            same(volume[(0, *part[::-1])], np.asarray(array[part]).T)


@pytest.mark.parametrize("change", ["short", "empty", "noise"])
@pytest.mark.parametrize("name", ["zstd", "2, blosc", "checksum, zstd"])
def test_a_broken_chunk_is_told(server: FileServer, tmp_path: Path, name: str, change: str) -> None:
    array = stored(tmp_path / "x.zarr", LAYOUTS[name])
    key = array.metadata.encode_chunk_key((1, 0, 0))
    path = tmp_path / "x.zarr" / key
    before = path.read_bytes()
    noise = bytes(np.random.default_rng(1).integers(0, 255, len(before), "uint8"))
    path.write_bytes({"short": before[:-3], "empty": b"", "noise": noise}[change])
    with pyvolume.open(f"{server.url}/x.zarr") as volume:
        with pytest.raises(AnswerError, match="decoded") as caught:
            volume[...]
        assert f"{server.url}/x.zarr/{key}" in str(caught.value)
        same(volume[0, :, :, :4], np.asarray(array[:4]).T)


def test_a_chunk_of_other_length_is_told(server: FileServer, tmp_path: Path) -> None:
    array = stored(tmp_path / "x.zarr", LAYOUTS["raw"])
    path = tmp_path / "x.zarr" / array.metadata.encode_chunk_key((0, 0, 0))
    path.write_bytes(path.read_bytes() + b"1")
    with (
        pyvolume.open(f"{server.url}/x.zarr") as volume,
        pytest.raises(AnswerError, match="expected 128 bytes and found 129"),
    ):
        volume[...]


def test_each_chunk_is_one_request(server: FileServer, tmp_path: Path) -> None:
    stored(tmp_path / "x.zarr", LAYOUTS["raw"])
    with pyvolume.open(f"{server.url}/x.zarr") as volume, pyvolume.trace() as trace:
        volume[0, 3:5, :4, :9]
    assert (trace.requests, trace.bytes_fetched) == (6, 6 * 128)


def test_few_chunks_are_in_memory_at_once(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array = stored(tmp_path / "x.zarr", LAYOUTS["raw"])
    nbytes = int(np.prod(CHUNK)) * 2
    server.behaviour = lambda asked: "slow" if "/c/" in asked.path else None
    for batch, most in ((12 * nbytes, 12), (nbytes, FEW), (1 << 20, CHUNKS)):
        monkeypatch.setattr("pyvolume.zarr.fetched.AHEAD_BYTES", batch)
        server.most_in_flight = 0
        with open_volume(address.parse(f"{server.url}/x.zarr"), place={"lanes": Lanes(MOST)}) as volume:
            same(volume[0], np.asarray(array[...]).T)
        assert most // 2 < server.most_in_flight <= most


def test_a_chunk_that_is_large_is_requested_once(server: FileServer, tmp_path: Path) -> None:
    voxels = np.arange(1 << 23, dtype="uint8").reshape(2, 1 << 11, 1 << 11)
    options: Any = {"shape": voxels.shape, "dtype": "uint8", "chunks": voxels.shape, "compressors": None}
    zarr.create_array(tmp_path / "x.zarr", **options)[...] = voxels
    with pyvolume.open(f"{server.url}/x.zarr") as volume, pyvolume.trace() as trace:
        same(volume[0], voxels)
    assert trace.requests == 1


@pytest.mark.parametrize("how", ["deadline", "close"])
def test_a_read_ends_between_two_chunks(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    stored(tmp_path / "x.zarr", LAYOUTS["raw"])
    decoded: list[int] = []
    decode = Coding.decode

    def slowly(coding: Coding, data: Any) -> Any:
        decoded.append(1)
        if how == "close":
            volume.close()
        else:
            time.sleep(0.4)
        return decode(coding, data)

    monkeypatch.setattr(Coding, "decode", slowly)
    retry = pyvolume.RetryPolicy(deadline=0.3) if how == "deadline" else pyvolume.RetryPolicy()
    with (
        pyvolume.open(f"{server.url}/x.zarr", retry=retry) as volume,
        pytest.raises((TransportError, ClosedError), match=r"deadline|closed"),
    ):
        volume[...]
    assert len(decoded) == 1


def test_a_chunk_that_is_forbidden_ends_the_read(server: FileServer, tmp_path: Path) -> None:
    stored(tmp_path / "x.zarr", LAYOUTS["raw"])
    server.behaviour = lambda asked: 403 if "/c/1/" in asked.path else None
    with pyvolume.open(f"{server.url}/x.zarr") as volume, pytest.raises(ForbiddenError, match="c/1/"):
        volume[...]
