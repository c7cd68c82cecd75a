"""Versions of a dataset: making and deleting them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from pyvolume.calls.call import Call
from pyvolume.calls.lost import once
from pyvolume.errors import AnswerError, MetadataError, NotFoundError, StoreError
from pyvolume.hpc.client import dataset_path, delete, get_document, read_info
from pyvolume.hpc.documents import DatasetInfo
from pyvolume.hpc.prefix import Opened, note_deletion, open_path, opened_by
from pyvolume.model import arguments
from pyvolume.transport.connection import Connection


def make_version(connection: Connection, info: DatasetInfo, level: int) -> tuple[DatasetInfo, int]:
    """Make a version without blocks; return what the dataset is then, and the number.

    The request is never repeated. If its answer is lost, or does not say the number, the versions are looked up: one
    that was not there before is taken for the new one.
    """
    action, call = f"make a version of {info.uuid}", connection.new_call()

    def make() -> int:
        path = open_path(info.uuid, str(info.levels[level]), "new", "write")
        opened = opened_by(connection, action, path, call, repeatable=False)
        try:
            number = _number(opened, action, call)
        except (StoreError, MetadataError) as error:
            raise AnswerError(f"{action}: the server did not say the number: {error}") from error
        if number in info.versions:
            raise AnswerError(f"{action}: expected a new number and found {number}, which was there before")
        return number

    def look() -> int | None:
        after = read_info(connection, info.uuid).versions
        made = sorted(set(after) - set(info.versions))
        return made[0] if len(made) == 1 else None

    doubt = f"dataset {info.uuid} may have a new version: compare its versions with {list(info.versions)}"
    number = once(make, look, doubt)
    return dataclasses.replace(info, versions=tuple(sorted({*info.versions, number}))), number


def _number(opened: Opened, action: str, call: Call) -> int:
    """Ask a prefix for the number of its version, and leave it."""
    try:
        status = get_document(opened.connection, action, f"{opened.path}/", "hpc-status-1", call=call)
    finally:
        opened.close()
    number: int = status["version"]
    return number


def delete_versions(connection: Connection, info: DatasetInfo, numbers: Sequence[int], *, force: bool) -> None:
    """Delete versions with their voxels.

    The server deletes one after the other, and makes a dataset without version 0 unusable.
    """
    action = f"delete versions of {info.uuid}"
    if any(isinstance(each, bool) for each in numbers):  # as in delete_versions(2, True)
        raise TypeError(
            f"{action}: expected numbers of versions and found {arguments.brief(tuple(numbers))}; force=True"
        )
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
        try:
            delete(connection, action, "/".join([dataset_path(info.uuid), *map(str, dict.fromkeys(wanted))]))
        finally:
            note_deletion(connection, info.uuid)
