"""Resolution levels: each is a store with an address of its own, opened from any other."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from numpy.typing import NDArray

import pyvolume
from pyvolume.calls.call import Call
from pyvolume.errors import MetadataError, SelectionError, UnsupportedError
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.model.scales import Level, Scales
from pyvolume.stores import registry
from pyvolume.stores.base import StoreTraits, VoxelStore

FACTORS = ((1, 1, 1, 1), (1, 2, 2, 1), (1, 4, 4, 2))
FINEST = np.random.default_rng(0).integers(0, 256, (1, 16, 12, 8), "uint8")


class Pyramid:
    """A level of an image whose coarser levels leave voxels out."""

    def __init__(self, level: int) -> None:
        steps = tuple(slice(None, None, factor) for factor in FACTORS[level])
        self.level = level
        self.voxels: NDArray[Any] = FINEST[steps]
        self.address = f"pyramid://image?level={level}"
        self.traits = StoreTraits(write_grid=(1,) * 4, writable=False)

    @property
    def scales(self) -> Scales[VoxelStore]:
        levels = tuple(Level(factors, lambda n=n: Pyramid(n)) for n, factors in enumerate(FACTORS))  # type: ignore[misc]
        return Scales(levels, self.level)

    def read_metadata(self, call: Call) -> VoxelsMetadata:
        whole = pyvolume.from_array(self.voxels).metadata
        return dataclasses.replace(whole, resolution=tuple(4.0 * factor for factor in FACTORS[self.level][1:]))

    def read_box(self, box: Box, out: NDArray[Any], call: Call) -> None:
        out[...] = self.voxels[box.slices_from((0,) * 4)]

    def write_box(self, box: Box, voxels: NDArray[Any], call: Call) -> None:
        raise NotImplementedError

    def close(self) -> None:
        pass


class PyramidDriver(registry.Driver):
    """Opens ``pyramid://image?level=N``."""

    forms = "pyramid://image?level=N"

    @staticmethod
    def recognises(url: str) -> bool:
        return url.startswith("pyramid:")

    @staticmethod
    def open(url: str, mode: Literal["r", "r+"], *, partial_blocks: Any, casting: Any) -> pyvolume.Volume:
        store = Pyramid(int(parse_qs(urlsplit(url).query)["level"][0]))
        metadata = store.read_metadata(Call(pyvolume.RetryPolicy()))
        return pyvolume.Volume(store, metadata, mode=mode, partial_blocks=partial_blocks, casting=casting)


DRIVER = PyramidDriver()


@pytest.fixture
def installed_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a package with an entry point for the driver."""
    package = tmp_path / "pyramids-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Name: pyramids\nVersion: 1\n")
    (package / "entry_points.txt").write_text(f"[{registry.GROUP}]\npyramid = {__name__}:DRIVER\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.fixture
def volume() -> pyvolume.Volume:
    store = Pyramid(0)
    return pyvolume.Volume(store, store.read_metadata(Call(pyvolume.RetryPolicy())), mode="r")


@pytest.mark.parametrize("level", range(3))
def test_a_level_has_voxels_resolution_and_address_of_its_own(volume: pyvolume.Volume, level: int) -> None:
    opened = volume.scale(level)
    np.testing.assert_array_equal(opened[...], Pyramid(level).voxels, strict=True)
    assert opened.store.address == f"pyramid://image?level={level}"
    assert opened.resolution == tuple(4.0 * factor for factor in FACTORS[level][1:])


def test_the_levels_are_told_by_their_factors(volume: pyvolume.Volume) -> None:
    assert (volume.scales.factors, volume.scales.current) == (FACTORS, 0)
    assert volume.scale(2).scales.current == 2


def test_the_own_level_is_the_volume_itself(volume: pyvolume.Volume) -> None:
    assert volume.scale(0) is volume
    assert volume.scale(2).scale(0).shape == volume.shape


def test_a_level_keeps_the_options(volume: pyvolume.Volume) -> None:
    coarse = volume.scale(1)
    assert coarse.mode == "r"
    with pytest.raises(UnsupportedError):
        coarse[...] = 1


@pytest.mark.parametrize("level", [-1, 3])
def test_a_level_that_is_not_there_is_an_error(volume: pyvolume.Volume, level: int) -> None:
    with pytest.raises(SelectionError):
        volume.scale(level)


def test_two_levels_are_not_equal_without_a_request(volume: pyvolume.Volume) -> None:
    box = Box((0,) * 4, (1, 4, 3, 4))
    found = pyvolume.compare(volume, volume.scale(2), box)
    expected = FINEST[:, :4, :3, :4] != Pyramid(2).voxels[:, :4, :3, :4]
    assert bool(found)
    assert int(found.counts.sum()) == int(expected.sum())


@pytest.mark.usefixtures("installed_driver")
def test_a_driver_of_another_package_opens_an_image_with_levels() -> None:
    coarse = pyvolume.open("pyramid://image?level=0").scale(1)
    np.testing.assert_array_equal(coarse[...], FINEST[:, ::2, ::2], strict=True)
    assert (coarse.mode, coarse.scales.current, len(coarse.scales)) == ("r", 1, 3)


@pytest.mark.usefixtures("installed_driver")
def test_the_address_of_a_level_opens_this_level() -> None:
    coarse = pyvolume.open("pyramid://image?level=0").scale(2)
    again = pyvolume.open(coarse.store.address)
    np.testing.assert_array_equal(again[...], coarse[...], strict=True)
    assert again.resolution == coarse.resolution
    assert again.scale(0).shape == FINEST.shape


def test_a_volume_without_levels_has_one() -> None:
    volume: Any = pyvolume.from_array(FINEST.copy())
    assert volume.scales.factors == ((1, 1, 1, 1),)
    assert volume.scale(0) is volume


@pytest.mark.parametrize(
    "factors", [[], [(1, 2)], [(1, 1), (1, 2, 2)], [(1, 1), (1, 0.5)]], ids=["none", "not 1", "other axes", "finer"]
)
def test_levels_that_contradict_each_other_are_refused(factors: list[tuple[float, ...]]) -> None:
    with pytest.raises(MetadataError):
        Scales(tuple(Level(each, object) for each in factors))
