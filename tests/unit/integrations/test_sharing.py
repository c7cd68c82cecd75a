"""Tasks that are pickled one by one use one connection in each process."""

from __future__ import annotations

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import numpy as np
import pytest

import pyvolume
from pyvolume.integrations.dask import StoredVoxels
from pyvolume.integrations.sharing import KEPT, Shared
from pyvolume.volume import transfer_of

ARRAY = np.arange(2 * 3 * 4 * 5, dtype="uint8").reshape(2, 3, 4, 5)


@pytest.fixture
def volume() -> pyvolume.Volume:
    return pyvolume.from_array(ARRAY.copy())


def test_a_process_unpickles_a_transfer_once(volume: pyvolume.Volume) -> None:
    text, other = (pickle.dumps(Shared(transfer_of(volume, "test"))) for _ in range(2))
    first, second = pickle.loads(text), pickle.loads(text)
    assert first is second
    assert first.value.store is not volume.store
    assert pickle.loads(other).value.store is not first.value.store


def test_voxels_to_read_and_voxels_to_write_share_theirs(volume: pyvolume.Volume) -> None:
    text = pickle.dumps(StoredVoxels(volume.bounds, transfer_of(volume, "test")))
    writing, reading = pickle.loads(text), pickle.loads(text)
    writing[0:2, 0:3, 0:4, 0:5] = 255 - ARRAY
    np.testing.assert_array_equal(reading[...], 255 - ARRAY)
    np.testing.assert_array_equal(volume[...], ARRAY)


def test_few_are_kept(volume: pyvolume.Volume) -> None:
    texts = [pickle.dumps(Shared(transfer_of(volume, "test"))) for _ in range(KEPT + 1)]
    first = pickle.loads(texts[0])
    for text in texts:
        pickle.loads(text)
    assert pickle.loads(texts[0]) is not first


class Opened:
    """Notes when it is unpickled, as a file is opened; this takes long enough for other threads to come."""

    times: ClassVar[list[int]] = []

    def __reduce__(self) -> Any:
        return _open, ()


def _open() -> Opened:
    Opened.times.append(threading.get_ident())
    threading.Event().wait(0.05)
    return Opened()


def test_a_process_opens_what_is_shared_once() -> None:
    texts = [pickle.dumps(Shared(Opened(), "the same")) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(pickle.loads, texts))
    assert len(Opened.times) == len({id(each) for each in found}) == 1
