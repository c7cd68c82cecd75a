"""Pictures that a server draws, on the mock server and on a real DVID: the planes of the voxels say what is right."""

from __future__ import annotations

import io
import math
import sys
from typing import Any

import numpy as np
import pytest
from conformance_stores import DvidBackend, ramp
from numpy.typing import NDArray
from PIL import Image

import pyvolume
from pyvolume import Box
from pyvolume.errors import SelectionError, TooLargeError, UnsupportedError

SHAPE = (40, 30, 20)
KINDS = ["uint8", "uint16", "uint32", "float32", "rgba"]
PLANES = {"xy": np.s_[:, :, :, 7], "xz": np.s_[:, :, 7, :], "yz": np.s_[:, 7, :, :]}


def voxels_of(kind: str) -> NDArray[Any]:
    return ramp((4, *SHAPE)) if kind == "rgba" else ramp((1, *SHAPE), kind)


@pytest.fixture(scope="module")
def volumes(dvid: DvidBackend) -> dict[str, pyvolume.dvid.VoxelsAccessor]:
    return {kind: dvid.new(voxels_of(kind)) for kind in (*KINDS, "uint64")}


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_plane_is_that_of_the_voxels(volumes: dict[str, pyvolume.dvid.VoxelsAccessor], kind: str, plane: Any) -> None:
    volume = volumes[kind]
    coordinates = {axis: None if axis in plane else 7 for axis in "xyz"}
    picture = volume.image(plane, x=coordinates["x"], y=coordinates["y"], z=coordinates["z"])
    same(picture, volume[PLANES[plane]])
    assert picture.flags.f_contiguous
    assert picture.flags.writeable


def test_a_box_is_that_of_the_plane(volumes: dict[str, pyvolume.dvid.VoxelsAccessor]) -> None:
    volume = volumes["uint16"]
    same(volume.image("xz", Box((5, 2), (25, 19)), y=3), volume[:, 5:25, 3, 2:19])


def test_outside_the_bounds_there_are_zeros(volumes: dict[str, pyvolume.dvid.VoxelsAccessor]) -> None:
    volume = volumes["uint8"]
    picture = volume.image("yz", Box((-5, -3), (10, 12)), x=0)
    same(picture, volume.absolute[:, 0, -5:10, -3:12])
    assert not volume.image("xy", Box((0, 0), (4, 4)), z=-1).any()


@pytest.mark.parametrize("alpha", [0, 255])
def test_colours_that_are_all_transparent_or_opaque_stay_what_they_are(dvid: DvidBackend, alpha: int) -> None:
    voxels = ramp((4, 16, 16, 16))
    voxels[3] = alpha
    same(dvid.new(voxels).image("xy", z=3), voxels[:, :, :, 3])


def test_the_file_shows_the_first_axis_to_the_right(volumes: dict[str, pyvolume.dvid.VoxelsAccessor]) -> None:
    data = volumes["uint8"].image_file("xy", Box((0, 0), (40, 30)), z=7)
    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.format, picture.size) == ("PNG", (40, 30))
        same(np.asarray(picture), volumes["uint8"][0, :40, :30, 7].T)


@pytest.mark.parametrize("quality", [None, 100, 10])
def test_a_jpeg_is_about_what_it_shows(dvid: DvidBackend, quality: int | None) -> None:
    x, y, z = np.ogrid[:64, :48, :32]
    smooth = np.asarray((x + y + 2 * z).astype("uint8")[None], order="F")
    picture = dvid.new(smooth).image("xy", z=9, format="jpeg", quality=quality)
    assert picture.shape == (1, 64, 48)
    assert np.abs(picture - smooth[..., 9].astype(int)).max() < (40 if quality == 10 else 8)


def test_a_better_jpeg_is_larger(volumes: dict[str, pyvolume.dvid.VoxelsAccessor]) -> None:
    sizes = [len(volumes["uint8"].image_file("xy", z=9, format="jpeg", quality=q)) for q in (10, 50, 95)]
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("kind", ["uint8", "uint16", "rgba"])
def test_square_pixels_repeat_the_coarser_axis(volumes: dict[str, pyvolume.dvid.VoxelsAccessor], kind: str) -> None:
    volume = volumes[kind]  # 4 × 4 × 40 nm
    box = Box((3, 2), (20, 9))
    same(volume.image("xz", box, y=5, square=True), np.repeat(volume[:, 3:20, 5, 2:9], 10, axis=2))
    same(volume.image("xy", box, z=5, square=True), volume[:, 3:20, 2:9, 5])


def test_square_pixels_of_an_odd_ratio_are_means(dvid: DvidBackend) -> None:
    repo = pyvolume.dvid.Server(dvid.connection).create_repo("square", duplicate_alias=True)
    volume = repo.create_volume("gray", (32, 32, 32), "uint8", block_shape=(32, 32, 32), resolution=(6, 4, 4))
    voxels = ramp((1, 32, 32, 32))
    volume[...] = voxels
    picture = volume.image("xy", Box((0, 0), (4, 3)), z=3, square=True)
    a, b, c, d = voxels[0, :4, :3, 3].astype(int)
    same(picture[0], np.stack([a, (a + b) // 2, b, c, (c + d) // 2, d]).astype("uint8"))


@pytest.mark.parametrize("kind", ["uint32", "float32", "uint64"])
def test_square_pixels_of_wide_voxels_are_refused(volumes: dict[str, pyvolume.dvid.VoxelsAccessor], kind: str) -> None:
    with pytest.raises(UnsupportedError, match="8 and 16 bits"):
        volumes[kind].image("xy", z=3, square=True)


class TestOblique:
    def test_a_cut_through_voxels_gives_these(self, volumes: dict[str, pyvolume.dvid.VoxelsAccessor]) -> None:
        cut = volumes["uint8"].oblique((0, 0, 280), (80, 0, 280), (0, 40, 280))
        same(cut, volumes["uint8"][:, :21, :11, 7])

    def test_a_cut_may_stand_on_any_edge(self, volumes: dict[str, pyvolume.dvid.VoxelsAccessor]) -> None:
        volume = volumes["uint8"]
        diagonal = volume.oblique((0, 0, 0), (40, 40, 0), (0, 0, 400), math.hypot(4, 4) * 0.999)
        same(diagonal[0, :, 0], volume[0, range(11), range(11), 0])

    def test_between_voxels_values_are_interpolated(self, volumes: dict[str, pyvolume.dvid.VoxelsAccessor]) -> None:
        volume = volumes["uint8"]
        cut = volume.oblique((2, 0, 0), (82, 0, 0), (2, 40, 0))
        rows = volume[0, :22, :11, 0].astype(int)
        same(cut[0], ((rows[:-1] + rows[1:] + 1) // 2).astype("uint8"))

    def test_outside_there_are_zeros(self, volumes: dict[str, pyvolume.dvid.VoxelsAccessor]) -> None:
        volume = volumes["uint8"]
        cut = volume.oblique((-40, -40, 0), (40, -40, 0), (-40, 40, 0))
        same(cut, volume.absolute[:, -10:11, -10:11, 0])

    def test_the_bytes_are_a_file(self, volumes: dict[str, pyvolume.dvid.VoxelsAccessor]) -> None:
        data = volumes["uint8"].oblique_file((0, 0, 0), (80, 0, 0), (0, 40, 0), format="jpeg")
        with Image.open(io.BytesIO(data)) as picture:
            assert (picture.format, picture.size) == ("JPEG", (21, 11))

    @pytest.mark.parametrize("kind", ["uint16", "uint32", "uint64", "float32", "rgba"])
    def test_what_the_server_draws_wrongly_is_refused(
        self, volumes: dict[str, pyvolume.dvid.VoxelsAccessor], kind: str
    ) -> None:
        with pytest.raises(UnsupportedError, match="uint8blk"):
            volumes[kind].oblique((0, 0, 0), (80, 0, 0), (0, 40, 0))

    def test_a_mask_that_it_would_ignore_is_refused(self, dvid: DvidBackend) -> None:
        name = dvid.new(ramp((1, 16, 16, 16))).name
        volume = pyvolume.dvid.VoxelsAccessor(dvid.connection, dvid.uuid, name, {"roi": "some"})
        with pytest.raises(UnsupportedError, match="query_args"):
            volume.oblique((0, 0, 0), (8, 0, 0), (0, 4, 0))

    @pytest.mark.parametrize(
        "arguments",
        [((0, 0), (8, 0, 0), (0, 4, 0)), ((0, 0, 0), (math.nan, 0, 0), (0, 4, 0)), ((0, 0, 0), (8, 0, 0), (0, 4, 0), 0),
         ((0, 0, 0), (8, 0, 0), (0, 4, 0), -4), ((0, 0, 0), (8, 0, 0), (0, math.inf, 0))],
    )  # fmt: skip
    def test_what_is_no_cut_is_refused(self, volumes: dict[str, pyvolume.dvid.VoxelsAccessor], arguments: Any) -> None:
        with pytest.raises(SelectionError, match="expected corners"):
            volumes["uint8"].oblique(*arguments)

    def test_a_cut_that_would_end_the_server_is_refused(self, volumes: dict[str, pyvolume.dvid.VoxelsAccessor]) -> None:
        with pytest.raises(TooLargeError, match="at most"):
            volumes["uint8"].oblique((0, 0, 0), (1e10, 0, 0), (0, 8e7, 0))


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "options", "error", "match"),
        [
            (("zx",), {"y": 7}, UnsupportedError, "xy, xz and yz"),
            (("xy", Box((0, 0, 0), (1, 9, 9))), {"z": 7}, SelectionError, "the two axes xy"),
            (("xy", Box((3, 3), (3, 9))), {"z": 7}, SelectionError, "nothing to draw"),
            (("xy",), {"z": 2**31}, SelectionError, "32-bit"),
            (("xy", Box((0, 0), (10000, 10000))), {"z": 7}, TooLargeError, "67108864 pixels"),
            (("xy",), {}, TypeError, "axis z"),
            (("xy",), {"x": 7}, TypeError, "axis z"),
            (("xy",), {"z": 7, "x": 7}, TypeError, "axis z"),
            (("xy",), {"z": 7, "format": "gif"}, ValueError, "'png' or 'jpeg'"),
            (("xy",), {"z": 7, "quality": 50}, ValueError, "of a JPEG"),
            (("xy",), {"z": 7, "format": "jpeg", "quality": 0}, ValueError, "1 to 100"),
        ],
    )
    def test_what_is_no_picture_is_refused(
        self,
        volumes: dict[str, pyvolume.dvid.VoxelsAccessor],
        arguments: Any,
        options: Any,
        error: type[Exception],
        match: str,
    ) -> None:
        with pyvolume.trace() as trace, pytest.raises(error, match=match):
            volumes["uint8"].image(*arguments, **options)
        assert trace.requests == 0

    @pytest.mark.parametrize("kind", ["uint16", "uint32", "uint64", "float32", "rgba"])
    def test_a_jpeg_of_more_than_gray(self, volumes: dict[str, pyvolume.dvid.VoxelsAccessor], kind: str) -> None:
        with pytest.raises(UnsupportedError, match="ask for a PNG"):
            volumes[kind].image("xy", z=7, format="jpeg")

    def test_a_picture_of_64_bits_is_not_decoded(self, volumes: dict[str, pyvolume.dvid.VoxelsAccessor]) -> None:
        with pytest.raises(UnsupportedError, match="image_file"):
            volumes["uint64"].image("xy", z=7)

    def test_an_empty_volume_has_no_picture(self, dvid: DvidBackend) -> None:
        repo = pyvolume.dvid.Server(dvid.connection).create_repo("empty", duplicate_alias=True)
        volume = repo.create_volume("gray", None, "uint8")
        with pytest.raises(SelectionError, match="nothing to draw"):
            volume.image("xy", z=0)
        assert not volume.image("xy", Box((0, 0), (4, 4)), z=0).any()

    def test_without_pillow_the_error_names_the_extra(
        self, volumes: dict[str, pyvolume.dvid.VoxelsAccessor], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "PIL", None)
        with pytest.raises(ImportError, match=r"pyvolume-sdk\[images\]"):
            volumes["uint8"].image("xy", z=7)


def test_a_file_of_64_bits_can_be_had(volumes: dict[str, pyvolume.dvid.VoxelsAccessor]) -> None:
    data = volumes["uint64"].image_file("xy", z=7)
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.size == volumes["uint64"].shape[1:3]
