"""A segmentation of cells that touch each other, between thin walls of background, made from noise."""

from __future__ import annotations

import importlib
import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

TILE, CELLS = 256, 40
"""The side of what is made from noise, and the number of its cells."""

COARSE = 4
"""Voxels between two values of the noise that bends the walls."""

BEND, WALL = 60.0, 2.0
"""How far the walls are bent, in voxels of noise of deviation 1 before it is smoothed, and how thick they are."""


def segmentation(side: int) -> NDArray[np.uint64]:
    """Make voxels (x, y, z) in Fortran order.

    Parameters
    ----------
    side : int
        A multiple of 256; each cube of 256³ has 40 labels of its own, of up to 48 bits.
    """
    if side % TILE:
        raise SystemExit(f"expected a multiple of {TILE} voxels and found {side}")
    numbers = _cells()
    voxels = np.empty((side,) * 3, np.uint64, order="F")
    random = np.random.default_rng(2)
    for corner in itertools.product(range(0, side, TILE), repeat=3):
        labels = random.integers(1, 1 << 48, CELLS + 1, np.uint64)
        labels[0] = 0
        voxels[tuple(slice(n, n + TILE) for n in corner)] = labels[numbers]
    return voxels


def _cells() -> NDArray[np.intp]:
    """Return the number of the nearest of several points; 0 is the wall where two of them are nearly as near."""
    spatial: Any = importlib.import_module("scipy.spatial")
    random = np.random.default_rng(1)
    points = spatial.cKDTree(random.uniform(0, TILE, (CELLS, 3)))
    bent = [_noise(random) for _ in range(3)]
    found = np.empty((TILE,) * 3, np.intp, order="F")
    x, y = np.meshgrid(np.arange(TILE), np.arange(TILE), indexing="ij")
    for z in range(TILE):
        places = [each + by[:, :, z] for each, by in zip((x, y, np.full_like(x, z)), bent, strict=True)]
        distances, nearest = points.query(np.stack(places, axis=-1), k=2)
        is_wall = distances[..., 1] - distances[..., 0] < WALL
        found[:, :, z] = np.where(is_wall, 0, nearest[..., 0] + 1)
    return found


def _noise(random: np.random.Generator) -> NDArray[np.float64]:
    ndimage: Any = importlib.import_module("scipy.ndimage")
    smooth = ndimage.gaussian_filter(random.standard_normal((TILE // COARSE,) * 3), 2)
    noise: NDArray[np.float64] = BEND * ndimage.zoom(smooth, COARSE, order=1)
    return noise
