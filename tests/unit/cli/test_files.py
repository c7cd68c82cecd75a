"""Voxels in files: what goes in comes out, with all that is known of it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance_stores import ramp
from numpy.typing import NDArray

from pyvolume.errors import ExistsError, MetadataError, UnsupportedError
from pyvolume.files import formats
from pyvolume.files.description import Description

h5py = pytest.importorskip("h5py", reason="h5py comes with the extra 'files'")
nibabel = pytest.importorskip("nibabel", reason="nibabel comes with the extra 'files'")
pillow = pytest.importorskip("PIL.Image", reason="Pillow comes with the extra 'files'")
tifffile = pytest.importorskip("tifffile", reason="tifffile comes with the extra 'files'")
zarr = pytest.importorskip("zarr", reason="zarr comes with the extra 'files'")

SUFFIXES = ["npz", "h5", "hdf5", "tif", "ome.tif", "nii", "nii.gz", "zarr", "zarr.zip"]
DTYPES = ["uint8", "uint16", "uint32", "uint64", "float32"]

DESCRIPTION = Description(
    axes="cxyz",
    volume_axes="cxyz",
    offset=(0, 10, -20, 30),
    step=(1, 1, 1, 1),
    resolution=(4.0, 4.0, 40.0),
    units=("nanometers",) * 3,
    version="ab" * 16,
    source="dvid://http://localhost:8000/abab/gray",
)


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


def write(path: Path, voxels: NDArray[Any], description: Description = DESCRIPTION) -> None:
    with formats.create(path, voxels.shape, voxels.dtype, description) as target:
        half = voxels.shape[-1] // 2
        target[..., :half] = voxels[..., :half]
        target[..., half:] = voxels[..., half:]


@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [each for each in itertools.product(SUFFIXES, DTYPES) if each != ("ome.tif", "uint64")],
)
def test_voxels_and_description_come_back(tmp_path: Path, suffix: str, dtype: str) -> None:
    path = tmp_path / f"cut.{suffix}"
    voxels = ramp((1, 5, 6, 7), dtype)
    write(path, voxels)
    with formats.read(path) as stored:
        same(np.asarray(stored.array[...]).astype(dtype), voxels)
        assert stored.description == DESCRIPTION


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_missing_axes_and_channels_come_back(tmp_path: Path, suffix: str) -> None:
    for axes, shape in (("xy", (5, 6)), ("cxz", (4, 5, 6)), ("cxyz", (4, 3, 5, 6)), ("z", (6,))):
        path = tmp_path / f"{axes}.{suffix}"
        voxels = ramp(shape)
        described = Description(axes, "cxyz", (0, 1, 2, 3), (1, 2, 2, 2), (1.0, 2.0, 3.0), ("", "", ""))
        write(path, voxels, described)
        with formats.read(path) as stored:
            same(np.asarray(stored.array[...]), voxels)
            assert stored.description == described


def test_npy_is_the_array_and_nothing_else(tmp_path: Path) -> None:
    voxels = ramp((1, 5, 6, 7), "uint16")
    write(tmp_path / "cut.npy", voxels)
    same(np.load(tmp_path / "cut.npy"), voxels)
    with formats.read(tmp_path / "cut.npy") as stored:
        assert stored.description == Description("cxyz")


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize(("axes", "shape"), [("xy", (5, 6)), ("cxy", (1, 5, 6)), ("cxyz", (1, 1, 6, 7))])
def test_png_holds_one_plane(tmp_path: Path, dtype: str, axes: str, shape: tuple[int, ...]) -> None:
    path = tmp_path / "plane.png"
    voxels = ramp(shape, dtype)
    write(path, voxels, Description(axes, "cxyz", (0, 1, 2, 3), (1, 1, 1, 1)))
    with formats.read(path) as stored:
        same(np.asarray(stored.array), voxels.squeeze())
        key = stored.description.key("cxyz", stored.array.shape)
    assert key == Description(axes, "cxyz", (0, 1, 2, 3), (1,) * 4).key("cxyz", shape) or 1 in shape
    with pillow.open(path) as picture:
        same(np.asarray(picture).astype(dtype), voxels.squeeze().T)


def test_png_holds_four_channels(tmp_path: Path) -> None:
    voxels = ramp((4, 5, 6))
    write(tmp_path / "colour.png", voxels, Description("cxy", "cxyz", (0, 1, 2, 3), (1,) * 4))
    with formats.read(tmp_path / "colour.png") as stored:
        same(np.asarray(stored.array), voxels)
        assert stored.description.offset == (0, 1, 2, 3)


def test_jpeg_keeps_the_place_but_not_the_voxels(tmp_path: Path) -> None:
    voxels = np.full((40, 60), 90, "uint8")
    write(tmp_path / "plane.jpg", voxels, Description("xz", "cxyz", (0, 1, 2, 3), (1,) * 4))
    with formats.read(tmp_path / "plane.jpg") as stored:
        assert stored.array.shape == voxels.shape
        assert stored.description.axes == "xz"


@pytest.mark.parametrize(
    ("name", "shape", "dtype"),
    [("volume.png", (5, 6, 7), "uint8"), ("wide.png", (5, 6, 1), "uint32"), ("wide.jpg", (5, 6, 1), "uint16")],
)
def test_a_picture_refuses_what_it_cannot_hold(tmp_path: Path, name: str, shape: tuple[int, ...], dtype: str) -> None:
    with pytest.raises(UnsupportedError, match="expected one plane"):
        write(tmp_path / name, np.zeros(shape, dtype), Description("xyz"))


def test_ome_refuses_voxels_that_it_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="OME has no voxels of uint64"):
        write(tmp_path / "cut.ome.tif", ramp((1, 2, 3, 4), "uint64"))


def test_imagej_and_ome_know_the_size_of_a_voxel(tmp_path: Path) -> None:
    write(tmp_path / "cut.tif", ramp((1, 5, 6, 7)))
    with tifffile.TiffFile(tmp_path / "cut.tif") as file:
        assert file.imagej_metadata is not None
        assert (file.imagej_metadata["unit"], file.imagej_metadata["spacing"]) == ("nm", 40.0)
        assert file.series[0].axes == "ZYX"
    write(tmp_path / "cut.ome.tif", ramp((1, 5, 6, 7), "uint32"))
    with tifffile.TiffFile(tmp_path / "cut.ome.tif") as file:
        assert 'PhysicalSizeZ="40.0"' in (file.ome_metadata or "")
        assert 'PhysicalSizeZUnit="nm"' in (file.ome_metadata or "")


def test_nifti_knows_where_the_voxels_lie(tmp_path: Path) -> None:
    write(tmp_path / "cut.nii.gz", ramp((1, 5, 6, 7), "uint16"))
    image: Any = nibabel.load(tmp_path / "cut.nii.gz")
    assert image.shape == (5, 6, 7)
    assert image.header.get_xyzt_units()[0] == "mm"
    np.testing.assert_allclose(image.header.get_zooms(), (4e-6, 4e-6, 40e-6), rtol=1e-6)
    np.testing.assert_allclose(image.affine[:3, 3], (40e-6, -80e-6, 1200e-6), rtol=1e-6)


class TestForeignFiles:
    """Files of other programs have axes, and perhaps a size of the voxels."""

    def test_a_stack_of_imagej(self, tmp_path: Path) -> None:
        planes = ramp((7, 6, 5), "uint16")
        tifffile.imwrite(tmp_path / "stack.tif", planes, imagej=True, metadata={"axes": "ZYX"})
        with formats.read(tmp_path / "stack.tif") as stored:
            same(np.asarray(stored.array).astype("uint16"), planes.T[np.newaxis])

    @pytest.mark.parametrize("unit", ["um", "micron", "\\u00B5m"])
    def test_a_calibrated_stack_of_imagej(self, tmp_path: Path, unit: str) -> None:
        metadata = {"axes": "ZYX", "spacing": 1.5, "unit": unit}
        tifffile.imwrite(tmp_path / "stack.tif", ramp((7, 6, 5)), imagej=True, resolution=(4, 2), metadata=metadata)
        with formats.read(tmp_path / "stack.tif") as stored:
            assert stored.description.resolution == (0.25, 0.5, 1.5)
            assert stored.description.units == ("micrometers",) * 3

    def test_a_compressed_tiff(self, tmp_path: Path) -> None:
        planes = ramp((7, 6, 5), "uint16")
        tifffile.imwrite(tmp_path / "stack.tif", planes, compression="zlib")
        with formats.read(tmp_path / "stack.tif") as stored:
            same(np.asarray(stored.array), planes.T[np.newaxis])

    def test_an_ome_tiff_with_a_size(self, tmp_path: Path) -> None:
        metadata = {"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm"}
        tifffile.imwrite(tmp_path / "stack.ome.tif", ramp((7, 6, 5)), ome=True, metadata=metadata)
        with formats.read(tmp_path / "stack.ome.tif") as stored:
            assert stored.description.resolution[0] == 0.5
            assert stored.description.units[0] == "micrometers"

    def test_an_animation(self, tmp_path: Path) -> None:
        frames = ramp((3, 6, 5))
        tifffile.imwrite(tmp_path / "film.tif", frames, imagej=True, metadata={"axes": "TYX"})
        with formats.read(tmp_path / "film.tif") as stored:
            assert stored.description.axes == "cxyzt"
            same(np.asarray(stored.array), frames.T[np.newaxis, :, :, np.newaxis])

    def test_a_scan(self, tmp_path: Path) -> None:
        voxels = ramp((5, 6, 7), "uint16")
        image: Any = nibabel.Nifti1Image(voxels, np.diag([2.0, 2.0, 2.2, 1.0]))
        image.header.set_xyzt_units("mm")
        nibabel.save(image, tmp_path / "scan.nii.gz")
        with formats.read(tmp_path / "scan.nii.gz") as stored:
            same(np.asarray(stored.array), voxels[np.newaxis])
            assert stored.description.units == ("millimeters",) * 3
            np.testing.assert_allclose(stored.description.resolution, (2, 2, 2.2), rtol=1e-6)

    def test_one_dataset_of_another_name(self, tmp_path: Path) -> None:
        with h5py.File(tmp_path / "data.h5", "w") as file:
            file["deep/exported"] = ramp((5, 6, 7))
        with formats.read(tmp_path / "data.h5") as stored:
            same(stored.array[...], ramp((5, 6, 7)))
            assert stored.description == Description("xyz")

    def test_several_datasets_are_named(self, tmp_path: Path) -> None:
        with h5py.File(tmp_path / "data.h5", "w") as file:
            file["a"] = file["b"] = np.zeros(3)
        with pytest.raises(UnsupportedError, match=r"found \['a', 'b'\]"), formats.read(tmp_path / "data.h5"):
            pass

    def test_an_array_in_a_group_of_zarr(self, tmp_path: Path) -> None:
        group = zarr.open_group(str(tmp_path / "data.zarr"), mode="w")
        group.create_array("0", data=ramp((5, 6, 7)))
        with formats.read(tmp_path / "data.zarr") as stored:
            same(np.asarray(stored.array[...]), ramp((5, 6, 7)))

    def test_one_of_several_arrays_of_zarr(self, tmp_path: Path) -> None:
        group = zarr.open_group(str(tmp_path / "data.zarr"), mode="w")
        group.create_array("0", data=ramp((5, 6, 7)))
        group.create_array("1", data=ramp((2, 3, 3)))
        with pytest.raises(UnsupportedError, match=r"found 2: '0', '1'"), formats.read(tmp_path / "data.zarr"):
            pass
        with formats.read(tmp_path / "data.zarr" / "1") as stored:
            same(np.asarray(stored.array[...]), ramp((2, 3, 3)))

    def test_attributes_of_another_program(self, tmp_path: Path) -> None:
        with h5py.File(tmp_path / "data.h5", "w") as file:
            file.create_dataset("data", data=ramp((5, 6, 7))).attrs["axes"] = "zyx"
        with formats.read(tmp_path / "data.h5") as stored:
            assert stored.description == Description("xyz")

    def test_a_gray_png(self, tmp_path: Path) -> None:
        pillow.fromarray(ramp((6, 5))).save(tmp_path / "photo.png")
        with formats.read(tmp_path / "photo.png") as stored:
            same(np.asarray(stored.array), ramp((6, 5)).T)

    def test_a_colour_png_without_alpha_has_three_channels(self, tmp_path: Path) -> None:
        pillow.new("RGB", (4, 5), (1, 2, 3)).save(tmp_path / "photo.png")
        with formats.read(tmp_path / "photo.png") as stored:
            assert (stored.array.shape, stored.array[:, 0, 0].tolist()) == ((3, 4, 5), [1, 2, 3])


class TestAppearing:
    """A file has its name when it is complete, and not before."""

    @pytest.mark.parametrize("suffix", ["npy", *SUFFIXES, "png", "jpg"])
    def test_nothing_is_left_of_a_failure(self, tmp_path: Path, suffix: str) -> None:
        description = Description("xy", "cxyz", (0,) * 4, (1,) * 4)

        def write_half() -> None:
            with formats.create(tmp_path / f"cut.{suffix}", (5, 6), np.dtype("uint8"), description) as target:
                target[...] = 1
                raise RuntimeError("broken")

        with pytest.raises(RuntimeError, match="broken"):
            write_half()
        assert list(tmp_path.iterdir()) == []

    def test_a_file_is_replaced_only_if_that_is_said(self, tmp_path: Path) -> None:
        path = tmp_path / "cut.npz"
        write(path, ramp((1, 2, 3, 4)))
        with pytest.raises(ExistsError, match="--force"):
            write(path, ramp((1, 2, 3, 4), seed=1))
        with formats.create(path, (3,), np.dtype("uint8"), Description("x", "cxyz"), force=True) as target:
            target[...] = 7
        with formats.read(path) as stored:
            assert stored.array.tolist() == [7, 7, 7]

    def test_a_folder_is_never_replaced(self, tmp_path: Path) -> None:
        path = tmp_path / "cut.zarr"
        write(path, ramp((1, 2, 3, 4)))
        with (
            pytest.raises(ExistsError, match="exists"),
            formats.create(path, (3,), np.dtype("uint8"), Description("x"), force=True),
        ):
            pass

    def test_a_folder_that_is_missing_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"there is no folder .*missing"):
            write(tmp_path / "missing" / "cut.h5", ramp((1, 2, 3, 4)))

    @pytest.mark.parametrize("suffix", ["npy", *SUFFIXES, "png", "jpg"])
    def test_a_broken_file_is_named(self, tmp_path: Path, suffix: str) -> None:
        (tmp_path / f"broken.{suffix}").write_text("neither this nor that")
        with pytest.raises(MetadataError, match=f"broken.{suffix}"), formats.read(tmp_path / f"broken.{suffix}"):
            pass

    def test_an_unknown_suffix_names_those_that_are_known(self, tmp_path: Path) -> None:
        with pytest.raises(UnsupportedError, match=r"\.ome\.tif"), formats.read(tmp_path / "cut.doc"):
            pass


class TestDescription:
    def test_an_array_without_a_place_belongs_at_0(self) -> None:
        assert Description("xyz").key("cxyz", (5, 6, 7)) == (0, slice(0, 5, 1), slice(0, 6, 1), slice(0, 7, 1))

    def test_voxels_taken_by_a_list_have_no_place(self) -> None:
        with pytest.raises(MetadataError, match="give slices"):
            Description("xyz", "cxyz", source="dvid://http://h/ab/gray").key("cxyz", (5, 6, 7))

    def test_steps_and_lost_axes_are_found_again(self) -> None:
        described = Description("xz", "cxyz", (0, 10, 20, 30), (1, 2, 1, -1))
        assert described.key("cxyz", (5, 6)) == (0, slice(10, 20, 2), 20, slice(30, 24, -1))

    def test_a_volume_of_other_axes_is_refused(self) -> None:
        with pytest.raises(MetadataError, match="expected axes of the volume"):
            Description("cxyzt").key("cxyz", (1, 2, 3, 4, 5))

    @pytest.mark.parametrize("text", ['{"axes"', '{"axes": "x", "offset": 3}', '{"axes": "x", "offset": ["a"]}'])
    def test_a_broken_text_is_refused(self, text: str) -> None:
        with pytest.raises(MetadataError, match="expected metadata that pyvolume has written"):
            Description.of_json(text, "file")

    def test_what_nobody_knows_yet_passes(self) -> None:
        assert Description.of_json('{"axes": "x", "new": 1}', "file") == Description("x")
