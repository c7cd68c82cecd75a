"""Repo: a repository, its versions, and the volumes in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

from pyvolume.calls.call import Call
from pyvolume.icechunk.accessor import IcechunkVolume, volume_in
from pyvolume.icechunk.checkout import Session, write_to
from pyvolume.icechunk.creation import create_in
from pyvolume.icechunk.graph import MAIN, Graph, Node
from pyvolume.icechunk.repository import Repository, settle
from pyvolume.icechunk.version import Version
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.stores.catalogue import Entry


class Repo:
    """A repository of Icechunk: snapshots, branches and tags, and arrays of zarr in them.

    ``repo["gray"]`` opens a volume at the end of main for reading, ``"gray" in repo`` asks for it, and ``for name in
    repo`` gives the names of all volumes there. `version` gives handles, which branch, tag and commit.

    Parameters
    ----------
    repository : Repository
        Closed with this object.
    ref : str
        The version whose volumes the repository shows.
    """

    def __init__(self, repository: Repository, ref: str = MAIN) -> None:
        self.repository = repository
        self._ref = ref

    def __repr__(self) -> str:
        return f"<Repo {self.url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the repository; after an error what is not committed is lost, and the error has a note that says so."""
        error = exc[1] if len(exc) > 1 else None
        if isinstance(error, BaseException):
            left = [session.told() for session in self.repository.sessions if session.is_dirty]
            if left:
                error.add_note(f"{'; '.join(left)}, and the repository was left open")
                return
        self.close()

    def close(self, *, commit: str | None = None, discard: bool = False) -> None:
        """Close the repository, and all volumes that were opened with it.

        Parameters
        ----------
        commit : str, optional
            Commit what open versions have written and nobody has committed, with this note.
        discard : bool
            Forget it.

        Raises
        ------
        UnsupportedError
            If there is something, and neither was said; the repository stays open.
        """
        settle(self.repository.sessions, self._call(), f"close {self.url}", commit=commit, discard=discard)
        self.repository.close()

    @property
    def url(self) -> str:
        """The url of the repository."""
        return self.repository.opening.address.url

    def graph(self) -> Graph:
        """Return all versions, branches and tags, as of now."""
        return self.repository.graph(self._call(), "read versions")

    def versions(self) -> dict[str, Version]:
        """Return all versions by the ids of their snapshots, in the order in which they were made."""
        return {uuid: self._at(uuid) for uuid in self.graph().nodes}

    def branches(self) -> dict[str, Version]:
        """Return the version at the end of each branch."""
        return {name: self._at(uuid) for name, uuid in self.graph().branches.items()}

    def tags(self) -> dict[str, Version]:
        """Return the version of each tag."""
        return {name: self._at(uuid) for name, uuid in self.graph().tags.items()}

    def version(self, ref: str = MAIN) -> Version:
        """Return a version.

        Parameters
        ----------
        ref : str
            A branch, a tag, the id of a snapshot or its beginning; ``":dev"`` is a branch, and ``"dev~1"`` the version
            before the end of one. It is looked up once.

        Raises
        ------
        NotFoundError
            If there is no such version; the message suggests a similar name.
        AmbiguousError
            If several have the name.
        """
        return self._at(self.repository.find(ref, self._call(), f"find version {ref!r}").uuid)

    def log(self, ref: str = MAIN) -> list[Node]:
        """Return what is known of a version and of all before it, the newest first.

        Parameters
        ----------
        ref : str
            As for `version`.

        Raises
        ------
        NotFoundError, AmbiguousError
            As for `version`.
        """
        graph, action = self.graph(), f"read the log of {ref!r}"
        uuid = graph.find(ref, action)
        return [graph.node(each) for each in (uuid, *graph.ancestors(uuid))]

    def open_version(self, branch: str = MAIN, note: str = "") -> Version:
        """Open the next version of a branch, which is written and then committed.

        Parameters
        ----------
        branch : str
            The name of the branch.
        note : str
            The note that it will be committed with.

        Raises
        ------
        NotFoundError
            If there is no such branch.
        """
        session = self._session(branch, f"open a version on {branch!r}", note)
        return Version(self.repository, session.uuid, session)

    def volume(self, name: str, **options: Any) -> IcechunkVolume:
        """Open a volume for reading, in the version that the repository shows, see `Version.volume`."""
        return self.version(self._ref).volume(name, **options)

    def __getitem__(self, name: str) -> IcechunkVolume:
        """Open a volume for reading, see `Version.__getitem__`."""
        return self.version(self._ref)[name]

    def __contains__(self, name: object) -> bool:
        return name in list(self)

    def __iter__(self) -> Iterator[str]:
        return iter(self.version(self._ref).volumes())

    @property
    def volume_dims(self) -> tuple[str, ...]:
        """The axes of volumes that are created; one of time may follow."""
        return ("c", "x", "y", "z")

    def create_described(
        self, name: str, metadata: VoxelsMetadata, block_shape: Sequence[int] | None = None
    ) -> IcechunkVolume:
        """Create the volume that metadata describe on the branch that the repository shows, commit it, and open it.

        Parameters
        ----------
        name : str
            Its path.
        metadata : pyvolume.VoxelsMetadata
            What it will be.
        block_shape : sequence of int, optional
            Shape of the chunks along the axes behind the channel.

        Returns
        -------
        IcechunkVolume
            In mode "r+", in a session of its own.

        Raises
        ------
        ExistsError, UnsupportedError, MetadataError, StoreError
            As for `pyvolume.create`.
        """
        path = name.strip("/")
        session = self._session(self._ref, f"create {name}")
        chunks = None if block_shape is None else (1, *block_shape)
        create_in(session, path, metadata, chunks=chunks)
        session.commit(f"create {name}", self._call())
        return volume_in(session, path)

    def entries(self) -> list[Entry]:
        """Return the volumes and groups in the version that the repository shows, then its branches and its tags."""
        address, graph = self.repository.opening.address, self.graph()
        kinds = self.version(self._ref).kinds()
        found = [Entry(name, kind, address.at(self._ref, name).url) for name, kind in kinds.items()]
        for kind, names in (("branch", graph.branches), ("tag", graph.tags)):
            for name, uuid in names.items():
                node = graph.nodes[uuid]
                facts = {"version": uuid, "note": node.note, "created": node.created.isoformat(timespec="seconds")}
                found.append(Entry(name, kind, address.at(name).url, facts))
        return found

    def describe(self) -> dict[str, Any]:
        """Return the address, and how many versions, branches and tags there are."""
        graph = self.graph()
        return {
            "address": self.url,
            "versions": len(graph.nodes),
            "branches": list(graph.branches),
            "tags": list(graph.tags),
        }

    def _session(self, branch: str, action: str, note: str = "") -> Session:
        name = self.repository.find(f":{branch.removeprefix(':')}", self._call(), action).branch
        return write_to(self.repository, name, self._call(), note, action)

    def _at(self, uuid: str) -> Version:
        return Version(self.repository, uuid)

    def _call(self) -> Call:
        return self.repository.opening.call()
