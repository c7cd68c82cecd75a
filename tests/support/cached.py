"""Volumes that a cache is used for, on a store that lists what it is asked."""

from __future__ import annotations

import dataclasses
from typing import Any

from numpy.typing import NDArray
from watched_store import WatchedStore

from pyvolume import BlockCache, Volume


def frozen(array: NDArray[Any], blocks: tuple[int, ...] = (4, 4, 4), **traits: Any) -> WatchedStore:
    """Make a store whose voxels never change, as far as it says."""
    return WatchedStore(array, blocks, **{"immutable": True, "lasting": True, **traits})


def use_cache(volume: Volume, cache: BlockCache) -> Volume:
    """Let a volume use a cache, as if its voxels could not change: what it writes itself is read again."""
    store: Any = volume.store
    store.traits = dataclasses.replace(store.traits, immutable=True, lasting=True)
    volume._transfer = dataclasses.replace(volume._transfer, cache=cache)
    return volume
