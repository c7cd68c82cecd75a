"""Edits of bodies: each is carried out once, and its result is found also if the answer is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike

from pyvolume.calls.lost import once
from pyvolume.dvid.client import post_document, post_empty
from pyvolume.dvid.labels import runs as rows
from pyvolume.dvid.labels.body import Body, checked_runs
from pyvolume.dvid.labels.numbers import Questions, ids_of, label_of, whole
from pyvolume.dvid.labels.runs import Runs
from pyvolume.dvid.labels.store import LabelStore
from pyvolume.dvid.refusals import refusal
from pyvolume.errors import AnswerError, MetadataError, NotFoundError
from pyvolume.model.box import Box
from pyvolume.transport.answer import Answer
from pyvolume.transport.documents import JsonReader
from pyvolume.transport.request import Request, Upload


@dataclass(frozen=True, slots=True)
class Merge:
    """A merge of bodies.

    Parameters
    ----------
    into : int
        The body that has the voxels of all now.
    labels : tuple of int
        The bodies that are no more.
    mutation : int or None
        The number of the change on the server; None if the answer with it was lost.
    """

    into: int
    labels: tuple[int, ...]
    mutation: int | None


@dataclass(frozen=True, slots=True)
class Cleave:
    """Supervoxels that were taken out of a body.

    Parameters
    ----------
    label : int
        The body that they were taken out of.
    cleaved : int
        The new body that they are.
    supervoxels : tuple of int
        Which they are.
    mutation : int or None
        As for `Merge`.
    """

    label: int
    cleaved: int
    supervoxels: tuple[int, ...]
    mutation: int | None


@dataclass(frozen=True, slots=True)
class Split:
    """A supervoxel that was split; both parts stay in its body.

    Parameters
    ----------
    supervoxel : int
        The supervoxel that is no more.
    split, remain : int
        The new supervoxels, of the voxels that were given and of the others.
    mutation : int or None
        As for `Merge`.
    """

    supervoxel: int
    split: int
    remain: int
    mutation: int | None


@dataclass(frozen=True, slots=True)
class Renumbering:
    """Bodies that have other numbers now.

    Parameters
    ----------
    labels : tuple of (int, int)
        The old number of each, and its new one.
    """

    labels: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Editor:
    """Edits the bodies of a segmentation.

    Parameters
    ----------
    store : LabelStore
        At the finest level, with bodies.
    questions : Questions
        Asks for many numbers.
    """

    store: LabelStore
    questions: Questions

    def merge(self, into: SupportsIndex, labels: ArrayLike) -> Merge:
        """Merge bodies into one, see `LabelVolume.merge`."""
        action = f"merge bodies into {into} in {self.store.name}"
        target, others = label_of(into, action), self._labels(labels, action)
        if target in others:
            raise MetadataError(f"{action}: {target} is among the bodies that are to be merged into it")
        members = self._members([target, *others], action)[1:]

        def look() -> Merge | None:
            is_merged = all(body == target for body in self._bodies(members, action))
            return Merge(target, tuple(others), None) if is_merged else None

        def ask() -> Merge:
            document = self._post("merge", [target, *others], action)
            return Merge(target, tuple(others), whole(document, "MutationID", action))

        return once(ask, look)

    def cleave(self, label: SupportsIndex, supervoxels: ArrayLike) -> Cleave:
        """Take supervoxels out of a body, see `LabelVolume.cleave`."""
        action = f"cleave body {label} in {self.store.name}"
        body, taken = label_of(label, action), self._labels(supervoxels, action)
        others = [each for each, found in zip(taken, self._bodies(taken, action), strict=True) if found != body]
        if others:
            raise NotFoundError(f"{action}: supervoxel {others[0]} is not one of body {body}", action=action)

        def look() -> Cleave | None:
            (found, *more) = set(self._bodies(taken, action))
            return None if more or found in {0, body} else Cleave(body, found, tuple(taken), None)

        def ask() -> Cleave:
            document = self._post(f"cleave/{body}", taken, action)
            new, mutation = (whole(document, name, action) for name in ("CleavedLabel", "MutationID"))
            return Cleave(body, new, tuple(taken), mutation)

        return once(ask, look)

    def split_supervoxel(self, supervoxel: SupportsIndex, runs: Runs) -> Split:
        """Split a supervoxel, see `LabelVolume.split_supervoxel`."""
        action = f"split supervoxel {supervoxel} in {self.store.name}"
        whole_one = Body(self.store.changed(supervoxels=True), label_of(supervoxel, action))
        part = self._part(whole_one, runs, action)
        (label,) = self._bodies([whole_one.label], action)
        body = Body(self.store, label)
        before = set(body.supervoxels.tolist())

        def look() -> Split | None:
            made = set(body.supervoxels.tolist()) - before
            point = np.array([[part["x"][0], part["y"][0], part["z"][0]]])
            found = int(self.store.changed(supervoxels=True).labels_at(point, self.questions, action)[0])
            if len(made) != 2 or found not in made:
                return None
            (remain,) = made - {found}
            return Split(whole_one.label, found, remain, None)

        def ask() -> Split:
            upload = Upload.of(rows.encode_rles(part))
            path = f"{self.store.instance.path}/split-supervoxel/{whole_one.label}"
            request = Request(action, "POST", path, upload=upload, repeatable=False, refusal=refusal)
            connection = self.store.connection
            document = _parsed(connection.exchange(request, Answer.read, connection.new_call()), action)
            names = ("SplitSupervoxel", "RemainSupervoxel", "MutationID")
            return Split(whole_one.label, *(whole(document, name, action) for name in names))

        return once(ask, look)

    def renumber(self, labels: Mapping[int, int]) -> Renumbering:
        """Give bodies other numbers, see `LabelVolume.renumber`."""
        action = f"renumber bodies of {self.store.name}"
        pairs = tuple((label_of(old, action), label_of(new, action)) for old, new in labels.items())
        if not pairs or len({new for _, new in pairs}) < len(pairs):
            raise MetadataError(f"{action}: expected a new number for each body, each number once, and found {labels}")
        members = self._members([old for old, _ in pairs], action)

        def look() -> Renumbering | None:
            found = self._bodies(members, action)
            return Renumbering(pairs) if found == [new for _, new in pairs] else None

        def ask() -> Renumbering:
            document = [number for old, new in pairs for number in (new, old)]
            post_empty(self.store.connection, action, f"{self.store.instance.path}/renumber", document)
            return Renumbering(pairs)

        return once(ask, look)

    def next_labels(self, count: int) -> range:
        """Reserve labels, see `LabelVolume.next_labels`."""
        action = f"reserve labels of {self.store.name}"

        def ask() -> range:
            document = self._post(f"nextlabel/{count}", None, action)
            first, last = (whole(document, name, action) for name in ("start", "end"))
            if last - first + 1 != count:
                raise AnswerError(f"{action}: expected {count} labels and found {first} to {last}")
            return range(first, last + 1)

        # nobody can tell which labels were reserved, or for whom
        return once(ask, lambda: None, "labels may have been reserved, which nobody else gets; ask for others")

    def _part(self, whole_one: Body, runs: Runs, action: str) -> Runs:
        """Return runs in order, all of them in a supervoxel, whose other voxels are more than none.

        The server leaves a supervoxel half split if the runs hold voxels of another one.
        """
        part = checked_runs(runs, action)
        low = [int(part[axis].min()) for axis in "xyz"]
        ends = [int((part["x"].astype(np.int64) + part["length"]).max()), *(int(part[axis].max()) + 1 for axis in "yz")]
        inside = whole_one.runs(Box((0, *low), (1, *ends)))
        if _count(rows.joined(np.concatenate([inside, part]))) != _count(inside):
            raise MetadataError(f"{action}: the runs hold voxels that are not of this supervoxel")
        if _count(part) >= whole_one.size:
            raise MetadataError(f"{action}: the runs hold all of its voxels, and nothing would remain")
        return part

    def _members(self, labels: Sequence[int], action: str) -> list[int]:
        """Return a supervoxel of each body.

        Raises
        ------
        NotFoundError
            If there is no such body.
        """
        owners = zip(labels, self._bodies(labels, action), strict=True)
        return [label if owner == label else int(Body(self.store, label).supervoxels[0]) for label, owner in owners]

    def _bodies(self, supervoxels: Sequence[int], action: str) -> list[int]:
        asked = np.array(supervoxels, np.uint64)
        found: list[int] = self.questions.ask("mapping", asked, action, {}).tolist()
        return found

    def _labels(self, labels: ArrayLike, action: str) -> list[int]:
        found: list[int] = ids_of(labels, action, 1).ravel().tolist()
        if not found or len(set(found)) < len(found):
            raise MetadataError(f"{action}: expected labels, each once, and found {found}")
        return found

    def _post(self, endpoint: str, document: Any, action: str) -> Any:
        path = f"{self.store.instance.path}/{endpoint}"
        return _parsed(post_document(self.store.connection, action, path, document), action)


def _parsed(body: bytes, action: str) -> Any:
    """Return the document in the answer to a change."""
    try:
        return JsonReader(action, "", len(body)).document(body)
    except MetadataError as error:  # the change is made, whatever the answer is
        raise AnswerError(*error.args) from None


def _count(runs: Runs) -> int:
    return int(runs["length"].sum(dtype=np.int64))
