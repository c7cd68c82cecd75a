"""Docstrings: each entry of a numpydoc section has a description."""

from __future__ import annotations

import ast
import doctest
import inspect
import itertools
import re
import textwrap
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


WIDTH = 81
"""The characters of an example that the reference shows without a scroll bar, at a width of 1280 pixels."""


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT)))
def test_examples_fit_the_page(module: Path) -> None:
    examples = [each for _, text in docstrings(module) for each in doctest.DocTestParser().get_examples(text)]
    lines = [
        line
        for each in examples
        for line in (*textwrap.indent(each.source, ">>> ").splitlines(), *each.want.splitlines())
    ]
    assert [line for line in lines if len(line) > WIDTH] == []


def properties(module: Path) -> Iterator[tuple[str, str]]:
    """Yield the name of each property of a module, and the first line of its docstring."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef) and any("property" in ast.unparse(each) for each in node.decorator_list):
            yield node.name, (ast.get_docstring(node) or "").partition("\n")[0]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT)))
def test_the_first_line_of_a_property_has_no_colon(module: Path) -> None:
    """napoleon takes what stands before a colon for the type of the property."""
    assert [name for name, line in properties(module) if ":" in re.sub("``.*?``", "", line)] == []


BLOCK_WIDTH = 100
"""The characters of a literal block that a page of the reference without a list of contents shows."""


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT)))
def test_literal_blocks_fit_the_page(module: Path) -> None:
    blocks = [
        block
        for _, text in docstrings(module)
        for block in re.findall(r"::\n\n((?:(?: {4,}.*)?\n)+)", inspect.cleandoc(text))
    ]
    assert [
        line for block in blocks for line in block.splitlines() if len(line.removeprefix("    ")) > BLOCK_WIDTH
    ] == []
