"""What a killed writer leaves in a folder of zarr: each chunk is as it was before, or as it was written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyvolume

KILLS = 4

WRITER = """
import itertools, sys, numpy as np, pyvolume
volume = pyvolume.open(sys.argv[1], "r+")
for value in itertools.count(1):
    volume[...] = np.full(volume.shape, value % 250 + 1, "uint8")
    print(value, flush=True)
"""


@pytest.mark.parametrize(
    "options", [{}, {"shards": (1, 64, 64, 64)}, {"format": "0.4"}], ids=["chunks", "shards", "v2"]
)
def test_a_kill_leaves_no_chunk_in_part(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "a.zarr"
    shape, chunks = (1, 128, 128, 128), (1, 32, 32, 32)
    with pyvolume.create(path, shape, "uint8", chunks=chunks, compressors=None, **options) as volume:
        cells = volume.chunks
    for _ in range(KILLS):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        with writer:
            assert writer.stdout is not None
            for _ in range(2):
                writer.stdout.readline()
            writer.kill()
        with pyvolume.open(path) as volume:
            for box in volume.blocks(shape=cells):
                assert len(np.unique(volume.read(box))) == 1
    with pyvolume.open(path, "r+") as volume:
        volume[...] = np.full(shape, 251, "uint8")
        assert (volume[...] == 251).all()
