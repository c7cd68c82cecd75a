"""Layers: the contracts in setup.cfg are kept, and no module is left out of them."""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = {"pyvolume": "layers", "mockserver": "mockserver", "mockserver.http": "mockserver-http"}
"""The contract that names the layers of each package."""


def modules_of(package: str) -> list[str]:
    """Return the dotted names of all modules of a package that hold code of their own."""
    paths = [
        path for path in ROOT.joinpath(*package.split(".")).rglob("*.py") if ast.parse(path.read_text("utf-8")).body[1:]
    ]
    names = (".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths)
    return sorted(name.removesuffix(".__init__") for name in names)


def configuration() -> configparser.ConfigParser:
    found = configparser.ConfigParser()
    found.read(ROOT / "setup.cfg", "utf-8")
    return found


def layers_of(package: str) -> list[str]:
    """Return the modules and folders that the contract of a package names."""
    text = configuration()[f"importlinter:contract:{CONTRACTS[package]}"]["layers"]
    return text.replace("|", " ").split()


def test_imports_for_annotations_count_too() -> None:
    assert not configuration()["importlinter"].getboolean("exclude_type_checking_imports")


def test_every_layer_imports_from_below_only() -> None:
    pytest.importorskip("importlinter", reason="import-linter comes with the extra 'lint'")
    # in a process of its own, because import-linter switches the loggers of this one off
    code = "import sys, importlinter.cli as cli; sys.exit(cli.lint_imports('setup.cfg', no_cache=True, no_logo=True))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("package", CONTRACTS)
def test_every_module_has_a_layer(package: str) -> None:
    layers, modules = layers_of(package), [module for module in modules_of(package) if module != package]
    assert [each for each in modules if not any(f"{each}.".startswith(f"{layer}.") for layer in layers)] == []


@pytest.mark.parametrize("package", CONTRACTS)
def test_every_layer_is_there(package: str) -> None:
    paths = [ROOT.joinpath(*layer.split(".")) for layer in layers_of(package)]
    assert [path for path in paths if not (path.is_dir() or path.with_suffix(".py").is_file())] == []


def imported_by(path: Path) -> set[str]:
    """Return the top-level packages that a module imports anywhere, in functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found


def test_the_mock_server_imports_nothing_of_pyvolume() -> None:
    modules = sorted((ROOT / "mockserver").glob("**/*.py"))
    assert [path for path in modules if "pyvolume" in imported_by(path)] == []
