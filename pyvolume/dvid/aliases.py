"""Aliases: one repository for each, also if several processes create it at the same moment."""

from __future__ import annotations

import time
from http import HTTPStatus

from pyvolume.dvid.general import create_repo
from pyvolume.dvid.versions import changes
from pyvolume.dvid.versions.graph import Uuid
from pyvolume.dvid.versions.lookup import read_repos
from pyvolume.errors import AmbiguousError, RefusedError
from pyvolume.transport.connection import Connection

WAITS = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds between looks at repositories that are being created."""


def require(connection: Connection, alias: str, description: str) -> Uuid:
    """Return the repository of an alias; create it if there is none, see `Server.require_repo`."""
    action = f"require repository {alias!r}"
    found = _settled(connection, alias, action)
    if len(found) > 1:
        raise AmbiguousError(
            f"{action}: {len(found)} repositories have this alias; choose one by its uuid",
            action=action,
            candidates=tuple(found),
        )
    if found:
        return found[0]
    made = create_repo(connection, alias, description, duplicate_alias=True)
    first = next(iter(_named(connection, alias, action)), made)
    if first != made:
        changes.describe_repo(connection, made, {"alias": f"{alias} (superseded by {first[:8]})"})
    return first


def _settled(connection: Connection, alias: str, action: str) -> list[Uuid]:
    """Return the repositories of an alias; where there are several, one may be about to get another alias."""
    for wait in WAITS:
        found = _named(connection, alias, action)
        if len(found) < 2:
            return found
        time.sleep(wait)
    return _named(connection, alias, action)


def _named(connection: Connection, alias: str, action: str) -> list[Uuid]:
    """Return the repositories of an alias, in the order in which the server made them."""
    for wait in WAITS:
        try:
            repos = read_repos(connection, action)
        except RefusedError as error:
            if error.status != HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            time.sleep(wait)  # DVID panics while another client creates a repository
        else:
            break
    else:
        repos = read_repos(connection, action)
    named = [uuid for uuid, each in repos.items() if each.get("Alias") == alias]
    return sorted(map(Uuid, named), key=lambda uuid: repos[uuid]["DAG"]["Nodes"][uuid]["VersionID"])
