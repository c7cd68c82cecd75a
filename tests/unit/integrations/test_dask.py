"""Volumes as arrays of dask: whole blocks, small graphs, nothing read too much, names that follow the voxels."""

from __future__ import annotations

import gc
import itertools
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from conformance_stores import ramp
from watched_store import WatchedStore

import pyvolume
from mockserver import MockServer
from pyvolume import Box
from pyvolume.errors import SelectionError, UnsupportedError

dask = pytest.importorskip("dask", reason="dask comes with the extra 'dask'")
da = pytest.importorskip("dask.array", reason="dask comes with the extra 'dask'")

SHAPE = (2, 100, 64, 33)
VOXELS = ramp(SHAPE, "uint16")


@pytest.fixture
def store() -> WatchedStore:
    return WatchedStore(VOXELS, (16, 16, 16))


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


@pytest.mark.parametrize("chunks", ["auto", "40 KiB", 20, (1, 33, -1, 16), (2, 100, 64, 33), "1 B"])
def test_chunks_are_whole_blocks(store: WatchedStore, chunks: Any) -> None:
    array = store.volume().to_dask(chunks)
    for sizes, cell in zip(array.chunks, store.traits.write_grid, strict=True):
        assert all(face % cell == 0 for face in itertools.accumulate(sizes[:-1]))
    assert (array.dtype, array._meta.dtype, array._meta.ndim) == (VOXELS.dtype, VOXELS.dtype, 4)
    same(array.compute(), VOXELS)


def test_a_chunk_is_in_the_order_of_numpy_unless_said_otherwise(store: WatchedStore) -> None:
    volume = store.volume()
    arrays = volume.to_dask(-1), volume.to_dask(-1, order="C"), volume.to_dask(-1, order="F")
    chunks = [array.to_delayed().item().compute() for array in arrays]
    assert [chunk.flags.c_contiguous for chunk in chunks] == [True, True, False]
    assert chunks[2].flags.f_contiguous
    with pytest.raises(ValueError, match="order is 'C' or 'F', not 'K'"):
        volume.to_dask(order="K")  # type: ignore[arg-type]


def test_chunks_have_a_useful_size() -> None:
    volume = pyvolume.from_array(np.broadcast_to(np.uint8(0), (1, 4096, 4096, 4096)), block_shape=(64, 64, 64))
    assert volume.to_dask().chunksize == (1, 512, 512, 256)
    assert volume.to_dask("1 GiB").chunksize == (1, 1024, 1024, 1024)
    large = pyvolume.from_array(np.broadcast_to(np.uint8(0), (1, 4096, 4096, 4096)), block_shape=(2048, 64, 2048))
    assert large.to_dask().chunksize == (1, 2048, 64, 2048)


def test_index_0_is_the_first_voxel_of_the_box(store: WatchedStore) -> None:
    array = store.volume().to_dask((2, 32, 32, 32), box=((0, 5, 6, 7), (2, 90, 40, 9)))
    assert array.chunks == ((2,), (27, 32, 26), (26, 8), (2,))
    same(array.compute(), VOXELS[:, 5:90, 6:40, 7:9])


def test_the_bounds_are_covered_on_both_sides_of_zero() -> None:
    volume = pyvolume.from_array(np.zeros((1, 0, 0, 0), "uint16"), growable=True, block_shape=(16, 16, 16))
    volume.write(Box((0, -20, 5, 32), (1, 28, 37, 48)), VOXELS[:1, :48, :32, :16])
    array = volume.to_dask(16)
    assert array.chunks == ((1,), (4, 16, 16, 12), (11, 16, 5), (16,))
    same(array.compute(), VOXELS[:1, :48, :32, :16])


@pytest.mark.parametrize("shape", [(1, 0, 5, 5), (1, 7), (1, 5, 0)])
def test_a_volume_without_voxels_or_with_few_axes_is_an_array(shape: Any) -> None:
    same(
        pyvolume.from_array(np.zeros(shape, "uint8"), "cxyz"[: len(shape)]).to_dask().compute(),
        np.zeros(shape, "uint8"),
    )


@pytest.mark.parametrize(
    "slices",
    [
        np.s_[:, 10:30, 17:40, :],
        np.s_[1, 3],
        np.s_[..., 5],
        np.s_[:, 3:90:7, ::2, 1],
        np.s_[0, None, 40:, 7],
        np.s_[:, ::-1, 5:9],
        np.s_[:, [3, 70, 5]],
        np.s_[0, np.arange(100) % 7 == 0],
    ],
    ids=str,
)
def test_slices_are_those_of_numpy(store: WatchedStore, slices: Any) -> None:
    same(store.volume().to_dask((2, 32, 32, 16))[slices].compute(), VOXELS[slices])


def test_the_graph_is_one_layer_of_few_objects() -> None:
    volume = pyvolume.from_array(np.broadcast_to(np.uint8(0), (1, 6400, 6400, 6400)), block_shape=(64, 64, 64))
    volume.to_dask(64)
    before = len(gc.get_objects())
    array = volume.to_dask(64)
    assert len(gc.get_objects()) - before < 1000
    assert array.npartitions == 10**6
    (layer,) = array.dask.layers.values()
    assert not layer.is_materialized()


def test_a_missing_library_is_named_with_its_extra(store: WatchedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dask", None)
    for call in (store.volume().to_dask, lambda: store.volume().from_dask(da.zeros(SHAPE))):
        with pytest.raises(ImportError, match=r"pyvolume-sdk\[dask\]"):
            call()


def test_another_version_needs_a_volume_with_versions(store: WatchedStore) -> None:
    with pytest.raises(UnsupportedError, match="no versions"):
        store.volume().to_dask(version=":master")


@pytest.mark.parametrize("chunks", [0, (1, 2, 3), (1, 2, 3, 4, 5), "many", (1, 2, 3, "a"), None, -2])
def test_chunks_of_no_length_are_refused(store: WatchedStore, chunks: Any) -> None:
    with pytest.raises(SelectionError):
        store.volume().to_dask(chunks)


def test_a_box_outside_is_refused_before_anything_is_read(store: WatchedStore) -> None:
    with pytest.raises(SelectionError):
        store.volume().to_dask(box=((0, 0, 0, 0), (2, 101, 64, 33)))
    assert store.asked == []


GRAY = ramp((1, 192, 128, 128))


@pytest.fixture
def server() -> Iterator[MockServer]:
    with MockServer({"gray": GRAY}) as server:
        yield server


def test_a_crop_fetches_no_more_than_the_blocks_around_it(server: MockServer) -> None:
    with pyvolume.open(f"dvid://{server.url}/:master/gray") as volume:
        array = volume.to_dask()
        opened = len(server.requests)
        crop = np.s_[:, 70:134, 30:94, 64:128]
        with dask.config.set(scheduler="sync"), pyvolume.trace() as traced:
            same(array[crop].compute(), GRAY[crop])
            assert array[crop].astype("int64").max().compute() == GRAY[crop].max()
        assert traced.bytes_fetched == 2 * 64**3
        assert len(server.requests) - opened == 2


def test_what_is_written_is_seen_by_the_next_array(store: WatchedStore) -> None:
    volume = store.volume()
    before = volume.to_dask(16).persist()
    volume[:, 3:50] = 7
    after = volume.to_dask(16)
    assert before.name != after.name
    same(after.compute(), store.stored())
    same((before + after).compute(), VOXELS + store.stored())


def test_voxels_that_cannot_change_have_one_name() -> None:
    volume = WatchedStore(VOXELS, (16, 16, 16), immutable=True).volume()
    assert volume.to_dask().name == volume.to_dask().name
    names = {volume.to_dask(c, box=b).name for c in ("auto", 16) for b in (None, Box((0,) * 4, (1, 50, 9, 9)))}
    assert len(names) == 4
