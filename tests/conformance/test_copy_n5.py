"""Copies from folders of N5 to every other kind of store, voxel for voxel, by Python and by the command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command import run_command
from conformance_stores import DataStoreBackend, DvidBackend, ramp
from n5_by_hand import write_dataset, write_image, write_version

import pyvolume

SHAPE = (1, 40, 24, 20)
VOXELS = ramp(SHAPE, "uint16")


def dataset(folder: Path) -> str:
    write_dataset(folder / "x.n5" / "raw", VOXELS[0], (16, 16, 16), "xz")
    return str(folder / "x.n5" / "raw")


def image(folder: Path) -> str:
    write_image(folder / "dataset.xml", {(0, 0, 7): VOXELS[0]}, n5="dataset.n5")
    return f"{folder / 'dataset.xml'}?timepoint=7&angle=0"


def version(folder: Path) -> str:
    for number, value in enumerate((VOXELS[0], VOXELS[0] + 1)):
        write_version(folder / "UUID", number, {(0, 0, 7): value})
    return f"n5://{folder}/UUID?version=0&timepoint=7&angle=0"


SOURCES = [dataset, image, version]
from_all = pytest.mark.parametrize("source", SOURCES)


def same(actual: object) -> None:
    np.testing.assert_array_equal(actual, VOXELS, strict=True)


@from_all
@pytest.mark.parametrize("kind", ["mock_backend", "hpc_backend", "n5_backend", "memory"])
def test_a_folder_is_copied(
    source: Callable[[Path], str], kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    empty = np.zeros(SHAPE, "uint16")
    target = pyvolume.from_array(empty) if kind == "memory" else request.getfixturevalue(kind).new(empty)
    with pyvolume.open(source(tmp_path)) as opened:
        pyvolume.copy(opened, target, verify=True)
        assert not pyvolume.compare(opened, target)
    same(target[...])


@from_all
def test_the_command_copies_a_folder_to_dvid(
    source: Callable[[Path], str], mock_backend: DvidBackend, tmp_path: Path
) -> None:
    target = mock_backend.new(np.zeros(SHAPE, "uint16"))
    run("cp", source(tmp_path), target.store.address)
    same(target[...])


@from_all
def test_the_command_copies_a_folder_to_a_datastore(
    source: Callable[[Path], str], hpc_backend: DataStoreBackend, tmp_path: Path
) -> None:
    target = hpc_backend.new(np.zeros(SHAPE, "uint16"))
    run("cp", source(tmp_path), target.store.address)
    same(target[...])


def test_the_command_copies_into_a_dataset_and_shows_it(tmp_path: Path) -> None:
    from pyvolume.n5.driver import DRIVER

    target = tmp_path / "y.n5" / "raw"
    DRIVER.create(str(target), pyvolume.VoxelsMetadata.of(SHAPE, "uint16"))
    run("cp", dataset(tmp_path), str(target))
    same(pyvolume.open(target)[...])
    assert "raw" in run("ls", str(tmp_path / "y.n5"))
    assert "datasets" in run("info", str(tmp_path / "y.n5"))
    assert "uint16" in run("info", str(target))
    run("get", f"{target}[:, 3:9]", str(tmp_path / "cut.npy"))
    np.testing.assert_array_equal(np.load(tmp_path / "cut.npy"), VOXELS[:, 3:9], strict=True)


def run(*arguments: str) -> str:
    done = run_command(*arguments)
    assert done.code == 0, done.err
    return done.out
