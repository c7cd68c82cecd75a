"""Voxels seen through a region: ``?roi=name``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mockserver.dvid.model.blocks import See
from mockserver.dvid.model.place import Place
from mockserver.dvid.model.regions import Blocks, Region
from mockserver.dvid.model.volumes import Volume
from mockserver.dvid.wire.geometry import Box
from mockserver.http.messages import Refused, Request


def find(request: Request, place: Place[Volume]) -> Blocks | None:
    """Return the blocks of the region that a request names, in the same version; None if it names none.

    DVID does not compare the block sizes: a block of the region masks the block of the volume at the same place.
    """
    name = request.query.get("roi")
    if not name:
        return None
    region = place.repository.instances.get(name)
    if region is None:
        raise Refused(f'Can\'t get ROI with name "{name}": invalid data instance name')
    if not isinstance(region, Region):
        raise Refused(f'Data name "{name}" was not of roi data type\n')
    return region.blocks(place.repository.lineage(place.version, region))


def array(place: Place[Volume], box: Box, region: Blocks | None) -> NDArray[Any]:
    """Return the voxels of a box."""
    return place.instance.voxels.array(place.lineage, box, _view(place.instance, region))


def read(place: Place[Volume], box: Box, region: Blocks | None) -> Iterator[memoryview]:
    """Yield the bytes of a box in wire order, a few MiB at a time."""
    return place.instance.voxels.read(place.lineage, box, _view(place.instance, region))


def _view(volume: Volume, region: Blocks | None) -> See | None:
    """Return a function that replaces blocks outside the region by background; by zeros if voxels are wide."""
    if region is None:
        return None
    outside = volume.background if volume.voxels.voxel_bytes == 1 else 0
    return lambda cell, block: block if cell in region else np.full_like(block, outside)
