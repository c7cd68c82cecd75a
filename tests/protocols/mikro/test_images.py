"""Images: an array with a name in one line, and the same array back."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from conformance_stores import ramp
from mikro_by_hand import fresh, uploaded
from mikro_servers import Server

import pyvolume
from mockserver import MikroServer
from pyvolume.errors import (
    AddressError,
    MetadataError,
    NotFoundError,
    UnsupportedError,
)
from pyvolume.mikro import Image, Mikro

xr: Any = pytest.importorskip("xarray", reason="xarray comes with the extra 'xarray'")
dask: Any = pytest.importorskip("dask.array", reason="dask comes with the extra 'dask'")


def test_an_array_of_xarray_comes_back_with_its_own_axes(mikro: Mikro) -> None:
    given = xr.DataArray(
        ramp((7, 30, 20, 2), "uint16"),
        {"x": ("x", np.arange(20) * 0.5, {"units": "micrometers"}), "c": ["dapi", "gfp"]},
        ("z", "y", "x", "c"),
        fresh(),
        {"stain": "dapi", "gain": np.float32(1.5)},
    )
    image = mikro.from_xarray(given)
    assert image.shape == (2, 20, 30, 7, 1)
    np.testing.assert_array_equal(image[..., 0], given.values.transpose(3, 2, 1, 0), strict=True)
    xr.testing.assert_equal(image.data.load(), given)
    assert image.data.name == given.name
    assert {name: image.attrs[name] for name in ("stain", "gain")} == {"stain": "dapi", "gain": 1.5}
    assert image.resolution == (0.5, 1.0, 1.0, 1.0)


def test_what_the_catalogue_says_comes_back(mikro: Mikro) -> None:
    dataset = mikro.create_dataset(fresh("folder"))
    image = mikro.from_xarray(
        ramp((2, 30, 20, 3), "uint8"), "two stains: 'a' \"b\" {c}\n✓", dims="cyxz", channels=["dapi", "gfp"],
        resolution={"x": 0.4, "y": 0.5, "z": 1.6}, tags=["fly", "day-3"], dataset=dataset,
    )  # fmt: skip
    again = mikro.image(int(image.id))
    assert (again.name, again.tags, again.channels) == (
        "two stains: 'a' \"b\" {c}\n✓", ("day-3", "fly"), ("dapi", "gfp"),
    )  # fmt: skip
    assert again.resolution == (0.4, 0.5, 1.6, 1.0)
    assert again.units[:3] == ("micrometers",) * 3
    assert again.metadata.labels[0] == ("dapi", "gfp")
    assert (again.dataset, again.created.tzinfo is None, bool(again.creator)) == (dataset, False, True)
    assert list(again.data.coords["z"].values) == [0.0, 1.6, 3.2]
    assert [each.id for each in dataset.images] == [image.id]


def test_sizes_in_other_units_keep_their_unit(mikro: Mikro) -> None:
    coords = {dim: (dim, np.arange(8) * 4.0, {"units": "nm"}) for dim in "xy"}
    image = mikro.from_xarray(xr.DataArray(ramp((8, 8)), coords, ("x", "y"), fresh()))
    assert mikro.image(image.id).resolution[:2] == (4.0, 4.0)
    assert mikro.image(image.id).units[:2] == ("nm", "nm")


INTEGERS = [f"{sign}int{n}" for sign in ("", "u") for n in (8, 16, 32, 64)]
FLOATS = ["float16", "float32", "float64", "complex64", "complex128"]


@pytest.mark.parametrize("dtype", ["bool", *INTEGERS, *FLOATS, ">u2", ">c8"])
def test_all_types_come_back(mikro: Mikro, dtype: str) -> None:
    array = ramp((65, 7, 17), "uint8").astype(dtype)
    if array.dtype.kind in "fc":
        array.flat[:4] = [np.nan, np.inf, -np.inf, -0.0]
    if array.dtype.kind == "c":
        array.imag[1, 1, :4] = [-np.inf, np.nan, -0.0, 1.5]
    image = mikro.from_xarray(array, fresh(), dims="xyz")
    assert image.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(image[0, ..., 0], array.astype(image.dtype), strict=True)
    assert image[0, ..., 0].astype(array.dtype).tobytes() == array.tobytes()


def test_an_array_of_dask_is_uploaded_block_by_block(mikro: Mikro) -> None:
    array = ramp((150, 70, 70), "uint8")
    told: list[int] = []
    image = mikro.from_xarray(
        dask.from_array(array, chunks=(40, 33, 70)),
        fresh(),
        dims="zyx",
        progress=lambda status: told.append(status.bytes_done),
    )
    np.testing.assert_array_equal(image[0, ..., 0], array.transpose(2, 1, 0), strict=True)
    assert (told[-1], len(told) > 1) == (array.nbytes, True)


def test_few_blocks_of_dask_are_in_memory_at_once(own: Mikro) -> None:
    sizes = {"made": 0, "written": 0, "most": 0}
    lock = threading.Lock()

    def make(block: Any) -> Any:
        with lock:
            sizes["made"] += block.nbytes
            sizes["most"] = max(sizes["most"], sizes["made"] - sizes["written"])
        return block + 1

    def note(status: pyvolume.TransferStatus) -> None:
        sizes["written"] = status.bytes_done

    zeros = dask.zeros((64 * 40, 64, 64), chunks=64, dtype="uint8")
    image = own.from_xarray(zeros.map_blocks(make, dtype="uint8"), "long", dims="zyx", progress=note)
    assert (image.min(), sizes["written"]) == (1, zeros.nbytes)
    assert sizes["most"] < zeros.nbytes / 2


def test_another_volume_is_uploaded(mikro: Mikro) -> None:
    source = pyvolume.from_array(ramp((2, 20, 30, 9)))
    image = pyvolume.from_xarray(source, mikro, name=fresh(), dims="cxyz", chunks=(16, 16, 4))
    np.testing.assert_array_equal(image[..., 0], source[...], strict=True)
    assert image.store.traits.chunks == (1, 16, 16, 4, 1)


def test_a_url_is_enough(server: Server) -> None:
    url = f"mikro://{server.url}?store={server.store_url}"
    array = ramp((9, 8))
    with pyvolume.from_xarray(array, url, name=fresh(), dims="yx", token=server.token) as image:
        assert isinstance(image, Image)
        address = image.store.address
    assert address.startswith(f"mikro://{server.url}/")
    with pyvolume.open(address, token=server.token, kind=Image) as again:
        np.testing.assert_array_equal(again[0, :, :, 0, 0], array.T, strict=True)
    with pytest.raises(UnsupportedError, match="derive"):
        pyvolume.open(address, "r+", token=server.token)
    with pytest.raises(AddressError, match="object store"):
        pyvolume.open(f"mikro://{server.url}/1")
    with pytest.raises(AddressError, match="expected the id of an image"):
        pyvolume.open(url)


def test_one_time_point_is_a_volume_of_four_axes(server: Server, mikro: Mikro) -> None:
    array = ramp((3, 20, 30), "uint16")
    image = mikro.from_xarray(array, fresh(), dims="tyx")
    with pyvolume.open(f"{image.store.address}&t=2", token=server.token) as volume:
        assert volume.dims == ("c", "x", "y", "z")
        np.testing.assert_array_equal(volume[0, :, :, 0], array[2].T, strict=True)
        with pytest.raises(UnsupportedError, match="no axis t"):
            volume.at_time(0)  # type: ignore[attr-defined]
    with pytest.raises(NotFoundError, match="no time point 3"):
        pyvolume.open(f"{image.store.address}&t=3", token=server.token)
    at_end = image.at_time(2)
    assert at_end.store.address == f"{image.store.address}&t=2"
    np.testing.assert_array_equal(at_end[0, :, :, 0], array[2].T, strict=True)
    np.testing.assert_array_equal(at_end.data.values[0, ..., 0], array[2].T, strict=True)
    with pytest.raises(NotFoundError, match="no time point 3"):
        image.at_time(3)


def test_default_chunks_hold_no_padding(mikro: Mikro) -> None:
    assert uploaded(mikro, (80, 20, 30)).store.traits.chunks == (1, 64, 20, 30, 1)
    assert uploaded(mikro, (600, 20, 3)).store.traits.chunks == (1, 512, 20, 1, 1)


def test_a_write_names_what_to_do_instead(mikro: Mikro) -> None:
    image = uploaded(mikro)
    with pytest.raises(UnsupportedError, match="derive"):
        image[0] = 1
    with pytest.raises(UnsupportedError, match="derive"):
        image.attrs["a"] = 1


def test_an_image_is_derived(mikro: Mikro) -> None:
    image = uploaded(mikro, (20, 30))
    derived = image.derive(image[...] // 2, fresh("half"), tags=["half"])
    assert (derived.derived_from, derived.tags) == ((image.id,), ("half",))
    np.testing.assert_array_equal(derived[...], image[...] // 2, strict=True)


def test_an_image_is_renamed_tagged_and_deleted(mikro: Mikro) -> None:
    image = uploaded(mikro, tags=["a"])
    name = fresh("renamed")
    image.update(name=name, tags=["b"])
    assert (image.name, image.tags) == (name, ("a", "b"))
    assert mikro.image(image.id).name == name
    assert "stay in the object store" in image.delete()
    with pytest.raises(NotFoundError, match="there is none with this id"):
        mikro.image(image.id)


def test_an_origin_that_is_deleted_is_told_before_a_byte_moves(own: Mikro, mock: MikroServer) -> None:
    image = uploaded(own)
    image.delete()
    with pytest.raises(NotFoundError, match="there is none with this id"):
        image.derive(image[...], "derived")
    assert (mock.images, len({key.partition("/")[0] for key in mock.objects})) == ({}, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dims": "xz"}, "expected the axes x and y"),
        ({"dims": "xy", "name": "n" * 1001}, "1 to 1000 characters"),
        ({"dims": "xy", "name": ""}, "1 to 1000 characters"),
        ({"dims": "xy", "tags": ["Cell Type"]}, "would not come back as given; 'cell-type' does"),
        ({"dims": "xy", "tags": "fly"}, "a list of tags"),
        ({"dims": "xy", "channels": ["a", "b"]}, "expected 1 channels and found 2"),
        ({"dims": "xy", "resolution": {"t": 1}}, "along x, y and z"),
        ({"dims": "xy", "chunks": (4, 4)}, "expected chunks along x, y and z"),
        ({"dims": "xy", "chunks": 4}, "expected chunks along x, y and z"),
        ({"dims": "xy", "chunks": "big"}, "expected chunks along x, y and z"),
        ({"dims": "xy", "tags": None}, "a list of tags"),
    ],
)
def test_what_the_server_would_change_is_refused(
    own: Mikro, mock: MikroServer, options: dict[str, object], message: str
) -> None:
    given = {"name": "a", **options}
    with pytest.raises(MetadataError, match=message):
        own.from_xarray(np.zeros((8, 9)), **given)  # type: ignore[arg-type]
    assert [each for each in mock.requests if each.path != "/graphql"] == []
    assert mock.images == {}


@pytest.mark.parametrize("dtype", ["datetime64[s]", "timedelta64[s]", "S3", "U3", "V3", "O"])
def test_what_is_no_number_is_refused(own: Mikro, mock: MikroServer, dtype: str) -> None:
    with pytest.raises(UnsupportedError, match="numbers"):
        own.from_xarray(np.zeros((8, 9), dtype), "a", dims="xy")
    assert (mock.objects, mock.images) == ({}, {})


def test_the_largest_of_complex_numbers_is_that_of_numpy(own: Mikro) -> None:
    array = ramp((9, 8), "float32") + 1j * ramp((9, 8), "float32", seed=1)
    image = own.from_xarray(array, "waves", dims="xy")
    assert (image.max(), image.data.max().compute().item()) == (array.max(), array.max())
