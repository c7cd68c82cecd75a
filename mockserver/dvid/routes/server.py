"""Requests about the whole server and its list of repositories."""

from __future__ import annotations

import os
import time

from mockserver.dvid.model.changes import Changes
from mockserver.dvid.model.documents import compiled_types, describe_repository, types_in_use
from mockserver.dvid.model.repository import new_uuid, timestamp
from mockserver.dvid.model.settings import text_setting
from mockserver.dvid.policy import Policy
from mockserver.dvid.throttle import Throttle
from mockserver.dvid.wire import gojson
from mockserver.dvid.wire.bodies import Config, read_config
from mockserver.dvid.wire.geometry import parse_integer
from mockserver.http.messages import TEXT, Answer, Handler, Refused, Request, Unrouted, document

LOAD = ("GET requests", "PUT requests", "active CGo writes", "file bytes read", "file bytes written", "goroutines",
        "handlers active", "key bytes read", "key bytes written", "pending log messages", "value bytes read",
        "value bytes written")  # fmt: skip

HELP = "/api/help/"
WITHOUT_OPTIONS = frozenset({"/api/heartbeat", "/api/load", "/api/user-latencies"})


class ServerApi:
    """Answers ``/api/server/...``, ``/api/repos...`` and a few other paths.

    Parameters
    ----------
    changes : Changes
        The repositories, and the operations that change them.
    throttle : Throttle
        The settings change its number of slots.
    policy : Policy
        The rules of access.
    """

    def __init__(self, changes: Changes, throttle: Throttle, policy: Policy) -> None:
        self._changes = changes
        self._throttle = throttle
        self._policy = policy
        self._open_to_all = policy.admin_token is None
        self._started = time.monotonic()
        self._collection = 100
        self._handlers: dict[tuple[str, str], Handler] = {
            ("GET", "/api/heartbeat"): lambda _: document("OK", "text/plain"),
            ("GET", "/api/load"): lambda _: document(gojson.encode(dict.fromkeys(LOAD, 0))),
            ("GET", "/api/user-latencies"): lambda _: document("{}"),
            ("GET", "/api/help"): lambda _: document("<html><body>DVID, as a mock</body></html>", "text/html"),
            ("GET", "/api/server/info"): self._info,
            ("GET", "/api/server/note"): lambda _: document("mock server", "text/plain"),
            ("GET", "/api/server/types"): self._types,
            ("GET", "/api/server/compiled-types"): lambda _: document(gojson.encode(compiled_types())),
            ("GET", "/api/server/config"): self._show_configuration,
            ("GET", "/api/storage"): self._show_storage,
            ("POST", "/api/server/settings"): self._set,
            ("GET", "/api/repos/info"): self._repositories,
            ("POST", "/api/repos"): self._create,
            ("GET", "/interface/version"): lambda _: document("v1\n", "text/plain"),
        }

    @property
    def words(self) -> frozenset[str]:
        """The words between the slashes of all paths."""
        return frozenset(word for _, path in self._handlers for word in path.split("/") if word)

    def answer(self, request: Request, path: str) -> Answer:
        """Return the answer to a request."""
        method = "GET" if request.method == "HEAD" else request.method
        if method == "GET" and path.startswith(HELP):
            return _help(path.removeprefix(HELP))
        handler = self._handlers.get((method, path))
        if handler is None:
            if path in WITHOUT_OPTIONS:
                raise Unrouted
            # Any other path may be a page of the web client, so GET is allowed.
            pages = [] if path.startswith("/api/server/") else ["GET"]
            raise Unrouted(*pages, *(known for known, place in self._handlers if place == path))
        return handler(request)

    def _info(self, request: Request) -> Answer:
        uptime = time.monotonic() - self._started
        about = {
            "Cores": str(os.cpu_count()),
            "DVID Version": "v1.0.0",
            "Datastore Version": "0.11.0",
            "Host": request.host,
            "Max Open Files": "20000",
            "Maximum Cores": str(os.cpu_count()),
            **({"Mode": "read only"} if self._policy.read_only else {}),
            "Note": "mock server",
            "RPC Address": "",
            "Server time": f"{timestamp()[:19].replace('T', ' ')} +0000 UTC m=+{uptime:.9f}",
            "Server uptime": f"{uptime:.9f}s",
            "Storage backend": "mock",
            "TOML location": "",
        }
        return document(gojson.encode(about))

    def _types(self, _: Request) -> Answer:
        repositories = list(self._changes.repositories.by_root.values())
        instances = [instance for repository in repositories for instance in list(repository.instances.values())]
        return document(gojson.encode(types_in_use(instances)))

    def _repositories(self, request: Request) -> Answer:
        if not self._policy.shows_all(request):
            return document("{}")
        repositories = sorted(self._changes.repositories.by_root.items())
        return document(gojson.encode({root: describe_repository(each) for root, each in repositories}))

    def _create(self, request: Request) -> Answer:
        if self._policy.read_only or not (self._open_to_all or request.admin):
            raise Refused(
                "Creating a repo requires admin privileges (admintoken or DSG admin) on a server that is not read-only"
            )
        config = _config(request, "Error decoding POSTed JSON config for new repo")
        alias, description = (_repository_setting(config, key) for key in ("alias", "description"))
        _repository_setting(config, "passcode")
        root = _repository_setting(config, "root", "POST on repos endpoint with error on getting 'root'")
        uuid = new_uuid() if root is None else root
        self._changes.make("create_repository", root=uuid, alias=alias or "", description=description or "",
                           now=timestamp())  # fmt: skip
        return document(f'{{"root": {gojson.encode(uuid)}}}')

    def _show_configuration(self, request: Request) -> Answer:
        self._require_admin(request, "GET /api/server/config")
        return document("", "text/plain")

    def _show_storage(self, request: Request) -> Answer:
        if not (self._open_to_all or request.admin):
            raise Refused("Storage summary takes considerable resources and is only available to admin users.")
        return document("Storage summary requested.  Check log for details.\n", TEXT)

    def _require_admin(self, request: Request, action: str) -> None:
        if not (self._open_to_all or request.admin):
            raise Refused(f"{action} requires admin privileges (admintoken or DSG admin)")

    def _set(self, request: Request) -> Answer:
        self._require_admin(request, "POST /api/server/settings")
        config = _config(request, "Error decoding POSTed JSON config for 'new'")
        lines = ""
        if (percent := _settings_number(config, "gc")) is not None:
            old, self._collection = self._collection, percent
            lines += f"DVID server garbage collection target percentage set to {percent} from {old}\n"
        if (slots := _settings_number(config, "throttle")) is not None:
            old = self._throttle.resize(slots)
            lines += f"Maximum throttled ops set to {slots} from {old}\n"
        return document(lines, "text/plain")


def _help(name: str) -> Answer:
    if name not in compiled_types():
        raise Refused(f'Data type "{name}" is not supported by current DVID server')
    return document(f"{name}, as a mock\n", "text/plain")


def _config(request: Request, action: str) -> Config:
    try:
        return read_config(request)
    except Refused as refused:
        raise Refused(f"{action}: {refused}") from None


def _repository_setting(config: Config, key: str, complaint: str | None = None) -> str | None:
    try:
        return text_setting(config, key)
    except Refused as refused:
        action = complaint or f"POST on repos endpoint requires valid '{key}'"
        raise Refused(f"{action}: {refused}") from None


def _settings_number(config: Config, key: str) -> int | None:
    try:
        text = text_setting(config, key)
        return None if text is None else parse_integer(text, function="Atoi", bits=64)
    except Refused as refused:
        raise Refused(f"POST on settings endpoint had bad parsing of '{key}' key: {refused}") from None
