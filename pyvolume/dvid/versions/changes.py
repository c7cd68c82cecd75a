"""Changes of versions and repositories: each is made once, and its result is found also if the answer is lost."""

from __future__ import annotations

import re
import uuid as uuids
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pyvolume.calls.lost import once
from pyvolume.dvid.address import segment
from pyvolume.dvid.client import post_document, post_empty, text_of
from pyvolume.dvid.schemas import SCHEMAS
from pyvolume.dvid.versions.graph import MASTER, Graph, Node, Uuid
from pyvolume.dvid.versions.lookup import read_graph, read_info, read_repos
from pyvolume.errors import (
    AmbiguousError,
    ExistsError,
    LockedError,
    MetadataError,
    NotFoundError,
    RefusedError,
)
from pyvolume.model import arguments
from pyvolume.transport.connection import Connection

T = TypeVar("T")


def commit(connection: Connection, uuid: str, note: str, log: Sequence[str]) -> None:
    """Commit a version, which locks it for ever.

    Raises
    ------
    LockedError
        If it is committed already.
    """
    action = f"commit {uuid[:8]}"

    def look() -> bool | None:
        node = _node(connection, uuid, action)
        if node.locked and note not in {"", node.note}:
            raise LockedError(
                f"{action}: somebody else has committed the version in the meantime, with the note {node.note!r}",
                action=action,
                version=uuid,
            )
        return node.locked or None

    document = _checked("dvid-commit-1", {"note": note, "log": _lines(log, action)}, action)
    once(lambda: post_document(connection, action, _path(uuid, "commit"), document), look)


def new_version(connection: Connection, uuid: str, note: str) -> Uuid:
    """Make the next version on the branch of a committed one, and return its uuid."""
    action = f"make a new version of {uuid[:8]}"
    document = _checked("dvid-new-version-1", {"note": note, "uuid": uuids.uuid4().hex}, action)
    return _make_child(connection, action, uuid, "newversion", document)


def branch(connection: Connection, uuid: str, name: str, note: str) -> Uuid:
    """Make the first version of a new branch below a committed version, and return its uuid."""
    action = f"make the branch {name!r} at {uuid[:8]}"
    _check_word(action, name)
    if name == MASTER:
        raise ExistsError(f"{action}: every repository has a branch of this name; new_version() goes on with it")
    # the uuid is random, because the server would replace an existing version of the same uuid
    document = _checked("dvid-branch-1", {"branch": name, "note": note, "uuid": uuids.uuid4().hex}, action)
    return _make_child(connection, action, uuid, "branch", document)


def tag(connection: Connection, uuid: str, name: str, note: str) -> Uuid:
    """Give a committed version a name, which is a version of its own, and return it.

    The server makes the name the uuid of a child, and accepts any name. The uuid of an existing version would replace
    or commit that version. The beginning of another uuid could never be looked up. Both are refused here.
    """
    action = f"tag {uuid[:8]} as {name!r}"
    _check_word(action, name)
    _check_free(connection, action, name)

    def look() -> Uuid | None:
        made = read_graph(connection, uuid, action).nodes.get(name)
        return made.uuid if made is not None and uuid in made.parents and made.locked else None

    document = _checked("dvid-tag-1", {"tag": name, "note": note}, action)
    return once(
        lambda: Uuid(text_of(action, post_document(connection, action, _path(uuid, "tag"), document), "child")), look
    )


def merge(connection: Connection, parents: Sequence[str], note: str) -> Uuid:
    """Make a child of several committed versions, and return its uuid, which the server chooses."""
    action = f"merge {', '.join(parent[:8] for parent in parents)}"
    before = read_graph(connection, parents[0], action)
    _check_parents(action, before, parents)

    def look() -> Uuid | None:
        after = read_graph(connection, parents[0], action)
        made = [
            node.uuid
            for node in after.nodes.values()
            if node.uuid not in before.nodes and node.parents == tuple(parents) and node.note == note
        ]
        return made[0] if len(made) == 1 else None

    fields = {"mergeType": "conflict-free", "parents": list(parents), "note": note}
    document, path = _checked("dvid-merge-1", fields, action), f"/api/repo/{segment(parents[0])}/merge"
    return once(lambda: Uuid(text_of(action, post_document(connection, action, path, document), "child")), look)


def set_note(connection: Connection, uuid: str, note: str) -> None:
    """Replace the note of an open version."""
    action = f"set the note of {uuid[:8]}"
    document = _checked("dvid-note-1", {"note": note}, action)
    post_empty(connection, action, _path(uuid, "note"), document, repeatable=True)


def add_log(connection: Connection, uuid: str, lines: Sequence[str]) -> None:
    """Append lines to the log of an open version."""
    action = f"add to the log of {uuid[:8]}"
    _append(connection, action, _path(uuid, "log"), lines, lambda: _node(connection, uuid, action).log)


def add_repo_log(connection: Connection, uuid: str, lines: Sequence[str]) -> None:
    """Append lines to the log of a repository."""
    action = f"add to the log of repository {uuid[:8]}"
    _append(
        connection,
        action,
        f"/api/repo/{segment(uuid)}/log",
        lines,
        lambda: read_info(connection, uuid, action).log,
    )


def describe_repo(connection: Connection, uuid: str, document: dict[str, str]) -> None:
    """Replace the alias or the description of a repository."""
    action = f"describe repository {uuid[:8]}"
    checked = _checked("dvid-describe-repo-1", document, action)
    post_empty(connection, action, f"/api/repo/{segment(uuid)}/info", checked, repeatable=True)


def _append(
    connection: Connection, action: str, path: str, lines: Sequence[str], read: Callable[[], Sequence[str]]
) -> None:
    """Append lines to a log; `read` returns the lines that it has."""
    document = _checked("dvid-log-1", {"log": _lines(lines, action)}, action)
    before = len(read())

    def look() -> bool | None:
        added = [line.partition("  ")[2] for line in read()[before:]]
        return added == document["log"] or None

    def ask() -> bool:
        post_empty(connection, action, path, document)
        return True

    once(ask, look)


def _make_child(connection: Connection, action: str, parent: str, endpoint: str, document: dict[str, str]) -> Uuid:
    def look() -> Uuid | None:
        made = read_graph(connection, parent, action).nodes.get(document["uuid"])
        return made.uuid if made is not None and parent in made.parents else None

    path = _path(parent, endpoint)
    return once(lambda: Uuid(text_of(action, post_document(connection, action, path, document), "child")), look)


def _node(connection: Connection, uuid: str, action: str) -> Node:
    return read_graph(connection, uuid, action).node(uuid)


def _path(uuid: str, endpoint: str) -> str:
    return f"/api/node/{segment(uuid)}/{endpoint}"


def _checked(schema: str, document: dict[str, Any], action: str) -> dict[str, Any]:
    SCHEMAS.validate(schema, document, action)
    return document


def _lines(lines: Sequence[str], action: str) -> list[str]:
    """Return the lines of a log; a text is one line."""
    return [lines] if isinstance(lines, str) else list(arguments.each_of(lines, action, "lines of text"))


def _check_word(action: str, name: str) -> None:
    """Refuse a name that the server accepts and cannot find again."""
    arguments.text(name, action, "a name")
    if name in {".", ".."} or not re.fullmatch(r"[^\s/\\?#%:~]+", name):
        raise MetadataError(f"{action}: expected a name without spaces, slashes and ?#%:~, and found {name!r}")


def _check_free(connection: Connection, action: str, name: str) -> None:
    taken = f"{action}: a uuid or a tag begins with this name, which could therefore not be looked up"
    try:
        read_info(connection, name, action)
    except AmbiguousError:
        raise ExistsError(taken, action=action) from None
    except NotFoundError:
        pass
    else:
        raise ExistsError(taken, action=action)
    repos = read_repos(connection, action)
    hidden = [uuid for repo in repos.values() for uuid in repo["DAG"]["Nodes"] if name.startswith(uuid)]
    if hidden:
        raise ExistsError(
            f"{action}: the name begins with the tag {hidden[0]!r}, which could not be looked up any more",
            action=action,
        )


def _check_parents(action: str, graph: Graph, parents: Sequence[str]) -> None:
    """Refuse parents for which the server would make an open child first, and then refuse."""
    if len(set(parents)) < len(parents) or len(parents) < 2:
        raise MetadataError(f"{action}: expected two versions or more, each once, and found {len(parents)}")
    unlocked = [parent[:8] for parent in parents if not graph.node(parent).locked]
    if unlocked:
        raise RefusedError(
            f"{action}: every parent must be committed, and {', '.join(unlocked)} is open; commit it first",
            action=action,
        )
