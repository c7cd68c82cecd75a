"""Requests about one version: ``/api/node/{version}/{action}``."""

from __future__ import annotations

import re
from collections.abc import Callable

from mockserver.dvid.model.changes import Changes
from mockserver.dvid.model.repository import Repository, Version, new_uuid, timestamp
from mockserver.dvid.wire import gojson
from mockserver.dvid.wire.bodies import read_fields, read_map
from mockserver.http.messages import Answer, Declined, Refused, Request, Unrouted, document

Handler = Callable[[Request, Version], Answer]

ALLOWED_ON_LOCKED = frozenset({"branch", "newversion", "tag"})


class NodeApi:
    """Answers requests about a version.

    Parameters
    ----------
    changes : Changes
        The operations that change versions.
    """

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._handlers: dict[tuple[str, str], Handler] = {
            ("GET", "note"): lambda _, version: document(gojson.encode({"note": version.note})),
            ("POST", "note"): self._set_note,
            ("GET", "log"): lambda _, version: document(gojson.encode({"log": version.log})),
            ("POST", "log"): self._append_log,
            ("GET", "status"): lambda _, version: document(gojson.encode({"Locked": version.locked})),
            ("GET", "commit"): lambda _, version: document(gojson.encode({"Locked": version.locked})),
            ("POST", "commit"): self._commit,
            ("POST", "newversion"): self._new_version,
            ("POST", "branch"): self._branch,
            ("POST", "tag"): self._tag,
        }

    @property
    def actions(self) -> frozenset[str]:
        """The words that follow a version."""
        return frozenset(action for _, action in self._handlers)

    def answer(self, request: Request, _: Repository, version: Version, *, action: str | None) -> Answer:
        """Return the answer to a request."""
        reading = request.method in {"GET", "HEAD"}
        if version.locked and not (reading or request.admin or action in ALLOWED_ON_LOCKED):
            raise Refused(f"Cannot do {request.method.lower()} on locked node {version.uuid}")
        handler = self._handlers.get(("GET" if reading else request.method, action or ""))
        if handler is None:
            raise Unrouted(*(method for method, known in self._handlers if known == action))
        return handler(request, version)

    def _set_note(self, request: Request, version: Version) -> Answer:
        fields = read_map(request, str, "string")
        # The real server deletes the note, also when it refuses.
        self._changes.make("set_note", uuid=version.uuid, note=fields.get("note", ""), now=timestamp())
        if "note" not in fields:
            raise Refused("Could not find 'note' value in POSTed JSON.")
        return Answer()

    def _append_log(self, request: Request, version: Version) -> Answer:
        fields = read_map(request, list, "[]string")
        if "log" not in fields:
            raise Refused("Could not find 'log' value in POSTed JSON.")
        self._changes.make("append_log", uuid=version.uuid, lines=fields["log"], now=timestamp())
        return Answer()

    def _commit(self, request: Request, version: Version) -> Answer:
        if version.locked:
            raise Refused("Could not post to locked node")
        fields = read_fields(request, {"note": str, "log": list}, needed=True)
        self._changes.make("commit", uuid=version.uuid, note=fields["note"], lines=fields["log"], now=timestamp())
        return document(f'{{"committed": "{version.uuid}"}}')

    def _new_version(self, request: Request, version: Version) -> Answer:
        fields = read_fields(request, {"note": str, "uuid": str}, needed=False)
        return self._child(version, "", fields["note"], _checked(fields["uuid"]))

    def _branch(self, request: Request, version: Version) -> Answer:
        fields = read_fields(request, {"branch": str, "note": str, "uuid": str}, needed=False)
        uuid = _checked(fields["uuid"])
        if fields["branch"] in {"", "master"}:
            raise Refused("Cannot create a master branch")
        return self._child(version, fields["branch"], fields["note"], uuid)

    def _tag(self, request: Request, version: Version) -> Answer:
        fields = read_fields(request, {"tag": str, "note": str}, needed=False)
        tag = fields["tag"]
        note = f'Tag of version {version.uuid} with "{tag}"'
        try:
            answer = self._child(version, f"tag-{tag}", fields["note"], tag)
        except Refused as refused:
            raise Declined(400, f"{refused} ({request.path}).{self._tag_again(request, tag, note)}") from None
        self._changes.make("commit", uuid=tag, note=note, lines=[], now=timestamp())
        return answer

    def _tag_again(self, request: Request, tag: str, note: str) -> str:
        """Commit the version that already has this name, like the real server; return the second error text."""
        if not self._changes.repositories.knows(tag):
            return f"\nError on sending branch op to kafka: UUID is not present in datastore\n ({request.path})."
        try:
            self._changes.make("commit", uuid=tag, note=note, lines=[], now=timestamp())
        except Refused as refused:
            return f"\n{refused} ({request.path})."
        return ""

    def _child(self, parent: Version, branch: str, note: str, uuid: str) -> Answer:
        self._changes.make("create_child", parent=parent.uuid, child=uuid, branch=branch, note=note, now=timestamp())
        return document(f'{{"child": {gojson.encode(uuid)}}}')


def _checked(uuid: str) -> str:
    """Return the uuid that the client chose, or a new one."""
    if not uuid:
        return new_uuid()
    if len(uuid) != 32:
        raise Refused("Bad UUID provided: UUID must be 32 character hexadecimal string")
    if bad := re.search("[^0-9a-fA-F]", uuid):
        code = f"U+{ord(bad[0]):04X} '{bad[0]}'"
        raise Refused(f"Bad UUID provided: encoding/hex: invalid byte: {code}")
    return uuid
