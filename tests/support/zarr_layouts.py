"""Arrays of zarr in all layouts that pyvolume decodes by itself, and in others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import zarr
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec, TransposeCodec, ZstdCodec

SHAPE, CHUNK = (11, 9, 7), (4, 4, 4)
VOXELS = np.random.default_rng(0).integers(0, 60000, SHAPE, "uint16")
SHARD = (8, 8, 8)

LAYOUTS: dict[str, dict[str, Any]] = {
    "raw": {"compressors": None},
    "big-endian": {"serializer": BytesCodec(endian="big"), "compressors": None},
    "zstd": {"compressors": ZstdCodec(level=3, checksum=True)},
    "gzip": {"compressors": GzipCodec(level=1)},
    "blosc, checksum": {"compressors": [BloscCodec(cname="lz4"), Crc32cCodec()]},
    "checksum, zstd": {"compressors": [Crc32cCodec(), ZstdCodec()]},
    "shards": {"shards": SHARD},
    "shards, raw": {"shards": SHARD, "compressors": None},
    "shards, index first": {
        "chunks": SHARD,
        "compressors": None,
        "serializer": ShardingCodec(
            chunk_shape=CHUNK, codecs=[BytesCodec(), GzipCodec()], index_codecs=[BytesCodec()], index_location="start"
        ),
    },
    "2": {"zarr_format": 2},
    "2, F, big-endian, raw": {"zarr_format": 2, "order": "F", "dtype": ">u2", "compressors": None},
    "2, blosc": {"zarr_format": 2, "compressors": numcodecs.Blosc(shuffle=2)},
    "2, gzip, no fill value": {"zarr_format": 2, "compressors": numcodecs.GZip(), "fill_value": None},
}
"""What is decoded in the thread that asks."""

OTHERS: dict[str, dict[str, Any]] = {
    "transposed": {"filters": [TransposeCodec(order=(2, 0, 1))]},
    "zstd twice": {"compressors": [ZstdCodec(), ZstdCodec()]},
    "index of another order": {
        "chunks": SHARD,
        "compressors": None,
        "serializer": ShardingCodec(chunk_shape=CHUNK, index_codecs=[BytesCodec(endian="big"), Crc32cCodec()]),
    },
    "2, delta": {"zarr_format": 2, "filters": [numcodecs.Delta(dtype="<u2")]},
    "2, lz4": {"zarr_format": 2, "compressors": numcodecs.LZ4()},
}
"""What zarr decodes."""


def stored(folder: Path, layout: dict[str, Any], key: Any = ...) -> Any:
    """Store voxels, some of them where a key is given; dtype and fill value come from the layout."""
    axes = ["z", "y", "x"]
    names = {"attributes": {"_ARRAY_DIMENSIONS": axes}} if "zarr_format" in layout else {"dimension_names": axes}
    fixed = {"shape": SHAPE, "dtype": "uint16", "chunks": CHUNK, "fill_value": 7}
    array = zarr.create_array(folder, **{**fixed, **names, **layout})
    array[key] = VOXELS[key]
    return array
