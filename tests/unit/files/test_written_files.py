"""What pyvolume writes says the same to other programs: the size, the unit and the place of the voxels."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import nibabel
import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray

import pyvolume
from pyvolume.errors import MetadataError, UnsupportedError
from pyvolume.files import formats
from pyvolume.files.description import Description

VOXELS = np.arange(5 * 6 * 7, dtype="uint16").reshape(1, 5, 6, 7)
NM = ("nanometers",) * 3
MIXED = ("nanometers", "nm", "µm")


def written(
    path: Path,
    *,
    dtype: str = "uint16",
    offset: tuple[int, ...] = (0, 10, 20, 30),
    step: tuple[int, ...] = (1,) * 4,
    units: tuple[str, ...] = NM,
) -> Path:
    described = Description("cxyz", "cxyz", offset, step, (8.0, 8.0, 40.0), units, source="dvid://http://h/ab/gray")
    with formats.create(path, VOXELS.shape, np.dtype(dtype), described) as target:
        target[...] = VOXELS.astype(dtype)
    return path


def places(image: Any, index: tuple[int, int, int]) -> NDArray[Any]:
    return np.asarray(image.affine @ [*index, 1])[:3]


def test_nifti_places_each_voxel(tmp_path: Path) -> None:
    image: Any = nibabel.load(written(tmp_path / "a.nii", step=(1, -1, 2, 1)))
    assert image.header.get_xyzt_units()[0] == "mm"
    np.testing.assert_allclose(places(image, (0, 0, 0)), np.array([10 * 8, 20 * 8, 30 * 40]) * 1e-6, rtol=1e-6)
    np.testing.assert_allclose(places(image, (4, 1, 1)), np.array([6 * 8, 22 * 8, 31 * 40]) * 1e-6, rtol=1e-6)


@pytest.mark.parametrize(
    ("units", "said", "size"),
    [
        (NM, "mm", (8e-6, 8e-6, 40e-6)),
        (MIXED, "mm", (8e-6, 8e-6, 40e-3)),
        (("µm",) * 3, "micron", (8, 8, 40)),
        (("cm",) * 3, "mm", (80, 80, 400)),
        (("",) * 3, "unknown", (8, 8, 40)),
        (("nm", "nm", ""), "unknown", (8, 8, 40)),
    ],
)
def test_nifti_has_one_unit(tmp_path: Path, units: tuple[str, ...], said: str, size: tuple[float, ...]) -> None:
    header: Any = nibabel.load(written(tmp_path / "a.nii", units=units)).header
    assert header.get_xyzt_units()[0] == said
    np.testing.assert_allclose(header.get_zooms(), size, rtol=1e-6)


@pytest.mark.parametrize(
    ("units", "said", "density"),
    [(NM, tifffile.RESUNIT.CENTIMETER, 1e7 / 8), (("",) * 3, tifffile.RESUNIT.NONE, 1 / 8)],
)
def test_a_plain_tiff_says_the_unit_of_its_resolution(
    tmp_path: Path, units: tuple[str, ...], said: tifffile.RESUNIT, density: float
) -> None:
    with tifffile.TiffFile(written(tmp_path / "a.tif", dtype="uint64", units=units)) as file:
        tags = file.pages.first.tags
        assert tags["ResolutionUnit"].value == said
        np.testing.assert_allclose(np.divide(*tags["XResolution"].value), density)


@pytest.mark.parametrize(
    ("units", "said", "size"), [(NM, "nm", (8, 40)), (MIXED, "mm", (8e-6, 40e-3)), (("",) * 3, "pixel", (8, 40))]
)
def test_imagej_has_one_unit(tmp_path: Path, units: tuple[str, ...], said: str, size: tuple[float, float]) -> None:
    with tifffile.TiffFile(written(tmp_path / "a.tif", units=units)) as file:
        told = file.imagej_metadata or {}
        tags = file.pages.first.tags
        assert (told["unit"], tags["ResolutionUnit"].value) == (said, tifffile.RESUNIT.NONE)
        across = 1 / np.divide(*tags["XResolution"].value)
        np.testing.assert_allclose((across, told["spacing"]), size, rtol=1e-6)


def test_ome_has_a_unit_for_each_axis(tmp_path: Path) -> None:
    with tifffile.TiffFile(written(tmp_path / "a.ome.tif", units=("nm", "", "µm"))) as file:
        text = file.ome_metadata or ""
    assert 'PhysicalSizeX="8.0" PhysicalSizeXUnit="nm"' in text
    assert 'PhysicalSizeZ="40.0" PhysicalSizeZUnit="µm"' in text
    assert "PhysicalSizeY" not in text


@pytest.mark.parametrize(("name", "dtype"), [("a.ome.tif", "int16"), ("a.tif", "uint16"), ("a.tif", "uint64")])
def test_a_tiff_of_several_times(tmp_path: Path, name: str, dtype: str) -> None:
    movie = np.arange(2 * 5 * 6 * 7 * 3, dtype=dtype).reshape(2, 5, 6, 7, 3)
    units = ("µm", "µm", "µm", "minutes", "")
    described = Description("cxyzta", "cxyzta", (0, 1, 2, 3, 4, 0), (1, 1, 1, 1, 2, 1), (1, 1, 3, 1.5, 1), units)
    with formats.create(tmp_path / name, (*movie.shape, 1), movie.dtype, described) as target:
        target[...] = movie[..., np.newaxis]
    with tifffile.TiffFile(tmp_path / name) as file:
        assert (file.series[0].axes, file.series[0].shape) == ("TZCYX", (3, 7, 2, 6, 5))
        if file.is_imagej:
            assert (file.imagej_metadata or {})["finterval"] == 180.0
        if file.is_ome:
            assert 'TimeIncrement="3.0" TimeIncrementUnit="min"' in (file.ome_metadata or "")
    with formats.read(tmp_path / name) as stored:
        np.testing.assert_array_equal(stored.array, movie[..., np.newaxis])
        assert stored.description == described


def test_a_tiff_has_no_place_for_several_angles(tmp_path: Path) -> None:
    new = formats.create(tmp_path / "a.ome.tif", (1, 2, 2, 2, 1, 2), np.dtype("uint8"), Description("cxyzta"))
    with pytest.raises(UnsupportedError, match="expected no axes but t, z, c, y, x and found a"), new:
        pass
    assert not list(tmp_path.iterdir())


def test_axes_have_their_names(tmp_path: Path) -> None:
    with h5py.File(written(tmp_path / "a.h5")) as file:
        assert [axis.label for axis in file["voxels"].dims] == list("cxyz")
    array: Any = zarr.open(written(tmp_path / "a.zarr"), path="0")
    assert list(array.metadata.dimension_names) == list("czyx")


@pytest.mark.parametrize("suffix", [".nii", ".ome.tif"])
def test_a_format_without_such_voxels_refuses_them(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(UnsupportedError):
        written(tmp_path / f"a{suffix}", dtype="float16")
    assert list(tmp_path.iterdir()) == []


def test_nifti_that_another_program_has_saved_keeps_its_place(tmp_path: Path) -> None:
    image: Any = nibabel.load(written(tmp_path / "a.nii"))
    nibabel.save(image.slicer[:3], tmp_path / "b.nii.gz")
    with formats.read(tmp_path / "b.nii.gz") as stored:
        assert stored.description.key("cxyz", stored.array.shape)[1] == slice(10, 13, 1)


def test_nifti_that_another_program_has_moved_loses_its_place(tmp_path: Path) -> None:
    image: Any = nibabel.load(written(tmp_path / "a.nii"))
    for changed in (image.slicer[2:], image.as_reoriented([[0, -1], [1, 1], [2, 1]]), image.slicer[::2]):
        nibabel.save(changed, tmp_path / "b.nii")
        with formats.read(tmp_path / "b.nii") as stored, pytest.raises(MetadataError):
            stored.description.key("cxyz", stored.array.shape)


def test_axes_that_contradict_the_place_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        file["voxels"].dims[1].label = "z"
        file["voxels"].dims[3].label = "x"
    with pytest.raises(MetadataError), formats.read(path):
        pass


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system cannot reserve space")
@pytest.mark.parametrize("suffix", [".npy", ".tif", ".h5"])
def test_a_file_has_its_space_before_voxels_come(tmp_path: Path, suffix: str) -> None:
    with formats.create(tmp_path / f"a{suffix}", (1, 64, 64, 64), np.dtype("uint16"), Description("cxyz")):
        (part,) = tmp_path.glob(".*/a.*")
        assert part.stat().st_blocks * 512 >= 64**3 * 2


@pytest.mark.parametrize("suffix", [".npy", ".tif", ".h5"])
def test_a_system_that_cannot_reserve_space_is_asked_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(OSError, match=r"write \S*a\.\w+: expected space for"):
        written(tmp_path / f"a{suffix}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".npy", ".h5", ".zarr"])
def test_a_reversed_axis_is_changed_in_place(tmp_path: Path, suffix: str) -> None:
    path = written(tmp_path / f"a{suffix}", offset=(0, 4, 0, 0), step=(1, -1, 1, 1))
    with pyvolume.open(path, "r+") as volume:
        volume[0, 0, 2] = 9
    with pyvolume.open(path) as volume:
        expected = VOXELS.copy() if suffix == ".npy" else VOXELS[:, ::-1].copy()
        expected[0, 0, 2] = 9
        np.testing.assert_array_equal(volume[...], expected)
