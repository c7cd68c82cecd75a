"""Voxels that come from elsewhere: staged beside their place, then committed with what is known of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyvolume.calls.progress import Progress
from pyvolume.copying.run import copy
from pyvolume.errors import PyVolumeError, UnsupportedError
from pyvolume.files import formats, zeros
from pyvolume.files.description import Description
from pyvolume.local.refusals import told
from pyvolume.local.voxels import ROMI, SHA256
from pyvolume.local.writing import temporary
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.model.nearest import hint
from pyvolume.stores.arrays import ArrayStore
from pyvolume.stores.catalogue import Versioned
from pyvolume.volume import Volume


@contextlib.contextmanager
def staging(folder: Path, suffix: str, action: str) -> Iterator[Path]:
    """Give a temporary name in a folder; after an error nothing has it."""
    part, is_new = temporary(folder, suffix), not folder.exists()
    try:
        with told(action, part):
            with contextlib.suppress(FileExistsError):  # another thread can remove it again: a write says so
                folder.mkdir()
            yield part
    except BaseException as error:
        part.unlink(missing_ok=True)
        if is_new:
            with contextlib.suppress(OSError):  # another thread can have used it
                folder.rmdir()
        if isinstance(error, PyVolumeError):  # nobody knows the temporary name
            error.args = (str(error).replace(f"write {part.name}", action), *error.args[1:])
        raise


def voxels_suffix(given: str, action: str, options: Mapping[str, Any]) -> str:
    """Return the suffix of a format for voxels.

    Raises
    ------
    UnsupportedError
        If there is no such format, or it is a folder.
    TypeError
        For an option that it does not have.
    """
    suffix = f".{given.removeprefix('.')}"
    if suffix not in formats.FORMATS or suffix == ".zarr":
        known = [each.removeprefix(".") for each in formats.FORMATS if each != ".zarr"]
        raise UnsupportedError(f"{action}: there is no format {given!r} for voxels; {hint(given, known)}")
    formats.check_options(Path(f"voxels{suffix}"), options)
    return suffix


def axes_in_file(metadata: VoxelsMetadata) -> str:
    """Return the axes of an array in a file: x, y and z, and others with more than one index."""
    sides = zip(metadata.dims, metadata.bounds.shape, strict=True)
    return "".join(dim for dim, length in sides if dim in ROMI or length != 1)


def fetch(
    volume: Volume, box: Box, metadata: VoxelsMetadata, path: Path, *, progress: Progress, verify: bool, **options: Any
) -> dict[str, Any]:
    """Copy a box of a volume into a new file, and return what is known of the voxels, by their keys.

    Parameters
    ----------
    volume : Volume
        Where they come from.
    box : Box
        Which ones.
    metadata : VoxelsMetadata
        Of the volume, with the box as its bounds.
    path : Path
        The file.
    progress, verify : optional
        As for `pyvolume.copy`.
    **options
        Of the format.
    """
    axes = axes_in_file(metadata)
    version = volume.version_name if isinstance(volume, Versioned) else ""
    description = Description(
        axes,
        "".join(metadata.dims),
        box.start,
        (1,) * len(metadata.dims),
        metadata.resolution,
        metadata.units,
        version,
        volume.store.address,
        metadata.translation,
    )
    lengths = dict(zip(metadata.dims, box.shape, strict=True))
    shape = [lengths[axis] for axis in axes]
    with formats.made(path, shape, metadata.dtype, description, **options) as target:
        part = Volume(ArrayStore(target, metadata, axes=axes, writable=True), metadata)
        copy(volume, part, box, progress=progress, verify=verify)
        digest = part.checksum(box=box)
    return described(description, metadata) | {SHA256: digest}


def described(description: Description, metadata: VoxelsMetadata) -> dict[str, Any]:
    """Return what pyvolume keeps in the metadata of a file."""
    return description.to_document() | {
        "box": [list(metadata.bounds.start), list(metadata.bounds.stop)],
        "dtype": metadata.dtype.name,
        "time": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }


def for_romi(metadata: VoxelsMetadata) -> Mapping[str, Any]:
    """Return the keys that the pipeline of ROMI reads; none if the voxels are no cubes."""
    where = {dim: at for at, dim in enumerate(metadata.dims[1:])}
    if not set(ROMI) <= set(where) or len({metadata.resolution[where[dim]] for dim in ROMI}) != 1:
        return {}
    size = metadata.resolution[where["x"]]
    first = {dim: metadata.place[at] + metadata.bounds.start[at + 1] * size for dim, at in where.items()}
    return {"voxel_size": size, "origin": [first[dim] for dim in ROMI]}


def blank(
    metadata: VoxelsMetadata, path: Path, *, name: str, chunks: Sequence[int] | None, compression: str | int | None
) -> dict[str, Any]:
    """Make a file whose voxels are 0, and return what is known of them; messages say the name that it gets.

    Raises
    ------
    UnsupportedError
        If the format cannot be changed in place, or has no such options.
    """
    axes = axes_in_file(metadata)
    if chunks is not None and len(chunks) != len(metadata.dims):
        raise UnsupportedError(
            f"create {path.with_name(name)}: expected chunks along the axes {''.join(metadata.dims)!r}"
        )
    description = Description.of_metadata(metadata, axes)
    sides = dict(zip(metadata.dims, chunks, strict=True)) if chunks is not None else {}
    options: dict[str, Any] = {"chunks": [sides[axis] for axis in axes]} if sides else {}
    options |= {} if compression is None else {"compression": compression}
    zeros.check(path.with_name(name), options)
    lengths = dict(zip(metadata.dims, metadata.bounds.shape, strict=True))
    with formats.made(path, [lengths[axis] for axis in axes], metadata.dtype, description, **options) as target:
        zeros.fill(target, is_compressed=compression is not None)
    return described(description, metadata)
