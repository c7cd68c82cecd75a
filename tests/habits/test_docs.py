"""Every block of code in the README and the documentation runs, or says why it does not.

Python blocks of a page share one namespace and run in order. So do the commands of ``console`` blocks, in one folder
and against one mock server, see `shell_session`; what they print stands below each. A comment before a block says more:

- `output`: what the Python block before it prints, compared with ``...`` as a wildcard and any white space alike;
- `run by pytest`: tests, which pytest runs in a process of its own;
- `not run: <reason>`: the block is not executed.
"""

from __future__ import annotations

import contextlib
import doctest
import gc
import importlib
import importlib.metadata
import importlib.util
import io
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shell_session
from PIL import Image, ImageChops

import pyvolume

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.rst"))]

CODE_DIRECTIVES = {"code-block"}
OTHER_DIRECTIVES = {
    "autoclass",
    "autofunction",
    "automethod",
    "automodule",
    "autosummary",
    "currentmodule",
    "figure",
    "glossary",
    "grid",
    "grid-item-card",
    "image",
    "include",
    "list-table",
    "note",
    "rubric",
    "toctree",
    "warning",
}

DIRECTIVE = re.compile(r"(?P<indent> *)\.\. (?P<name>[\w:-]+)::(?: +(?P<argument>.*))?$")
WANTED = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

MYPY = """
[mypy]
allow_redefinition = True
check_untyped_defs = True
disable_error_code = var-annotated
ignore_missing_imports = True

[mypy-nibabel.*]
follow_imports = skip
"""
"""Pages assign an empty list without its type; the types of nibabel know too little of what it returns."""


def name_of(page: Path) -> str:
    """Return the path of a page, as the tests show it."""
    return page.relative_to(ROOT).as_posix()


@dataclass(frozen=True)
class Block:
    """A block of code; `line` is that of its first line of code, `comment` what stands before it."""

    page: Path
    line: int
    language: str
    comment: str
    code: str

    @property
    def place(self) -> str:
        return f"{name_of(self.page)}:{self.line}"

    @property
    def is_explained(self) -> bool:
        return re.fullmatch(r"not run: \S.{7,}", self.comment) is not None

    @property
    def is_run(self) -> bool:
        return self.language in {"python", "console"} and not self.comment


def blocks_of(page: Path) -> list[Block]:
    lines = page.read_text("utf-8").splitlines()
    return list(_fenced(page, lines) if page.suffix == ".md" else _indented(page, lines))


def _fenced(page: Path, lines: list[str]) -> Iterator[Block]:
    fences = [i for i, line in enumerate(lines) if line.lstrip().startswith(("```", "~~~"))]
    for first, last in zip(fences[::2], fences[1::2], strict=True):
        comment = _comment_before(lines, first, r"<!-- (.*) -->")
        yield Block(page, first + 2, lines[first].strip("`~ "), comment, "\n".join(lines[first + 1 : last]))


def _indented(page: Path, lines: list[str]) -> Iterator[Block]:
    end = 0
    for i, line in enumerate(lines):
        found = DIRECTIVE.match(line)
        if i >= end and found and found["name"] in CODE_DIRECTIVES:
            first, code = _body(lines, i, len(found["indent"]))
            end = first + code.count("\n") + 1
            yield Block(page, first + 1, found["argument"] or "", _comment_before(lines, i, r" *\.\. (.*)"), code)


def _body(lines: list[str], directive: int, indent: int) -> tuple[int, str]:
    first = next(i for i in range(directive + 1, len(lines)) if not lines[i].strip()) + 1
    last = first
    while last < len(lines) and (not lines[last].strip() or lines[last].startswith(" " * (indent + 1))):
        last += 1
    return first, textwrap.dedent("\n".join(lines[first:last])).rstrip()


def _comment_before(lines: list[str], index: int, pattern: str) -> str:
    above = next((line for line in reversed(lines[:index]) if line.strip()), "")
    found = re.fullmatch(pattern, above)
    return found[1] if found else ""


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def test_there_are_pages_with_blocks() -> None:
    folders = {"tutorial", "howto", "development"}
    assert folders <= {block.page.parent.name for block in BLOCKS}
    assert any(block.page.name == "README.md" for block in BLOCKS)


def test_each_block_runs_or_says_why_not() -> None:
    special = {("text", "output"), ("python", "run by pytest")}
    plain = [each for each in BLOCKS if not (each.is_run or each.is_explained)]
    assert [each.place for each in plain if (each.language, each.comment) not in special] == []
    assert [each.place for each in BLOCKS if not each.code] == []


WIDTH = 88
"""The characters of code that a page shows without a scroll bar, at a width of 1280 pixels."""


def test_code_fits_the_page() -> None:
    code = [block for block in BLOCKS if block.page != PAGES[0] and block.language != "text" and is_ours(block)]
    wide = [f"{block.place}: {line}" for block in code for line in block.code.splitlines() if len(line) > WIDTH]
    assert wide == []


def is_ours(block: Block) -> bool:
    """Whether a block is not quoted from pydvid, which is shown line by line beside its successor."""
    return block.page.name != "from-pydvid.rst"


@pytest.fixture(autouse=True)
def _no_rate_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a box would be cut into more pieces than the pages show."""
    monkeypatch.setattr("pyvolume.calls.pace.NOTED_BYTES", 1 << 40)


@pytest.mark.parametrize("page", PAGES[1:], ids=name_of)
def test_no_code_escapes_as_something_else(page: Path) -> None:
    covered = {i for block in blocks_of(page) for i in range(block.line, block.line + block.code.count("\n") + 1)}
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        if number in covered:
            continue
        directive = DIRECTIVE.match(line)
        assert directive is None or directive["name"] in CODE_DIRECTIVES | OTHER_DIRECTIVES, f"{name_of(page)}:{number}"
        assert directive or not line.rstrip().endswith("::"), (
            f"{name_of(page)}:{number}: name the language of the block"
        )
        assert not line.lstrip().startswith(">>>"), f"{name_of(page)}:{number}: put it into a block"


UNCLEAR = re.compile(
    r"\b(such\s+an?|(that|those)\s+of|whatever|wherever|nor|so\s+is|moves?\s+on|stands?\s+still|elsewhere)\b",
    re.IGNORECASE,
)
"""Inversions, metaphors and references, which a reader whose third language is English must read twice."""


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_prose_is_plain(page: Path) -> None:
    code = {i for block in blocks_of(page) for i in range(block.line, block.line + block.code.count("\n") + 1)}
    lines = page.read_text("utf-8").splitlines()
    prose = "\n".join("" if number in code else line for number, line in enumerate(lines, 1))
    found = [f"{prose[: each.start()].count(chr(10)) + 1}: {each[0]}" for each in UNCLEAR.finditer(prose)]
    assert found == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    terminal = contextlib.ExitStack()
    if any(block.is_run and block.language == "console" for block in blocks_of(page)):
        pytest.importorskip("rich", reason="the command comes with the extra 'cli'")
        shell = terminal.enter_context(shell_session.session(tmp_path))
    namespace: dict[str, Any] = {"__name__": f"page_{page.stem}"}
    printed, where = "", ""
    for block in blocks_of(page):
        if block.comment == "output":
            assert doctest.OutputChecker().check_output(block.code + "\n", printed, WANTED), (
                f"{block.place}: the page shows\n{block.code}\nbut {where} prints\n{printed}"
            )
            printed = ""
        elif block.is_run and block.language == "console":
            for command, expected in shell_session.commands_of(block.code):
                found = shell.run(command, expected)
                assert doctest.OutputChecker().check_output(f"{expected}\n", found or "\n", WANTED), (
                    f"{block.place}: $ {command}\nshows\n{expected}\nbut prints\n{found}"
                )
        elif block.is_run:
            assert not printed, f"{where} prints what the page does not show:\n{printed}"
            printed, where = run(block, namespace), block.place
    assert not printed, f"{where} prints what the page does not show:\n{printed}"
    check_pictures(page, tmp_path)
    terminal.close()
    namespace.clear()
    gc.collect()  # what a page leaves open is found here, and not in another test


ROUNDING = 1
"""Two processors can round a mean in another way."""


def check_pictures(page: Path, folder: Path) -> None:
    """Compare the figures of a page with the pictures that its code has drawn."""
    figures = re.findall(r"figure:: /_static/(\S+)", page.read_text("utf-8"))
    for name in (each for each in figures if (folder / each).exists()):
        with Image.open(folder / name) as drawn, Image.open(ROOT / "docs" / "_static" / name) as shown:
            assert drawn.size == shown.size
            difference = ImageChops.difference(drawn.convert("L"), shown.convert("L"))
        assert np.asarray(difference).max() <= ROUNDING, f"{name_of(page)} draws another picture than {name}"


def test_what_the_pages_show_passes_mypy(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy comes with the extra 'lint'")
    (tmp_path / "mypy.ini").write_text(MYPY, "utf-8")
    for page in PAGES:
        lines: list[str] = []
        for block in blocks_of(page):
            if block.is_run and block.language == "python":
                lines += [""] * (block.line - 1 - len(lines)) + block.code.splitlines()
        name = re.sub(r"\W", "_", name_of(page))
        (tmp_path / f"{name}.py").write_text("\n".join(lines) + "\n", "utf-8")
    cache = ROOT / ".mypy_cache" / "pages"
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", tmp_path / "mypy.ini", "--cache-dir", cache, tmp_path],
        cwd=ROOT,
        env=os.environ | {"MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def run(block: Block, namespace: dict[str, Any]) -> str:
    code = compile("\n" * (block.line - 1) + block.code, str(block.page), "exec")
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(code, namespace)
    return output.getvalue()


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if block.comment == "run by pytest"], ids=lambda block: block.place
)
def test_block_of_tests_passes(block: Block, tmp_path: Path) -> None:
    (tmp_path / "test_page.py").write_text(block.code, "utf-8")
    is_installed = any(each.value == "pyvolume.testing" for each in importlib.metadata.entry_points(group="pytest11"))
    plugin = [] if is_installed else ["-p", "pyvolume.testing"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), *plugin]
    result = subprocess.run([*command, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for package in ("pyvolume", "mockserver")
    for path in sorted((ROOT / package).rglob("*.py"))
    if ">>> " in path.read_text("utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.attempted > 0
    assert result.failed == 0


def test_tree_of_the_architecture_page_is_that_of_the_package() -> None:
    tree = next(block.code for block in BLOCKS if block.page.name == "architecture.rst" and "pyvolume/" in block.code)
    folders = sorted(path.parent.relative_to(ROOT).parts for path in (ROOT / "pyvolume").rglob("__init__.py"))
    named: list[tuple[str, ...]] = []
    for indent, name in re.findall(r"^( *)(\w+)/", tree, re.MULTILINE):
        above = named[-1][: len(indent) // 2] if named else ()
        named.append((*above, name))
    assert sorted(named) == folders


def test_table_of_the_architecture_page_names_every_folder_of_tests() -> None:
    page = (ROOT / "docs" / "development" / "architecture.rst").read_text("utf-8")
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert set(re.findall(r"\* - ``tests/(\w+)``", page)) == folders


def test_reference_names_everything_public() -> None:
    page = "".join(page.read_text("utf-8") for page in PAGES if page.parent.name == "reference")
    for name in pyvolume.__all__:
        public = getattr(pyvolume, name)
        expected = public.__name__ if name == "errors" else f"pyvolume.{name}"
        assert re.search(rf":: {re.escape(expected)}$", page, re.MULTILINE), f"the reference does not name {name}"


ROW = re.compile(r"^   \* - (?P<task>.*)\n     - ``(?P<code>.*)``\n     - (?P<cost>.*)$", re.MULTILINE)


def test_rows_of_the_cheat_sheet_run_and_cost_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("PIL", "distributed", "nibabel", "tqdm"):
        pytest.importorskip(library)
    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs" / "reference" / "cheat-sheet.rst"
    first, *_, last = blocks_of(page)
    namespace: dict[str, Any] = {}
    run(first, namespace)
    mock = namespace["mock"]
    try:
        for row in ROW.finditer(page.read_text("utf-8").partition("In tests and in a shell")[0]):
            already = len(mock.requests)
            exec(row["code"], namespace)
            said = re.match(r"(\d+|no) requests?\b", row["cost"])
            assert said is None or len(mock.requests) - already == int(said[1].replace("no", "0")), row["code"]
    finally:
        run(last, namespace)  # it closes the client of dask, which other tests would use


BUILDERS = ("myst_parser", "sphinx", "pydata_sphinx_theme", "sphinx_design", "sphinx_copybutton")


def test_sphinx_builds_without_a_warning(tmp_path: Path) -> None:
    missing = [name for name in BUILDERS if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed; the extra 'docs' brings it")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", str(tmp_path / "trees")]
    result = subprocess.run(
        [*command, str(ROOT / "docs"), str(tmp_path / "html")], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
