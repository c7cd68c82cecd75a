"""``.json``, ``.csv`` and ``.txt``: values that Python reads by itself."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyvolume.errors import UnsupportedError


def read_value(path: Path) -> Any:
    """Return the value of a JSON file, the rows of a table as mappings of texts, or a text."""
    suffix = path.suffix.lower()
    if suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file, strict=True))
    text = path.read_bytes().decode("utf-8")
    return json.loads(text) if suffix == ".json" else text


def write_value(path: Path, value: Any) -> None:
    """Write a value; NaN is no value of JSON."""
    suffix = path.suffix.lower()
    if suffix == ".csv":
        _write_rows(path, value)
    elif suffix == ".json":
        path.write_text(json.dumps(value, indent=4, allow_nan=False, default=_of_numpy), "utf-8")
    elif isinstance(value, str):
        path.write_text(value, "utf-8", newline="")
    else:
        raise TypeError("it is no text")


def _of_numpy(value: object) -> Any:
    if isinstance(value, np.generic | np.ndarray) and value.dtype.kind not in "mM":  # nanoseconds would be numbers
        return value.tolist()
    raise TypeError(f"JSON has no {type(value).__name__}")


def _write_rows(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    names = list(rows[0]) if rows else []
    wrong = next((row for row in rows if list(row) != names), None)
    if wrong is not None:
        raise UnsupportedError(f"write {path.name}: expected rows with the keys {names} and found {list(wrong)}")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
