"""The volume in a file: what its metadata say of the axes, the place and the size of the voxels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyvolume.errors import MetadataError
from pyvolume.files.description import Description
from pyvolume.files.volumes import Known
from pyvolume.local.changes import OURS
from pyvolume.model.arguments import brief

ROMI = "xyz"
"""The axes of the volumes that the pipeline of ROMI makes."""

SHA256 = "sha256"
"""The key of the checksum of the voxels, beside those of a description."""


def known_of(
    metadata: Mapping[str, Any], path: Path, document: Path, *, axes: str | None, array: str | None, address: str
) -> Known:
    """Return what is known of a file with voxels beside what it says itself.

    Parameters
    ----------
    metadata : mapping
        Of the file.
    path, document : Path
        The data, and the metadata, for messages.
    axes, array : str, optional
        What a caller says.
    address : str
        The url of the volume.

    Raises
    ------
    MetadataError
        If the metadata cannot be understood.
    """
    ours = metadata.get(OURS)
    said = Description.of_document(ours, str(document)) if isinstance(ours, Mapping) and "axes" in ours else None
    is_whole = said is not None and bool(said.volume_axes)
    if axes is None and is_whole and path.suffix != ".npy":  # the file itself says what was written
        return Known(None, array, None, address)
    whole = said if is_whole else _of_romi(metadata, document)
    letters = axes or (said.axes if said is not None else ROMI if whole is not None else "")
    fits = whole is not None and set(letters) <= set(whole.volume_axes)
    return Known(letters, array, whole if fits else None, address)


def _of_romi(metadata: Mapping[str, Any], document: Path) -> Description | None:
    """Return what the pipeline of ROMI writes: the place and the size of the voxels, where they are known."""
    if "voxel_size" not in metadata or "origin" not in metadata:
        return None
    sizes, origin = _numbers(metadata["voxel_size"]), _numbers(metadata["origin"])
    sizes *= len(ROMI) if len(sizes) == 1 else 1
    if len(sizes) != len(ROMI) or len(origin) != len(ROMI):
        found = f"{brief(metadata['voxel_size'])} and {brief(metadata['origin'])}"
        raise MetadataError(f"read {document}: expected voxel_size and origin as numbers and found {found}")
    return Description(
        ROMI, f"c{ROMI}", (0,) * 4, (1,) * 4, resolution=sizes, units=("",) * 3, translation=origin
    )  # fmt: skip


def _numbers(value: object) -> tuple[float, ...]:
    """Return a number, or several, as a tuple; empty if it is neither."""
    values = value if isinstance(value, list) else [value]
    is_right = all(isinstance(each, int | float) and math.isfinite(each) for each in values)
    return tuple(map(float, values)) if is_right else ()
