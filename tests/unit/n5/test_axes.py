"""Axes and sizes of voxels, as different programs say them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from n5_by_hand import write_dataset, write_json

import pyvolume
from pyvolume.errors import MetadataError, UnsupportedError


def opened(folder: Path, shape: tuple[int, ...] = (5, 4, 3), **attributes: Any) -> pyvolume.Volume:
    array = np.arange(np.prod(shape), dtype="uint16").reshape(shape)
    write_dataset(folder / "x.n5" / "raw", array, (2,) * len(shape), **attributes)
    volume = pyvolume.open(folder / "x.n5" / "raw")
    where = "xyzcta" if "axes" not in attributes else "".join(attributes["axes"])
    present = array if "c" in where[: len(shape)] else array[..., np.newaxis]
    letters = where[: len(shape)] if "c" in where[: len(shape)] else where[: len(shape)] + "c"
    expected = present.transpose([letters.index(dim) for dim in volume.dims])
    np.testing.assert_array_equal(volume[...], expected, strict=True)
    return volume


@pytest.mark.parametrize(
    ("shape", "dims"),
    [
        ((5,), "cx"),
        ((5, 4), "cxy"),
        ((5, 4, 3), "cxyz"),
        ((5, 4, 3, 2), "cxyz"),
        ((5, 4, 3, 2, 3), "cxyzt"),
    ],
)
def test_axes_without_names_are_those_of_fiji(tmp_path: Path, shape: tuple[int, ...], dims: str) -> None:
    volume = opened(tmp_path, shape)
    assert "".join(volume.dims) == dims
    assert volume.shape[0] == (2 if len(shape) > 3 else 1)


@pytest.mark.parametrize("axes", [["z", "y", "x"], ["c", "x", "y", "z"], ["x", "y", "c", "t", "z"], ["X", "Y", "Z"]])
def test_names_of_axes_are_believed(tmp_path: Path, axes: list[str]) -> None:
    lowered = [axis.lower() for axis in axes]
    assert set(opened(tmp_path, (5, 4, 3, 2, 3)[: len(axes)], axes=lowered).dims) == {*lowered, "c"}


def test_words_are_understood(tmp_path: Path) -> None:
    write_dataset(tmp_path / "x.n5", np.zeros((3, 4, 2), "uint8"), (2, 2, 2), axes=["x", "time", "channel"])
    volume = pyvolume.open(tmp_path / "x.n5")
    assert (volume.dims, volume.shape) == (("c", "x", "t"), (2, 3, 4))


def test_axes_without_names_beside_others_say_nothing(tmp_path: Path) -> None:
    write_dataset(tmp_path / "x.n5", np.zeros((3, 4, 2), "uint8"), (2, 2, 2), axes=["", "", ""])
    assert pyvolume.open(tmp_path / "x.n5").dims == ("c", "x", "y", "z")


def test_what_tensorstore_writes_is_read(tmp_path: Path) -> None:
    tensorstore = pytest.importorskip("tensorstore")
    schema = tensorstore.Schema(
        shape=(5, 4, 3), dtype=tensorstore.uint16, dimension_units=["4 nm", "4 nm", "40 nm"],
        domain=tensorstore.IndexDomain(labels=["x", "y", "z"], shape=(5, 4, 3)),
    )  # fmt: skip
    specification = {"driver": "n5", "kvstore": {"driver": "file", "path": str(tmp_path / "x.n5")}}
    tensorstore.open(specification, create=True, schema=schema).result()
    volume = pyvolume.open(tmp_path / "x.n5")
    assert (volume.resolution, volume.units) == ((4.0, 4.0, 40.0), ("nanometers",) * 3)


def test_what_pyvolume_writes_tensorstore_reads(tmp_path: Path) -> None:
    tensorstore = pytest.importorskip("tensorstore")
    from pyvolume.n5.driver import DRIVER

    metadata = pyvolume.VoxelsMetadata.of((2, 5, 4, 3), "uint16", resolution=(4, 4, 40), units="nanometers")
    volume = DRIVER.create(str(tmp_path / "x.n5" / "raw"), metadata, chunks=(1, 2, 2, 2), compression="zstd")
    volume[...] = np.arange(120).reshape(2, 5, 4, 3)
    specification = {"driver": "n5", "kvstore": {"driver": "file", "path": str(tmp_path / "x.n5" / "raw")}}
    found = tensorstore.open(specification, open=True).result()
    assert found.domain.labels == ("x", "y", "z", "c")
    assert [str(each) for each in found.dimension_units] == ["4 nm", "4 nm", "40 nm", "1"]
    np.testing.assert_array_equal(found.read().result().transpose(3, 0, 1, 2), volume[...], strict=True)


@pytest.mark.parametrize(
    ("attributes", "resolution", "units"),
    [
        ({"pixelResolution": {"dimensions": [4, 4, 40], "unit": "nm"}}, (4, 4, 40), "nanometers"),
        ({"pixelResolution": [4, 4, 40]}, (4, 4, 40), ""),
        (
            {"pixelResolution": {"dimensions": [4, 4, 40], "unit": "um"}, "downsamplingFactors": [2, 2, 1]},
            (8, 8, 40),
            "micrometers",
        ),
        ({"resolution": [8, 8, 40], "unit": "nm", "downsamplingFactors": [2, 2, 1]}, (8, 8, 40), "nanometers"),
        (
            {"transform": {"axes": ["z", "y", "x"], "scale": [40, 5, 4], "units": ["nm", "nm", "nm"]}},
            (4, 5, 40),
            "nanometers",
        ),
        ({"resolution": "wrong", "units": 7, "pixelResolution": {"unit": None}}, (1, 1, 1), ""),
        ({"resolution": [0, -1, 4], "transform": {"axes": "zyx"}}, (1, 1, 1), ""),
        ({"resolution": [1, 2], "downsamplingFactors": [2, 2, 1]}, (1, 1, 1), ""),
    ],
)
def test_sizes_of_voxels_are_read_as_others_write_them(
    tmp_path: Path, attributes: dict[str, Any], resolution: tuple[float, ...], units: str
) -> None:
    volume = opened(tmp_path, **attributes)
    assert (volume.resolution, volume.units) == (resolution, (units,) * 3)


def test_groups_around_a_dataset_say_the_size_in_full_resolution(tmp_path: Path) -> None:
    write_json(tmp_path / "x.n5", {"n5": "4.0.0", "pixelResolution": {"dimensions": [9, 9, 9], "unit": "nm"}})
    write_json(tmp_path / "x.n5" / "raw", {"resolution": [4, 4, 40], "units": ["nm", "nm", "nm"]})
    write_dataset(
        tmp_path / "x.n5" / "raw" / "s1", np.zeros((5, 4, 3), "uint8"), (2,) * 3, downsamplingFactors=[2, 2, 1]
    )
    volume = pyvolume.open(tmp_path / "x.n5" / "raw" / "s1")
    assert (volume.resolution, volume.units) == ((8, 8, 40), ("nanometers",) * 3)


@pytest.mark.parametrize(
    ("attributes", "error", "message"),
    [
        ({"axes": ["x", "row", "z"]}, UnsupportedError, "axes called x, y, z, c, t or .*, not 'row'"),
        ({"axes": ["x", "x", "z"]}, MetadataError, "3 different axes"),
        (
            {"pyvolume": {"axes": ["x"], "dims": ["c", "x"], "resolution": [1], "units": [""]}},
            MetadataError,
            "pyvolume",
        ),
        ({"pyvolume": {"axes": "xyz"}}, MetadataError, "n5-pyvolume-1"),
        ({"pyvolume": []}, MetadataError, "n5-pyvolume-1"),
        (
            {"pyvolume": {"axes": list("xyz"), "dims": list("cxyz"), "resolution": [1], "units": [""] * 3}},
            MetadataError,
            "resolution must be one value",
        ),
    ],
)
def test_axes_that_do_not_fit_are_one_sentence(
    tmp_path: Path, attributes: dict[str, Any], error: type[Exception], message: str
) -> None:
    write_dataset(tmp_path / "x.n5", np.zeros((5, 4, 3), "uint8"), (2, 2, 2), **attributes)
    with pytest.raises(error, match=message) as caught:
        pyvolume.open(tmp_path / "x.n5")
    assert f"open {tmp_path / 'x.n5'}" in str(caught.value)


def test_more_axes_than_fiji_has_need_names(tmp_path: Path) -> None:
    write_dataset(tmp_path / "x.n5", np.zeros((1,) * 6, "uint8"), (1,) * 6)
    with pytest.raises(UnsupportedError, match="an attribute axes with 6 letters"):
        pyvolume.open(tmp_path / "x.n5")
    write_dataset(tmp_path / "y.n5", np.zeros((1,) * 6, "uint8"), (1,) * 6, axes=list("xyzcta"))
    assert pyvolume.open(tmp_path / "y.n5").dims == tuple("cxyzta")
