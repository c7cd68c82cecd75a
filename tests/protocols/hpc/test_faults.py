"""Faults of the DataStore: never a wrong voxel; success after a retry, or the error of the fault."""

from __future__ import annotations

import contextlib
import json
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance_stores import in_pieces, ramp
from numpy.typing import NDArray
from scripted import ScriptedServer, answer

from mockserver import DataStoreServer, Fault
from pyvolume import Connection, RetryPolicy
from pyvolume.errors import (
    AnswerError,
    BusyTimeoutError,
    ForbiddenError,
    NotFoundError,
    RefusedError,
    StoreError,
    TooLargeError,
    TransportError,
)
from pyvolume.hpc import Dataset, DataStore, DataStoreVolume
from pyvolume.hpc.refusals import refusal
from pyvolume.hpc.schemas import SCHEMAS
from pyvolume.hpc.versions import make_version
from pyvolume.transport.answer import Answer
from pyvolume.transport.request import Request, Upload

SHAPE = (1, 64, 64, 64)
BLOCK_BYTES = 12 + 32**3 * 2
BLOCKS = r"/datasets/[^/]+/1/1/1/\d+(/\d+/\d+/\d+/\d+/\d+/\d+)+"
OPEN = r".*/read(-write)?"
PLENTY = 60.0


def same(found: object, expected: object) -> None:
    np.testing.assert_array_equal(found, expected, strict=True)


def asked(server: DataStoreServer, method: str, path: str = BLOCKS) -> int:
    return sum(each.method == method and bool(re.fullmatch(path, each.path)) for each in server.requests)


@pytest.fixture
def array() -> NDArray[Any]:
    return ramp(SHAPE, "uint16")


@pytest.fixture
def values() -> NDArray[Any]:
    return ramp(SHAPE, "uint16", seed=1)


@pytest.fixture
def server(array: NDArray[Any]) -> Iterator[DataStoreServer]:
    with DataStoreServer({"a": array}) as server:
        yield server


@contextlib.contextmanager
def connected(server: DataStoreServer, kind: str = "", *, patience: float) -> Iterator[Connection]:
    """Give a connection; only a test in which the server is silent has a short limit for silence."""
    silence = 0.4 if kind == "stall" else PLENTY
    policy = RetryPolicy(patience=patience, interval=0.005, max_interval=0.01)
    with Connection(server.url, retry=policy, timeout=(5, silence)) as connection:
        yield connection


def volume_of(server: DataStoreServer, connection: Connection, pieces: int = 1) -> DataStoreVolume:
    volume = DataStoreVolume(connection, server.uuids["a"], timepoint=0, angle=0)
    return in_pieces(volume, volume.nbytes // pieces)


ONCE = [("busy", 3), ("refuse", 3), ("truncate", 3), ("reset", 3), ("close", 3), ("lost", 3), ("gateway", 3),
        ("stall", 1), ("slow", 1), ("garbage", 3), ("short", 1), ("long", 1), ("html", 1), ("redirect", 1)]  # fmt: skip
"""Faults that a read recovers from, and how often they come."""

FOR_GOOD: dict[str, type[StoreError]] = {
    "busy": BusyTimeoutError, "refuse": BusyTimeoutError, "error": RefusedError, "truncate": TransportError,
    "reset": TransportError, "close": TransportError, "lost": TransportError, "stall": TransportError,
    "garbage": TransportError, "short": AnswerError, "long": AnswerError, "html": AnswerError,
    "redirect": AnswerError,
}  # fmt: skip
"""The errors of faults that do not end."""


def fault(kind: str, times: int | None, method: str, path: str = BLOCKS, **facts: Any) -> Fault:
    return Fault(
        kind, times=times, method=method, path=path, status=502 if kind == "gateway" else 500, pause=0.001, **facts
    )


class TestReads:
    @pytest.mark.parametrize("pieces", [1, 8])
    @pytest.mark.parametrize(("kind", "times"), ONCE)
    def test_a_read_recovers(
        self, server: DataStoreServer, array: NDArray[Any], kind: str, times: int, pieces: int
    ) -> None:
        with connected(server, kind, patience=PLENTY) as connection:
            volume = volume_of(server, connection, pieces)
            server.faults.add(fault(kind, times, "GET"))
            same(volume[...], array)
        assert asked(server, "GET") == pieces + (0 if kind == "slow" else times)

    @pytest.mark.parametrize("kind", FOR_GOOD)
    def test_a_read_gives_up_with_the_error_of_its_fault(
        self, server: DataStoreServer, array: NDArray[Any], kind: str
    ) -> None:
        with connected(server, kind, patience=0.05) as connection:
            volume = volume_of(server, connection)
            server.faults.add(fault(kind, None, "GET"))
            with pytest.raises(FOR_GOOD[kind]) as found:
                volume[...]
            assert [box.shape for box in found.value.remaining] == [SHAPE]
            server.faults.clear()
            same(volume[...], array)

    @pytest.mark.parametrize("kind", ["short", "long"])
    @pytest.mark.parametrize("amount", [1, 12, 2 * 32**3, BLOCK_BYTES, 8 * BLOCK_BYTES])
    def test_a_stream_of_another_length_is_read_again(
        self, server: DataStoreServer, array: NDArray[Any], kind: str, amount: int
    ) -> None:
        with connected(server, patience=PLENTY) as connection:
            volume = volume_of(server, connection)
            server.faults.add(fault(kind, 1, "GET", amount=amount))
            same(volume[...], array)
        assert asked(server, "GET") == 2

    @pytest.mark.parametrize("kind", ["busy", "truncate", "reset", "short", "html"])
    def test_the_question_which_blocks_exist_recovers(self, server: DataStoreServer, kind: str) -> None:
        with connected(server, patience=PLENTY) as connection:
            volume = volume_of(server, connection)
            server.faults.add(fault(kind, 1, "GET"))
            same(volume.exists(), np.ones((1, 2, 2, 2), bool))

    @pytest.mark.parametrize("kind", ["short", "html", "error"])
    def test_the_question_which_blocks_exist_fails(self, server: DataStoreServer, kind: str) -> None:
        with connected(server, patience=0.05) as connection:
            volume = volume_of(server, connection)
            server.faults.add(fault(kind, None, "GET"))
            with pytest.raises(FOR_GOOD[kind]):
                volume.exists()


class TestOpening:
    @pytest.mark.parametrize(("kind", "times"), [each for each in ONCE if each[0] not in {"truncate", "short", "long"}])
    def test_the_open_recovers(self, server: DataStoreServer, array: NDArray[Any], kind: str, times: int) -> None:
        with connected(server, kind, patience=PLENTY) as connection:
            volume = volume_of(server, connection)
            server.faults.add(fault(kind, times, "GET", OPEN))
            same(volume[...], array)
        assert asked(server, "GET", OPEN + r"\?.*") == 1 + (0 if kind == "slow" else times)

    @pytest.mark.parametrize("kind", [kind for kind in FOR_GOOD if kind not in {"truncate", "short", "long"}])
    def test_the_open_fails(self, server: DataStoreServer, values: NDArray[Any], kind: str) -> None:
        with connected(server, kind, patience=0.05) as connection:
            volume = volume_of(server, connection)
            server.faults.add(fault(kind, None, "GET", OPEN))
            for use in (lambda: volume[...], lambda: volume.__setitem__(..., values)):
                with pytest.raises(FOR_GOOD[kind]):
                    use()
            assert asked(server, "POST") == 0

    @pytest.mark.parametrize(
        ("text", "status", "error"),
        [
            ("Dataset with UUID = x not found ", 404, NotFoundError),
            ("version 7 not found", 404, NotFoundError),
            ("Dataset with UUID=x has not resolution [1,1,1]", 404, NotFoundError),
            ("Anonymous user cannot access this resource", 403, ForbiddenError),
            ("", 500, RefusedError),
        ],
    )
    def test_a_refusal_has_its_meaning(
        self, server: DataStoreServer, text: str, status: int, error: type[StoreError]
    ) -> None:
        with connected(server, patience=PLENTY) as connection:
            volume = volume_of(server, connection)
            server.faults.add(Fault("error", path=OPEN, status=status, text=text))
            with pytest.raises(error) as found:
                volume[...]
            assert type(found.value) is error
            assert volume[0, 0, 0, 0] == server.voxels("a")[0, 0, 0, 0, 0, 0]


class TestWrites:
    @pytest.mark.parametrize("pieces", [1, 8])
    @pytest.mark.parametrize(
        ("kind", "times"), [each for each in ONCE if each[0] not in {"truncate", "short", "long", "html", "redirect"}]
    )
    def test_a_write_recovers(
        self, server: DataStoreServer, values: NDArray[Any], kind: str, times: int, pieces: int
    ) -> None:
        with connected(server, kind, patience=PLENTY) as connection:
            volume = volume_of(server, connection, pieces)
            server.faults.add(fault(kind, times, "POST"))
            volume[...] = values
        same(server.voxels("a")[..., 0, 0], values)
        sent = [each for each in server.requests if each.method == "POST"]
        assert len(sent) == pieces + (0 if kind == "slow" else times)
        assert {each.length for each in sent} == {8 // pieces * BLOCK_BYTES}  # a body is whole
        assert not any("Transfer-Encoding" in each.headers for each in sent)  # and never without a length

    @pytest.mark.parametrize("kind", [kind for kind in FOR_GOOD if kind not in {"truncate", "short"}])
    def test_a_write_gives_up_with_the_error_of_its_fault(
        self, server: DataStoreServer, array: NDArray[Any], values: NDArray[Any], kind: str
    ) -> None:
        with connected(server, kind, patience=0.05) as connection:
            volume = volume_of(server, connection)
            server.faults.add(fault(kind, None, "POST"))
            with pytest.raises(FOR_GOOD[kind]) as found:
                volume[...] = values
            assert [box.shape for box in found.value.remaining] == [SHAPE]
            stored = server.voxels("a")[..., 0, 0]
            same(stored, values if kind in {"lost", "long"} else array)  # these two come after the write
            server.faults.clear()
            volume[...] = values
        same(server.voxels("a")[..., 0, 0], values)

    @pytest.mark.parametrize("kind", ["long", "html", "redirect"])
    def test_a_write_with_an_odd_answer_is_not_sent_again(
        self, server: DataStoreServer, values: NDArray[Any], kind: str
    ) -> None:
        with connected(server, patience=PLENTY) as connection:
            volume = volume_of(server, connection)
            server.faults.add(fault(kind, None, "POST"))
            with pytest.raises(AnswerError):
                volume[...] = values
        assert asked(server, "POST") == 1

    @pytest.mark.parametrize("method", ["GET", "POST"])
    @pytest.mark.parametrize("kind", ["busy", "reset", "close", "lost", "garbage"])
    def test_an_unaligned_write_recovers(
        self, server: DataStoreServer, array: NDArray[Any], kind: str, method: str
    ) -> None:
        with connected(server, patience=PLENTY) as connection:
            volume = volume_of(server, connection).at("new")
            server.faults.add(fault(kind, 2, method))
            volume[:, 5:60, 7:50, 31] = 3
        array[:, 5:60, 7:50, 31] = 3
        same(server.voxels("a")[..., 0, 0], array)

    @pytest.mark.parametrize("kind", ["truncate", "short", "long", "html", "error"])
    def test_an_unaligned_write_that_cannot_read_writes_nothing(
        self, server: DataStoreServer, array: NDArray[Any], kind: str
    ) -> None:
        with connected(server, patience=0.05) as connection:
            volume = volume_of(server, connection)
            server.faults.add(fault(kind, None, "GET"))
            with pytest.raises(FOR_GOOD[kind]):
                volume[:, 5:60] = 3
        assert asked(server, "POST") == 0
        same(server.voxels("a")[..., 0, 0], array)


class TestChanges:
    """Requests that must not be repeated: each is sent once, whatever comes back."""

    @pytest.mark.parametrize(
        "kind",
        ["busy", "refuse", "reset", "close", "lost", "stall", "garbage", "gateway", "html", "short", "long"],
    )
    def test_create(self, server: DataStoreServer, kind: str) -> None:
        with connected(server, kind, patience=PLENTY) as connection:
            server.faults.add(fault(kind, None, "POST", "/datasets"))
            with pytest.raises(StoreError, match="may exist") as found:
                DataStore(connection).create_dataset((8, 8, 8), "uint8")
            assert found.value.uncertain
            assert not found.value.retryable
        assert [each.path for each in server.requests] == ["/datasets"]

    def test_the_uuid_is_not_lost_if_the_query_after_it_fails(self, server: DataStoreServer) -> None:
        with connected(server, patience=0) as connection:
            server.faults.add(fault("reset", None, "GET", "/datasets/.*"))
            with pytest.raises(TransportError, match="the server gave the uuid ") as found:
                DataStore(connection).create_dataset((8, 8, 8), "uint8")
            server.faults.clear()
            uuid = re.search(r"uuid ([\w-]{36})", str(found.value))
            assert uuid is not None
            assert DataStore(connection).dataset(uuid[1]).versions == (0,)

    @pytest.mark.parametrize("kind", ["busy", "refuse", "reset", "close", "stall", "garbage", "html", "redirect"])
    def test_a_new_version_that_was_not_made(self, server: DataStoreServer, kind: str) -> None:
        with connected(server, kind, patience=PLENTY) as connection:
            server.faults.add(fault(kind, None, "GET", ".*/new/write"))
            with pytest.raises(StoreError, match="may have a new version") as found:
                volume_of(server, connection).at("new")
            assert found.value.uncertain
        assert (server.versions("a"), asked(server, "GET", ".*/new/.*")) == ([0], 1)

    @pytest.mark.parametrize("kind", ["lost", "gateway", "truncate", "slow", "long"])
    def test_a_new_version_that_was_made(self, server: DataStoreServer, kind: str) -> None:
        with connected(server, patience=PLENTY) as connection:
            server.faults.add(fault(kind, None, "GET", ".*/new/write"))
            volume = volume_of(server, connection).at("new")
            assert volume.version == 1
            server.faults.clear()
            volume[0, 0, 0, 0] = 7
        assert (server.versions("a"), asked(server, "GET", ".*/new/.*")) == ([0, 1], 1)
        assert server.voxels("a", 1)[0, 0, 0, 0, 0, 0] == 7

    def test_several_versions_that_may_be_the_new_one_are_reported(self, server: DataStoreServer) -> None:
        with connected(server, patience=PLENTY) as connection:
            dataset = Dataset(connection, server.uuids["a"])
            info = dataset.info()
            dataset.new_version()
            server.faults.add(fault("lost", None, "GET", ".*/new/write"))
            with pytest.raises(StoreError, match=r"compare its versions with \[0\]"):
                make_version(connection, info, 0)

    @pytest.mark.parametrize("change", ["delete", "delete_versions", "add_channels"])
    @pytest.mark.parametrize("kind", ["lost", "close", "gateway"])
    def test_other_changes(self, server: DataStoreServer, change: str, kind: str) -> None:
        uuid = server.uuids["a"]
        with connected(server, patience=PLENTY) as connection:
            dataset = Dataset(connection, uuid)
            dataset.new_version()
            changes: dict[str, Callable[[], None]] = {
                "delete": lambda: DataStore(connection).delete(uuid),
                "delete_versions": lambda: dataset.delete_versions(1),
                "add_channels": dataset.add_channels,
            }
            method = "POST" if change == "add_channels" else "DELETE"
            server.faults.add(fault(kind, None, method, ".*"))
            with pytest.raises(StoreError, match="may have been carried out") as found:
                changes[change]()
            assert found.value.uncertain
        assert sum(each.method == method for each in server.requests) == 1


OCTETS = "Content-Type: application/octet-stream"
INFO = {
    "voxelType": "uint8",
    "dimensions": [8, 4, 4],
    "timepoints": 1,
    "channels": 1,
    "angles": 1,
    "resolutionLevels": [{"resolutions": [1, 1, 1], "blockDimensions": [4, 4, 4]}],
    "versions": [0],
}
DOCUMENT = answer(json.dumps(INFO).encode(), "Content-Type: application/json")


def framed(*sizes: int, voxels: int = 0) -> bytes:
    return struct.pack(">3i", *sizes) + bytes(range(voxels))


GOOD = framed(4, 4, 4, voxels=64)


@pytest.mark.parametrize(
    "stream",
    [
        framed(5, 4, 4, voxels=80) + GOOD,
        GOOD + framed(4, 4, 5, voxels=80),
        framed(-1, -1, 4) + GOOD,
        framed(-2, -2, -2) + GOOD,
        framed(-(2**31), 4, 4) + GOOD,
        framed(2**31 - 1, 2**31 - 1, 2**31 - 1) + GOOD,
        struct.pack("<3i", 4, 4, 4) + bytes(64) + GOOD,
        GOOD,
        GOOD + framed(4, 4, 4, voxels=63),
        GOOD + GOOD + GOOD,
        GOOD + GOOD + b"\0",
        GOOD + framed(-1, -1, -1) + bytes(64),
        b"",
        b"<html>",
    ],
    ids=lambda stream: f"{len(stream)} bytes, {stream[:12].hex()}",
)
def test_a_stream_with_impossible_sizes_is_an_answer_error(stream: bytes) -> None:
    with ScriptedServer([answer(stream, OCTETS)] * 2) as process:
        opened = answer(b"", f"Location: {process.url}/", status="307 Temporary Redirect")
        with ScriptedServer([DOCUMENT, opened]) as server, Connection(server.url) as connection:
            volume = DataStoreVolume(connection, "u", timepoint=0, angle=0)
            with pytest.raises(AnswerError):
                volume[...]
            volume.close()
        assert len(process.heads) == 2


@pytest.mark.parametrize("status", [413, 414])
def test_a_server_with_lower_limits_says_so(server: DataStoreServer, values: NDArray[Any], status: int) -> None:
    with connected(server, patience=PLENTY) as connection:
        volume = volume_of(server, connection)
        server.faults.add(Fault("error", method="POST", status=status, text=""))
        with pytest.raises(TooLargeError, match="10 MiB" if status == 413 else "request line"):
            volume[...] = values


def test_more_than_the_server_takes_is_refused_by_it(server: DataStoreServer) -> None:
    prefix = f"/datasets/{server.uuids['a']}/1/1/1/0"
    upload = Upload((10 << 20) + 1, lambda: (memoryview(bytes(1 << 20)) for _ in range(11)))
    with connected(server, patience=PLENTY) as connection:
        for request in (
            Request("read", "GET", prefix + "/0/0/0/0/0/0" * 400, refusal=refusal),
            Request("write", "POST", prefix + "/0/0/0/0/0/0", upload=upload, refusal=refusal),
        ):
            with pytest.raises(TooLargeError):
                connection.exchange(request, Answer.read, connection.new_call())


STORY = [
    json.loads(line)["request"]
    for line in (Path(__file__).parents[2] / "contract/hpc.jsonl").read_text("utf-8").splitlines()
]


class TestRequestsAreKnown:
    """Every request of the client is of a form that was recorded from a real server."""

    def test_requests(self) -> None:
        known = {form(each["method"], each["path"], each["headers"].get("Content-Type", "")) for each in STORY}
        for is_dedicated in (False, True):
            with DataStoreServer(dedicated=is_dedicated) as server, DataStore(server.url) as store:
                use_everything(store)
                sent = [each for each in server.requests if each.status not in {200, 307}]
                assert not sent
                for each in server.requests:
                    found = form(each.method, each.path, each.headers.get("Content-Type", ""))
                    assert found in known, (each.method, each.path)

    def test_bodies(self) -> None:
        created = [each["body"]["text"] for each in STORY if (each["method"], each["path"]) == ("POST", "/datasets")]
        keys = {key for text in created if text.startswith("{") and text.endswith("}") for key in json.loads(text)}
        assert set(SCHEMAS.load("hpc-create-dataset-1")["properties"]) <= keys


def form(method: str, path: str, content_type: str) -> tuple[str, str, str]:
    """Return what is the same in requests of one form: numbers, uuids and repeated blocks differ."""
    path, _, query = path.partition("?")
    path = re.sub(r"^/datasets/[^/]+", "/datasets/U", path) if path.strip("/") != "datasets" else path
    path = re.sub(r"(?<=/)\d+(?=/|$)", "N", path)
    path = re.sub(r"(/N/N/N/N/N/N)+$", "/BLOCKS", path)
    # a version is a number or a word
    path = re.sub(r"/N/N/N/(N|latest|mixedLatest)/", "/N/N/N/V/", path)
    is_timed = not query or query.startswith("timeout=")
    return method, path.rstrip("/") if is_timed else f"{path}?{query}", content_type.partition(";")[0]


def use_everything(store: DataStore) -> None:
    """Use each call of the client that sends requests."""
    dataset = store.create_dataset(
        (10, 9, 5), "uint16", timepoints=[20, 25], channels=2, angles=2,
        levels=[((1, 1, 1), (4, 4, 4)), ((2, 2, 1), (4, 4, 4))], label="x",
    )  # fmt: skip
    dataset.volume()[...] = 7
    new = dataset.volume("new", verify=True)
    new[0, 1:6, 2, 3, 1, 0] = 5
    new.scale(1)[0, 0, 0, 0, 0, 0] = 1
    new.exists()
    dataset.at("mixedLatest")[...]
    dataset.metadata = "x"
    assert dataset.metadata == "x"
    dataset.add_channels()
    dataset.bdv_xml(), dataset.bdv_xml(0), dataset.bdv_xml("mixedLatest")
    dataset.new_version()
    dataset.delete_versions(1, 2)
    store.delete(dataset.uuid)
