"""Voxels of a volume that are written to another place of the same volume arrive as numpy would copy them."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
import pytest
from conformance_stores import Backend, DvidBackend, in_pieces, ramp
from numpy.typing import NDArray

import pyvolume
from pyvolume import Box, Volume

SHAPE = (1, 48, 32, 32)
SHIFTS = [(5, 0, 0), (16, 0, 0), (-7, 3, 0), (0, -16, 5), (0, 0, 0)]


def moved(array: NDArray[Any], shift: tuple[int, ...]) -> tuple[Box, NDArray[Any]]:
    """Return where an array goes, and what is around the two places afterwards, from the lowest corner on."""
    box = Box((0, *shift), tuple(n + by for n, by in zip(array.shape, (0, *shift), strict=True)))
    around = box.union(Box((0,) * 4, array.shape))
    expected = np.zeros(around.shape, array.dtype)
    expected[Box((0,) * 4, array.shape).slices_from(around.start)] = array
    expected[box.slices_from(around.start)] = array
    return box, expected


@pytest.mark.parametrize("shift", SHIFTS, ids=str)
def test_a_volume_that_is_written_into_itself(growing: Backend, shift: tuple[int, int, int]) -> None:
    array = ramp(SHAPE)
    volume = growing.new(array)
    box, expected = moved(array, shift)
    volume.write(box, volume)
    np.testing.assert_array_equal(volume.absolute[...], expected, strict=True)


@pytest.mark.parametrize("shift", SHIFTS, ids=str)
def test_through_another_handle(dvid: DvidBackend, shift: tuple[int, int, int]) -> None:
    array = ramp(SHAPE)
    volume = in_pieces(dvid.new(array), 8192, 4)
    box, expected = moved(array, shift)
    volume.write(box, volume.at(volume.uuid))
    np.testing.assert_array_equal(volume.absolute[...], expected, strict=True)


@pytest.mark.parametrize("shift", SHIFTS, ids=str)
def test_through_another_name_of_the_server(dvid: DvidBackend, shift: tuple[int, int, int]) -> None:
    array = ramp(SHAPE)
    volume = in_pieces(dvid.new(array), 8192, 4)
    box, expected = moved(array, shift)
    host, _, port = dvid.connection.url.removeprefix("http://").rpartition(":")
    other = {"localhost": "127.0.0.1", "127.0.0.1": "localhost"}[host]
    with pyvolume.open(f"dvid://{other}:{port}/{volume.uuid}/{volume.name}") as handle:
        assert handle.store.address != volume.store.address
        volume.write(box, handle)
    np.testing.assert_array_equal(volume.absolute[...], expected, strict=True)


def write(volume: Volume, key: tuple[slice, ...], values: Any) -> None:
    box = Box([each.start for each in key], [each.stop for each in key])
    volume.write(box, values)


WAYS: list[Callable[[Volume, tuple[slice, ...], Any], None]] = [write, Volume.__setitem__]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("at_once", [1, 8])
def test_the_array_of_a_volume_in_memory(way: Callable[[Volume, tuple[slice, ...], Any], None], at_once: int) -> None:
    array = ramp(SHAPE)
    expected = array.copy()
    expected[:, 3:43, 1:32] = expected[:, 0:40, 0:31].copy()
    volume = in_pieces(pyvolume.from_array(array, block_shape=(4, 4, 4)), 1024, at_once)
    way(volume, (slice(0, 1), slice(3, 43), slice(1, 32), slice(0, 32)), array[:, 0:40, 0:31])
    np.testing.assert_array_equal(array, expected, strict=True)


def test_the_dataset_of_a_volume_in_a_file(tmp_path: pathlib.Path) -> None:
    array = ramp(SHAPE)
    expected = array.copy()
    expected[:, 3:] = array[:, :-3]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("voxels", data=array, chunks=(1, 8, 8, 8))

        class Shifted:
            """All but the last planes, as a view that h5py does not have."""

            shape, dtype, file, name = (1, 45, 32, 32), dataset.dtype, dataset.file, dataset.name

            def __getitem__(self, key: Any) -> Any:
                return dataset[:, :-3][key]

        volume = in_pieces(
            Volume(pyvolume.stores.arrays.ArrayStore(dataset), pyvolume.VoxelsMetadata.of(SHAPE, "uint8")), 1024, 1
        )
        volume.write(Box((0, 3, 0, 0), SHAPE), Shifted())
        np.testing.assert_array_equal(dataset[...], expected, strict=True)


def test_two_maps_of_one_file(tmp_path: pathlib.Path) -> None:
    array = ramp(SHAPE)
    expected = array.copy()
    expected[:, 3:] = array[:, :-3]
    np.save(tmp_path / "a.npy", array)
    with pyvolume.open(str(tmp_path / "a.npy"), mode="r+") as volume:
        in_pieces(volume, 1024, 1).write(Box((0, 3, 0, 0), SHAPE), np.load(tmp_path / "a.npy", mmap_mode="r")[:, :-3])
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), expected, strict=True)
