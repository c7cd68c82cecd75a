"""In which versions a volume changed: a method of `VoxelsAccessor`."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pyvolume import opening
from pyvolume.comparing import Difference, compare
from pyvolume.dvid.address import segment
from pyvolume.dvid.client import get_document
from pyvolume.dvid.documents import voxels_metadata
from pyvolume.dvid.version import Version
from pyvolume.dvid.versions.lookup import read_graph
from pyvolume.model.box import Box

if TYPE_CHECKING:
    from pyvolume.dvid.voxels.accessor import VoxelsAccessor

__all__ = ["Change", "history"]


@dataclass(frozen=True, slots=True)
class Change:
    """A version in which a volume changed; made by `VoxelsAccessor.history`.

    Parameters
    ----------
    version : Version
    before : Box or None
        The bounds of the volume in the parent, the first one where there are several; None in the first version.
    bounds : Box
        Those in the version itself.
    difference : Difference or None
        Between the voxels of the parent and those of the version, if they were compared; between nothing and those
        of the first version.
    """

    version: Version
    before: Box | None
    bounds: Box
    difference: Difference | None


def history(self: VoxelsAccessor, *, exact: bool = False) -> Iterator[Change]:
    """Give the versions in which the volume changed, of this one and those that it stems from, the newest first.

    DVID tells the bounds of a volume in each version, and nothing of its voxels: no call says which version wrote a
    block, and the times in the graph of versions do not count writes. So by default those versions are given whose
    bounds are not those of their parent. **A version that only wrote inside them is missing.** What is more, a version
    in which, and before which, nothing was written shows the bounds of a later one.

    Parameters
    ----------
    exact : bool
        Compare the voxels of each version with those of its parent, see `pyvolume.compare`. That reads the whole
        volume twice for each version; a caller who has seen enough may stop at any time.

    Yields
    ------
    Change
        One for each version whose bounds changed or, where they are compared, whose voxels did. A merge is compared
        with the first of its parents.

    Raises
    ------
    StoreError
        If the server could not answer.
    """
    connection, name = self.store.connection, self.data_name
    graph = read_graph(connection, self.uuid)

    @functools.cache
    def bounds_in(uuid: str) -> Box:
        path = f"/api/node/{segment(uuid)}/{segment(name)}/metadata"
        document = get_document(connection, f"read the history of {name}", path, "dvid-metadata-1")
        return voxels_metadata(document, name).bounds

    for uuid in (self.uuid, *graph.ancestors(self.uuid)):
        node = graph.node(uuid)
        before = bounds_in(node.parents[0]) if node.parents else None
        difference = _difference(self, node.parents[0] if node.parents else None, uuid) if exact else None
        is_new = bool(bounds_in(uuid).size) if before is None else bounds_in(uuid) != before
        if is_new or difference:
            yield Change(Version(connection, graph, node.uuid), before, bounds_in(uuid), difference)


def _difference(volume: VoxelsAccessor, before: str | None, after: str) -> Difference:
    later = volume.at(after)
    if before is not None:
        return compare(volume.at(before), later)
    nothing = np.zeros((later.bounds.shape[0], *(0,) * (later.ndim - 1)), later.dtype)
    return compare(opening.from_array(nothing, growable=True), later)
