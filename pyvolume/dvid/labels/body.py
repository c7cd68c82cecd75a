"""Body: one object of a segmentation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pyvolume.dvid.labels import runs as rows
from pyvolume.dvid.labels.numbers import received, whole
from pyvolume.dvid.labels.runs import Runs
from pyvolume.dvid.labels.sparse import blocks_to_runs
from pyvolume.dvid.labels.store import LabelStore
from pyvolume.dvid.labels.types import require
from pyvolume.dvid.labels.wire import broken
from pyvolume.dvid.refusals import refusal
from pyvolume.errors import AnswerError, MetadataError, NotFoundError, SelectionError
from pyvolume.model.arguments import brief
from pyvolume.model.box import Box, BoxLike, as_box
from pyvolume.transport.answer import Answer
from pyvolume.transport.request import Request

T = TypeVar("T")


class Body:
    """One object of a segmentation: a body, or a supervoxel where the volume shows these.

    `LabelVolume.body` returns it; nothing is asked before a property or a method is used, and nothing is remembered.
    The server finds bodies by an index, which can be some seconds behind the voxels, see `LabelVolume.wait_indexed`.

    Parameters
    ----------
    store : LabelStore
        The voxels of the segmentation.
    label : int
        The number of the object.
    """

    def __init__(self, store: LabelStore, label: int) -> None:
        self._store = store
        self._label = label

    @property
    def label(self) -> int:
        """The number of the object."""
        return self._label

    def __repr__(self) -> str:
        kind = "supervoxel" if self._store.options.supervoxels else "body"
        return f"<Body {self._label}, a {kind} of {self._store.address}>"

    def __eq__(self, other: object) -> bool:
        return self._identity() == other._identity() if isinstance(other, Body) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[str, int]:
        return self._store.address, self._label

    @property
    def exists(self) -> bool:
        """Whether the index has any voxel of it; one request."""
        request = Request(
            self._action("look for"),
            "HEAD",
            f"{self._store.instance.path}/sparsevol/{self._label}",
            self._words,
            accepts=frozenset({200, 204}),
            refusal=refusal,
        )

        def receive(answer: Answer) -> bool:
            answer.finish()
            return answer.status == 200

        return self._exchange(request, receive)

    @property
    def size(self) -> int:
        """The number of its voxels, 0 if there is no such object; one request.

        Raises
        ------
        UnsupportedError
            If the instance is older than labelmap.
        """
        action = self._action("count the voxels of")
        require(self._store.description, "sizes", action)
        request = self._request(action, "size", self._words)
        try:
            return whole(self._exchange(request, Answer.read_json), "voxels", action)
        except NotFoundError:
            return 0

    @property
    def bounding_box(self) -> Box:
        """The smallest box of whole blocks around it, channel first; one request.

        Raises
        ------
        NotFoundError
            If there is no such object.
        """
        action = self._action("find the bounding box of")
        request = self._request(action, "sparsevol-size", self._words)
        found = self._found(request, Answer.read_json)
        if not whole(found, "numblocks", action):
            raise self._missing(action)
        corners = [found.get(name) for name in ("minvoxel", "maxvoxel")]
        if not all(isinstance(each, list) and len(each) == 3 for each in corners):
            raise AnswerError(f"{action}: expected two corners and found {brief(found)}")
        low, high = corners
        return Box((0, *low), (1, *(last + 1 for last in high)))

    @property
    def supervoxels(self) -> NDArray[np.uint64]:
        """The numbers of its supervoxels, sorted; one request.

        Raises
        ------
        NotFoundError
            If there is no such body.
        UnsupportedError
            If the instance is older than labelmap.
        """
        action = self._action("list the supervoxels of")
        require(self._store.description, "supervoxels", action)
        request = self._request(action, "supervoxels", {})
        return np.sort(self._found(request, lambda answer: received(answer, action)))

    def runs(self, box: BoxLike | None = None, scale: int | None = None) -> Runs:
        """Return its voxels as runs along x.

        Parameters
        ----------
        box : Box or pair of corners, optional
            Only the runs inside of it, channel first, in voxels of the level; by default all.
        scale : int, optional
            The resolution level; by default the one of the volume.

        Returns
        -------
        ndarray with the fields x, y, z and length
            Sorted by z, y and x; runs that touch are joined.

        Raises
        ------
        NotFoundError
            If there is no such object.
        SelectionError
            If there is no such level.
        """
        store = self._store.at_scale(scale)
        inside = None if box is None else checked(box)
        action = self._action("read the runs of")
        words = self._words | ({"scale": str(store.options.scale)} if store.options.scale else {})
        # for a body below voxel 0 the server would end its process over runs, and bounds leave out voxels
        is_safe = min(self.bounding_box.start) >= 0
        if not is_safe:
            words |= {"format": "blocks"}
        elif inside is not None:
            words |= _bounds(inside)
        request = self._request(action, "sparsevol", words)
        decode = rows.decode_rles if is_safe else blocks_to_runs

        def receive(answer: Answer) -> Runs:
            data = b"".join(answer.pieces())
            try:
                return rows.joined(decode(data))
            except ValueError as error:
                raise broken(action, "a sparse volume", data, error) from None

        try:
            found = self._exchange(request, receive)
        except NotFoundError:  # it is there, and has nothing inside of the box
            found = np.empty(0, rows.RUN)
        return found if inside is None else cropped(found, inside)

    def coarse(self) -> NDArray[np.int64]:
        """Return the blocks that have voxels of it, as rows of their coordinates (x, y, z), in blocks; one request.

        Raises
        ------
        NotFoundError
            If there is no such object.
        """
        action = self._action("list the blocks of")
        request = self._request(action, "sparsevol-coarse", self._words)

        def receive(answer: Answer) -> NDArray[np.int64]:
            data = b"".join(answer.pieces())
            try:
                return coordinates(rows.joined(rows.decode_rles(data)))
            except ValueError as error:
                raise broken(action, "a sparse volume of blocks", data, error) from None

        return self._found(request, receive)

    def mask(self, box: BoxLike | None = None, scale: int | None = None) -> NDArray[np.bool_]:
        """Return which voxels of a box belong to it.

        Parameters
        ----------
        box : Box or pair of corners, optional
            Channel first, in voxels of the level; by default the blocks around the object.
        scale : int, optional
            The resolution level; by default the one of the volume.

        Returns
        -------
        ndarray of bool
            Of the shape of the box.

        Raises
        ------
        NotFoundError, SelectionError
            As for `runs`.
        """
        store = self._store.at_scale(scale)
        if box is None:
            whole_box, factor = self.bounding_box, 1 << store.options.scale
            low = [n // factor for n in whole_box.start[1:]]
            inside = Box((0, *low), (1, *(-(-n // factor) for n in whole_box.stop[1:])))
        else:
            inside = checked(box)
        return self.from_runs(self.runs(inside, scale), inside)

    def voxels(self, box: BoxLike | None = None, scale: int | None = None) -> NDArray[np.int64]:
        """Return its voxels as rows of their coordinates (x, y, z), sorted by z, y and x.

        Parameters
        ----------
        box, scale : optional
            As for `runs`.

        Raises
        ------
        NotFoundError, SelectionError
            As for `runs`.
        """
        return coordinates(self.runs(box, scale))

    @staticmethod
    def to_runs(mask: NDArray[np.bool_], start: Sequence[int] = (0, 0, 0)) -> Runs:
        """Return the voxels of a mask that are true as runs along x.

        Parameters
        ----------
        mask : ndarray of bool, axes (x, y, z) or (1, x, y, z)
            Of a box.
        start : sequence of int
            The coordinates of its first voxel, of any sign, with or without the channel.

        Returns
        -------
        ndarray with the fields x, y, z and length
            Sorted by z, y and x; runs that touch are joined.
        """
        return rows.to_runs(mask[0] if mask.ndim == 4 else mask, tuple(start)[-3:])

    @staticmethod
    def from_runs(runs: Runs, box: BoxLike) -> NDArray[np.bool_]:
        """Return which voxels of a box lie in runs.

        Parameters
        ----------
        runs : ndarray with the fields x, y, z and length
            In any order; those outside of the box are left out.
        box : Box or pair of corners
            Channel first.

        Returns
        -------
        ndarray of bool
            Of the shape of the box.
        """
        inside = checked(box)
        return rows.from_runs(runs, inside.start[1:], inside.shape[1:])[np.newaxis]

    def _action(self, verb: str) -> str:
        return f"{verb} {self._label} in {self._store.name}"

    @property
    def _words(self) -> dict[str, str]:
        """The words of the query that say what the label is."""
        return {"supervoxels": "true"} if self._store.options.supervoxels else {}

    def _request(self, action: str, endpoint: str, words: dict[str, str]) -> Request:
        return Request(action, "GET", f"{self._store.instance.path}/{endpoint}/{self._label}", words, refusal=refusal)

    def _exchange(self, request: Request, receive: Callable[[Answer], T]) -> T:
        connection = self._store.connection
        return connection.exchange(request, receive, connection.new_call())

    def _found(self, request: Request, receive: Callable[[Answer], T]) -> T:
        """Ask for something that is there only if the object is."""
        try:
            return self._exchange(request, receive)
        except NotFoundError:
            raise self._missing(request.action) from None

    def _missing(self, action: str) -> NotFoundError:
        kind = "supervoxel" if self._store.options.supervoxels else "body"
        return NotFoundError(f"{action}: there is no {kind} of this number, or the index has none yet", action=action)


def checked(box: BoxLike) -> Box:
    """Return a box with a channel and three axes.

    Raises
    ------
    SelectionError
        For another number of axes, or another channel.
    """
    found = as_box(box)
    if found.ndim != 4 or (found.start[0], found.stop[0]) != (0, 1):
        raise SelectionError(f"read a body: expected a box with the channel 0 and three axes and found {found}")
    return found


def checked_runs(runs: Runs, action: str) -> Runs:
    """Return runs of a user in order, joined.

    Raises
    ------
    MetadataError
        If they are none.
    """
    fields = getattr(getattr(runs, "dtype", None), "names", None)
    if fields != rows.RUN.names or not len(runs):
        raise MetadataError(f"{action}: expected runs with x, y, z and length, as Body.to_runs returns them")
    try:
        return rows.joined(runs)
    except ValueError as error:
        raise MetadataError(f"{action}: {error}") from None


def cropped(runs: Runs, box: Box) -> Runs:
    """Return the parts of runs inside of a box; the server sends whole sub-blocks at its faces."""
    low, high = box.start[1:], box.stop[1:]
    kept = np.ones(len(runs), bool)
    for axis, first, end in zip("yz", low[1:], high[1:], strict=True):
        kept &= (runs[axis] >= first) & (runs[axis] < end)
    found = runs[kept]
    start = np.maximum(found["x"].astype(np.int64), low[0])
    stop = np.minimum(found["x"].astype(np.int64) + found["length"], high[0])
    found["x"], found["length"] = start, np.maximum(stop - start, 0)
    return found[found["length"] > 0]


def coordinates(runs: Runs) -> NDArray[np.int64]:
    """Return the voxels of runs as rows (x, y, z)."""
    lengths = runs["length"].astype(np.int64)
    before = np.repeat(np.cumsum(lengths) - lengths, lengths)
    found = np.stack([np.repeat(runs[axis].astype(np.int64), lengths) for axis in "xyz"], axis=1)
    found[:, 0] += np.arange(len(found)) - before
    return found


def _bounds(box: Box) -> dict[str, str]:
    """Return the words of a query for a box."""
    corners = zip("xyz", box.start[1:], box.stop[1:], strict=True)
    each = {word: str(n) for axis, low, high in corners for word, n in ((f"min{axis}", low), (f"max{axis}", high - 1))}
    return each | {"exact": "true"}
