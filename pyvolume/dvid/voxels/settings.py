"""Settings of a volume that the server lets be changed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyvolume.dvid.client import post_empty
from pyvolume.dvid.documents import check_coordinates, extents_document
from pyvolume.dvid.instances import Instance
from pyvolume.dvid.schemas import SCHEMAS
from pyvolume.errors import MetadataError, SelectionError
from pyvolume.model.box import Box


def set_resolution(instance: Instance, resolution: float | Sequence[float], count: int) -> None:
    """Set the resolution of `count` axes, see `VoxelsAccessor.set_resolution`."""
    action = f"set the resolution of {instance.name}"
    given = np.asarray(resolution, np.float64)
    sizes = np.full(count, given) if given.ndim == 0 else given
    with np.errstate(over="ignore", under="ignore"):
        kept = sizes.astype(np.float32)
    if sizes.shape != (count,) or not (np.isfinite(kept) & (kept > 0)).all():
        raise MetadataError(f"{action}: expected {count} finite numbers above 0, not {resolution}")
    post_empty(instance.connection, action, f"{instance.path}/resolution", sizes.tolist(), repeatable=True)


def set_extents(instance: Instance, box: Box) -> None:
    """Declare the extents of an instance, which is not checked against the present ones."""
    action = f"set the extents of {instance.name}"
    document = extents_document(box)
    SCHEMAS.validate("dvid-extents-1", document, action)
    post_empty(instance.connection, action, f"{instance.path}/extents", document, repeatable=True)


def check_extents(instance: Instance, box: Box, bounds: Box) -> None:
    """Refuse extents that are empty, leave out channels, or are beyond DVID's coordinates.

    Raises
    ------
    SelectionError
    """
    action = f"set the extents of {instance.name}"
    check_coordinates(action, box)
    if not box.size or (box.start[0], box.stop[0]) != (bounds.start[0], bounds.stop[0]):
        raise SelectionError(f"{action}: expected voxels with all {bounds.shape[0]} channels and found {box}")
