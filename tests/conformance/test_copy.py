"""Copies between all kinds of store, and arrays: what arrives is what was there, and nothing beside it changes."""

from __future__ import annotations

import dataclasses
import itertools
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import real_dvid
from conformance_stores import Backend, MemoryBackend, ramp
from numpy.typing import NDArray

import pyvolume
from pyvolume import Box
from pyvolume.calls.call import Call
from pyvolume.errors import AlignmentError, SelectionError, UnsupportedError, VoxelsMismatchError
from pyvolume.stores.memory import MemoryStore

SHAPE = (1, 48, 32, 64)
BOX = Box((0, 3, 7, 11), (1, 45, 30, 57))
BLOCK_BYTES = 16**3

KINDS = ["memory", "mock", *real_dvid.if_there()]


@pytest.fixture(params=list(itertools.product(KINDS, repeat=2)), ids="-".join)
def pair(request: pytest.FixtureRequest) -> tuple[Backend, Backend]:
    """Give the backend that is copied from, and the one that is copied to."""
    first, second = (
        MemoryBackend()
        if kind == "memory"
        else request.getfixturevalue("mock_backend" if kind == "mock" else "real_backend")
        for kind in request.param
    )
    return first, second


class Sliced:
    """An array-like with nothing but a shape, a dtype and slices."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array
        self.shape = array.shape
        self.dtype = array.dtype

    def __getitem__(self, key: tuple[slice, ...]) -> NDArray[Any]:
        assert all(type(each) is slice for each in key)
        return self._array[key]


class Chunked(Sliced):
    """The same, writable, in chunks as h5py and zarr have them."""

    def __init__(self, array: NDArray[Any], chunks: tuple[int, ...]) -> None:
        super().__init__(array)
        self.chunks = chunks
        self.written: list[tuple[slice, ...]] = []

    def __setitem__(self, key: tuple[slice, ...], values: NDArray[Any]) -> None:
        assert values.dtype == self.dtype
        self.written.append(key)
        self._array[key] = values


def small_pieces(volume: pyvolume.Volume, nbytes: int = 2 * BLOCK_BYTES) -> pyvolume.Volume:
    """Let the store move so few bytes at once that there are many pieces."""
    store: Any = volume.store
    store.traits = dataclasses.replace(store.traits, max_read_bytes=nbytes, max_write_bytes=nbytes)
    return volume


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


@pytest.mark.parametrize("concurrency", [1, 8])
def test_all_that_is_stored_is_copied(pair: tuple[Backend, Backend], concurrency: int) -> None:
    array = ramp(SHAPE)
    destination = small_pieces(pair[1].new(np.zeros(SHAPE, "uint8")))
    pyvolume.copy(small_pieces(pair[0].new(array)), destination, concurrency=concurrency)
    same(destination[...], array)


def test_an_unaligned_box_leaves_its_neighbours_alone(pair: tuple[Backend, Backend]) -> None:
    array, expected = ramp(SHAPE), ramp(SHAPE, seed=1)
    destination = small_pieces(pair[1].new(expected))
    pyvolume.copy(pair[0].new(array), destination, BOX, verify=True)
    inside = BOX.slices_from((0,) * 4)
    expected[inside] = array[inside]
    same(destination[...], expected)


def test_coordinates_are_literal_on_both_sides_of_zero(pair: tuple[Backend, Backend]) -> None:
    box = Box((0, -21, 5, -40), (1, 30, 25, 24))
    array = ramp(box.shape, "uint16")
    source, destination = (each.new(np.zeros((1, 16, 16, 16), "uint16")) for each in pair)
    source.post_ndarray(box.start, box.stop, array)
    pyvolume.copy(source, small_pieces(destination), box)
    same(destination.get_ndarray(box.start, box.stop), array)
    assert destination.minindex == (0, -21, 0, -40)


def test_what_the_source_has_below_zero_is_copied_too(growing: Backend) -> None:
    array = ramp((1, 16, 16, 16))
    source, destination = (growing.new(np.zeros((1, 16, 16, 16), "uint8")) for _ in range(2))
    source.post_ndarray((0, -16, 0, 0), (1, 0, 16, 16), array)
    pyvolume.copy(source, destination)
    same(destination.absolute[:, -16:0, 0:16, 0:16], array)


def test_one_channel_of_several_is_copied(backend: Backend) -> None:
    array, expected = ramp((4, 32, 16, 16)), ramp((4, 32, 16, 16), seed=1)
    destination = small_pieces(backend.new(expected))
    pyvolume.copy(backend.new(array), destination, Box((2, 0, 0, 0), (3, 32, 16, 16)))
    expected[2] = array[2]
    same(destination[...], expected)


def test_an_array_goes_into_a_volume(growing: Backend) -> None:
    array = ramp(SHAPE, "uint16")
    destination = growing.new(np.zeros((1, 16, 16, 16), "uint16"))
    pyvolume.copy(array, small_pieces(destination))
    same(destination[...], array)


def test_whatever_gives_slices_goes_into_a_volume(backend: Backend) -> None:
    array = np.ascontiguousarray(ramp(SHAPE, "uint16"))
    destination = backend.new(np.zeros(SHAPE, "uint16"))
    pyvolume.copy(Sliced(array), small_pieces(destination), BOX, verify=True)
    same(destination.get_ndarray(BOX.start, BOX.stop), array[BOX.slices_from((0,) * 4)])


def test_a_volume_goes_into_an_array(readable: Backend) -> None:
    array, out = ramp(SHAPE), np.zeros(SHAPE, "uint8")
    pyvolume.copy(small_pieces(readable.new(array)), out, verify=True)
    same(out, array)


def test_a_volume_goes_into_a_memmap_and_back(backend: Backend, tmp_path: Path) -> None:
    array = ramp(SHAPE, "float32")
    mapped = np.memmap(tmp_path / "voxels", "<f4", "w+", shape=SHAPE)
    pyvolume.copy(backend.new(array), mapped, resume=tmp_path / "there")
    destination = backend.new(np.zeros(SHAPE, "float32"))
    pyvolume.copy(mapped, destination, resume=tmp_path / "back")
    same(destination[...], array)


def test_a_box_of_a_volume_goes_to_the_same_place_of_an_array(readable: Backend) -> None:
    array, out = ramp(SHAPE), np.zeros(SHAPE, "uint8")
    pyvolume.copy(readable.new(array), out, BOX)
    expected = np.zeros(SHAPE, "uint8")
    inside = BOX.slices_from((0,) * 4)
    expected[inside] = array[inside]
    same(out, expected)


def test_chunks_of_an_array_are_not_shared_by_pieces() -> None:
    array = ramp((1, 400, 300, 250))
    out = Chunked(np.zeros_like(array), (1, 100, 100, 100))
    pyvolume.copy(pyvolume.from_array(array), out, concurrency=3)
    same(out[:, :, :, :], array)
    spans = [[range(each.start // 100, -(-each.stop // 100)) for each in key[1:]] for key in out.written]
    touched = [chunk for each in spans for chunk in itertools.product(*each)]
    assert sorted(touched) == list(itertools.product(range(4), range(3), range(3)))


def test_values_are_cast_as_the_destination_allows_it(backend: Backend) -> None:
    array = ramp(SHAPE)
    destination = backend.new(np.zeros(SHAPE, "uint8"))
    pyvolume.copy(array.astype(">i8"), destination, BOX, verify=True)
    same(destination.get_ndarray(BOX.start, BOX.stop), array[BOX.slices_from((0,) * 4)])


def test_values_that_do_not_fit_are_refused(backend: Backend) -> None:
    destination = backend.new(np.zeros(SHAPE, "uint8"))
    with pytest.raises(VoxelsMismatchError, match="300 does not fit uint8"):
        pyvolume.copy(np.full(SHAPE, 300), destination)
    same(destination[...], np.zeros(SHAPE, "uint8"))


def test_a_volume_that_allows_it_takes_values_that_change() -> None:
    volume = pyvolume.from_array(np.zeros((1, 4, 4, 4), "uint8"))
    lenient = pyvolume.Volume(volume.store, volume.metadata, casting="unsafe")
    pyvolume.copy(np.full((1, 4, 4, 4), 257), lenient)
    assert volume[0, 0, 0, 0] == 1


def test_a_volume_copied_onto_itself_stays_as_it_is(backend: Backend) -> None:
    array = ramp(SHAPE)
    volume = small_pieces(backend.new(array))
    pyvolume.copy(volume, volume, BOX)
    same(volume[...], array)


@pytest.mark.parametrize("shape", [(1, 0, 0, 0), (1, 5, 0, 7)])
def test_nothing_is_copied_from_an_empty_source(shape: tuple[int, ...], tmp_path: Path) -> None:
    destination = pyvolume.from_array(np.zeros((1, 8, 8, 8), "uint8"))
    pyvolume.copy(np.zeros(shape, "uint8"), destination, resume=tmp_path / "journal")
    assert not (tmp_path / "journal").exists()


def readonly(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array


VOXELS = np.ones((1, 8, 8, 8), "uint8")


def volume_of(array: NDArray[Any] = VOXELS, **options: Any) -> pyvolume.Volume:
    volume = pyvolume.from_array(array.copy(), block_shape=(4, 4, 4))
    return pyvolume.Volume(volume.store, volume.metadata, **options)


@pytest.mark.parametrize(
    ("src", "dst", "box", "error", "words"),
    [
        (VOXELS, volume_of(mode="r"), None, UnsupportedError, "reading only"),
        (volume_of(), readonly(VOXELS.copy()), None, UnsupportedError, "reading only"),
        (volume_of(), Sliced(VOXELS.copy()), None, UnsupportedError, "reading only"),
        (VOXELS, volume_of(VOXELS[:, :4]), None, SelectionError, "0:8 is outside the bounds 0:4 of axis 1"),
        (volume_of(), VOXELS[..., :5].copy(), None, SelectionError, "outside"),
        (VOXELS, volume_of(), Box((0,) * 4, (1, 8, 8, 9)), SelectionError, "outside"),
        (volume_of(), VOXELS.copy(), Box((0, -1, 0, 0), (1, 8, 8, 8)), SelectionError, "-1:8 is outside"),
        (VOXELS, volume_of(), Box((0, 0), (1, 8)), SelectionError, "axes"),
        (VOXELS, volume_of(), (slice(None),), SelectionError, "pair"),
        (VOXELS[0], volume_of(), None, VoxelsMismatchError, "found 3 in"),
        (VOXELS.astype("f4"), volume_of(), None, VoxelsMismatchError, "float32 does not go into uint8"),
        (VOXELS, volume_of(partial_blocks="raise"), Box((0,) * 4, (1, 8, 8, 7)), AlignmentError, "nearest"),
        ("memory", volume_of(), None, TypeError, "found str"),
        (volume_of(), [[1]], None, TypeError, "found list"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_moves(
    src: Any, dst: Any, box: Any, error: type[Exception], words: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=words):
        pyvolume.copy(src, dst, box, resume=tmp_path / "journal")
    assert not (tmp_path / "journal").exists()


def test_a_lossy_destination_cannot_be_verified() -> None:
    destination = volume_of()
    store: Any = destination.store
    store.traits = dataclasses.replace(store.traits, faithful=False)
    with pytest.raises(UnsupportedError, match="may differ"):
        pyvolume.copy(VOXELS, destination, verify=True)
    pyvolume.copy(VOXELS, destination)


@pytest.mark.parametrize("concurrency", [0, -1])
def test_a_concurrency_is_at_least_one(concurrency: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        pyvolume.copy(VOXELS, volume_of(), concurrency=concurrency)


def test_progress_counts_the_bytes_of_the_destination(backend: Backend) -> None:
    seen: list[pyvolume.TransferStatus] = []
    destination = small_pieces(backend.new(np.zeros(SHAPE, "uint16")))
    pyvolume.copy(ramp(SHAPE), destination, BOX, progress=seen.append)
    assert [status.bytes_total for status in seen] == [2 * BOX.size] * len(seen)
    assert sorted(status.bytes_done for status in seen) == [status.bytes_done for status in seen]
    assert len(seen) > 10
    assert seen[-1].bytes_done == 2 * BOX.size


class WatchedStore(MemoryStore):
    """A store in memory that knows which threads have read from it."""

    def __init__(self, array: NDArray[Any], metadata: pyvolume.VoxelsMetadata) -> None:
        super().__init__(array, metadata, block_shape=(1, 1, 1), growable=False)
        self.traits = dataclasses.replace(self.traits, max_read_bytes=1000, preferred_concurrency=4)
        self.readers: set[threading.Thread] = set()

    def read_box(self, box: Box, out: NDArray[Any], call: Call) -> None:
        self.readers.add(threading.current_thread())
        super().read_box(box, out, call)


def test_no_more_is_under_way_than_was_asked_for() -> None:
    array = ramp(SHAPE)
    metadata = pyvolume.VoxelsMetadata.of(SHAPE, "uint8")
    store, out = WatchedStore(array, metadata), np.zeros(SHAPE, "uint8")
    pyvolume.copy(pyvolume.Volume(store, metadata), out, concurrency=1)
    same(out, array)
    assert store.readers == {threading.current_thread()}


def test_a_copy_holds_one_piece_for_each_worker() -> None:
    piece = 16 << 20
    array = np.zeros((1, 256, 256, 1536), "uint8", order="F")
    source, out = pyvolume.from_array(array), np.ones_like(array)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        pyvolume.copy(source, out, concurrency=2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert not out.any()
    assert peak - before <= 2 * piece + (1 << 20)


def test_a_trace_counts_both_sides(dvid: Backend) -> None:
    source, destination = (dvid.new(ramp(SHAPE)) for _ in range(2))
    with pyvolume.trace() as counted:
        pyvolume.copy(source, destination, concurrency=4)
    assert (counted.bytes_fetched, counted.bytes_sent, counted.requests) == (ramp(SHAPE).nbytes, ramp(SHAPE).nbytes, 2)
