"""How the chunks of an array are encoded and decoded in the thread that asks, without zarr's event loop."""

from __future__ import annotations

import functools
import itertools
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import google_crc32c
import numcodecs
import numpy as np
from numpy.typing import NDArray

from pyvolume.codecs.compressions import Compression

COMPRESSIONS = ("blosc", "gzip", "zstd")
"""The compressions that are known here, by their names in both versions of zarr."""

SHUFFLES: Mapping[str, int] = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}
"""How version 3 of zarr says blosc's shuffle, and how numcodecs does."""

ORDERS: Mapping[str, Literal["<", ">"]] = {"little": "<", "big": ">"}

ABSENT = (1 << 64) - 1
"""In the index of a shard: the chunk is not stored."""

CHECKSUM = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Step:
    """What turns bytes into other bytes.

    Parameters
    ----------
    encode : callable
        What is done before bytes are stored.
    decode : callable
        The reverse; broken bytes are a ValueError.
    """

    encode: Callable[[NDArray[Any] | bytes], bytes]
    decode: Callable[[memoryview], bytes | memoryview]


@dataclass(frozen=True, slots=True)
class Coding:
    """How one chunk is encoded and decoded.

    Parameters
    ----------
    shape : tuple of int
        Of a chunk, also at the upper edge of the array.
    dtype : dtype
        Of the stored voxels.
    order : "C" or "F"
        In which they are stored.
    steps : tuple of Step
        What is done with the bytes of the voxels before they are stored, the first one first.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    order: Any
    steps: tuple[Step, ...]

    def encode(self, voxels: NDArray[Any]) -> bytes | memoryview:
        """Return the bytes of a chunk of voxels; they can be the memory of the voxels."""
        present: Any = voxels.astype(self.dtype, self.order, copy=False).ravel(self.order)
        for step in self.steps:
            present = step.encode(present)
        return _plain(present)

    def decode(self, data: bytes | memoryview) -> NDArray[Any]:
        """Return the voxels of a chunk.

        Raises
        ------
        ValueError
            If the bytes are broken, or become more or less than the voxels of a chunk.
        """
        present = memoryview(data)
        for step in reversed(self.steps):
            present = memoryview(step.decode(present))
        expected = _nbytes(self.shape, self.dtype)
        if present.nbytes != expected:
            raise ValueError(f"expected {expected} bytes and found {present.nbytes}")
        return np.frombuffer(present, self.dtype).reshape(self.shape, order=self.order)


@dataclass(frozen=True, slots=True)
class Sharding:
    """How a shard is encoded and decoded.

    Parameters
    ----------
    chunk : Coding
        Of one of its chunks.
    counts : tuple of int
        How many chunks it has along each axis.
    is_first : bool
        Whether the index comes before the chunks, else after them.
    has_checksum : bool
        Whether a checksum follows the index.
    """

    chunk: Coding
    counts: tuple[int, ...]
    is_first: bool
    has_checksum: bool

    @property
    def index_bytes(self) -> int:
        """How long the index is."""
        return 16 * math.prod(self.counts) + (CHECKSUM.size if self.has_checksum else 0)

    def no_index(self) -> NDArray[np.uint64]:
        """Return the index of a shard without chunks."""
        return np.full((*self.counts, 2), ABSENT, "<u8")

    def encode_index(self, index: NDArray[np.uint64]) -> bytes:
        """Return the bytes of an index."""
        return _with_checksum(index.ravel()) if self.has_checksum else index.tobytes()

    def index(self, data: bytes, size: int) -> NDArray[np.uint64]:
        """Return where each chunk begins and how long it is; both are `ABSENT` where none is stored.

        Parameters
        ----------
        data : bytes
            Of the index.
        size : int
            Of the shard, in bytes.

        Raises
        ------
        ValueError
            If the index is cut short or broken, or tells of bytes that the shard does not have.
        """
        if len(data) != self.index_bytes:
            raise ValueError(f"expected an index of {self.index_bytes} bytes and found {len(data)}")
        places = np.frombuffer(_verified(data) if self.has_checksum else data, "<u8").reshape(*self.counts, 2)
        starts, lengths = places[..., 0], places[..., 1]
        is_absent = starts == ABSENT
        limit = np.uint64(size)
        is_wrong = ~is_absent & ((starts > limit) | (lengths > limit - np.minimum(starts, limit)))
        if is_wrong.any():
            raise ValueError(f"the index tells of bytes behind the end, which is at {size}")
        return places


def coding_of(array: Any) -> Coding | Sharding | None:
    """Return how the chunks, or the shards, of a zarr array are encoded and decoded; None where only zarr can."""
    metadata, dtype = array.metadata, np.dtype(array.dtype)
    if metadata.zarr_format == 2:
        codecs = [] if metadata.compressor is None else [metadata.compressor.get_config()]
        steps = None if metadata.filters else _steps(codecs, _nbytes(array.chunks, dtype))
        return None if steps is None else Coding(tuple(array.chunks), dtype, metadata.order, steps)
    codecs = [codec.to_dict() for codec in metadata.codecs]
    if len(codecs) == 1 and codecs[0]["name"] == "sharding_indexed":
        return _sharding(array, codecs[0]["configuration"])
    return _coding(tuple(array.chunks), dtype, codecs)


def _sharding(array: Any, configuration: Mapping[str, Any]) -> Sharding | None:
    chunk = _coding(tuple(configuration["chunk_shape"]), np.dtype(array.dtype), configuration["codecs"])
    first, *others = configuration["index_codecs"]
    names = [each["name"] for each in others]
    is_plain = first["name"] == "bytes" and first["configuration"].get("endian") == "little"
    if chunk is None or not is_plain or names not in ([], ["crc32c"]):
        return None
    counts = tuple(n // part for n, part in zip(array.shards, chunk.shape, strict=True))
    return Sharding(chunk, counts, str(configuration.get("index_location", "end")) == "start", bool(names))


def _coding(shape: tuple[int, ...], dtype: np.dtype[Any], codecs: Sequence[Mapping[str, Any]]) -> Coding | None:
    first, *others = codecs
    steps = _steps([_of_numcodecs(each) for each in others], _nbytes(shape, dtype))
    if first["name"] != "bytes" or steps is None:
        return None
    order = ORDERS[(first.get("configuration") or {}).get("endian") or "little"]
    return Coding(shape, dtype.newbyteorder(order), "C", steps)


def _of_numcodecs(codec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a codec of version 3 of zarr as version 2 and numcodecs say it."""
    options = dict(codec.get("configuration") or {})
    if codec["name"] == "blosc" and "shuffle" in options:
        options["shuffle"] = SHUFFLES[str(options["shuffle"])]
    return {"id": codec["name"], **options}


def _nbytes(shape: Sequence[int], dtype: np.dtype[Any]) -> int:
    return math.prod(shape) * dtype.itemsize


def _steps(codecs: Sequence[Mapping[str, Any]], nbytes: int) -> tuple[Step, ...] | None:
    """Return what some codecs do; `nbytes` is what the first one gets.

    A compression after another one is left to zarr: nobody knows how long its bytes are.
    """
    steps, size = list[Step](), nbytes
    for codec in codecs:
        name = codec["id"]
        if name == "crc32c":
            steps.append(Step(_with_checksum, _verified))
            size += CHECKSUM.size
        elif name in COMPRESSIONS and size >= nbytes:
            compress = numcodecs.get_codec(dict(codec)).encode
            steps.append(Step(compress, functools.partial(_decompressed, Compression.of(name, "read"), size)))
            size = -1 << 62
        else:
            return None
    return tuple(steps)


def _decompressed(compression: Compression, nbytes: int, data: memoryview) -> bytes | memoryview:
    return compression.decompress(data, nbytes)


def _plain(data: NDArray[Any] | bytes) -> bytes | memoryview:
    return data.view(np.uint8).data if isinstance(data, np.ndarray) else data


def _with_checksum(data: NDArray[Any] | bytes) -> bytes:
    content = bytes(_plain(data))
    return content + CHECKSUM.pack(google_crc32c.value(content))


def _verified(data: bytes | memoryview) -> memoryview:
    """Return bytes without the checksum that follows them.

    Raises
    ------
    ValueError
        If it is not theirs.
    """
    whole = memoryview(data)
    content, stored = whole[: -CHECKSUM.size], bytes(whole[-CHECKSUM.size :])
    if len(stored) != CHECKSUM.size or CHECKSUM.unpack(stored)[0] != google_crc32c.value(bytes(content)):
        raise ValueError("the checksum is not the one of these bytes")
    return content


def each_chunk(start: Sequence[int], stop: Sequence[int], shape: Sequence[int]) -> Any:
    """Give the number of each chunk between two corners, the part of it that lies between them, and its place there.

    Returns
    -------
    iterator of (tuple of int, tuple of slice, tuple of slice)
    """
    along = []
    for low, high, step in zip(start, stop, shape, strict=True):
        side = []
        for n in range(low // step, -(-high // step)):
            a, b, first = max(low, n * step), min(high, (n + 1) * step), n * step
            side.append((n, slice(a - first, b - first), slice(a - low, b - low)))
        along.append(side)
    for cell in itertools.product(*along):
        numbers, parts, places = zip(*cell, strict=True)
        yield numbers, parts, places
