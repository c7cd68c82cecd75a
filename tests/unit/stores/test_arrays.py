"""Array stores: what is sliced is read and written under the axes of a volume, and says where it is stored."""

from __future__ import annotations

import contextvars
import dataclasses
import pathlib
from typing import Any

import h5py
import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

import pyvolume
from pyvolume import Box, RetryPolicy, Volume
from pyvolume.calls.call import Call
from pyvolume.errors import MetadataError, TransportError, UnsupportedError, VoxelsMismatchError
from pyvolume.indexing.selection import Selection
from pyvolume.stores.arrays import ArrayStore, metadata_of
from pyvolume.transfer.engine import Operation, Transfer
from pyvolume.transfer.known import Known
from pyvolume.volume import transfer_of

SHAPE = (2, 5, 6, 7)


def ramp(*shape: int) -> NDArray[np.uint16]:
    return np.arange(np.prod(shape), dtype="uint16").reshape(shape)


def call() -> Call:
    return Call(RetryPolicy(patience=0))


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


def volume_of(array: Any, shape: tuple[int, ...], start: tuple[int, ...], axes: str) -> Volume:
    metadata = metadata_of(np.empty(shape, "uint16"))
    box = Box(start, [low + n for low, n in zip(start, shape, strict=True)])
    moved = dataclasses.replace(metadata, bounds=box)
    return Volume(ArrayStore(array, moved, axes=axes), moved)


def test_axes_of_an_array_are_put_into_the_order_of_the_volume() -> None:
    array = ramp(7, 6, 5, 2)
    volume = volume_of(array, SHAPE, (0, 0, 0, 0), "zyxc")
    same(volume[...], array.transpose(3, 2, 1, 0))
    volume[1, 2:4, ::2, 3] = 9
    assert (array[3, ::2, 2:4, 1] == 9).all()


def test_an_axis_that_the_array_lacks_has_one_voxel() -> None:
    array = ramp(6, 5)
    volume = volume_of(array, (1, 5, 6, 1), (0, -2, 3, 40), "yx")
    same(volume.get_ndarray((0, -2, 3, 40), (1, 3, 9, 41))[0, :, :, 0], array.T)
    volume.post_ndarray((0, 0, 4, 40), (1, 1, 5, 41), np.full((1, 1, 1, 1), 77))
    assert array[1, 2] == 77


@pytest.mark.parametrize("key", [np.s_[0, 2:4], np.s_[:, ::-1, 3], np.s_[..., ::3], np.s_[None, 1, [0, 2]]], ids=str)
def test_a_selection_goes_into_a_dataset_and_back(key: Any, tmp_path: pathlib.Path) -> None:
    array = ramp(*SHAPE)
    volume = pyvolume.from_array(array.copy())
    transfer, selection = transfer_of(volume, "cut"), Selection.for_reading(key, SHAPE)
    with h5py.File(tmp_path / "cut.h5", "w") as file:
        dataset = file.create_dataset("voxels", selection.shape, "uint16")
        transfer.read_into(selection, dataset, Operation(call()))
        same(dataset[...], array[key])
        volume[...] = 0
        transfer.write_from(selection, dataset, Operation(call()))
    expected = np.zeros_like(array)
    expected[key] = array[key]
    same(volume[...], expected)


@pytest.mark.parametrize("shape", [(2, 4, 6), (2, 1, 4, 1, 6), (1, 2, 4, 6, 1, 1)], ids=str)
@pytest.mark.parametrize("key", [np.s_[:, 1:5, 3], np.s_[:, 4:0:-1, 3:4], np.s_[:, None, 1:5, 2]], ids=str)
def test_axes_of_length_one_may_be_more_or_fewer(shape: tuple[int, ...], key: Any) -> None:
    class Sliced:
        def __init__(self) -> None:
            self.array, self.shape, self.dtype = ramp(*shape), shape, np.dtype("uint16")

        def __getitem__(self, key: Any) -> Any:
            return self.array[key]

    found, expected = np.zeros((2, 5, 6, 6), "uint16"), np.zeros((2, 5, 6, 6), "uint16")
    selection = Selection.for_reading(key, found.shape)
    transfer_of(pyvolume.from_array(found), "put").write_from(selection, Sliced(), Operation(call()))
    expected[key] = ramp(*shape).reshape(expected[key].shape)
    same(found, expected)


def test_another_shape_is_refused() -> None:
    transfer = transfer_of(pyvolume.from_array(np.zeros(SHAPE)), "put")
    with pytest.raises(VoxelsMismatchError):
        transfer.write_from(Selection.for_reading(np.s_[0], SHAPE), ramp(5, 7, 6), Operation(call()))


def test_datasets_of_a_file_have_addresses_of_their_own(tmp_path: pathlib.Path) -> None:
    def addresses() -> list[str]:
        with h5py.File(tmp_path / "a.h5", "a") as file:
            sets = [file.require_dataset(name, SHAPE, "uint8") for name in ("first", "group/second")]
            return [ArrayStore(each).address for each in sets]

    assert addresses() == addresses()
    assert len(set(addresses())) == 2


def test_zarr_arrays_are_named_by_their_place(tmp_path: pathlib.Path) -> None:
    places: list[Any] = [str(tmp_path / "a.zarr"), {}]
    stores = [
        ArrayStore(zarr.create_array(store=where, shape=SHAPE, chunks=(1, 5, 3, 7), dtype="uint8")) for where in places
    ]
    assert [store.traits.lasting for store in stores] == [True, False]
    assert stores[0].address.endswith("a.zarr")
    assert stores[0].traits.chunks == (1, 5, 3, 7)


def test_every_path_to_a_zarr_array_is_one_address(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zarr.create_array(store=str(tmp_path / "a.zarr"), shape=SHAPE, dtype="uint8")
    (tmp_path / "link.zarr").symlink_to("a.zarr")
    monkeypatch.chdir(tmp_path)
    paths = ["a.zarr", "./link.zarr", str(tmp_path / "a.zarr")]
    addresses = {ArrayStore(zarr.open_array(path, mode="r")).address for path in paths}
    assert addresses == {f"file://{tmp_path.resolve() / 'a.zarr'}"}


def test_parts_of_a_memory_map_have_addresses_of_their_own(tmp_path: pathlib.Path) -> None:
    mapped = np.memmap(tmp_path / "voxels", "uint8", "w+", offset=24, shape=SHAPE)
    again = np.memmap(tmp_path / "voxels", "uint8", "r", offset=24, shape=SHAPE)
    assert ArrayStore(mapped).address == ArrayStore(again).address
    parts = [mapped, mapped[1:], mapped[:, 1:], mapped[..., ::-1], mapped.T]
    assert len({ArrayStore(each).address for each in parts}) == len(parts)


@pytest.mark.parametrize("replaced", [False, True])
def test_a_memory_map_whose_file_has_another_name_now_is_written(tmp_path: pathlib.Path, replaced: bool) -> None:
    path = tmp_path / "voxels"
    mapped = np.memmap(path, "uint8", "w+", shape=SHAPE)
    path.rename(tmp_path / "renamed")
    if replaced:
        path.write_bytes(b"mine")
    pyvolume.copy(np.ones(SHAPE, "uint8"), mapped)
    assert (np.memmap(tmp_path / "renamed", "uint8", "r", shape=SHAPE) == 1).all()
    assert not replaced or path.read_bytes() == b"mine"


@pytest.mark.parametrize("mode", ["array", "c"])
def test_what_ends_with_the_process_is_not_lasting(mode: str, tmp_path: pathlib.Path) -> None:
    np.memmap(tmp_path / "voxels", "uint8", "w+", shape=SHAPE)
    array = np.zeros(SHAPE) if mode == "array" else np.memmap(tmp_path / "voxels", "uint8", "c", shape=SHAPE)
    assert not ArrayStore(array).traits.lasting


def test_an_array_in_memory_is_never_resumed_from(tmp_path: pathlib.Path) -> None:
    first, second = ramp(*SHAPE), ramp(*SHAPE)[:, ::-1]
    out = np.memmap(tmp_path / "voxels", "uint16", "w+", shape=SHAPE)
    pyvolume.copy(first, out, resume=tmp_path / "journal")
    pyvolume.copy(second, out, resume=tmp_path / "journal")
    same(np.asarray(out), second)


def test_the_journal_of_another_dataset_is_refused(tmp_path: pathlib.Path) -> None:
    out = np.memmap(tmp_path / "voxels", "uint16", "w+", shape=SHAPE)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        first, second = (file.create_dataset(name, data=ramp(*SHAPE)) for name in ("first", "second"))
        pyvolume.copy(first, out, resume=tmp_path / "journal")
        with pytest.raises(MetadataError):
            pyvolume.copy(second, out, resume=tmp_path / "journal")


def test_a_dataset_that_is_open_for_reading_is_not_written(tmp_path: pathlib.Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("voxels", data=ramp(*SHAPE))
    with h5py.File(tmp_path / "a.h5") as file, pytest.raises(UnsupportedError):
        pyvolume.copy(ramp(*SHAPE), file["voxels"])


def test_an_array_is_taken_without_a_copy() -> None:
    array = ramp(*SHAPE)
    taken = Transfer(ArrayStore(array), Known(metadata_of(array))).take(Box((0, 1, 1, 1), (2, 4, 5, 6)), call())
    assert np.shares_memory(taken, array)


class Chunked:
    """An array in chunks that tries to write a second box while it writes the first."""

    shape, dtype, chunks = (1, 8, 8, 8), np.dtype("uint8"), (1, 4, 4, 4)

    def __init__(self, second: Box) -> None:
        self.second = second
        self.written: list[Any] = []
        self.store = ArrayStore(self, path=pathlib.Path("chunked"))

    def __getitem__(self, key: Any) -> Any:
        return np.zeros(self.shape, self.dtype)[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.written.append(key)
        if len(self.written) == 1:
            voxels = np.ones(self.second.shape, "uint8")
            hasty = Call(RetryPolicy(deadline=0.01))
            contextvars.Context().run(self.store.write_box, self.second, voxels, hasty)  # as another operation


FIRST = Box((0, 0, 0, 0), (1, 2, 2, 2))


def test_two_writes_into_one_chunk_wait_for_each_other() -> None:
    array = Chunked(Box((0, 2, 2, 2), (1, 4, 4, 4)))
    with pytest.raises(TransportError):
        array.store.write_box(FIRST, np.ones(FIRST.shape, "uint8"), call())
    assert len(array.written) == 1


def test_writes_into_two_chunks_do_not_wait() -> None:
    array = Chunked(Box((0, 4, 0, 0), (1, 8, 4, 4)))
    array.store.write_box(FIRST, np.ones(FIRST.shape, "uint8"), call())
    assert len(array.written) == 2


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_copy_onto_a_shifted_view_of_the_same_array_is_refused(wrapped: bool) -> None:
    array = ramp(*SHAPE)
    before = array.copy()
    src, dst = array[..., :-1], array[..., 1:]
    with pytest.raises(UnsupportedError):
        pyvolume.copy(pyvolume.from_array(src) if wrapped else src, dst)
    same(array, before)


def test_views_that_share_no_voxel_are_copied() -> None:
    array = ramp(*SHAPE)
    pyvolume.copy(array[:, ::2][:, :1], array[:, 1::2][:, :1])
    same(array[:, 1], array[:, 0])
    pyvolume.copy(array, array)
