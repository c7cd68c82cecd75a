from __future__ import annotations

from collections.abc import Iterator

import mikro_servers
import pytest
from mikro_servers import Server

from mockserver import MikroServer
from pyvolume import Connection, RetryPolicy
from pyvolume.mikro import Mikro


@pytest.fixture(scope="session", params=["mock", "real"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Give everything that speaks the protocol of Mikro."""
    if request.param == "real":
        if not (mikro_servers.URL and mikro_servers.STORE):
            pytest.skip("PYVOLUME_MIKRO_URL, PYVOLUME_MIKRO_STORE and PYVOLUME_MIKRO_TOKEN name no Mikro")
        yield Server(mikro_servers.URL, mikro_servers.STORE)
        return
    with MikroServer() as mock:
        yield Server(mock.url, mock.store_url, "test")


@pytest.fixture(scope="session")
def mikro(server: Server) -> Iterator[Mikro]:
    with server.open() as opened:
        yield opened


@pytest.fixture
def mock() -> Iterator[MikroServer]:
    """Give a mock of its own, whose requests are counted."""
    with MikroServer() as running:
        yield running


@pytest.fixture
def own(mock: MikroServer) -> Iterator[Mikro]:
    """Give the mock of its own for users."""
    with Mikro(mock.url, token="test", store=mock.store_url) as opened:
        yield opened


@pytest.fixture
def hasty(mock: MikroServer) -> Iterator[Mikro]:
    """Give the mock without patience."""
    with Connection(mock.url, auth="test", retry=RetryPolicy(patience=0)) as connection:
        yield Mikro(connection, store=mock.store_url)
