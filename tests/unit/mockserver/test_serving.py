from __future__ import annotations

import http.client
import json
import logging
import re
import socket
import threading
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from plain_client import PlainClient, talking_to

from mockserver import MockServer, RequestRecord

BLOCK = bytes(2 * 32**3)
WRITE = "gray/raw/0_1_2/32_32_32/0_0_0"


def dial(server: MockServer) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def head(method: str, path: str, *lines: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


def test_requests_are_written_down(client: PlainClient) -> None:
    client.at("GET", "status?u=me")
    client.at("POST", WRITE, BLOCK)
    found = [(each.method, each.path.split("/")[-1], each.length, each.status) for each in client.server.requests]
    assert found == [("GET", "status?u=me", 0, 200), ("POST", "0_0_0", len(BLOCK), 200)]


def test_a_record_cannot_be_changed(client: PlainClient) -> None:
    client.at("GET", "status")
    with pytest.raises(AttributeError):
        client.server.requests[0].status = 1  # type: ignore[misc]


def test_a_record_has_the_headers() -> None:
    record = RequestRecord("GET", "/", {"Host": "x"}, 0, 200)
    assert record.headers["Host"] == "x"


def test_a_connection_serves_many_requests(client: PlainClient) -> None:
    client.at("GET", "status")
    first = client.connection.sock
    client.at("POST", "nothing/raw", bytes(200_000))
    client.at("GET", "status")
    assert client.connection.sock is first


def test_a_large_refused_body_ends_the_connection(client: PlainClient) -> None:
    reply = client.at("POST", "nothing/raw", bytes(256 * 1024))
    assert (reply.status, reply.headers["connection"]) == (400, "close")


def test_pipelined_requests_are_answered_in_order(server: MockServer) -> None:
    path = f"/api/node/{server.uuid}"
    asked = head("POST", f"{path}/{WRITE}", f"Content-Length: {len(BLOCK)}") + BLOCK + head("GET", f"{path}/status")
    with dial(server) as connection:
        connection.sendall(asked + head("GET", "/api/nothing", "Connection: close"))
        with connection.makefile("rb") as stream:
            answers = stream.read()
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"200", b"404"]


def test_an_upload_may_come_in_chunks(client: PlainClient) -> None:
    path = f"/api/node/{client.server.uuid}/{WRITE}"
    parts = [BLOCK[:1000], BLOCK[1000:]]
    client.connection.request("POST", path, body=iter(parts), encode_chunked=True)
    assert (client.connection.getresponse().status, client.server.requests[-1].length) == (200, len(BLOCK))


def test_an_upload_in_chunks_has_to_fit_too(client: PlainClient, array: NDArray[Any]) -> None:
    path = f"/api/node/{client.server.uuid}/{WRITE}"
    client.connection.request("POST", path, body=iter([BLOCK, b"x"]), encode_chunked=True)
    assert client.connection.getresponse().read().startswith(b"voxels data was 65537 bytes, expected 65536 bytes")
    np.testing.assert_array_equal(client.server.voxels("gray"), array, strict=True)


def test_a_client_that_expects_100_continue_gets_it(server: MockServer) -> None:
    with dial(server) as connection, connection.makefile("rb") as stream:
        lines = (f"Content-Length: {len(BLOCK)}", "Expect: 100-continue")
        connection.sendall(head("POST", f"/api/node/{server.uuid}/{WRITE}", *lines))
        assert stream.readline() == b"HTTP/1.1 100 Continue\r\n"


def test_a_refused_request_gets_no_100_continue(server: MockServer) -> None:
    with dial(server) as connection, connection.makefile("rb") as stream:
        connection.sendall(head("POST", "/api/node/fff/x/raw", "Content-Length: 9", "Expect: 100-continue"))
        assert stream.readline() == b"HTTP/1.1 400 Bad Request\r\n"


def test_an_interrupted_upload_is_not_stored(server: MockServer, array: NDArray[Any]) -> None:
    with dial(server) as connection:
        connection.sendall(head("POST", f"/api/node/{server.uuid}/{WRITE}", f"Content-Length: {len(BLOCK)}"))
        connection.sendall(BLOCK[:1000])
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as stream:
            stream.read()
    np.testing.assert_array_equal(server.voxels("gray"), array, strict=True)


def test_a_client_that_disconnects_is_not_logged(
    server: MockServer, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with dial(server) as connection:
        connection.sendall(head("POST", f"/api/node/{server.uuid}/{WRITE}", f"Content-Length: {len(BLOCK)}"))
    server.close()
    loud = [record for record in caplog.records if record.levelno >= logging.INFO]
    assert (loud, capsys.readouterr().err) == ([], "")


def test_a_request_that_is_not_http_gets_a_400(server: MockServer) -> None:
    with dial(server) as connection, connection.makefile("rb") as stream:
        connection.sendall(b"hello\r\n\r\n")
        assert stream.read().startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_an_old_client_gets_no_chunks(server: MockServer, array: NDArray[Any]) -> None:
    path = f"/api/node/{server.uuid}/gray/raw/0_1_2/64_96_40/0_0_0"
    with dial(server) as connection, connection.makefile("rb") as stream:
        connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        _, _, body = stream.read().partition(b"\r\n\r\n")
    assert body == array.tobytes(order="F")


def test_closing_ends_idle_connections() -> None:
    before = threading.active_count()
    with MockServer() as server, talking_to(server) as client:
        client.ask("GET", "/api/heartbeat")
        server.close()
        assert threading.active_count() == before


def test_closing_twice_does_nothing(server: MockServer) -> None:
    server.close()
    server.close()


def test_a_port_in_use_is_an_error(server: MockServer) -> None:
    with pytest.raises(OSError, match=r"[Aa]ddress already in use"):
        MockServer(port=int(server.url.rpartition(":")[2]))


def test_anybody_creates_repositories_without_a_token() -> None:
    with MockServer() as server, talking_to(server) as client:
        root = json.loads(client.ask("POST", "/api/repos", {}).body)["root"]
        assert server.uuid == root


@pytest.mark.parametrize(("query", "status"), [("", 400), ("?admintoken=wrong", 400), ("?admintoken=secret", 200)])
def test_with_a_token_only_its_holder_creates_repositories(query: str, status: int) -> None:
    with MockServer(admin_token="secret") as server, talking_to(server) as client:
        assert client.ask("POST", f"/api/repos{query}", {}).status == status


@pytest.mark.parametrize(("query", "status"), [("", 400), ("?admintoken=secret", 200)])
def test_the_holder_of_the_token_overrides_locks(query: str, status: int) -> None:
    volumes = {"gray": np.zeros((1, 32, 32, 32), np.uint16)}
    with MockServer(volumes, admin_token="secret") as server, talking_to(server) as client:
        client.at("POST", "commit", {})
        assert client.at("POST", f"{WRITE}{query}", BLOCK).status == status


@pytest.mark.parametrize("slots", [1, 2])
def test_slots_limit_throttled_operations(array: NDArray[Any], slots: int) -> None:
    with MockServer({"gray": array}, throttle_slots=slots) as server, talking_to(server) as client:
        path = f"/api/node/{server.uuid}/{WRITE}?throttle=on"
        with dial(server) as holder, holder.makefile("rb") as stream:
            holder.sendall(head("POST", path, f"Content-Length: {len(BLOCK)}", "Expect: 100-continue"))
            assert stream.readline() == b"HTTP/1.1 100 Continue\r\n"  # so it has its slot
            status = client.at("GET", "gray/raw/0_1_2/1_1_1/0_0_0?throttle=true").status
    assert status == (503 if slots == 1 else 200)


def test_an_error_in_the_server_is_a_500(client: PlainClient, caplog: pytest.LogCaptureFixture) -> None:
    client.at("POST", "gray/resolution", "null")
    reply = client.at("GET", "gray/metadata")
    assert (reply.status, reply.body[:26]) == (500, b"Panic detected on request ")


def test_blocks_of_wide_voxels_are_refused(client: PlainClient) -> None:
    assert client.at("POST", "gray/blocks/0_0_0/1", bytes(32**3)).status == 500


def test_a_second_thread_is_served_meanwhile(server: MockServer, client: PlainClient) -> None:
    with dial(server) as waiting:
        waiting.sendall(head("POST", f"/api/node/{server.uuid}/{WRITE}", f"Content-Length: {len(BLOCK)}"))
        assert client.at("GET", "status").status == 200


def test_a_connection_error_is_what_a_client_sees_of_a_closed_server(client: PlainClient) -> None:
    client.at("GET", "status")
    client.server.close()
    with pytest.raises((OSError, http.client.HTTPException)):
        client.at("GET", "status")


def test_a_merge_across_repositories_is_refused_and_leaves_its_node(client: PlainClient) -> None:
    other = json.loads(client.ask("POST", "/api/repos", {}).body)["root"]
    root = client.server.uuid
    client.at("POST", "commit", {})
    merge = {"mergeType": "conflict-free", "parents": [root, other], "note": "refused"}
    reply = client.ask("POST", f"/api/repo/{root}/merge", merge)
    nodes = json.loads(client.ask("GET", f"/api/repo/{root}/info").body)["DAG"]["Nodes"]
    assert (reply.status, reply.body.partition(b" (")[0]) == (400, b"server-specific version id is invalid")
    assert [node["Note"] for node in nodes.values() if node["Parents"]] == ["refused"]
