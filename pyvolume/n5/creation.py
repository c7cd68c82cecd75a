"""Creation of datasets."""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pyvolume.errors import AddressError, ExistsError, MetadataError
from pyvolume.files.atomic import SUFFIX, appearing
from pyvolume.model import arguments
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.n5.address import Address
from pyvolume.n5.axes import SPACE, axes_for, described
from pyvolume.n5.client import ATTRIBUTES, Client
from pyvolume.n5.container import container_of
from pyvolume.n5.documents import FORMAT, DatasetInfo, array_info, check_version, is_dataset
from pyvolume.n5.refusals import told

BLOCK_VOXELS = 64**3
"""Voxels of a block, if nothing else is said: a cube along the axes of space."""


def create_dataset(
    address: Address,
    metadata: VoxelsMetadata,
    *,
    chunks: Sequence[int] | None,
    overwrite: bool,
    compression: str | Mapping[str, Any],
) -> None:
    """Make a dataset without blocks, and the groups around it.

    Raises
    ------
    ExistsError
        If something is there; with `overwrite` only if it is no dataset.
    AddressError
        If the url chooses a part, or the path is inside of a dataset.
    MetadataError, UnsupportedError
        If N5 has no such dataset.
    ForbiddenError, OSError
        If it cannot be written.
    """
    path = address.path
    if address.version is not None or address.level or address.chosen:
        raise AddressError(f"create {path}: expected a path without a query")
    if any(metadata.bounds.start):
        raise MetadataError(f"create {path}: a dataset of N5 begins at voxel 0, not at {metadata.bounds.start}")
    axes = axes_for(metadata)
    info = _info(metadata, axes, chunks, compression, path)
    container = container_of(path)
    _check_place(path, container, overwrite=overwrite)
    is_container = container == path
    attributes = {**({"n5": FORMAT[1]} if is_container else {}), **info.to_document(), **described(metadata, axes)}
    with told("create", str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not is_container and not (container / ATTRIBUTES).exists():
            _write(container / ATTRIBUTES, {"n5": FORMAT[1]})
        with _moved_away(path, overwrite=overwrite), appearing(path) as part:
            part.mkdir()
            (part / ATTRIBUTES).write_text(json.dumps(attributes), "utf-8")


def _info(
    metadata: VoxelsMetadata,
    axes: str,
    chunks: Sequence[int] | None,
    compression: str | Mapping[str, Any],
    path: Path,
) -> DatasetInfo:
    """Return the attributes of the array."""
    sizes = dict(zip(metadata.dims, metadata.shape, strict=True))
    if chunks is None:
        space = [axis for axis in axes if axis in SPACE]
        edge = 1 << round(math.log2(BLOCK_VOXELS) / max(1, len(space)))
        blocks = {axis: edge if axis in SPACE else 1 for axis in axes}
    else:
        action = f"create {path}"
        given = [arguments.integer(n, action, "a chunk", 1) for n in arguments.each_of(chunks, action, "chunks")]
        if len(given) != len(metadata.dims):
            raise MetadataError(
                f"{action}: expected chunks along the axes {''.join(metadata.dims)!r} and found {tuple(given)}"
            )
        blocks = dict(zip(metadata.dims, given, strict=True))
    return array_info([sizes[axis] for axis in axes], [blocks[axis] for axis in axes], metadata.dtype, compression)


def _check_place(path: Path, container: Path, *, overwrite: bool) -> None:
    """Refuse a place that is taken, and one inside of a dataset.

    Raises
    ------
    ExistsError, AddressError, UnsupportedError
    """
    action = f"create {path}"
    client = Client(container)
    check_version(client.attributes(""), str(container))
    for parent in path.parents:
        if parent.is_relative_to(container) and is_dataset(Client(parent).attributes("")):
            raise AddressError(f"{action}: {parent} is a dataset, which holds no others")
    if not os.path.lexists(path) or (path.is_dir() and not any(path.iterdir())):
        return
    is_ours = path.is_dir() and is_dataset(Client(path).attributes(""))
    if not is_ours:
        raise ExistsError(f"{action}: something else than a dataset is there", action=action)
    if not overwrite:
        raise ExistsError(f"{action}: a dataset is there; overwrite=True replaces it", action=action)


@contextlib.contextmanager
def _moved_away(path: Path, *, overwrite: bool) -> Iterator[None]:
    """Give another name to what is there, which is removed when the block ends well."""
    if not path.is_dir():
        yield
        return
    if not overwrite:
        path.rmdir()  # it is empty
        yield
        return
    old = path.with_name(f".{path.name[:20]}-{secrets.token_hex(4)}{SUFFIX}")
    path.rename(old)
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            old.rename(path)
        raise
    shutil.rmtree(old)


def _write(path: Path, document: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}-{secrets.token_hex(4)}{SUFFIX}")
    part.write_text(json.dumps(document), "utf-8")
    part.replace(path)
