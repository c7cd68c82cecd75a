"""Voxels that a write takes from the volume that it changes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyvolume.stores.arrays import ArrayStore, address_of, stored_at
from pyvolume.stores.memory import MemoryStore


def memory_of(store: object) -> NDArray[Any] | None:
    """Return the array of a store in memory."""
    return store.memory if isinstance(store, ArrayStore | MemoryStore) else None


def apart(store: Any, values: Any) -> Any:
    """Return values that a write to a store does not change: read or copied first, where they are voxels of the store.

    A write moves pieces. A piece that is written could change voxels that are read later, for another place.

    Parameters
    ----------
    store : VoxelStore
        What is written.
    values : array-like
        Anything with a shape, a dtype and slices, also a volume.
    """
    is_array = isinstance(values, np.ndarray)
    source = None if is_array else getattr(values, "store", None)
    first, second = memory_of(store), values if is_array else memory_of(source)
    shares = first is not None and second is not None and np.may_share_memory(first, second)
    address = getattr(source, "address", None) or address_of(values)
    is_same = _name_of(source, str(address or "")) in {_name_of(store, store.address)} - {""}
    if not shares and not is_same:
        return values
    return values.copy(order="K") if is_array else np.asarray(values[...])


def _name_of(store: Any, address: str) -> str:
    """Return what names the stored voxels, whatever is seen of them and however their server is written."""
    voxels: str = getattr(getattr(store, "traits", None), "voxels", "")
    return voxels or stored_at(address)
