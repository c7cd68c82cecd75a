"""The lazy array of xarray: what it says of a volume, and which voxels it asks for."""

from __future__ import annotations

import dataclasses
import pickle
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from conformance_stores import ramp

import pyvolume
from mockserver import MockServer
from pyvolume import Box
from pyvolume.errors import SelectionError

xr = pytest.importorskip("xarray", reason="xarray comes with the extra 'xarray'")

VOXELS = ramp((1, 128, 64, 192), "uint16")


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with MockServer({"gray": VOXELS}) as server:
        yield server


@pytest.fixture(scope="module")
def volume(server: MockServer) -> Iterator[pyvolume.Volume]:
    with pyvolume.open(f"dvid://{server.url}/:master/gray") as volume:
        yield volume


def asked(server: MockServer, since: int) -> list[str]:
    """Say which boxes were read: size and offset."""
    parted = [record.path.partition("0_1_2/") for record in server.requests[since:]]
    return [place.partition("?")[0] for _, is_of_voxels, place in parted if is_of_voxels]


def placed(start: tuple[int, ...], shape: tuple[int, ...], resolution: Any = 1.0, units: Any = "") -> pyvolume.Volume:
    """Return a volume that begins anywhere."""
    volume = pyvolume.from_array(np.zeros((shape[0], *[0] * (len(shape) - 1)), "uint8"), growable=True)
    volume.write(Box(start, np.add(start, shape)), ramp(shape))
    told = pyvolume.VoxelsMetadata.of(shape, "uint8", resolution=resolution, units=units)
    return pyvolume.Volume(volume.store, dataclasses.replace(told, bounds=volume.bounds))


def test_an_array_says_what_the_volume_is_and_reads_no_voxel(server: MockServer, volume: pyvolume.Volume) -> None:
    before = len(server.requests)
    array = volume.data
    assert (array.dims, array.shape, array.dtype, array.name) == (tuple("cxyz"), VOXELS.shape, VOXELS.dtype, "gray")
    assert array.attrs == {
        "url": volume.store.address,
        "version": server.uuid,
        "resolution": list(volume.resolution),
        "units": list(volume.units),
        "channels": ["uint16"],
    }
    assert "gray" in repr(array) + array._repr_html_()  # type: ignore[no-untyped-call]
    assert asked(server, before) == []


def test_an_array_has_the_attributes_of_the_volume_itself(server: MockServer) -> None:
    with pyvolume.open(f"dvid://{server.url}/:master/gray", "r+", kind=pyvolume.dvid.VoxelsAccessor) as volume:
        before = len(server.requests)
        assert "sample" not in volume.data.attrs
        assert len(server.requests) == before + 1
        volume.attrs.update({"sample": {"cell": 3}, "units": "counts", "xarray": "not ours"})
        attrs = volume.data.attrs
        for name in list(volume.attrs):
            del volume.attrs[name]
    assert (attrs["sample"], attrs["units"]) == ({"cell": 3}, "counts")
    assert attrs["url"] == volume.store.address
    assert "xarray" not in attrs


def test_lengths_begin_at_the_absolute_position() -> None:
    array = placed((0, -4, 6, 0), (2, 10, 8, 3), (0.5, 2, 4), ("micrometers", "micrometers", "")).data
    np.testing.assert_array_equal(array.x, np.arange(-4, 6) * 0.5)
    np.testing.assert_array_equal(array.y, np.arange(6, 14) * 2.0)
    assert array.x.attrs == {"units": "micrometers", "long_name": "width", "axis": "X"}
    assert "units" not in array.z.attrs
    assert list(array.c.values) == ["channel-0", "channel-1"]


def test_voxels_are_selected_by_length_and_by_label() -> None:
    volume = placed((0, -4, 6, 0), (2, 10, 8, 3), (0.5, 2, 4))
    array = volume.data
    np.testing.assert_array_equal(array.sel(x=-1.5, c="channel-1"), volume.absolute[1, -3])
    np.testing.assert_array_equal(array.sel(x=-1.4, y=[7, 25.2], method="nearest"), volume.absolute[:, -3, [6, 13]])
    np.testing.assert_array_equal(array.sel(x=slice(-1.0, 0.6), y=slice(13, None)), volume.absolute[:, -2:2, 7:])
    with pytest.raises(KeyError):
        array.sel(x=-1.4)


def test_labels_of_any_axis_are_its_coordinate() -> None:
    told = pyvolume.VoxelsMetadata.of(
        (2, 4, 3), "uint8", dims="cxt", labels={"c": ["red", "green"], "t": ["20", "25", "33"]}
    )
    voxels = ramp((2, 4, 3))
    volume = pyvolume.Volume(pyvolume.from_array(voxels, "cxt").store, told)
    np.testing.assert_array_equal(volume.data.sel(c="green", t="25"), voxels[1, :, 1])
    cut = volume.to_xarray(box=((1, 0, 1), (2, 4, 3)))
    assert (cut.c.values.tolist(), cut.t.values.tolist()) == (["green"], ["25", "33"])


def test_a_long_axis_has_an_index_that_computes() -> None:
    told = pyvolume.VoxelsMetadata.of((1, 1 << 31, 4), "uint8", resolution=(0.1, 8), units="nm")
    volume = pyvolume.Volume(pyvolume.from_array(ramp((1, 4, 4)), "cxy").store, told)
    array = volume.data
    assert isinstance(array.xindexes["x"], xr.indexes.RangeIndex)
    assert (array.sizes["x"], array.x.attrs["units"]) == (1 << 31, "nm")
    nearest = array.sel(x=[0.1, 0.34], method="nearest")
    np.testing.assert_array_equal(nearest, volume[:, [1, 3]])
    np.testing.assert_array_equal(array.sel(x=slice(0.1, 0.3), method="nearest"), volume[:, 1:3])


def test_ten_million_positions_have_a_plain_index() -> None:
    told = pyvolume.VoxelsMetadata.of((1, 10_000_000), "uint8", resolution=0.1)
    array = pyvolume.Volume(pyvolume.from_array(ramp((1, 4)), "cx").store, told).data
    assert type(array.xindexes["x"]) is xr.indexes.PandasIndex
    assert array.x[-1].item() == 9_999_999 * 0.1


@pytest.mark.parametrize(
    ("take", "boxes"),
    [
        (lambda a: a.isel(x=5, z=slice(10, 30)), ["1_64_20/5_0_10"]),
        (lambda a: a[0, 10:74, ..., 3], ["64_64_1/10_0_3"]),
        (lambda a: a.isel(x=slice(10, 20)).isel(y=slice(5, None)).isel(x=[3, 1]), ["3_59_192/11_5_0"]),
        (lambda a: a.sel(x=slice(24, 40)), ["3_64_192/3_0_0"]),
        (lambda a: a.sel(y=7.3, method="nearest"), ["128_1_192/0_1_0"]),
        (lambda a: a.isel(x=slice(None, 10, -50)), ["1_64_192/127_0_0", "1_64_192/27_0_0", "1_64_192/77_0_0"]),
        (lambda a: a.isel(x=slice(3, 3)), []),
        (lambda a: a.isel(x=[1, 9], z=[4, 6]), ["9_64_3/1_0_4"]),
        (lambda a: a.isel(y=slice(0, 8)).max("x"), ["128_8_192/0_0_0"]),
    ],
)  # fmt: skip
def test_only_what_is_used_is_read(server: MockServer, volume: pyvolume.Volume, take: Any, boxes: list[str]) -> None:
    before = len(server.requests)
    array = take(volume.data)
    np.testing.assert_array_equal(array.values, take(xr.DataArray(VOXELS, coords=volume.data.coords, name="gray")))
    assert sorted(asked(server, before)) == boxes


def test_far_planes_are_read_without_what_is_between() -> None:
    with MockServer({"gray": np.zeros((1, 256, 256, 256), "uint8")}) as server:
        with pyvolume.open(f"dvid://{server.url}/:master/gray") as volume:
            before = len(server.requests)
            volume.data.isel(z=slice(None, None, 200)).load()
        assert sorted(asked(server, before)) == ["256_256_1/0_0_0", "256_256_1/0_0_200"]


def test_a_box_can_be_anywhere_where_there_are_voxels() -> None:
    volume = placed((0, -4, 6, 0), (2, 10, 8, 3))
    array = volume.to_xarray(box=((0, -8, 0, 0), (1, 0, 10, 3)))
    np.testing.assert_array_equal(array, volume.absolute[0:1, -8:0, 0:10])
    np.testing.assert_array_equal(
        array.isel(x=[0, 5], y=slice(None, None, -1)), volume.absolute[0:1, [-8, -3], 9:-1:-1]
    )
    fixed = pyvolume.from_array(ramp((1, 4, 4)), "cxy")
    with pytest.raises(SelectionError, match="outside the bounds"):
        fixed.to_xarray(box=((0, 0, 0), (1, 5, 4)))


def test_an_empty_volume_has_an_empty_array() -> None:
    array = pyvolume.from_array(np.zeros((1, 0, 0, 0), "uint8"), growable=True).data
    assert array.shape == array.values.shape == (1, 0, 0, 0)


def test_chunks_are_whole_blocks_where_the_volume_begins_inside_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dask", reason="dask comes with the extra 'dask'")
    volume = placed((0, -4, 6, 0), (1, 100, 80, 30))
    blocks = pyvolume.from_array(np.zeros((1, 0, 0, 0), "uint8"), growable=True, block_shape=(16, 16, 16))
    blocks.write(volume.bounds, volume.read(volume.bounds))
    assert blocks.data.encoding["preferred_chunks"] == {"c": 1, "x": (100,), "y": (80,), "z": 30}
    monkeypatch.setattr("pyvolume.integrations.xarray.CHUNK_BYTES", 32 * 32 * 32)
    assert blocks.to_xarray(chunks="auto").chunks == blocks.to_dask().chunks
    chunked = blocks.to_xarray(chunks={})
    assert chunked.chunks == ((1,), (20, 32, 32, 16), (26, 32, 22), (30,))
    assert blocks.to_xarray(chunks={"y": -1}).chunks == ((1,), (20, 32, 32, 16), (80,), (30,))
    assert blocks.data.encoding["preferred_chunks"] == dict(zip("cxyz", (1, *chunked.chunks[1:3], 30), strict=True))
    with pytest.raises(SelectionError, match="c, x, y, z and found 't'"):
        blocks.to_xarray(chunks={"t": 1})
    np.testing.assert_array_equal(chunked, blocks.read(blocks.bounds))


def test_an_array_can_be_pickled(volume: pyvolume.Volume) -> None:
    array = pickle.loads(pickle.dumps(volume.data.isel(x=slice(3, 9))))
    np.testing.assert_array_equal(array, VOXELS[:, 3:9])


def test_without_xarray_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(ImportError, match=r'pip install "pyvolume-sdk\[xarray\]"'):
        _ = pyvolume.from_array(np.zeros((1, 4))).data
