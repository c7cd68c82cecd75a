"""``.toml``: tables of values."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import tomli_w


def read_value(path: Path) -> dict[str, Any]:
    """Return the tables of a file."""
    with path.open("rb") as file:
        return tomllib.load(file)


def write_value(path: Path, value: dict[str, Any]) -> None:
    """Write tables."""
    with path.open("wb") as file:
        tomli_w.dump(value, file)
