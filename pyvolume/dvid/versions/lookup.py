"""Reading what a server says of its repositories, and finding the version that a name means."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pyvolume.calls.call import Call
from pyvolume.dvid.address import segment
from pyvolume.dvid.auth import sends, token_advice
from pyvolume.dvid.client import get_document, get_entries
from pyvolume.dvid.schemas import SCHEMAS
from pyvolume.dvid.versions.graph import MASTER, Graph, Node, RepoInfo, Uuid
from pyvolume.errors import AmbiguousError, ForbiddenError, NotFoundError
from pyvolume.model import arguments
from pyvolume.model.nearest import hint, nearest
from pyvolume.transport.connection import Connection

FULL = re.compile("[0-9a-f]{32}")
"""A uuid that is no prefix of another one."""

LISTED = 5
"""An error names at most this many repositories."""


def read_info(connection: Connection, ref: str, action: str = "read versions", *, call: Call | None = None) -> RepoInfo:
    """Return what the server says of the repository that a version belongs to."""
    return RepoInfo.of(get_document(connection, action, f"/api/repo/{segment(ref)}/info", "dvid-graph-1", call=call))


def read_graph(connection: Connection, ref: str, action: str = "read versions") -> Graph:
    """Return the versions of the repository that a version belongs to."""
    return read_info(connection, ref, action).graph


def read_repos(
    connection: Connection, action: str = "ask for repositories", *, call: Call | None = None
) -> dict[str, dict[str, Any]]:
    """Return the server's document about each repository, by the uuid of its root.

    Raises
    ------
    ForbiddenError
        If the server shows none without a valid token, and instances are there.
    """
    repos: dict[str, dict[str, Any]] = get_document(connection, action, "/api/repos/info", "dvid-repos-1", call=call)
    if not repos and get_document(connection, action, "/api/server/types", "dvid-server-types-1", call=call):
        advice = token_advice("token", sent=sends(connection.auth, "token"))
        raise ForbiddenError(f"{action}: the server holds repositories, and shows none; {advice}", action=action)
    return repos


def read_infos(connection: Connection, action: str = "ask for repositories") -> dict[str, RepoInfo]:
    """Return what the server says of each repository, by the uuid of its root; one request."""
    documents = read_repos(connection, action)
    return {Uuid(uuid): checked_info(documents[uuid], action) for uuid in sorted(documents)}


def checked_info(document: Mapping[str, Any], action: str) -> RepoInfo:
    """Check one of the documents of `read_repos`, and read it."""
    SCHEMAS.validate("dvid-graph-1", document, action)
    return RepoInfo.of(document)


def resolve(connection: Connection, ref: str, call: Call | None = None, *, near: str | None = None) -> Uuid:
    """Return the full uuid of a version, see `find`; no request if `ref` is a `Uuid` already.

    For the end of a branch the versions of this branch are asked for, not those of the repository.
    """
    if isinstance(ref, Uuid):
        return ref
    return _end_of_branch(connection, ref, call) or find(connection, ref, call, near=near)[1].uuid


def _end_of_branch(connection: Connection, ref: str, call: Call | None) -> Uuid | None:
    """Return the end of a branch that is named with its repository, None for what `find` has to look for.

    Merges are put on master, which can therefore have several ends; the server would return one of them at random.
    """
    arguments.text(ref, f"find version {ref!r}", "a name of a version")
    prefix, _, branch = ref.partition(":")
    if not prefix or branch in {"", MASTER} or "~" in branch:
        return None
    action, path = f"find version {ref!r}", f"/api/repo/{segment(prefix)}/branch-versions/{segment(branch)}"
    try:
        versions: list[str] = get_entries(connection, action, path, list, call=call)
    except AmbiguousError:
        raise
    except NotFoundError:  # it can be the alias of a repository
        return None
    SCHEMAS.validate("dvid-versions-1", versions, action)
    return Uuid(versions[0]) if versions else None


def find(
    connection: Connection, ref: str, call: Call | None = None, *, near: str | None = None
) -> tuple[RepoInfo, Node]:
    """Return a version and its repository, as of now: a handle that keeps it does not move on with a branch.

    Parameters
    ----------
    connection : Connection
        To the server.
    ref : str
        A name in any form that the server accepts: a prefix of a uuid, a tag, ``"ab:dev"`` for the end of a branch,
        ``":master"`` if the server has one repository only, ``":master~1"`` for the version before it. pyvolume also
        knows ``"brain:dev"`` with the alias of a repository, and ``"brain"`` for the end of its branch master.
    call : Call, optional
        The operation that the requests belong to.
    near : str, optional
        The uuid of a version: the error for a name that is unknown suggests names in its repository only.

    Raises
    ------
    NotFoundError
        If there is no such version.
    AmbiguousError
        If several match. For a branch with several ends the server itself would return one of them at random.
    """
    action = f"find version {ref!r}"
    arguments.text(ref, action, "a name of a version")
    if not ref:
        raise NotFoundError(f"{action}: expected a uuid, a prefix of one, or a branch as in ':master'", action=action)
    prefix, _, branch = ref.partition(":")
    name, steps = _branch_and_steps(branch)
    info = _info_of(connection, prefix, action, call, near) if prefix else _only_info(connection, action, call)
    graph = info.graph
    found = [prefix] if prefix in graph.nodes else [uuid for uuid in graph.nodes if uuid.startswith(prefix)]
    if branch or not found:
        return info, graph.node(_before(graph, _end(graph, name, action), steps, action))
    return info, graph.node(_single(found, action))


def _info_of(connection: Connection, prefix: str, action: str, call: Call | None, near: str | None) -> RepoInfo:
    """Return the repository with a version whose uuid or tag begins with `prefix`, or else the one of this alias."""
    try:
        return read_info(connection, prefix, action, call=call)
    except AmbiguousError:
        raise
    except NotFoundError as error:
        repos = read_repos(connection, action, call=call)
        named = {uuid: each for uuid, each in repos.items() if each["Alias"] == prefix}
        if not named:
            own = {root: each for root, each in repos.items() if near in each["DAG"]["Nodes"]}
            raise _with_hint(error, prefix, own or repos) from None
        return _only(named, action)


def _with_hint(error: NotFoundError, name: str, repos: Mapping[str, dict[str, Any]]) -> NotFoundError:
    """Return the error with a sentence that tells what is missing, and what has a similar name."""
    fronts = _fronts_of_branches(repos)
    names = names_like(name, repos)
    best = nearest(name, [*names, *sorted(fronts)])[:1]
    hinted = (
        _hint_of_branch(best[0], fronts[best[0]], len(repos)) if best and best[0] not in names else hint(name, names)
    )
    error.args = (f"{error.action}: no version and no repository has this name; {hinted}",)
    return error


def names_like(name: str, repos: Mapping[str, dict[str, Any]]) -> list[str]:
    """Return the names that could be meant: aliases and tags; for hexadecimal digits as many of each uuid."""
    aliases = [repo["Alias"] for repo in repos.values() if repo.get("Alias")]
    uuids = [uuid for repo in repos.values() for uuid in repo["DAG"]["Nodes"]]
    digits = re.compile("[0-9a-f]+")
    is_uuid = digits.fullmatch(name) is not None
    return [
        *aliases,
        *(uuid[: len(name)] if is_uuid else uuid for uuid in uuids if is_uuid or not digits.fullmatch(uuid)),
    ]


def _fronts_of_branches(repos: Mapping[str, dict[str, Any]]) -> dict[str, list[str]]:
    """Return for each branch the names of the repositories that have it."""
    found: dict[str, set[str]] = {}
    for root, repo in repos.items():
        for node in repo["DAG"]["Nodes"].values():
            found.setdefault(node.get("Branch") or MASTER, set()).add(repo.get("Alias") or root[:8])
    return {branch: sorted(fronts) for branch, fronts in found.items()}


def _hint_of_branch(branch: str, fronts: Sequence[str], repositories: int) -> str:
    """Return what to say of the name of a branch that lacks its colon."""
    if len(fronts) > 1:
        return f"a branch is named with its repository, as in '{fronts[0]}:{branch}'"
    return f"did you mean the branch '{'' if repositories == 1 else fronts[0]}:{branch}'?"


def _only_info(connection: Connection, action: str, call: Call | None) -> RepoInfo:
    """Return a server's only repository.

    A server that holds none must not be asked for a branch: it panics, and creates no repository any more until it is
    restarted.
    """
    repos = read_repos(connection, action, call=call)
    if not repos:
        raise NotFoundError(f"{action}: the server holds no repository; Server.create_repo makes one", action=action)
    return _only(repos, action)


def _only(repos: Mapping[str, dict[str, Any]], action: str) -> RepoInfo:
    if len(repos) > 1:
        listed = [f"{uuid[:8]} {repo['Alias']!r}" for uuid, repo in sorted(repos.items())]
        more = f" and {len(listed) - LISTED} more" if len(listed) > LISTED else ""
        raise AmbiguousError(
            f"{action}: the server holds several such repositories, {', '.join(listed[:LISTED])}{more}; "
            "put a uuid or an alias in front, as in 'ab12:master'",
            action=action,
            candidates=tuple(sorted(repos)),
        )
    (document,) = repos.values()
    return checked_info(document, action)


def within(uuid: str, ref: str) -> str:
    """Return `ref` for the whole server, where ``":dev"`` means a branch of the repository that `uuid` belongs to."""
    arguments.text(ref, f"find version {ref!r}", "a name of a version")
    return f"{uuid}{ref}" if ref.startswith(":") else ref


def _branch_and_steps(branch: str) -> tuple[str, int]:
    found = re.fullmatch(r"(.*)~([0-9]{1,9})", branch)
    return (found[1], int(found[2])) if found else (branch, 0)


def _end(graph: Graph, branch: str, action: str) -> str:
    ends = graph.ends(branch or MASTER)
    if not ends:
        known = [f":{each}" for each in graph.branches]
        raise NotFoundError(
            f"{action}: no such branch in repository {graph.root[:8]}; {hint(f':{branch}', known)}", action=action
        )
    return _single(ends, action)


def _before(graph: Graph, uuid: str, steps: int, action: str) -> str:
    for step in range(steps):
        parents = graph.node(uuid).parents
        if not parents or step == len(graph.nodes):  # in a circle of versions there are always parents
            raise NotFoundError(f"{action}: {steps} is out of range, {step} versions come before", action=action)
        uuid = _single(parents, action)
    return uuid


def _single(found: Sequence[str], action: str) -> str:
    if len(found) != 1:
        raise AmbiguousError(
            f"{action}: several match, {', '.join(uuid[:8] for uuid in found)}; give the uuid of one",
            action=action,
            candidates=tuple(found),
        )
    return found[0]
