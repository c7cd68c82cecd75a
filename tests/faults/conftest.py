"""A mock server with one volume, and connections with little patience."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from conformance_stores import ramp
from numpy.typing import NDArray

import pyvolume
from mockserver import MockServer

SHAPE = (1, 64, 96, 64)


@pytest.fixture
def array() -> NDArray[Any]:
    return ramp(SHAPE, "uint16")


@pytest.fixture
def server(array: NDArray[Any]) -> Iterator[MockServer]:
    with MockServer({"gray": array}) as server:
        yield server


@pytest.fixture
def connection(server: MockServer) -> Iterator[pyvolume.Connection]:
    policy = pyvolume.RetryPolicy(timeout=0.4, interval=0.005, max_interval=0.01)
    with pyvolume.Connection(server.url, retry=policy, timeout=(5, 0.2)) as connection:
        yield connection


@pytest.fixture(params=[1, 6], ids=["one piece", "many pieces"])
def volume(
    request: pytest.FixtureRequest, server: MockServer, connection: pyvolume.Connection, array: NDArray[Any]
) -> pyvolume.VoxelsAccessor:
    """Give the volume, moved in one piece or in several."""
    volume = pyvolume.VoxelsAccessor(connection, server.uuid, "gray")
    store: Any = volume.store
    most = array.nbytes // request.param
    store.traits = dataclasses.replace(store.traits, max_read_bytes=most, max_write_bytes=most)
    return volume


@pytest.fixture
def values() -> NDArray[Any]:
    return np.asarray(ramp(SHAPE, "uint16", seed=1))
