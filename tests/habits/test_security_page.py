"""The security page: each promise says where it ends, and names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/explanation/security.rst").read_text("utf-8")
ROWS = [row for row in re.split(r"^   \* - ", PAGE, flags=re.MULTILINE)[1:] if not row.startswith("Promise\n")]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[:40].replace("\n", " "))
def test_a_promise_has_an_end_and_tests(row: str) -> None:
    _, end, tests = re.split(r"^     - ", row.split("\n\n")[0], flags=re.MULTILINE)
    named = re.findall(r"``(tests/[^`]+)``", tests)
    assert end.strip()
    assert named
    assert [name for name in named if not (ROOT / name).is_file()] == []
