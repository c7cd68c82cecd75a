"""Compressed voxels of labels: raw LZ4 blocks, gzip, and the formats of Neuroglancer."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

import lz4.block
import numpy as np
from numpy.typing import NDArray

from mockserver.dvid.wire.geometry import Box
from mockserver.dvid.wire.gojson import quoted
from mockserver.dvid.wire.labels import google
from mockserver.dvid.wire.octets import as_bytes
from mockserver.http.messages import Answer, Declined, Refused, Request, octets

KEPT_BYTES = 256 << 20
"""Most bytes of voxels that this server compresses at a time."""

Labels = NDArray[np.uint64]


def gzipped(data: bytes | memoryview) -> bytes:
    """Return a gzip stream."""
    packer = zlib.compressobj(wbits=31)
    return packer.compress(data) + packer.flush()


def lz4_block(data: bytes | memoryview) -> bytes:
    """Return an LZ4 block without a size before it."""
    packed: bytes = lz4.block.compress(bytes(data), store_size=False)
    return packed


_PACKERS: Mapping[str, Callable[[Labels], bytes]] = {
    "lz4": lambda voxels: lz4_block(as_bytes(voxels)),
    "gzip": lambda voxels: gzipped(as_bytes(voxels)),
    "google": google.encode,
    "googlegzip": lambda voxels: gzipped(google.encode(voxels)),
}


def compressed(compression: str, voxels: Callable[[], Labels], nbytes: int) -> Answer:
    """Answer with compressed voxels.

    Parameters
    ----------
    compression : str
        What the client asks for; not empty.
    voxels : callable
        Returns an array of uint64, Fortran order.
    nbytes : int
        Bytes of the array; it is not made if they are too many.
    """
    if compression not in _PACKERS:
        raise Refused(f"unknown compression type {quoted(compression)}")
    if nbytes > KEPT_BYTES:
        raise Declined(501, f"this mock server compresses at most {KEPT_BYTES} bytes of voxels")
    data = _PACKERS[compression](voxels())
    answer = octets((data,), len(data))
    if compression != "googlegzip":
        return answer
    return Answer(
        content_type=answer.content_type,
        parts=answer.parts,
        length=answer.length,
        headers=(("Content-Encoding", "gzip"),),
    )


def received(request: Request, box: Box) -> bytes:
    """Return the voxels of the body of a request, not compressed any more.

    Raises
    ------
    Refused
        With DVID's text for a body that it cannot decompress.
    """
    compression = request.query.get("compression", "")
    match compression:
        case "":
            return request.body.read()
        case "lz4":
            return _from_lz4(request.body.read(), 8 * box.size)
        case "gzip":
            return gunzipped(request.body.read())
    raise Refused(f"unknown compression type {quoted(compression)}")


def _from_lz4(data: bytes, size: int) -> bytes:
    if not data:
        raise Refused("received 0 LZ4 compressed bytes")
    if not 0 <= size <= KEPT_BYTES:
        raise Declined(413, f"this mock server keeps at most {KEPT_BYTES} bytes of voxels")
    try:
        found: bytes = lz4.block.decompress(data, uncompressed_size=size)
    except lz4.block.LZ4BlockError:
        raise Refused("Malformed compression stream") from None
    return found.ljust(size, b"\0")  # DVID accepts too few bytes


def gunzipped(data: bytes) -> bytes:
    """Return what a gzip stream holds; further streams may follow it, as Go allows.

    Raises
    ------
    Refused
        With Go's text for a damaged stream.
    """
    if len(data) < 10:
        raise Refused("unexpected EOF" if data else "EOF")
    found = bytearray()
    while data:
        unpacker = zlib.decompressobj(wbits=31)
        try:
            found += unpacker.decompress(data, KEPT_BYTES + 1 - len(found))
        except zlib.error as error:
            raise Refused(_complaint(str(error))) from None
        if len(found) > KEPT_BYTES:
            raise Declined(413, f"this mock server keeps at most {KEPT_BYTES} bytes of voxels")
        if not unpacker.eof:
            raise Refused("unexpected EOF")
        data = unpacker.unused_data
    return bytes(found)


def _complaint(problem: str) -> str:
    if "header" in problem:
        return "gzip: invalid header"
    if "data check" in problem or "length check" in problem:
        return "gzip: invalid checksum"
    return "flate: corrupt input before offset"
