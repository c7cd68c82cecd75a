from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
import real_dvid

from mockserver import MockServer

Start = Callable[[], AbstractContextManager[real_dvid.RealDvid]]


@pytest.fixture(scope="session", params=["mock", "dvid"])
def start_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Start:
    """Start an empty server of its own."""
    if request.param == "mock":
        return _start_mock
    if shutil.which("dvid") is None or os.environ.get("PYVOLUME_DVID_URL"):
        pytest.skip("a replay needs an empty server of its own: put `dvid` on PATH, and name no other server")
    return lambda: real_dvid.running(tmp_path_factory.mktemp("dvid"))


@contextmanager
def _start_mock() -> Iterator[real_dvid.RealDvid]:
    with MockServer(admin_token=real_dvid.ADMIN_TOKEN) as server:
        yield real_dvid.RealDvid(server.url, real_dvid.ADMIN_TOKEN)
