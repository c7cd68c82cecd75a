"""Requests that no honest client sends: the mock refuses them like a real DVID, and both serve on."""

from __future__ import annotations

import contextlib
import socket
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from conformance_stores import DvidBackend

import pyvolume
from pyvolume.dvid import Repo

LONG = b"a" * 1_100_000
DEEP = b"[" * 100_000

CHUNKS = {
    b"-5\r\nhello\r\n0\r\n\r\n": "invalid byte in chunk length",
    b"+5\r\nhello\r\n0\r\n\r\n": "invalid byte in chunk length",
    b"0_5\r\nhello\r\n0\r\n\r\n": "invalid byte in chunk length",
    b"\r\nhello\r\n0\r\n\r\n": "empty hex number for chunk length",
    b"7fffffffffffffff\r\nhello": "unexpected EOF",
    b"10000000000000000\r\nhello": "http chunk length too large",
    b"5;" + b"a" * 5000 + b"\r\nhello\r\n0\r\n\r\n": "header line too long",
    b"5\r\nhelloXX0\r\n\r\n": "malformed chunked encoding",
    b"5\nhello\n0\n\n": "chunked line ends with bare LF",
    (b"1;" + b"a" * 1000 + b"\r\nx\r\n") * 100: "chunked encoding contains too much non-data",
    b"5\r\nhello\r\n0\r\n" + b"X: y\r\n" * 5000: "http: suspiciously long trailer after chunked body",
    b"5\r\nhello\r\n0\r\nXXXX\r\n\r\n": 'malformed MIME header: missing colon: "XXXX"',
}

HEADS = {
    "Content-Length: -5": 400,
    "Content-Length: 5, 5": 400,
    "Content-Length: 5\r\nContent-Length: 4": 400,
    "Content-Length: " + "9" * 5000: 400,
    "Content-Length: 10000000000000000000": 400,
    "Content-Length: \u0665": 400,
    "Content-Length: x\r\nTransfer-Encoding: chunked": 400,
    "Content-Length : 5": 400,
    "Transfer-Encoding: gzip, chunked": 501,
    "Transfer-Encoding: xchunked": 501,
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked": 501,
    "Host: y": 400,
    "X: a\0b": 400,
    "X": 400,
    "X: " + "a" * 1_100_000: 431,
    "X: y\r\n" * 200_000 + "X: y": 431,
}

LINES = {
    b"G\x01T / HTTP/1.1": 400,
    b"GET /\x01 HTTP/1.1": 400,
    b"GET http://[::1/api HTTP/1.1": 400,
    b"GET / HTTP/1.11": 400,
    b"GET / HTTP/2.0": 505,
    b"GET /": 400,
    b"GET /" + LONG + b" HTTP/1.1": 431,
}

POSTS = {
    "gray/blocks/0_0_0/2147483648": (b"0123456789", "block data ceased before all block data read"),
    "gray/blocks/0_0_0/4611686018427387904": (b"0123456789", "block data ceased before all block data read"),
    "gray/raw/0_1_2/1048576_1048576_32/0_0_0": (b"0123456789", "voxels data was 10 bytes, expected 35184372088832"),
    "roi/roi": (DEEP, "invalid character '[' exceeded max depth"),
    "gray/extents": (b'{"a":' * 100_000, "invalid character '{' exceeded max depth"),
    "gray/resolution": (b"[" + b"9" * 5000 + b"]", "json: cannot unmarshal number 999"),
    "kv/keyvalues": (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x00", "cannot parse invalid wire-format data"),
}


@pytest.fixture(scope="module")
def repo(dvid: DvidBackend) -> Repo:
    repo = pyvolume.dvid.Server(dvid.connection).create_repo("hostile", duplicate_alias=True)
    repo.create_volume("gray", (64, 64, 64), "uint8")
    repo.create_keyvalue("kv")
    repo.create_roi("roi")
    return repo


@pytest.fixture
def path(dvid: DvidBackend, repo: Repo) -> Iterator[str]:
    """The path of the version; afterwards the server still answers."""
    yield f"/api/node/{repo.root.uuid}"
    with urllib.request.urlopen(f"{dvid.connection.url}/api/server/types", timeout=60) as answer:
        assert answer.status == 200


def said(dvid: DvidBackend, request: bytes) -> tuple[int, str]:
    """Send bytes and nothing more; return the status and the text of the answer."""
    where = urlsplit(dvid.connection.url)
    assert where.hostname
    assert where.port
    with socket.create_connection((where.hostname, where.port), timeout=60) as connection:
        with contextlib.suppress(OSError):  # the server has answered already
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                answer += piece
    head, _, body = answer.decode("latin-1").partition("\r\n\r\n")
    return int(head.split()[1]), body


def post(path: str, *lines: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


@pytest.mark.parametrize(("chunks", "complaint"), CHUNKS.items(), ids=CHUNKS.values())
def test_malformed_chunks_are_refused(dvid: DvidBackend, path: str, chunks: bytes, complaint: str) -> None:
    request = post(f"{path}/kv/key/a", "Transfer-Encoding: chunked") + chunks
    assert said(dvid, request) == (400, f"{complaint} ({path}/kv/key/a).\n")


@pytest.mark.parametrize(("headers", "status"), HEADS.items(), ids=lambda value: str(value)[:40])
def test_a_head_that_can_be_read_in_two_ways_is_refused(
    dvid: DvidBackend, path: str, headers: str, status: int
) -> None:
    assert said(dvid, post(f"{path}/kv/key/a", headers) + b"5\r\nhello\r\n0\r\n\r\n")[0] == status


@pytest.mark.parametrize(("line", "status"), LINES.items(), ids=lambda value: str(value)[:40])
def test_a_malformed_request_line_is_refused(dvid: DvidBackend, path: str, line: bytes, status: int) -> None:
    assert path
    assert said(dvid, line + b"\r\nHost: localhost\r\n\r\n")[0] == status


@pytest.mark.parametrize("keyword", ["kv/key/a", "gray/raw/0_1_2/32_32_32/0_0_0"])
def test_a_body_that_ends_too_early_is_refused(dvid: DvidBackend, path: str, keyword: str) -> None:
    request = post(f"{path}/{keyword}", f"Content-Length: {10**18}") + b"hello"
    assert said(dvid, request) == (400, f"unexpected EOF ({path}/{keyword}).\n")


def test_a_length_beside_chunks_is_passed_over(dvid: DvidBackend, path: str) -> None:
    body = b"5\r\nhello\r\n0\r\n\r\n"
    assert said(dvid, post(f"{path}/kv/key/a", "Content-Length: 3", "Transfer-Encoding: chunked") + body)[0] == 200


@pytest.mark.parametrize(("keyword", "body", "complaint"), [(key, *each) for key, each in POSTS.items()], ids=POSTS)
def test_absurd_bodies_are_refused(dvid: DvidBackend, path: str, keyword: str, body: bytes, complaint: str) -> None:
    status, text = said(dvid, post(f"{path}/{keyword}", f"Content-Length: {len(body)}") + body)
    assert (status, complaint in text) == (400, True), text


@pytest.mark.parametrize("number", ["9" * 5000, "-2147483649"])
def test_a_coordinate_out_of_range_is_refused(dvid: DvidBackend, path: str, number: str) -> None:
    request = post(f"{path}/gray/raw/0_1_2/32_32_32/{number}_0_0", "Content-Length: 0")
    status, text = said(dvid, request)
    assert (status, f'parsing "{number}": value out of range' in text) == (400, True)
