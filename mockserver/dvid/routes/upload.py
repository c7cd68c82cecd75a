"""Bodies of voxels on their way in."""

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
        Where they go.
    box : Box
        Region they fill.
    accept : callable
        Called once the length is known to be right, before anything is stored; may refuse.
    changes : Changes
        Stores them.

    Raises
    ------
    Refused
        With DVID's words for a wrong length, however the body came; nothing is stored.
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
        """Fill `view` with the next bytes; the last ones are given only if the whole length is right."""
        got = self._body.readinto(view)
        self._left -= got
        if got < len(view) or self._left == 0:
            self.finish()

    def finish(self) -> None:
        """Read the rest, and check the length before all else, as DVID does."""
        length = self._body.drain()
        if length != self.expected:
            raise Refused(f"voxels data was {length} bytes, expected {self.expected} bytes for {self._words}")
        self._accept()
