"""Questions with many numbers: labels of points, bodies of supervoxels, sizes."""

from __future__ import annotations

import itertools
import json
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyvolume.calls.call import Call
from pyvolume.dvid.client import get_document
from pyvolume.dvid.extents import INT32
from pyvolume.dvid.instances import Instance
from pyvolume.dvid.refusals import refusal
from pyvolume.errors import AnswerError, MetadataError, RefusedError, SelectionError
from pyvolume.model import arguments
from pyvolume.model.arguments import brief
from pyvolume.transfer.pool import run_ahead
from pyvolume.transport.answer import Answer
from pyvolume.transport.request import Request, Upload

AT_ONCE = 10_000
"""Numbers, or points, in one request."""

LARGEST = (1 << 64) - 1

Labels = NDArray[np.uint64]


def ids_of(ids: ArrayLike, action: str, least: int = 0) -> Labels:
    """Return labels as an array.

    Raises
    ------
    MetadataError
        For what is no whole number from `least` to 2⁶⁴ - 1.
    """
    # of a list numpy would make floats where integers are too large or negative
    array = ids if isinstance(ids, np.ndarray) else np.asarray(ids, object)
    try:
        if array.dtype.kind not in "iuO":
            raise TypeError
        given = list(map(operator.index, array.ravel())) if array.dtype.kind == "O" else array.ravel()
        is_possible = not len(given) or least <= int(min(given)) <= int(max(given)) <= LARGEST
    except TypeError:
        is_possible = False
    if not is_possible:
        raise MetadataError(f"{action}: expected labels from {least} to 2**64 - 1 and found {brief(ids)}")
    return np.array(given, np.uint64).reshape(array.shape)


def label_of(label: SupportsIndex, action: str) -> int:
    """Return the number of an object.

    Raises
    ------
    MetadataError
        For a number that no object can have.
    """
    number = arguments.integer(label, action, "a label")
    if not 1 <= number <= LARGEST:
        raise MetadataError(f"{action}: expected a label from 1 to 2**64 - 1 and found {brief(label)}")
    return number


def points_of(points: ArrayLike, action: str) -> NDArray[np.int64]:
    """Return coordinates as an array whose last axis is x, y, z.

    Raises
    ------
    SelectionError
        For another shape, or coordinates that are no whole numbers of 32 bits.
    """
    array = arguments.array_of(points)
    if not array.size:
        return np.empty((*array.shape[:-1], 3) if array.ndim > 1 else (0, 3), np.int64)
    if array.dtype.kind not in "iu" or not array.ndim or array.shape[-1] != 3:
        raise SelectionError(
            f"{action}: expected whole numbers with a last axis of x, y, z and found {array.dtype} of shape "
            f"{array.shape}"
        )
    if int(array.min()) not in INT32 or int(array.max()) not in INT32:
        raise SelectionError(f"{action}: coordinates of DVID are 32-bit integers, not {array.min()} to {array.max()}")
    return array.astype(np.int64)


class Questions:
    """Questions to an instance whose answers are lists, each in batches, several of them at once.

    Parameters
    ----------
    instance : Instance
        Which one.
    begin : callable
        Makes the call that a batch belongs to.
    room : callable
        Returns how many batches are under way at once now.
    """

    def __init__(self, instance: Instance, begin: Callable[[], Call], room: Callable[[], int]) -> None:
        self._instance = instance
        self._begin = begin
        self._room = room

    def ask(self, endpoint: str, values: NDArray[Any], action: str, words: Mapping[str, str]) -> Labels:
        """Return the answer for each row of `values`."""
        found = np.empty(len(values), np.uint64)
        starts = range(0, len(values), AT_ONCE)
        if len(starts) == 1:
            return self._batch(endpoint, values, action, words, self._begin())

        def work(start: int, call: Call) -> None:
            part = values[start : start + AT_ONCE]
            found[start : start + AT_ONCE] = self._batch(endpoint, part, action, words, call)

        for _ in run_ahead(starts, work, self._begin, self._room, ordered=False):
            pass
        return found

    def _batch(self, endpoint: str, values: NDArray[Any], action: str, words: Mapping[str, str], call: Call) -> Labels:
        upload = Upload.of(json.dumps(values.tolist()).encode())
        path = f"{self._instance.path}/{endpoint}"
        request = Request(action, "GET", path, words, upload, refusal=refusal)
        return self._instance.connection.exchange(request, lambda answer: received(answer, action, len(values)), call)


def received(answer: Answer, action: str, count: int | None = None) -> Labels:
    """Receive a list of labels in JSON; of so many, if that is known.

    Raises
    ------
    AnswerError
        If it is something else.
    """
    found = answer.read_json()
    is_list = isinstance(found, list) and all(type(each) is int and 0 <= each <= LARGEST for each in found)
    if not is_list or count not in {None, len(found)}:
        wanted = "labels" if count is None else f"{count} labels"
        raise AnswerError(f"{action}: expected a list of {wanted} and found {brief(found)}")
    return np.array(found, np.uint64)


def max_label(instance: Instance) -> int:
    """Return the highest label that was ever written, 0 before the first one."""
    action = f"ask for the highest label of {instance.name}"
    try:
        document = get_document(instance.connection, action, f"{instance.path}/maxlabel")
    except RefusedError as error:
        if "No maximum label" not in error.detail:
            raise
        return 0
    return whole(document, "maxlabel", action)


def whole(document: Any, name: str, action: str) -> int:
    """Return a number of a document.

    Raises
    ------
    AnswerError
        If it is not there, or no whole number.
    """
    found = document.get(name) if isinstance(document, Mapping) else None
    if type(found) is not int:
        raise AnswerError(f"{action}: expected the number {name} and found {brief(document)}")
    return found


def blocks_below_zero(
    points: NDArray[np.int64], blocks: Sequence[int]
) -> Iterator[tuple[tuple[int, ...], NDArray[np.intp]]]:
    """Give the blocks with points below 0 on any axis, and which points lie in each."""
    (below,) = np.nonzero((points < 0).any(axis=1))
    if below.size:
        cells, inverse = np.unique(points[below] // np.array(blocks), axis=0, return_inverse=True)
        order = np.argsort(inverse.ravel(), kind="stable")
        ends = np.cumsum(np.bincount(inverse.ravel()))
        for cell, (start, stop) in zip(cells.tolist(), _spans(ends.tolist()), strict=True):
            yield tuple(cell), below[order[start:stop]]


def _spans(ends: Iterable[int]) -> Iterator[tuple[int, int]]:
    return itertools.pairwise(itertools.chain([0], ends))
