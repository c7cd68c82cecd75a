"""A process of its own for the blocks of one open: it listens on another port and ends when it is idle."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import replace

from mockserver.hpc.model.datasets import Dataset, Datasets
from mockserver.hpc.routes.blocks import blocks_of, datatype_of, read_places, store
from mockserver.hpc.routes.datasets import NO_CONTENT_TYPE, media_type
from mockserver.hpc.routes.opening import MIXED, status_of
from mockserver.hpc.wire.answers import EMPTY, Crashed, Failed, page, text
from mockserver.http.framing import Framing
from mockserver.http.messages import Answer, Request
from mockserver.http.server import Backend
from mockserver.http.shared import Shared

DIGITS = re.compile(r"/(\d+/\d+/\d+/\d+/\d+/\d+(?:/.*)?)")

MODES = {"read": "READ", "write": "WRITE", "read-write": "READ_WRITE", "no-access": "NO_ACCESS",
         "write-to-other-resolutions": "WRITE_TO_OTHER_RESOLUTIONS"}  # fmt: skip
"""The modes as the status says them."""


class Dedicated:
    """Serves the blocks of one level of one version.

    Parameters
    ----------
    shared : Shared
        Of the server that has started it: faults and records are the same.
    datasets : Datasets
        Its lock is held for each request.
    dataset : Dataset
        What is served.
    levels : sequence of (int, int, int)
        The factors of the level.
    version : int or str
        The version.
    mode : str
        One of `MODES`.
    timeout : int or None
        Milliseconds without a block after which it ends; None: never.
    is_strict : bool
        Whether a payload that is cut short is refused.
    """

    def __init__(
        self,
        shared: Shared,
        datasets: Datasets,
        dataset: Dataset,
        *,
        levels: Sequence[tuple[int, int, int]],
        version: int | str,
        mode: str,
        timeout: int | None,
        is_strict: bool,
    ) -> None:
        self._datasets, self._dataset, self._levels = datasets, dataset, levels
        self._version, self._mode, self._timeout, self._is_strict = version, MODES[mode], timeout, is_strict
        self._timer: threading.Timer | None = None
        own = replace(shared, api=self, closing=threading.Event())
        self._backend = Backend(0, own)
        self._closing = own.closing
        self._restart_timer()

    @property
    def address(self) -> str:
        """``host:port``."""
        return self._backend.url.removeprefix("http://")

    def answer(self, request: Request) -> Answer:
        """Return the answer to a request."""
        try:
            with self._datasets.lock:
                return self._routed(request)
        except Failed as failed:
            return text(request, failed.status, failed.text, failed.content_type)
        except Crashed as crashed:
            return page(request, str(crashed))

    def _routed(self, request: Request) -> Answer:
        path = request.path
        if request.method == "GET" and path == "/":
            number = -1 if self._version == MIXED else int(self._version)
            return status_of(self._dataset.uuid, number, self._mode, self._levels, self._timeout)
        if request.method == "POST" and path == "/stop":
            return replace(EMPTY, after=threading.Thread(target=self.stop, daemon=True).start)
        if request.method == "GET" and (match := re.fullmatch(r"/datatype/(\d+)/(\d+)/(\d+)", path)):
            return datatype_of(request, self._dataset, [int(word) for word in match.groups()])
        if match := DIGITS.fullmatch(path):
            return self._blocks(request, match[1])
        raise Failed(404, f"RESTEASY003210: Could not find resource for full path: http://{request.host}{path}")

    def _blocks(self, request: Request, rest: str) -> Answer:
        is_read = request.method == "GET"
        if not is_read and media_type(request) not in {"", "application/octet-stream"}:
            raise Failed(501, NO_CONTENT_TYPE)
        allowed = {"READ", "READ_WRITE"} if is_read else {"WRITE", "READ_WRITE"}
        if self._mode not in allowed or (not is_read and self._version == MIXED):
            shown = "READ" if self._version == MIXED else self._mode
            raise Failed(406, f"Cannot {'read' if is_read else 'write'} in mode: {shown}")
        self._restart_timer()
        wanted, factors = read_places(rest), self._levels[0]
        if is_read:
            return blocks_of(self._dataset, factors, self._version, wanted)
        data = request.body.read()
        return store(self._dataset, factors, self._version, wanted, data, is_strict=self._is_strict)

    def _restart_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._timeout is not None:
            self._timer = threading.Timer(self._timeout / 1000, self.stop)
            self._timer.daemon = True
            self._timer.start()

    def stop(self) -> None:
        """End; a second call does nothing."""
        if self._timer is not None:
            self._timer.cancel()
        if not self._closing.is_set():
            self._backend.stop()


UNDERTOW = Framing(buffered=16363, drained=0, linger_seconds=0.5, head=(1 << 20))
"""The web server of the DataStore."""
