"""Files as volumes: what the formats wrote is opened by path, sliced, compared, copied and changed in place."""

from __future__ import annotations

import copy
import pathlib
import pickle
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

import pyvolume
from pyvolume import Box
from pyvolume.errors import AddressError, ClosedError, MetadataError, SelectionError, UnsupportedError
from pyvolume.files import formats
from pyvolume.files.description import Description
from pyvolume.stores.arrays import ArrayStore

SHAPE = (1, 9, 8, 7)
ARRAY = np.arange(np.prod(SHAPE), dtype="uint16").reshape(SHAPE)
PLACED = Description(
    "cxyz", "cxyz", offset=(0, 10, -20, 30), step=(1,) * 4, resolution=(4.0, 4.0, 8.0), units=("nanometers",) * 3
)
IN_PLACE = [".npy", ".h5", ".zarr"]
OTHERS = [".npz", ".tif", ".ome.tif", ".nii", ".nii.gz"]


def written(folder: pathlib.Path, suffix: str, array: NDArray[Any] = ARRAY, description: Description = PLACED) -> str:
    path = folder / f"cut{suffix}"
    with formats.create(path, array.shape, array.dtype, description) as target:
        target[...] = array
    return str(path)


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


@pytest.mark.parametrize("suffix", [*IN_PLACE, *OTHERS])
def test_a_file_is_a_volume(suffix: str, tmp_path: pathlib.Path) -> None:
    with pyvolume.open(written(tmp_path, suffix)) as volume:
        box = volume.bounds
        assert (volume.dtype, box.shape, volume.mode) == (np.dtype("uint16"), SHAPE, "r")
        same(volume.get_ndarray(box.start, box.stop), ARRAY)
        inner = Box([low + 1 for low in box.start[1:]], [high - 1 for high in box.stop[1:]])
        same(volume.get_ndarray((0, *inner.start), (1, *inner.stop)), ARRAY[:, 1:-1, 1:-1, 1:-1])
        assert cut_is_lasting(volume, tmp_path)


def cut_is_lasting(volume: pyvolume.Volume, folder: pathlib.Path) -> bool:
    return volume.store.traits.lasting and str(folder.resolve()) in volume.store.address


@pytest.mark.parametrize("suffix", [".h5", ".zarr", ".npz", ".tif", ".nii.gz"])
def test_it_lies_where_the_file_says(suffix: str, tmp_path: pathlib.Path) -> None:
    with pyvolume.open(written(tmp_path, suffix)) as volume:
        assert volume.bounds == Box((0, 10, -20, 30), (1, 19, -12, 37))
        assert (volume.resolution, volume.units) == ((4.0, 4.0, 8.0), ("nanometers",) * 3)


def test_a_plane_gets_the_axes_that_it_lacks(tmp_path: pathlib.Path) -> None:
    plane = Description("xy", "cxyz", offset=(0, 1, 2, 3), step=(1, 1, 1, 1))
    with pyvolume.open(written(tmp_path, ".h5", ARRAY[0, :, :, 0], plane)) as volume:
        assert volume.bounds == Box((0, 1, 2, 3), (1, 10, 10, 4))
        same(volume.get_ndarray((0, 1, 2, 3), (1, 10, 10, 4)), ARRAY[..., :1])


def test_every_nth_voxel_begins_at_zero_with_larger_voxels(tmp_path: pathlib.Path) -> None:
    thinned = Description("cxyz", "cxyz", offset=(0, 1, 2, 3), step=(1, 2, 1, 1), resolution=(4.0,) * 3)
    with pyvolume.open(written(tmp_path, ".h5", description=thinned)) as volume:
        assert (volume.bounds.start, volume.resolution) == ((0, 0, 0, 0), (8.0, 4.0, 4.0))


@pytest.mark.parametrize("suffix", IN_PLACE)
def test_a_file_is_changed_in_place(suffix: str, tmp_path: pathlib.Path) -> None:
    path = written(tmp_path, suffix, description=Description("cxyz", "cxyz"))
    with pyvolume.open(f"file://{path}", "r+") as volume:
        volume[0, 2:5, ::3] = 9
    expected = ARRAY.copy()
    expected[0, 2:5, ::3] = 9
    with pyvolume.open(path) as volume:
        same(volume[...], expected)


@pytest.mark.parametrize("suffix", OTHERS)
def test_other_formats_are_only_read(suffix: str, tmp_path: pathlib.Path) -> None:
    with pytest.raises(UnsupportedError):
        pyvolume.open(written(tmp_path, suffix), "r+")


def test_a_file_that_is_opened_for_reading_is_not_written(tmp_path: pathlib.Path) -> None:
    with pyvolume.open(written(tmp_path, ".h5")) as volume, pytest.raises(UnsupportedError):
        volume.absolute[:, 10:12] = 1


def test_voxels_outside_are_an_error(tmp_path: pathlib.Path) -> None:
    with pyvolume.open(written(tmp_path, ".h5")) as volume, pytest.raises(SelectionError):
        volume.get_ndarray((0, 0, 0, 0), (1, 1, 1, 1))


def test_closing_the_volume_closes_the_file(tmp_path: pathlib.Path) -> None:
    path = written(tmp_path, ".h5")
    pyvolume.open(path).close()
    with h5py.File(path, "a") as file:
        assert "voxels" in file


@pytest.mark.parametrize("options", [{"casting": "wrong"}, {"partial_blocks": "wrong"}])
def test_a_file_is_closed_if_an_option_is_refused(options: Any, tmp_path: pathlib.Path) -> None:
    path = written(tmp_path, ".h5")
    with pytest.raises(ValueError, match="wrong") as caught:
        pyvolume.open(path, "r+", **options)
    assert "wrong" in str(caught.value)  # what was raised keeps the frames of the call alive
    with h5py.File(path, "r") as file:
        assert file.mode == "r"  # that of the file which is open already, if there is one


def test_files_are_compared_and_copied(tmp_path: pathlib.Path) -> None:
    volume = pyvolume.from_array(np.zeros((1, 20, 8, 40), "uint16"), growable=True)
    with pyvolume.open(written(tmp_path, ".h5")) as file, pyvolume.open(written(tmp_path, ".nii.gz")) as other:
        assert not pyvolume.compare(file, other)
        pyvolume.copy(file, volume, resume=tmp_path / "journal", verify=True)
    same(volume.get_ndarray((0, 10, -20, 30), (1, 19, -12, 37)), ARRAY)


@pytest.mark.parametrize("url", ["cut.doc", "no/such.h5", "file:///no/such.npy", "cut"])
def test_what_is_no_file_of_voxels_is_refused(url: str) -> None:
    with pytest.raises((AddressError, UnsupportedError)):
        pyvolume.open(url)


@pytest.mark.parametrize("form", ["file://{}", "file:{}", "FILE:///{}"])
def test_the_url_of_a_file_opens_it(form: str, tmp_path: pathlib.Path) -> None:
    with pyvolume.open(form.format(written(tmp_path, ".h5"))) as volume:
        assert volume.bounds.shape == SHAPE


@pytest.mark.parametrize(("mode", "is_told"), [("r", False), ("r+", True)])
def test_a_file_that_is_to_be_written_first_is_made_by_get(mode: Any, is_told: bool, tmp_path: pathlib.Path) -> None:
    with pytest.raises(AddressError, match="no file") as caught:
        pyvolume.open(tmp_path / "new.h5", mode)
    assert ("pyvolume get" in str(caught.value)) is is_told


def test_a_broken_file_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "cut.h5").write_bytes(b"nothing")
    with pytest.raises(MetadataError):
        pyvolume.open(str(tmp_path / "cut.h5"))


def test_a_misspelt_option_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(TypeError):
        pyvolume.open(written(tmp_path, ".npy"), throttle=True)


@pytest.mark.parametrize("suffix", IN_PLACE)
def test_another_mode_is_refused_and_leaves_the_file_alone(suffix: str, tmp_path: pathlib.Path) -> None:
    path = written(tmp_path, suffix)
    for mode in ("w", "w+", "a", "c"):
        with pytest.raises(ValueError, match="mode"):
            pyvolume.open(path, mode)  # type: ignore[call-overload]
    with pyvolume.open(path) as volume:
        same(volume.read(volume.bounds), ARRAY)


def test_a_path_is_opened(tmp_path: pathlib.Path) -> None:
    with pyvolume.open(pathlib.Path(written(tmp_path, ".npy"))) as volume:
        same(volume[...], ARRAY)


@pytest.mark.parametrize(
    "items",
    [
        {"axes": "cxy"},
        {"axes": "czzy", "volume_axes": "czzy"},
        {"volume_axes": "xyz"},
        {"axes": "xyzt"},
        {"resolution": [1.0]},
        {"resolution": [1.0, 0.0, 1.0]},
        {"resolution": [1.0, float("nan"), 1.0]},
        {"resolution": [1.0] * 3, "units": ["nm"]},
        {"offset": [0, 1], "step": [1] * 4},
    ],
)
def test_metadata_that_does_not_fit_the_array_is_refused(items: dict[str, Any], tmp_path: pathlib.Path) -> None:
    path = tmp_path / "cut.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("voxels", data=ARRAY).attrs.update({"axes": "cxyz", "volume_axes": "cxyz", **items})
    with pytest.raises(MetadataError):
        pyvolume.open(str(path))


@pytest.mark.parametrize("suffix", [*IN_PLACE, *OTHERS])
@pytest.mark.parametrize(
    "use",
    [
        lambda volume: volume.absolute[...],
        lambda volume: volume.read(volume.bounds),
        np.asarray,
        lambda volume: volume.store.flush(),
        lambda volume: pyvolume.compare(volume, ARRAY),
    ],
)
def test_a_closed_volume_refuses_to_be_used(
    suffix: str, use: Callable[[pyvolume.Volume], object], tmp_path: pathlib.Path
) -> None:
    volume = pyvolume.open(written(tmp_path, suffix, description=Description("cxyz", "cxyz")))
    volume.close()
    volume.close()
    assert volume.shape == SHAPE
    with pytest.raises((ClosedError, AttributeError), match=r"closed|flush"):  # zarr has nothing to flush
        use(volume)


@pytest.mark.parametrize("suffix", IN_PLACE)
def test_a_closed_volume_is_not_written(suffix: str, tmp_path: pathlib.Path) -> None:
    volume = pyvolume.open(written(tmp_path, suffix, description=Description("cxyz", "cxyz")), "r+")
    volume.close()
    with pytest.raises(ClosedError):
        volume[...] = 1


@pytest.mark.parametrize("suffix", [*IN_PLACE, *OTHERS])
@pytest.mark.parametrize("copied", [lambda volume: pickle.loads(pickle.dumps(volume)), copy.deepcopy])
def test_a_pickled_volume_opens_its_file_again(
    suffix: str,
    copied: Callable[[pyvolume.Volume], pyvolume.Volume],
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pyvolume.open(pathlib.Path(written(tmp_path, suffix)).name, casting="unsafe") as volume:
        monkeypatch.chdir("/")
        other = copied(volume)
    with other:
        same(other.read(volume.bounds), ARRAY)
        assert (other.metadata, other.mode, other.store.address) == (volume.metadata, "r", volume.store.address)
    with pytest.raises(ClosedError):
        other.read(volume.bounds)


def test_the_options_of_a_volume_are_pickled(tmp_path: pathlib.Path) -> None:
    path = written(tmp_path, ".npy", description=Description("cxyz", "cxyz"))
    with pyvolume.open(path, "r+", casting="unsafe") as volume, pickle.loads(pickle.dumps(volume)) as other:
        other[0, 0, 0, 0] = 1.75
        assert volume[0, 0, 0, 0] == 1


@pytest.mark.parametrize("suffix", [".npy", ".zarr"])
def test_a_file_that_several_may_write_is_pickled_for_writing(suffix: str, tmp_path: pathlib.Path) -> None:
    path = written(tmp_path, suffix, description=Description("cxyz", "cxyz"))
    with pyvolume.open(path, "r+") as volume, pickle.loads(pickle.dumps(volume)) as other:
        other[0, 2] = 9
        assert (volume[0, 2] == 9).all()


def test_a_file_with_one_writer_is_not_pickled_for_writing(tmp_path: pathlib.Path) -> None:
    with pyvolume.open(written(tmp_path, ".h5"), "r+") as volume, pytest.raises(UnsupportedError, match="pickle"):
        pickle.dumps(volume)


def test_a_pickled_volume_whose_file_is_gone_is_refused(tmp_path: pathlib.Path) -> None:
    path = written(tmp_path, ".h5")
    with pyvolume.open(path) as volume:
        data = pickle.dumps(volume)
    pathlib.Path(path).unlink()
    with pytest.raises(AddressError, match="file"):
        pickle.loads(data)


@pytest.mark.parametrize("suffix", IN_PLACE)
def test_a_file_without_channels_is_refused(suffix: str, tmp_path: pathlib.Path) -> None:
    with pytest.raises(MetadataError, match="channel") as caught:
        pyvolume.open(written(tmp_path, suffix, np.zeros((0, 4, 3, 2), "uint8"), Description("cxyz", "cxyz")))
    assert f"cut{suffix}" in str(caught.value)


@pytest.mark.parametrize("suffix", IN_PLACE)
def test_a_file_with_an_axis_of_length_zero_is_sliced_as_numpy_does(suffix: str, tmp_path: pathlib.Path) -> None:
    expected = np.zeros((2, 0, 3, 4), "uint8")
    with pyvolume.open(written(tmp_path, suffix, expected, Description("cxyz", "cxyz")), "r+") as volume:
        volume[...] = expected
        volume[1, :, 2:] = 7
        same(volume[...], expected)
        same(volume[1, ..., 1:3], expected[1, ..., 1:3])
        same(np.asarray(volume), expected)
        same(volume.read(volume.bounds), expected)
        same(volume[:, [], :], expected[:, [], :])
        with pytest.raises(IndexError):
            volume[0, 0]
        with pytest.raises(SelectionError):
            volume[...] = np.ones((2, 1, 3, 5), "uint8")


def test_a_flushed_file_survives_the_end_of_the_process(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "grown.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("voxels", (1, 128, 64, 64), "uint8", chunks=(1, 64, 64, 64))
    with pyvolume.open(path, mode="r+") as volume:
        volume[...] = 7
        assert isinstance(volume.store, ArrayStore)
        volume.store.flush()
        killed = tmp_path / "killed.h5"
        killed.write_bytes(path.read_bytes())
    with pyvolume.open(killed) as volume:
        assert (volume[...] == 7).all()
