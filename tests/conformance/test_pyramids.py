"""Coarser levels that are filled from finer ones, on every store with levels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance_stores import DataStoreBackend, ramp
from numpy.typing import NDArray

import pyvolume
from mockserver import DataStoreServer, Fault
from pyvolume.errors import SelectionError, StoreError
from pyvolume.hpc import DataStore, DataStoreVolume
from pyvolume.transfer.reducing import Method, reduced

LEVELS = [((1, 1, 1), (16, 16, 16)), ((2, 2, 1), (16, 8, 16)), ((4, 4, 2), (8, 8, 8)), ((16, 64, 16), (8, 8, 8))]
SIZE = (45, 38, 21)


@pytest.fixture
def image(hpc_backend: DataStoreBackend) -> DataStoreVolume:
    """Give a volume with four levels, of sizes that no factor divides."""
    made = hpc_backend.server.create_dataset(SIZE, "uint16", channels=2, levels=LEVELS)
    volume = made.volume(timepoint=0, angle=0)
    volume[...] = ramp((2, *SIZE), "uint16")
    return volume


def expected(finer: NDArray[Any], factors: tuple[int, ...], method: Method) -> NDArray[Any]:
    whole = tuple(slice(max(1, n // f) * f) for n, f in zip(finer.shape, factors, strict=True))
    return reduced(finer[whole], factors, method)


@pytest.mark.parametrize("method", ["mean", "mode", "label", "stride"])
def test_each_level_comes_from_the_next_finer_one(image: DataStoreVolume, method: Method) -> None:
    pyvolume.build_pyramid(image, method=method)
    levels = [image.scale(number)[...] for number in range(4)]
    np.testing.assert_array_equal(levels[1], expected(levels[0], (1, 2, 2, 1), method), strict=True)
    np.testing.assert_array_equal(levels[2], expected(levels[1], (1, 2, 2, 2), method), strict=True)
    np.testing.assert_array_equal(levels[3], expected(levels[2], (1, 4, 16, 8), method), strict=True)


def test_only_the_named_levels_are_filled(image: DataStoreVolume) -> None:
    written = pyvolume.build_pyramid(image, [2])
    assert written == image.scale(2).nbytes
    assert not image.scale(2)[...].any()  # level 1 has no voxels yet
    assert not image.scale(3)[...].any()


def test_time_points_and_angles_are_kept(hpc_backend: DataStoreBackend) -> None:
    made = hpc_backend.server.create_dataset(
        (8, 8, 8), "uint8", timepoints=[5, 9], angles=2, levels=[((1, 1, 1), (4, 4, 4)), ((2, 2, 2), (4, 4, 4))]
    )
    volume, values = made.volume(), np.array([[1, 2], [3, 4]], "uint8")
    volume[...] = values
    pyvolume.build_pyramid(volume)
    np.testing.assert_array_equal(volume.scale(1)[...], np.broadcast_to(values, (1, 4, 4, 4, 2, 2)))


@pytest.mark.parametrize("missing", ["fill", "raise"])
def test_a_new_version_hides_nothing_of_the_older_ones(hpc_backend: DataStoreBackend, missing: Any) -> None:
    made = hpc_backend.server.create_dataset(
        (32, 32, 32), "uint8", levels=[((1, 1, 1), (8, 8, 8)), ((2, 2, 2), (8, 8, 8)), ((4, 4, 4), (8, 8, 8))]
    )
    first = made.volume(timepoint=0, angle=0)
    first[...] = ramp((1, 32, 32, 32))
    pyvolume.build_pyramid(first)
    new = made.volume("new", timepoint=0, angle=0, missing=missing)
    assert pyvolume.build_pyramid(new) == 0  # nothing is stored in the new version
    new[0, 3:9, 5, 5] = 200
    pyvolume.build_pyramid(new)
    mixed = made.volume("mixedLatest", timepoint=0, angle=0, mode="r")
    for number in (1, 2):
        expected = reduced(mixed.scale(number - 1)[...], (1, 2, 2, 2), "mean")
        np.testing.assert_array_equal(mixed.scale(number)[...], expected)


@pytest.mark.parametrize("levels", [[0], [4], [-1]])
def test_a_level_that_is_not_there_is_refused(image: DataStoreVolume, levels: list[int]) -> None:
    with pytest.raises(SelectionError, match="levels from 1 to 3"):
        pyvolume.build_pyramid(image, levels)


def test_a_level_that_is_no_multiple_of_the_next_one_comes_from_another(hpc_backend: DataStoreBackend) -> None:
    made = hpc_backend.server.create_dataset(
        (24, 24, 8), "uint8", levels=[((1, 1, 1), (8, 8, 8)), ((2, 2, 1), (8, 8, 8)), ((3, 3, 1), (8, 8, 8))]
    )
    volume = made.volume(timepoint=0, angle=0)
    volume[...] = 6
    pyvolume.build_pyramid(volume)  # level 2 comes from level 0
    assert (volume.scale(2)[...] == 6).all()


def test_a_volume_without_levels_has_nothing_to_fill() -> None:
    assert pyvolume.build_pyramid(pyvolume.from_array(np.zeros((1, 4, 4, 4), "uint8"))) == 0


class TestInPieces:
    @pytest.fixture(autouse=True)
    def small_pieces(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("pyvolume.hpc.store.MAX_WRITE_BYTES", 1 << 18)
        monkeypatch.setattr("pyvolume.hpc.store.MAX_READ_BYTES", 1 << 20)

    @pytest.fixture
    def server(self) -> Iterator[DataStoreServer]:
        with DataStoreServer() as server:
            yield server

    @pytest.fixture
    def volume(self, server: DataStoreServer) -> Iterator[DataStoreVolume]:
        with DataStore(server.url) as store:
            levels = [((1, 1, 1), (32, 32, 32)), ((2, 2, 2), (32, 32, 32))]
            volume = store.create_dataset((256, 128, 128), "uint8", levels=levels).volume(timepoint=0, angle=0)
            volume[...] = ramp((1, 256, 128, 128))
            yield volume

    def test_a_pyramid_continues_where_it_stopped(
        self, server: DataStoreServer, volume: DataStoreVolume, tmp_path: Path
    ) -> None:
        server.faults.add(Fault("error", method="POST", path=r".*/2/2/2/0/(?:.*/)?3/1/1/0/0/0.*", status=403))
        with pytest.raises(StoreError):
            pyvolume.build_pyramid(volume, resume=tmp_path / "journal", concurrency=1)
        written = pyvolume.build_pyramid(volume, resume=tmp_path / "journal", concurrency=1)
        assert 0 < written < volume.scale(1).nbytes
        np.testing.assert_array_equal(volume.scale(1)[...], reduced(volume[...], (1, 2, 2, 2), "mean"))
        assert pyvolume.build_pyramid(volume, resume=tmp_path / "journal") == 0

    def test_each_finer_block_is_read_once(self, server: DataStoreServer, volume: DataStoreVolume) -> None:
        before = len(server.requests)
        with pyvolume.trace() as traced:
            pyvolume.build_pyramid(volume)
        blocks = [
            place
            for request in server.requests[before:]
            if request.method == "GET"
            for place in re.findall(r"\d+/\d+/\d+/0/0/0", request.path.partition("/1/1/1/0/")[2])
        ]
        assert len(blocks) == len(set(blocks)) == 8 * 4 * 4
        assert traced.bytes_fetched < volume.nbytes * 1.01
