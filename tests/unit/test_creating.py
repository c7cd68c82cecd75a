"""`pyvolume.create` for every driver, and copies that create their destination."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance_stores import ramp

import pyvolume
from mockserver import DataStoreServer, MockServer
from pyvolume.cli.group import pyvolume as command
from pyvolume.errors import AddressError, ExistsError, MetadataError, NotFoundError, UnsupportedError
from pyvolume.stores.catalogue import Sourced
from pyvolume.zarr import ZarrVolume

ARRAY = ramp((1, 70, 66, 65))


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


@pytest.fixture(scope="module")
def dvid() -> Iterator[MockServer]:
    with MockServer({"gray": ARRAY}) as server:
        yield server


def run(*arguments: object) -> None:
    with pytest.raises(SystemExit) as ended:
        command([str(each) for each in arguments])
    assert ended.value.code == 0


class TestCreate:
    def test_an_instance_of_dvid(self, dvid: MockServer) -> None:
        url = f"dvid://{dvid.url}/:master/new"
        with pyvolume.create(url, (1, 70, 66, 65), "uint8", chunks=(1, 32, 32, 32), resolution=4, units="nm") as volume:
            volume[...] = ARRAY
            assert (volume.mode, volume.chunks, volume.resolution) == ("r+", (1, 32, 32, 32), (4, 4, 4))
        same(pyvolume.open(url)[...], ARRAY)
        with pytest.raises(ExistsError):
            pyvolume.create(url, (1, 4, 4, 4), "uint8")
        with pytest.raises(UnsupportedError, match="replaces no instance"):
            pyvolume.create(url, (1, 4, 4, 4), "uint8", overwrite=True)

    def test_a_url_of_dvid_that_names_no_instance(self, dvid: MockServer) -> None:
        with pytest.raises(AddressError):
            pyvolume.create(f"dvid://{dvid.url}/:master", (1, 4, 4, 4), "uint8")

    @pytest.mark.parametrize("dims", ["cxyz", "cxyzt", "cxyzta"])
    def test_a_dataset_of_a_data_store(self, dims: str) -> None:
        array = ramp((2, 20, 18, 17, 3, 2)[: len(dims)])
        with DataStoreServer() as server:
            url = f"hpc://{server.url}"
            with pyvolume.create(
                url, array.shape, "uint8", dims=dims, units=["um"] * 3 + ["s", ""][: len(dims) - 4]
            ) as volume:
                volume[...] = array
                address = volume.store.address
                assert volume.dims == tuple(dims)
            same(pyvolume.open(address)[...], array)

    def test_levels_of_a_data_store_are_those_of_another_volume(self, tmp_path: Path) -> None:
        local = pyvolume.create(
            tmp_path / "a.zarr", (1, 64, 64, 16), "uint8", units="um", levels=[(1, 1, 1, 1), (1, 2, 2, 1)]
        )
        with DataStoreServer() as server, pyvolume.create(f"hpc://{server.url}", like=local) as volume:
            assert volume.scales.factors == ((1, 1, 1, 1), (1, 2, 2, 1))

    def test_axes_that_a_data_store_lacks(self) -> None:
        with pytest.raises(UnsupportedError, match="expected the axes"):
            pyvolume.create("hpc://http://localhost:1", (1, 4, 4), "uint8", dims="cxy")

    @pytest.mark.parametrize("name", ["a.h5", "a.npy", "a.zarr"])
    def test_a_file(self, tmp_path: Path, name: str) -> None:
        with pyvolume.create(tmp_path / name, ARRAY.shape, "uint8") as volume:
            assert not volume[...].any()
            volume[...] = ARRAY
        same(pyvolume.open(tmp_path / name)[...], ARRAY)
        with pytest.raises(ExistsError):
            pyvolume.create(tmp_path / name, (1, 4, 4, 4), "uint8")
        with pyvolume.create(tmp_path / name, (1, 4, 4, 4), "uint8", overwrite=True) as volume:
            assert volume.shape == (1, 4, 4, 4)

    def test_a_file_that_is_not_changed_in_place(self, tmp_path: Path) -> None:
        with pytest.raises(UnsupportedError, match=r"\.h5"):
            pyvolume.create(tmp_path / "a.tif", (1, 4, 4, 4), "uint8")
        assert not list(tmp_path.iterdir())

    def test_like_another_volume_with_other_facts(self, tmp_path: Path) -> None:
        first = pyvolume.create(tmp_path / "a.zarr", (1, 64, 64, 16), "uint8", resolution=(1, 2, 3), units="um")
        second = pyvolume.create(tmp_path / "b.zarr", dtype="float32", like=first)
        assert (second.shape, second.dtype, second.resolution) == (first.shape, np.dtype("float32"), first.resolution)
        third = pyvolume.create(tmp_path / "c.zarr", (3, 8, 8, 8), like=first)
        assert (third.shape, third.dtype, third.units) == ((3, 8, 8, 8), np.dtype("uint8"), first.units)

    def test_without_a_shape(self, tmp_path: Path) -> None:
        with pytest.raises(MetadataError, match="shape and dtype"):
            pyvolume.create(tmp_path / "a.zarr")

    def test_an_unknown_url(self) -> None:
        with pytest.raises(AddressError):
            pyvolume.create("nothing", (1, 4, 4, 4), "uint8")
        with pytest.raises(TypeError, match="a url or a path"):
            pyvolume.create(7, (1, 4, 4, 4), "uint8")  # type: ignore[call-overload]


class TestCopies:
    def test_a_version_is_taken_home(self, dvid: MockServer, tmp_path: Path) -> None:
        url = f"dvid://{dvid.url}/:master/gray"
        run("cp", url, tmp_path / "gray.zarr", "--pyramid")
        volume = pyvolume.open(tmp_path / "gray.zarr")
        same(volume[...], ARRAY)
        assert isinstance(volume, Sourced)
        source = volume.source
        assert source["address"] == pyvolume.open(url).store.address
        assert (source["version"], source["box"]) == (dvid.uuid, [[0, 0, 0, 0], [1, 70, 66, 65]])
        assert source["sha256"] == hashlib.sha256(ARRAY.tobytes(order="F")).hexdigest()
        assert volume.checksum() == source["sha256"]

    def test_the_pyramid_is_filled(self, tmp_path: Path) -> None:
        large = np.zeros((1, 600, 600, 4), "uint8")
        large[:, 100:500] = 8
        with MockServer({"gray": large}) as server:
            run("cp", f"dvid://{server.url}/:master/gray", tmp_path / "gray.zarr", "--pyramid")
        volume = pyvolume.open(tmp_path / "gray.zarr")
        assert isinstance(volume, ZarrVolume)
        assert [each[1] for each in volume.scales.factors] == [1, 2, 4]
        assert int(volume.scale(2)[0, 50, 50, 0]) == 8
        assert not volume.stale

    def test_a_part_keeps_its_coordinates(self, dvid: MockServer, tmp_path: Path) -> None:
        run("cp", f"dvid://{dvid.url}/:master/gray[:, 7:60, 5:, 3:50]", tmp_path / "part.zarr", "--pyramid")
        volume = pyvolume.open(tmp_path / "part.zarr")
        assert volume.bounds == pyvolume.Box((0, 7, 5, 3), (1, 60, 66, 50))
        same(volume.read(volume.bounds), ARRAY[:, 7:60, 5:, 3:50])

    def test_a_copy_continues(self, dvid: MockServer, tmp_path: Path) -> None:
        url, path = f"dvid://{dvid.url}/:master/gray", tmp_path / "gray.zarr"
        for _ in range(2):
            run("cp", url, path, "--resume", tmp_path / "journal")
        same(pyvolume.open(path)[...], ARRAY)

    @pytest.mark.parametrize(("first", "second"), [("a.n5", "b.zarr"), ("a.zarr", "b.n5"), ("a.h5", "b.zarr")])
    def test_kinds_of_folders_become_each_other(self, tmp_path: Path, first: str, second: str) -> None:
        facts: Any = {"resolution": (4, 4, 40), "units": "nanometers"}
        with pyvolume.create(tmp_path / first, ARRAY.shape, ARRAY.dtype, **facts) as volume:
            volume[...] = ARRAY
        run("cp", tmp_path / first, tmp_path / second)
        with pyvolume.open(tmp_path / second) as copied:
            same(copied[...], ARRAY)
            assert (copied.resolution, copied.units) == ((4, 4, 40), ("nanometers",) * 3)

    def test_a_server_gets_no_instance_by_a_copy(self, dvid: MockServer, tmp_path: Path) -> None:
        with pytest.raises(SystemExit) as ended:
            command(["cp", f"dvid://{dvid.url}/:master/gray", f"dvid://{dvid.url}/:master/typo"])
        assert ended.value.code != 0
        with pytest.raises(NotFoundError):
            pyvolume.open(f"dvid://{dvid.url}/:master/typo")

    def test_facts_are_listed(self, dvid: MockServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        run("cp", f"dvid://{dvid.url}/:master/gray", tmp_path / "gray.zarr", "--json")
        found: Any = json.loads(capsys.readouterr().out)
        assert found["destination"] == f"file://{tmp_path}/gray.zarr/0"
        run("info", tmp_path / "gray.zarr", "--json")
        assert json.loads(capsys.readouterr().out)["format"] == "OME-Zarr 0.5"


@pytest.mark.parametrize("shape", [(1, 70, 66, 65), (2, 3, 4), (1, 0, 4, 4)])
@pytest.mark.parametrize("dtype", ["uint8", "float32", ">u2"])
def test_a_checksum_is_that_of_the_array(shape: tuple[int, ...], dtype: str) -> None:
    array = (
        ramp(shape, np.dtype(dtype).newbyteorder("=").str).astype(dtype) if 0 not in shape else np.zeros(shape, dtype)
    )
    volume = pyvolume.from_array(array, dims="cxyz"[: len(shape)])
    little = np.dtype(dtype).newbyteorder("<")
    assert volume.checksum() == hashlib.sha256(array.astype(little).tobytes(order="F")).hexdigest()
