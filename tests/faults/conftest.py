"""A mock server with one volume, and connections with little or much patience."""

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


def connected(
    server: MockServer, concurrency: int, *, patience: float = 0.8, silence: float = 0.4
) -> pyvolume.Connection:
    policy = pyvolume.RetryPolicy(patience=patience, interval=0.005, max_interval=0.01)
    return pyvolume.Connection(server.url, retry=policy, timeout=(5, silence), concurrency=concurrency)


@pytest.fixture
def connection(server: MockServer) -> Iterator[pyvolume.Connection]:
    with connected(server, 4) as connection:
        yield connection


# A busy machine may not run a process of the tests for more than a second. So a test that shall recover has much
# patience, and only a test in which the server is silent has a short limit for silence.
PLENTY = 60.0


def volume_of(server: MockServer, connection: pyvolume.Connection, way: Way) -> pyvolume.dvid.VoxelsAccessor:
    """Return the volume, moved in one piece, or in several that follow each other or run at once."""
    volume = pyvolume.dvid.VoxelsAccessor(connection, server.uuid, "gray")
    planes = -(-SHAPE[-1] // way.pieces)
    found: pyvolume.dvid.VoxelsAccessor = in_pieces(volume, volume.nbytes // SHAPE[-1] * planes)
    return found


def is_silent(request: pytest.FixtureRequest) -> bool:
    """Whether the server of this test is silent for a while."""
    return request.node.callspec.params.get("kind") == "stall"  # type: ignore[no-any-return]


@pytest.fixture
def volume(request: pytest.FixtureRequest, server: MockServer, way: Way) -> Iterator[pyvolume.dvid.VoxelsAccessor]:
    """Give the volume to a test in which requests fail for good."""
    silence = 0.4 if is_silent(request) else PLENTY
    with connected(server, way.concurrency, patience=0.05, silence=silence) as connection:
        yield volume_of(server, connection, way)


@pytest.fixture
def patient_volume(
    request: pytest.FixtureRequest, server: MockServer, way: Way
) -> Iterator[pyvolume.dvid.VoxelsAccessor]:
    """Give the volume to a test in which requests succeed after some failures."""
    silence = 1.0 if is_silent(request) else PLENTY
    with connected(server, way.concurrency, patience=PLENTY, silence=silence) as connection:
        yield volume_of(server, connection, way)


@pytest.fixture
def values() -> NDArray[Any]:
    return np.asarray(ramp(SHAPE, "uint16", seed=1))
