"""Random histories: what several versions show after random writes is what a model of their blocks says."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pyvolume.hpc import DataStore

SHAPE = (2, 11, 9, 5, 2, 2)
BLOCK = (1, 4, 4, 2, 1, 1)
TIMEPOINTS = [3, 8]

Key = tuple[slice, ...]


@dataclass
class Model:
    """The voxels of one version, and which of them are in blocks that are stored."""

    voxels: NDArray[Any] = field(default_factory=lambda: np.zeros(SHAPE, "int16"))
    stored: NDArray[Any] = field(default_factory=lambda: np.zeros(SHAPE, bool))


def blocks_of(key: Key) -> list[Key]:
    """Return the blocks that hold a selected voxel."""
    touched = np.zeros(SHAPE, bool)
    touched[key] = True
    counts = [-(-n // side) for n, side in zip(SHAPE, BLOCK, strict=True)]
    blocks = [
        tuple(slice(i * b, min((i + 1) * b, n)) for i, b, n in zip(index, BLOCK, SHAPE, strict=True))
        for index in np.ndindex(*counts)
    ]
    return [block for block in blocks if touched[block].any()]


def write(model: dict[int, Model], version: int, key: Key, values: NDArray[Any], base: str, fill: int) -> None:
    """Write into the model: a block that is missing comes from the nearest older version, or is filled."""
    own = model[version]
    for block in blocks_of(key):
        if not own.stored[block].all():
            older = [model[n] for n in sorted(model, reverse=True) if n < version and base == "older"]
            own.voxels[block] = next((each.voxels[block] for each in older if each.stored[block].all()), fill)
            own.stored[block] = True
    own.voxels[key] = values


def chosen(rng: random.Random) -> tuple[Key, Key, dict[str, Any]]:
    """Choose voxels: their key in the dataset, their key in a view, and the view."""
    key = []
    for length in SHAPE:
        low, high = sorted((rng.randrange(length), rng.randrange(length)))
        key.append(slice(low, high + 1, rng.choice([1, 1, 2])))
    inner = list(key)
    view: dict[str, Any] = {}
    for axis, name in ((5, "angle"), (4, "timepoint"), (0, "channel")):
        if rng.random() < 0.4:
            index = rng.randrange(2)
            view[name] = TIMEPOINTS[index] if name == "timepoint" else index
            key[axis] = slice(index, index + 1)
            inner[axis : axis + 1] = [slice(0, 1)] if name == "channel" else []
    return tuple(key), tuple(inner), view


@pytest.mark.parametrize("seed", range(3))
def test_random_writes_into_several_versions(store: DataStore, seed: int) -> None:
    rng, numbers = random.Random(seed), np.random.default_rng(seed)
    dataset = store.create_dataset(
        SHAPE[1:4], "int16", timepoints=TIMEPOINTS, channels=2, angles=2, levels=[((1, 1, 1), BLOCK[1:4])]
    )
    model = {0: Model()}
    for step in range(25):
        if step % 8 == 3:
            model[dataset.new_version()] = Model()
        if step == 20:
            dataset.delete_versions(1)
            del model[1]
        version, fill, base = rng.choice(list(model)), rng.choice([0, -7]), rng.choice(["older", "fill"])
        key, inner, view = chosen(rng)
        volume = dataset.volume(version, complete_from=base, fill_value=fill, **view)
        values = numbers.integers(-30000, 30000, model[version].voxels[key].shape, "int16")
        write(model, version, key, values, base, fill)
        volume[inner] = values.reshape(volume[inner].shape)
        expected = np.where(model[version].stored, model[version].voxels, fill)[key]
        np.testing.assert_array_equal(volume[inner].ravel(), expected.ravel())
    newest = np.full(SHAPE, -1, "int16")
    for number in sorted(model):
        newest = np.where(model[number].stored, model[number].voxels, newest)
        found = dataset.volume(number).exists()
        np.testing.assert_array_equal(found, model[number].stored[:, ::4, ::4, ::2])
    mixed = dataset.volume("mixedLatest", mode="r", fill_value=-1)
    np.testing.assert_array_equal(mixed[...], newest)
    store.delete(dataset.uuid)
