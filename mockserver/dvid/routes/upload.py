"""Reading the voxels of a request."""

from __future__ import annotations

from collections.abc import Callable

from mockserver.dvid.model.changes import Changes, Where
from mockserver.dvid.model.place import Place
from mockserver.dvid.model.volumes import Volume
from mockserver.dvid.wire.geometry import Box
from mockserver.http.messages import Refused, Request


def receive(request: Request, place: Place[Volume], box: Box, accept: Callable[[], None], changes: Changes) -> None:
    """Read the voxels of `box` and store them.

    Parameters
    ----------
    request : Request
        Its body holds the voxels.
    place : Place
        The instance and the version.
    box : Box
        The box of the voxels.
    accept : callable
        Called when the length is known to be correct, before anything is stored; it may refuse.
    changes : Changes
        The operation that stores them.

    Raises
    ------
    Refused
        With DVID's text for a wrong length, also of a body in chunks; nothing is stored.
    """
    upload = _Upload(request, place.instance.voxels.voxel_bytes * box.size, str(box), accept)
    if min(box.shape) <= 0 or place.instance.unusable or request.body.length not in {None, upload.expected}:
        upload.finish()
    where = Where(
        place.version.uuid, place.instance.base.name, box.start, box.shape, region=request.query.get("roi", "")
    )
    changes.write(where, upload.fill)


class _Upload:
    def __init__(self, request: Request, expected: int, words: str, accept: Callable[[], None]) -> None:
        self.expected = expected
        self._body = request.body
        self._words = words
        self._accept = accept
        self._left = expected

    def fill(self, view: memoryview) -> None:
        """Fill `view` with the next bytes; before the last ones the whole length is checked."""
        got = self._body.readinto(view)
        self._left -= got
        if got < len(view) or self._left == 0:
            self.finish()

    def finish(self) -> None:
        """Read the rest and check the length; DVID checks it first, too."""
        length = self._body.drain()
        if length != self.expected:
            raise Refused(f"voxels data was {length} bytes, expected {self.expected} bytes for {self._words}")
        self._accept()
