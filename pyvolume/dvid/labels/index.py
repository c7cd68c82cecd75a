"""The index of bodies: whether it has caught up with the voxels."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np

from pyvolume.calls.call import Call
from pyvolume.dvid.labels.numbers import Questions
from pyvolume.dvid.labels.store import LabelStore
from pyvolume.dvid.refusals import refusal
from pyvolume.errors import AnswerError, BusyTimeoutError
from pyvolume.model.box import Box
from pyvolume.transport.answer import Answer
from pyvolume.transport.request import Request, Upload

BODIES_AT_ONCE = 500
"""Bodies of which the index is asked for in one request."""

INTERVALS = (0.02, 1.0)
"""Seconds between two looks at the index, the first and the longest."""

Place: TypeAlias = tuple[int, int, int]
Counts: TypeAlias = dict[tuple[int, Place], dict[int, int]]
"""Voxels of each supervoxel, by the body and the block."""


def wait(store: LabelStore, pieces: Sequence[Box], call: Call, timeout: float) -> None:
    """Wait until the index agrees with the voxels of some boxes of whole blocks.

    Raises
    ------
    BusyTimeoutError
        If it does not within the time.
    """
    action = f"wait for the index of {store.name}"
    questions = Questions(store.instance, lambda: call, lambda: 1)
    interval, looks = INTERVALS[0], 0
    for box in pieces:
        wanted = _of_voxels(store, box, questions, call, action)
        while wanted:
            looks += 1
            wanted = _differing(store, wanted, call, action)
            if not wanted:
                break
            if call.elapsed > timeout:
                raise BusyTimeoutError(
                    f"{action}: after {call.elapsed:.1f} s it still differs from the voxels in {len(wanted)} places, "
                    f"such as body {next(iter(wanted))[0]}",
                    action=action,
                    attempts=looks,
                    seconds=call.elapsed,
                )
            call.sleep(interval)
            interval = min(2 * interval, INTERVALS[1])


def _of_voxels(store: LabelStore, box: Box, questions: Questions, call: Call, action: str) -> Counts:
    """Count the voxels of each supervoxel in each block, by its body."""
    voxels = np.empty(box.shape, store.dtype, order="F")
    store.read_box(box, voxels, call)
    blocks = store.description.block_shape
    found: Counts = {}
    labels = np.unique(voxels)
    labels = labels[labels > 0].astype(np.uint64)
    if not labels.size:
        return found
    # without the word the server answers 0 for what it has not indexed yet
    found_bodies = questions.ask("mapping", labels, action, {"nolookup": "true"})
    bodies = dict(zip(labels.tolist(), found_bodies.tolist(), strict=True))
    first = [low // side for low, side in zip(box.start[1:], blocks, strict=True)]
    for at in np.ndindex(*(n // side for n, side in zip(box.shape[1:], blocks, strict=True))):
        place = tuple(slice(n * side, (n + 1) * side) for n, side in zip(at, blocks, strict=True))
        x, y, z = (n + low for n, low in zip(at, first, strict=True))
        values, counts = np.unique(voxels[0][place], return_counts=True)
        for label, count in zip(values.tolist(), counts.tolist(), strict=True):
            if label:
                found.setdefault((bodies[label], (x, y, z)), {})[label] = count
    return found


def _differing(store: LabelStore, wanted: Counts, call: Call, action: str) -> Counts:
    """Return what the index has not."""
    bodies = sorted({body for body, _ in wanted})
    places = {place for _, place in wanted}
    found: Counts = {}
    for begin in range(0, len(bodies), BODIES_AT_ONCE):
        some = bodies[begin : begin + BODIES_AT_ONCE]
        upload = Upload.of(json.dumps(some).encode())
        request = Request(action, "GET", f"{store.instance.path}/indices", upload=upload, refusal=refusal)

        def receive(answer: Answer) -> Counts:
            data = b"".join(answer.pieces())
            try:
                return read_indices(data, places)
            except (ValueError, IndexError) as error:
                raise AnswerError(
                    f"{action}: expected the index of bodies and found something else: {error}", first_bytes=data[:200]
                ) from None

        found |= store.connection.exchange(request, receive, call)
    return {key: counts for key, counts in wanted.items() if found.get(key) != counts}


def read_indices(data: bytes, places: set[Place]) -> Counts:
    """Return the counts of some blocks from DVID's message LabelIndices.

    Raises
    ------
    ValueError, IndexError
        If it is no such message.
    """
    found: Counts = {}
    for _, index in _fields(memoryview(data)):
        fields = list(_fields(_message(index)))
        label = next((_number(value) for tag, value in fields if tag == 2), 0)
        for tag, block in fields:
            if tag != 1:
                continue
            entry = dict(_fields(_message(block)))
            place = place_of(_number(entry.get(1, 0)))
            if place in places:
                found[label, place] = _counts(_message(entry.get(2, memoryview(b""))))
    return found


def _counts(block: memoryview) -> dict[int, int]:
    """Read the message SVCount."""
    entries = (dict(_fields(_message(value))) for tag, value in _fields(block) if tag == 1)
    pairs = Counter({_number(entry.get(1, 0)): _number(entry.get(2, 0)) for entry in entries})
    return {label: count for label, count in pairs.items() if count}


def place_of(key: int) -> Place:
    """Return the coordinates of a block: three fields of 21 bits, z, y and x, each a sign and a magnitude."""
    fields = (key & 0x1FFFFF, key >> 21 & 0x1FFFFF, key >> 42 & 0x1FFFFF)
    x, y, z = (-(each & 0xFFFFF) if each & 0x100000 else each for each in fields)
    return x, y, z


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Give the fields of a message of protobuf: numbers, and bytes with a length."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        value, at = _varint(message, at)
        if kind == 0:
            yield key >> 3, value
        elif kind == 2 and at + value <= len(message):
            yield key >> 3, message[at : at + value]
            at += value
        else:
            raise ValueError(f"a field of the kind {kind} at byte {at} of {len(message)}")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        digit = message[at]
        at += 1
        number |= (digit & 0x7F) << shift
        shift += 7
        if digit < 0x80:
            return number, at
        if shift > 63:
            raise ValueError(f"a number of more than 64 bits at byte {at}")


def _number(value: int | memoryview) -> int:
    if not isinstance(value, int):
        raise ValueError("bytes in place of a number")
    return value


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number in place of bytes")
    return value
