"""What a handle knows of the bounds of its volume, while threads write and a store answers late or not at all."""

from __future__ import annotations

import dataclasses
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray
from watched_store import WatchedStore

import pyvolume
from pyvolume import Box, VoxelsMetadata
from pyvolume.calls.call import Call
from pyvolume.errors import LockedError, StoreError, TransportError
from pyvolume.transfer.known import Known

CELL = Box((0, 0), (1, 4))


def metadata(stop: int) -> VoxelsMetadata:
    return VoxelsMetadata.of((1, stop), "uint8")


def known(stop: int = 4) -> Known:
    return Known(metadata(stop))


def cells(*numbers: int) -> Box:
    return Box((0, min(numbers) * 4), (1, max(numbers) * 4 + 4))


def test_bounds_grow_to_the_box_that_was_written() -> None:
    handle = known()
    with handle.growing(Box((0, 2), (1, 7))):
        assert handle.metadata.bounds == CELL
    assert handle.metadata.bounds == Box((0, 0), (1, 7))


def test_bounds_hold_what_may_have_been_stored() -> None:
    for error in (KeyboardInterrupt(), TransportError("gone"), LockedError("committed").as_uncertain()):
        handle = known()
        with pytest.raises(type(error)), handle.growing(cells(1)):
            raise error
        assert handle.metadata.bounds == cells(0, 1)


def test_bounds_leave_out_what_was_refused() -> None:
    handle = known()
    with pytest.raises(LockedError), handle.growing(cells(1)):
        raise LockedError("committed")
    assert handle.metadata.bounds == CELL


def test_a_user_who_asks_gets_smaller_bounds_too() -> None:
    handle = known(12)
    handle.refresh(lambda: metadata(8))
    assert handle.metadata.bounds == cells(0, 1)


def test_an_answer_does_not_take_back_what_was_written_meanwhile() -> None:
    handle = known()

    def answer() -> VoxelsMetadata:
        handle.grow(cells(5))
        return metadata(8)

    handle.refresh(answer)
    assert handle.metadata.bounds == cells(0, 5)


def test_the_answer_to_an_earlier_question_is_late() -> None:
    handle = known()

    def answer() -> VoxelsMetadata:
        handle.refresh(lambda: dataclasses.replace(metadata(16), units=("microns",)))
        return metadata(8)

    handle.refresh(answer)
    assert handle.metadata.bounds == cells(0, 3)


def test_a_question_without_an_answer_changes_nothing() -> None:
    handle = known(12)

    def answer() -> VoxelsMetadata:
        raise TransportError("gone")

    with pytest.raises(TransportError):
        handle.refresh(answer)
    handle.refresh(lambda: metadata(8))
    assert handle.metadata.bounds == cells(0, 1)


def test_a_pickled_handle_grows_on_its_own() -> None:
    handle = known()
    other = pickle.loads(pickle.dumps(handle))
    other.grow(cells(1))
    assert (handle.metadata.bounds, other.metadata.bounds) == (CELL, cells(0, 1))


class Failing(WatchedStore):
    """A store that refuses one cell."""

    refused = cells(2)

    def write_box(self, box: Box, voxels: NDArray[np.generic], call: Call) -> None:
        if box.intersection(self.refused):
            raise LockedError("committed")
        super().write_box(box, voxels, call)


def growing_volume(kind: type[WatchedStore] = WatchedStore) -> pyvolume.Volume:
    store = kind(np.zeros((1, 4), "uint8"), (4,), growable=True, max_write_bytes=4)
    return store.volume()


def test_threads_leave_the_union_of_what_they_wrote() -> None:
    volume = growing_volume()

    def write(cell: int) -> None:
        volume[:, cell * 4 : cell * 4 + 3] = cell
        volume.refresh()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(1, 40)))
    assert volume.shape == (1, 160)


def test_a_failed_write_leaves_the_bounds_of_what_was_stored() -> None:
    volume = growing_volume(Failing)
    with pytest.raises(StoreError):
        volume[:, 2:16] = 1
    assert volume.shape == (1, 8)
    assert volume[...].tolist() == [[0, 0, 1, 1, 1, 1, 1, 1]]


def test_a_failed_copy_leaves_the_bounds_of_what_was_stored() -> None:
    volume = growing_volume(Failing)
    with pytest.raises(StoreError):
        pyvolume.copy(np.ones((1, 16), "uint8"), volume)
    assert volume.shape == (1, 8)


def test_a_write_inside_leaves_the_bounds() -> None:
    volume = pyvolume.from_array(np.zeros((1, 10, 10), "uint8"), "cxy", block_shape=(4, 4), growable=True)
    volume[...] = 1
    assert volume.shape == (1, 10, 10)


def test_bounds_end_where_the_write_ends() -> None:
    volume = pyvolume.from_array(np.zeros((1, 10, 10), "uint8"), "cxy", block_shape=(4, 4), growable=True)
    volume[:, 9:13] = 1
    volume.absolute[:, -1, 11] = 1
    assert volume.bounds == Box((0, -1, 0), (1, 13, 12))
