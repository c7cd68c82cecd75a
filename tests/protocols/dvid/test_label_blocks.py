"""Native label blocks and coarser labels, against those that a server makes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conformance_stores import DvidBackend
from label_servers import Labels, new_labels
from numpy.typing import NDArray

import pyvolume
from pyvolume.dvid.labels import blocks

KINDS = ["solid", "two labels", "512 labels", "a label for each voxel", "bodies", "one voxel"]


def made(kind: str, shape: tuple[int, ...]) -> NDArray[np.uint64]:
    random, (x, y, z) = np.random.default_rng(1), np.indices(shape)
    number = np.arange(x.size).reshape(shape)
    voxels: NDArray[np.uint64] = np.zeros(shape, np.uint64)
    if kind == "solid":
        voxels[...] = (1 << 48) - 1
    elif kind == "two labels":
        voxels[...] = random.choice(np.array([0, 1 << 40], np.uint64), shape)
    elif kind == "512 labels":
        voxels[...] = number % 512
    elif kind == "a label for each voxel":
        voxels[...] = random.permutation(number.ravel()).reshape(shape)
    elif kind == "bodies":
        voxels[...] = (x + y // 3) // 13 * (z // 11)
    elif kind == "one voxel":
        voxels[5, 6, 7] = 9
    return voxels


def new(backend: DvidBackend, side: int) -> Labels:
    """Make a labelmap without an index of its bodies, which takes minutes for a body for each voxel."""
    return new_labels(backend, BlockSize=f"{side},{side},{side}", IndexedLabels="false")


@pytest.mark.parametrize("side", [16, 32, 64])
@pytest.mark.parametrize("kind", KINDS)
def test_blocks_that_the_server_stores_are_decoded(dvid: DvidBackend, kind: str, side: int) -> None:
    labels = new(dvid, side)
    shape, start = (2 * side, side, side), (-side, 0, 3 * side)
    voxels = made(kind, shape)
    labels.post(voxels, start)
    found = labels.get_blocks(shape, start)
    assert set(found) == {(-1, 0, 3), (0, 0, 3)}
    for nth, place in enumerate(sorted(found)):
        out = np.empty((side, side, side), np.uint64)
        blocks.decode(found[place], out)
        np.testing.assert_array_equal(out, voxels[nth * side : (nth + 1) * side])


@pytest.mark.parametrize("side", [16, 32, 64])
@pytest.mark.parametrize("kind", KINDS)
def test_encoded_blocks_are_what_the_server_reads(dvid: DvidBackend, kind: str, side: int) -> None:
    labels = new(dvid, side)
    voxels = made(kind, (2 * side, side, side))
    labels.post_blocks({(-1, 0, 3): blocks.encode(voxels[:side]), (0, 0, 3): blocks.encode(voxels[side:])})
    np.testing.assert_array_equal(labels.get(voxels.shape, (-side, 0, 3 * side)), voxels)


def test_blocks_of_128_voxels(dvid: DvidBackend) -> None:
    labels = new(dvid, 128)
    voxels = made("bodies", (256, 128, 128))
    labels.post_blocks({(0, 0, 0): blocks.encode(voxels[:128])})
    labels.post(voxels[128:], (128, 0, 0))
    out = np.empty((128, 128, 128), np.uint64)
    blocks.decode(labels.get_blocks(out.shape, (128, 0, 0))[1, 0, 0], out)
    np.testing.assert_array_equal(out, voxels[128:])
    np.testing.assert_array_equal(labels.get(voxels.shape), voxels)


def test_coarser_labels_are_those_of_the_server(dvid: DvidBackend, tmp_path: Path) -> None:
    labels = new_labels(dvid, BlockSize="32,32,32", MaxDownresLevel="3")
    random = np.random.default_rng(5)
    voxels = random.choice(np.array([0, 0, 0, 0, 7, 9, 1 << 47], np.uint64), (128, 64, 64))
    voxels[:40] = made("bodies", (40, 64, 64))
    voxels[:, 50:, 50:] = 0
    labels.post(voxels)
    volume = pyvolume.create(f"{tmp_path}/labels.zarr", (1, *voxels.shape), "uint64", levels=4, chunks=(1, 32, 32, 32))
    volume[...] = voxels
    pyvolume.build_pyramid(volume, method="label")
    for scale in range(4):
        found = volume.scale(scale)[0]
        np.testing.assert_array_equal(found, labels.get(found.shape, scale=scale), strict=True)
        assert found.any()
