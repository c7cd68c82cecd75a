"""Servers that start a process of its own for each open: on another port, for one mode, and gone when it is idle."""

from __future__ import annotations

import contextlib
import json
import pickle
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
import requests
from conformance_stores import ramp
from numpy.typing import NDArray
from scripted import ScriptedServer, answer

import pyvolume
from mockserver import DataStoreServer, Fault
from pyvolume import Connection, RetryPolicy
from pyvolume.errors import AnswerError, NotFoundError, StoreError
from pyvolume.hpc import Dataset, DataStoreVolume
from pyvolume.hpc.prefix import Prefix, _place, opened_by
from pyvolume.transport.answer import Answer
from pyvolume.transport.request import Request

SHAPE = (1, 64, 64, 64)
QUICK = RetryPolicy(patience=0)


def same(found: NDArray[Any], expected: NDArray[Any]) -> None:
    np.testing.assert_array_equal(found, expected, strict=True)


@pytest.fixture
def array() -> NDArray[Any]:
    return ramp(SHAPE, "uint16")


@pytest.fixture
def server(array: NDArray[Any]) -> Iterator[DataStoreServer]:
    with DataStoreServer({"a": array}, dedicated=True) as server:
        yield server


@pytest.fixture
def dataset(server: DataStoreServer) -> Iterator[Dataset]:
    with Connection(server.url) as connection:
        yield Dataset(connection, server.uuids["a"])


def opens(server: DataStoreServer) -> list[str]:
    """Return what was opened: version and mode, in order."""
    found = (re.fullmatch(r"/datasets/[^/]+/1/1/1/(\w+/[\w-]+)\?timeout=60000", each.path) for each in server.requests)
    return [match[1] for match in found if match]


def process_of(volume: DataStoreVolume, mode: str = "read-write") -> Connection:
    opened = volume.store.prefixes.of("1,1,1", volume.version, mode)._opened
    assert opened is not None
    return opened.connection


def test_blocks_go_to_the_process(server: DataStoreServer, dataset: Dataset, array: NDArray[Any]) -> None:
    volume = dataset.volume(timepoint=0, angle=0)
    same(volume[...], array)
    volume[0, 3:40, 5, :] = 7
    array[0, 3:40, 5, :] = 7
    same(server.voxels("a")[..., 0, 0], array)
    assert opens(server) == ["0/read-write"]
    assert process_of(volume).url != server.url
    assert {each.path.split("/")[1] for each in server.requests} == {"datasets", "0"}


def test_a_process_is_opened_for_what_the_mode_allows(server: DataStoreServer, dataset: Dataset) -> None:
    with pyvolume.open(f"hpc://{server.url}/{dataset.uuid}?timepoint=0&angle=0", kind=DataStoreVolume) as volume:
        volume[0, 0, 0, 0]
        process = process_of(volume, "read").url
        assert requests.post(f"{process}/0/0/0/0/0/0", timeout=60).text == "Cannot write in mode: READ"
    assert opens(server) == ["0/read"]


def test_a_process_that_has_ended_is_opened_again_by_the_number(
    server: DataStoreServer, dataset: Dataset, array: NDArray[Any]
) -> None:
    volume = dataset.volume("new", timepoint=0, angle=0)
    volume[0, 3, 3, 3] = 9
    for key in (np.s_[0, 3, 3, 3], np.s_[0, 4, 4, 4], np.s_[0, 40, 40, 40]):
        server.stop_processes()
        volume[key] = 9
        array[key] = 9
    array[0, 3, 3, 3] = 9
    same(server.voxels("a")[..., 0, 0], array)
    assert dataset.versions == (0, 1)
    assert opens(server).count("new/write") == 1
    assert set(opens(server)) == {"new/write", "1/read-write", "0/read"}


def test_the_patience_of_a_connection_is_not_needed_for_that(server: DataStoreServer, array: NDArray[Any]) -> None:
    with Connection(server.url, retry=QUICK) as connection:
        volume = DataStoreVolume(connection, server.uuids["a"], timepoint=0, angle=0)
        same(volume[...], array)
        server.stop_processes()
        same(volume[...], array)


def test_a_process_ends_in_the_middle_of_a_parallel_read(
    server: DataStoreServer, dataset: Dataset, array: NDArray[Any]
) -> None:
    volume = dataset.volume(timepoint=0, angle=0)
    found = np.zeros_like(array)
    for number, (box, voxels) in enumerate(volume.read_many(volume.blocks(shape=(1, 32, 32, 32)))):
        if number in {1, 4}:
            server.stop_processes()
        found[box.slices_from((0, 0, 0, 0))] = voxels
    same(found, array)


def test_a_process_ends_in_the_middle_of_an_answer(
    server: DataStoreServer, dataset: Dataset, array: NDArray[Any]
) -> None:
    volume = dataset.volume(timepoint=0, angle=0)
    volume[0, 0, 0, 0]
    server.faults.add(Fault("stall", path="/0/0/0/.*"))
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(volume.__getitem__, ...)
        while server.faults.unfired:
            threading.Event().wait(0.005)  # nothing tells that a request has come
        server.stop_processes()
        same(reading.result(), array)
    assert opens(server) == ["0/read-write"] * 2


def test_threads_open_once(server: DataStoreServer, dataset: Dataset, array: NDArray[Any]) -> None:
    server.faults.add(Fault("slow", path=".*/read-write", pause=0.01))
    volume = dataset.volume(timepoint=0, angle=0)
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda x: volume[:, x], range(8)):
            assert found.shape == (1, 64, 64)
    assert opens(server) == ["0/read-write"]


def test_completing_blocks_opens_each_version_once(server: DataStoreServer, dataset: Dataset) -> None:
    volume = dataset.volume("new", timepoint=0, angle=0)
    for x in range(0, 64, 16):
        volume[0, x, x, x] = x
    assert opens(server) == ["new/write", "1/read-write", "0/read"]


def test_a_pickled_volume_opens_the_number(server: DataStoreServer, dataset: Dataset) -> None:
    volume = dataset.volume("new", timepoint=0, angle=0)
    volume[...] = 5
    again = pickle.loads(pickle.dumps(volume))
    server.stop_processes()
    assert (again[...] == 5).all()
    assert opens(server) == ["new/write", "1/read-write", "1/read-write"]
    again.close()
    again.store.connection.close()


def test_closing_closes_the_connections_to_processes(server: DataStoreServer, dataset: Dataset) -> None:
    volume = dataset.volume(timepoint=0, angle=0)
    earlier = volume.at(0)
    volume[0, 0, 0, 0], earlier[0, 0, 0, 0]
    process = process_of(volume)
    earlier.close()
    assert "closed" not in repr(process)
    volume.close()
    assert "closed" in repr(process)
    assert "closed" not in repr(dataset.connection)
    assert earlier[0, 1, 1, 1] == volume[0, 1, 1, 1]  # the connection was given, so it is opened again
    volume.close()


def test_an_idle_process_is_not_asked_because_another_one_can_have_its_port(server: DataStoreServer) -> None:
    with Connection(server.url) as connection:
        prefix = Prefix(connection, server.uuids["a"], "1,1,1", 0, "read", kept=0)
        for _ in range(3):
            prefix.exchange(Request("ask", "GET", "/datatype/0/0/0"), Answer.read, connection.new_call())
        assert sum("/0/read?" in each.path for each in server.requests) == 3
        prefix.close()


def test_a_version_that_was_deleted_meanwhile_is_not_asked(array: NDArray[Any]) -> None:
    with DataStoreServer({"a": array}) as shared, Connection(shared.url) as connection:
        dataset = Dataset(connection, shared.uuids["a"])
        number = dataset.new_version()
        prefix = Prefix(connection, dataset.uuid, "1,1,1", number, "read", kept=0)
        request = Request("ask", "GET", "/0/0/0/0/0/0")
        prefix.exchange(request, Answer.read, connection.new_call())
        dataset.delete_versions(number)
        with pytest.raises(NotFoundError):
            prefix.exchange(request, Answer.read, connection.new_call())
        assert dataset.versions == (0,)  # a request for blocks would have made a version that breaks the dataset


def test_a_process_answers_a_stop_before_it_ends(server: DataStoreServer) -> None:
    place = f"{server.url}/datasets/{server.uuids['a']}/1/1/1/0/read"
    urls = [requests.get(place, allow_redirects=False, timeout=60).headers["Location"] for _ in range(50)]
    assert {requests.post(f"{url}stop", timeout=60).status_code for url in urls} == {200}


class TestNewVersions:
    def test_the_number_is_looked_up_where_the_process_does_not_say_it(
        self, server: DataStoreServer, dataset: Dataset
    ) -> None:
        for fault in (Fault("error", path="/", status=404), Fault("html", path="/", times=None)):
            server.faults.clear()
            server.faults.add(fault)
            assert dataset.new_version() == dataset.versions[-1]
        assert (dataset.versions, opens(server)) == ((0, 1, 2), ["new/write"] * 2)

    def test_a_number_that_is_not_new_is_not_written_to(self) -> None:
        status = {"uuid": "u", "version": 0, "mode": "READ_WRITE", "resolutionLevels": [[1, 1, 1]]}
        with (
            ScriptedServer([document(status)]) as process,
            scripted([document(DATASET), redirect(f"{process.url}/"), document(DATASET)]) as (connection, _),
            pytest.raises(AnswerError, match="which was there before") as found,
        ):
            DataStoreVolume(connection, "u", version="new")
        assert found.value.uncertain


REDIRECT = "307 Temporary Redirect"

DATASET = {
    "voxelType": "uint8",
    "dimensions": [8, 8, 8],
    "timepoints": 1,
    "channels": 1,
    "angles": 1,
    "resolutionLevels": [{"resolutions": [1, 1, 1], "blockDimensions": [8, 8, 8]}],
    "versions": [0],
}


def document(value: object) -> bytes:
    return answer(json.dumps(value).encode(), "Content-Type: application/json")


def redirect(location: str) -> bytes:
    return answer(b"", f"Location: {location}", status=REDIRECT)


@contextlib.contextmanager
def scripted(answers: list[bytes]) -> Iterator[tuple[Connection, ScriptedServer]]:
    with ScriptedServer(answers) as script, Connection(script.url, retry=QUICK) as connection:
        yield connection, script


class TestWhereAnOpenLeadsTo:
    @pytest.mark.parametrize(
        ("server", "location", "url", "path"),
        [
            ("http://h:9080", "http://h:9080/datasets/u/1/1/1/0/", None, "/datasets/u/1/1/1/0"),
            ("https://h", "http://h/datasets/u/1/1/1/0/", None, "/datasets/u/1/1/1/0"),
            ("https://h:443", "http://h:80/datasets/u/1/1/1/0", None, "/datasets/u/1/1/1/0"),
            ("http://H:9080", "http://h:9080/x/", None, "/x"),
            ("https://h/lab", "http://h/datasets/u/1/1/1/0/", None, "/datasets/u/1/1/1/0"),
            ("https://h/lab", "http://h/lab/datasets/u/1/1/1/0/", None, "/datasets/u/1/1/1/0"),
            ("https://h/lab", "http://h/laboratory/", None, "/laboratory"),
            ("http://h:9080", "http://h:41234/", "http://h:41234", ""),
            ("http://[::1]:9080", "http://[::1]:41234/", "http://[::1]:41234", ""),
            ("https://h", "https://node7:41234/a/", "https://node7:41234", "/a"),
        ],
    )
    def test_an_address(self, server: str, location: str, url: str | None, path: str) -> None:
        with Connection(server) as connection:
            opened = _place(connection, "open", location)
            assert (opened.is_own, opened.path) == (url is not None, path)
            assert opened.connection.url == (url or connection.url)
            opened.close()

    @pytest.mark.parametrize(
        "location",
        ["", "nonsense", "/datasets/u/1/1/1/0/", "h:9080/x", "ftp://h/x", "http://", "http:///x", "http://[::1/",
         "http://h:99999/", "http://h:x/", "http://me:secret@h/", "http://h/../stop", "http://h/?x=1"],
    )  # fmt: skip
    def test_garbage_is_an_answer_error(self, location: str) -> None:
        with (
            scripted([document(DATASET), redirect(location)]) as (connection, script),
            pytest.raises(AnswerError, match="expected the address of the blocks") as found,
        ):
            DataStoreVolume(connection, "u")[0, 0, 0, 0]
        assert len(script.heads) == 2
        assert "secret" not in str(found.value)

    def test_a_process_that_nobody_reaches_is_an_error(self) -> None:
        with ScriptedServer([]) as gone:
            url = gone.url
        with (
            scripted([document(DATASET), *[redirect(f"{url}/")] * 3]) as (connection, script),
            pytest.raises(StoreError, match="is the server running"),
        ):
            DataStoreVolume(connection, "u")[0, 0, 0, 0]
        assert len(script.heads) == 4

    def test_a_proxy_that_serves_the_server_under_a_path(self, array: NDArray[Any]) -> None:
        with DataStoreServer({"a": array}) as server, proxied(server.url) as url:
            with pyvolume.open(f"hpc://{url}/{server.uuids['a']}?timepoint=0&angle=0", "r+") as volume:
                same(volume[...], array)
                volume[0, 1, 1, 1] = 0
                assert volume.store.address.startswith(f"hpc://{url}/")
            assert server.voxels("a")[0, 1, 1, 1, 0, 0] == 0

    def test_a_path_that_is_opened_keeps_what_is_quoted(self) -> None:
        with scripted([redirect("http://h/datasets/a%20b/1/1/1/0/")]) as (connection, _):
            opened = opened_by(connection, "open", "/x", connection.new_call())
            assert opened.path == "/datasets/a%20b/1/1/1/0"
            opened.close()


@contextlib.contextmanager
def proxied(target: str) -> Iterator[str]:
    """Serve another server under ``/lab``; the header ``Host`` goes through, and redirects come back as they are."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            assert self.path.startswith("/lab/")
            length = self.headers.get("Content-Length")
            body = self.rfile.read(int(length)) if length else None
            request = urllib.request.Request(target + self.path.removeprefix("/lab"), body, method=self.command)
            for name in ("Host", "Content-Type"):
                if name in self.headers:
                    request.add_header(name, self.headers[name])
            with _open_without_following(request) as got:
                data = got.read()
                self.send_response(got.status)
                for name in ("Content-Type", "Location"):
                    if name in got.headers:
                        self.send_header(name, got.headers[name])
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{proxy.server_address[1]}/lab"
        finally:
            proxy.shutdown()


def _open_without_following(request: urllib.request.Request) -> Any:
    class Nowhere(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    try:
        return urllib.request.build_opener(Nowhere).open(request, timeout=60)
    except urllib.error.HTTPError as error:
        return error
