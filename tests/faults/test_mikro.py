"""The table of faults for Mikro: its catalogue and its object store, reading and uploading."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from mikro_by_hand import ARRAY, asked, same, upload

from mockserver import Fault, MikroServer
from pyvolume import Connection, RetryPolicy, RetryWait
from pyvolume.errors import (
    AnswerError,
    BusyError,
    BusyTimeoutError,
    ForbiddenError,
    NotFoundError,
    RefusedError,
    StoreError,
    TransportError,
)
from pyvolume.mikro import Mikro

CHUNKS = r".*/c/.*"
CATALOGUE = r"/graphql"
PATIENT = RetryPolicy(interval=0.005, max_interval=0.01)
HASTY = RetryPolicy(patience=0.05, interval=0.005, max_interval=0.01)


@pytest.fixture
def mock() -> Iterator[MikroServer]:
    with MikroServer() as running:
        yield running


def connected(mock: MikroServer, retry: RetryPolicy, silence: float = 60.0) -> Connection:
    return Connection(mock.url, auth="test", retry=retry, timeout=(5, silence))


@pytest.fixture
def patient(mock: MikroServer) -> Iterator[Mikro]:
    """Give the server to a test in which requests succeed after some failures."""
    with connected(mock, PATIENT) as connection:
        yield Mikro(connection, store=mock.store_url)


@pytest.fixture
def hasty(mock: MikroServer) -> Iterator[Mikro]:
    """Give the server to a test in which requests fail for good."""
    with connected(mock, HASTY) as connection:
        yield Mikro(connection, store=mock.store_url)


def faults(kind: str, path: str, times: int | None, **facts: Any) -> Fault:
    return Fault(kind, path=path, times=times, **facts, **({"pause": 0.001} if kind == "slow" else {}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "times"), [("busy", 3), ("truncate", 3), ("reset", 3), ("close", 3), ("slow", 1), ("garbage", 3)]
)
def test_a_read_of_chunks_recovers(patient: Mikro, mock: MikroServer, kind: str, times: int) -> None:
    image = upload(patient)
    first = len(mock.requests)
    mock.faults.add(faults(kind, CHUNKS, times, method="GET"))
    same(image[...], ARRAY)
    assert len(asked(mock, first)) == 36 + (times if kind != "slow" else 0)
    assert mock.faults.unfired == ()


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("busy", BusyTimeoutError),
        ("truncate", TransportError),
        ("reset", TransportError),
        ("close", TransportError),
        ("garbage", TransportError),
        ("short", AnswerError),
        ("html", AnswerError),
        ("redirect", TransportError),
    ],
)
def test_a_read_of_chunks_gives_up_with_the_error_of_its_fault(
    hasty: Mikro, mock: MikroServer, kind: str, error: type[StoreError]
) -> None:
    image = upload(hasty)
    mock.faults.add(faults(kind, CHUNKS, None, method="GET"))
    with pytest.raises(error) as caught:
        image[...]
    assert type(caught.value) is error
    mock.faults.clear()
    same(image[...], ARRAY)


STATUSES = [(400, RefusedError), (401, ForbiddenError), (404, None), (500, RefusedError)]


@pytest.mark.parametrize(("status", "error"), STATUSES)
def test_a_status_for_chunks(hasty: Mikro, mock: MikroServer, status: int, error: type[StoreError] | None) -> None:
    image = upload(hasty)
    mock.faults.add(faults("error", CHUNKS, None, method="GET", status=status))
    if error is None:  # a chunk that is not there holds the fill value
        same(image[...], ARRAY * 0)
        return
    with pytest.raises(error):
        image[...]


@pytest.mark.parametrize("kind", ["busy", "reset", "close", "lost", "slow", "garbage", "refuse"])
@pytest.mark.parametrize("path", [CHUNKS, r".*/zarr\.json"], ids=["chunks", "metadata"])
def test_an_upload_recovers(patient: Mikro, mock: MikroServer, kind: str, path: str) -> None:
    mock.faults.add(faults(kind, path, 3 if "c/" in path else 1, method="PUT"))
    image = upload(patient)
    same(image[...], ARRAY)
    assert (mock.images, mock.faults.unfired) == ({1: "faulty"}, ())


@pytest.mark.parametrize(
    ("kind", "error"),
    [("busy", BusyTimeoutError), ("reset", TransportError), ("garbage", TransportError), ("error", RefusedError)],
)
@pytest.mark.parametrize("path", [CHUNKS, r".*/zarr\.json"], ids=["chunks", "metadata"])
def test_an_upload_gives_up_and_leaves_no_image(
    hasty: Mikro, mock: MikroServer, kind: str, error: type[StoreError], path: str
) -> None:
    mock.faults.add(faults(kind, path, None, method="PUT", **({"status": 500} if kind == "error" else {})))
    with pytest.raises(error):
        upload(hasty)
    assert mock.images == {}
    mock.faults.clear()
    same(upload(hasty)[...], ARRAY)


RECOVERS = [("busy", 3), ("truncate", 3), ("reset", 3), ("close", 3), ("stall", 1), ("slow", 1), ("garbage", 3),
            ("short", 1), ("html", 1), ("redirect", 1)]  # fmt: skip


@pytest.mark.parametrize(("kind", "times"), RECOVERS)
def test_a_question_to_the_catalogue_recovers(mock: MikroServer, kind: str, times: int) -> None:
    with connected(mock, PATIENT, 1.0 if kind == "stall" else 60.0) as connection:
        mikro = Mikro(connection, store=mock.store_url)
        image = upload(mikro)
        first = len(mock.requests)
        mock.faults.add(faults(kind, CATALOGUE, times))
        assert [each.id for each in mikro.images] == [image.id]
        assert len(asked(mock, first)) == 1 + (times if kind != "slow" else 0)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("busy", BusyTimeoutError),
        ("truncate", TransportError),
        ("reset", TransportError),
        ("close", TransportError),
        ("stall", TransportError),
        ("garbage", TransportError),
        ("short", AnswerError),
        ("html", AnswerError),
        ("redirect", AnswerError),
    ],
)
def test_a_question_to_the_catalogue_gives_up_with_the_error_of_its_fault(
    mock: MikroServer, kind: str, error: type[StoreError]
) -> None:
    with connected(mock, HASTY, 0.4 if kind == "stall" else 60.0) as connection:
        mikro = Mikro(connection, store=mock.store_url)
        mock.faults.add(faults(kind, CATALOGUE, None))
        with pytest.raises(error) as caught:
            mikro.images.count()
        assert type(caught.value) is error
        mock.faults.clear()
        assert mikro.images.count() == 0


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, RefusedError), (401, ForbiddenError), (403, ForbiddenError), (404, NotFoundError), (413, RefusedError),
     (500, RefusedError)],
)  # fmt: skip
def test_a_status_of_the_catalogue_ends_a_question_at_once(
    hasty: Mikro, mock: MikroServer, status: int, error: type[StoreError]
) -> None:
    mock.faults.add(faults("error", CATALOGUE, None, status=status))
    with pytest.raises(error):
        hasty.images.count()
    assert asked(mock) == ["graphql"]


@pytest.mark.parametrize("kind", ["busy", "refuse"])
def test_a_busy_catalogue_is_not_asked_again_for_a_change(patient: Mikro, mock: MikroServer, kind: str) -> None:
    patient.connect()
    mock.faults.add(faults(kind, CATALOGUE, 1))
    with pytest.raises(BusyError) as caught:
        upload(patient)
    assert (caught.value.uncertain, asked(mock)) == (True, ["graphql"] * 2)


@pytest.mark.parametrize("silent", [CHUNKS, r".*/zarr\.json"], ids=["chunks", "metadata"])
def test_the_deadline_ends_the_silence_of_the_store(mock: MikroServer, silent: str) -> None:
    with Connection(mock.url, auth="test") as connection:
        image = upload(Mikro(connection, store=mock.store_url))
    limited = RetryPolicy(deadline=0.5)
    with connected(mock, limited) as connection:
        mikro = Mikro(connection, store=mock.store_url)
        again = mikro.image(image.id) if silent == CHUNKS else None
        mock.faults.add(faults("stall", silent, None, method="GET"))
        with pytest.raises(TransportError, match="deadline"):
            again.max() if again is not None else mikro.image(image.id)


def test_a_store_that_was_written_to_may_be_starting_again(mock: MikroServer) -> None:
    waits: list[RetryWait] = []
    policy = RetryPolicy(patience=0.2, interval=0.005, max_interval=0.01, on_wait=waits.append)
    with connected(mock, policy) as connection, pytest.raises(TransportError):
        upload(Mikro(connection, store=mock.store_url), progress=lambda _status: mock.close())
    assert waits != []
