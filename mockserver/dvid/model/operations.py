"""Replayable operations on Repositories; their arguments are plain JSON values."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mockserver.dvid.model import label_operations
from mockserver.dvid.model.instances import from_config
from mockserver.dvid.model.keyvalues import KeyValues
from mockserver.dvid.model.regions import Region
from mockserver.dvid.model.repository import Repositories, Repository, log_lines
from mockserver.dvid.model.settings import Origin
from mockserver.dvid.model.volumes import Volume, of_array, type_of
from mockserver.dvid.wire import gojson
from mockserver.dvid.wire.bodies import Config
from mockserver.http.messages import Refused

SHAPE_TAG = "pyvolume-bounds"
"""The tag in which pyvolume keeps the shape of an instance: its first corner and the one behind the last."""


def _create_repository(all_: Repositories, *, root: str, alias: str, description: str, now: str) -> None:
    if all_.knows(root):
        raise Refused("UUID already exists in datastore")
    version = all_.new_version(root, now)
    all_.by_root[root] = Repository(version, alias, description, now, now)
    all_.own(all_.by_root[root], version)


def _create_instance(all_: Repositories, *, uuid: str, config: Config, data_uuid: str, now: str) -> None:
    repository, _ = all_.of(uuid)
    name = config["dataname"]
    if name in repository.instances:
        raise Refused(f'Data named "{name}" already exists in repo (root {repository.root.uuid})')
    instance = from_config(config, Origin(uuid, data_uuid))
    line = f'New data instance "{name}" of type "{config["typename"]}" with config {{{gojson.show(config)}}}'
    repository.instances[name] = instance
    repository.log += log_lines([line], now)
    repository.updated = now


def _adopt(all_: Repositories, *, uuid: str, name: str, dtype: str, shape: Sequence[int], data_uuid: str) -> None:
    repository, _ = all_.of(uuid)
    channels, *axes = shape
    volume = of_array(name, type_of(np.dtype(dtype), channels), len(axes), Origin(uuid, data_uuid))
    if any(axes):
        # as a client does that keeps the shape: the server forgets it, and has no extents for an axis of length 0
        volume.base.tags = {SHAPE_TAG: ":".join("_".join(map(str, corner)) for corner in ([0] * len(axes), axes))}
    repository.instances[name] = volume


def _describe(all_: Repositories, *, uuid: str, alias: str | None, description: str | None, now: str) -> None:
    repository, _ = all_.of(uuid)
    repository.alias = repository.alias if alias is None else alias
    repository.description = repository.description if description is None else description
    repository.updated = now


def _append_repository_log(all_: Repositories, *, uuid: str, lines: list[str], now: str) -> None:
    repository, _ = all_.of(uuid)
    repository.log += log_lines(lines, now)
    repository.updated = now


def _set_note(all_: Repositories, *, uuid: str, note: str, now: str) -> None:
    repository, version = all_.of(uuid)
    version.note = note
    repository.updated = version.updated = now


def _append_log(all_: Repositories, *, uuid: str, lines: list[str], now: str) -> None:
    repository, version = all_.of(uuid)
    version.log += log_lines(lines, now)
    repository.updated = version.updated = now


def _commit(all_: Repositories, *, uuid: str, note: str, lines: list[str], now: str) -> None:
    repository, version = all_.of(uuid)
    if version.locked:
        raise Refused(f"node {uuid} already committed")
    version.locked = True
    version.note = note or version.note
    version.log += log_lines(lines, now)
    repository.updated = version.updated = now


def _create_child(all_: Repositories, *, parent: str, child: str, branch: str, note: str, now: str) -> None:
    repository, node = all_.of(parent)
    branch = repository.branch_for_child(node, branch)
    version = all_.new_version(child, now, branch=branch, note=note)
    repository.add_child(version, node)
    all_.own(repository, version)


def _merge(all_: Repositories, *, parents: list[str], child: str, note: str, now: str) -> None:
    repository, _ = all_.of(parents[0])
    version = all_.new_version(child, now, note=note)
    all_.own(repository, version)
    repository.add_merge(version, [all_.of(parent)[1] for parent in parents])


def _set_extents(all_: Repositories, *, uuid: str, name: str, low: list[int], high: list[int]) -> None:
    volume, lineage = all_.at(uuid, name, Volume)
    volume.extents[lineage[0]] = (tuple(low), tuple(high))


def _set_resolution(all_: Repositories, *, uuid: str, name: str, size: list[float]) -> None:
    all_.at(uuid, name, Volume)[0].voxel_size = tuple(size)


def _set_tags(all_: Repositories, *, uuid: str, name: str, tags: dict[str, str]) -> None:
    repository, _ = all_.of(uuid)
    repository.instances[name].base.tags = tags


def _put_values(all_: Repositories, *, uuid: str, name: str, values: Mapping[str, str]) -> None:
    keyvalues, lineage = all_.at(uuid, name, KeyValues)
    keyvalues.values.put(lineage[0], {key: base64.b64decode(value) for key, value in values.items()})


def _delete_key(all_: Repositories, *, uuid: str, name: str, key: str) -> None:
    keyvalues, lineage = all_.at(uuid, name, KeyValues)
    keyvalues.values.put(lineage[0], {}, without=[key])


def _set_spans(all_: Repositories, *, uuid: str, name: str, spans: Sequence[Sequence[int]]) -> None:
    region, lineage = all_.at(uuid, name, Region)
    region.replace(lineage, [(z, y, first, last) for z, y, first, last in spans])


OPERATIONS: Mapping[str, Callable[..., None]] = {
    "create_repository": _create_repository,
    "create_instance": _create_instance,
    "adopt": _adopt,
    "describe": _describe,
    "append_repository_log": _append_repository_log,
    "set_note": _set_note,
    "append_log": _append_log,
    "commit": _commit,
    "create_child": _create_child,
    "merge": _merge,
    "set_extents": _set_extents,
    "set_resolution": _set_resolution,
    "set_tags": _set_tags,
    "put_values": _put_values,
    "delete_key": _delete_key,
    "set_spans": _set_spans,
    **label_operations.OPERATIONS,
}
