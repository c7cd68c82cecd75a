"""DVID's HTTP interface: the route of each path, and the checks before it."""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from mockserver.dvid.model.changes import Changes
from mockserver.dvid.model.instances import Instance
from mockserver.dvid.model.keyvalues import KeyValues
from mockserver.dvid.model.labels.instance import Labels
from mockserver.dvid.model.place import Place
from mockserver.dvid.model.regions import Region
from mockserver.dvid.model.repository import Repository, Version
from mockserver.dvid.model.volumes import Volume
from mockserver.dvid.policy import Policy
from mockserver.dvid.routes.keyvalues import KeyValuesApi
from mockserver.dvid.routes.labels.api import LabelsApi
from mockserver.dvid.routes.node import NodeApi
from mockserver.dvid.routes.regions import RegionsApi
from mockserver.dvid.routes.repository import RepositoryApi
from mockserver.dvid.routes.server import ServerApi
from mockserver.dvid.routes.voxels import VoxelsApi
from mockserver.dvid.throttle import Throttle
from mockserver.dvid.vocabulary import Vocabulary
from mockserver.dvid.wire.answers import error, panic
from mockserver.extras import MissingLibraryError
from mockserver.http.messages import Answer, Declined, Panic, Refused, Request, Unrouted

Step = Callable[..., Answer]

log = logging.getLogger(__name__)


class DvidApi:
    """Answers requests like DVID.

    Parameters
    ----------
    changes : Changes
        The repositories, and the operations that change them.
    throttle : Throttle
        The slots for throttled requests.
    policy : Policy
        The rules of access.
    unset_block_fails : bool
        True if a request for exactly one block of labels that is not stored fails.
    """

    def __init__(self, changes: Changes, throttle: Throttle, policy: Policy, *, unset_block_fails: bool = True) -> None:
        self._repositories = changes.repositories
        self._policy = policy
        self._server = ServerApi(changes, throttle, policy)
        self._repository = RepositoryApi(changes)
        self._node = NodeApi(changes)
        self._voxels = VoxelsApi(changes, throttle)
        self._labels = LabelsApi(changes, throttle, unset_block_fails=unset_block_fails)
        self._regions = RegionsApi(changes)
        self._keyvalues = KeyValuesApi(changes)
        # The first pattern that matches is used, like in DVID's own multiplexer.
        self._routes: tuple[tuple[re.Pattern[str], Step], ...] = (
            (re.compile(r"(/api/(?!repo/|node/).*|/interface.*)"), self._server.answer),
            (re.compile(r"/api/repo/([^/]+)(?:/([^/]+)(?:/([^/]+))?)?"), self._in_repository),
            (re.compile(r"/api/node/([^/]+)(?:/([^/]+))?"), self._on_node),
            (re.compile(r"/api/node/([^/]+)/([^/]+)/([^/]+)(?:/.*)?", re.DOTALL), self._on_instance),
        )

    def vocabulary(self) -> Vocabulary:
        """Return the words of all paths that have an answer now."""
        apis = (self._voxels, self._labels, self._regions, self._keyvalues)
        keywords = frozenset(word for api in apis for word in api.keywords)
        words = self._server.words | self._repository.actions | self._node.actions | {"repo", "node"}
        repositories = list(self._repositories.by_root.values())
        return Vocabulary(words, keywords, frozenset(name for each in repositories for name in list(each.instances)))

    def answer(self, request: Request) -> Answer:
        """Return the answer to a request; refusals and crashes become answers, too."""
        if request.target.clean_path != request.target.raw_path:
            return _redirect(request)
        return self._policy.preflight(request) or self._policy.for_origin(request, self._routed(request))

    def _routed(self, request: Request) -> Answer:
        try:
            return self._first_match(request)
        except Refused as refused:
            return error(400, f"{refused} ({request.path}).")
        except Declined as declined:
            return error(declined.status, declined.text)
        except Unrouted as unrouted:
            return _unrouted(request, unrouted.methods)
        except Panic as problem:
            return panic(request, str(problem))
        except MissingLibraryError as missing:
            return error(501, str(missing))
        except OSError:
            raise
        except Exception as problem:
            log.exception("%s %s", request.method, request.path)
            return panic(request, f"runtime error: {problem!r}")

    def _first_match(self, request: Request) -> Answer:
        for pattern, step in self._routes:
            if match := pattern.fullmatch(request.path):
                return step(request, *match.groups())
        raise Unrouted

    def _enter(self, request: Request, specifier: str) -> tuple[Repository, Version]:
        self._policy.check_writable(request)
        found = self._repositories.find(specifier)
        self._policy.check_user(request)
        return found

    def _in_repository(self, request: Request, specifier: str, action: str | None, name: str | None) -> Answer:
        repository, version = self._enter(request, specifier)
        return self._repository.answer(request, repository, version, action=action, name=name)

    def _on_node(self, request: Request, specifier: str, action: str | None) -> Answer:
        repository, version = self._enter(request, specifier)
        return self._node.answer(request, repository, version, action=action)

    def _on_instance(self, request: Request, specifier: str, name: str, keyword: str) -> Answer:
        repository, version = self._enter(request, specifier)
        instance = repository.instance(name)
        if instance.base.versioned and version.locked and _mutates(request, instance, keyword) and not request.admin:
            complaint = f'Cannot do {request.method} on endpoint "{keyword}" of locked node {version.uuid}'
            raise Refused(complaint)
        words = request.path.split("/")[6:]
        words = words[:-1] if words[-1:] == [""] else words
        match instance:
            case KeyValues():
                return self._keyvalues.answer(request, Place(repository, version, instance), keyword, words)
            case Region():
                return self._regions.answer(request, Place(repository, version, instance), keyword, words)
            case Labels():
                return self._labels.answer(request, Place(repository, version, instance), keyword, words)
            case Volume():
                return self._voxels.answer(request, Place(repository, version, instance), keyword, words)


def _mutates(request: Request, instance: Instance, keyword: str) -> bool:
    """Return whether a request is a change; a query about points is not."""
    method = request.method.lower()
    if isinstance(instance, Region) and keyword == "ptquery" and method == "post":
        return False
    return method in {"post", "put", "delete"}


def _redirect(request: Request) -> Answer:
    """Redirect to the clean path, like Go's multiplexer does before it routes."""
    query = request.target.raw_query
    place = request.target.clean_path + (f"?{query}" if query else "")
    page = f'<a href="{html.escape(place)}">Temporary Redirect</a>.\n\n'.encode() if request.method == "GET" else b""
    kind = "text/html; charset=utf-8" if request.method in {"GET", "HEAD"} else ""
    return Answer(307, kind, (page,), len(page), (("Location", place),))


def _unrouted(request: Request, methods: Sequence[str]) -> Answer:
    if request.method != "OPTIONS" or not methods:
        return error(404, "404 page not found")
    readable = ("GET", "HEAD") if "GET" in methods else ()
    allowed = [*readable, *(method for method in methods if method not in readable), "OPTIONS"]
    nothing = error(200, "")
    return replace(nothing, headers=(*nothing.headers, ("Allow", ", ".join(allowed))), parts=(), length=0)
