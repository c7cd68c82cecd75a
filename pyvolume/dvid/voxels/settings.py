"""What a server keeps of volumes and repositories beside voxels, and lets be changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np

from pyvolume.dvid.address import segment
from pyvolume.dvid.client import get_document, post_empty
from pyvolume.dvid.documents import check_coordinates, extents_document
from pyvolume.dvid.schemas import SCHEMAS
from pyvolume.errors import MetadataError, SelectionError, UnsupportedError
from pyvolume.model.box import Box
from pyvolume.transfer.checks import checked_box, joined
from pyvolume.transport.connection import Connection

if TYPE_CHECKING:
    from pyvolume.dvid.voxels.accessor import VoxelsAccessor


def set_resolution(self: VoxelsAccessor, resolution: float | Sequence[float]) -> None:
    """Say how large a voxel is, **in all versions**: the server keeps one resolution for the instance.

    The units stay those that the volume was created with, no call changes them. The server keeps 32-bit floats.

    Parameters
    ----------
    resolution : float or sequence of float
        One number for all axes behind the channel, or one for each.

    Raises
    ------
    MetadataError
        If they are not as many finite numbers above 0 as there are axes: the server would take them, and could not
        tell of the volume any more.
    LockedError
        If the version is committed; an open version will do.
    UnsupportedError
        If the volume was opened for reading only.
    """
    action = f"set the resolution of {self.data_name}"
    _check_writable(self, action)
    count = self.ndim - 1
    given = np.asarray(resolution, np.float64)
    sizes = np.full(count, given) if given.ndim == 0 else given
    with np.errstate(over="ignore", under="ignore"):
        kept = sizes.astype(np.float32)
    if sizes.shape != (count,) or not (np.isfinite(kept) & (kept > 0)).all():
        raise MetadataError(f"{action}: expected {count} finite numbers above 0, not {resolution}")
    post_empty(self.store.connection, action, _path(self, "resolution"), sizes.tolist(), repeatable=True)
    self.refresh()


def set_extents(
    self: VoxelsAccessor,
    start: Box | Sequence[SupportsIndex],
    stop: Sequence[SupportsIndex] | None = None,
    *,
    force: bool = False,
) -> None:
    """Declare the bounds of the volume in this version; voxels are neither made nor deleted.

    Writes outside make them larger again.

    Parameters
    ----------
    start, stop : sequence of int
        First voxel and the one behind the last, channel first, as for `get_ndarray`; with all channels. Or a `Box`.
    force : bool
        Take bounds away too: what is stored outside stays on the server, where only literal coordinates find it.

    Raises
    ------
    SelectionError
        For an empty box, or one that leaves out a part of the present bounds, unless forced.
    LockedError
        If the version is committed.
    UnsupportedError
        If the volume was opened for reading only.
    """
    action = f"set the extents of {self.data_name}"
    _check_writable(self, action)
    box = checked_box(joined(start, stop), self.metadata)
    check_coordinates(action, box)
    if not box.size or (box.start[0], box.stop[0]) != (self.bounds.start[0], self.bounds.stop[0]):
        raise SelectionError(f"{action}: expected voxels with all {self.bounds.shape[0]} channels and found {box}")
    self.refresh()
    if not force and not box.contains(self.bounds):
        raise SelectionError(
            f"{action}: {box} leaves out a part of the present {self.bounds}; force=True takes it away all the same"
        )
    document = extents_document(box)
    SCHEMAS.validate("dvid-extents-1", document, action)
    post_empty(self.store.connection, action, _path(self, "extents"), document, repeatable=True)
    self.refresh()


def read_tags(connection: Connection, uuid: str, name: str) -> dict[str, str]:
    """Return the tags of an instance, see `VoxelsAccessor.tags`."""
    path = f"/api/node/{segment(uuid)}/{segment(name)}/info"
    info = get_document(connection, f"read the tags of {name}", path, "dvid-info-1")
    return dict(info["Base"].get("Tags") or {})


def _check_writable(volume: VoxelsAccessor, action: str) -> None:
    if volume.mode == "r":
        raise UnsupportedError(f"{action}: opened for reading only")


def _path(volume: VoxelsAccessor, endpoint: str) -> str:
    return f"/api/node/{segment(volume.uuid)}/{segment(volume.data_name)}/{endpoint}"
