"""Whole segmentations that are written as the server's own blocks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance_stores import DvidBackend
from label_stores import BIG, Labels, cubes, empty_labels, halved, new_labels

import pyvolume
from pyvolume import Box
from pyvolume.dvid import LabelVolume
from pyvolume.errors import SelectionError, UnsupportedError, VoxelsMismatchError

SHAPE = (1, 128, 96, 160)
"""Some pieces of 4 MiB."""

BLOCKS = (32, 32, 32)


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


def sparse(shape: tuple[int, ...] = SHAPE) -> Labels:
    """Return labels with large parts that are 0, also whole blocks."""
    array = cubes(shape, side=3)
    array[:, 30:70] = 0
    array[:, :, 64:] = 0
    return array


def counted(volume: LabelVolume, array: Labels) -> None:
    """Check the sizes of all bodies."""
    volume.wait_indexed(box=volume.bounds)
    labels, counts = np.unique(array[array > 0], return_counts=True)
    same(volume.sizes(labels), counts.astype("uint64"))


def test_a_whole_volume_is_ingested_with_its_levels(dvid: DvidBackend) -> None:
    array = sparse()
    volume = empty_labels(dvid, levels=3, blocks=BLOCKS)
    assert volume.ingest(array) == array.nbytes
    assert volume.bounds == Box((0,) * 4, SHAPE)
    same(volume[...], array)
    expected = array
    for number in (1, 2):
        expected = halved(expected)
        same(volume.scale(number)[...], expected)
    counted(volume, array)
    assert LabelVolume(dvid.connection, dvid.uuid, volume.name).bounds == volume.bounds


def test_an_older_type_is_ingested_too(dvid: DvidBackend) -> None:
    array = cubes(SHAPE)
    volume = empty_labels(dvid, "labelarray", levels=2, blocks=BLOCKS)
    volume.ingest(array)
    same(volume[...], array)
    same(volume.scale(1)[...], halved(array))


def test_levels_and_index_are_left_to_somebody_else(dvid: DvidBackend) -> None:
    array = cubes(SHAPE)
    volume = empty_labels(dvid, levels=2, blocks=BLOCKS)
    volume.ingest(array, downres=False, indexing=False)
    same(volume[...], array)
    assert not volume.scale(1)[...].any()
    assert not volume.sizes([BIG + 1]).any()


def test_a_volume_and_smaller_integers_are_ingested(dvid: DvidBackend) -> None:
    array = (cubes(SHAPE) % np.uint64(BIG)).astype("uint16")
    source = pyvolume.from_array(array, block_shape=(32, 32, 32))
    volume = empty_labels(dvid)
    seen: list[pyvolume.TransferStatus] = []
    box = Box((0, 5, 7, 9), (1, 50, 60, 70))
    volume.ingest(source, box, progress=seen.append, verify=True)
    same(volume.read(box), array[box.slices_from((0,) * 4)].astype("uint64"))
    assert (volume.bounds, seen[-1].bytes_done) == (box, box.size * 8)


def test_what_was_stopped_goes_on_and_counts_no_voxel_twice(dvid: DvidBackend, tmp_path: Path) -> None:
    array = cubes(SHAPE)
    np.save(tmp_path / "source.npy", array)
    source = np.load(tmp_path / "source.npy", mmap_mode="r")
    volume = empty_labels(dvid, levels=2, blocks=BLOCKS)

    def stop(status: pyvolume.TransferStatus) -> None:
        if status.bytes_done > array.nbytes // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        volume.ingest(source, resume=tmp_path / "journal", progress=stop, concurrency=1)
    written = volume.ingest(source, resume=tmp_path / "journal")
    assert 0 < written < array.nbytes
    same(volume[...], array)
    counted(volume, array)


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda volume: volume.ingest(np.zeros((1, 8, 8, 8), "float32")), VoxelsMismatchError),
        (lambda volume: volume.ingest(np.full((1, 8, 8, 8), -1)), VoxelsMismatchError),
        (lambda volume: volume.ingest(np.zeros((2, 8, 8, 8), "uint64")), SelectionError),
        (lambda volume: volume.ingest(5), TypeError),
        (lambda volume: volume.scale(1).ingest(np.zeros((1, 8, 8, 8), "uint64")), UnsupportedError),
    ],
)
def test_what_cannot_be_ingested_is_refused(dvid: DvidBackend, act: Any, error: type[Exception]) -> None:
    volume = new_labels(dvid, cubes((1, 16, 16, 16)), levels=2)
    with pyvolume.trace() as seen, pytest.raises(error):
        act(volume)
    assert not seen.bytes_sent


def test_the_oldest_type_has_no_blocks_to_ingest(dvid: DvidBackend) -> None:
    with pytest.raises(UnsupportedError, match="labelmap"):
        empty_labels(dvid, "labelblk").ingest(np.zeros((1, 8, 8, 8), "uint64"))
