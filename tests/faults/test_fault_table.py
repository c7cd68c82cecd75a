"""The table of faults: kind by kind, reading and writing, in one piece and in many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

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


RECOVERS = [("busy", 3), ("truncate", 3), ("reset", 3), ("close", 3), ("stall", 1), ("slow", 1), ("garbage", 3),
            ("short", 1), ("long", 1), ("html", 1), ("redirect", 1)]  # fmt: skip


@pytest.mark.parametrize(("kind", "times"), RECOVERS)
def test_a_read_recovers(
    server: MockServer, volume: pyvolume.VoxelsAccessor, array: NDArray[Any], kind: str, times: int
) -> None:
    add(server, kind, "GET", times, **({"pause": 0.001} if kind == "slow" else {}))
    same(volume[...], array)


@pytest.mark.parametrize(
    ("kind", "error"),
    [("busy", BusyTimeoutError), ("truncate", TransportError), ("reset", TransportError), ("close", TransportError),
     ("stall", TransportError), ("garbage", TransportError), ("short", AnswerError), ("long", AnswerError),
     ("html", AnswerError), ("redirect", AnswerError)],
)  # fmt: skip
def test_a_read_gives_up_with_the_error_of_its_fault(
    server: MockServer, volume: pyvolume.VoxelsAccessor, array: NDArray[Any], kind: str, error: type[StoreError]
) -> None:
    add(server, kind, "GET", None)
    with pytest.raises(error) as caught:
        volume[...]
    assert type(caught.value) is error
    server.faults.clear()
    same(volume[...], array)


@pytest.mark.parametrize("kind", ["short", "long", "html", "redirect"])
def test_a_broken_agreement_is_asked_about_once_more_only(
    server: MockServer, volume: pyvolume.VoxelsAccessor, kind: str
) -> None:
    add(server, kind, "GET", None)
    with pytest.raises(AnswerError):
        volume[...]
    assert asked(server, "GET") == 2


STATUSES = [(400, RefusedError), (401, ForbiddenError), (403, ForbiddenError), (404, NotFoundError),
            (429, ForbiddenError), (500, RefusedError)]  # fmt: skip


@pytest.mark.parametrize(("status", "error"), STATUSES)
def test_an_error_status_ends_a_read_at_once(
    server: MockServer, volume: pyvolume.VoxelsAccessor, status: int, error: type[StoreError]
) -> None:
    add(server, "error", "GET", None, status=status)
    with pytest.raises(error) as caught:
        volume[...]
    assert (type(caught.value), asked(server, "GET")) == (error, 1)


@pytest.mark.parametrize(("status", "error"), STATUSES)
def test_an_error_status_ends_a_write_at_once(
    server: MockServer, volume: pyvolume.VoxelsAccessor, values: NDArray[Any], status: int, error: type[StoreError]
) -> None:
    add(server, "error", "POST", None, status=status)
    with pytest.raises(error) as caught:
        volume[...] = values
    assert (type(caught.value), asked(server, "POST")) == (error, 1)


@pytest.mark.parametrize(
    ("kind", "times"),
    [("busy", 3), ("refuse", 3), ("reset", 3), ("close", 3), ("lost", 2), ("stall", 1), ("slow", 1), ("garbage", 3)],
)
def test_a_write_recovers(
    server: MockServer, volume: pyvolume.VoxelsAccessor, values: NDArray[Any], kind: str, times: int
) -> None:
    add(server, kind, "POST", times)
    volume[...] = values
    same(server.voxels("gray"), values)


@pytest.mark.parametrize(
    ("kind", "error"),
    [("busy", BusyTimeoutError), ("refuse", BusyTimeoutError), ("reset", TransportError), ("close", TransportError),
     ("stall", TransportError), ("garbage", TransportError), ("long", AnswerError), ("html", AnswerError),
     ("redirect", AnswerError)],
)  # fmt: skip
def test_a_write_gives_up_with_the_error_of_its_fault(
    server: MockServer, volume: pyvolume.VoxelsAccessor, values: NDArray[Any], kind: str, error: type[StoreError]
) -> None:
    add(server, kind, "POST", None)
    with pytest.raises(error) as caught:
        volume[...] = values
    assert type(caught.value) is error
    server.faults.clear()
    volume[...] = values
    same(server.voxels("gray"), values)


@pytest.mark.parametrize("kind", ["long", "html", "redirect"])
def test_a_write_with_an_odd_answer_is_not_sent_again(
    server: MockServer, volume: pyvolume.VoxelsAccessor, values: NDArray[Any], kind: str
) -> None:
    add(server, kind, "POST", None)
    with pytest.raises(AnswerError):
        volume[...] = values
    assert asked(server, "POST") == 1


@pytest.mark.parametrize("kind", ["busy", "reset", "stall", "truncate"])
def test_an_unaligned_write_recovers_from_faults_while_it_reads(
    server: MockServer, volume: pyvolume.VoxelsAccessor, array: NDArray[Any], kind: str
) -> None:
    add(server, kind, "GET", 1)
    volume[:, 5:60, 7:90] = 3
    array[:, 5:60, 7:90] = 3
    same(server.voxels("gray"), array)


@pytest.mark.parametrize("kind", ["busy", "reset", "html"])
def test_what_fails_says_which_boxes_did_not_arrive(
    server: MockServer, volume: pyvolume.VoxelsAccessor, array: NDArray[Any], kind: str
) -> None:
    out = np.zeros_like(array)
    server.faults.add(Fault(kind, times=None, method="GET", path=r".*/raw/(.*/0_0_[3-6]\d|.*/64_96_64/.*)"))
    with pytest.raises(StoreError) as caught:
        volume.get_ndarray((0, 0, 0, 0), array.shape, out)
    missing = np.zeros(array.shape, bool)
    for box in caught.value.remaining:
        missing[box.slices_from((0, 0, 0, 0))] = True
    same(out[~missing], array[~missing])
    assert missing.any()
