"""The neutral words of every volume: what it says of itself, boxes by coordinates, absolute coordinates."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from conformance_stores import ramp

import pyvolume
from pyvolume import Box
from pyvolume.errors import SelectionError, UnsupportedError


@pytest.fixture
def far() -> pyvolume.Volume:
    """A volume whose voxels begin far from 0."""
    volume = pyvolume.from_array(np.zeros((1, 0, 0, 0), "uint8"), growable=True, block_shape=(8, 8, 8))
    volume.write(Box((0, 6000, 6000, 6000), (1, 6008, 6008, 6008)), ramp((1, 8, 8, 8)))
    return volume


def test_what_is_stored_is_told_apart_from_the_shape(far: pyvolume.Volume) -> None:
    assert (far.origin, far.stored_shape, far.stored_nbytes) == ((0, 6000, 6000, 6000), (1, 8, 8, 8), 512)
    assert far.shape == (1, 6008, 6008, 6008)


def test_an_array_of_mostly_nothing_is_refused(far: pyvolume.Volume) -> None:
    with pytest.raises(UnsupportedError, match="bounds"):
        np.asarray(far)
    assert (far.read(far.bounds) == ramp((1, 8, 8, 8))).all()


@pytest.mark.parametrize(
    ("shape", "blocks", "chunks"),
    [
        ((1, 100, 100, 100), (64, 64, 32), (1, 64, 64, 32)),
        ((3, 10, 100, 5), (64, 64, 32), (1, 10, 64, 5)),
        ((1, 10, 20, 30), None, (1, 10, 20, 30)),
        ((1, 10, 20), (10, 1), (1, 10, 1)),
        ((1, 0, 0, 0), (64, 64, 32), (1, 64, 64, 32)),
        ((1, 0, 0, 0), None, (1, 1, 1, 1)),
    ],
)
def test_chunks_are_the_blocks_as_far_as_the_volume_goes(shape: Any, blocks: Any, chunks: Any) -> None:
    dims = "cxyz"[: len(shape)]
    assert pyvolume.from_array(np.zeros(shape, "uint8"), dims, block_shape=blocks).chunks == chunks


def test_the_facts_are_json() -> None:
    volume = pyvolume.from_array(ramp((1, 4, 5, 6)), block_shape=(2, 2, 2))
    facts = volume.describe()
    assert json.loads(json.dumps(facts)) == facts
    assert (facts["dims"], facts["stop"], facts["chunks"], facts["bytes"]) == (
        list("cxyz"), [1, 4, 5, 6], [1, 2, 2, 2], 120
    )  # fmt: skip


BOX = Box((0, 1, 0, 2), (1, 3, 2, 4))


@pytest.mark.parametrize("box", [BOX, (BOX.start, BOX.stop), (list(BOX.start), np.array(BOX.stop))])
def test_a_box_or_two_corners_are_read_and_written(box: Any) -> None:
    array = ramp((1, 4, 5, 6))
    volume = pyvolume.from_array(array.copy())
    out = np.zeros(BOX.shape, "uint8", order="F")
    assert volume.read(box, out) is out
    assert (out == array[:, 1:3, 0:2, 2:4]).all()
    volume.write(box, out + 1)
    assert (volume.read(box) == out + 1).all()


def test_pydvids_names_take_a_box_too() -> None:
    volume = pyvolume.from_array(ramp((1, 4, 5, 6)))
    same = volume.get_ndarray(BOX.start, BOX.stop)
    assert (volume.get_ndarray(BOX) == same).all()
    volume.post_ndarray(BOX, array=same + 1)
    assert (volume.get_ndarray(BOX) == same + 1).all()
    for corners in ((BOX, BOX.stop), (BOX.start,)):
        with pytest.raises(TypeError, match="stop"):
            volume.get_ndarray(*corners)


@pytest.mark.parametrize("box", [5, (1, 2, 3), ((0, 0), (1, 1)), "ab", Box((0, 0), (1, 1))])
def test_what_is_no_box_of_the_volume_is_refused(box: Any) -> None:
    with pytest.raises(SelectionError):
        pyvolume.from_array(ramp((1, 4, 5, 6))).read(box)


def test_dask_names_a_volume_that_can_change_by_the_object() -> None:
    tokenize = pytest.importorskip("dask.base", reason="dask comes with the extra 'test'").tokenize
    volume, other = (pyvolume.from_array(ramp((1, 4, 5, 6))) for _ in range(2))
    assert tokenize(volume) == tokenize(volume)
    assert tokenize(volume) != tokenize(other)


def test_dask_names_a_volume_that_cannot_change_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    volume = pyvolume.from_array(ramp((1, 4, 5, 6)))
    monkeypatch.setattr(volume.store, "traits", dataclasses.replace(volume.store.traits, immutable=True))
    assert volume.__dask_tokenize__() == pyvolume.Volume(volume.store, volume.metadata).__dask_tokenize__()
