"""Resolution levels of OME-Zarr: what a group opens, the factors of its levels, and what they read."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance_stores import ramp

import pyvolume
from pyvolume.errors import MetadataError, UnsupportedError

zarr: Any = pytest.importorskip("zarr", reason="zarr comes with the extra 'files'")

FINE = ramp((2, 8, 24, 16), "uint16")
ARRAYS = [FINE, FINE[:, :, ::2, ::2], FINE[:, ::2, ::4, ::4]]
SCALES = [[1, 40, 8, 8], [1, 40, 16, 16], [1, 80, 32, 32]]


def image(names: Sequence[str], scales: Sequence[Sequence[float]] = SCALES) -> dict[str, Any]:
    """Return what OME-Zarr says of an image with the axes c, z, y, x."""
    sizes = scales or [[]] * len(names)
    changes = [{"coordinateTransformations": [{"type": "scale", "scale": each}]} if each else {} for each in sizes]
    axes = [{"name": "c", "type": "channel"}, *({"name": axis, "unit": "nanometer"} for axis in "zyx")]
    return {"axes": axes, "datasets": [{"path": name} | change for name, change in zip(names, changes, strict=True)]}


def write(path: Path, *images: dict[str, Any], names: Sequence[str] = "012", version: int = 3) -> Path:
    """Write the arrays of a pyramid, and what is said of them."""
    group = zarr.open_group(str(path), mode="w", zarr_format=version)
    for name, array in zip(names, ARRAYS, strict=True):
        group.create_array(name, data=array)
    said = {"multiscales": list(images)}
    group.attrs.update({"ome": said} if version == 3 else said)
    return path


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("names", ["012", ["s/0", "s/1", "s/2"], "210"])
def test_a_group_opens_the_finest_level_of_its_image(tmp_path: Path, names: Sequence[str], version: int) -> None:
    with pyvolume.open(write(tmp_path / "a.zarr", image(names), names=names, version=version)) as volume:
        np.testing.assert_array_equal(volume[...], np.einsum("czyx->cxyz", FINE), strict=True)
        assert (volume.resolution, volume.units[0]) == ((8.0, 8.0, 40.0), "nanometers")
        assert volume.scales.factors == ((1, 1, 1, 1), (1, 2, 2, 1), (1, 4, 4, 2))


def test_each_level_is_a_volume(tmp_path: Path) -> None:
    with pyvolume.open(write(tmp_path / "a.zarr", image("012"))) as volume:
        for number, array in enumerate(ARRAYS):
            level = volume.scale(number)
            np.testing.assert_array_equal(level[...], np.einsum("czyx->cxyz", array), strict=True)
            assert level.scales.current == number
            assert level.store.address.endswith(f"/a.zarr/{number}")
        assert volume.scale(2).resolution == (32.0, 32.0, 80.0)


def test_an_array_of_an_image_is_one_of_its_levels(tmp_path: Path) -> None:
    with pyvolume.open(write(tmp_path / "a.zarr", image("012")) / "1") as volume:
        assert (volume.scales.current, volume.shape) == (1, (2, 8, 12, 8))
        np.testing.assert_array_equal(volume.scale(0)[...], np.einsum("czyx->cxyz", FINE))


def test_lengths_give_the_factors_of_levels_without_sizes(tmp_path: Path) -> None:
    with pyvolume.open(write(tmp_path / "a.zarr", image("012", []))) as volume:
        assert volume.scales.factors == ((1, 1, 1, 1), (1, 2, 2, 1), (1, 4, 4, 2))


def test_a_level_can_be_pickled(tmp_path: Path) -> None:
    with pyvolume.open(write(tmp_path / "a.zarr", image("012"))) as volume:
        copied = pickle.loads(pickle.dumps(volume.scale(1)))
        assert (copied.shape, len(copied.scales), copied.scales.current) == ((2, 8, 12, 8), 3, 1)


def test_the_coarser_levels_can_be_filled(tmp_path: Path) -> None:
    with pyvolume.open(write(tmp_path / "a.zarr", image("012")), mode="r+") as volume:
        volume[...] = 7
        pyvolume.build_pyramid(volume)
        assert volume.scale(2)[...].tolist() == np.full((2, 4, 6, 4), 7).tolist()


def test_one_of_several_images_has_to_be_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zarr", image("0", SCALES[:1]), image("12", SCALES[1:]))
    with pytest.raises(UnsupportedError, match=r"expected one volume, and found 3: '0', '1', '2'"):
        pyvolume.open(path)
    with pyvolume.open(path / "2") as volume:
        assert volume.scales.factors == ((1, 1, 1, 1), (1, 2, 2, 2))


def test_levels_that_become_finer_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zarr", image("210", SCALES[::-1]))
    with pyvolume.open(path) as volume, pytest.raises(MetadataError, match="no voxels smaller than those of 2"):
        volume.scale(1)


def test_a_file_without_levels_has_one(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", FINE)
    with pyvolume.open(tmp_path / "a.npy") as volume:
        assert len(volume.scales) == 1
        assert volume.scale(0) is volume
