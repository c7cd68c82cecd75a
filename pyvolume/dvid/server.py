"""Server: a DVID server, and its repositories."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from typing import Any

from pyvolume.dvid import aliases, general
from pyvolume.dvid.auth import Identity
from pyvolume.dvid.client import get_document
from pyvolume.dvid.repo import Repo
from pyvolume.dvid.versions.graph import RepoInfo, Uuid
from pyvolume.dvid.versions.lookup import names_like, read_infos
from pyvolume.errors import AmbiguousError, KeyNotFoundError
from pyvolume.model.nearest import hint
from pyvolume.transport.connection import Connection
from pyvolume.transport.handle import ServerHandle

__all__ = ["Repos", "Server"]


class Server(ServerHandle):
    """A DVID server.

    Each method is one request; `create_repo` and `require_repo` are more.

    Parameters
    ----------
    server : Connection or str
        A connection, which `close` leaves open; or a url, for which the server makes a connection that `close` closes.
    owns_connection : bool
        Close a given connection too.

    Raises
    ------
    AddressError
        If the url is not one of an HTTP server.
    """

    def __init__(self, server: Connection | str, *, owns_connection: bool = False) -> None:
        super().__init__(server, lambda url: Connection(url, auth=Identity()), owns_connection=owns_connection)

    def info(self) -> dict[str, str]:
        """Return what the server says of itself; all values are text."""
        return general.get_server_info(self.connection)

    def types(self) -> dict[str, str]:
        """Return the instance types in use, with the url of each."""
        return general.get_server_types(self.connection)

    def compiled_types(self) -> dict[str, str]:
        """Return the instance types that the server could use, with the url of each."""
        types: dict[str, str] = get_document(
            self.connection, "ask for compiled types", "/api/server/compiled-types", "dvid-server-types-1"
        )
        return types

    def load(self) -> dict[str, int]:
        """Return what the server is doing: requests, bytes, handlers at work."""
        load: dict[str, int] = get_document(self.connection, "ask for the load", "/api/load", "dvid-load-1")
        return load

    @property
    def repos(self) -> Repos:
        """The repositories, by uuid, prefix or alias; no request before one is looked for."""
        return Repos(self.connection)

    def create_repo(
        self, alias: str, description: str = "", root: str | None = None, *, duplicate_alias: bool = False
    ) -> Repo:
        """Create a repository, see `pyvolume.dvid.general.create_repo`."""
        uuid = general.create_repo(self.connection, alias, description, root, duplicate_alias=duplicate_alias)
        return Repo(self.connection, uuid, alias)

    def require_repo(self, alias: str, description: str = "") -> Repo:
        """Return the repository of an alias; create it if there is none.

        Two processes that call this at the same moment get the same repository. DVID cannot create one only if it is
        missing, and cannot delete one over HTTP: the second one that was created stays on the server, empty, and gets
        another alias.

        Parameters
        ----------
        alias : str
            The alias.
        description : str
            The description of a repository that is created.

        Raises
        ------
        AmbiguousError
            If several repositories have this alias.
        ForbiddenError
            If it must be created, and the admin token is missing or wrong.
        StoreError
            If the server could not answer.
        """
        return Repo(self.connection, aliases.require(self.connection, alias, description), alias)


class Repos(Mapping[str, Repo]):
    """The repositories of a server, by the uuid of their first version.

    ``repos["fd55"]`` also takes the beginning of a uuid, of any version, and ``repos["demo"]`` an alias. Nothing is
    remembered: each operation is one request.

    Raises
    ------
    KeyNotFoundError
        From ``repos[key]``, if there is none.
    AmbiguousError
        From ``repos[key]``, ``repos.get(key)`` and ``key in repos``, if several match; `candidates` holds the uuids.
    ForbiddenError
        If the server requires a valid token.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __repr__(self) -> str:
        return f"<Repos of {self._connection.url}>"

    def __getitem__(self, key: str) -> Repo:
        documents = general.get_repos_info(self._connection)
        found = []
        if isinstance(key, str):
            found = [key] if key in documents else [uuid for uuid, each in documents.items() if _is_called(key, each)]
        action = f"find repository {key!r}"
        if not found:
            hinted = hint(str(key), names_like(str(key), documents))
            raise KeyNotFoundError(
                f"{action}: none of {len(documents)} has this alias or uuid; {hinted}", action=action
            )
        if len(found) > 1:
            names = ", ".join(f"{uuid[:8]} ({documents[uuid].get('Alias', '')})" for uuid in sorted(found))
            raise AmbiguousError(
                f"{action}: {len(found)} repositories match: {names}; give more of the uuid",
                action=action,
                candidates=tuple(sorted(found)),
            )
        return self._repo(found[0], documents[found[0]])

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(general.get_repos_info(self._connection)))

    def __len__(self) -> int:
        return len(general.get_repos_info(self._connection))

    def info(self) -> dict[str, RepoInfo]:
        """Return alias, log, instances and versions of every repository, by the uuid of its first version."""
        return read_infos(self._connection)

    def items(self) -> ItemsView[str, Repo]:
        """Return the repositories with their uuids, as of now."""
        documents = general.get_repos_info(self._connection)
        return {uuid: self._repo(uuid, documents[uuid]) for uuid in sorted(documents)}.items()

    def values(self) -> ValuesView[Repo]:
        """Return the repositories, as of now."""
        return dict(self.items()).values()

    def _repo(self, uuid: str, document: Mapping[str, Any]) -> Repo:
        return Repo(self._connection, Uuid(uuid), document.get("Alias", ""))


def _is_called(key: object, document: Mapping[str, Any]) -> bool:
    """Whether the key is the alias of a repository, or the beginning of the uuid of one of its versions."""
    if not isinstance(key, str) or not key:
        return False
    return document.get("Alias") == key or any(uuid.startswith(key) for uuid in document["DAG"]["Nodes"])
