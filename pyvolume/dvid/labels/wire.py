"""Voxels of labels on the wire: compressions of a box."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyvolume.codecs import raw
from pyvolume.errors import AnswerError
from pyvolume.model.extras import require
from pyvolume.model.tiles import copy_tiled
from pyvolume.transport.answer import Answer
from pyvolume.transport.request import Upload

GOOGLE_BLOCK = (8, 8, 8)
"""The compression ``google`` packs boxes of this shape; the server sends whole ones only."""

GZIP = 16 + zlib.MAX_WBITS

FASTEST = 1
"""The level of gzip: labels get hardly smaller with others, and take several times as long."""

PIECE = 1 << 16
"""Bytes that are decompressed at once."""


def receive(answer: Answer, out: NDArray[Any], compression: str, action: str) -> None:
    """Receive the voxels of `out`, and nothing else.

    Parameters
    ----------
    answer : Answer
        Its body is the voxels in Fortran order, compressed as it was asked for.
    out : ndarray
        The dtype is uint64, little-endian; any strides.
    compression : str
        One of those that ``raw`` has.
    action : str
        For messages.

    Raises
    ------
    AnswerError
        If the body is broken, or becomes more or fewer voxels.
    """
    answer.expect(out.nbytes if compression == "none" else None, "application/octet-stream")
    _RECEIVE[compression](answer, out, action)


def upload_of(voxels: NDArray[Any], dtype: np.dtype[Any], compression: str) -> Upload:
    """Return the body that holds voxels in Fortran order; a compressed one is made now, and kept."""
    if compression == "none":
        return Upload(voxels.size * dtype.itemsize, lambda: raw.encode(voxels, dtype))
    flat = np.empty(voxels.shape, dtype, order="F")
    copy_tiled(flat, voxels)
    return Upload.of(_COMPRESS[compression](raw.flat_bytes(flat)))


def inflated(data: bytes, most: int) -> bytes:
    """Return the bytes of a gzip stream that becomes at most so many.

    Raises
    ------
    ValueError
        If it is broken, cut short, or becomes more.
    """
    stream = zlib.decompressobj(GZIP)
    try:
        found = stream.decompress(data, most + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if len(found) > most or not stream.eof or stream.unused_data:
        raise ValueError(f"expected one whole stream of at most {most} bytes and found another one")
    return found


def deflated(data: memoryview | bytes) -> bytes:
    """Return a gzip stream."""
    stream = zlib.compressobj(FASTEST, zlib.DEFLATED, GZIP)
    return stream.compress(data) + stream.flush()


def _receive_plain(answer: Answer, out: NDArray[Any], _action: str) -> None:
    raw.decode_into(answer, out)
    answer.finish()


def _receive_lz4(answer: Answer, out: NDArray[Any], action: str) -> None:
    import lz4.block

    most = out.nbytes + out.nbytes // 255 + 16  # what does not get smaller
    data = answer.read(most + 1)
    try:
        if len(data) > most:
            raise ValueError(f"more than {most} bytes")
        voxels = lz4.block.decompress(data, uncompressed_size=out.nbytes)
        if len(voxels) != out.nbytes:
            raise ValueError(f"it becomes {len(voxels)} bytes")
    except (lz4.block.LZ4BlockError, ValueError) as error:
        raise broken(action, f"a block of lz4 that becomes {out.nbytes} bytes", data, error) from None
    _put(voxels, out)


def _receive_gzip(answer: Answer, out: NDArray[Any], action: str) -> None:
    stream = _Inflating(answer, action)
    raw.decode_into(stream, out)
    stream.finish()


class _Inflating:
    """The body of an answer, decompressed while it arrives."""

    def __init__(self, answer: Answer, action: str) -> None:
        self._pieces = answer.pieces()
        self._action = action
        self._stream = zlib.decompressobj(GZIP)
        self._coded = b""

    def read_into(self, view: memoryview) -> None:
        """Fill a flat view of bytes."""
        got = 0
        while got < len(view):
            part = self._decode(min(len(view) - got, PIECE))
            if not part and self._stream.eof:
                raise self._broken("it ends early")
            view[got : got + len(part)] = part
            got += len(part)

    def finish(self) -> None:
        """Check that nothing follows."""
        while not self._stream.eof:
            if self._decode(1):
                raise self._broken("it becomes more")
        if self._stream.unused_data or next(self._pieces, b""):
            raise self._broken("something follows it")

    def _decode(self, limit: int) -> bytes:
        self._coded = self._coded or next(self._pieces, b"")
        if not self._coded and not self._stream.eof:
            raise self._broken("it is cut short")
        try:
            part = self._stream.decompress(self._coded, limit)
        except zlib.error as error:
            raise self._broken(str(error)) from None
        self._coded = self._stream.unconsumed_tail
        return part

    def _broken(self, why: str) -> AnswerError:
        return broken(self._action, "a stream of gzip of the voxels that were asked for", self._coded, why)


def _receive_google(answer: Answer, out: NDArray[Any], action: str) -> None:
    library = require("compressed_segmentation", extra="labels", action="the compression google")
    shape = out.shape[1:]
    most = 4 + (out.size // 512) * (8 + 512 * (8 + 4))
    data = answer.read(most + 1)
    try:
        _check_google(data, shape, most)
        # the numbers of voxels in a table can point behind it, and the library does not look
        padded = data + bytes(MOST_TABLE * 8)
        voxels = library.decompress(padded, shape, np.uint64, block_size=GOOGLE_BLOCK, order="F")
    except (ValueError, RuntimeError, library.DecodeError) as error:
        raise broken(action, f"compressed_segmentation of {shape} voxels", data, error) from None
    copy_tiled(out[0], voxels)


MOST_TABLE = 1 << 16
"""Labels that a number of up to 16 bits can choose from; a block of 512 voxels needs no longer numbers."""


def _check_google(data: bytes, shape: tuple[int, ...], most: int) -> None:
    """Check that everything that a head of the compression ``google`` points at is inside of the data."""
    words = len(data) // 4
    count = int(np.prod([side // 8 for side in shape]))
    if len(data) > most or len(data) % 4 or words < 1 + 2 * count:
        raise ValueError(f"{len(data)} bytes")
    heads = np.frombuffer(data, "<u4", 2 * count, 4).reshape(count, 2).astype(np.int64)
    bits = heads[:, 0] >> 24
    ends = np.stack([(heads[:, 0] & 0xFFFFFF) + 2, heads[:, 1] + 16 * bits])
    if int.from_bytes(data[:4], "little") != 1 or not np.isin(bits, (0, 1, 2, 4, 8, 16)).all():
        raise ValueError("impossible heads of blocks")
    if ends.max() > words - 1:
        raise ValueError("heads of blocks that point outside")


def _put(voxels: bytes, out: NDArray[Any]) -> None:
    copy_tiled(out, np.frombuffer(voxels, out.dtype).reshape(out.shape, order="F"))


def broken(action: str, expected: str, data: bytes, why: object) -> AnswerError:
    """Return the error for a body that cannot be decoded."""
    return AnswerError(f"{action}: expected {expected} and found something else: {why}", first_bytes=data[:200])


_RECEIVE: Mapping[str, Callable[[Answer, NDArray[Any], str], None]] = {
    "none": _receive_plain,
    "lz4": _receive_lz4,
    "gzip": _receive_gzip,
    "google": _receive_google,
}


def _compress_lz4(data: memoryview) -> bytes:
    import lz4.block

    packed: bytes = lz4.block.compress(data, store_size=False)
    return packed


_COMPRESS: Mapping[str, Callable[[memoryview], bytes]] = {"lz4": _compress_lz4, "gzip": deflated}
