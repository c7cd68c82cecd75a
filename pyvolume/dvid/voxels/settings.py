"""Settings of a volume that the server lets be changed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyvolume.dvid.client import post_empty
from pyvolume.dvid.extents import check_bounds, extents_document
from pyvolume.dvid.instances import Instance
from pyvolume.dvid.refusals import refusal
from pyvolume.dvid.schemas import SCHEMAS
from pyvolume.errors import MetadataError, SelectionError
from pyvolume.model.box import Box
from pyvolume.transport.answer import Answer
from pyvolume.transport.request import Request, Upload


def set_resolution(instance: Instance, resolution: float | Sequence[float], count: int) -> None:
    """Set the resolution of `count` axes, see `VoxelsAccessor.set_resolution`."""
    action = f"set the resolution of {instance.name}"
    try:
        given = np.asarray(resolution, np.float64)
    except (TypeError, ValueError):
        raise MetadataError(f"{action}: expected {count} finite numbers above 0, not {resolution!r}") from None
    sizes = np.full(count, given) if given.ndim == 0 else given
    with np.errstate(over="ignore", under="ignore"):
        kept = sizes.astype(np.float32)
    if sizes.shape != (count,) or not (np.isfinite(kept) & (kept > 0)).all():
        raise MetadataError(f"{action}: expected {count} finite numbers above 0, not {resolution}")
    post_empty(instance.connection, action, f"{instance.path}/resolution", sizes.tolist(), repeatable=True)


def extend(instance: Instance, box: Box, blocks: Sequence[int]) -> None:
    """Extend the extents of an instance to the blocks around a box, with writes of no voxels at its two corners.

    The server joins its extents with the box of each write. Extents that are posted replace what another writer has
    extended meanwhile.
    """
    action = f"set the extents of {instance.name}"
    whole = box.aligned_to((1, *blocks))
    dims = "_".join(map(str, range(len(blocks))))
    for corner in (whole.start, whole.stop):
        place = "_".join(map(str, corner[1:]))
        path = f"{instance.path}/raw/{dims}/{'_'.join('0' for _ in blocks)}/{place}"
        request = Request(action, "POST", path, upload=Upload.of(b""), refusal=refusal)
        instance.connection.exchange(request, Answer.read_nothing, instance.connection.new_call())


def replace_extents(instance: Instance, box: Box) -> None:
    """Replace the extents of an instance, whatever they are."""
    action = f"set the extents of {instance.name}"
    document = extents_document(box)
    SCHEMAS.validate("dvid-extents-1", document, action)
    post_empty(instance.connection, action, f"{instance.path}/extents", document, repeatable=True)


def check_extents(instance: Instance, box: Box, bounds: Box, declared: Box | None, blocks: Sequence[int]) -> None:
    """Refuse extents that are empty, leave out channels or declared voxels, or are beyond DVID's coordinates.

    Raises
    ------
    SelectionError
    """
    action = f"set the extents of {instance.name}"
    if not box.size or (box.start[0], box.stop[0]) != (bounds.start[0], bounds.stop[0]):
        raise SelectionError(f"{action}: expected voxels with all {bounds.shape[0]} channels and found {box}")
    check_bounds(action, box, blocks)
    if declared is not None and not box.contains(declared):
        raise SelectionError(f"{action}: the volume was created with {declared}, which stays; {box} leaves out a part")
