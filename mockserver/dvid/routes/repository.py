"""Requests about one repository: ``/api/repo/...``."""

from __future__ import annotations

from collections.abc import Callable

from mockserver.dvid.model.changes import Changes
from mockserver.dvid.model.documents import describe_repository
from mockserver.dvid.model.instances import TYPES
from mockserver.dvid.model.repository import Repository, Version, new_uuid, timestamp
from mockserver.dvid.model.settings import text_setting
from mockserver.dvid.wire import gojson
from mockserver.dvid.wire.bodies import read_config, read_fields, read_map
from mockserver.http.messages import Answer, Refused, Request, Unrouted, document

Handler = Callable[[Request, Repository, Version], Answer]


class RepositoryApi:
    """Answers requests about a repository; the path may name any of its versions.

    Parameters
    ----------
    changes : Changes
        The operations that change repositories.
    """

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._handlers: dict[tuple[str, str], Handler] = {
            ("GET", "info"): lambda _, repository, __: document(gojson.encode(describe_repository(repository))),
            ("POST", "info"): self._describe,
            ("POST", "instance"): self._create_instance,
            ("GET", "log"): lambda _, repository, __: document(gojson.encode({"log": repository.log})),
            ("POST", "log"): self._append_log,
            ("POST", "merge"): self._merge,
        }

    @property
    def actions(self) -> frozenset[str]:
        """The words that follow a repository."""
        return frozenset({"branch-versions", *(action for _, action in self._handlers)})

    def answer(
        self, request: Request, repository: Repository, version: Version, *, action: str | None, name: str | None
    ) -> Answer:
        """Return the answer to a request."""
        reading = request.method in {"GET", "HEAD"}
        if action is None and request.method == "HEAD":
            return document(f"Repo available with root UUID {repository.root.uuid}\n", "text/plain")
        if action == "branch-versions" and name is not None and reading:
            return document(gojson.encode([node.uuid for node in repository.ancestry(name)]))
        handler = self._handlers.get(("GET" if reading else request.method, action or ""))
        if handler is None or name is not None:
            raise Unrouted(*self._methods(action, name))
        return handler(request, repository, version)

    def _methods(self, action: str | None, name: str | None) -> list[str]:
        if action is None:
            return ["HEAD"]
        if action == "branch-versions" and name is not None:
            return ["GET"]
        return [method for method, known in self._handlers if known == action and name is None]

    def _describe(self, request: Request, _: Repository, version: Version) -> Answer:
        try:
            config = read_config(request)
        except Refused as refused:
            raise Refused(f"Error decoding POSTed JSON config for POST repo: {refused}") from None
        found = {}
        for key in ("alias", "description"):
            try:
                found[key] = text_setting(config, key)
            except Refused as refused:
                raise Refused(f"POST on repo/info endpoint requires valid '{key}': {refused}") from None
        self._changes.make("describe", uuid=version.uuid, now=timestamp(), **found)
        return Answer()

    def _create_instance(self, request: Request, _: Repository, version: Version) -> Answer:
        if version.locked and not request.admin:
            raise Refused(f"New data instance cannot be created on locked node {version.uuid}")
        try:
            config = read_config(request)
        except Refused as refused:
            raise Refused(f"Error decoding POSTed JSON config for 'new': {refused}") from None
        for key in ("typename", "dataname"):
            if not isinstance(config.get(key), str):
                raise Refused(f"POST on repo endpoint requires specification of valid '{key}'")
        name, kind = config["dataname"], config["typename"]
        if kind not in TYPES:
            raise Refused(f'Data type "{kind}" is not supported by current DVID server')
        self._changes.make("create_instance", uuid=version.uuid, config=config, data_uuid=new_uuid(), now=timestamp())
        return document(f'{{"result": "Added {name} [{kind}] to node {version.uuid}"}}')

    def _append_log(self, request: Request, _: Repository, version: Version) -> Answer:
        lines = read_map(request, list, "[]string")
        if "log" not in lines:
            raise Refused("Could not find 'log' value in POSTed JSON.")
        self._changes.make("append_repository_log", uuid=version.uuid, lines=lines["log"], now=timestamp())
        return Answer()

    def _merge(self, request: Request, _: Repository, __: Version) -> Answer:
        fields = read_fields(request, {"mergeType": str, "note": str, "parents": list}, needed=True)
        if len(fields["parents"]) < 2:
            raise Refused("Must specify at least two parent UUIDs using 'parents' field")
        parents = []
        for text in fields["parents"]:
            try:
                parents.append(self._changes.repositories.find(text)[1].uuid)
            except Refused as refused:
                raise Refused(f'can\'t match parent "{text}": {refused}') from None
        if fields["mergeType"] != "conflict-free":
            raise Refused("'mergeType' must be 'conflict-free' at this time")
        child = new_uuid()
        self._changes.make("merge", parents=parents, child=child, note=fields["note"], now=timestamp())
        return document(f'{{"child": "{child}"}}')
