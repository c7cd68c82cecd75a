"""IcechunkVolume: a volume in a version of a repository of Icechunk."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, cast

from pyvolume.errors import LockedError, UnsupportedError
from pyvolume.icechunk.checkout import Checkout, Session, read_at, write_to
from pyvolume.icechunk.graph import Node
from pyvolume.icechunk.repository import Repository, Uncommitted, settle
from pyvolume.icechunk.store import ForkStore, SessionStore, SnapshotStore, store_at
from pyvolume.icechunk.version import Version
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.stores.base import VoxelStore
from pyvolume.zarr.accessor import ZarrVolume
from pyvolume.zarr.nodes import metadata_of

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Owned:
    """What is closed with a volume.

    Parameters
    ----------
    repository : Repository, optional
        With all its sessions.
    session : Session, optional
        Of this volume alone.
    commit : str, optional
        The note with which the end of the volume commits what is left.
    discard : bool
        Whether it discards that.
    """

    repository: Repository | None = None
    session: Session | None = None
    commit: str | None = None
    discard: bool = False

    @property
    def sessions(self) -> Sequence[Uncommitted]:
        """The sessions that can have something that nobody reaches afterwards."""
        if self.repository is not None:
            return self.repository.sessions
        return () if self.session is None else (self.session,)


class IcechunkVolume(ZarrVolume):
    """A volume of Icechunk: an array, or a level of an image of OME-Zarr, in one version.

    In mode "r" it shows a snapshot, which never changes. In mode "r+" it writes in a session on a branch: nobody else
    sees the writes before `commit`, and the volume sees nothing that others commit before its own next commit.
    """

    _owned = Owned()

    @property
    def store(self) -> SnapshotStore:
        """The array in its version."""
        return cast("SnapshotStore", self._transfer.store)

    @property
    def version(self) -> Version:
        """The version that the volume shows, an open one in mode "r+"."""
        return Version(self._repository, self.store.checkout.uuid, self._session)

    @property
    def version_name(self) -> str:
        """The id of the snapshot; in mode "r+" that of the one before, see `Versioned`."""
        return self.store.checkout.uuid

    def version_labels(self) -> dict[str, str]:
        """Return the beginning of the id, branch and note of each version as a label, by the id, see `Versioned`."""
        return {uuid: f"{uuid[:8]} {node.branch} {node.note}".rstrip() for uuid, node in self.lineage().items()}

    def versions(self) -> dict[str, Version]:
        """Return all versions of the repository by their ids, in the order in which they were made."""
        return {uuid: Version(self._repository, uuid) for uuid in self.lineage()}

    def lineage(self) -> Mapping[str, Node]:
        """Return what is known of each version of the repository, by its id, each after its parent."""
        return self._repository.graph(self._transfer.begin(), f"read the versions of {self.name}").nodes

    def at(self, ref: Version | str) -> IcechunkVolume:
        """Open the same volume in another version, with the same options.

        The handle of an open version gives a volume in mode "r+", in the session of this version. A volume in mode "r+"
        also gives one for the name of a branch, in a new session. Every other version is only read. The repository is
        closed with the volume that was opened, not with this one; closing this one asks for its own session.

        Parameters
        ----------
        ref : Version or str
            A handle, a branch, a tag, the id of a snapshot or its beginning; ``":dev"`` is a branch, and ``"dev~1"``
            the version before the end of one.

        Raises
        ------
        NotFoundError
            If there is no such version, or the volume is not in it.
        AmbiguousError
            If several have the name.
        StoreError
            If the repository could not be read.
        """
        action, call = f"open {self.name} in another version", self._transfer.begin()
        session = ref.session if isinstance(ref, Version) else None
        own: Session | None = None
        if isinstance(ref, Version):
            uuid = ref.uuid
        else:
            found = self._repository.find(ref, call, action)
            uuid = found.uuid
            if self.mode == "r+" and found.branch:
                session = own = write_to(self._repository, found.branch, call, action=action)
        checkout: Checkout = read_at(self._repository, uuid, call, action) if session is None else session
        other = self._in(store_at(checkout, self.store.node.path, call))
        other._owned = Owned(session=own)  # noqa: SLF001 - of this class
        return other

    def commit(self, note: str = "", log: Sequence[str] = ()) -> str:
        """Make the writes of the session visible, as a new snapshot at the end of the branch, and return its id.

        What others have committed since is kept where they wrote other chunks, and is seen from now on. The volume can
        be written again.

        Parameters
        ----------
        note : str
            The note of the snapshot.
        log : sequence of str
            Lines to keep with it.

        Raises
        ------
        UnsupportedError
            If the volume was opened with mode "r".
        ConflictError
            If somebody else has committed the same chunks since; everything stays as it is.
        StoreError, OSError
            If the repository could not be changed.
        """
        version = self._open_version("commit")
        version.commit(note, log)
        self.refresh()
        return version.uuid

    def discard(self) -> None:
        """Forget what the session has written since its last commit.

        After a `ConflictError` the session then goes on from what the others have committed.

        Raises
        ------
        UnsupportedError
            If the volume was opened with mode "r".
        """
        self._open_version("discard").discard()
        self.refresh()

    @property
    def is_committed(self) -> bool:
        """Whether nothing is written that is not committed."""
        return self._session is None or not self._session.is_dirty

    def _open_version(self, action: str) -> Version:
        self._transfer.check_writable(f"{action} {self.name}")
        if self._session is None:
            raise UnsupportedError(f"{action} {self.name}: a fork is committed by the session that it comes from")
        return self.version

    def fork(self) -> IcechunkVolume:
        """Return a volume that can be sent to another process, and written there.

        Its writes belong to nobody before `merge` of this volume takes them back; then they are committed with the
        others. Two forks may not write into the same chunk.

        Raises
        ------
        UnsupportedError
            If something is not committed, or the volume was opened with mode "r".
        """
        return self._in(self._session_store("fork").fork())

    def merge(self, *forks: IcechunkVolume) -> None:
        """Take over what was written to forks of this volume, which come back from other processes.

        Raises
        ------
        UnsupportedError
            If one is no fork of this session.
        """
        store = self._session_store("merge")
        for each in forks:
            store.merge(each.store)

    def close(self, *, commit: str | None = None, discard: bool = False) -> None:
        """Close the volume, and the repository if `pyvolume.open` has opened it for this volume.

        Parameters
        ----------
        commit : str, optional
            Commit what is not committed, with this note.
        discard : bool
            Forget it.

        Raises
        ------
        UnsupportedError
            If something is not committed, and neither was said; the volume stays open. What counts is the session of
            the volume; with the repository, also every other session that was begun through the volume.
        ConflictError, StoreError, OSError
            As for `commit`; the volume stays open.
        """
        owned = self._owned
        if commit is None and not discard:
            commit, discard = owned.commit, owned.discard
        settle(owned.sessions, self._transfer.begin(), f"close {self.name}", commit=commit, discard=discard)
        if owned.repository is not None:
            for each in (self.store.checkout, *owned.repository.sessions):
                cast("Checkout", each).client.close()
            owned.repository.close()
        self._owned = Owned()

    def __exit__(self, *exc: object) -> None:
        """Close the volume at the end of a ``with`` block.

        After an error nothing is committed, whatever was said for the end. Unless ``discard=True`` was said, the volume
        stays open with what it has written, and the error has a note that says so.
        """
        error = exc[1] if len(exc) > 1 else None
        if not isinstance(error, BaseException) or self._owned.discard:
            self.close()
            return
        left = [session.told() for session in self._owned.sessions if session.is_dirty]
        if not left:
            self.close()
            return
        message = f"{'; '.join(left)}, and {self.name} was left open"
        _log.warning("close %s: %s", self.name, message)
        error.add_note(message)

    def describe(self) -> dict[str, Any]:
        """Return the facts about the volume as values of JSON, see `Volume.describe`."""
        state = "committed" if self._session is None else f"open on {self._session.branch}"
        return super().describe() | {"state": state}

    @property
    def _repository(self) -> Repository:
        return self.store.checkout.repository

    @property
    def _session(self) -> Session | None:
        return self.store.session if isinstance(self.store, SessionStore) else None

    def _session_store(self, action: str) -> SessionStore:
        self._transfer.check_writable(f"{action} {self.name}")
        if not isinstance(self.store, SessionStore):
            raise UnsupportedError(f"{action} {self.name}: expected a volume in a session, and it is a fork of one")
        return self.store

    def _in(self, store: SnapshotStore | ForkStore) -> IcechunkVolume:
        """Return the volume on another store, in the mode of that one."""
        other = self._with_store(store, metadata_of(store.node))
        other._transfer = dataclasses.replace(other._transfer, mode=store.mode)  # noqa: SLF001 - of this class
        return other

    def _with_store(self, store: VoxelStore, metadata: VoxelsMetadata) -> Self:
        other = super()._with_store(store, metadata)
        other._owned = Owned()  # noqa: SLF001 - of this class
        return other

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_owned": Owned()}


def volume_in(
    checkout: Checkout, path: str, level: int | None = None, *, owned: Owned | None = None, **options: Any
) -> IcechunkVolume:
    """Open the volume at a path of a version.

    Parameters
    ----------
    checkout : Checkout
        The version.
    path : str
        Of an array, or of an image or group with one volume.
    level : int, optional
        A resolution level of an image.
    owned : Owned, optional
        What is closed with it.
    **options
        Of `pyvolume.Volume`.
    """
    store = store_at(checkout, path, checkout.call(), level)
    retry = checkout.repository.opening.retry
    volume = IcechunkVolume(store, metadata_of(store.node), mode=checkout.mode, retry=retry, **options)
    volume._owned = owned or Owned()  # noqa: SLF001 - of this module
    return volume


def checked_out(repository: Repository, ref: str, mode: Literal["r", "r+"], action: str) -> Checkout:
    """Return the snapshot that a name means now, or a session on a branch.

    Raises
    ------
    LockedError
        For "r+" of what is no branch.
    NotFoundError, AmbiguousError, StoreError
        If there is no such version.
    """
    call = repository.opening.call()
    found = repository.find(ref, call, action)
    if mode == "r":
        return read_at(repository, found.uuid, call, action)
    if not found.branch:
        raise LockedError(
            f"{action}: {ref!r} is no branch, and only a branch can be written; mode='r' reads it",
            action=action,
            version=found.uuid,
        )
    return write_to(repository, found.branch, call, action=action)
