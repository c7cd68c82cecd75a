"""Docstrings: what each of them keeps to; a test looks through all modules and names the places."""

from __future__ import annotations

import ast
import doctest
import functools
import inspect
import itertools
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = sorted([*(ROOT / "pyvolume").rglob("*.py"), *(ROOT / "mockserver").rglob("*.py")])
SECTIONS = {"Parameters", "Other Parameters", "Attributes"}
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def is_property(node: Documented) -> bool:
    return isinstance(node, ast.FunctionDef) and any("property" in ast.unparse(each) for each in node.decorator_list)


@functools.cache
def documented() -> list[tuple[str, str, bool]]:
    """Return where each thing is that can have a docstring, its docstring, and whether it is a property.

    The trees are not kept: they have as many objects as all tests.
    """
    return [
        (
            f"{module.relative_to(ROOT)}: {getattr(node, 'name', 'module')}",
            ast.get_docstring(node) or "",
            is_property(node),
        )
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text("utf-8")))
        if isinstance(node, Documented)
    ]


def docstrings() -> Iterator[tuple[str, str]]:
    """Yield where each documented thing is, and its docstring."""
    for place, text, _ in documented():
        if text:
            yield place, text


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


def test_each_entry_has_a_description() -> None:
    found = {place: entries_without_a_description(text) for place, text in docstrings()}
    assert {place: entries for place, entries in found.items() if entries} == {}


WIDTH = 81
"""The characters of an example that the reference shows without a scroll bar, at a width of 1280 pixels."""


def lines_of(example: doctest.Example) -> list[str]:
    """Return what the reference shows of an example."""
    return [*textwrap.indent(example.source, ">>> ").splitlines(), *example.want.splitlines()]


def test_examples_fit_the_page() -> None:
    parser = doctest.DocTestParser()
    examples = [(place, each) for place, text in docstrings() for each in parser.get_examples(text)]
    assert len(examples) > 100
    assert [(place, line) for place, each in examples for line in lines_of(each) if len(line) > WIDTH] == []


def properties() -> Iterator[tuple[str, str]]:
    """Yield where each property is, and the first line of its docstring."""
    for place, text, is_one in documented():
        if is_one:
            yield place, text.partition("\n")[0]


def test_the_first_line_of_a_property_has_no_colon() -> None:
    """napoleon takes what stands before a colon for the type of the property."""
    assert [place for place, line in properties() if ":" in re.sub("``.*?``", "", line)] == []


BLOCK_WIDTH = 100
"""The characters of a literal block that a page of the reference without a list of contents shows."""


def test_literal_blocks_fit_the_page() -> None:
    blocks = [
        (place, block)
        for place, text in docstrings()
        for block in re.findall(r"::\n\n((?:(?: {4,}.*)?\n)+)", inspect.cleandoc(text))
    ]
    assert [
        (place, line)
        for place, block in blocks
        for line in block.splitlines()
        if len(line.removeprefix("    ")) > BLOCK_WIDTH
    ] == []
