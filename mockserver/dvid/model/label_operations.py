"""Replayable operations on labels; their arguments are plain JSON values, and a body of bytes for some of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mockserver.dvid.model.labels import edits, storing
from mockserver.dvid.model.labels.index import Changed
from mockserver.dvid.model.labels.instance import Labels
from mockserver.dvid.model.labels.storing import Target
from mockserver.dvid.model.regions import Region
from mockserver.dvid.model.repository import Repositories
from mockserver.dvid.wire import gojson
from mockserver.dvid.wire.bodies import unsigned
from mockserver.dvid.wire.geometry import Box
from mockserver.dvid.wire.labels import sparse
from mockserver.dvid.wire.labels.frames import frames
from mockserver.http.messages import Refused


def _write_labels(
    all_: Repositories, data: bytes, *, uuid: str, name: str, start: Sequence[int], shape: Sequence[int],
    region: str, mutate: bool,
) -> None:  # fmt: skip
    blocks = None
    if region:
        instance, lineage = all_.at(uuid, region, Region)
        blocks = instance.blocks(lineage)
    box = Box(tuple(start), tuple(shape))
    storing.write_voxels(_target(all_, uuid, name), box, data, blocks, mutate=mutate)


def _write_blocks(
    all_: Repositories, data: bytes, *, uuid: str, name: str, scale: int, downres: bool, index: bool
) -> None:
    target = _target(all_, uuid, name)
    storing.write_blocks(target, frames(data, target.labels.block_size), scale, downres=downres, index=index)


def _ingest_blocks(all_: Repositories, data: bytes, *, uuid: str, name: str, scale: int) -> None:
    labels, lineage = all_.at(uuid, name, Labels)
    storing.ingest(Target(labels, lineage, all_.indexing), frames(data, labels.block_size), scale)


def _cleave(
    all_: Repositories, data: bytes, *, uuid: str, name: str, label: int, user: str, app: str, now: str
) -> tuple[int, int]:
    labels, lineage = all_.at(uuid, name, Labels)
    new = labels.numbers.new_label(lineage)  # also if the cleave fails
    if not data:
        raise Refused("no cleave supervoxels JSON was POSTed")
    try:
        supervoxels = unsigned(gojson.decode(data))
    except Refused as refused:
        raise Refused(f"bad cleave supervoxels JSON: {refused}") from None
    target, changed = _change(all_, uuid, name, user=user, app=app, now=now)
    edits.cleave(target, label, new, supervoxels, changed)
    return new, changed.mutation


def _split(
    all_: Repositories, data: bytes, *, uuid: str, name: str, supervoxel: int, split: int, remain: int,
    downres: bool, user: str, app: str, now: str,
) -> tuple[int, int, int]:  # fmt: skip
    labels, lineage = all_.at(uuid, name, Labels)
    found = (0, 0)
    try:
        wanted = edits.Split(supervoxel, sparse.decode(data), split, remain)
        label, index = edits.check_split(Target(labels, lineage, all_.indexing), wanted)
        for number in (split, remain):
            labels.numbers.saw(lineage, number)
        split = split or labels.numbers.new_label(lineage)
        remain = remain or labels.numbers.new_label(lineage)
        found = (split, remain)
        target, changed = _change(all_, uuid, name, user=user, app=app, now=now)
        edits.split(target, replace(wanted, split=split, remain=remain), label, index, changed, downres=downres)
    except Refused as refused:
        raise Refused(f"split supervoxel {supervoxel} -> {found[0]}, {found[1]}: {refused}") from None
    return split, remain, changed.mutation


def _merge(
    all_: Repositories, *, uuid: str, name: str, into: int, labels: list[int], user: str, app: str, now: str
) -> int:
    target, changed = _change(all_, uuid, name, user=user, app=app, now=now)
    edits.merge(target, into, labels, changed)
    return changed.mutation


def _renumber(
    all_: Repositories, *, uuid: str, name: str, pairs: list[tuple[int, int]], user: str, app: str, now: str
) -> None:
    labels, lineage = all_.at(uuid, name, Labels)
    for new, old in pairs:
        if labels.body(lineage, new) is not None:
            raise Refused(f"target label for renumber ({new}) already exists in mapping")
        target, changed = _change(all_, uuid, name, user=user, app=app, now=now)
        edits.renumber(target, old, new, changed)


def _map_labels(all_: Repositories, *, uuid: str, name: str, pairs: list[tuple[int, int]]) -> None:
    labels, lineage = all_.at(uuid, name, Labels)
    labels.mapping.put(lineage[0], dict(pairs))


def _new_labels(all_: Repositories, *, uuid: str, name: str, count: int) -> tuple[int, int]:
    labels, lineage = all_.at(uuid, name, Labels)
    return labels.numbers.new(lineage, count)


def _note_label(all_: Repositories, *, uuid: str, name: str, label: int) -> None:
    labels, lineage = all_.at(uuid, name, Labels)
    labels.numbers.note(lineage, label)


def _set_next_label(all_: Repositories, *, uuid: str, name: str, label: int, ceiling: int | None) -> None:
    labels, _ = all_.at(uuid, name, Labels)
    labels.numbers.set_next(label, ceiling)


def _change(all_: Repositories, uuid: str, name: str, *, user: str, app: str, now: str) -> tuple[Target, Changed]:
    """Return where to change bodies, and who does it; use up a mutation id."""
    target = _target(all_, uuid, name)
    return target, Changed(all_.of(uuid)[0].mutations - 1, user, app, now)


def _target(all_: Repositories, uuid: str, name: str) -> Target:
    """Return where to write, and use up a mutation id."""
    repository, _ = all_.of(uuid)
    repository.count_mutation()
    labels, lineage = all_.at(uuid, name, Labels)
    return Target(labels, lineage, all_.indexing)


OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "merge_labels": _merge,
    "renumber_labels": _renumber,
    "map_labels": _map_labels,
    "new_labels": _new_labels,
    "note_label": _note_label,
    "set_next_label": _set_next_label,
}
"""The operations without a body."""

WITH_BODY: Mapping[str, Callable[..., Any]] = {
    "write_labels": _write_labels,
    "write_blocks": _write_blocks,
    "ingest_blocks": _ingest_blocks,
    "cleave_labels": _cleave,
    "split_supervoxel": _split,
}
