"""Exports: `__all__`, the namespace, and the page of the API say the same."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import mockserver
import pyvolume
import pyvolume.aio
import pyvolume.dvid
import pyvolume.dvid.general
import pyvolume.dvid.keyvalue
import pyvolume.dvid.labels
import pyvolume.dvid.repo
import pyvolume.dvid.roi
import pyvolume.dvid.server
import pyvolume.dvid.version
import pyvolume.dvid.versions.graph
import pyvolume.dvid.voxels
import pyvolume.icechunk
import pyvolume.local
import pyvolume.mikro
import pyvolume.segmentation
import pyvolume.testing
import pyvolume.transport.auth
import pyvolume.zarr

ROOT = Path(__file__).parents[2]
API_PAGES = sorted((ROOT / "docs" / "reference").glob("*.rst"))
MODULES: list[ModuleType] = [
    pyvolume,
    pyvolume.aio,
    pyvolume.dvid,
    pyvolume.icechunk,
    pyvolume.mikro,
    pyvolume.zarr,
    pyvolume.dvid.voxels,
    pyvolume.dvid.general,
    pyvolume.dvid.server,
    pyvolume.dvid.repo,
    pyvolume.dvid.version,
    pyvolume.dvid.versions.graph,
    pyvolume.dvid.roi,
    pyvolume.dvid.keyvalue,
    pyvolume.dvid.labels,
    pyvolume.hpc,
    pyvolume.local,
    pyvolume.n5,
    pyvolume.segmentation,
    pyvolume.transport.auth,
]
named = pytest.mark.parametrize("module", [*MODULES, mockserver], ids=lambda module: module.__name__)


def exported(module: ModuleType) -> list[str]:
    names: list[str] = module.__all__
    return names


def of_ours(value: object) -> bool:
    """Whether something is a class or a function of this project; annotations of other packages are not."""
    return str(getattr(value, "__module__", "")).partition(".")[0] in {"pyvolume", "mockserver"}


@named
def test_every_exported_name_is_there(module: ModuleType) -> None:
    assert [name for name in exported(module) if not hasattr(module, name)] == []


@named
def test_exported_names_are_sorted_and_listed_once(module: ModuleType) -> None:
    assert exported(module) == sorted(set(exported(module)))


@pytest.mark.parametrize("module", [pyvolume, pyvolume.dvid, mockserver], ids=lambda module: module.__name__)
def test_a_package_shows_what_it_exports_and_nothing_else(module: ModuleType) -> None:
    for name in exported(module):
        getattr(module, name)  # a package may import its names late
    public = {name for name, value in vars(module).items() if not name.startswith("_") and of_ours(value)}
    assert public == {name for name in exported(module) if not isinstance(getattr(module, name), ModuleType)}


def is_home_of(module: ModuleType, value: object) -> bool:
    """Whether a module, or the folder that it stands for, defines something and exports it."""
    home = getattr(value, "__module__", None) or ""
    is_folder = hasattr(module, "__path__")
    return home == module.__name__ or (is_folder and getattr(value, "__name__", "") in module.__all__)


@pytest.mark.parametrize("module", MODULES[6:], ids=lambda module: module.__name__)
def test_a_module_exports_whatever_it_defines(module: ModuleType) -> None:
    defined = {name for name, value in vars(module).items() if not name.startswith("_") and is_home_of(module, value)}
    others = set(exported(module)) - defined
    assert defined <= set(exported(module))
    assert others <= {*pyvolume.__all__, *pyvolume.dvid.__all__}


@pytest.mark.parametrize("module", [pyvolume, pyvolume.dvid], ids=lambda module: module.__name__)
def test_dir_lists_the_exported_names(module: ModuleType) -> None:
    assert dir(module) == sorted(module.__all__)


def test_a_name_that_is_not_exported_is_an_attribute_error() -> None:
    name = "VoxelsAcessor"
    with pytest.raises(AttributeError, match="module 'pyvolume' has no attribute 'VoxelsAcessor'"):
        getattr(pyvolume, name)


def type_checked_imports() -> list[tuple[str, str]]:
    """Return module and name of what a type checker sees in the package."""
    tree = ast.parse((ROOT / "pyvolume" / "__init__.py").read_text("utf-8"))
    blocks = [node for node in tree.body if isinstance(node, ast.If)]
    return [
        (str(node.module), alias.name)
        for block in blocks
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]


def test_type_checkers_see_every_exported_name() -> None:
    assert sorted(name for _, name in type_checked_imports()) == sorted(pyvolume.__all__)


@pytest.mark.parametrize(("module", "name"), type_checked_imports())
def test_type_checkers_see_what_is_there_at_run_time(module: str, name: str) -> None:
    home: Any = importlib.import_module(module)
    expected = getattr(home, name) if hasattr(home, name) else importlib.import_module(f"{module}.{name}")
    assert getattr(pyvolume, name) is expected


def resolved(name: str) -> object:
    """Find what a dotted name of the documentation stands for."""
    parts = name.split(".")
    for split in range(len(parts), 0, -1):
        try:
            value: object = importlib.import_module(".".join(parts[:split]))
        except ModuleNotFoundError:
            continue
        for part in parts[split:]:
            value = getattr(value, part)
        return value
    raise AssertionError(f"the reference: there is no {name}")


def members(module: ModuleType, listed: str) -> list[object]:
    """Return what `:members:` describes: those listed, or all that the module exports or defines."""
    if listed:
        return [getattr(module, name) for name in re.split(r",\s*", listed)]
    own = [name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
    return [getattr(module, name) for name in getattr(module, "__all__", own)]


def documented() -> list[object]:
    """Return what the page of the API describes: objects, modules, and the members of these."""
    found: list[object] = []
    for line in (line for page in API_PAGES for line in page.read_text("utf-8").splitlines()):
        directive = re.match(r"\.\. auto\w+:: (\S+)", line)
        option = re.match(r"\s+:members:\s*(.*)", line)
        if directive is not None:
            found.append(resolved(directive[1]))
        elif option is not None and isinstance(found[-1], ModuleType):
            found += members(found[-1], option[1])
    return found


@pytest.mark.parametrize(
    ("module", "name"),
    [(module, name) for module in MODULES for name in exported(module)],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_the_page_of_the_api_describes_every_exported_name(module: ModuleType, name: str) -> None:
    assert any(getattr(module, name) is described for described in documented())


def test_the_page_of_the_api_lists_every_public_member_of_a_volume() -> None:
    page = (ROOT / "docs" / "reference" / "api.rst").read_text("utf-8")
    section = page.partition("autoclass:: pyvolume.Volume\n")[2].partition("\n\n")[0]
    public = {name for name in vars(pyvolume.Volume) if not name.startswith("_")}
    assert public - set(re.findall(r"\w+", section)) == set()


def test_the_page_of_the_plugin_describes_every_fixture_and_what_it_holds() -> None:
    page = (ROOT / "docs" / "reference" / "testing.rst").read_text("utf-8")
    tree = ast.parse(inspect.getsource(pyvolume.testing))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    fixtures = {each.name for each in functions if "pytest.fixture" in map(ast.unparse, each.decorator_list)}
    assert fixtures == set(re.findall(r"^``(\w+)``$", page, re.MULTILINE))
    constants = [value for name, value in vars(pyvolume.testing).items() if re.fullmatch(r"\w+_(NAME|SHAPE)", name)]
    assert [value for value in constants if str(value) not in page] == []


def test_the_page_of_the_api_describes_nothing_of_the_package_that_is_not_exported() -> None:
    public = [getattr(module, name) for module in MODULES for name in exported(module)]
    described = [value for value in documented() if of_ours(value) and not isinstance(value, ModuleType)]
    # the tree of errors as a whole, the seam for drivers, the tools for tests
    elsewhere = ("pyvolume.errors", "pyvolume.model.scales", "pyvolume.stores", "pyvolume.testing", "mockserver")
    hidden = [value for value in described if not str(getattr(value, "__module__", "")).startswith(elsewhere)]
    assert [value for value in hidden if not any(value is each for each in public)] == []
