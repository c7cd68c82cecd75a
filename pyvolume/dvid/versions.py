"""From a name for a version to its full uuid."""

from __future__ import annotations

import re
from typing import Any

from pyvolume.dvid.endpoints import get_document, segment
from pyvolume.errors import NotFoundError
from pyvolume.transport.call import Call
from pyvolume.transport.connection import Connection


def resolve(connection: Connection, ref: str, call: Call | None = None) -> str:
    """Return the full uuid of a version, as of now: a handle that keeps it does not drift when a branch moves.

    Parameters
    ----------
    connection : Connection
    ref : str
        In any form that the server knows: a prefix of a uuid, a tag, ``"ab:dev"`` for the leaf of a branch,
        ``":master"`` where the server holds one repository, ``":master~1"`` for the version before it.
    call : Call, optional

    Raises
    ------
    NotFoundError
        If there is no such version, or several.
    """
    action = f"find version {ref!r}"
    if not ref:
        raise NotFoundError(f"{action}: expected a uuid, a prefix of one, or a branch as in ':master'", action=action)
    repo = get_document(connection, action, f"/api/repo/{segment(ref)}/info", "dvid-repo-1", call=call)
    prefix, _, branch = ref.partition(":")
    if not branch:
        found = [uuid for uuid in repo["DAG"]["Nodes"] if uuid.startswith(prefix)]
        return _single(prefix if prefix in found else None, found, ref)
    name, back = _branch_and_steps(branch)
    path = f"/api/repo/{repo['Root']}/branch-versions/{segment(name)}"
    versions: list[Any] = get_document(connection, action, path, "dvid-branch-versions-1", call=call)
    return _single(None, versions[back : back + 1], ref)


def _branch_and_steps(branch: str) -> tuple[str, int]:
    found = re.fullmatch(r"(.*)~(\d+)", branch)
    return (found[1], int(found[2])) if found else (branch, 0)


def _single(exact: str | None, found: list[str], ref: str) -> str:
    if exact is not None:
        return exact
    if len(found) != 1:
        raise NotFoundError(f"find version {ref!r}: {len(found)} versions are called so", action="find version")
    return found[0]
