"""One suite over every store: what numpy does with an array, a volume does with its voxels."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import real_dvid
from conformance_stores import Backend, DvidBackend, MemoryBackend


@pytest.fixture(scope="session")
def mock_backend() -> Iterator[DvidBackend]:
    from mockserver import MockServer

    with MockServer(admin_token="secret") as server:
        backend = DvidBackend(server.url, "secret")
        yield backend
        backend.connection.close()


@pytest.fixture(scope="session")
def real_backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DvidBackend]:
    reason = real_dvid.why_missing()
    if reason:
        pytest.skip(reason)
    with real_dvid.running(tmp_path_factory.mktemp("dvid")) as server:
        backend = DvidBackend(server.url, server.admin_token)
        yield backend
        backend.connection.close()


@pytest.fixture(scope="session", params=["mock", "dvid"])
def dvid(request: pytest.FixtureRequest) -> DvidBackend:
    """Everything that speaks DVID's protocol."""
    backend: DvidBackend = request.getfixturevalue("mock_backend" if request.param == "mock" else "real_backend")
    return backend


@pytest.fixture(scope="session", params=["memory", "mock", "dvid"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """Every store."""
    if request.param == "memory":
        return MemoryBackend()
    backend: Backend = request.getfixturevalue("mock_backend" if request.param == "mock" else "real_backend")
    return backend
