"""Planes of a volume: cut and drawn."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from conformance_stores import ramp

import pyvolume
from mockserver import MockServer
from pyvolume.display.colours import colours_of
from pyvolume.display.planes import cut, read_plane
from pyvolume.errors import UnsupportedError


class TestThumbnail:
    @pytest.fixture(autouse=True)
    def needs_pillow(self) -> None:
        pytest.importorskip("PIL.Image", reason="Pillow comes with the extra 'images'")

    def test_it_shows_the_three_middle_planes(self) -> None:
        voxels = np.zeros((1, 40, 20, 10), "uint16")
        voxels[0, 20:, :, :] = 1000
        picture = np.asarray(pyvolume.from_array(voxels).thumbnail(40).convert("L"))
        assert picture.shape == (20 + 2 + 10, 40 + 2 + 10)
        assert (picture[:20, :18].max(), picture[:20, 22:40].min()) == (0, 255)  # xy
        assert picture[:20, 42:].min() == 255  # zy, within the bright half
        assert (picture[22:, :18].max(), picture[22:, 22:40].min()) == (0, 255)  # xz

    def test_it_costs_one_small_read_for_each_plane(self) -> None:
        with (
            MockServer({"gray": ramp((1, 64, 64, 64))}) as server,
            pyvolume.open(f"dvid://{server.url}/:master/gray") as volume,
        ):
            asked = len(server.requests)
            volume.thumbnail(16)
            assert len(server.requests) - asked == 3

    def test_labels_have_the_colours_of_a_hash(self, tmp_path: Path) -> None:
        labels = np.full((1, 8, 8, 8), (1 << 40) + 1, "uint64")
        labels[:, :4] = 0
        image = pyvolume.create(tmp_path / "x.zarr", (1, 8, 8, 8), "uint8")
        volume = pyvolume.create(tmp_path / "x.zarr" / "labels" / "cells", labels.shape, "uint64")
        volume[...] = labels
        assert volume.holds_labels
        assert not image.holds_labels
        picture = np.asarray(volume.thumbnail(8))
        found = {tuple(colour) for colour in picture[:8, :8].reshape(-1, 3).tolist()}
        assert found == {(0, 0, 0), tuple(colours_of(labels[0, 7, 7, 7:8])[0].tolist())}

    def test_colours_stay(self) -> None:
        voxels = np.zeros((4, 8, 8, 8), "uint8")
        voxels[0] = 200
        assert pyvolume.from_array(voxels).thumbnail(8).getpixel((4, 4)) == (200, 0, 0)

    @pytest.mark.parametrize("value", [0, np.nan, np.inf])
    def test_one_value_everywhere_is_no_error(self, value: float) -> None:
        assert pyvolume.from_array(np.full((1, 4, 4, 4), value, "float32")).thumbnail(4).size == (10, 10)

    def test_two_axes_are_one_plane(self) -> None:
        assert pyvolume.from_array(ramp((1, 30, 20)), "cxy").thumbnail(30).size == (30, 20)

    @pytest.mark.parametrize("shape", [(1, 0, 4, 4), (1, 4)])
    def test_what_has_no_plane_is_refused(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(UnsupportedError, match="expected planes"):
            pyvolume.from_array(np.zeros(shape, "uint8")).thumbnail()

    def test_a_missing_library_is_a_sentence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "PIL", None)
        with pytest.raises(ImportError, match=r"pyvolume-sdk\[images\]"):
            pyvolume.from_array(ramp((1, 4, 4, 4))).thumbnail()


def test_a_plane_is_cut_in_the_order_of_its_axes() -> None:
    voxels = ramp((1, 5, 6, 7))
    volume = pyvolume.from_array(voxels)
    assert (cut(volume, "x", "z", {"y": 2}) == voxels[:, :, 2, :]).all()
    assert (
        cut(volume, "z", "y", ranges=(slice(None, None, 2), slice(None, None, 3)))
        == voxels[:, 2, ::3, ::2].swapaxes(1, 2)
    ).all()


@pytest.mark.parametrize("side", [30016, 2**31 - 128])
def test_a_plane_of_a_very_large_volume_comes_soon(side: int) -> None:
    with MockServer() as server, pyvolume.dvid.Server(server.url) as client:
        repo = client.create_repo("large")
        volume = repo.create_volume("large", (side,) * 3, "uint8", block_shape=(64,) * 3)
        before = len(server.requests)
        whole = read_plane(volume, "z", 5, 1024, {})
        spent = len(server.requests) - before
        part = read_plane(volume, "z", 5, 1024, {"x": (500, 1000), "y": (0, 700)})
    assert spent <= 1100
    assert whole.step > -(-side // 1024)
    assert (part.step, part.voxels.shape) == (1, (1, 500, 700))
