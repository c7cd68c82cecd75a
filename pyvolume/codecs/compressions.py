"""Compressions of the blocks of N5, by the names that its attributes give them."""

from __future__ import annotations

import bz2
import functools
import lzma
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pyvolume.codecs import lz4block
from pyvolume.errors import MetadataError, UnsupportedError
from pyvolume.model import arguments
from pyvolume.model.arguments import brief
from pyvolume.model.extras import require

XZ_MEMORY = 1 << 28
"""Bytes that the decompression of xz may take: the highest preset takes a fourth of them."""

ELSEWHERE = {
    "jpeg": "the Java library n5-jpeg",
    "jpegxl": "the Python package imagecodecs",
    "lzf": "the Python package python-lzf",
    "snappy": "the Python package python-snappy",
    "zfp": "the Python package zfpy",
}
"""Which package has a compression that is not here."""


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a compression: its value where none is given, and the lowest and highest one."""

    default: int
    low: int
    high: int


OPTIONS: Mapping[str, Mapping[str, Option]] = {
    "raw": {},
    "gzip": {"level": Option(1, -1, 9), "useZlib": Option(0, 0, 1)},
    "bzip2": {"blockSize": Option(9, 1, 9)},
    "xz": {"preset": Option(6, 0, 9)},
    "lz4": {"blockSize": Option(65536, 64, 1 << 25)},
    "blosc": {
        "clevel": Option(5, 0, 9),
        "shuffle": Option(1, 0, 2),
        "blocksize": Option(0, 0, 1 << 30),
    },
    "zstd": {"level": Option(3, -131072, 22)},
}
"""The compressions, with those of their options that are numbers.

The level 1 of gzip is 6 times as fast as 6, its own default, and what it makes of noise is 6 % larger.
"""

BLOSC_NAMES = ("blosclz", "lz4", "lz4hc", "zlib", "zstd")


@dataclass(frozen=True, slots=True)
class Compression:
    """How the voxels of a block are compressed.

    Parameters
    ----------
    kind : str
        One of `OPTIONS`.
    options : mapping
        As the attributes of a dataset have them.
    """

    kind: str
    options: Mapping[str, int | str] = field(default_factory=dict)

    @classmethod
    def of(cls, document: Any, action: str) -> Compression:
        """Read the attribute ``compression``, or a name alone.

        Raises
        ------
        UnsupportedError
            If the compression is not known; the message names the package that has it.
        MetadataError
            If an option has an impossible value.
        """
        given = document if isinstance(document, Mapping) else {"type": document}
        kind = given.get("type")
        if not isinstance(kind, str) or kind not in OPTIONS:
            home = ELSEWHERE.get(str(kind).lower(), "")
            raise UnsupportedError(
                f"{action}: expected one of the compressions {', '.join(OPTIONS)} and found {brief(kind)}"
                + (f", which {home} has" if home else "")
            )
        options: dict[str, int | str] = {
            name: _checked(given.get(name, option.default), name, option, action)
            for name, option in OPTIONS[kind].items()
        }
        if kind == "blosc":
            options["cname"] = given.get("cname", "lz4")
            arguments.one_of(options["cname"], BLOSC_NAMES, action, "cname")
        return cls(kind, options)

    def to_document(self) -> dict[str, Any]:
        """Return the attribute ``compression``."""
        booleans = {"useZlib": bool(self.options["useZlib"])} if self.kind == "gzip" else {}
        return {"type": self.kind, **self.options, **booleans}

    def compress(self, data: memoryview, itemsize: int) -> bytes | memoryview:
        """Compress flat bytes."""
        return _COMPRESS[self.kind](data, self.options, itemsize)

    def decompress(self, data: memoryview, nbytes: int) -> bytes | memoryview:
        """Return the bytes of which there should be so many.

        Raises
        ------
        ValueError
            If the data is broken, is cut short, or becomes more bytes.
        ImportError
            If the library of the compression is not installed; the message names the extra.
        """
        return _DECOMPRESS[self.kind](data, self.options, nbytes)


def _checked(value: object, name: str, option: Option, action: str) -> int:
    if not isinstance(value, int) or not option.low <= value <= option.high:
        raise MetadataError(
            f"{action}: expected {name} of the compression from {option.low} to {option.high} and found {brief(value)}",
            path=f"$.compression.{name}",
        )
    return int(value)


_Options = Mapping[str, Any]
_Compress = Callable[[memoryview, _Options, int], bytes | memoryview]
_Decompress = Callable[[memoryview, _Options, int], bytes | memoryview]


def _decompress_raw(data: memoryview, _options: _Options, nbytes: int) -> memoryview:
    if len(data) != nbytes:
        raise ValueError(f"expected {nbytes} bytes of voxels and found {len(data)}")
    return data


def _streamed(data: memoryview, make: Callable[[], Any], nbytes: int) -> bytes:
    """Decompress streams that follow each other; a stream that becomes too much is not taken to its end."""
    parts: list[bytes] = []
    left, rest = nbytes, data
    while True:
        stream = make()
        try:
            part = stream.decompress(rest, left + 1)
        except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
            raise ValueError(str(error)) from None
        left -= len(part)
        if left < 0:
            raise ValueError(f"it becomes more than {nbytes} bytes")
        if not stream.eof:
            raise ValueError(f"the stream is cut short, after {nbytes - left} of {nbytes} bytes")
        parts.append(part)
        rest = stream.unused_data
        if not left or not rest:
            break
    if left:
        raise ValueError(f"expected {nbytes} bytes of voxels and found {nbytes - left}")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _window(options: _Options) -> int:
    return zlib.MAX_WBITS if options["useZlib"] else zlib.MAX_WBITS | 16


def _decompress_gzip(data: memoryview, options: _Options, nbytes: int) -> bytes:
    return _streamed(data, functools.partial(zlib.decompressobj, _window(options)), nbytes)


def _compress_gzip(data: memoryview, options: _Options, _itemsize: int) -> bytes:
    stream = zlib.compressobj(options["level"], zlib.DEFLATED, _window(options))
    return stream.compress(data) + stream.flush()


def _decompress_bzip2(data: memoryview, _options: _Options, nbytes: int) -> bytes:
    return _streamed(data, bz2.BZ2Decompressor, nbytes)


def _decompress_xz(data: memoryview, _options: _Options, nbytes: int) -> bytes:
    return _streamed(data, functools.partial(lzma.LZMADecompressor, lzma.FORMAT_XZ, XZ_MEMORY), nbytes)


def _decompress_lz4(data: memoryview, _options: _Options, nbytes: int) -> bytes:
    return lz4block.decompress(data, nbytes)


def _compress_lz4(data: memoryview, options: _Options, _itemsize: int) -> bytes:
    return b"".join(lz4block.compress(data, options["blockSize"]))


def _library(module: str) -> Any:
    return require(f"numcodecs.{module}", extra="n5", action=f"the compression {module}")


_BLOSC_HEAD = struct.Struct("<4xI4xI")
"""Of a blosc buffer: how many bytes it becomes, and how many it has."""


def _decompress_blosc(data: memoryview, _options: _Options, nbytes: int) -> memoryview:
    # the library itself reads on behind a buffer that is cut short
    found = _BLOSC_HEAD.unpack_from(data) if len(data) >= _BLOSC_HEAD.size else (0, 0)
    if found != (nbytes, len(data)):
        raise ValueError(f"expected {len(data)} bytes that become {nbytes} and found a head that says {found[::-1]}")
    return _filled(_library("blosc").decompress, data, nbytes)


_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def _decompress_zstd(data: memoryview, _options: _Options, nbytes: int) -> memoryview:
    # the library leaves the rest of the memory as it is if there are fewer bytes
    said = _zstd_size(data)
    if said not in {nbytes, None}:
        raise ValueError(f"expected a frame of {nbytes} bytes and found one of {said}")
    return _filled(_library("zstd").decompress, data, nbytes)


def _zstd_size(data: memoryview) -> int | None:
    """Return how many bytes the head of a frame of Zstandard says, None if it does not say it."""
    if data[:4] != _ZSTD_MAGIC or len(data) < 5:
        raise ValueError("it does not begin as a frame of Zstandard")
    flags = data[4]
    is_single = bool(flags & 0x20)
    length = (int(is_single), 2, 4, 8)[flags >> 6]
    begin = 5 + (not is_single) + (0, 1, 2, 4)[flags & 3]
    if len(data) < begin + length:
        raise ValueError("it ends within the head of a frame")
    return int.from_bytes(data[begin : begin + length], "little") + 256 * (length == 2) if length else None


def _filled(decompress: Callable[..., Any], data: memoryview, nbytes: int) -> memoryview:
    """Let a library fill memory of the right size, so that it takes no more."""
    out = np.empty(nbytes, np.uint8)  # a bytearray would be filled with zeros
    try:
        decompress(data, out)
    except (RuntimeError, ValueError) as error:
        raise ValueError(str(error)) from None
    return out.data


def _compress_blosc(data: memoryview, options: _Options, itemsize: int) -> bytes:
    blosc = _library("blosc")
    name = str(options["cname"]).encode()
    voxels = np.frombuffer(data, f"u{itemsize}")  # blosc shuffles the bytes of each voxel
    packed: bytes = blosc.compress(voxels, name, options["clevel"], options["shuffle"], options["blocksize"])
    return packed


def _compress_zstd(data: memoryview, options: _Options, _itemsize: int) -> bytes:
    packed: bytes = _library("zstd").compress(data, options["level"], checksum=True)
    return packed


_DECOMPRESS: Mapping[str, _Decompress] = {
    "raw": _decompress_raw,
    "gzip": _decompress_gzip,
    "bzip2": _decompress_bzip2,
    "xz": _decompress_xz,
    "lz4": _decompress_lz4,
    "blosc": _decompress_blosc,
    "zstd": _decompress_zstd,
}

_COMPRESS: Mapping[str, _Compress] = {
    "raw": lambda data, _options, _itemsize: data,
    "gzip": _compress_gzip,
    "bzip2": lambda data, options, _itemsize: bz2.compress(data, options["blockSize"]),
    "xz": lambda data, options, _itemsize: lzma.compress(data, lzma.FORMAT_XZ, preset=options["preset"]),
    "lz4": _compress_lz4,
    "blosc": _compress_blosc,
    "zstd": _compress_zstd,
}
