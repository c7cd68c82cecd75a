"""A full disk is one sentence, and leaves nothing: no crash, no half of a file, no process that is killed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr

ROOT = Path(__file__).parents[2]
SPACE = 1 << 20
SHAPE = (1, 160, 128, 96)  # more than the space
SUFFIXES = ["npy", "npz", "h5", "tif", "ome.tif", "nii", "nii.gz", "zarr", "zarr.zip", "png", "jpg"]
RESERVED = ["npy", "h5", "tif", "ome.tif"]

# what crashes may only end a process of its own; each line that it prints is the outcome of one file
WRITING = """
import json, os, resource, sys
from pathlib import Path
import h5py, numpy as np, zarr
import pyvolume
from pyvolume.files import formats
from pyvolume.files.description import Description

folder, limit, suffixes = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

def voxels(shape):
    return np.random.default_rng(0).integers(0, 256, shape, "uint8")

def made(path):
    axes, shape = ("xy", (1500, 1400)) if path.suffix in {".png", ".jpg"} else ("cxyz", SHAPE)
    with formats.create(path, shape, np.dtype("uint8"), Description(axes)) as target:
        for at in range(0, shape[-1], 32):
            stop = min(at + 32, shape[-1])
            place = (*(slice(0, n) for n in shape[:-1]), slice(at, stop))
            target[place] = voxels((*shape[:-1], stop - at))

def filled_in_the_middle(path):
    shape = (1, 64, 64, 32)
    with formats.create(path, shape, np.dtype("uint8"), Description("cxyz")) as target:
        filler = folder / "filler"
        try:
            with open(filler, "wb", buffering=0) as file:
                while file.write(bytes(4096)):
                    pass
        except OSError:
            pass
        try:
            target[:, :, :, :] = voxels(shape)
        finally:
            filler.unlink()

def changed(path):
    try:
        with pyvolume.open(path, "r+") as volume:
            pyvolume.copy(voxels(volume.shape), volume)
    finally:
        with pyvolume.open(path) as volume:  # still readable
            volume[:, :1, :1, :1]

for suffix in suffixes:
    path = folder / f"cut.{suffix}"
    try:
        ACTION(path)
        outcome = "done"
    except Exception as error:
        outcome = f"{type(error).__name__} {error.errno if isinstance(error, OSError) else ''} {error}"
    print(json.dumps([suffix, outcome, sorted(os.listdir(folder))]), flush=True)
"""


def outcomes(folder: Path, action: str, suffixes: list[str], *, limit: int = 0) -> list[tuple[str, str, list[str]]]:
    script = WRITING.replace("ACTION", action).replace("SHAPE", str(SHAPE))
    # -B: Python would keep the first part of a compiled module where files cannot be larger
    command = [sys.executable, "-B", "-X", "faulthandler", "-c", script, str(folder), str(limit), *suffixes]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a disk of its own, with little space."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SPACE}", "tmpfs", str(folder)]
    mounted = shutil.which("mount") and subprocess.run(command, capture_output=True, check=False).returncode == 0
    if not mounted:
        pytest.skip("only the administrator can mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def check_refused(found: list[tuple[str, str, list[str]]], number: str) -> None:
    assert [suffix for suffix, _, _ in found] == SUFFIXES
    for suffix, outcome, left in found:
        assert f"OSError {number}" in outcome, (suffix, outcome)
        assert f"cut.{suffix}: " in outcome
        assert "\n" not in outcome
        assert left == []


def test_a_file_that_may_not_be_so_long_is_refused(tmp_path: Path) -> None:
    check_refused(outcomes(tmp_path, "made", SUFFIXES, limit=1 << 16), "27")


def test_a_disk_that_is_too_small_is_told(small_disk: Path) -> None:
    check_refused(outcomes(small_disk, "made", SUFFIXES), "28")


def test_a_disk_that_others_fill_in_the_middle_has_the_space_that_was_taken(small_disk: Path) -> None:
    found = outcomes(small_disk, "filled_in_the_middle", RESERVED)
    assert [(suffix, outcome) for suffix, outcome, _ in found] == [(suffix, "done") for suffix in RESERVED]
    assert {each.name for each in small_disk.iterdir()} == {f"cut.{suffix}" for suffix in RESERVED}


def test_a_folder_of_chunks_on_a_disk_that_others_fill_is_removed(small_disk: Path) -> None:
    ((_, outcome, left),) = outcomes(small_disk, "filled_in_the_middle", ["zarr"])
    assert "OSError 28" in outcome
    assert left == []


def test_files_that_are_written_in_place_stay_readable_on_a_full_disk(small_disk: Path) -> None:
    np.lib.format.open_memmap(small_disk / "cut.npy", "w+", np.uint8, SHAPE)
    zarr.create_array(str(small_disk / "cut.zarr"), shape=SHAPE, dtype="uint8", chunks=(1, 32, 32, 32))
    for name, chunks in (("cut.h5", (1, 32, 32, 32)), ("whole.h5", None)):
        with h5py.File(small_disk / name, "w") as file:
            file.create_dataset("voxels", SHAPE, "uint8", chunks=chunks)
    (small_disk / "whole.h5").rename(small_disk / "cut.hdf5")
    for suffix, outcome, _ in outcomes(small_disk, "changed", ["npy", "h5", "hdf5", "zarr"]):
        assert re.search(r"write voxels .*of file:///", outcome), (suffix, outcome)
        assert "No space left" in outcome or "are free" in outcome
        assert "\n" not in outcome
        shutil.rmtree(small_disk / f"cut.{suffix}", ignore_errors=True)
