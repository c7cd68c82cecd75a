"""Images of Mikro that are written without pyvolume's uploads, and what a mock of Mikro was asked."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
from conformance_stores import ramp

from mockserver import MikroServer
from pyvolume.mikro import Image, Mikro, documents
from pyvolume.mikro.client import ask
from pyvolume.mikro.creating import created

ARRAY = ramp((1, 100, 80, 70, 1), "uint16")


def same(found: object, expected: object) -> None:
    np.testing.assert_array_equal(found, expected, strict=True)


def upload(mikro: Mikro, array: Any = ARRAY, name: str = "faulty", **options: Any) -> Image:
    return mikro.from_xarray(array, name, dims="cxyzt"[: array.ndim], chunks=(32, 32, 32), **options)


def asked(mock: MikroServer, first: int = 0) -> list[str]:
    """Return the requests from one on: GraphQL, or the end of the path of an object."""
    paths = [each.path for each in mock.requests[first:]]
    return ["graphql" if path == "/graphql" else path.split("/", 3)[3] for path in paths]


def by_hand(mikro: Mikro, mock: MikroServer, voxels: Any, depth: int) -> str:
    """Write an image as the official client does: large chunks, zstd, a stray document; return its id."""
    found = ask(mikro.connection, "write by hand", documents.UPLOAD, {"input": {}}, changes=True)
    z, y, x = voxels.shape
    for at in range(-(-z // depth)):
        chunk = np.zeros((depth, y, x), "<u2")
        part = voxels[at * depth : (at + 1) * depth]
        chunk[: len(part)] = part
        mock.put(f"{found['key']}/c/0/0/{at}/0/0", zstd_stored(chunk.tobytes()))
    codecs = [
        {"name": "bytes", "configuration": {"endian": "little"}},
        {"name": "zstd", "configuration": {"level": 0, "checksum": False}},
    ]
    document = {
        "shape": [1, 1, z, y, x],
        "data_type": "uint16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, 1, depth, y, x]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": codecs,
        "attributes": {},
        "dimension_names": ["c", "t", "z", "y", "x"],
        "zarr_format": 3,
        "node_type": "array",
        "storage_transformers": [],
    }
    mock.put(f"{found['key']}/zarr.json", json.dumps(document, indent=2).encode())
    mock.put("zarr.json", b'{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    return created(mikro.connection, str(found["store"]), "official", {})


def zstd_stored(data: bytes) -> bytes:
    """Make a frame of zstd of stored blocks."""
    pieces = [data[at : at + 100_000] for at in range(0, len(data), 100_000)]
    heads = [(len(piece) << 3 | (at == len(pieces) - 1)).to_bytes(3, "little") for at, piece in enumerate(pieces)]
    blocks = b"".join(part for pair in zip(heads, pieces, strict=True) for part in pair)
    return b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", len(data)) + blocks


def keys_of(mock: MikroServer) -> list[str]:
    """Return the secrets that the mock has given out."""
    grants = mock._grants._by_key.values()
    return [text for each in grants for text in (each.access_key, each.secret_key, each.session_token)]
