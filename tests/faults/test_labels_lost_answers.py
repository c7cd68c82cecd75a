"""Edits and first writes of labels over a bad line: nothing is done twice, and the outcome is told as it is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from label_stores import BIG, Labels, cubes

import pyvolume
from mockserver import Fault, MockServer
from pyvolume import Box
from pyvolume.dvid import LabelVolume
from pyvolume.dvid.labels.edits import Cleave, Merge, Renumbering, Split
from pyvolume.errors import BusyTimeoutError, RefusedError, StoreError, TransportError
from pyvolume.transport.auth import Additions
from pyvolume.transport.request import Request

SHAPE = (1, 48, 32, 32)
FIRST, SECOND, THIRD, FOURTH = (BIG + n for n in (1, 2, 3, 4))
NEW = BIG + 77


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


@pytest.fixture
def labels() -> Labels:
    return cubes(SHAPE)


@pytest.fixture
def server() -> Iterator[MockServer]:
    with MockServer() as server:
        yield server


@pytest.fixture
def connection(request: pytest.FixtureRequest, server: MockServer) -> Iterator[pyvolume.Connection]:
    """Give a patient connection: the machine may be busy, and only a test of silence ends it soon."""
    is_silent = getattr(request.node, "callspec", None) and request.node.callspec.params.get("kind") == "stall"
    policy = pyvolume.RetryPolicy(interval=0.005, max_interval=0.01)
    with pyvolume.Connection(server.url, retry=policy, timeout=(5, 1.0 if is_silent else 60)) as connection:
        yield connection


@pytest.fixture
def volume(connection: pyvolume.Connection, labels: Labels) -> LabelVolume:
    """Give labels, of which two bodies were merged."""
    repo = pyvolume.dvid.Server(connection).create_repo("labels")
    volume = repo.create_labels("seg", data=labels, block_shape=(16, 16, 16))
    assert isinstance(volume, LabelVolume)
    volume.merge(FIRST, [SECOND])
    return volume


def merge(volume: LabelVolume) -> Merge:
    return volume.merge(THIRD, [FIRST, FOURTH])


def cleave(volume: LabelVolume) -> Cleave:
    return volume.cleave(FIRST, [SECOND])


def split(volume: LabelVolume) -> Split:
    return volume.split_supervoxel(THIRD, volume.body(THIRD).runs(Box((0,) * 4, (1, 20, 32, 32))))


def renumber(volume: LabelVolume) -> Renumbering:
    return volume.renumber({THIRD: NEW})


EDITS: dict[str, Callable[[LabelVolume], Any]] = {
    "merge": merge, "cleave": cleave, "split-supervoxel": split, "renumber": renumber,
}  # fmt: skip

each_edit = pytest.mark.parametrize("endpoint", EDITS)


def asked(server: MockServer, endpoint: str) -> int:
    return sum(record.method == "POST" and f"/seg/{endpoint}" in record.path for record in server.requests)


def add(server: MockServer, endpoint: str, kind: str, times: int | None = 1, **facts: Any) -> int:
    """Add a fault, and return how often the edit was asked for until now."""
    server.faults.add(Fault(kind, times=times, method="POST", path=f".*/seg/{endpoint}.*", **facts))
    return asked(server, endpoint)


def state(volume: LabelVolume) -> tuple[Labels, Labels]:
    return volume[...], volume.supervoxels[...]


def check(volume: LabelVolume, made: Any, labels: Labels) -> None:
    """Check that an edit was made once, and that its result says which."""
    bodies = np.where(labels == SECOND, np.uint64(FIRST), labels)
    stored = labels.copy()
    if isinstance(made, Merge):
        bodies[np.isin(bodies, (FIRST, FOURTH))] = THIRD
    elif isinstance(made, Cleave):
        assert made.cleaved not in np.unique(labels)
        bodies[labels == SECOND] = made.cleaved
    elif isinstance(made, Split):
        part = (labels == THIRD) & (np.arange(SHAPE[1]) < 20)[:, np.newaxis, np.newaxis]
        stored[labels == THIRD] = made.remain
        stored[part] = made.split
    else:
        bodies[labels == THIRD] = NEW
    same(state(volume)[0], bodies)
    same(state(volume)[1], stored)


@each_edit
@pytest.mark.parametrize("kind", ["lost", "truncate", "gateway"])
def test_a_lost_answer_is_looked_for(
    server: MockServer, volume: LabelVolume, labels: Labels, endpoint: str, kind: str
) -> None:
    before = add(server, endpoint, kind, **({"status": 503} if kind == "gateway" else {}))
    made = EDITS[endpoint](volume)
    assert asked(server, endpoint) - before == 1
    assert getattr(made, "mutation", None) is None
    check(volume, made, labels)


@each_edit
def test_an_answer_tells_the_mutation(server: MockServer, volume: LabelVolume, labels: Labels, endpoint: str) -> None:
    made = EDITS[endpoint](volume)
    assert asked(server, endpoint) == 1 + (endpoint == "merge")
    assert getattr(made, "mutation", 1)
    check(volume, made, labels)


@each_edit
@pytest.mark.parametrize("kind", ["reset", "close", "stall", "garbage"])
def test_what_did_not_happen_is_an_error(server: MockServer, volume: LabelVolume, endpoint: str, kind: str) -> None:
    before, seen = add(server, endpoint, kind), state(volume)
    with pytest.raises(TransportError, match="may have been carried out") as caught:
        EDITS[endpoint](volume)
    assert caught.value.uncertain
    assert asked(server, endpoint) - before == 1
    for now, then in zip(state(volume), seen, strict=True):
        same(now, then)
    EDITS[endpoint](volume)


@each_edit
def test_a_gateway_that_gave_up_is_not_asked_again(server: MockServer, volume: LabelVolume, endpoint: str) -> None:
    before = add(server, endpoint, "error", status=504)
    with pytest.raises(StoreError, match="may have been carried out"):
        EDITS[endpoint](volume)
    assert asked(server, endpoint) - before == 1


@each_edit
@pytest.mark.parametrize("kind", ["busy", "refuse"])
def test_a_busy_server_is_asked_again(
    server: MockServer, volume: LabelVolume, labels: Labels, endpoint: str, kind: str
) -> None:
    before = add(server, endpoint, kind, times=3)
    check(volume, EDITS[endpoint](volume), labels)
    assert asked(server, endpoint) - before == 4


@each_edit
def test_a_server_that_stays_busy_has_done_nothing(server: MockServer, volume: LabelVolume, endpoint: str) -> None:
    add(server, endpoint, "busy", times=None)
    seen = state(volume)
    policy = pyvolume.RetryPolicy(patience=0.1, interval=0.01)
    with pyvolume.Connection(server.url, retry=policy) as connection:
        other = LabelVolume(connection, volume.uuid, volume.name)
        with pytest.raises(BusyTimeoutError):
            EDITS[endpoint](other)
    server.faults.clear()
    for now, then in zip(state(volume), seen, strict=True):
        same(now, then)


class BreaksLine:
    """Lets every request fail that follows a certain POST."""

    def __init__(self, server: MockServer, endpoint: str) -> None:
        self._server = server
        self._endpoint = endpoint

    def apply(self, request: Request) -> Additions:
        if request.method == "POST" and f"/{self._endpoint}" in request.path:
            self._server.faults.add(Fault("reset", times=None, method="GET"))
        return Additions()

    def refresh(self, _refused: RefusedError, /) -> bool:
        return False


@each_edit
def test_a_server_that_cannot_be_asked_leaves_the_outcome_open(
    server: MockServer, volume: LabelVolume, endpoint: str
) -> None:
    add(server, endpoint, "lost")
    policy = pyvolume.RetryPolicy(patience=0)
    with pyvolume.Connection(server.url, auth=BreaksLine(server, endpoint), retry=policy) as connection:
        other = LabelVolume(connection, volume.uuid, volume.name)
        with pytest.raises(TransportError, match="may have been carried out"):
            EDITS[endpoint](other)


@pytest.mark.parametrize("kind", ["lost", "reset", "truncate", "garbage"])
def test_reserved_labels_are_not_reserved_again(server: MockServer, volume: LabelVolume, kind: str) -> None:
    before = add(server, "nextlabel", kind)
    with pytest.raises(TransportError, match="ask for others") as caught:
        volume.next_labels(5)
    assert caught.value.uncertain
    assert asked(server, "nextlabel") - before == 1
    assert len(volume.next_labels(5)) == 5


@pytest.mark.parametrize("compression", ["auto", "blocks"])
@pytest.mark.parametrize("kind", ["lost", "reset", "close", "gateway"])
def test_a_first_write_whose_answer_is_lost_counts_no_voxel_twice(
    server: MockServer, volume: LabelVolume, labels: Labels, compression: Any, kind: str
) -> None:
    name = f"first-{compression}"
    repo = pyvolume.dvid.Server(volume.store.connection).repos[volume.uuid]
    repo.create_labels(name, SHAPE[1:], block_shape=(16, 16, 16))
    target = volume.version.labels(name, compression=compression, ingest=True)
    assert isinstance(target, LabelVolume)
    server.faults.add(Fault(kind, method="POST", path=f".*/{name}/.*", status=502))
    target[...] = labels
    same(target[...], labels)
    target.wait_indexed()
    found, counts = np.unique(labels[labels > 0], return_counts=True)
    same(target.sizes(found), counts.astype("uint64"))
    posts = [record.path for record in server.requests if record.method == "POST" and f"/{name}/" in record.path]
    assert ["mutate=true" in path for path in posts] == [False, True]


def test_a_first_write_that_is_refused_is_not_repeated(server: MockServer, volume: LabelVolume, labels: Labels) -> None:
    target = volume.version.labels("seg", ingest=True)
    server.faults.add(Fault("error", method="POST", path=".*/raw/.*", status=400, text="no"))
    with pytest.raises(RefusedError, match="no"):
        target[...] = labels


def test_an_index_that_lags_is_waited_for(server: MockServer, volume: LabelVolume, labels: Labels) -> None:
    server.indexing.hold()
    volume[...] = np.where(labels == THIRD, np.uint64(NEW), labels)
    assert not volume.sizes([NEW])[0]
    with pytest.raises(BusyTimeoutError, match="index"):
        volume.wait_indexed(0)
    server.indexing.release()
    volume.wait_indexed(0)
    assert volume.sizes([NEW])[0] == (labels == THIRD).sum()


def test_a_wait_ends_when_the_index_has_what_was_new(server: MockServer, volume: LabelVolume, labels: Labels) -> None:
    server.indexing.hold()
    volume[...] = np.where(labels == THIRD, np.uint64(NEW), labels)
    waiting = threading.Thread(target=volume.wait_indexed)
    waiting.start()
    while not any("/indices" in record.path for record in server.requests):
        waiting.join(0.001)
    assert waiting.is_alive()
    server.indexing.release()
    waiting.join(60)
    assert not waiting.is_alive()
    assert not volume.store.written.boxes()
