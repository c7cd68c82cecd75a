"""The engine of xarray: datasets by url, their chunks, pickles, and what is refused."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance_stores import ramp

import pyvolume
from mockserver import MockServer
from pyvolume.errors import ClosedError, SelectionError

xr = pytest.importorskip("xarray", reason="xarray comes with the extra 'xarray'")

VOXELS = ramp((1, 128, 96, 64), "uint16")


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with MockServer({"gray": VOXELS}) as server:
        yield server


@pytest.fixture(scope="module")
def url(server: MockServer) -> str:
    return f"dvid://{server.url}/:master/gray"


def boxes(server: MockServer, since: int) -> list[str]:
    """Say which boxes were read: size and offset."""
    paths = [record.path.partition("0_1_2/")[2].partition("?")[0] for record in server.requests[since:]]
    return sorted(path for path in paths if path)


def test_a_url_is_opened_by_the_name_of_the_engine_or_by_its_scheme(server: MockServer, url: str) -> None:
    before = len(server.requests)
    with xr.open_dataset(url, engine="pyvolume") as dataset, xr.open_dataarray(url) as array:
        assert list(dataset.data_vars) == [array.name] == ["gray"]
        assert dataset.attrs == {"Conventions": "CF-1.11"}
        assert dataset.gray.attrs["version"] == server.uuid
        assert dataset.x.attrs == {"long_name": "width", "axis": "X", "units": "nanometers"}
        np.testing.assert_array_equal(dataset.gray.isel(x=slice(3, 40), z=7), VOXELS[:, 3:40, :, 7], strict=True)
        assert boxes(server, before) == ["37_96_1/3_0_7"]
        xr.testing.assert_identical(array.isel(y=3).load(), dataset.gray.isel(y=3))


def test_chunks_follow_the_blocks(server: MockServer, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dask", reason="dask comes with the extra 'dask'")
    monkeypatch.setattr("pyvolume.integrations.xarray.CHUNK_BYTES", 64**3 * 2)
    with xr.open_dataarray(url, engine="pyvolume", chunks={}) as array:
        assert array.chunks == ((1,), (64, 64), (64, 32), (64,))
        before = len(server.requests)
        np.testing.assert_array_equal(array.isel(x=slice(60, 64), y=70), VOXELS[:, 60:64, 70], strict=True)
        assert boxes(server, before) == ["4_1_64/60_70_0"]
    box = ((0, 10, 0, 0), (1, 120, 96, 64))
    with xr.open_dataarray(url, engine="pyvolume", chunks={}, box=box) as array:
        assert array.chunks == ((1,), (54, 56), (64, 32), (64,))
        np.testing.assert_array_equal(array, VOXELS[:, 10:120], strict=True)


def test_a_box_and_options_are_passed_on(url: str) -> None:
    with xr.open_dataarray(
        url, engine="pyvolume", box=((0, 10, 0, 5), (1, 20, 9, 8)), options={"user": "ann"}
    ) as array:
        np.testing.assert_array_equal(array, VOXELS[:, 10:20, :9, 5:8], strict=True)
        assert array.x.values[0] == 10 * array.attrs["resolution"][0]
    with pytest.raises(TypeError, match="no option 'usr'"):
        xr.open_dataset(url, engine="pyvolume", options={"usr": "ann"})
    with pytest.raises(SelectionError, match="expected one number for each"):
        xr.open_dataset(url, engine="pyvolume", box=((0, 0), (1, 1)))


def test_variables_can_be_left_out(url: str) -> None:
    with xr.open_dataset(url, engine="pyvolume", drop_variables=["c", "other"]) as dataset:
        assert set(dataset.coords) == {"x", "y", "z"}
    with xr.open_dataset(url, engine="pyvolume", drop_variables="gray") as dataset:
        assert dict(dataset.data_vars) == {}


def test_an_open_volume_is_a_dataset_and_stays_open(url: str) -> None:
    with pyvolume.open(url) as volume:
        with xr.open_dataset(volume) as dataset:
            assert dataset.sizes["y"] == 96
        assert volume[0, 1, 2, 3] == VOXELS[0, 1, 2, 3]
        with pytest.raises(TypeError, match="the volume is open already"):
            xr.open_dataset(volume, engine="pyvolume", options={"user": "ann"})


def test_closing_closes_what_was_opened(url: str, tmp_path: Path) -> None:
    for place in (url, tmp_path / "cut.npy"):
        np.save(tmp_path / "cut.npy", VOXELS)
        dataset: Any = xr.open_dataset(place, engine="pyvolume")
        dataset.close()
        with pytest.raises(ClosedError):
            dataset.isel(x=0).load()


def test_a_dataset_can_be_pickled(url: str) -> None:
    with pickle.loads(pickle.dumps(xr.open_dataset(url, engine="pyvolume"))) as dataset:
        np.testing.assert_array_equal(dataset.gray.isel(z=[5, 1]), VOXELS[..., [5, 1]])


@pytest.mark.parametrize(
    ("place", "is_ours"),
    [
        ("dvid://localhost:1/a/gray", True),
        ("HPC://localhost:1/a", True),
        ("http://localhost:1/a/gray", False),
        ("file:///tmp/cut.nc", False),
        ("cut.zarr", False),
        (Path("cut.nc"), False),
        (b"CDF", False),
    ],
)
def test_only_urls_of_protocols_are_taken_from_other_engines(place: Any, is_ours: bool) -> None:
    from pyvolume.labelled import PyvolumeBackend

    assert PyvolumeBackend().guess_can_open(place) is is_ours


def test_a_dataset_can_be_stored_as_netcdf_says(url: str) -> None:
    with xr.open_dataset(url, engine="pyvolume") as dataset:
        document = dataset.to_dict(data=False)
    for variable in [*document["coords"].values(), *document["data_vars"].values()]:
        for value in variable["attrs"].values():
            each = value if isinstance(value, list) else [value]
            assert {type(part) for part in each} in ({str}, {float})
