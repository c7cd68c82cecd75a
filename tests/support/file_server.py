"""A web server over a folder, or over a bucket in a folder, that counts requests and misbehaves on demand."""

from __future__ import annotations

import http.server
import re
import threading
import time
import urllib.parse
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple, Self

LONGEST = 30.0
"""Seconds after which a stalled request ends, if nobody has ended it."""

Behaviour = int | Literal["stall", "cut", "slow"] | tuple[int, str] | None
"""What is done with a request: an error status, one with a body, or nothing special.

``"stall"`` answers nothing, ``"cut"`` sends half of the body, ``"slow"`` waits a moment. The body of a redirect is
the url that it leads to.
"""


class Asked(NamedTuple):
    """One request that has arrived."""

    method: str
    path: str
    headers: dict[str, str]


class FileServer:
    """Serves a folder: GET and HEAD with ranges, PUT and DELETE as S3 does.

    Parameters
    ----------
    folder : Path
        What is served.

    Attributes
    ----------
    behaviour : callable
        Called with each `Asked`.
    asked : list of Asked
        In the order of their arrival.
    most_in_flight : int
        The highest number of requests that were under way at once.
    ranges : bool
        Whether parts of files are sent; if not, whole ones come instead.
    stalled : threading.Event
        Whether a request is stalled.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.behaviour: Callable[[Asked], Behaviour] = lambda _: None
        self.asked: list[Asked] = []
        self.most_in_flight = 0
        self.ranges = True
        self.stalled = threading.Event()
        self._released = threading.Event()
        self._lock = threading.Lock()
        self._in_flight = 0
        outer = self

        class Handler(_Handler):
            owner = outer

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def release(self) -> None:
        """End stalled requests."""
        self._released.set()

    def begin(self, asked: Asked) -> Behaviour:
        """Note a request, and say what is done with it."""
        with self._lock:
            self.asked.append(asked)
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
        behaviour = self.behaviour(asked)
        if behaviour == "slow":
            time.sleep(0.03)
        if behaviour == "stall":
            self.stalled.set()
            self._released.wait(LONGEST)
        return behaviour

    def end(self) -> None:
        """Note the end of a request."""
        with self._lock:
            self._in_flight -= 1


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128  # many connections are opened at once


class _Handler(http.server.BaseHTTPRequestHandler):
    owner: FileServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        behaviour = self.owner.begin(Asked(self.command, self.path, headers))
        try:
            if isinstance(behaviour, int):
                self._answer(behaviour, b"")
            elif isinstance(behaviour, tuple) and behaviour[0] // 100 == 3:
                self._answer(behaviour[0], b"", {"Location": behaviour[1]})
            elif isinstance(behaviour, tuple):
                self._answer(behaviour[0], behaviour[1].encode())
            elif behaviour == "stall":
                self.close_connection = True
            else:
                self._answer_of_file(body, is_cut=behaviour == "cut")
        except OSError:  # the client has gone
            self.close_connection = True
        finally:
            self.owner.end()  # before the client gets the answer, and asks for something else
        try:
            self.wfile.flush()
        except OSError:
            self.close_connection = True

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = _serve  # noqa: N815 - http.server's names

    def _answer_of_file(self, body: bytes, *, is_cut: bool) -> None:
        path = self.owner.folder / urllib.parse.unquote(self.path.partition("?")[0]).lstrip("/")
        if self.command == "PUT":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
            self._answer(200, b"", {"ETag": '"1"'})
        elif self.command == "DELETE":
            path.unlink(missing_ok=True)
            self._answer(204, b"")
        elif path.is_file():
            self._answer_of_range(path.read_bytes(), is_cut=is_cut)
        else:
            self._answer(404, b"")

    def _answer_of_range(self, content: bytes, *, is_cut: bool) -> None:
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        tag = f'"{zlib.crc32(content):08x}"'
        status, headers = 200, {"ETag": tag, "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}
        if found is not None and self.owner.ranges:
            size = len(content)
            first = int(found[1]) if found[1] else max(0, size - int(found[2]))
            end = min(size, int(found[2]) + 1) if found[1] and found[2] else size
            if first >= size:
                self._answer(416, b"", {"Content-Range": f"bytes */{size}"})
                return
            content, status = content[first:end], 206
            headers["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
        self._answer(status, content, headers, is_cut=is_cut)

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None, *, is_cut: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if is_cut else body)
        if is_cut:
            self.close_connection = True
