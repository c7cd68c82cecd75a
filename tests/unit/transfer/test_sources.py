"""Array-likes: what only has a shape, a dtype and slices is fetched, checked and sent piece by piece."""

from __future__ import annotations

import threading
import tracemalloc
from typing import Any

import numpy as np
import pytest
from generated_store import GeneratedStore, generated
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from watched_store import WatchedStore

import pyvolume
from pyvolume import Box
from pyvolume.errors import VoxelsMismatchError

MEBI = 1 << 20
SHAPE = (2, 12, 10, 16)
ZEROS = np.zeros(SHAPE, "uint16")


def noise(shape: tuple[int, ...], dtype: str = "uint16") -> NDArray[Any]:
    return np.random.default_rng(0).integers(0, 200, shape).astype(dtype)


class Sliced:
    """An array-like with a shape, a dtype and slices, and nothing else; it lists what it is asked for."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array
        self._lock = threading.Lock()
        self.shape = array.shape
        self.dtype = array.dtype
        self.asked: list[tuple[slice, ...]] = []

    def __getitem__(self, key: tuple[slice, ...]) -> Any:
        assert all(type(each) is slice for each in key)
        with self._lock:
            self.asked.append(key)
        return self._array[key]


def post(store: WatchedStore, box: Box, values: Any, **options: Any) -> None:
    store.volume(**options).post_ndarray(box.start, box.stop, values)


@settings(max_examples=80)
@given(st.data())
def test_an_array_like_is_written_as_its_array_would_be(data: st.DataObject) -> None:
    blocks = data.draw(st.tuples(*[st.integers(1, 5)] * 3))
    caps: dict[str, Any] = {name: data.draw(st.integers(1, 2000)) for name in ("max_read_bytes", "max_write_bytes")}
    store = WatchedStore(ZEROS, blocks, preferred_concurrency=data.draw(st.sampled_from([1, 4])), **caps)
    start = tuple(data.draw(st.integers(0, n - 1)) for n in SHAPE)
    stop = tuple(data.draw(st.integers(low + 1, n)) for low, n in zip(start, SHAPE, strict=True))
    box = Box(start, stop)
    values = noise(box.shape)
    post(store, box, Sliced(values))
    expected = ZEROS.copy()
    expected[box.slices_from((0,) * 4)] = values
    np.testing.assert_array_equal(store.stored(), expected)


@pytest.mark.parametrize("box", [Box((0, 0, 0, 0), SHAPE), Box((0, 1, 2, 3), (2, 12, 9, 14))], ids=str)
@pytest.mark.parametrize("concurrency", [1, 4])
def test_each_voxel_is_asked_for_once_and_never_more_than_a_piece(box: Box, concurrency: int) -> None:
    store = WatchedStore(ZEROS, (4, 4, 4), max_write_bytes=1000, preferred_concurrency=concurrency)
    source, counts = Sliced(noise(box.shape)), np.zeros(box.shape, int)
    post(store, box, source)
    for key in source.asked:
        counts[key] += 1
        assert source._array[key].nbytes <= 1000
    assert (counts == 1).all()
    assert len(source.asked) == len(store.writes) > 1


@pytest.mark.parametrize("concurrency", [1, 3])
def test_an_array_like_that_is_larger_than_memory_is_held_piece_by_piece(concurrency: int) -> None:
    class Generated:
        shape = (1, 1024, 1024, 256)
        dtype = np.dtype("uint8")

        def __getitem__(self, key: tuple[slice, ...]) -> NDArray[Any]:
            piece = np.empty(tuple(part.stop - part.start for part in key), np.uint8, order="F")
            generated(Box(tuple(part.start for part in key), tuple(part.stop for part in key)), piece)
            return piece

    store = GeneratedStore(concurrency)
    tracemalloc.start()
    try:
        store.volume().post_ndarray((0, 0, 0, 0), Generated.shape, Generated())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    pieces = [box.size for method, box in store.asked if method == "write"]
    assert sum(pieces) == 256 * MEBI
    assert max(pieces) <= 128 * MEBI
    assert store.changed == {}
    assert peak <= concurrency * (max(pieces) + 4 * MEBI)


@pytest.mark.parametrize("dtype", ["uint8", "int64", "bool"])
def test_pieces_are_cast_where_that_changes_no_value(dtype: str) -> None:
    store, values = WatchedStore(ZEROS, (4, 4, 4), max_write_bytes=1000), noise(SHAPE, dtype)
    post(store, Box((0,) * 4, SHAPE), Sliced(values))
    np.testing.assert_array_equal(store.stored(), values.astype("uint16"))


@pytest.mark.parametrize(
    ("values", "message"),
    [(np.full(SHAPE, -1), "-1 does not fit uint16"), (np.full(SHAPE, 0.5), "float64 does not go into uint16")],
    ids=["range", "kind"],
)
def test_values_that_do_not_fit_are_refused_before_their_piece_is_sent(values: NDArray[Any], message: str) -> None:
    store = WatchedStore(ZEROS, (4, 4, 4), max_write_bytes=1000)
    with pytest.raises(VoxelsMismatchError, match=message):
        post(store, Box((0,) * 4, SHAPE), Sliced(values))
    assert store.writes == []


def test_values_that_do_not_fit_later_end_the_write_there() -> None:
    values = noise(SHAPE, "int64")
    values[1, -1, -1, -1] = 70000
    store = WatchedStore(ZEROS, (4, 4, 4), max_write_bytes=1000)
    with pytest.raises(VoxelsMismatchError, match="70000 does not fit uint16"):
        post(store, Box((0,) * 4, SHAPE), Sliced(values))
    assert not store.stored()[1, -1, -1, -1]


def test_the_rule_for_casting_is_that_of_the_volume() -> None:
    store = WatchedStore(ZEROS)
    post(store, Box((0,) * 4, SHAPE), Sliced(np.full(SHAPE, 65536 + 7)), casting="unsafe")
    assert (store.stored() == 7).all()


def test_an_array_like_of_another_shape_is_refused_with_both() -> None:
    store = WatchedStore(ZEROS)
    with pytest.raises(VoxelsMismatchError, match=r"of shape \(2, 12, 10, 16\) .* and found \(2, 12, 10, 15\)"):
        post(store, Box((0,) * 4, SHAPE), Sliced(noise((2, 12, 10, 15))))
    assert store.asked == []


def test_an_array_like_that_gives_another_shape_than_it_says_is_refused() -> None:
    class Lying(Sliced):
        def __getitem__(self, key: tuple[slice, ...]) -> Any:
            return super().__getitem__(key)[:, 1:]

    store = WatchedStore(ZEROS)
    with pytest.raises(VoxelsMismatchError, match="shape"):
        post(store, Box((0,) * 4, SHAPE), Lying(noise(SHAPE)))
    assert store.writes == []


@pytest.mark.parametrize("concurrency", [1, 4])
def test_what_an_array_like_raises_ends_the_write(concurrency: int) -> None:
    class Broken(Sliced):
        def __getitem__(self, key: tuple[slice, ...]) -> Any:
            raise OSError("the file is gone")

    store = WatchedStore(ZEROS, max_write_bytes=500, preferred_concurrency=concurrency)
    with pytest.raises(OSError, match="the file is gone"):
        post(store, Box((0,) * 4, SHAPE), Broken(noise(SHAPE)))
    assert store.writes == []


def test_a_volume_is_an_array_like() -> None:
    values = noise(SHAPE)
    source, store = WatchedStore(values, max_read_bytes=500), WatchedStore(ZEROS, (4, 4, 4), max_write_bytes=1000)
    post(store, Box((0,) * 4, SHAPE), source.volume())
    np.testing.assert_array_equal(store.stored(), values)
    assert len(source.reads) > 1


def test_a_memory_map_is_an_array(tmp_path: Any) -> None:
    values: Any = np.memmap(tmp_path / "voxels", "uint16", "w+", shape=SHAPE, order="F")
    values[...] = noise(SHAPE)
    store = WatchedStore(ZEROS, (4, 4, 4), max_write_bytes=1000)
    post(store, Box((0,) * 4, SHAPE), values)
    np.testing.assert_array_equal(store.stored(), noise(SHAPE))


def test_progress_counts_the_pieces_of_an_array_like() -> None:
    seen: list[pyvolume.TransferStatus] = []
    volume = WatchedStore(ZEROS, max_write_bytes=1000).volume()
    volume.post_ndarray((0,) * 4, SHAPE, Sliced(noise(SHAPE)), progress=seen.append)
    assert len(seen) > 1
    assert seen[-1].bytes_done == seen[-1].bytes_total == ZEROS.nbytes
