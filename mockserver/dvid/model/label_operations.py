"""Replayable operations on labels that have a body of bytes; their other arguments are plain JSON values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mockserver.dvid.model.labels import storing
from mockserver.dvid.model.labels.instance import Labels
from mockserver.dvid.model.labels.storing import Target
from mockserver.dvid.model.regions import Region
from mockserver.dvid.model.repository import Repositories
from mockserver.dvid.wire.geometry import Box
from mockserver.dvid.wire.labels.frames import frames


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
    storing.write_blocks(target, frames(data), scale, downres=downres, index=index)


def _ingest_blocks(all_: Repositories, data: bytes, *, uuid: str, name: str, scale: int) -> None:
    labels, lineage = all_.at(uuid, name, Labels)
    storing.ingest(Target(labels, lineage, all_.indexing), frames(data), scale)


def _target(all_: Repositories, uuid: str, name: str) -> Target:
    """Return where to write, and use up a mutation id."""
    repository, _ = all_.of(uuid)
    repository.count_mutation()
    labels, lineage = all_.at(uuid, name, Labels)
    return Target(labels, lineage, all_.indexing)


OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "write_labels": _write_labels,
    "write_blocks": _write_blocks,
    "ingest_blocks": _ingest_blocks,
}
