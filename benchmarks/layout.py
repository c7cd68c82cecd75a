"""The data of a run: one file of noise, and the same voxels as the files that other libraries read."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.servers.files import EDGE, NOISE

Voxels = NDArray[np.uint8]

DEEP = (EDGE, EDGE, 2 * EDGE)
"""Shape of the file of noise, 256 MiB; its first half is the volume."""

CHUNKS = (64, 128)
"""Edges of chunks that the volume is laid out in: that of DVID's blocks, and a larger one for bulk."""

VOLUMES = ("noise", "written")
"""What is read, and what is written to: both exist everywhere, the second begins as zeros."""


def noise(root: Path) -> Voxels:
    """Map the noise into memory: all processes of a run share its pages."""
    return np.memmap(root / NOISE, np.uint8, "r", shape=DEEP, order="F")


def prepare(root: Path) -> None:
    """Write all files of a run below `root`."""
    made = np.random.default_rng(0).integers(0, 256, np.prod(DEEP), np.uint8)
    made.tofile(root / NOISE)
    volume = noise(root)[:, :, :EDGE]
    for edge in CHUNKS:
        for name in VOLUMES:
            held = volume if name == "noise" else None
            _precomputed(root / f"precomputed-{edge}" / name, held, edge)
            _zarr(root / f"zarr-{edge}" / name, held, edge)


def _precomputed(folder: Path, volume: Voxels | None, edge: int) -> None:
    folder.joinpath("1").mkdir(parents=True)
    scale = {
        "key": "1",
        "size": [EDGE] * 3,
        "voxel_offset": [0, 0, 0],
        "chunk_sizes": [[edge] * 3],
        "resolution": [1, 1, 1],
        "encoding": "raw",
    }
    info = {"@type": "neuroglancer_multiscale_volume", "type": "image", "data_type": "uint8", "num_channels": 1}
    (folder / "info").write_text(json.dumps(info | {"scales": [scale]}))
    _chunks(folder / "1", volume, edge, lambda place: "_".join(f"{axis.start}-{axis.stop}" for axis in place), "F")


def _zarr(folder: Path, volume: Voxels | None, edge: int) -> None:
    """Write a zarr array of format 3, uncompressed, its chunks in C order."""
    folder.mkdir(parents=True)
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [EDGE] * 3,
        "data_type": "uint8",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [edge] * 3}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "fill_value": 0,
        "codecs": [{"name": "bytes"}],
        "attributes": {},
    }
    (folder / "zarr.json").write_text(json.dumps(document))
    _chunks(folder, volume, edge, lambda place: ".".join(("c", *(str(axis.start // edge) for axis in place))), "C")


def _chunks(
    folder: Path, volume: Voxels | None, edge: int, name: Callable[[tuple[slice, ...]], str], order: Literal["F", "C"]
) -> None:
    """Write every chunk of a volume into a file; without a volume none, which reads as zeros."""
    if volume is None:
        return
    for corner in itertools.product(range(0, EDGE, edge), repeat=3):
        place = tuple(slice(start, start + edge) for start in corner)
        (folder / name(place)).write_bytes(volume[place].tobytes(order))
