"""One to five axes behind the channel: nothing in the core knows that a volume has three."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from conformance_stores import ramp
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from keys import is_decided, keys, not_growing

import pyvolume
from mockserver import MockServer

SHAPES = {1: (2, 40), 2: (1, 12, 9), 3: (3, 8, 9, 7), 4: (1, 5, 7, 6, 4), 5: (2, 3, 4, 5, 3, 4)}

memory_settings = settings(max_examples=150, database=None, suppress_health_check=list(HealthCheck))
http_settings = settings(memory_settings, max_examples=30)


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with MockServer({f"axes{n}": ramp(shape, "int16") for n, shape in SHAPES.items()}, dims="cxy") as server:
        yield server


@pytest.fixture(scope="module")
def connection(server: MockServer) -> Iterator[pyvolume.Connection]:
    with pyvolume.Connection(server.url) as connection:
        yield connection


@pytest.mark.parametrize("axes", SHAPES)
def test_a_fixed_array_is_read_as_numpy_reads_it(axes: int) -> None:
    array = ramp(SHAPES[axes], "int16")
    volume = pyvolume.from_array(array, "cxyztu"[: array.ndim])

    @memory_settings
    @given(keys(array.shape))
    def check(key: Any) -> None:
        same(volume[key], array[key])

    check()


@pytest.mark.parametrize("axes", SHAPES)
def test_a_fixed_array_is_written_as_numpy_writes_it(axes: int) -> None:
    array = ramp(SHAPES[axes], "int16")
    blocks = (4, 2, 3, 5, 1)[:axes]

    @memory_settings
    @given(keys(array.shape), st.integers(0, 2))
    def check(key: Any, dropped: int) -> None:
        key = not_growing(key, array.shape)
        expected, actual = array.copy(order="F"), array.copy(order="F")
        values = ramp(expected[key].shape[dropped:], "int16", seed=1)
        assume(expected[key].size or values.size < 2)
        assume(is_decided(key, array.shape, values))
        expected[key] = values
        pyvolume.from_array(actual, "cxyztu"[: array.ndim], block_shape=blocks)[key] = values
        same(actual, expected)

    check()


@pytest.mark.parametrize("axes", SHAPES)
def test_a_served_array_is_read_as_numpy_reads_it(server: MockServer, connection: Any, axes: int) -> None:
    array = ramp(SHAPES[axes], "int16")
    volume = pyvolume.dvid.VoxelsAccessor(connection, server.uuid, f"axes{axes}")

    @http_settings
    @given(keys(array.shape))
    def check(key: Any) -> None:
        same(volume[key], array[key])

    check()


@pytest.mark.parametrize("axes", SHAPES)
def test_a_served_array_is_written(server: MockServer, connection: Any, axes: int) -> None:
    expected = server.voxels(f"axes{axes}")
    key = (slice(None), *(slice(1, None, 2) for _ in range(axes)))
    pyvolume.dvid.VoxelsAccessor(connection, server.uuid, f"axes{axes}")[key] = 1234
    expected[key] = 1234
    window = tuple(slice(0, n) for n in expected.shape)
    same(server.voxels(f"axes{axes}")[window], expected)


@pytest.mark.parametrize(("axes", "keys"), [(1, "cx"), (2, "cxy"), (3, "cxyz"), (4, "cxyzt"), (5, "cxyztu")])
def test_axes_are_named_by_the_servers_documents(server: MockServer, connection: Any, axes: int, keys: str) -> None:
    assert pyvolume.dvid.VoxelsAccessor(connection, server.uuid, f"axes{axes}").axiskeys == keys
