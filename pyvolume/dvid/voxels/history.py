"""In which versions a volume changed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from pyvolume import opening
from pyvolume.comparing import Difference, compare
from pyvolume.dvid.client import get_document
from pyvolume.dvid.documents import voxels_metadata
from pyvolume.dvid.instances import Instance
from pyvolume.dvid.version import Version
from pyvolume.dvid.versions.graph import Uuid
from pyvolume.dvid.versions.lookup import read_graph
from pyvolume.model.box import Box
from pyvolume.volume import Volume


@dataclass(frozen=True, slots=True)
class Change:
    """A version in which a volume changed; made by `VoxelsAccessor.history`.

    Parameters
    ----------
    version : Version
        The version.
    before : Box or None
        The bounds of the volume in the first parent; None in the first version.
    bounds : Box
        The bounds in the version itself.
    difference : Difference or None
        The difference between the voxels of the first parent and of the version, if they were compared. In the first
        version it is the difference from an empty volume.
    """

    version: Version
    before: Box | None
    bounds: Box
    difference: Difference | None


def changes_of(instance: Instance, declared: Box | None, open_in: Callable[[Uuid], Volume] | None) -> Iterator[Change]:
    """Find the changes of an instance, see `VoxelsAccessor.history`.

    Parameters
    ----------
    instance : Instance
        The instance, in the version to begin at.
    declared : Box or None
        The bounds that were declared when it was created.
    open_in : callable or None
        Opens the volume in a version, to compare voxels; None to compare bounds only.
    """
    graph = read_graph(instance.connection, instance.uuid)

    @functools.cache
    def bounds_in(uuid: Uuid) -> Box:
        place = Instance(instance.connection, uuid, instance.name)
        document = get_document(
            place.connection, f"read the history of {place.name}", f"{place.path}/metadata", "dvid-metadata-1"
        )
        return voxels_metadata(document, place.name, declared).bounds

    for uuid in (instance.uuid, *graph.ancestors(instance.uuid)):
        parents = graph.node(uuid).parents
        before = bounds_in(parents[0]) if parents else None
        difference = None if open_in is None else _difference(open_in(parents[0]) if parents else None, open_in(uuid))
        is_new = bool(bounds_in(uuid).size) if before is None else bounds_in(uuid) != before
        if is_new or difference:
            yield Change(Version(instance.connection, graph, uuid), before, bounds_in(uuid), difference)


def _difference(before: Volume | None, after: Volume) -> Difference:
    if before is not None:
        return compare(before, after)
    nothing = np.zeros((after.bounds.shape[0], *(0,) * (after.ndim - 1)), after.dtype)
    return compare(opening.from_array(nothing, growable=True), after)
