"""Versions of a dataset: making and deleting them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from pyvolume.calls.lost import once
from pyvolume.errors import MetadataError, NotFoundError
from pyvolume.hpc.client import dataset_path, delete, read_info
from pyvolume.hpc.documents import DatasetInfo
from pyvolume.hpc.prefix import new_version
from pyvolume.model import arguments
from pyvolume.transport.connection import Connection


def make_version(connection: Connection, info: DatasetInfo, level: int) -> tuple[DatasetInfo, int]:
    """Make a version without blocks; return what the dataset is then, and the number.

    The request is never repeated. If its answer is lost, the versions are looked up: one that was not there before is
    taken for the new one.
    """

    def look() -> int | None:
        after = read_info(connection, info.uuid).versions
        made = sorted(set(after) - set(info.versions))
        return made[0] if len(made) == 1 else None

    number = once(
        lambda: new_version(connection, info.uuid, str(info.levels[level]), connection.new_call()),
        look,
        f"dataset {info.uuid} may have a new version: compare its versions with {list(info.versions)}",
    )
    return dataclasses.replace(info, versions=tuple(sorted({*info.versions, number}))), number


def delete_versions(connection: Connection, info: DatasetInfo, numbers: Sequence[int], *, force: bool) -> None:
    """Delete versions with their voxels.

    The server deletes one after the other, and makes a dataset without version 0 unusable.
    """
    action = f"delete versions of {info.uuid}"
    wanted = [arguments.integer(each, action, "a version", 0) for each in arguments.each_of(numbers, action, "numbers")]
    absent = [each for each in wanted if each not in info.versions]
    if absent:
        raise NotFoundError(
            f"{action}: no version {absent[0]}; there are {', '.join(map(str, info.versions))}", action=action
        )
    if 0 in wanted and not force:
        raise MetadataError(f"{action}: without version 0 the server cannot open the dataset; force=True does it")
    if set(wanted) == set(info.versions):
        raise MetadataError(f"{action}: a dataset keeps its last version; delete the dataset")
    if wanted:
        delete(connection, action, "/".join([dataset_path(info.uuid), *map(str, dict.fromkeys(wanted))]))
