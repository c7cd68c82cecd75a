"""Imports: what is heavy or comes with an extra is imported where it is used, not before."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import mockserver
import pyvolume

ROOT = Path(__file__).parents[2]
EXTRAS = {
    "PIL",
    "boto3",
    "build",
    "click",
    "coverage",
    "cryptography",
    "dask",
    "distributed",
    "graphql",
    "h5py",
    "hypothesis",
    "jwt",
    "napari",
    "nibabel",
    "npe2",
    "obstore",
    "numcodecs",
    "png",
    "pytest",
    "rich",
    "sphinx",
    "tensorstore",
    "tifffile",
    "tomli_w",
    "xarray",
    "zarr",
}
LATE = {"jsonschema", "mockserver"}
CORE = {"asyncio", "numpy", "requests", "lz4", "tenacity", "urllib3"}


def imported_by(code: str) -> set[str]:
    """Run code in a process of its own, and return the top-level packages that are loaded after it."""
    show = "import sys; print('\\n'.join(sorted({name.partition('.')[0] for name in sys.modules})))"
    result = subprocess.run(
        [sys.executable, "-c", f"{code}\n{show}"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return set(result.stdout.split())


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import pyvolume", EXTRAS | LATE | CORE),
        ("from pyvolume import *", EXTRAS | LATE),
        ("import pyvolume.dvid.voxels, pyvolume.dvid.general", EXTRAS | LATE),
        ("import pyvolume.local", EXTRAS | LATE),
        ("import pyvolume.testing", EXTRAS - {"pytest"} | LATE | CORE),
        ("import mockserver", EXTRAS | {"pyvolume", "requests", "jsonschema", "tenacity"}),
        (
            "import pyvolume, numpy\nvolume = pyvolume.from_array(numpy.zeros((1, 4)))\nvolume[:, :2] = volume[:, 2:]",
            EXTRAS | LATE,
        ),
    ],
    ids=["pyvolume", "all names", "dvid", "folder database", "pytest plugin", "mock server", "an array as a volume"],
)
def test_nothing_is_loaded_before_it_is_used(code: str, unwanted: set[str]) -> None:
    assert imported_by(code) & unwanted == set()


def test_every_module_can_be_imported() -> None:
    for package in (pyvolume, mockserver):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
