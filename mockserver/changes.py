"""Every change a server can make to its repositories, so that a journal can make them again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from . import gojson
from .geometry import Box
from .images import through_jpeg
from .instances import Config, from_config, of_array, type_of
from .journal import Journal
from .messages import Refused
from .repository import Repositories, Repository, log_lines, new_uuid
from .voxels import Layer, as_bytes

Fill = Callable[[memoryview], None]


@dataclass(frozen=True)
class Where:
    """Where voxels go: a version, an instance, a box; and whether the extents grow with them."""

    uuid: str
    name: str
    start: Sequence[int]
    shape: Sequence[int]
    grow: bool = True

    @property
    def box(self) -> Box:
        """The region they fill."""
        return Box(tuple(self.start), tuple(self.shape))


class Changes:
    """Carries out changes one at a time and writes them to the journal first, if there is one.

    Parameters
    ----------
    journal : Journal, optional
        Its changes are made again at once.
    """

    def __init__(self, journal: Journal | None = None) -> None:
        self.repositories = Repositories()
        self._journal = journal
        self._lock = threading.RLock()
        for operation, arguments in journal.changes() if journal else ():
            self._replay(operation, arguments)

    def make(self, operation: str, **arguments: Any) -> None:
        """Carry out an operation of the table; the arguments are plain JSON values.

        Raises
        ------
        Refused
            If the operation is not possible; what it did until then stays, also after a restart.
        """
        with self._lock:
            if self._journal:
                self._journal.append(operation, arguments)
            OPERATIONS[operation](self.repositories, **arguments)

    def write(self, where: Where, fill: Fill) -> None:
        """Store voxels, which `fill` delivers in wire order; all of them or none."""
        if self._journal is None:
            self._publish(where, self._stage(where, fill))
            return
        with self._journal.new_body() as (body, file):
            staged = self._stage(where, _copying(fill, file))
        with self._lock:
            self._journal.append("write", {**asdict(where), "body": body})
            self._publish(where, staged)

    def adopt(self, uuid: str, name: str, array: NDArray[Any]) -> None:
        """Make an instance of a channel-first array, with extents of exactly its shape."""
        self.make("adopt", uuid=uuid, name=name, dtype=array.dtype.newbyteorder("<").str,
                  shape=array.shape, data_uuid=new_uuid())  # fmt: skip
        instance = self.repositories.of(uuid)[0].instances[name]
        box = Box((0,) * instance.ndim, array.shape[1:])
        slabs = iter(box.slabs(instance.voxels.voxel_bytes, instance.voxels.grid))

        def fill(view: memoryview) -> None:
            slab = next(slabs)
            part = tuple(slice(a, a + n) for a, n in zip(slab.start, slab.shape, strict=True))
            values = np.asfortranarray(array[(slice(None), *part)], instance.voxels.dtype)
            view[:] = as_bytes(values)

        if array.size:
            self.write(Where(uuid, name, box.start, box.shape), fill)

    def close(self) -> None:
        """Close the journal."""
        if self._journal:
            self._journal.close()

    def _stage(self, where: Where, fill: Fill) -> Layer:
        instance = self.repositories.of(where.uuid)[0].instances[where.name]
        staged = instance.voxels.stage(where.box, fill) if min(where.shape) > 0 else {}
        if (width := instance.jpeg_width) is not None:
            return {cell: through_jpeg(block, width) for cell, block in staged.items()}
        return staged

    def _publish(self, where: Where, staged: Layer) -> None:
        repository, version = self.repositories.of(where.uuid)
        instance = repository.instances[where.name]
        lineage = repository.lineage(version, instance)
        instance.voxels.store(lineage, where.box, staged)
        if where.grow:
            instance.grow(lineage, where.box)

    def _replay(self, operation: str, arguments: dict[str, Any]) -> None:
        if operation == "write":
            assert self._journal is not None
            with self._journal.read_body(arguments.pop("body")) as file:
                where = Where(**arguments)
                self._publish(where, self._stage(where, _filling(file)))
            return
        with suppress(Refused):  # then it was refused the first time, too
            OPERATIONS[operation](self.repositories, **arguments)


def _copying(fill: Fill, file: BinaryIO) -> Fill:
    def fill_and_copy(view: memoryview) -> None:
        fill(view)
        file.write(view)

    return fill_and_copy


def _filling(file: BinaryIO) -> Fill:
    def fill(view: memoryview) -> None:
        file.readinto(view)  # type: ignore[attr-defined]

    return fill


# The operations are methods of Repositories in all but name; their arguments are plain JSON values.


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
    repository.instances[name] = from_config(config, uuid, data_uuid)
    line = f'New data instance "{name}" of type "{config["typename"]}" with config {{{gojson.show(config)}}}'
    repository.log += log_lines([line], now)
    repository.updated = now


def _adopt(all_: Repositories, *, uuid: str, name: str, dtype: str, shape: Sequence[int], data_uuid: str) -> None:
    repository, _ = all_.of(uuid)
    channels, *axes = shape
    repository.instances[name] = of_array(name, type_of(np.dtype(dtype), channels), len(axes), uuid, data_uuid)


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
    repository, version = all_.of(uuid)
    instance = repository.instances[name]
    instance.extents[repository.lineage(version, instance)[0]] = (tuple(low), tuple(high))


def _set_resolution(all_: Repositories, *, uuid: str, name: str, size: list[float]) -> None:
    repository, _ = all_.of(uuid)
    repository.instances[name].voxel_size = tuple(size)


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
}
