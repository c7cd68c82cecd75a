"""Docstrings: each entry of a numpydoc section has a description."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted([*(ROOT / "pyvolume").rglob("*.py"), *(ROOT / "mockserver").rglob("*.py")])
SECTIONS = {"Parameters", "Other Parameters", "Attributes"}
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def docstrings(module: Path) -> Iterator[tuple[str, str]]:
    """Yield the name of each documented thing of a module, and its docstring."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, Documented) and (text := ast.get_docstring(node)):
            yield getattr(node, "name", module.stem), text


def entries_without_a_description(docstring: str) -> list[str]:
    """Return the entries of all sections that list names and say nothing about them."""
    lines = [*docstring.splitlines(), ""]
    missing, section = [], ""
    for line, below in itertools.pairwise(lines):
        if below and set(below) == {"-"}:
            section = line
        elif re.fullmatch(r"-+", line) or section not in SECTIONS:
            continue
        elif line and not line.startswith(" ") and not below.startswith(" "):
            missing.append(line)
    return missing


def test_an_entry_without_a_description_is_found() -> None:
    text = "Do it.\n\nParameters\n----------\na : int\n    The first.\nb : int\n\nRaises\n------\nValueError"
    assert entries_without_a_description(text) == ["b : int"]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT)))
def test_each_entry_has_a_description(module: Path) -> None:
    found = {name: entries_without_a_description(text) for name, text in docstrings(module)}
    assert {name: entries for name, entries in found.items() if entries} == {}
