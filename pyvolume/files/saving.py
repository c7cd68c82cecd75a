"""Saving: voxels of a volume in a new file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pyvolume.calls.progress import Progress
from pyvolume.errors import SelectionError, UnsupportedError
from pyvolume.files import formats
from pyvolume.files.chunking import ChunksLike
from pyvolume.files.description import Described, describe
from pyvolume.indexing.keys import channel_hint
from pyvolume.indexing.selection import Selection
from pyvolume.model import arguments
from pyvolume.transfer.engine import Transfer

__all__ = ["ChunksLike", "Mode", "check_suffix", "save"]

Mode: TypeAlias = 'Literal["w-", "w"]'
"""Whether a file is made where none is, or replaces one that is there; the words of h5py and zarr."""


def save(
    volume: Described,
    transfer: Transfer,
    selection: Selection,
    path: Path,
    *,
    mode: Mode,
    progress: Progress,
    options: dict[str, Any],
) -> None:
    """Read the selected voxels into a new file, see `Volume.save`."""
    arguments.one_of(mode, ("w-", "w"), f"save {path}", "mode")
    description = describe(volume, selection)
    if not selection.size:
        raise SelectionError(
            f"save {path}: expected voxels for a file, and the key or box selects none of {transfer.metadata.bounds}"
            + channel_hint(volume.dims)
        )
    dtype = transfer.metadata.dtype
    with formats.create(path, selection.shape, dtype, description, force=mode == "w", **options) as target:
        transfer.read_into(selection, target, transfer.operation(progress))


def check_suffix(path: str | os.PathLike[str], suffixes: tuple[str, ...]) -> None:
    """Refuse a path of another format.

    Raises
    ------
    UnsupportedError
    """
    if not os.fspath(path).lower().endswith(suffixes):
        raise UnsupportedError(f"save {os.fspath(path)}: expected a path that ends with {' or '.join(suffixes)}")
