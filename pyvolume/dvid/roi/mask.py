"""The mask of a region as a store, computed from its spans."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyvolume.calls.call import Call
from pyvolume.dvid.documents import DIMS
from pyvolume.dvid.roi import spans
from pyvolume.dvid.roi.spans import Numbers
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.stores.base import StoreTraits

MASK_BYTES = 16 << 20
"""Bytes of the voxels that are computed at once."""


class MaskStore:
    """The mask of a region: 1 in its blocks, 0 elsewhere.

    Parameters
    ----------
    address : str
        Of the region.
    block_shape : tuple of int
        Shape of the blocks of the region (x, y, z).
    read_spans : callable
        Reads the spans, each time the metadata is read.
    """

    def __init__(self, address: str, block_shape: tuple[int, ...], read_spans: Callable[[Call], Numbers]) -> None:
        self.address = address
        self._block_shape = block_shape
        self._read_spans = read_spans
        self._spans: Numbers = np.empty((0, 4), np.int64)
        self.traits = StoreTraits(
            write_grid=(1, *self._block_shape),
            max_read_bytes=MASK_BYTES,
            writable=False,
            growable=(False, True, True, True),
            fill=0,
        )

    def identity(self) -> str:
        """Name the spans that were read last."""
        return hashlib.blake2b(self._spans.tobytes(), digest_size=16).hexdigest()

    def read_metadata(self, call: Call) -> VoxelsMetadata:
        self._spans = self._read_spans(call)
        return VoxelsMetadata(
            bounds=spans.bounding_box(self._spans, self._block_shape),
            dtype=np.dtype("uint8"),
            dims=DIMS,
            resolution=(1.0, 1.0, 1.0),
            units=("", "", ""),
            labels=(("roi-mask",), None, None, None),
        )

    def read_box(self, box: Box, out: NDArray[Any], call: Call) -> None:
        spans.fill_mask(self._spans, box.start[1:], self._block_shape, out[0])

    def write_box(self, box: Box, voxels: NDArray[Any], call: Call) -> None:
        raise NotImplementedError("a mask is not written")

    def close(self) -> None:
        """Nothing is held open."""
