"""The repositories of a server, and the instances of a version, as lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

from pyvolume.dvid.address import Address
from pyvolume.dvid.general import get_server_info
from pyvolume.dvid.instances import missing
from pyvolume.dvid.versions.graph import Node, RepoInfo
from pyvolume.dvid.versions.lookup import find, read_infos
from pyvolume.errors import NotFoundError
from pyvolume.stores.catalogue import Entry
from pyvolume.transport.connection import Connection


class DvidCatalogue:
    """A server, or a version of a repository, see `Catalogue`.

    Parameters
    ----------
    connection : Connection
        Closed with the catalogue.
    address : Address
        A server, or a version there. With a name the list holds this instance only.
    """

    def __init__(self, connection: Connection, address: Address) -> None:
        self._connection = connection
        self._address = address

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._connection.close()

    def entries(self) -> list[Entry]:
        """Return the repositories, or the instances; one request.

        Raises
        ------
        NotFoundError
            If there is no such version or instance.
        """
        if not self._address.version:
            return [self._repository(info) for info in read_infos(self._connection).values()]
        info, _ = find(self._connection, self._address.version)
        wanted = self._address.name
        if wanted and wanted not in info.instances:
            action = f"list {wanted}"
            raise NotFoundError(missing(action, wanted, info), action=action)
        return [self._instance(name, kind) for name, kind in info.instances.items() if wanted in {"", name}]

    def names(self) -> list[str]:
        """Return the names that can follow the url: versions by alias, branch and tag, or instances; one request."""
        if self._address.version:
            return list(find(self._connection, self._address.version)[0].instances)
        infos = list(read_infos(self._connection).values())
        names = [name for info in infos for name in _versions_of(info, is_alone=len(infos) == 1)]
        return list(dict.fromkeys(names))

    def describe(self) -> dict[str, Any]:
        """Return the facts about the server, or about the version; one request."""
        if not self._address.version:
            return dict(get_server_info(self._connection))
        return node_document(find(self._connection, self._address.version)[1])

    def _repository(self, info: RepoInfo) -> Entry:
        url = str(Address(self._address.server, info.graph.root))
        facts = {"uuid": info.graph.root, "versions": len(info.graph.nodes), "instances": list(info.instances)}
        return Entry(info.alias, "repository", url, facts)

    def _instance(self, name: str, kind: str) -> Entry:
        return Entry(name, kind, str(Address(self._address.server, self._address.version, name)))


def _versions_of(info: RepoInfo, *, is_alone: bool) -> Iterator[str]:
    """Give the names of versions that people use; the only repository of a server needs no name of its own."""
    name = info.alias or info.graph.root[:8]
    yield name
    for branch, uuid in info.graph.branches.items():
        is_tag = branch == f"tag-{uuid}"
        yield uuid if is_tag else f"{'' if is_alone else name}:{branch}"


def node_document(node: Node) -> dict[str, Any]:
    """Return a version as a value of JSON."""
    return {
        "uuid": node.uuid,
        "branch": node.branch,
        "state": "committed" if node.locked else "open",
        "created": node.created.isoformat(timespec="seconds"),
        "parents": list(node.parents),
        "children": list(node.children),
        "note": node.note,
        "log": list(node.log),
    }
