from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
import real_dvid

from mockserver import MockServer

Start = Callable[[], AbstractContextManager[real_dvid.RealDvid]]


@pytest.fixture(scope="session", params=["mock", *real_dvid.if_own()])
def start_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Start:
    """Start an empty server of its own."""
    if request.param == "mock":
        return _start_mock
    return lambda: real_dvid.running(tmp_path_factory.mktemp("dvid"))


@contextmanager
def _start_mock() -> Iterator[real_dvid.RealDvid]:
    with MockServer(admin_token=real_dvid.ADMIN_TOKEN) as server:
        yield real_dvid.RealDvid(server.url, real_dvid.ADMIN_TOKEN)
