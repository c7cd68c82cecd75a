from __future__ import annotations

import http.client
import socket
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from plain_client import PlainClient, talking_to

from mockserver import Fault, MockServer
from mockserver.http.faults import KINDS
from mockserver.http.misbehaviour import WAYS

READ = "gray/raw/0_1_2/64_96_40/0_0_0"
WRITE = "gray/raw/0_1_2/32_32_32/0_0_0"
BLOCK = bytes(2 * 32**3)


def test_every_kind_has_its_way() -> None:
    assert set(WAYS) == set(KINDS)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of busy, close"):
        Fault("nonsense")


@pytest.mark.parametrize(
    ("fault", "matches"),
    [
        (Fault("busy"), True),
        (Fault("busy", method="GET"), True),
        (Fault("busy", method="POST"), False),
        (Fault("busy", path=".*/raw/.*"), True),
        (Fault("busy", path=".*/0_0_0"), True),
        (Fault("busy", path=".*throttle=on"), True),
        (Fault("busy", path="raw"), False),
    ],
)
def test_a_fault_befalls_what_it_names(fault: Fault, matches: bool) -> None:
    assert fault.matches("GET", "/api/node/a/gray/raw/0_1_2/1_1_1/0_0_0?throttle=on") is matches


def test_a_fault_is_used_up(client: PlainClient) -> None:
    client.server.faults.add(Fault("busy", times=2, path=".*/raw/.*"))
    assert [client.at("GET", READ).status for _ in range(3)] == [503, 503, 200]


def test_a_fault_for_ever_lasts_until_cleared(client: PlainClient) -> None:
    client.server.faults.add(Fault("busy", times=None))
    before = [client.at("GET", READ).status for _ in range(3)]
    client.server.faults.clear()
    assert [*before, client.at("GET", READ).status] == [503, 503, 503, 200]


def test_faults_come_in_the_order_they_were_added(client: PlainClient) -> None:
    client.server.faults.add(Fault("error", status=429), Fault("error", status=403, text="no"))
    replies = [client.at("GET", READ) for _ in range(2)]
    assert [(reply.status, reply.body) for reply in replies] == [(429, b"injected fault\n"), (403, b"no\n")]


def test_busy_speaks_as_the_server_does(client: PlainClient) -> None:
    client.server.faults.add(Fault("busy", retry_after=2))
    reply = client.at("GET", READ)
    words = b"Server already running 1 throttled operations (max = 1)\n\n"
    assert (reply.status, reply.headers["retry-after"], reply.body) == (503, "2", words)


@pytest.mark.parametrize("kind", ["reset", "close", "lost"])
def test_no_answer_comes(client: PlainClient, kind: str) -> None:
    client.server.faults.add(Fault(kind))
    with pytest.raises(ConnectionError):
        client.at("GET", READ)


def test_a_closed_connection_is_no_reset(client: PlainClient) -> None:
    client.server.faults.add(Fault("close"))
    with pytest.raises(http.client.RemoteDisconnected):
        client.at("POST", WRITE, BLOCK)


@pytest.mark.parametrize(("kind", "carried_out"), [("reset", False), ("close", False), ("lost", True)])
def test_whether_a_request_without_answer_was_carried_out(
    client: PlainClient, array: NDArray[Any], kind: str, carried_out: bool
) -> None:
    client.server.faults.add(Fault(kind))
    with pytest.raises(ConnectionError):
        client.at("POST", WRITE, BLOCK)
    assert np.array_equal(client.server.voxels("gray"), array) is not carried_out


@pytest.mark.parametrize("path", [READ, "status"], ids=["in chunks", "with a length"])
def test_truncate_breaks_off_in_the_body(client: PlainClient, path: str) -> None:
    client.server.faults.add(Fault("truncate"))
    with pytest.raises(http.client.IncompleteRead):
        client.at("GET", path)


@pytest.mark.parametrize(("kind", "change"), [("short", -3), ("long", 3)])
def test_length_is_wrong_inside_good_framing(client: PlainClient, array: NDArray[Any], kind: str, change: int) -> None:
    client.server.faults.add(Fault(kind, amount=3))
    assert len(client.at("GET", READ).body) == array.nbytes + change


def test_slow_brings_the_right_voxels(client: PlainClient, array: NDArray[Any]) -> None:
    client.server.faults.add(Fault("slow", pause=0.001))
    assert client.at("GET", READ).body == array.tobytes(order="F")


def test_html_is_a_page_with_status_200(client: PlainClient) -> None:
    client.server.faults.add(Fault("html"))
    reply = client.at("GET", READ)
    assert (reply.status, reply.headers["content-type"], reply.body[:15]) == (200, "text/html", b"<!DOCTYPE html>")


def test_gateway_answers_for_a_server_that_has_done_it(client: PlainClient) -> None:
    server = client.server
    server.faults.add(Fault("gateway", status=504))
    path = f"/api/node/{server.uuid}/note"
    reply = client.ask("POST", path, b'{"note": "done"}')
    assert (reply.status, reply.body[:15]) == (504, b"<!DOCTYPE html>")
    assert b"done" in client.ask("GET", path).body


def test_redirect_points_elsewhere(client: PlainClient) -> None:
    client.server.faults.add(Fault("redirect"))
    reply = client.at("GET", READ)
    assert (reply.status, client.server.url in reply.headers["location"]) == (302, False)


def test_garbage_has_no_status(client: PlainClient) -> None:
    client.server.faults.add(Fault("garbage"))
    with pytest.raises(http.client.BadStatusLine):
        client.at("GET", READ)


def test_refuse_answers_before_the_body_is_sent(server: MockServer) -> None:
    server.faults.add(Fault("refuse"))
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        head = f"POST /api/node/{server.uuid}/{WRITE} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65536\r\n\r\n"
        connection.sendall(head.encode())
        with connection.makefile("rb") as stream:
            answer = stream.read()
    assert (answer[:12], b"Connection: close" in answer) == (b"HTTP/1.1 503", True)


def test_stall_is_silence(server: MockServer) -> None:
    server.faults.add(Fault("stall"))
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=0.2)
    connection.request("GET", f"/api/node/{server.uuid}/{READ}")
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()


def test_closing_the_server_ends_a_stall() -> None:
    before = threading.active_count()
    with MockServer({"gray": np.zeros((1, 4, 4, 4))}, faults=[Fault("stall")]) as server, talking_to(server) as client:
        client.connection.request("GET", f"/api/node/{server.uuid}/status")
        server.close()
        with pytest.raises(http.client.RemoteDisconnected):
            client.connection.getresponse()
    assert threading.active_count() == before


@pytest.mark.parametrize("kind", sorted(KINDS - {"stall"}))
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_after_a_fault_the_same_client_is_served(client: PlainClient, kind: str, method: str) -> None:
    client.server.faults.add(Fault(kind))
    try:
        client.at(method, READ if method == "GET" else WRITE, None if method == "GET" else BLOCK)
    except (OSError, http.client.HTTPException):
        client.connection.close()
    assert client.at("GET", "status").body == b'{"Locked":false}'


@pytest.mark.parametrize(
    ("fault", "wrong"),
    [
        (Fault("busy", method="get"), "get"),
        (Fault("busy", method="PSOT"), "PSOT"),
        (Fault("busy", path=".*/rwa/.*"), "rwa"),
        (Fault("busy", path=".*/gray/rwa/.*"), "rwa"),
        (Fault("busy", path="/api/node/.*/grey/.*"), "grey"),
        (Fault("busy", path="/api/nod/.*/raw/.*"), "nod"),
        (Fault("busy", path=".*/kye.*"), "kye"),
        (Fault("busy", path=r".*/(raw|isotropc)/.*_[345]\d"), "isotropc"),
        (Fault("busy", path=".*/key/.*|.*/brnach"), "brnach"),
        (Fault("busy", path="/api/repos/inof"), "inof"),
        (Fault("busy", path=r".*/rwa/.*\?throttle=on"), "rwa"),
        (Fault("busy", path="raww"), "raww"),
    ],
)
def test_a_misspelt_fault_is_refused(server: MockServer, fault: Fault, wrong: str) -> None:
    with pytest.raises(ValueError, match=repr(wrong)):
        server.faults.add(Fault("busy"), fault)
    assert server.faults.unfired == ()


@pytest.mark.parametrize(
    "path",
    [
        ".*",
        ".*/raw/.*",
        ".*/gray/.*",
        ".*/later/raw/.*",
        "/api/node/[0-9a-f]+/.*",
        "/api/node/master/gray/raw/.*",
        "/api/repo/trial/branch-versions/experiment",
        "/api/node/.*/notes/key/any/key",
        r".*/my\-notes/keyvalues",
        ".*/key.*",
        ".*/(raw|isotropic)/0_1_2/.*_[345][0-9]",
        "/api/repo/.*/(branch|newversion|tag)",
        r".*/raw/.*\?throttle=on",
        ".*throttle=on",
        ".*/0_0_0",
    ],
)
def test_a_fault_for_something_that_can_come_is_taken(server: MockServer, path: str) -> None:
    fault = Fault("busy", path=path)
    server.faults.add(fault)
    assert server.faults.unfired == (fault,)


def test_a_fault_knows_an_instance_that_was_created(client: PlainClient) -> None:
    fault = Fault("busy", path=".*/notes/.*")
    with pytest.raises(ValueError, match="notes"):
        client.server.faults.add(fault)
    body = b'{"typename": "keyvalue", "dataname": "notes"}'
    assert client.ask("POST", f"/api/repo/{client.server.uuid}/instance", body).status == 200
    client.server.faults.add(fault)


def test_a_misspelt_first_fault_leaves_no_server(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rwa"):
        MockServer({}, folder=tmp_path / "data", faults=[Fault("busy", path=".*/rwa/.*")])
    with MockServer({}, folder=tmp_path / "data") as server:
        assert server.faults.unfired == ()


def test_a_path_that_is_no_regular_expression_is_refused() -> None:
    with pytest.raises(ValueError, match="regular"):
        Fault("busy", path="*/raw")


def test_faults_know_whether_they_fired(client: PlainClient) -> None:
    never = Fault("error", method="DELETE")
    client.server.faults.add(Fault("busy", times=2), never)
    assert client.at("GET", READ).status == 503
    assert client.server.faults.unfired == (never,)
