"""Receipts: what a block has read and written, and the checksum that anybody can compute again."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import json
import pickle
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from conformance_stores import ramp
from numpy.typing import NDArray
from watched_store import WatchedStore

import pyvolume
import pyvolume.recording as recording_module
import pyvolume.transfer.receipts as receipts_module
from mockserver import Fault, MockServer
from pyvolume import Box, Receipt
from pyvolume.errors import ExistsError, ForbiddenError

SHAPE = (2, 16, 12, 10)
ARRAY = ramp(SHAPE, "uint16")
KEYS: dict[str, Any] = {
    "all": np.s_[...],
    "box": np.s_[:, 3:9],
    "plane": np.s_[1, :, 4],
    "new axis": np.s_[0, None, 2:4],
    "strided": np.s_[0, ::3, 1::2],
    "flipped": np.s_[:, ::-1, 4],
    "backwards": np.s_[:, 11:2:-4],
    "one voxel": np.s_[1, 2, 3, 4],
}


def sha256(array: NDArray[Any]) -> str:
    """Compute what a reader of the documentation computes."""
    return hashlib.sha256(np.asarray(array).astype("<u2").tobytes(order="F")).hexdigest()


def again(receipt: Receipt, voxels: NDArray[Any]) -> NDArray[Any]:
    """Take the voxels of a receipt from the whole array."""
    assert receipt.step is not None
    box = voxels[receipt.box.slices_from((0,) * 4)]
    return box[tuple(slice(None, None, step) for step in receipt.step)]


@pytest.fixture
def volume() -> pyvolume.Volume:
    return pyvolume.from_array(ARRAY.copy())


class TestReads:
    @pytest.mark.parametrize("name", KEYS)
    def test_the_checksum_is_that_of_the_returned_array(self, volume: pyvolume.Volume, name: str) -> None:
        with pyvolume.receipts() as kept:
            voxels = volume[KEYS[name]]
        assert [(each.sha256, each.shape) for each in kept] == [(sha256(voxels), np.shape(voxels))]

    @pytest.mark.parametrize("name", KEYS)
    def test_box_and_step_give_the_voxels_again(self, volume: pyvolume.Volume, name: str) -> None:
        with pyvolume.receipts() as kept:
            volume[KEYS[name]]
        assert sha256(again(kept[0], ARRAY)) == kept[0].sha256

    @pytest.mark.parametrize("key", [np.s_[0, [5, 3, 3]], ARRAY > 60000])
    def test_points_have_a_box_and_no_step(self, volume: pyvolume.Volume, key: Any) -> None:
        with pyvolume.receipts() as kept:
            voxels = volume[key]
        assert (kept[0].step, kept[0].sha256, kept[0].nbytes) == (None, sha256(voxels), voxels.nbytes)

    @pytest.mark.parametrize("dtype", ["bool", "int8", ">u2", "float32", "uint64"])
    def test_bytes_are_little_endian_in_the_dtype_of_the_volume(self, dtype: str) -> None:
        array = np.arange(24).reshape(1, 2, 3, 4).astype(dtype)
        with pyvolume.receipts() as kept:
            pyvolume.from_array(array)[...]
        little = array.astype(array.dtype.newbyteorder("<")).tobytes(order="F")
        assert (kept[0].sha256, kept[0].dtype) == (hashlib.sha256(little).hexdigest(), array.dtype.name)

    def test_a_box_into_an_array_in_c_order(self, volume: pyvolume.Volume) -> None:
        out = np.empty((2, 4, 12, 10), "uint16")
        with pyvolume.receipts() as kept:
            volume.read(((0, 2, 0, 0), (2, 6, 12, 10)), out=out)
        assert kept[0].sha256 == sha256(ARRAY[:, 2:6])

    def test_pieces_of_one_read_are_one(self) -> None:
        store = WatchedStore(ARRAY, max_read_bytes=480, preferred_concurrency=4)
        with pyvolume.receipts() as kept:
            store.volume()[...]
        assert len(store.reads) > len(kept) == 1

    @pytest.mark.parametrize("suffix", ["npy", "tif", "nii.gz"])
    def test_a_file_that_is_an_array_in_memory(self, volume: pyvolume.Volume, tmp_path: Path, suffix: str) -> None:
        for library in ("nibabel", "tifffile"):
            pytest.importorskip(library, reason="it comes with the extra 'files'")
        with pyvolume.receipts() as kept:
            volume.save(tmp_path / f"cut.{suffix}", np.s_[:, ::2])
        assert [each.sha256 for each in kept] == [sha256(ARRAY[:, ::2])]

    def test_one_voxel_less_has_another(self, volume: pyvolume.Volume) -> None:
        with pyvolume.receipts() as kept:
            volume[:, 3:9]
            volume[:, 3:9]
            volume[0, 5, 0, 0] ^= 1
            volume[:, 3:9]
        assert kept[0].sha256 == kept[1].sha256 != kept[-1].sha256

    def test_no_voxel_has_none(self, volume: pyvolume.Volume) -> None:
        with pyvolume.receipts() as kept:
            volume[:, 3:3]
        assert len(kept) == 0

    def test_a_channel_and_absolute_coordinates(self, volume: pyvolume.Volume) -> None:
        with pyvolume.receipts() as kept:
            volume.channel(1)[2:4]
            volume.absolute[1, 2:4]
        assert {(each.box, each.sha256) for each in kept} == {
            (Box((1, 2, 0, 0), (2, 4, 12, 10)), sha256(ARRAY[1, 2:4]))
        }


class TestWrites:
    @pytest.mark.parametrize("name", KEYS)
    def test_the_checksum_is_that_of_the_given_array(self, volume: pyvolume.Volume, name: str) -> None:
        given = ARRAY[KEYS[name]] // 2
        with pyvolume.receipts() as kept:
            volume[KEYS[name]] = given
        (receipt,) = kept
        assert (receipt.action, receipt.sha256) == ("write", sha256(given))
        assert sha256(again(receipt, volume[...])) == receipt.sha256

    def test_values_are_those_that_are_stored(self, volume: pyvolume.Volume) -> None:
        with pyvolume.receipts() as kept:
            volume[:, 2:4] = 7
        assert (kept[0].sha256, kept[0].dtype) == (sha256(np.full((2, 2, 12, 10), 7)), "uint16")

    def test_blocks_that_are_completed_are_not_read_by_the_script(self) -> None:
        store = WatchedStore(ARRAY, (8, 8, 8))
        with pyvolume.receipts() as kept:
            store.volume().write(((0, 2, 0, 0), (2, 6, 12, 10)), ARRAY[:, 2:6])
        assert len(store.reads) == 1
        assert [(each.action, str(each.box)) for each in kept] == [("write", "(0:2, 2:6, 0:12, 0:10)")]


class TestPieces:
    """What is never in memory as a whole has a receipt for each piece; together they cover it."""

    def check(self, kept: pyvolume.Receipts, action: str, voxels: NDArray[Any]) -> None:
        found = [each for each in kept if each.action == action]
        seen = np.zeros(voxels.shape, int)
        for each in found:
            assert each.sha256 == sha256(again(each, voxels))
            seen[selected_by(each)] += 1
        assert len(found) > 1
        assert sum(each.nbytes for each in found) == seen.sum() * voxels.itemsize
        assert set(np.unique(seen)) <= {0, 1}

    @pytest.mark.parametrize("key", [np.s_[...], np.s_[:, ::3, 10:2:-2]])
    @pytest.mark.parametrize("concurrency", [1, 4])
    def test_of_a_read_into_a_file(self, tmp_path: Path, key: Any, concurrency: int) -> None:
        pytest.importorskip("h5py", reason="h5py comes with the extra 'files'")
        store = WatchedStore(ARRAY, max_read_bytes=480, preferred_concurrency=concurrency)
        with pyvolume.receipts() as kept:
            store.volume().save(tmp_path / "cut.h5", key)
        self.check(kept, "read", ARRAY)
        assert sum(each.nbytes for each in kept) == ARRAY[key].nbytes

    def test_of_a_write_from_a_file(self) -> None:
        class Sliced:
            shape, dtype = ARRAY.shape, ARRAY.dtype

            def __getitem__(self, key: Any) -> Any:
                return ARRAY[key]

        store = WatchedStore(np.zeros_like(ARRAY), max_write_bytes=480)
        with pyvolume.receipts() as kept:
            store.volume().write(Box((0,) * 4, SHAPE), Sliced())
        self.check(kept, "write", ARRAY)
        assert sum(each.nbytes for each in kept) == ARRAY.nbytes

    def test_of_a_copy_on_both_sides(self) -> None:
        source = WatchedStore(ARRAY, max_read_bytes=480, piece_bytes=(480, 480))
        target = WatchedStore(np.zeros_like(ARRAY), max_write_bytes=480, piece_bytes=(480, 480))
        with pyvolume.receipts() as kept:
            pyvolume.copy(source.volume(), target.volume(), concurrency=3)
        self.check(kept, "read", ARRAY)
        self.check(kept, "write", ARRAY)

    def test_of_an_array_that_is_copied(self, volume: pyvolume.Volume) -> None:
        with pyvolume.receipts() as kept:
            pyvolume.copy(ARRAY // 2, volume)
        assert [(each.action, each.sha256) for each in kept] == [(way, sha256(ARRAY // 2)) for way in ("read", "write")]

    def test_of_a_reduction(self) -> None:
        store = WatchedStore(ARRAY, piece_bytes=(480, 480))
        with pyvolume.receipts() as kept:
            store.volume().max()
        self.check(kept, "read", ARRAY)


def selected_by(receipt: Receipt) -> tuple[slice, ...]:
    assert receipt.step is not None
    pairs = zip(receipt.box.start, receipt.box.stop, map(abs, receipt.step), strict=True)
    offsets = [(n - 1) % abs(step) if step < 0 else 0 for n, step in zip(receipt.box.shape, receipt.step, strict=True)]
    return tuple(slice(low + first, high, step) for (low, high, step), first in zip(pairs, offsets, strict=True))


class TestBlocks:
    def test_outside_nothing_is_kept(self, volume: pyvolume.Volume) -> None:
        volume[0]
        with pyvolume.receipts() as kept:
            pass
        volume[0]
        assert len(kept) == 0

    def test_nested_ones_keep_both_and_hash_once(self, volume: pyvolume.Volume) -> None:
        with pyvolume.receipts() as outer:
            volume[0]
            with pyvolume.receipts() as inner:
                volume[1]
        assert (len(outer), len(inner)) == (2, 1)
        assert outer[1] is inner[0]

    @pytest.mark.parametrize("action", ["read", "write"])
    def test_a_failed_operation_has_none(self, action: str) -> None:
        with MockServer({"gray": ARRAY[:1]}) as server, pyvolume.receipts() as kept:
            server.faults.add(Fault("error", status=403, path=".*/raw/.*", times=None))
            with (
                pyvolume.open(f"dvid://{server.url}/:master/gray", "r+") as volume,
                pytest.raises(ForbiddenError),
            ):
                volume[...] if action == "read" else volume.write(volume.bounds, ARRAY[:1])
        assert len(kept) == 0

    def test_a_file_that_fails_has_none_of_its_pieces(self, tmp_path: Path) -> None:
        pytest.importorskip("h5py", reason="h5py comes with the extra 'files'")

        def fail(_: str, box: Box) -> None:
            if box.stop == SHAPE:
                raise KeyError

        store = WatchedStore(ARRAY, max_read_bytes=480, before=fail)
        with contextlib.suppress(KeyError), pyvolume.receipts() as kept:
            store.volume().save(tmp_path / "cut.h5")
        assert (len(store.reads) > 1, len(kept)) == (True, 0)

    def test_many_reads_in_threads(self, volume: pyvolume.Volume) -> None:
        boxes = [Box((0, x, 0, 0), (2, x + 4, 12, 10)) for x in range(0, 16, 4)]
        with pyvolume.receipts() as kept:
            list(volume.read_many(boxes))
        assert Counter(each.box for each in kept) == Counter(boxes)

    def test_a_task_of_asyncio(self, volume: pyvolume.Volume) -> None:
        async def main() -> list[int]:
            async def read(times: int) -> int:
                with pyvolume.receipts() as kept:
                    for _ in range(times):
                        await vol[0]
                return len(kept)

            return list(await asyncio.gather(read(1), read(3)))

        vol = pyvolume.aio.AsyncVolume(volume)
        assert asyncio.run(main()) == [1, 3]

    @pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
    def test_an_array_of_dask_that_was_made_in_the_block(self, volume: pyvolume.Volume, scheduler: str) -> None:
        pytest.importorskip("dask.array", reason="dask comes with its extra")
        with pyvolume.receipts() as kept:
            volume.to_dask((1, -1, -1, -1)).max().compute(scheduler=scheduler)
        assert sorted(each.sha256 for each in kept) == sorted(sha256(ARRAY[i]) for i in (0, 1))

    def test_an_array_of_dask_that_threads_of_the_user_compute(self, volume: pyvolume.Volume) -> None:
        dask = pytest.importorskip("dask", reason="dask comes with its extra")
        with pyvolume.receipts() as kept, ThreadPoolExecutor(2) as pool, dask.config.set(pool=pool):
            volume.to_dask((1, -1, -1, -1)).max().compute()
        assert sorted(each.sha256 for each in kept) == sorted(sha256(ARRAY[i]) for i in (0, 1))

    def test_a_write_of_dask(self, volume: pyvolume.Volume) -> None:
        array = pytest.importorskip("dask.array", reason="dask comes with its extra")
        config = pytest.importorskip("dask.config")
        with pyvolume.receipts() as kept, ThreadPoolExecutor(2) as pool, config.set(pool=pool):
            volume.from_dask(array.from_array(ARRAY[:, ::-1], chunks=(1, 16, 12, 10)))
        assert sum(each.nbytes for each in kept if each.action == "write") == ARRAY.nbytes

    def test_a_pickled_array_of_dask_takes_none_along(self, volume: pyvolume.Volume) -> None:
        pytest.importorskip("dask.array", reason="dask comes with its extra")
        with pyvolume.receipts() as kept:
            pickled = pickle.dumps(volume.to_dask())
        pickle.loads(pickled).compute()
        assert len(kept) == 0

    def test_nothing_is_called_for_them_where_nobody_asks(self, volume: pyvolume.Volume) -> None:
        called = list[str]()

        def note(frame: FrameType, event: str, _: object) -> None:
            if event == "call":
                called.append(frame.f_code.co_filename)

        for act in (
            lambda: volume[:, ::2],
            lambda: volume.read(volume.bounds),
            lambda: volume.write(volume.bounds, ARRAY),
        ):
            sys.setprofile(note)
            act()
            sys.setprofile(None)
        assert len(called) > 100
        assert set(called) & {receipts_module.__file__, recording_module.__file__} == set()


class TestForms:
    @pytest.fixture
    def kept(self, volume: pyvolume.Volume) -> pyvolume.Receipts:
        with pyvolume.receipts() as kept:
            volume[0, ::2]
            volume[1] = 3
        return kept

    def test_the_address_has_the_full_version(self) -> None:
        with MockServer({"gray": ARRAY[:1]}) as server, pyvolume.receipts() as kept:
            with pyvolume.open(f"dvid://{server.url}/:master/gray") as volume:
                volume[...]
            address = kept[0].address
            assert address == f"dvid://{server.url}/{server.uuid}/gray"
            with pyvolume.open(address) as again:
                assert sha256(again[...]) == kept[0].sha256

    def test_a_document_is_json(self, kept: pyvolume.Receipts) -> None:
        found = json.loads(kept[0].to_json())
        assert {name: found[name] for name in ("action", "start", "stop", "step", "shape", "dtype", "bytes")} == {
            "action": "read", "start": [0, 0, 0, 0], "stop": [1, 15, 12, 10], "step": [1, 2, 1, 1],
            "shape": [8, 12, 10], "dtype": "uint16", "bytes": 8 * 12 * 10 * 2,
        }  # fmt: skip

    def test_the_time_is_now_in_utc(self, volume: pyvolume.Volume) -> None:
        before = datetime.now(UTC)
        with pyvolume.receipts() as kept:
            volume[0]
        assert before <= kept[0].when <= datetime.now(UTC)
        text = kept[0].to_document()["when"]
        assert text.endswith("Z")
        assert abs((datetime.fromisoformat(text) - kept[0].when).total_seconds()) < 0.001

    def test_the_version_of_pyvolume(self, kept: pyvolume.Receipts) -> None:
        assert {each.pyvolume for each in kept} == {pyvolume.__version__}

    def test_a_receipt_is_one_line(self, volume: pyvolume.Volume, kept: pyvolume.Receipts) -> None:
        first = kept[0]
        assert str(first) == (
            f"read (0:1, 0:15, 0:12, 0:10), step (1, 2, 1, 1) of {volume.store.address}: 1920 bytes of uint16, "
            f"sha256 {first.sha256}, {first.to_document()['when']}, pyvolume {first.pyvolume}"
        )
        assert str(kept).splitlines() == [str(each) for each in kept]

    def test_it_is_frozen_and_pickled(self, kept: pyvolume.Receipts) -> None:
        assert pickle.loads(pickle.dumps(kept[0])) == kept[0]
        with pytest.raises(dataclasses.FrozenInstanceError):
            kept[0].nbytes = 0  # type: ignore[misc]

    def test_the_list_is_told_in_short(self, kept: pyvolume.Receipts) -> None:
        assert repr(kept) == "<Receipts: 1 read of 1.875 KiB, 1 write of 3.75 KiB>"

    def test_a_notebook_shows_a_table(self, kept: pyvolume.Receipts) -> None:
        table = kept._repr_html_()
        assert (table.count("<tr>"), kept[0].sha256 in table) == (3, True)

    def test_a_file_has_a_line_of_json_for_each(self, kept: pyvolume.Receipts, tmp_path: Path) -> None:
        kept.save(tmp_path / "receipts.jsonl")
        lines = (tmp_path / "receipts.jsonl").read_text().splitlines()
        assert [json.loads(line) for line in lines] == [each.to_document() for each in kept]

    def test_a_file_is_replaced_only_if_that_is_said(self, kept: pyvolume.Receipts, tmp_path: Path) -> None:
        path = tmp_path / "receipts.jsonl"
        path.write_text("precious")
        with pytest.raises(ExistsError):
            kept.save(path)
        kept.save(path, mode="w")
        assert path.read_text() == kept.to_json()
