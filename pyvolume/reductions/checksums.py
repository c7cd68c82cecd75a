"""Checksums of the voxels of a box, in one order whatever the chunks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from pyvolume.calls.progress import Progress, Reporter
from pyvolume.codecs import raw
from pyvolume.model.box import Box
from pyvolume.transfer.engine import Operation, Transfer

SLAB_BYTES = 64 << 20
"""What is in memory at once; more only if one layer of chunks is larger, up to `MOST_BYTES`."""

MOST_BYTES = 1 << 30


def checksum(transfer: Transfer, box: Box, progress: Progress) -> str:
    """Return the SHA-256 of the voxels of a box, see `Volume.checksum`."""
    found = hashlib.sha256()
    itemsize = transfer.metadata.dtype.itemsize
    with Reporter(progress, "checksum", box.size * itemsize) as reporter:
        for slab in _slabs(box, transfer.reads.traits.chunks[-1], itemsize):
            call = transfer.begin()
            voxels = transfer.read_box(slab, None, Operation(call, progress=False))
            for part in raw.encode(voxels, voxels.dtype.newbyteorder("<")):
                found.update(part)
            reporter.moved(voxels.nbytes, call.counted.retries, call.counted.at_once)
    return found.hexdigest()


def _slabs(box: Box, chunk: int, itemsize: int) -> Iterator[Box]:
    """Cut a box along its last axis, between chunks where memory allows it."""
    plane = int(np.prod(box.shape[:-1])) * itemsize
    layers = max(1, SLAB_BYTES // max(plane * chunk, 1))
    thickness = layers * chunk if plane * chunk <= MOST_BYTES else max(1, MOST_BYTES // max(plane, 1))
    return box.split(len(box.shape) - 1, thickness) if box.size else iter(())
