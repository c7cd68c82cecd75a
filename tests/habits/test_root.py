"""The top of the repository holds what the project is made of, and no file of an experiment."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FOLDERS = {".ci", "benchmarks", "docs", "mockserver", "pyvolume", "tests"}
FILES = {
    ".gitignore",
    ".pre-commit-config.yaml",
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "pyproject.toml",
    "setup.cfg",
}


def test_nothing_else_is_kept() -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("git knows what is kept, and this is no checkout")
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    kept = {path.partition("/")[0] for path in done.stdout.split("\0") if path}
    assert kept - FOLDERS == FILES
