"""The page of `pyvolume view` in a real browser."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import pyvolume
from mockserver import MockServer
from pyvolume.display.viewer.server import Viewer

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1100,620",
           "--virtual-time-budget=4000")  # fmt: skip

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium on PATH (Debian: apt-get install chromium)")


def browse(url: str, profile: Path, *options: str) -> str:
    command = [CHROMIUM, *OPTIONS, f"--user-data-dir={profile}", *options, url]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


@pytest.fixture
def voxels() -> NDArray[Any]:
    """Make a gray block with a bright box in its middle."""
    voxels = np.full((1, 64, 64, 64), 10, "uint8")
    voxels[0, 24:40, 24:40, 24:40] = 200
    return voxels


def test_the_page_shows_planes_versions_and_a_value(tmp_path: Path, voxels: NDArray[Any]) -> None:
    with MockServer({"gray": voxels}) as server, pyvolume.open(f"dvid://{server.url}/:master/gray") as volume:
        pyvolume.dvid.Server(server.url).repos[server.uuid].root.set_note("the only <one>")
        with Viewer(volume) as viewer:
            dom = browse(viewer.url, tmp_path, "--dump-dom")
    assert 'data-ready="yes"' in dom
    assert re.findall(r"<figcaption>(.*?)</figcaption>", dom) == ["xy at z = 32", "zy at x = 32", "xz at y = 32"]
    assert "(32, 32, 32): 200" in dom
    assert html.escape("the only <one>") in dom
    assert re.search(r'<output id="status"></output>', dom)


def test_the_planes_are_drawn(tmp_path: Path, voxels: NDArray[Any]) -> None:
    image_module = pytest.importorskip("PIL.Image", reason="Pillow comes with the extra 'files'")
    with Viewer(pyvolume.from_array(voxels)) as viewer:
        browse(viewer.url, tmp_path / "profile", f"--screenshot={tmp_path / 'page.png'}")
    with image_module.open(tmp_path / "page.png") as picture:
        page = np.asarray(picture.convert("L"))
    left, top = 10, 55  # of the first plane
    assert page[top + 40, left + 20] < 30
    assert page[top + 120, left + 120] > 200
