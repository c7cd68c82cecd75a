"""A mock server with one volume, and connections with little patience."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from conformance_stores import in_pieces, ramp
from numpy.typing import NDArray
from ways import WAYS, Way

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


@pytest.fixture(params=list(WAYS.values()), ids=list(WAYS))
def way(request: pytest.FixtureRequest) -> Way:
    chosen: Way = request.param
    return chosen


def connected(server: MockServer, concurrency: int) -> pyvolume.Connection:
    """Make a connection with little patience."""
    policy = pyvolume.RetryPolicy(patience=0.8, interval=0.005, max_interval=0.01)
    return pyvolume.Connection(server.url, retry=policy, timeout=(5, 0.4), concurrency=concurrency)


@pytest.fixture
def connection(server: MockServer) -> Iterator[pyvolume.Connection]:
    with connected(server, 4) as connection:
        yield connection


@pytest.fixture
def volume(server: MockServer, array: NDArray[Any], way: Way) -> Iterator[pyvolume.dvid.VoxelsAccessor]:
    """Give the volume, moved in one piece, or in several that follow each other or run at once."""
    planes = -(-SHAPE[-1] // way.pieces)
    with connected(server, way.concurrency) as connection:
        volume = pyvolume.dvid.VoxelsAccessor(connection, server.uuid, "gray")
        yield in_pieces(volume, array.nbytes // SHAPE[-1] * planes)


@pytest.fixture
def values() -> NDArray[Any]:
    return np.asarray(ramp(SHAPE, "uint16", seed=1))
