"""Fork: a part of a session, with which another process writes."""

from __future__ import annotations

import functools
import pickle
from typing import Any, Literal, SupportsIndex
from uuid import uuid4

from pyvolume.calls.call import Call
from pyvolume.icechunk.marks import Marks
from pyvolume.icechunk.opening import Opening
from pyvolume.icechunk.refusals import meaning
from pyvolume.icechunk.repository import ENGINE, Repository, open_repository
from pyvolume.icechunk.storage import lanes_of
from pyvolume.zarr.client import Client
from pyvolume.zarr.requests import engines


class Fork:
    """A part of a session, for another process.

    Parameters
    ----------
    opening : Opening
        How the repository is opened.
    content : bytes
        The session of the library, pickled.
    origin : str
        The address of the session that it is a part of.
    marks : Marks, optional
        What is noted of its writes when the session is committed.
    """

    mode: Literal["r", "r+"] = "r+"

    def __init__(self, opening: Opening, content: bytes, origin: str, marks: Marks | None = None) -> None:
        self.marks = marks or Marks()
        self.opening = opening
        self.origin = origin
        self._content = content
        self._name = uuid4().hex

    @functools.cached_property
    def raw(self) -> Any:
        """The session of the library."""
        engines.enter(ENGINE, self.origin)
        return pickle.loads(self._content)

    @functools.cached_property
    def client(self) -> Client:
        """Sends the requests."""
        lanes = lanes_of(self.opening.address)
        return Client(self.raw.store, self.origin, engine=ENGINE, meaning=meaning, lanes=lanes)

    @functools.cached_property
    def repository(self) -> Repository:
        """What the session belongs to."""
        return open_repository(self.opening)

    @property
    def uuid(self) -> str:
        """The id of the snapshot that the writes come on top of."""
        return str(self.raw.snapshot_id)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        content = pickle.dumps(self.raw) if "raw" in vars(self) else self._content
        return Fork, (self.opening, content, self.origin, self.marks)

    def call(self) -> Call:
        """Begin an operation."""
        return self.opening.call()

    def url_of(self, path: str) -> str:
        """Return an address that names this part; writes with other parts are no writes here."""
        front, _, back = self.origin.partition("?")
        return f"{front}{'/' if path else ''}{path}?{back}&fork={self._name}"

    def again(self) -> Fork:
        """Return a part of its own with the same content."""
        found: Fork = pickle.loads(pickle.dumps(self))
        return found
