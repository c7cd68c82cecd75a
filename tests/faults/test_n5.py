"""Folders of N5 that somebody broke: one clear error that names the path, and what was there stays."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from n5_by_hand import write_dataset

import pyvolume
from pyvolume.errors import AnswerError, MetadataError, PyVolumeError, UnsupportedError

ROOT = Path(__file__).parents[2]
VOXELS = np.arange(12 * 10 * 8, dtype="uint16").reshape(12, 10, 8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_dataset(tmp_path / "x.n5" / "raw", VOXELS, (4, 4, 4))
    return tmp_path / "x.n5" / "raw"


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\0\0\3", bytes(16), bytes(99), b"\x89PNG\r\n\x1a\n" * 9])
def test_a_block_that_is_none_names_its_file(path: Path, data: bytes) -> None:
    (path / "1" / "1" / "0").write_bytes(data)
    volume = pyvolume.open(path)
    with pytest.raises(AnswerError, match=r"read the block .*/x\.n5/raw/1/1/0: expected"):
        volume[...]
    np.testing.assert_array_equal(volume[0, :4], VOXELS[:4], strict=True)


def test_a_block_that_is_cut_leaves_the_file_as_it_is(path: Path) -> None:
    block = path / "1" / "1" / "0"
    block.write_bytes(block.read_bytes()[:-5])
    before = block.read_bytes()
    with pyvolume.open(path, "r+") as volume:
        with pytest.raises(AnswerError, match=r"/raw/1/1/0: expected .* cut short"):
            volume[0, 5, 5, 1] = 3  # the block would be completed with what cannot be read
        assert block.read_bytes() == before
        volume[0, 4:8, 4:8, :4] = 3
        np.testing.assert_array_equal(volume[0, 4:8, 4:8, :4], np.full((4, 4, 4), 3, "uint16"), strict=True)


HUGE = 10**30

ATTRIBUTES: list[tuple[dict[str, Any], type[PyVolumeError], str]] = [
    ({"dimensions": [HUGE, 10, 8]}, MetadataError, "n5-dataset-1 at \\$.dimensions"),
    ({"dimensions": [-1, 10, 8]}, MetadataError, "n5-dataset-1"),
    ({"dimensions": [12.0, 10, 8]}, MetadataError, "n5-dataset-1"),
    ({"dimensions": [1] * 99}, MetadataError, "n5-dataset-1"),
    ({"dimensions": []}, MetadataError, "n5-dataset-1"),
    ({"dimensions": "many"}, MetadataError, "n5-dataset-1"),
    ({"blockSize": [0, 4, 4]}, MetadataError, "n5-dataset-1 at \\$.blockSize"),
    ({"blockSize": [2**31 - 1] * 3}, MetadataError, "blocks of up to 2 GiB"),
    ({"blockSize": [4, 4]}, MetadataError, "one length and found 3 and 2"),
    ({"blockSize": None}, MetadataError, "n5-dataset-1"),
    ({"dataType": "object"}, UnsupportedError, "a dataType of numbers"),
    ({"dataType": 8}, MetadataError, "n5-dataset-1"),
    ({"compression": {"type": "jpeg"}}, UnsupportedError, "n5-jpeg"),
    ({"compression": {"type": "gzip", "useZlib": 7}}, MetadataError, "useZlib"),
    ({"compression": 3}, MetadataError, "n5-dataset-1"),
    ({"n5": "9.0.0"}, UnsupportedError, "N5 up to version 4 and found '9.0.0'"),
]


@pytest.mark.parametrize(("changed", "error", "message"), ATTRIBUTES)
def test_attributes_that_cannot_be_are_one_sentence(
    path: Path, changed: dict[str, Any], error: type[Exception], message: str
) -> None:
    home = path.parent if "n5" in changed else path
    before = json.loads((path / "attributes.json").read_text()) if home == path else {}
    (home / "attributes.json").write_text(json.dumps(before | changed))
    with pytest.raises(error, match=message) as caught:
        pyvolume.open(path)
    assert "\n" not in str(caught.value)
    assert str(home) in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1]", "null", '{"a": 1, "a": 2}', "[" * 100_000, '{"dimensions": %s}' % ("9" * 5000), "\xff\xfe"],
    ids=range(8),
)
def test_attributes_that_are_no_json_object_are_one_sentence(path: Path, text: str) -> None:
    (path / "attributes.json").write_text(text, "latin-1")
    with pytest.raises(MetadataError, match=r"read .*/raw/attributes\.json: ") as caught:
        pyvolume.open(path)
    assert "\n" not in str(caught.value)


def test_a_huge_volume_opens_at_once_and_takes_no_memory(path: Path) -> None:
    attributes = json.loads((path / "attributes.json").read_text())
    (path / "attributes.json").write_text(json.dumps(attributes | {"dimensions": [2**53, 2**53, 8]}))
    volume = pyvolume.open(path)
    assert volume.shape == (1, 2**53, 2**53, 8)
    np.testing.assert_array_equal(volume[0, :12, :8], VOXELS[:, :8], strict=True)
    assert not volume[0, 2**52 : 2**52 + 3, 2**52].any()


def test_a_link_to_nothing_is_no_missing_block(path: Path) -> None:
    (path / "1" / "1" / "0").unlink()
    (path / "1" / "1" / "0").symlink_to("nowhere")
    with pytest.raises(AnswerError, match="link"):
        pyvolume.open(path)[...]


def test_what_another_writer_leaves_beside_blocks_is_not_read(path: Path) -> None:
    (path / "1" / "1" / ".0-12345678.part").write_bytes(b"half")
    np.testing.assert_array_equal(pyvolume.open(path)[0], VOXELS, strict=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a disk of its own, with little space."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={1 << 20}", "tmpfs", str(folder)]
    mounted = shutil.which("mount") and subprocess.run(command, capture_output=True, check=False).returncode == 0
    if not mounted:
        pytest.skip("only the administrator can mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> None:
    """Write until there is no space."""
    with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))


def made(path: Path) -> pyvolume.Volume:
    from pyvolume.n5.driver import DRIVER

    metadata = pyvolume.VoxelsMetadata.of((1, 64, 64, 64), "uint8")
    return DRIVER.create(str(path), metadata, chunks=(1, 32, 32, 32), compression="raw")


def test_a_disk_that_fills_in_the_middle_of_a_write_is_told(small_disk: Path) -> None:
    volume = made(small_disk / "x.n5" / "raw")
    volume[...] = 1
    fill(small_disk)
    with pytest.raises(OSError, match=r"write .*/disk/x\.n5/raw/\d/\d/\d: No space left") as caught:
        volume[...] = 2
    assert caught.value.errno == 28
    assert {*np.unique(volume[...])} <= {1, 2}  # each block is the old one or the new one
    assert not list(small_disk.rglob("*.part"))
    (small_disk / "filler").unlink()
    volume[...] = 2
    assert volume[...].min() == 2


def test_a_full_disk_leaves_no_half_of_a_new_dataset(small_disk: Path) -> None:
    fill(small_disk)
    with pytest.raises(OSError, match="No space left"):
        made(small_disk / "y.n5" / "raw")
    assert not list(small_disk.rglob("raw"))


KILLED = """
import sys, threading, os
import numpy as np, pyvolume
volume = pyvolume.open(sys.argv[1], "r+")
threading.Timer(float(sys.argv[2]), lambda: os._exit(9)).start()
number = 0
while True:
    number += 1
    volume[...] = number % 250 + 1
"""


@pytest.mark.parametrize("seconds", ["0.02", "0.05", "0.1"])
def test_a_writer_that_is_killed_leaves_whole_blocks(tmp_path: Path, seconds: str) -> None:
    volume = made(tmp_path / "x.n5" / "raw")
    volume[...] = 1
    command = [sys.executable, "-c", KILLED, str(tmp_path / "x.n5" / "raw"), seconds]
    assert subprocess.run(command, cwd=ROOT, check=False, timeout=60).returncode == 9
    for box in volume.blocks(shape=(1, 32, 32, 32)):
        assert np.unique(volume.read(box)).size == 1
