"""Segmentations for tests, and volumes of labels to put them into."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from conformance_stores import DvidBackend
from numpy.typing import NDArray

import pyvolume
from pyvolume.dvid import LabelVolume
from pyvolume.dvid.voxels import create_new

Labels = NDArray[np.uint64]

BIG = 1 << 40
"""Labels do not fit into 32 bits."""

_names = (f"labels{i}" for i in itertools.count())


def cubes(shape: tuple[int, ...], side: int = 5, count: int = 9, seed: int = 0) -> Labels:
    """Return labels in cubes; some of them are 0."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, count, [-(-n // side) for n in shape[1:]]).astype(np.uint64)
    for axis in range(3):
        coarse = np.repeat(coarse, side, axis)
    found = np.where(coarse, coarse + np.uint64(BIG), 0)[tuple(slice(n) for n in shape[1:])]
    return np.asfortranarray(found[np.newaxis].astype(np.uint64))


def empty_labels(
    backend: DvidBackend,
    typename: str = "labelmap",
    *,
    blocks: tuple[int, ...] = (16, 16, 16),
    levels: int = 1,
    shape: tuple[int, ...] = (0, 0, 0),
    **options: Any,
) -> LabelVolume:
    """Return a new volume of labels without voxels."""
    name = next(_names)
    metadata = pyvolume.VoxelsMetadata.of((1, *shape), np.uint64, resolution=(8, 8, 40), units="nanometers")
    create_new(backend.connection, backend.uuid, name, metadata, block_shape=blocks, typename=typename, levels=levels)
    return LabelVolume(backend.connection, backend.uuid, name, **options)


def new_labels(backend: DvidBackend, array: Labels, typename: str = "labelmap", **options: Any) -> LabelVolume:
    """Return a new volume that holds labels at voxel 0."""
    volume = empty_labels(backend, typename, **options)
    volume.post_ndarray((0,) * 4, array.shape, array)
    return volume


def halved(array: Labels) -> Labels:
    """Return what the server makes of eight voxels: the most frequent label that is not 0, of equal ones the lowest."""
    x, y, z = array.shape[1:]
    eights = array[0].reshape(x // 2, 2, y // 2, 2, z // 2, 2).transpose(0, 2, 4, 1, 3, 5).reshape(-1, 8)
    counts = (eights[:, :, np.newaxis] == eights[:, np.newaxis, :]).sum(axis=2) * (eights > 0)
    is_best = (counts == counts.max(axis=1, keepdims=True)) & (eights > 0)
    found = np.where(is_best, eights, np.iinfo(np.uint64).max).min(axis=1)
    found[~is_best.any(axis=1)] = 0
    return np.asfortranarray(found.reshape(1, x // 2, y // 2, z // 2))
