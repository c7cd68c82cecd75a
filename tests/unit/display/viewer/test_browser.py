"""The page of `pyvolume view` in a real browser."""

from __future__ import annotations

import base64
import io
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from devtools import CHROMIUM, Page, browse
from numpy.typing import NDArray

import pyvolume
from mockserver import MockServer
from pyvolume.display.colours import colours_of
from pyvolume.display.viewer.server import Viewer

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium on PATH (Debian: apt-get install chromium)")

DARK, BRIGHT = 0, 255
CAPTIONS = "[...document.querySelectorAll('figcaption')].map((each) => each.textContent)"
NOTICES = "[...document.querySelectorAll('.notice')].map((each) => each.textContent)"
COLOUR = "[...document.getElementById('{axis}').getContext('2d').getImageData({x}, {y}, 1, 1).data.slice(0, 3)]"


@pytest.fixture
def voxels() -> NDArray[Any]:
    """Make a gray block with a bright box in its middle."""
    voxels = np.full((1, 64, 64, 64), 10, "uint8")
    voxels[0, 24:40, 24:40, 24:40] = 200
    return voxels


def middle(page: Page, axis: str = "z") -> tuple[float, float]:
    """Return the middle of a plane on the screen."""
    box = f"document.getElementById('{axis}').getBoundingClientRect()"
    x, y = page.value(f"(() => {{ const b = {box}; return [b.left + b.width / 2, b.top + b.height / 2]; }})()")
    return x, y


def colour(page: Page, x: int, y: int, axis: str = "z") -> Any:
    """Return the colour of a pixel of a plane."""
    return page.value(COLOUR.format(axis=axis, x=x, y=y))


def test_the_page_shows_planes_versions_and_a_value(tmp_path: Path, voxels: NDArray[Any]) -> None:
    with MockServer({"gray": voxels}) as server, pyvolume.open(f"dvid://{server.url}/:master/gray") as volume:
        pyvolume.dvid.Server(server.url).repos[server.uuid].root.set_note("the only <one>")
        with Viewer(volume) as viewer, browse(viewer.url, tmp_path) as page:
            assert page.value(CAPTIONS) == ["xy at z = 32", "zy at x = 32", "xz at y = 32"]
            assert page.text("#value") == "(32, 32, 32): 200"
            assert "the only <one>" in page.text("#version")
            assert page.text("#status") == ""
            assert page.value(NOTICES) == ["", "", ""]


@pytest.mark.parametrize(("width", "height"), [(1100, 620), (400, 700)], ids=["wide", "narrow"])
def test_the_planes_are_drawn(tmp_path: Path, voxels: NDArray[Any], width: int, height: int) -> None:
    image_module = pytest.importorskip("PIL.Image", reason="Pillow comes with the extra 'files'")
    with Viewer(pyvolume.from_array(voxels)) as viewer, browse(viewer.url, tmp_path, width, height) as page:
        places = [middle(page, axis) for axis in "zxy"]
        picture = base64.b64decode(page.send("Page.captureScreenshot")["data"])
        assert page.value("document.documentElement.scrollWidth") <= width
    with image_module.open(io.BytesIO(picture)) as shown:
        screen = np.asarray(shown.convert("L"))
    for x, y in places:
        assert screen[int(y) + 8, int(x) + 8] > 200
        assert screen[int(y) + 50, int(x) + 50] < 30


def test_zoom_pan_and_reset_by_mouse(tmp_path: Path, voxels: NDArray[Any]) -> None:
    voxels[0, 48:, :, 32] = 255  # to the right of the middle
    with Viewer(pyvolume.from_array(voxels)) as viewer, browse(viewer.url, tmp_path) as page:
        x, y = middle(page)
        corner = colour(page, 2, 2)
        page.mouse("mouseWheel", x, y, deltaX=0, deltaY=-700)
        page.wait_for("document.getElementById('zoom').textContent.startsWith('4.06')")
        assert (corner, colour(page, 2, 2)) == ([DARK] * 3, colour(page, 60, 60))  # within the bright box
        page.mouse("mousePressed", x + 90, y, button="left", clickCount=1)
        for step in (60, 0, -90):
            page.mouse("mouseMoved", x + step, y, button="left", buttons=1)
        page.mouse("mouseReleased", x - 90, y, button="left", clickCount=1)
        assert page.value(CAPTIONS)[1] == "zy at x = 32"  # a drag does not move the cross
        assert colour(page, 250, 20) == [BRIGHT] * 3
        for count in (1, 2):
            page.mouse("mousePressed", x, y, button="left", clickCount=count)
            page.mouse("mouseReleased", x, y, button="left", clickCount=count)
        page.wait_for("document.getElementById('zoom').textContent === '1 ×'")
        page.wait_for(f"String({COLOUR.format(axis='z', x=2, y=2)}) === '0,0,0'")


def test_a_click_moves_the_cross_and_shift_wheel_the_plane(tmp_path: Path, voxels: NDArray[Any]) -> None:
    with Viewer(pyvolume.from_array(voxels)) as viewer, browse(viewer.url, tmp_path) as page:
        x, y = middle(page)
        width = page.value("document.getElementById('z').clientWidth")
        page.mouse("mousePressed", x + width / 4 + 1, y + 1, button="left", clickCount=1)
        page.mouse("mouseReleased", x + width / 4 + 1, y + 1, button="left", clickCount=1)
        page.wait_for(f"{CAPTIONS}[1] === 'zy at x = 48'")
        page.mouse("mouseWheel", x, y, deltaX=0, deltaY=120, modifiers=8)
        page.wait_for(f"{CAPTIONS}[0] === 'xy at z = 33'")
        assert page.text("#zoom") == "1 ×"


def test_zoom_pan_and_reset_by_keys(tmp_path: Path, voxels: NDArray[Any]) -> None:
    with Viewer(pyvolume.from_array(voxels)) as viewer, browse(viewer.url, tmp_path) as page:
        for key in ("+", "+", "-", "+"):
            page.key(key)
        page.wait_for("document.getElementById('zoom').textContent === '1.56 ×'")
        line = "parseFloat(document.querySelector('#xy .line').style.left)"
        before = page.value(line)
        page.key("ArrowRight")
        page.wait_for(f"{line} < {before} - 9")
        page.key("PageDown")
        page.wait_for(f"{CAPTIONS}[0] === 'xy at z = 33'")
        page.value("document.getElementById('x').focus()")
        page.key("PageUp")
        page.wait_for(f"{CAPTIONS}[1] === 'zy at x = 31'")
        page.key("0")
        page.wait_for("document.getElementById('zoom').textContent === '1 ×'")


def test_a_large_plane_becomes_sharp_when_it_is_zoomed(tmp_path: Path) -> None:
    voxels = np.zeros((1, 3000, 40, 4), "uint8")
    voxels[:, 1501::3] = 255  # every third voxel: none of those is in the thinned plane
    with Viewer(pyvolume.from_array(voxels)) as viewer, browse(viewer.url, tmp_path) as page:
        x, y = middle(page)
        page.mouse("mouseWheel", x, y, deltaX=0, deltaY=-2600)
        row = "[...document.getElementById('z').getContext('2d').getImageData(0, 0, 700, 1).data]"
        page.wait_for(f"{row}.filter((value, i) => i % 4 === 0 && value === 255).length > 50")


def test_planes_of_nan_say_so_and_the_contrast_comes_with_a_finite_one(tmp_path: Path) -> None:
    voxels = np.full((1, 8, 8, 8), np.nan, "float32")
    voxels[0, :, :, 6] = np.linspace(-2, 5, 8)[:, np.newaxis]
    voxels[0, 3, 3, 6] = np.nan
    voxels[0, :, :, 7] = np.inf
    voxels[0, 4, :, :] = voxels[0, :, 4, :] = np.nan
    with Viewer(pyvolume.from_array(voxels)) as viewer, browse(viewer.url, tmp_path) as page:
        assert page.value(NOTICES) == ["only NaN in this plane"] * 3
        assert (page.text("#lowValue"), page.value("document.getElementById('low').disabled")) == ("–", True)
        assert page.value("document.getElementById('legend').hidden") is False
        nan = colour(page, 2, 2)
        for _ in range(2):
            page.key("PageDown")
        page.wait_for(f"{NOTICES}[0] === ''")
        assert (page.text("#lowValue"), page.text("#highValue")) == ("-2", "5")
        assert colour(page, 2, 2) == [DARK] * 3
        size = page.value("document.getElementById('z').width")
        assert colour(page, size * 7 // 16, size * 7 // 16) == nan
        page.key("PageDown")
        page.wait_for(f"{CAPTIONS}[0] === 'xy at z = 7' && {NOTICES}[0] !== ''")
        assert page.value(NOTICES)[1:] == ["only NaN in this plane"] * 2


def test_a_closed_page_is_noticed_and_one_that_is_loaded_again_is_none(tmp_path: Path, voxels: NDArray[Any]) -> None:
    left = threading.Event()
    with Viewer(pyvolume.from_array(voxels), left=left.set, grace=2) as viewer, browse(viewer.url, tmp_path) as page:
        page.value("delete document.body.dataset.ready")
        page.send("Page.reload")
        page.wait_for("document.body && document.body.dataset.ready")
        assert not left.wait(4)
        page.send("Page.navigate", url="about:blank")
        assert left.wait(30)


def test_a_page_says_that_its_viewer_has_ended(tmp_path: Path, voxels: NDArray[Any]) -> None:
    viewer = Viewer(pyvolume.from_array(voxels), left=lambda: None)
    with browse(viewer.url, tmp_path) as page:
        viewer.close()
        page.wait_for("document.getElementById('status').textContent.includes('ended')")


def test_any_name_of_a_file_is_shown(tmp_path: Path, voxels: NDArray[Any]) -> None:
    path = tmp_path / "50% <b>.npy"
    np.save(path, voxels)
    with pyvolume.open(str(path)) as volume, Viewer(volume) as viewer, browse(viewer.url, tmp_path / "profile") as page:
        assert (page.text("#name"), page.value("document.title")) == ("50% <b>.npy",) * 2


def test_labels_have_colours_ids_and_levels(tmp_path: Path) -> None:
    labels = np.zeros((1, 32, 32, 32), "uint64")
    labels[:, 16:] = (1 << 63) + 1
    labels[:, :16, :16] = 1
    with MockServer() as server, pyvolume.dvid.Server(server.url) as dvid:
        repo = dvid.create_repo("labels")
        volume = repo.create_labels("seg", data=labels, levels=3, block_shape=(16, 16, 16))
        with Viewer(volume) as viewer, browse(viewer.url, tmp_path) as page:
            assert page.text("#value") == "(16, 16, 16): 9223372036854775809"
            assert page.value("document.getElementById('contrast').hidden")
            size = page.value("document.getElementById('z').width")
            places = [(size // 8, size // 8), (size // 8, size * 7 // 8), (size * 7 // 8, size // 8)]
            found = [colour(page, *place) for place in places]
            assert found == colours_of(np.array([1, 0, (1 << 63) + 1], "uint64")).tolist()
            assert "2: 1 / 4, 4, 4" in page.text("#scale")
            page.value("(() => { const s = document.getElementById('scale'); s.value = '2';"
                       " s.dispatchEvent(new Event('change')); })()")  # fmt: skip
            page.wait_for(f"{CAPTIONS}[0] === 'xy at z = 4'")
            page.wait_for("document.getElementById('value').textContent === '(4, 4, 4): 9223372036854775809'")
            assert [colour(page, *place) for place in places] == found
