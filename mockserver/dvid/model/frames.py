"""Blocks in their stored form, one frame each."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import lz4.block
import numpy as np
from numpy.typing import NDArray

from mockserver.dvid.model.place import Place
from mockserver.dvid.model.volumes import Volume
from mockserver.dvid.wire.geometry import Point
from mockserver.dvid.wire.images import jpeg_of
from mockserver.dvid.wire.octets import as_bytes
from mockserver.http.messages import Bytes, Refused

KNOWN = frozenset({"", "uncompressed", "jpeg"})


def check_compression(compression: str) -> None:
    """Refuse a compression that the block endpoints do not know."""
    if compression not in KNOWN:
        raise Refused(f"don't understand 'compression' query string value: {compression}")


def stored_blocks(place: Place[Volume], cells: Iterable[Point]) -> Iterator[tuple[Point, NDArray[Any]]]:
    """Yield the stored blocks among these cells."""
    lineage = place.lineage
    for cell in cells:
        block = place.instance.voxels.block(lineage, cell)
        if block is not None:
            yield cell, block


def frames(place: Place[Volume], cells: Iterable[Point], compression: str) -> Iterator[Bytes]:
    """Yield a header and the bytes of every stored block: int32 x, y, z, length."""
    for cell, block in stored_blocks(place, cells):
        data = as_bytes(block) if compression == "uncompressed" else stored_form(block, place.instance)
        yield struct.pack("<4i", *cell, len(data))
        yield data


def stored_form(block: NDArray[Any], volume: Volume) -> Bytes:
    """Return a block as the instance stores it; before LZ4 data there is the uncompressed size."""
    data = as_bytes(np.asfortranarray(block))
    if (width := volume.jpeg_width) is not None:
        return jpeg_of(block, width)
    if volume.base.compression.startswith("LZ4"):
        compressed: bytes = lz4.block.compress(bytes(data), store_size=True)
        return compressed
    if volume.base.compression.startswith("gzip"):
        packer = zlib.compressobj(wbits=31)
        return packer.compress(data) + packer.flush()
    return data
