"""A server with two volumes, and the command run against it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Run, run_command
from conformance_stores import ramp
from numpy.typing import NDArray

from mockserver import MockServer

SHAPE = (1, 64, 32, 32)


@pytest.fixture
def voxels() -> NDArray[Any]:
    return ramp(SHAPE, "uint16")


@pytest.fixture
def server(voxels: NDArray[Any]) -> Iterator[MockServer]:
    with MockServer({"gray": voxels, "other": np.zeros_like(voxels)}) as server:
        yield server


@pytest.fixture
def run(server: MockServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in an empty folder; PYVOLUME_URL names the server."""
    pytest.importorskip("click", reason="click comes with the extra 'cli'")
    pytest.importorskip("rich", reason="rich comes with the extra 'cli'")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYVOLUME_URL", server.url)
    for name in ("PYVOLUME_TOKEN", "DVID_ADMIN_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return run_command
