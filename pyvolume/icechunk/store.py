"""The voxels of one array in a version of a repository of Icechunk."""

from __future__ import annotations

import dataclasses
from typing import Any, SupportsIndex, cast

from pyvolume.calls.call import Call
from pyvolume.errors import MetadataError, NotFoundError, StoreError, UnsupportedError
from pyvolume.icechunk.checkout import Checkout, Session, Snapshot
from pyvolume.icechunk.fork import Fork
from pyvolume.icechunk.marks import StaleLater
from pyvolume.model.nearest import hint
from pyvolume.stores.base import StoreTraits
from pyvolume.zarr.nodes import Node, kinds_in, open_any, open_node
from pyvolume.zarr.stale import Stale
from pyvolume.zarr.store import ZarrStore


class SnapshotStore(ZarrStore):
    """An array in a snapshot, or in a session: the common part.

    Parameters
    ----------
    checkout : Checkout
        Where the array is.
    node : Node
        The array, and the image that it belongs to.
    """

    def __init__(self, checkout: Checkout, node: Node) -> None:
        self.checkout = checkout
        opening: Any = checkout  # it opens arrays again as an opening of zarr does
        super().__init__(checkout.client, node, opening, immutable=checkout.mode == "r")

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return _reopened, (self.checkout, self.node.path)

    def identity(self) -> str:
        """Name what is committed."""
        return f"{self.checkout.uuid} {self.node.identity}"

    def facts(self) -> dict[str, Any]:
        """Return what is special about Icechunk, as values of JSON."""
        return super().facts() | {"version": self.checkout.uuid}

    def _at(self, path: str) -> ZarrStore:
        other = store_at(self.checkout, path, self.opening.call())
        other._warned = self._warned  # noqa: SLF001 - of the same image
        return other


class SessionStore(SnapshotStore):
    """An array in a session on a branch, see `pyvolume.stores.base.Checkpointed` and `Forking`."""

    @property
    def session(self) -> Session:
        """The session."""
        return cast("Session", self.checkout)

    def _stale_of(self, node: Node) -> Stale:
        return StaleLater(self.client, node, self.session.marks)

    def _traits(self) -> StoreTraits:
        # other sessions on this branch write something else
        return dataclasses.replace(super()._traits(), voxels=self.address)

    @property
    def place(self) -> str:
        """The url at which what is committed is found."""
        return self.session.place_of(self.node.path)

    def checkpoint(self, note: str, call: Call) -> None:
        """Commit what was written, if anything was."""
        self.session.commit(note, call, allow_empty=False)

    def fork(self) -> ForkStore:
        """Return the array in a part of the session, for another process."""
        return _fork_at(self.session.fork(), self.node.path)

    def merge(self, fork: Any) -> None:
        """Take over what was written to a fork.

        Raises
        ------
        UnsupportedError
            If it is none, or one of another session.
        """
        if not isinstance(fork, ForkStore):
            raise UnsupportedError(f"merge into {self.address}: expected a fork of it and found {fork!r}")
        self.session.merge(fork.part)


class ForkStore(SnapshotStore):
    """An array in a part of a session."""

    @property
    def part(self) -> Fork:
        """The part."""
        return cast("Fork", self.checkout)

    def _stale_of(self, node: Node) -> Stale:
        return StaleLater(self.client, node, self.part.marks)

    def _traits(self) -> StoreTraits:
        return dataclasses.replace(super()._traits(), voxels=self.address)

    def fork(self) -> ForkStore:
        """Return the array in a part of its own that begins as this one is."""
        return _fork_at(self.part.again(), self.node.path)

    def merge(self, fork: Any) -> None:
        """Refuse: the session takes back what its parts have written."""
        raise UnsupportedError(f"merge into {self.address}: only the session can take back {fork!r}")


def store_at(checkout: Checkout, path: str, call: Call, level: int | None = None) -> SnapshotStore:
    """Open the array, or the image, at a path of a version.

    Raises
    ------
    NotFoundError, UnsupportedError, MetadataError, StoreError
        As for `open_node`.
    """
    try:
        node = open_node(checkout.client, path, checkout.mode, call, level)
    except NotFoundError as error:
        raise _with_hint(error, checkout, path, call) from None
    return kind_of(checkout)(checkout, node)


def _with_hint(error: NotFoundError, checkout: Checkout, path: str, call: Call) -> NotFoundError:
    """Return the error with the names of what is there."""
    try:
        names = list(kinds_in(checkout.client, open_any(checkout.client, "", "r", call), call))
    except (StoreError, MetadataError, AttributeError):  # there is nothing, or one array
        names = []
    error.args = (f"{error} in version {checkout.uuid}; {hint(path, names)}",)
    return error


def kind_of(checkout: Checkout) -> type[SnapshotStore]:
    """Return the class of the stores of a checkout."""
    if isinstance(checkout, Session):
        return SessionStore
    return SnapshotStore if isinstance(checkout, Snapshot) else ForkStore


def _fork_at(part: Fork, path: str) -> ForkStore:
    return ForkStore(part, open_node(part.client, path, part.mode, part.call()))


def _reopened(checkout: Checkout, path: str) -> SnapshotStore:
    return store_at(checkout, path, checkout.call())
