"""The table of faults: kind by kind, reading and writing, in one piece, in pieces in turn and in pieces at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from ways import Way

import pyvolume
from mockserver import Fault, MockServer
from pyvolume.errors import (
    AnswerError,
    BusyTimeoutError,
    ForbiddenError,
    NotFoundError,
    RefusedError,
    StoreError,
    TransportError,
)

RAW = r".*/raw/.*"


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


def asked(server: MockServer, method: str) -> int:
    return sum(record.method == method and "/raw/" in record.path for record in server.requests)


def add(server: MockServer, kind: str, method: str, times: int | None, **facts: Any) -> None:
    server.faults.add(Fault(kind, times=times, method=method, path=RAW, **facts))


def covered(boxes: Iterable[pyvolume.Box], shape: tuple[int, ...]) -> NDArray[Any]:
    """Count for each voxel in how many of the boxes it is."""
    counts = np.zeros(shape, int)
    for box in boxes:
        counts[box.slices_from((0,) * len(shape))] += 1
    return counts


RECOVERS = [("busy", 3), ("truncate", 3), ("reset", 3), ("close", 3), ("stall", 1), ("slow", 1), ("garbage", 3),
            ("short", 1), ("long", 1), ("html", 1), ("redirect", 1)]  # fmt: skip


@pytest.mark.parametrize(("kind", "times"), RECOVERS)
def test_a_read_recovers(
    server: MockServer,
    patient_volume: pyvolume.dvid.VoxelsAccessor,
    array: NDArray[Any],
    way: Way,
    kind: str,
    times: int,
) -> None:
    add(server, kind, "GET", times, **({"pause": 0.001} if kind == "slow" else {}))
    same(patient_volume[...], array)
    assert asked(server, "GET") == way.pieces + (times if kind != "slow" else 0)


@pytest.mark.parametrize(
    ("kind", "error"),
    [("busy", BusyTimeoutError), ("truncate", TransportError), ("reset", TransportError), ("close", TransportError),
     ("stall", TransportError), ("garbage", TransportError), ("short", AnswerError), ("long", AnswerError),
     ("html", AnswerError), ("redirect", AnswerError)],
)  # fmt: skip
def test_a_read_gives_up_with_the_error_of_its_fault(
    server: MockServer, volume: pyvolume.dvid.VoxelsAccessor, array: NDArray[Any], kind: str, error: type[StoreError]
) -> None:
    add(server, kind, "GET", None)
    with pytest.raises(error) as caught:
        volume[...]
    assert type(caught.value) is error
    assert (covered(caught.value.remaining, array.shape) == 1).all()
    server.faults.clear()
    same(volume[...], array)


@pytest.mark.parametrize("kind", ["short", "long", "html", "redirect"])
def test_a_broken_agreement_is_asked_about_once_more_only(
    server: MockServer, volume: pyvolume.dvid.VoxelsAccessor, way: Way, kind: str
) -> None:
    add(server, kind, "GET", None)
    with pytest.raises(AnswerError):
        volume[...]
    assert asked(server, "GET") in way.counts(2)


STATUSES = [(400, RefusedError), (401, ForbiddenError), (403, ForbiddenError), (404, NotFoundError),
            (429, ForbiddenError), (500, RefusedError)]  # fmt: skip


@pytest.mark.parametrize(("status", "error"), STATUSES)
def test_an_error_status_ends_a_read_at_once(
    server: MockServer, volume: pyvolume.dvid.VoxelsAccessor, way: Way, status: int, error: type[StoreError]
) -> None:
    add(server, "error", "GET", None, status=status)
    with pytest.raises(error) as caught:
        volume[...]
    assert type(caught.value) is error
    assert asked(server, "GET") in way.counts(1)


@pytest.mark.parametrize(("status", "error"), STATUSES)
def test_an_error_status_ends_a_write_at_once(
    server: MockServer,
    volume: pyvolume.dvid.VoxelsAccessor,
    values: NDArray[Any],
    way: Way,
    status: int,
    error: type[StoreError],
) -> None:
    add(server, "error", "POST", None, status=status)
    with pytest.raises(error) as caught:
        volume[...] = values
    assert type(caught.value) is error
    assert asked(server, "POST") in way.counts(1)


@pytest.mark.parametrize(
    ("kind", "times"),
    [("busy", 3), ("refuse", 3), ("reset", 3), ("close", 3), ("lost", 2), ("stall", 1), ("slow", 1), ("garbage", 3)],
)
def test_a_write_recovers(
    server: MockServer,
    patient_volume: pyvolume.dvid.VoxelsAccessor,
    values: NDArray[Any],
    way: Way,
    kind: str,
    times: int,
) -> None:
    add(server, kind, "POST", times, **({"pause": 0.001} if kind == "slow" else {}))
    patient_volume[...] = values
    same(server.voxels("gray"), values)
    assert asked(server, "POST") == way.pieces + (times if kind != "slow" else 0)


@pytest.mark.parametrize(
    ("kind", "error"),
    [("busy", BusyTimeoutError), ("refuse", BusyTimeoutError), ("reset", TransportError), ("close", TransportError),
     ("stall", TransportError), ("garbage", TransportError), ("long", AnswerError), ("html", AnswerError),
     ("redirect", AnswerError)],
)  # fmt: skip
def test_a_write_gives_up_with_the_error_of_its_fault(
    server: MockServer, volume: pyvolume.dvid.VoxelsAccessor, values: NDArray[Any], kind: str, error: type[StoreError]
) -> None:
    add(server, kind, "POST", None)
    with pytest.raises(error) as caught:
        volume[...] = values
    assert type(caught.value) is error
    assert (covered(caught.value.remaining, values.shape) == 1).all()
    server.faults.clear()
    volume[...] = values
    same(server.voxels("gray"), values)


@pytest.mark.parametrize("kind", ["long", "html", "redirect"])
def test_a_write_with_an_odd_answer_is_not_sent_again(
    server: MockServer, volume: pyvolume.dvid.VoxelsAccessor, values: NDArray[Any], way: Way, kind: str
) -> None:
    add(server, kind, "POST", None)
    with pytest.raises(AnswerError):
        volume[...] = values
    assert asked(server, "POST") in way.counts(1)


@pytest.mark.parametrize("kind", ["busy", "reset", "stall", "truncate"])
def test_an_unaligned_write_recovers_from_faults_while_it_reads(
    server: MockServer, patient_volume: pyvolume.dvid.VoxelsAccessor, array: NDArray[Any], kind: str
) -> None:
    add(server, kind, "GET", 1)
    patient_volume[:, 5:60, 7:90] = 3
    array[:, 5:60, 7:90] = 3
    same(server.voxels("gray"), array)


UPPER_HALF = r".*/raw/(.*/\d+_\d+_[3-6]\d|.*/64_96_64/.*)"
IN_PART = pytest.mark.parametrize(
    ("kind", "error"),
    [("busy", BusyTimeoutError), ("reset", TransportError), ("html", AnswerError), ("error", RefusedError)],
)


@IN_PART
def test_a_read_that_fails_in_part_says_which_boxes_did_not_arrive(
    server: MockServer, volume: pyvolume.dvid.VoxelsAccessor, array: NDArray[Any], kind: str, error: type[StoreError]
) -> None:
    out = np.zeros_like(array)
    server.faults.add(Fault(kind, times=None, method="GET", path=UPPER_HALF))
    with pytest.raises(error) as caught:
        volume.get_ndarray((0, 0, 0, 0), array.shape, out)
    missing = covered(caught.value.remaining, array.shape)
    same(out[missing == 0], array[missing == 0])
    assert missing.max() == 1
    assert (missing[..., -1] == 1).all()


@IN_PART
def test_a_write_that_fails_in_part_says_which_boxes_are_not_stored(
    server: MockServer, volume: pyvolume.dvid.VoxelsAccessor, values: NDArray[Any], kind: str, error: type[StoreError]
) -> None:
    server.faults.add(Fault(kind, times=None, method="POST", path=UPPER_HALF))
    with pytest.raises(error) as caught:
        volume[...] = values
    missing = covered(caught.value.remaining, values.shape)
    same(server.voxels("gray")[missing == 0], values[missing == 0])
    assert missing.max() == 1
    assert (missing[..., -1] == 1).all()


@IN_PART
def test_what_did_not_arrive_can_be_asked_for_alone(
    server: MockServer, volume: pyvolume.dvid.VoxelsAccessor, array: NDArray[Any], kind: str, error: type[StoreError]
) -> None:
    out = np.zeros_like(array)
    server.faults.add(Fault(kind, times=None, method="GET", path=UPPER_HALF))
    with pytest.raises(error) as caught:
        volume.get_ndarray((0, 0, 0, 0), array.shape, out)
    server.faults.clear()
    for box in caught.value.remaining:
        volume.get_ndarray(box.start, box.stop, out[box.slices_from((0, 0, 0, 0))])
    same(out, array)


@pytest.mark.parametrize("key", [np.s_[0, ::-3, 5:90:7, 2:], np.s_[0, [60, 3, 3], :, [9, 50, 1]]], ids=str)
@pytest.mark.parametrize("kind", ["busy", "reset", "truncate"])
def test_steps_and_points_recover(
    server: MockServer, patient_volume: pyvolume.dvid.VoxelsAccessor, array: NDArray[Any], kind: str, key: Any
) -> None:
    add(server, kind, "GET", 3)
    same(patient_volume[key], array[key])
