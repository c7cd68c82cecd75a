"""Images that other clients write are read, and other clients can read ours: plain zarr is one, the page another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from conformance_stores import ramp
from mikro_by_hand import asked, official_document, put_image, same, stored, upload
from zarr.codecs import GzipCodec, ZstdCodec

from mockserver import MikroServer
from pyvolume.mikro import Mikro

dask: Any = pytest.importorskip("dask.array", reason="dask comes with the extra 'dask'")
xr: Any = pytest.importorskip("xarray", reason="xarray comes with the extra 'xarray'")

INTEGERS = [f"{sign}int{n}" for sign in ("", "u") for n in (8, 16, 32, 64)]
FLOATS = ["float16", "float32", "float64"]
COMPLEX = ["complex64", "complex128"]
TYPES = ["bool", *INTEGERS, *FLOATS, *COMPLEX]
ORDER = "ctzyx"


def extremes(shape: tuple[int, ...], dtype: str) -> Any:
    """Make an array with the largest and smallest values of a type, and those that are no numbers."""
    kind = np.dtype(dtype).kind
    array = ramp(shape, "uint8").astype(dtype)
    if kind in "iu":
        array.flat[:2] = [np.iinfo(dtype).min, np.iinfo(dtype).max]
    elif kind in "fc":
        facts = np.finfo(dtype)
        array.flat[:6] = [np.nan, np.inf, -np.inf, -0.0, facts.max, facts.tiny]
    return array


def of_plain_zarr(folder: Path, array: Any, chunks: tuple[int, ...], **options: Any) -> dict[str, bytes]:
    """Write an array with zarr alone, its axes in the order of Mikro, and return its objects."""
    fixed: dict[str, Any] = {"compressors": ZstdCodec(level=0), "dimension_names": list(ORDER), **options}
    zarr.create_array(folder, shape=array.shape, dtype=array.dtype, chunks=chunks, **fixed)[...] = array
    return stored(folder)


@pytest.mark.parametrize("dtype", TYPES)
def test_all_types_of_plain_zarr_are_read(mikro: Mikro, tmp_path: Path, dtype: str) -> None:
    array = extremes((2, 3, 7, 13, 11), dtype)
    image = mikro.image(put_image(mikro, of_plain_zarr(tmp_path, array, (1, 2, 4, 8, 11))))
    assert image.dims == ("c", "x", "y", "z", "t")
    assert image[...].transpose(0, 4, 3, 2, 1).tobytes() == array.tobytes()
    assert image.dtype == array.dtype


@pytest.mark.parametrize(
    "options",
    [
        {"compressors": None},
        {"compressors": GzipCodec()},
        {"compressors": ZstdCodec(level=19, checksum=True)},
        {"shards": (1, 2, 8, 16, 16), "chunks": (1, 1, 4, 8, 8)},
        {"dimension_names": None},
        {"fill_value": 7},
        {"chunk_key_encoding": {"name": "default", "separator": "."}},
        {"chunk_key_encoding": {"name": "v2", "separator": "/"}},
    ],
    ids=["raw", "gzip", "checksum", "shards", "no names", "fill", "dots", "v2 keys"],
)
def test_other_forms_of_arrays_are_read(mikro: Mikro, tmp_path: Path, options: dict[str, Any]) -> None:
    array = ramp((2, 2, 8, 16, 16), "uint16")
    array[1, 1] = 7
    objects = of_plain_zarr(tmp_path, array, **{"chunks": (1, 2, 4, 8, 11), **options})
    image = mikro.image(put_image(mikro, objects))
    same(image[1, 3:9, :, 2:7, 1], array[1, 1, 2:7, :, 3:9].transpose(2, 1, 0))
    same(image[...], array.transpose(0, 4, 3, 2, 1))


@pytest.mark.parametrize(("names", "dims"), [("zyx", "cxyzt"), ("yx", "cxyzt"), ("tyx", "cxyzt"), ("azyx", "cxyzta")])
def test_arrays_of_other_axes_are_read(mikro: Mikro, tmp_path: Path, names: str, dims: str) -> None:
    array = ramp((3, 4, 8, 16)[-len(names) :], "uint16")
    image = mikro.image(put_image(mikro, of_plain_zarr(tmp_path, array, array.shape, dimension_names=list(names))))
    assert "".join(image.dims) == dims
    expected = array.transpose([names.index(dim) for dim in dims if dim in names])
    same(image[...].reshape(expected.shape), expected)


def test_a_chunk_of_a_shard_costs_its_index_and_itself(own: Mikro, mock: MikroServer, tmp_path: Path) -> None:
    array = ramp((1, 1, 128, 128, 128), "uint8")
    options: dict[str, Any] = {"shards": (1, 1, 128, 128, 128), "compressors": None}
    image = own.image(put_image(own, of_plain_zarr(tmp_path, array, (1, 1, 64, 64, 64), **options)))
    first = len(mock.requests)
    same(image[0, :64, :64, 64:, 0], array[0, 0, 64:, :64, :64].transpose(2, 1, 0))
    assert asked(mock, first) == ["c/0/0/0/0/0"] * 2
    assert {each.status for each in mock.requests[first:]} == {206}


def test_the_document_of_the_page_has_its_length() -> None:
    assert len(official_document((1, 1, 2, 20, 30), (1, 1, 2, 20, 30))) == 762


def test_an_uploaded_array_has_the_form_of_the_page(own: Mikro, mock: MikroServer) -> None:
    own.from_xarray(ramp((2, 20, 30), "uint16"), "form", dims="zyx", chunks=(30, 20, 2))
    [data] = [data for key, data in mock.objects.items() if key.endswith("zarr.json")]
    found = json.loads(data)
    assert json.dumps({**found, "attributes": {}}, indent=2).encode() == official_document(
        (1, 1, 2, 20, 30), (1, 1, 2, 20, 30)
    )
    assert set(found["attributes"]) == {"pyvolume", "xarray"}


@pytest.mark.parametrize(
    ("dtype", "fill"),
    [("bool", False), *((each, 0) for each in INTEGERS), *((each, 0.0) for each in FLOATS),
     *((each, [0.0, 0.0]) for each in COMPLEX)],
)  # fmt: skip
def test_an_uploaded_type_has_the_form_of_the_page(own: Mikro, mock: MikroServer, dtype: str, fill: object) -> None:
    upload(own, np.ones((1, 8, 9), dtype))
    [data] = [data for key, data in mock.objects.items() if key.endswith("zarr.json")]
    found = json.loads(data)
    endian = {} if np.dtype(dtype).itemsize == 1 else {"configuration": {"endian": "little"}}
    assert (found["data_type"], found["fill_value"]) == (dtype, fill)
    assert type(found["fill_value"]) is type(fill)
    assert found["codecs"] == [
        {"name": "bytes", **endian},
        {"name": "zstd", "configuration": {"level": 0, "checksum": False}},
    ]


@pytest.mark.parametrize("dtype", TYPES)
def test_plain_zarr_and_xarray_read_what_was_uploaded(
    own: Mikro, mock: MikroServer, tmp_path: Path, dtype: str
) -> None:
    array = extremes((2, 13, 11, 7, 3), dtype)
    upload(own, array)
    for key, data in mock.objects.items():
        path = tmp_path / key.partition("/")[2]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    found = zarr.open_array(tmp_path, mode="r", zarr_format=3)
    assert np.asarray(found[...]).tobytes() == array.transpose(0, 4, 3, 2, 1).tobytes()
    lazy = xr.DataArray(dask.from_zarr(found), dims=list(ORDER))
    part = lazy.isel(c=1, t=2, x=slice(3, 9)).transpose("x", "y", "z").compute()
    same(part.values, array[1, 3:9, ..., 2])
