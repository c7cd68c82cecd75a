"""The pages that are open: the last one to close is told, once."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import numpy as np
import pytest

import pyvolume
from pyvolume.display.viewer.pages import OpenPages
from pyvolume.display.viewer.server import Viewer

# The example of RFC 6455, section 1.3.
REQUEST = (
    "GET {path}open HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: {upgrade}\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def open_page(viewer: Viewer, upgrade: str = "websocket") -> tuple[socket.socket, bytes]:
    url = urlsplit(viewer.url)
    connection = socket.create_connection(("127.0.0.1", url.port or 0), timeout=30)
    connection.sendall(REQUEST.format(path=url.path, port=url.port, upgrade=upgrade).encode())
    return connection, connection.recv(4096)


@pytest.fixture
def left() -> threading.Event:
    return threading.Event()


@pytest.fixture
def viewer(left: threading.Event) -> Iterator[Viewer]:
    with Viewer(pyvolume.from_array(np.zeros((1, 4, 4, 4))), left=left.set, grace=0.5) as viewer:
        yield viewer


def test_the_connection_of_a_page_is_a_web_socket(viewer: Viewer) -> None:
    connection, answer = open_page(viewer)
    connection.close()
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer


def test_the_last_page_that_closes_is_told(viewer: Viewer, left: threading.Event) -> None:
    first, second = (open_page(viewer)[0] for _ in range(2))
    first.close()
    assert not left.wait(1.5)
    second.close()
    assert left.wait(30)


def test_a_page_that_comes_back_in_time_was_not_closed(viewer: Viewer, left: threading.Event) -> None:
    open_page(viewer)[0].close()
    again, _ = open_page(viewer)
    assert not left.wait(1.5)
    again.close()
    assert left.wait(30)


def test_without_a_page_nothing_is_told(left: threading.Event, viewer: Viewer) -> None:
    assert viewer.pages is not None
    assert not left.wait(1)


def test_other_requests_are_no_pages(viewer: Viewer, left: threading.Event) -> None:
    connection, answer = open_page(viewer, upgrade="h2c")
    connection.close()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert not left.wait(1)


def test_a_viewer_from_python_counts_no_pages() -> None:
    with pyvolume.from_array(np.zeros((1, 4, 4, 4))).view(browser=False) as viewer:
        connection, answer = open_page(viewer)
        connection.close()
    assert answer.startswith(b"HTTP/1.1 404 ")


def test_a_page_that_comes_after_the_end_is_let_go() -> None:
    pages = OpenPages(lambda: None, grace=0.5)
    pages.end()
    here, there = socket.socketpair()
    with here, there:
        watching = threading.Thread(target=pages.watch, args=(here,), daemon=True)
        watching.start()
        watching.join(10)
        assert not watching.is_alive()
