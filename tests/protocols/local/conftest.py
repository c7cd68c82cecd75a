"""Folder databases to try things on."""

from __future__ import annotations

from pathlib import Path

import fsdb_by_hand
import pytest

from pyvolume.local import LocalStore


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """Give an empty database, which does not wait."""
    return LocalStore(tmp_path / "db", "w-", patience=0, fsync=False)


@pytest.fixture(params=["2021", "2026"])
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Give the folder of a scan that other programs have made."""
    write = fsdb_by_hand.write_2021 if request.param == "2021" else fsdb_by_hand.write_2026
    return write(tmp_path / "golden")
