"""The DataStore's HTTP interface: the route of each path, and the checks before it."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import replace

from mockserver.extras import MissingLibraryError
from mockserver.hpc.model.datasets import Datasets
from mockserver.hpc.routes.blocks import BlocksApi, rebuild
from mockserver.hpc.routes.datasets import DatasetsApi, media_type
from mockserver.hpc.routes.opening import OpeningApi, Start
from mockserver.hpc.routes.viewer import ViewerApi
from mockserver.hpc.wire.answers import EMPTY, PAGE, Crashed, Failed, body, not_allowed, page, text
from mockserver.http.messages import OCTETS, Answer, Refused, Request

LONGEST_LINE = 4095
"""Bytes of a request line."""

LARGEST_BODY = 10240 * 1024
"""Bytes of a request's body."""

WORD = "([^/]+)"
U = f"/datasets/{WORD}"
LEVEL = "([^/]+/[^/]+/[^/]+)"
BLOCKS = "((?:[^/]+/){5}[^/]+(?:/.*)?)"
"""The parts of paths: a word, a dataset, three factors, the numbers of blocks."""


class DataStoreApi:
    """Answers requests like the DataStore.

    Parameters
    ----------
    datasets : Datasets
        All datasets.
    start : callable
        Starts a process of its own for an open, see `mockserver.hpc.dedicated`.
    shut_down : callable
        Stops the server.
    token : str, optional
        The bearer token that requests need.
    is_dedicated, is_strict : bool
        See `DataStoreServer`.
    """

    def __init__(
        self,
        datasets: Datasets,
        start: Start,
        shut_down: Callable[[], None],
        *,
        token: str | None,
        is_dedicated: bool,
        is_strict: bool,
    ) -> None:
        self._lock, self._shut_down, self._token = datasets.lock, shut_down, token
        about = DatasetsApi(datasets)
        opening = OpeningApi(about, start, is_dedicated=is_dedicated)
        blocks = BlocksApi(datasets, is_strict=is_strict)
        viewer = ViewerApi(about)
        # the first route that matches is used
        self._routes: tuple[tuple[str, str, Callable[..., Answer]], ...] = (
            ("GET", "/", lambda _: body(b"<html><body><h1>HPCDataStore is running.</h1></body></html>\n", PAGE)),
            ("GET", "/hello", lambda _: body(b"<h1>Hello world</h1>")),
            ("POST", "/stop", self._stop),
            ("GET", f"/oauth2/{WORD}", _crash),
            ("POST", "/datasets", about.create),
            (".*", "/datasets", lambda _: not_allowed("POST", "OPTIONS")),
            ("GET", f"/bdv/{WORD}/json", viewer.bdv_list),
            ("GET", f"/bdv/{WORD}/{WORD}", viewer.bdv),
            ("GET", f"/bdv/{WORD}/{WORD}/png", viewer.thumbnail),
            ("GET", f"/(?:bdv|datasets)/{WORD}/{WORD}/settings", _no_settings),
            ("GET", U, about.query),
            ("POST", U, about.register),
            ("DELETE", U, about.delete),
            (".*", U, lambda *_: not_allowed("HEAD", "DELETE", "POST", "GET", "OPTIONS")),
            ("GET", f"{U}/delete", about.delete),
            ("GET", f"{U}/(.+)/delete", about.delete_versions),
            ("GET", f"{U}/channels", about.channels),
            ("POST", f"{U}/channels", about.add_channels),
            (".*", f"{U}/channels", lambda *_: not_allowed()),
            ("DELETE", f"{U}/(.+)", about.delete_versions),
            ("PATCH", f"{U}/{WORD}/{WORD}/{WORD}/{WORD}/rebuild", functools.partial(rebuild, about)),
            ("GET", f"{U}/common-metadata", about.metadata),
            ("POST", f"{U}/common-metadata", _taking("text/plain", about.set_metadata)),
            ("GET", f"{U}/json", viewer.list),
            ("GET", rf"{U}/(all|mixedLatest|[+-]?\d+)", viewer.document),
            ("GET", f"{U}/(all|mixedLatest)/png", viewer.thumbnail),
            ("GET", f"{U}/{LEVEL}/{WORD}", opening.status),
            ("GET", f"{U}/{LEVEL}/{WORD}/{WORD}", opening.open),
            ("GET", f"{U}/{LEVEL}/{LEVEL}/write", opening.open_several),
            ("POST", f"{U}/{LEVEL}/{WORD}/stop", lambda *_: EMPTY),
            ("GET", f"{U}/{LEVEL}/{WORD}/datatype/{LEVEL}", blocks.datatype),
            ("GET", f"{U}/{LEVEL}/{WORD}/{BLOCKS}", blocks.read),
            ("POST", f"{U}/{LEVEL}/{WORD}/{BLOCKS}", _taking("application/octet-stream", blocks.write)),
            ("GET", f"{U}/.*", lambda *_: not_allowed("DELETE", "POST", "OPTIONS", "PUT")),
            ("POST|PUT", f"{U}/.*", _no_resource),
            (".*", f"{U}/.*", lambda *_: not_allowed()),
        )

    def answer(self, request: Request) -> Answer:
        """Return the answer to a request; refusals and crashes become answers, too."""
        answer = _too_long(request) or self._guarded(request)
        if request.method == "HEAD":
            answer = replace(answer, parts=(), length=0, headers=(*answer.headers, ("Content-Length", "0")))
        return answer

    def _guarded(self, request: Request) -> Answer:
        try:
            self._check_token(request)
            with self._lock:
                return self._routed(request)
        except Failed as failed:
            return text(request, failed.status, failed.text, failed.content_type)
        except Crashed as crashed:
            return page(request, str(crashed))
        except Refused as refused:
            return text(request, 400, str(refused))
        except MissingLibraryError as missing:
            return text(request, 501, str(missing))

    def _check_token(self, request: Request) -> None:
        if self._token is None:
            return
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind != "Bearer":
            raise Failed(403, "Anonymous user cannot access this resource")
        if token != self._token:
            raise Failed(401, f'401: "{token}" is not a valid token.')

    def _routed(self, request: Request) -> Answer:
        method = "GET" if request.method == "HEAD" else request.method
        path = request.path.removesuffix("/") or "/"
        for methods, pattern, step in self._routes:
            match = re.fullmatch(pattern, path, re.DOTALL)
            if match is not None and re.fullmatch(methods, method):
                return step(request, *match.groups())
        host = request.headers.get("Host", request.host)
        raise Failed(404, f"RESTEASY003210: Could not find resource for full path: http://{host}{request.path}")

    def _stop(self, _request: Request) -> Answer:
        return replace(EMPTY, after=self._shut_down)


def _too_long(request: Request) -> Answer | None:
    """Refuse a request line or a body beyond the limits, before anything is read."""
    target = request.target
    line = f"{request.method} {target.raw_path}{'?' if target.raw_query else ''}{target.raw_query} HTTP/1.1"
    if len(line) > LONGEST_LINE:
        return Answer(414)
    if request.body.length is not None and request.body.length > LARGEST_BODY:
        return Answer(413)
    return None


def _taking(content_type: str, step: Callable[..., Answer]) -> Callable[..., Answer]:
    """Return a step for bodies of a type; where blocks are taken, a missing type is that of blocks."""
    accepted = {content_type, ""} if content_type == OCTETS else {content_type}

    def answer(request: Request, *words: str) -> Answer:
        return step(request, *words) if media_type(request) in accepted else _no_resource(request)

    return answer


def _no_resource(request: Request, *_words: str) -> Answer:
    return text(request, 404, f"Resource {request.path} not found")


def _no_settings(_request: Request, *_words: str) -> Answer:
    raise Failed(404, "settings.xml")


def _crash(_request: Request, *_words: str) -> Answer:
    raise Crashed
