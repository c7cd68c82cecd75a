"""The layers of napari: their type, their axes, where they lie, and which voxels they ask for."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from conformance_stores import ramp
from numpy.typing import NDArray

import pyvolume
from pyvolume.errors import SelectionError, UnsupportedError
from pyvolume.integrations.napari import LayerData, layers_of
from pyvolume.volume import transfer_of

pytest.importorskip("dask", reason="dask comes with the extra 'napari'")


def layers(volume: pyvolume.Volume) -> list[LayerData]:
    return layers_of("cells", [transfer_of(volume, "show")], {"url": "memory"})


def described(voxels: NDArray[Any], dims: str, **facts: Any) -> pyvolume.Volume:
    """Return a volume of which more is said than an array can say."""
    metadata = pyvolume.VoxelsMetadata.of(voxels.shape, voxels.dtype, dims=dims, **facts)
    return pyvolume.Volume(pyvolume.from_array(voxels, dims).store, metadata)


def test_an_image_has_the_axes_that_napari_shows_and_says_where_it_lies() -> None:
    voxels = ramp((1, 6, 5, 4), "uint16")
    volume = described(voxels, "cxyz", resolution=(0.5, 0.5, 2), units="micrometers")
    ((data, options, kind),) = layers(volume)
    np.testing.assert_array_equal(data, voxels[0].T, strict=True)
    assert kind == "image"
    assert options == {
        "name": "cells",
        "scale": [2.0, 0.5, 0.5],
        "translate": [0.0, 0.0, 0.0],
        "units": ["µm", "µm", "µm"],
        "axis_labels": ["z", "y", "x"],
        "multiscale": False,
        "rgb": False,
        "metadata": {"url": "memory"},
    }


def test_time_comes_before_other_axes() -> None:
    voxels = ramp((1, 6, 5, 4, 3, 2), "uint8")
    volume = described(voxels, "cxyzat", resolution=(1, 1, 1, 45, 2.5), units=("nm", "nm", "nm", "degrees", "seconds"))
    ((data, options, _),) = layers(volume)
    np.testing.assert_array_equal(data, np.einsum("cxyzat->tazyx", voxels), strict=True)
    assert options["axis_labels"] == ["t", "a", "z", "y", "x"]
    assert options["scale"] == [2.5, 45.0, 1.0, 1.0, 1.0]
    assert options["units"] == ["s", "pixel", "nm", "nm", "nm"]


def test_a_layer_begins_at_the_first_voxel_of_the_bounds() -> None:
    volume = pyvolume.from_array(np.zeros((1, 0, 0, 0), "uint8"), growable=True)
    volume.write(((0, -4, 6, 2), (1, 6, 14, 5)), ramp((1, 10, 8, 3)))
    told = dataclasses.replace(volume.metadata, resolution=(0.5, 2.0, 4.0))
    ((data, options, _),) = layers(pyvolume.Volume(volume.store, told))
    assert options["translate"] == [8.0, 12.0, -2.0]
    np.testing.assert_array_equal(data, volume.absolute[0].T)


@pytest.mark.parametrize("dtype", ["int32", "uint32", "int64", "uint64"])
def test_integers_of_32_and_64_bits_are_labels(dtype: str) -> None:
    ((data, options, kind),) = layers(pyvolume.from_array(ramp((1, 6, 5, 4), dtype)))
    assert (kind, data.dtype) == ("labels", dtype)
    assert "rgb" not in options


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "uint16", "float32", "float64"])
def test_other_voxels_are_an_image(dtype: str) -> None:
    ((_, _, kind),) = layers(pyvolume.from_array(np.zeros((1, 6, 5, 4), dtype)))
    assert kind == "image"


def test_napari_splits_an_image_into_its_channels() -> None:
    voxels = ramp((2, 6, 5, 4), "uint16")
    ((data, options, _),) = layers(described(voxels, "cxyz", labels={"c": ["DAPI", ""]}))
    np.testing.assert_array_equal(data, np.einsum("cxyz->czyx", voxels))
    assert (options["channel_axis"], options["name"]) == (0, ["cells DAPI", "cells 1"])
    assert len(options["scale"]) == 3


def test_each_channel_of_labels_is_a_layer() -> None:
    voxels = ramp((2, 6, 5, 4), "uint64")
    found = layers(described(voxels, "cxyz", labels={"c": ["cells", "nuclei"]}))
    assert [(options["name"], kind) for _, options, kind in found] == [
        ("cells cells", "labels"),
        ("cells nuclei", "labels"),
    ]
    for (data, _, _), channel in zip(found, voxels, strict=True):
        np.testing.assert_array_equal(data, channel.T, strict=True)


@pytest.mark.parametrize("names", [["Red", "Green", "Blue"], ["red", "green", "blue", "alpha"]])
def test_channels_that_are_a_color_stay_together(names: list[str]) -> None:
    voxels = ramp((len(names), 6, 5, 4), "uint8")
    ((data, options, kind),) = layers(described(voxels, "cxyz", labels={"c": names}))
    assert (options["rgb"], options["name"], kind) == (True, "cells", "image")
    np.testing.assert_array_equal(data, voxels.T, strict=True)


def test_a_volume_without_a_plane_is_refused() -> None:
    with pytest.raises(
        UnsupportedError, match="show cells in napari: expected a plane of voxels and found the axis x only"
    ):
        layers(pyvolume.from_array(ramp((1, 6), "uint8"), "cx"))


def test_an_empty_volume_is_refused() -> None:
    with pytest.raises(SelectionError, match="show cells in napari: expected voxels and found the empty bounds"):
        layers(pyvolume.from_array(np.zeros((1, 0, 5, 4), "uint8")))


def test_chunks_are_one_block_thick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyvolume.integrations.napari.CHUNK_BYTES", 4 * 16**3)
    volume = pyvolume.from_array(np.zeros((1, 100, 60, 40), "uint8"), block_shape=(16, 16, 16))
    ((data, _, _),) = layers(volume)
    assert data.chunks == ((16, 16, 8), (32, 28), (32, 32, 32, 4))


@pytest.mark.parametrize(("dtype", "channels"), [("uint8", 1), ("uint64", 2), ("uint16", 2)])
def test_no_task_is_made_before_it_is_computed(dtype: str, channels: int) -> None:
    from dask.highlevelgraph import MaterializedLayer

    volume = pyvolume.from_array(np.zeros((channels, 64, 64, 64), dtype), block_shape=(8, 8, 8))
    for data, _, _ in layers(volume):
        made = [layer for layer in data.dask.layers.values() if isinstance(layer, MaterializedLayer)]
        assert made == []
