"""Bodies of answers about labels, decoded to what has to be the same in every recording."""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import lz4.block
import numpy as np

from mockserver.dvid.wire.labels import native

TEXT_BEHIND = re.compile(rb"(?s)(.*?)((?:expected block|Sub-block) .*)")
"""An error that comes when an answer has begun is text behind its bytes."""

MOST_BYTES = 8 * 64**3
"""Of a block, or of the runs of a body."""

Words = list[str]
Query = dict[str, str]


def decoded(path: str, body: bytes) -> Any:
    """Return the voxels, runs, bits or labels of an answer with status 200; None if the bytes themselves are it."""
    parts = urlsplit(path)
    keyword, *words = parts.path.split("/")[5:] or [""]
    decoder = _DECODERS.get(keyword)
    if decoder is None or not body:
        return None
    return decoder(body, words, {key: values[0] for key, values in parse_qs(parts.query).items()})


def _raw(body: bytes, words: Words, query: Query) -> Any:
    if "gzip" in query.get("compression", ""):
        return zlib.decompress(body, wbits=31)
    if query.get("compression") == "lz4":
        x, y, z = map(int, words[1].split("_"))
        return lz4.block.decompress(body, uncompressed_size=8 * x * y * z)
    return None


def _frames(body: bytes, words: Words, query: Query) -> Any:
    compression = query.get("compression") or ("lz4" if words else "blocks")
    found, at = {}, 0
    while at < len(body):
        *cell, size = struct.unpack_from("<3iI", body, at)
        at += 16
        found[tuple(cell)] = _block(body[at : at + size], compression)
        at += size
    return found


def _block(data: bytes, compression: str) -> bytes:
    if data[:2] == b"\x1f\x8b":
        data = zlib.decompress(data, wbits=31)
        return native.decode(data).voxels.tobytes(order="F") if compression == "blocks" else data
    if compression == "uncompressed":
        return data
    voxels: bytes = lz4.block.decompress(data, uncompressed_size=MOST_BYTES)
    return voxels


def _sparse(body: bytes, _: Words, query: Query) -> Any:
    behind = TEXT_BEHIND.fullmatch(body)
    data, text = behind.groups() if behind else (body, b"")
    if query.get("format") == "blocks":
        return data[:20], _bits(data), text
    if query.get("format") != "srles":
        data = _unpacked(data, query.get("compression", ""))
        return data[:12], sorted(struct.iter_unpack("<4i", data[12:])), text
    return sorted(struct.iter_unpack("<4i", data)), text


def _unpacked(data: bytes, compression: str) -> bytes:
    if compression == "gzip":
        return zlib.decompress(data, wbits=31)
    return lz4.block.decompress(data, uncompressed_size=MOST_BYTES) if compression == "lz4" else data


def _bits(data: bytes) -> Any:
    cubes = int(np.prod(struct.unpack_from("<3I", data)))
    found, at = {}, 20
    while at < len(data):
        *start, flag = struct.unpack_from("<3iB", data, at)
        at += 13
        parts = []
        for _ in range(cubes if flag == 2 else 0):
            size = 65 if data[at] == 2 else 1
            parts.append(data[at : at + size])
            at += size
        found[tuple(start)] = flag, parts
    return found


def _sorted_list(body: bytes, _: Words, __: Query) -> Any:
    return sorted(json.loads(body))


def _sizes(body: bytes, _: Words, __: Query) -> Any:
    found = json.loads(body)
    return sorted(zip(found["supervoxels"], found["sizes"], strict=True))


def _pairs(body: bytes, _: Words, query: Query) -> Any:
    binary = query.get("format") == "binary"
    return sorted(struct.iter_unpack("<2Q", body)) if binary else sorted(body.splitlines())


def _changed(body: bytes, _: Words, __: Query) -> Any:
    return re.sub(rb'"last mod time": "[^"]+"', b'"last mod time": "TIME"', body)


_DECODERS: dict[str, Callable[[bytes, Words, Query], Any]] = {
    "raw": _raw,
    "blocks": _frames,
    "specificblocks": lambda body, _, query: _frames(body, [], query),
    "sparsevol": _sparse,
    "sparsevol-by-point": _sparse,
    "supervoxels": _sorted_list,
    "supervoxel-sizes": _sizes,
    "mappings": _pairs,
    "lastmod": _changed,
}
