"""Voxels move between servers and the database piece by piece; a file appears when it is complete."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
from fsdb_by_hand import contents
from numpy.typing import NDArray

import pyvolume
from mockserver import Fault, MockServer
from pyvolume.dvid import VoxelsAccessor
from pyvolume.errors import BusyError, ExistsError, SelectionError, UnsupportedError
from pyvolume.local import LocalStore, Scan
from pyvolume.stores.arrays import ArrayStore, metadata_of

GRAY = np.random.default_rng(0).integers(0, 256, (1, 70, 64, 40), "uint8")


@pytest.fixture
def scan(store: LocalStore) -> Scan:
    return store.create("fern", {"species": "fern"})


def test_a_box_of_a_server_comes_and_goes(scan: Scan) -> None:
    box = ((0, 3, 5, 7), (1, 67, 50, 40))
    with MockServer({"gray": GRAY, "back": np.zeros_like(GRAY)}) as mock:
        with pyvolume.open(f"dvid://{mock.url}/:master/gray", kind=VoxelsAccessor) as gray:
            file = scan.pull(gray, "raw", "gray", box=box, metadata={"stain": "none"})
            known = file.get_metadata("pyvolume")
            assert (known["source"], known["version"]) == (gray.store.address, gray.uuid)
            assert (known["box"], known["axes"]) == ([list(corner) for corner in box], "xyz")
            assert (known["resolution"], known["units"]) == (list(gray.resolution), list(gray.units))
            assert known["sha256"] == gray.checksum(box=box)
        assert file.get_metadata("stain") == "none"
        assert file.get_metadata("voxel_size") == gray.resolution[0]
        assert file.get_metadata("origin") == [gray.resolution[0] * start for start in box[0][1:]]
        np.testing.assert_array_equal(file.read(), GRAY[0, 3:67, 5:50, 7:], strict=True)
        with file.volume() as volume:
            assert (volume.bounds.start, volume.checksum()) == (box[0], known["sha256"])
        with pyvolume.open(f"dvid://{mock.url}/:master/back", mode="r+") as back:
            file.push(back, verify=True)
            expected = np.zeros_like(GRAY)
            expected[:, 3:67, 5:50, 7:] = GRAY[:, 3:67, 5:50, 7:]
            np.testing.assert_array_equal(back[...], expected, strict=True)


@pytest.mark.parametrize("suffix", ["npz", "h5", "tif", "zarr.zip", "nii.gz"])
def test_each_format_keeps_the_place(scan: Scan, suffix: str) -> None:
    voxels = np.arange(2 * 4 * 5 * 6, dtype="uint16").reshape(2, 4, 5, 6)
    source = pyvolume.from_array(voxels)
    box = ((0, 1, 2, 3), (2, 4, 5, 6))
    file = scan.pull(source, "raw", "cut", format=suffix, box=box)
    with file.volume() as volume:
        assert volume.bounds.start == box[0]
        np.testing.assert_array_equal(volume.read(box), voxels[:, 1:4, 2:5, 3:6], strict=True)
        digest = hashlib.sha256(voxels[:, 1:4, 2:5, 3:6].tobytes(order="F")).hexdigest()
        assert file.get_metadata("pyvolume")["sha256"] == digest


def test_voxels_that_are_no_cubes_are_not_told_to_romi(scan: Scan) -> None:
    with pyvolume.create(f"fsdb://{scan.path}/raw/flat", (1, 4, 5, 6), "uint8", resolution=(4, 4, 40)) as flat:
        file = scan.pull(flat, "raw", "copy")
    assert file.get_metadata().keys() == {"pyvolume"}


def test_a_transfer_that_fails_leaves_nothing(scan: Scan) -> None:
    before = contents(scan.path.parent)
    retry = pyvolume.RetryPolicy(patience=0)
    with MockServer({"gray": GRAY}) as mock, pyvolume.open(f"dvid://{mock.url}/:master/gray", retry=retry) as gray:
        mock.faults.add(Fault("busy"))
        with pytest.raises(BusyError):
            scan.pull(gray, "raw", "gray")
    assert list(scan) == []
    assert contents(scan.path.parent) == before
    assert LocalStore(scan.path.parent).check() == []


def test_what_cannot_be_is_refused_before_voxels_move(scan: Scan) -> None:
    source = pyvolume.from_array(GRAY)
    scan.pull(source, "raw", "gray")
    calls: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({}, ExistsError, "overwrite=True"),
        ({"overwrite": True, "format": "zarr"}, UnsupportedError, "no format 'zarr' for voxels"),
        ({"overwrite": True, "format": "json"}, UnsupportedError, "no format 'json' for voxels"),
        ({"overwrite": True, "chunks": 3}, TypeError, "has no option 'chunks'"),
        ({"overwrite": True, "box": ((0,) * 4, (1, 99, 1, 1))}, SelectionError, "99"),
        ({"overwrite": True, "format": "png"}, UnsupportedError, "expected one plane"),
    ]
    for options, error, message in calls:
        with pytest.raises(error, match=message):
            scan.pull(source, "raw", "gray", **options)
    assert [each.name for each in scan["raw"].path.iterdir()] == ["gray.npy"]
    np.testing.assert_array_equal(scan.pull(source, "raw", "gray", overwrite=True).read(), GRAY[0], strict=True)


def test_pulls_share_a_batch(scan: Scan) -> None:
    source = pyvolume.from_array(GRAY)
    with scan.batch():
        scan.pull(source, "raw", "a")
        scan.pull(source, "raw", "b")
        assert list(scan) == []
    assert list(scan["raw"]) == ["a", "b"]


class Constant:
    """An array of one value, which notes how many voxels are read at once."""

    shape = (1, 256, 256, 512)
    dtype = np.dtype("uint8")

    def __init__(self) -> None:
        self.pieces: list[int] = []

    def __getitem__(self, key: tuple[slice, ...]) -> NDArray[np.uint8]:
        voxels = np.full([each.stop - each.start for each in key], 7, "uint8")
        self.pieces.append(voxels.size)
        return voxels


def test_voxels_come_piece_by_piece(scan: Scan) -> None:
    array = Constant()
    source = pyvolume.Volume(ArrayStore(array), metadata_of(array))
    file = scan.pull(source, "raw", "large")
    assert file.path.stat().st_size > 32 << 20
    assert sum(array.pieces) == 32 << 20
    assert max(array.pieces) <= 16 << 20
