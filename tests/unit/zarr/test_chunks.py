"""Chunks of a folder are encoded and decoded as zarr does it, and what is broken is told."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr_clients import new_call
from zarr_layouts import CHUNK, LAYOUTS, OTHERS, VOXELS, stored

import pyvolume
from pyvolume.errors import AnswerError, ClosedError, MetadataError
from pyvolume.zarr import ZarrVolume
from pyvolume.zarr.coding import coding_of
from pyvolume.zarr.opening import open_client


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("name", [*LAYOUTS, *OTHERS])
@pytest.mark.parametrize("key", [np.s_[:], np.s_[3:9, :5, 4:]], ids=["all", "some"])
def test_voxels_are_those_of_zarr(tmp_path: Path, name: str, key: Any) -> None:
    array = stored(tmp_path / "x.zarr", (LAYOUTS | OTHERS)[name], key)
    assert (coding_of(array) is None) == (name in OTHERS)
    volume = pyvolume.open(tmp_path / "x.zarr")
    for part in (np.s_[:, :, :], np.s_[2:10, 3:5, 1:7], np.s_[4:8, 4:8, :4], np.s_[10:, 8:, 6:]):
        same(volume[(0, *part[::-1])], np.asarray(array[part]).T)


@pytest.mark.filterwarnings("ignore:Numcodecs codecs")
@pytest.mark.parametrize("shuffle", [-1, 1])
def test_what_numcodecs_adds_to_version_3_is_left_to_zarr(tmp_path: Path, shuffle: int) -> None:
    codec = {"name": "numcodecs.blosc", "configuration": {"cname": "lz4", "clevel": 5, "shuffle": shuffle}}
    assert coding_of(stored(tmp_path / "x.zarr", {"compressors": [codec]})) is None
    same(pyvolume.open(tmp_path / "x.zarr")[0], VOXELS.T)


def files_of(folder: Path) -> list[str]:
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file())


@pytest.mark.parametrize("name", [*LAYOUTS, *OTHERS])
def test_zarr_reads_what_is_written(tmp_path: Path, name: str) -> None:
    layout = (LAYOUTS | OTHERS)[name]
    ours, bare = stored(tmp_path / "ours.zarr", layout), stored(tmp_path / "bare.zarr", layout)
    values = VOXELS[::-1].copy()
    values[:8, :4, :4] = 7  # a shard of which a part is kept
    values[8:, 8:, :4] = 7
    with pyvolume.open(tmp_path / "ours.zarr", mode="r+") as volume:
        volume[...] = values.T[None]
        same(volume[0], values.T)
    bare[...] = values
    same(np.asarray(ours[...]), values)
    assert files_of(tmp_path / "ours.zarr") == files_of(tmp_path / "bare.zarr")


@pytest.mark.parametrize("name", ["zstd", "blosc, checksum", "2, blosc", "2, F, big-endian, raw"])
def test_chunks_are_those_of_zarr_to_the_byte(tmp_path: Path, name: str) -> None:
    array = stored(tmp_path / "bare.zarr", LAYOUTS[name])
    stored(tmp_path / "ours.zarr", LAYOUTS[name], np.s_[:0])
    with pyvolume.open(tmp_path / "ours.zarr", mode="r+") as volume:
        volume[...] = VOXELS.T[None]
    chunk = array.metadata.encode_chunk_key((1, 0, 1))
    assert (tmp_path / "ours.zarr" / chunk).read_bytes() == (tmp_path / "bare.zarr" / chunk).read_bytes()


def test_an_empty_chunk_is_stored_where_zarr_is_told_to(tmp_path: Path) -> None:
    for is_kept in (True, False):
        with zarr.config.set({"array.write_empty_chunks": is_kept}):
            array = stored(tmp_path / f"{is_kept}.zarr", LAYOUTS["raw"])
            with pyvolume.open(tmp_path / f"{is_kept}.zarr", mode="r+") as volume:
                volume[...] = 7
        assert array.nchunks_initialized == (array.nchunks if is_kept else 0)


def test_a_negative_zero_is_no_fill_value(tmp_path: Path) -> None:
    array = zarr.create_array(tmp_path / "x.zarr", shape=(4, 4), chunks=(4, 4), dtype="f4", dimension_names=["y", "x"])
    with pyvolume.open(tmp_path / "x.zarr", mode="r+") as volume:
        volume[...] = -0.0
    assert np.signbit(np.asarray(array[...])).all()


@pytest.mark.parametrize("name", ["raw", "shards"])
def test_a_chunk_that_cannot_be_written_stays(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    array = stored(tmp_path / "x.zarr", LAYOUTS[name])
    before, write, written = files_of(tmp_path), os.write, list[int]()

    def fail(number: int, data: bytes) -> int:
        written.append(len(data))
        if len(written) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(number, data[: len(data) // 2])

    monkeypatch.setattr(os, "write", fail)
    with (
        pyvolume.open(tmp_path / "x.zarr", mode="r+") as volume,
        pytest.raises(OSError, match="write voxels") as caught,
    ):
        volume[...] = 3
    monkeypatch.undo()
    assert caught.value.errno == errno.ENOSPC
    assert str(caught.value.filename).startswith(str(tmp_path / "x.zarr"))
    same(np.asarray(array[...]), VOXELS)
    assert files_of(tmp_path) == before


def test_a_write_counts_its_files_and_bytes(tmp_path: Path) -> None:
    stored(tmp_path / "x.zarr", LAYOUTS["raw"])
    with pyvolume.open(tmp_path / "x.zarr", mode="r+") as volume, pyvolume.trace() as trace:
        volume[0, :4, :4, :8] = 3
    assert trace.requests == 2
    assert trace.bytes_sent == 2 * np.prod(CHUNK) * 2


def test_no_file_is_written_after_close(tmp_path: Path) -> None:
    stored(tmp_path / "x.zarr", {})
    client = open_client(tmp_path / "x.zarr", mode="r+")
    client.close()
    with pytest.raises(ClosedError):
        client.store_file("c/0/0/0", [b"1"], new_call(), "write")


UNNOTICED = {
    "long": ("gzip", "shards, index first", "2, gzip, no fill value"),  # what follows the voxels does not matter
    "noise": ("raw", "big-endian", "2, F, big-endian, raw"),
}
BROKEN = [
    (name, how) for how in ("short", "long", "empty", "noise") for name in LAYOUTS if name not in UNNOTICED.get(how, ())
]


@pytest.mark.parametrize(("name", "change"), BROKEN)
def test_a_broken_chunk_is_told(tmp_path: Path, name: str, change: str) -> None:
    array = stored(tmp_path / "x.zarr", LAYOUTS[name])
    path = tmp_path / "x.zarr" / array.metadata.encode_chunk_key((0, 0, 0))
    before = path.read_bytes()
    noise = bytes(np.random.default_rng(1).integers(0, 255, len(before), "uint8"))
    path.write_bytes({"short": before[:-3], "long": before + b"123", "empty": b"", "noise": noise}[change])
    with pytest.raises(AnswerError, match="decoded") as caught:
        pyvolume.open(tmp_path / "x.zarr")[0, :1, :1, :1]
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("what", ["link", "folder"])
@pytest.mark.parametrize("name", ["raw", "shards", "transposed"])
def test_what_is_no_file_is_no_missing_chunk(tmp_path: Path, name: str, what: str) -> None:
    array = stored(tmp_path / "x.zarr", (LAYOUTS | OTHERS)[name])
    path = tmp_path / "x.zarr" / array.metadata.encode_chunk_key((0, 0, 0))
    path.unlink()
    if what == "link":
        path.symlink_to("nowhere")  # as git-annex leaves it before the file is fetched
    else:
        path.mkdir()
    with pytest.raises(AnswerError, match=what) as caught:
        pyvolume.open(tmp_path / "x.zarr")[0, :1, :1, :1]
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("place", [(1 << 40, 10), (0, 1 << 40), ((1 << 64) - 2, 4)])
def test_an_index_that_tells_of_bytes_that_are_not_there(tmp_path: Path, place: tuple[int, int]) -> None:
    array = stored(tmp_path / "x.zarr", LAYOUTS["shards, index first"])
    path = tmp_path / "x.zarr" / array.metadata.encode_chunk_key((0, 0, 0))
    data = bytearray(path.read_bytes())
    data[:16] = np.array(place, "<u8").tobytes()
    path.write_bytes(data)
    with pytest.raises(AnswerError, match="index"):
        pyvolume.open(tmp_path / "x.zarr")[0, :1, :1, :1]


def test_a_crop_of_a_shard_reads_its_chunk_only(tmp_path: Path) -> None:
    stored(tmp_path / "x.zarr", LAYOUTS["shards, raw"])
    with pyvolume.open(tmp_path / "x.zarr") as volume, pyvolume.trace() as trace:
        volume[0, :2, :2, :2]
    assert trace.requests == 2
    assert trace.bytes_fetched == np.prod(CHUNK) * 2 + 16 * 8 + 4


def test_no_file_is_read_after_close(tmp_path: Path) -> None:
    stored(tmp_path / "x.zarr", {})
    client = open_client(tmp_path / "x.zarr")
    client.close()
    with pytest.raises(ClosedError), client.reading("c/0/0/0", new_call(), "read"):
        pass


def test_an_array_without_a_fill_value_is_resized(tmp_path: Path) -> None:
    place = tmp_path / "a.zarr"
    array = zarr.create_array(place, shape=(8, 8), chunks=(4, 4), dtype="u2", zarr_format=2, fill_value=None)
    array[:] = 3
    array.attrs["_ARRAY_DIMENSIONS"] = ["x", "y"]
    with pyvolume.open(place, "r+", kind=ZarrVolume) as volume:
        volume.resize((1, 6, 8))
        volume.resize((1, 8, 8))
        assert (volume[0, :, 0] == [3, 3, 3, 3, 3, 3, 0, 0]).all()


@pytest.mark.parametrize("value", [float("nan"), 70000, -1, 0.5, "a"])
def test_a_fill_value_that_no_voxel_has_is_refused(tmp_path: Path, value: Any) -> None:
    with pytest.raises(MetadataError, match=r"create .*a.zarr: expected a fill_value of uint16 and found"):
        pyvolume.create(tmp_path / "a.zarr", (1, 4, 3, 2), "uint16", fill_value=value)
