from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from plain_client import PlainClient, talking_to

from mockserver import MockServer

SHAPE = (1, 64, 96, 40)


@pytest.fixture
def array() -> NDArray[Any]:
    return np.random.default_rng(1).integers(0, 2**16, SHAPE, dtype=np.uint16)


@pytest.fixture
def server(array: NDArray[Any]) -> Iterator[MockServer]:
    with MockServer({"gray": array}) as server:
        yield server


@pytest.fixture
def client(server: MockServer) -> Iterator[PlainClient]:
    with talking_to(server) as client:
        yield client
