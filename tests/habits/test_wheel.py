"""The wheel: built from a copy of the checkout, without network, it holds what users need and nothing else."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOES_IN = ("pyvolume", "mockserver")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    pytest.importorskip("build", reason="build comes with the extra 'test'")
    copy = tmp_path_factory.mktemp("checkout")
    for name in GOES_IN:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests" / "habits", copy / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, copy)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--skip-dependency-check"]
    done = subprocess.run([*command, "--outdir", copy / "dist", copy], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (copy / "dist").iterdir()
    with zipfile.ZipFile(path) as wheel:
        yield wheel


def in_checkout(pattern: str) -> list[str]:
    return sorted(path.relative_to(ROOT).as_posix() for name in GOES_IN for path in (ROOT / name).rglob(pattern))


def metadata_file(wheel: zipfile.ZipFile, name: str) -> str:
    (member,) = (member for member in wheel.namelist() if member.endswith(f".dist-info/{name}"))
    return wheel.read(member).decode()


@pytest.mark.parametrize("pattern", ["*.py", "*.schema.json", "py.typed", "page/*", "*.yaml"])
def test_every_file_of_the_packages_is_in_the_wheel(wheel: zipfile.ZipFile, pattern: str) -> None:
    expected = in_checkout(pattern)
    assert expected
    assert [name for name in expected if name not in wheel.namelist()] == []


def test_nothing_but_the_packages_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    top = {name.partition("/")[0] for name in wheel.namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == set(GOES_IN)


def test_the_license_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("/LICENSE"))
    assert wheel.read(name) == (ROOT / "LICENSE").read_bytes()


def test_pytest_finds_the_plugin(wheel: zipfile.ZipFile) -> None:
    points = configparser.ConfigParser()
    points.read_string(metadata_file(wheel, "entry_points.txt"))
    assert dict(points["pytest11"]) == {"pyvolume": "pyvolume.testing"}


def test_napari_finds_the_reader(wheel: zipfile.ZipFile) -> None:
    points = configparser.ConfigParser()
    points.read_string(metadata_file(wheel, "entry_points.txt"))
    assert dict(points["napari.manifest"]) == {"pyvolume-sdk": "pyvolume:napari.yaml"}


def test_the_command_is_there(wheel: zipfile.ZipFile) -> None:
    points = configparser.ConfigParser()
    points.read_string(metadata_file(wheel, "entry_points.txt"))
    assert dict(points["console_scripts"]) == {"pyvolume": "pyvolume.cli:main"}


def test_the_plugin_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    assert "pyvolume/testing.py" in wheel.namelist()


def test_the_core_needs_five_packages(wheel: zipfile.ZipFile) -> None:
    required = Parser().parsestr(metadata_file(wheel, "METADATA")).get_all("Requires-Dist", [])
    core = {name.partition(">")[0].strip(" (") for name in required if "extra ==" not in name}
    assert core == {"requests", "numpy", "jsonschema", "tenacity", "lz4"}


def test_the_distribution_is_called_otherwise_than_somebody_elses(wheel: zipfile.ZipFile) -> None:
    assert Parser().parsestr(metadata_file(wheel, "METADATA"))["Name"] in {"pyvolume-sdk", "pyvolume_sdk"}
