"""Datasets of h5py and zarr and arrays of dask, as sources and destinations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance_stores import in_pieces
from numpy.typing import NDArray

import pyvolume
from mockserver import MockServer

SHAPE = (1, 96, 64, 96)
VOXELS = np.random.default_rng(0).integers(0, 60000, SHAPE).astype("uint16")
CHUNKS = (1, 32, 20, 16)


def hdf5(values: NDArray[Any], folder: Path) -> Any:
    h5py = pytest.importorskip("h5py")
    return h5py.File(folder / "voxels.h5", "w").create_dataset("voxels", data=values, chunks=CHUNKS)


def zarr2(values: NDArray[Any], folder: Path) -> Any:
    zarr = pytest.importorskip("zarr")
    array = zarr.create_array(folder / "2.zarr", shape=values.shape, dtype=values.dtype, chunks=CHUNKS, zarr_format=2)
    array[...] = values
    return array


def zarr3_in_shards(values: NDArray[Any], folder: Path) -> Any:
    zarr = pytest.importorskip("zarr")
    shards = (1, 64, 40, 32)
    array = zarr.create_array(folder / "3.zarr", shape=values.shape, dtype=values.dtype, chunks=CHUNKS, shards=shards)
    array[...] = values
    return array


def dask_array(values: NDArray[Any], folder: Path) -> Any:
    return pytest.importorskip("dask.array").from_array(values, chunks=CHUNKS)


def memmap(values: NDArray[Any], folder: Path) -> Any:
    mapped = np.lib.format.open_memmap(folder / "voxels.npy", "w+", values.dtype, values.shape)
    mapped[...] = values
    return mapped


STORED = [hdf5, zarr2, zarr3_in_shards, memmap]


@pytest.fixture
def volume() -> Iterator[pyvolume.dvid.VoxelsAccessor]:
    """Give an empty volume, moved in several pieces at once."""
    with (
        MockServer({"gray": np.zeros(SHAPE, "uint16")}) as server,
        pyvolume.Connection(server.url) as connection,
    ):
        yield in_pieces(pyvolume.dvid.VoxelsAccessor(connection, server.uuid, "gray"), VOXELS.nbytes // 8, 4)


@pytest.mark.parametrize("make", [*STORED, dask_array])
def test_a_source_is_written_piece_by_piece(
    make: Callable[[NDArray[Any], Path], Any], volume: pyvolume.dvid.VoxelsAccessor, tmp_path: Path
) -> None:
    volume.post_ndarray((0, 0, 0, 0), SHAPE, make(VOXELS, tmp_path))
    np.testing.assert_array_equal(volume[...], VOXELS, strict=True)


@pytest.mark.parametrize("make", [*STORED, dask_array])
def test_a_source_is_copied(
    make: Callable[[NDArray[Any], Path], Any], volume: pyvolume.dvid.VoxelsAccessor, tmp_path: Path
) -> None:
    pyvolume.copy(make(VOXELS, tmp_path), volume, verify=True)
    np.testing.assert_array_equal(volume[...], VOXELS, strict=True)


@pytest.mark.parametrize("make", STORED)
def test_a_volume_is_copied_into_a_dataset(
    make: Callable[[NDArray[Any], Path], Any], volume: pyvolume.dvid.VoxelsAccessor, tmp_path: Path
) -> None:
    volume[...] = VOXELS
    dataset = make(np.zeros_like(VOXELS), tmp_path)
    pyvolume.copy(volume, dataset, verify=True)
    np.testing.assert_array_equal(dataset[...], VOXELS, strict=True)
