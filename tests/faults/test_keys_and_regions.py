"""Regions and keys over a bad line: what was written is there, what was read is right, or the error says so."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyvolume
from mockserver import Fault, MockServer
from pyvolume.dvid.keyvalue.mapping import KeyValue
from pyvolume.dvid.repo import Repo
from pyvolume.dvid.roi.region import Roi
from pyvolume.errors import AnswerError, BusyTimeoutError, ExistsError, TransportError

SPANS = [[0, 0, 0, 3], [1, 1, 2, 2]]
DATA = np.random.default_rng(0).integers(0, 256, 700_000, "uint8").tobytes()


@pytest.fixture
def repo(connection: pyvolume.Connection) -> Repo:
    return pyvolume.dvid.Server(connection).create_repo("lines")


@pytest.fixture
def kv(repo: Repo) -> KeyValue:
    kv = repo.create_keyvalue("notes")
    kv["large"] = DATA
    return kv


@pytest.fixture
def roi(repo: Repo) -> Roi:
    return repo.create_roi("nose").set_spans([[5, 5, 5, 5]])


def asked(server: MockServer, method: str, endpoint: str) -> int:
    return sum(record.method == method and endpoint in record.path for record in server.requests)


CREATIONS: dict[str, Callable[[Repo], Any]] = {
    "roi": lambda repo: repo.create_roi("made"),
    "keyvalue": lambda repo: repo.create_keyvalue("made"),
}
each_creation = pytest.mark.parametrize("kind", CREATIONS)


@each_creation
@pytest.mark.parametrize("fault", ["lost", "truncate"])
def test_a_creation_whose_answer_is_lost_is_looked_for(server: MockServer, repo: Repo, kind: str, fault: str) -> None:
    server.faults.add(Fault(fault, method="POST", path=".*/instance"))
    CREATIONS[kind](repo)
    assert (asked(server, "POST", "/instance"), repo.info().instances) == (1, {"made": kind})


@each_creation
def test_a_creation_that_did_not_happen_may_be_tried_again(server: MockServer, repo: Repo, kind: str) -> None:
    server.faults.add(Fault("reset", method="POST", path=".*/instance"))
    with pytest.raises(TransportError, match="may have been carried out"):
        CREATIONS[kind](repo)
    assert repo.info().instances == {}
    CREATIONS[kind](repo)
    assert repo.info().instances == {"made": kind}


@each_creation
def test_an_instance_of_somebody_else_is_not_taken_for_ours(server: MockServer, repo: Repo, kind: str) -> None:
    CREATIONS[kind](repo)
    with pytest.raises(ExistsError):
        CREATIONS[kind](repo)
    assert asked(server, "POST", "/instance") == 1


@each_creation
def test_a_busy_server_is_asked_again(server: MockServer, repo: Repo, kind: str) -> None:
    server.faults.add(Fault("busy", times=3, method="POST", path=".*/instance"))
    CREATIONS[kind](repo)
    assert asked(server, "POST", "/instance") == 4


WRITES: dict[str, Callable[[KeyValue], object]] = {
    "key": lambda kv: kv.__setitem__("a", b"value"),
    "file": lambda kv: kv.write_from("a", io.BytesIO(b"value")),
    "keyvalues": lambda kv: kv.put_many({"a": b"value"}),
    "json": lambda kv: kv.json.update(a="value"),
}


@pytest.mark.parametrize("way", WRITES)
@pytest.mark.parametrize("fault", ["lost", "reset", "busy", "refuse"])
def test_a_value_is_written(server: MockServer, kv: KeyValue, way: str, fault: str) -> None:
    server.faults.add(Fault(fault, method="POST", path=".*/key.*"))
    WRITES[way](kv)
    assert kv["a"] == (b'"value"' if way == "json" else b"value")


def test_a_deletion_whose_answer_is_lost(server: MockServer, kv: KeyValue) -> None:
    server.faults.add(Fault("lost", method="DELETE"))
    del kv["large"]
    assert list(kv) == []


def into_a_file(kv: KeyValue) -> bytes:
    file = io.BytesIO(b"head")
    file.seek(4)
    assert kv.read_into("large", file) == len(DATA)
    return file.getvalue()[4:]


READS: dict[str, Callable[[KeyValue], bytes]] = {
    "key": lambda kv: kv["large"],
    "part": lambda kv: DATA[:100] + kv.read("large", 100),
    "file": into_a_file,
    "open": lambda kv: kv.open("large").read(),
    "many": lambda kv: kv.get_many(["large"])["large"],
}
each_read = pytest.mark.parametrize("way", READS)


@each_read
@pytest.mark.parametrize("fault", ["truncate", "reset", "busy", "short", "html"])
def test_a_value_is_read(server: MockServer, kv: KeyValue, way: str, fault: str) -> None:
    if fault == "short" and way in {"key", "file"}:
        pytest.skip("nothing but its framing tells the length of a value")
    server.faults.add(Fault(fault, method="GET", path=".*/key.*"))
    assert READS[way](kv) == DATA


def test_a_server_that_stays_busy(server: MockServer, kv: KeyValue) -> None:
    server.faults.add(Fault("busy", times=None, method="GET"))
    with pytest.raises(BusyTimeoutError):
        kv.get("large")


@each_read
def test_the_page_of_a_proxy_is_no_value(server: MockServer, kv: KeyValue, way: str) -> None:
    server.faults.add(Fault("html", times=None, method="GET", path=".*/key.*"))
    with pytest.raises(AnswerError):
        READS[way](kv)


def test_the_page_of_a_proxy_is_no_acknowledgement(server: MockServer, kv: KeyValue, roi: Roi) -> None:
    server.faults.add(Fault("html", times=None, method="POST"))
    for attempt in (lambda: kv.__setitem__("a", b""), lambda: roi.set_spans(SPANS)):
        with pytest.raises(AnswerError, match="expected an empty answer"):
            attempt()


@pytest.mark.parametrize("fault", ["reset", "busy", "stall"])
def test_a_key_is_looked_for_again(server: MockServer, kv: KeyValue, fault: str) -> None:
    server.faults.add(Fault(fault, method="HEAD"))
    assert "large" in kv


@pytest.mark.parametrize("fault", ["lost", "reset", "stall", "busy"])
def test_a_region_is_written(server: MockServer, roi: Roi, fault: str) -> None:
    server.faults.add(Fault(fault, method="POST", path=".*/roi"))
    roi.set_spans(SPANS)
    assert roi.read_spans().tolist() == SPANS


def test_a_region_is_read_where_no_answer_says_that_it_is_written(server: MockServer, roi: Roi) -> None:
    server.faults.add(Fault("lost", times=None, method="POST", path=".*/roi"))
    roi.set_spans(SPANS)
    assert roi.read_spans().tolist() == SPANS


def test_a_region_that_may_be_written_says_so(server: MockServer, roi: Roi) -> None:
    server.faults.add(Fault("reset", times=None, method="POST", path=".*/roi"))
    with pytest.raises(TransportError, match="empty"):
        roi.set_spans(SPANS)


def test_a_region_that_the_server_did_not_touch_says_nothing_more(server: MockServer, roi: Roi) -> None:
    server.faults.add(Fault("busy", times=None, method="POST", path=".*/roi"))
    with pytest.raises(BusyTimeoutError) as caught:
        roi.set_spans(SPANS)
    assert "empty" not in str(caught.value)


@pytest.mark.parametrize("fault", ["truncate", "reset", "short", "html"])
def test_a_region_is_read(server: MockServer, roi: Roi, fault: str) -> None:
    server.faults.add(Fault(fault, method="GET", path=".*/roi"))
    assert roi.read_spans().tolist() == [[5, 5, 5, 5]]


def test_attributes_are_written_although_their_instance_was_made_unheard(server: MockServer, repo: Repo) -> None:
    volume = repo.create_volume("gray", None, "uint8")
    server.faults.add(Fault("lost", method="POST", path=".*/instance"))
    server.faults.add(Fault("lost", method="POST", path=".*/keyvalues"))
    volume.attrs["a"] = 1
    assert dict(volume.attrs) == {"a": 1}
