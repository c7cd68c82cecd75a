"""Images of Mikro that are written without pyvolume's uploads, and what a mock of Mikro was asked."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import obstore
from conformance_stores import ramp
from obstore.store import S3Store

from mockserver import MikroServer
from pyvolume.mikro import Image, Mikro, documents
from pyvolume.mikro.client import ask
from pyvolume.mikro.creating import created

ARRAY = ramp((1, 100, 80, 70, 1), "uint16")


def same(found: object, expected: object) -> None:
    np.testing.assert_array_equal(found, expected, strict=True)


def upload(mikro: Mikro, array: Any = ARRAY, name: str = "faulty", **options: Any) -> Image:
    return mikro.from_xarray(array, name, dims="cxyzt"[: array.ndim], chunks=(32, 32, 32), **options)


def fresh(name: str = "image") -> str:
    """Return a name that no other image of the server has."""
    return f"{name}-{uuid4().hex[:8]}"


def uploaded(mikro: Mikro, shape: tuple[int, ...] = (20, 30), **options: Any) -> Image:
    dims = options.pop("dims", "cxyzt"[1 : len(shape) + 1])
    return mikro.from_xarray(ramp(shape, "uint16"), fresh(), dims=dims, **options)


def asked(mock: MikroServer, first: int = 0) -> list[str]:
    """Return the requests from one on: GraphQL, or the end of the path of an object."""
    paths = [each.path for each in mock.requests[first:]]
    return ["graphql" if path == "/graphql" else path.split("/", 3)[3] for path in paths]


def put_image(mikro: Mikro, objects: Mapping[str, bytes], name: str = "official") -> str:
    """Write the objects of an array with a grant, make an image of it, and return its id."""
    found = ask(mikro.connection, "write by hand", documents.UPLOAD, {"input": {}}, changes=True)
    keys = {"access_key_id": found["accessKey"], "secret_access_key": found["secretKey"]}
    token = {"session_token": found["sessionToken"]} if found["sessionToken"] else {}
    store = S3Store(
        found["bucket"], prefix=found["key"], endpoint=mikro.store_url, region="us-east-1",
        client_options={"allow_http": True}, **keys, **token,
    )  # fmt: skip
    for key, data in objects.items():
        obstore.put(store, key, data, use_multipart=False)
    return created(mikro.connection, str(found["store"]), name, {})


def stored(folder: Path) -> dict[str, bytes]:
    """Return the objects that zarr has written into a folder."""
    return {each.relative_to(folder).as_posix(): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def by_hand(mikro: Mikro, mock: MikroServer, voxels: Any, depth: int) -> str:
    """Write an image as the official client does: large chunks, zstd, a stray document; return its id."""
    z, y, x = voxels.shape
    objects = {}
    for at in range(-(-z // depth)):
        chunk = np.zeros((depth, y, x), "<u2")
        part = voxels[at * depth : (at + 1) * depth]
        chunk[: len(part)] = part
        objects[f"c/0/0/{at}/0/0"] = zstd_stored(chunk.tobytes())
    mock.put("zarr.json", b'{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    return put_image(mikro, objects | {"zarr.json": official_document((1, 1, z, y, x), (1, 1, depth, y, x))})


def official_document(shape: Sequence[int], chunks: Sequence[int]) -> bytes:
    """Return the metadata of an array of uint16, byte by byte as the official client writes it."""
    document = {
        "shape": shape,
        "data_type": "uint16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "zstd", "configuration": {"level": 0, "checksum": False}},
        ],
        "attributes": {},
        "dimension_names": ["c", "t", "z", "y", "x"],
        "zarr_format": 3,
        "node_type": "array",
        "storage_transformers": [],
    }
    return json.dumps(document, indent=2).encode()


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
