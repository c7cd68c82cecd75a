"""The server of the page: this machine only, for reading only."""

from __future__ import annotations

import functools
import html
import json
import secrets
import sys
import threading
import webbrowser
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any, Protocol, Self, SupportsIndex
from urllib.parse import parse_qs, urlsplit

from pyvolume.display.planes import Planned, read_plane
from pyvolume.display.viewer.pages import OpenPages, accepted
from pyvolume.errors import PyVolumeError, SelectionError, UnsupportedError
from pyvolume.model.scales import Scales
from pyvolume.stores.base import VoxelStore
from pyvolume.stores.catalogue import Timed, Versioned

HTML, CSS, SCRIPT = "text/html; charset=utf-8", "text/css; charset=utf-8", "text/javascript; charset=utf-8"
FILES = {
    "": ("index.html", HTML),
    "view.css": ("view.css", CSS),
    **{name: (name, SCRIPT) for name in ("view.js", "frame.js", "paint.js")},
}

NOTEBOOKS = "http://localhost:* http://127.0.0.1:*"
"""Pages that may show this one in a frame."""

AXES = ("x", "y", "z")

LARGEST = 2048
"""Voxels along a side of a plane at most, whatever the page asks for."""


class Viewable(Planned, Protocol):
    """What the page shows: a `Volume`."""

    @property
    def store(self) -> VoxelStore: ...

    @property
    def name(self) -> str: ...

    @property
    def units(self) -> tuple[str, ...]: ...

    @property
    def scales(self) -> Scales[VoxelStore]: ...

    def scale(self, level: SupportsIndex) -> Viewable: ...


class Viewer:
    """A page that shows a volume, served from this process until it is closed.

    It listens on 127.0.0.1 only. The address holds a secret, and nobody learns anything without it: neither other users
    of this machine, nor a page of somebody else whose name was made to point here. There is nothing to write with.
    A notebook shows the page itself.

    Parameters
    ----------
    volume : Volume
        A volume with the axes c, x, y, z; of one that is `Timed` the first time point is shown. It stays open. If it is
        `Versioned`, the page has a list of the versions.
    port : int
        0 takes a free one.
    left : callable, optional
        ``left()`` is called, in another thread, when the page was open and has been closed in all browsers.
    grace : float
        Seconds that a closed page has to come back in, as it does when it is loaded again.

    Raises
    ------
    UnsupportedError
        If the volume has other axes, or complex numbers.
    SelectionError
        If it is empty.
    """

    def __init__(
        self, volume: Viewable, *, port: int = 0, left: Callable[[], None] | None = None, grace: float = 5
    ) -> None:
        if isinstance(volume, Timed) and "t" in volume.dims:
            volume = volume.at_time(0)
        if tuple(volume.dims[1:]) != AXES:
            raise UnsupportedError(f"view: expected the axes c, x, y, z and found {', '.join(volume.dims)}")
        if volume.dtype.kind == "c":
            raise UnsupportedError(f"view: expected real numbers and found {volume.dtype}")
        if not volume.bounds.size:
            raise SelectionError(f"view: expected voxels, and {volume.store.address} is empty")
        self._first = volume
        self._shown = volume.version_name if isinstance(volume, Versioned) else ""
        self._volumes: dict[tuple[str, int | None], Viewable] = {(self._shown, None): volume}
        self._versions = dict(volume.version_labels()) if isinstance(volume, Versioned) else {}
        self._lock = threading.Lock()
        self._secret = secrets.token_urlsafe(24)
        self._tickets: set[str] = set()
        self.pages = OpenPages(left, grace) if left is not None else None
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.viewer = self
        serve = functools.partial(self._server.serve_forever, poll_interval=0.05)
        self._thread = threading.Thread(target=serve, name="pyvolume view", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where the page is; whoever has this address sees the volume."""
        return f"http://127.0.0.1:{self._server.server_port}/{self._secret}/"

    def open_browser(self) -> None:
        """Open the page in the browser.

        Other users may see the command line of the browser; the address on it works once.
        """
        ticket = secrets.token_urlsafe(24)
        with self._lock:
            self._tickets.add(ticket)
        webbrowser.open(f"http://127.0.0.1:{self._server.server_port}/once/{ticket}")

    def page_of(self, ticket: str) -> str | None:
        """Return the path of the page for the address of `open_browser`, the first time."""
        with self._lock:
            used = {each for each in self._tickets if _is_same(each, ticket)}
            self._tickets -= used
        return f"/{self._secret}/" if used else None

    def is_allowed(self, secret: str) -> bool:
        """Return whether a request holds the secret of the address."""
        return _is_same(secret, self._secret)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._first.store.address} on port {self._server.server_port}>"

    def _repr_html_(self) -> str:
        url = html.escape(self.url)
        frame = f'<iframe src="{url}" width="100%" height="640" style="border: 0"></iframe>'
        return f'<p><a href="{url}" target="_blank" rel="noopener">{url}</a></p>{frame}'

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving; a second call does nothing."""
        self._server.shutdown()
        if self.pages is not None:
            self.pages.end()
        self._thread.join()
        self._server.server_close()

    def volume(self, version: str, scale: str) -> Viewable:
        """Return the volume in a version of the list, at a resolution level; empty texts are those that were opened.

        Raises
        ------
        SelectionError
            For any other version, or level.
        """
        version, level = version or self._shown, int(scale) if scale else None
        with self._lock:
            if (version, None) not in self._volumes:
                if version not in self._versions or not isinstance(self._first, Versioned):
                    raise SelectionError(f"view: expected a version of the list and found {version!r}")
                self._volumes[version, None] = self._first.at(version)
            if (version, level) not in self._volumes and level is not None:
                self._volumes[version, level] = self._volumes[version, None].scale(level)
            return self._volumes[version, level]

    def document(self, version: str, scale: str) -> dict[str, Any]:
        """Return what the page has to know of a version, at a resolution level."""
        volume = self.volume(version, scale)
        scales = volume.scales
        return {
            "name": volume.name,
            "address": volume.store.address,
            "version": version or self._shown,
            "versions": self._versions,
            "scale": scales.current,
            "scales": [factors[1:] for factors in scales.factors],
            "labels": volume.holds_labels,
            "dtype": volume.dtype.name,
            "channels": volume.bounds.shape[0],
            "start": volume.bounds.start[1:],
            "stop": volume.bounds.stop[1:],
            "resolution": volume.resolution,
            "units": volume.units,
            "watched": self.pages is not None,
        }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    viewer: Viewer

    def handle_error(self, request: object, client_address: object) -> None:
        """Let a browser go that has changed its mind; anything else is told."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        """Answer with a file of the page, or with voxels."""
        names = {f"{name}:{self.server.server_port}" for name in ("127.0.0.1", "localhost")}
        if self.headers.get("Host") not in names:
            self._send(HTTPStatus.FORBIDDEN, "text/plain", b"asked under another name than this server's own")
            return
        if self.headers.get("Origin") not in {None, *(f"http://{name}" for name in names)}:
            self._send(HTTPStatus.FORBIDDEN, "text/plain", b"asked by a page of another site")
            return
        url = urlsplit(self.path)
        first, _, name = url.path.removeprefix("/").partition("/")
        try:
            if first == "once":
                self._redirect(self.server.viewer.page_of(name))
            elif self.server.viewer.is_allowed(first):
                self._answer(name, {name: values[-1] for name, values in parse_qs(url.query).items()})
            else:
                self._send(HTTPStatus.FORBIDDEN, "text/plain", b"the address lacks the secret that was printed with it")
        except (SelectionError, KeyError, ValueError) as error:
            self._send(HTTPStatus.BAD_REQUEST, "text/plain; charset=utf-8", str(error).encode())
        except PyVolumeError as error:
            self._send(HTTPStatus.BAD_GATEWAY, "text/plain; charset=utf-8", str(error).encode())

    def _redirect(self, path: str | None) -> None:
        if path is None:
            self._send(HTTPStatus.FORBIDDEN, "text/plain", b"this address has been used; take the one that was printed")
        else:
            self._send(HTTPStatus.SEE_OTHER, "text/plain", b"", {"Location": path})

    def _answer(self, name: str, query: Mapping[str, str]) -> None:
        shown = query.get("version", ""), query.get("scale", "")
        if name in FILES:
            file, content_type = FILES[name]
            page = resources.files("pyvolume.display.viewer") / "page" / file
            self._send(HTTPStatus.OK, content_type, page.read_bytes())
        elif name == "volume":
            self._send_json(self.server.viewer.document(*shown))
        elif name == "plane":
            self._send_plane(self.server.viewer.volume(*shown), query)
        elif name == "voxel":
            at = tuple(int(query[axis]) for axis in AXES)
            values = self.server.viewer.volume(*shown).absolute[(slice(None), *at)]
            self._send_json([str(value) for value in values])  # JavaScript's numbers have 53 bits
        elif name == "open" and self.server.viewer.pages is not None:
            self._watch(self.server.viewer.pages)
        else:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", b"no such page")

    def _watch(self, pages: OpenPages) -> None:
        """Keep the connection until the page is closed."""
        headers = accepted(self.headers)
        self.close_connection = True
        self.send_response(HTTPStatus.SWITCHING_PROTOCOLS)
        for header in headers.items():
            self.send_header(*header)
        self.end_headers()
        self.connection.settimeout(None)
        pages.watch(self.connection)

    def _send_plane(self, volume: Viewable, query: Mapping[str, str]) -> None:
        if query["axis"] not in AXES:
            raise SelectionError(f"view: expected the axis x, y or z and found {query['axis']!r}")
        most = min(max(int(query.get("most", LARGEST)), 1), LARGEST)
        part = {axis: _range(query[axis]) for axis in AXES if axis in query}
        plane = read_plane(volume, query["axis"], int(query["at"]), most, part)
        _, width, height = plane.voxels.shape
        headers = {
            "X-Width": width,
            "X-Height": height,
            "X-Step": plane.step,
            "X-Start": f"{plane.right[0]},{plane.down[0]}",
        }
        self._send(HTTPStatus.OK, "application/octet-stream", plane.pixels, headers)

    def _send_json(self, document: object) -> None:
        self._send(HTTPStatus.OK, "application/json", json.dumps(document).encode())

    def _send(self, status: HTTPStatus, content_type: str, body: bytes, headers: Mapping[str, object] = {}) -> None:
        self.send_response(status)
        fixed = {
            "Content-Type": content_type,
            "Content-Length": len(body),
            "Content-Security-Policy": f"default-src 'self'; img-src 'self' data:; frame-ancestors {NOTEBOOKS}",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        }
        for name, value in (fixed | dict(headers)).items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        """Keep quiet: the terminal belongs to the user."""


def _is_same(given: str, secret: str) -> bool:
    """Compare a text with a secret in a time that does not depend on how much is right."""
    return secrets.compare_digest(given.encode(), secret.encode())


def is_notebook() -> bool:
    """Return whether this process serves a notebook, which shows a `Viewer` by itself."""
    library = sys.modules.get("IPython")
    return library is not None and hasattr(library.get_ipython(), "kernel")


def _range(text: str) -> tuple[int, int]:
    """Read ``start:stop``."""
    start, stop = map(int, text.split(":"))
    return start, stop
