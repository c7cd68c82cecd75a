"""Between OME-Zarr and a volume: letters, sizes, units, places and levels."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from pyvolume.errors import MetadataError, UnsupportedError
from pyvolume.zarr.ngff.documents import Axis, Dataset, Image, images_of, multiscales
from pyvolume.zarr.ngff.names import letters_of, ngff_unit, pyvolume_unit
from pyvolume.zarr.ngff.placing import Physical, completed, image_for, levels, physical

SPACE = (Axis("z", "space", "micrometer"), Axis("y", "space", "micrometer"), Axis("x", "space", "micrometer"))


def image_of(*scales: tuple[float, ...], axes: tuple[Axis, ...] = SPACE) -> Image:
    zeros = (0.0,) * len(axes)
    return Image(axes, tuple(Dataset(str(at), each, zeros) for at, each in enumerate(scales)))


@pytest.mark.parametrize(
    ("axes", "letters"),
    [
        ([Axis("t", "time"), Axis("c", "channel"), Axis("Y", "space"), Axis("X", "space")], "tcyx"),
        ([Axis("frame", "time"), Axis("wavelength", "channel"), Axis("y"), Axis("x")], "tcyx"),
        ([Axis("depth", "space"), Axis("height", "space"), Axis("width", "space")], "zyx"),
        ([Axis("angle", "rotation"), Axis("y", "space"), Axis("x", "space")], "ayx"),
        ([Axis("phase", "phase"), Axis("y", "space"), Axis("x", "space")], "uyx"),
        ([Axis("channels"), Axis("y", "space"), Axis("x", "space")], "cyx"),
    ],
)
def test_axes_have_letters(axes: list[Axis], letters: str) -> None:
    assert "".join(letters_of(image_of((1.0,) * len(axes), axes=tuple(axes)))) == letters


@pytest.mark.parametrize(
    "axes",
    [
        [Axis("dorsal", "space"), Axis("y", "space"), Axis("x", "space")],
        [Axis("phase"), Axis("pump"), Axis("y"), Axis("x")],
        [Axis("t", "channel"), Axis("c", "channel"), Axis("y"), Axis("x")],
        [Axis("x"), Axis("X"), Axis("y")],
    ],
)
def test_axes_without_letters_of_their_own_are_refused(axes: list[Axis]) -> None:
    with pytest.raises(UnsupportedError, match=rf"open a: .* at \$\.axes and found {axes[0].name} \("):
        letters_of(Image(tuple(axes), (), where="$"), "open a")


@pytest.mark.parametrize(
    ("letter", "ngff", "ours"),
    [
        ("x", "nanometer", "nanometers"),
        ("x", "angstrom", "angstroms"),
        ("x", "meter", "meters"),
        ("t", "second", "seconds"),
        ("t", "microsecond", "microseconds"),
        ("t", "day", "days"),
        ("x", "parsec", "parsec"),
        ("x", "second", "second"),
        ("t", "fortnight", "fortnight"),
        ("x", "", ""),
    ],
)
def test_units_are_translated_both_ways(letter: str, ngff: str, ours: str) -> None:
    assert (pyvolume_unit(ngff, letter), ngff_unit(ours, letter)) == (ours, ngff)


@pytest.mark.parametrize(("unit", "letter", "expected"), [("\u03bcm", "y", "micrometer"), ("min", "t", "minute")])
def test_units_are_written_in_the_words_of_ngff(unit: str, letter: str, expected: str) -> None:
    assert ngff_unit(unit, letter) == expected


def test_levels_are_in_the_order_of_a_volume() -> None:
    image = image_of((4, 0.65, 0.65), (4, 1.3, 1.3), (8, 2.6, 2.600000001))
    assert levels(image, "cxyzt") == ((1, 1, 1, 1, 1), (1, 2, 2, 1, 1), (1, 4, 4, 2, 1))


def test_factors_need_not_be_whole() -> None:
    assert levels(image_of((1, 1, 1), (1, 1.5, 2.002)), "xyz")[1] == (2.002, 1.5, 1)


@pytest.mark.parametrize("finer", [(1.0, 1.0, 0.5), (1.0, 0.99, 1.0)])
def test_a_level_finer_than_the_first_is_refused(finer: tuple[float, ...]) -> None:
    with pytest.raises(MetadataError, match="expected no voxels smaller") as raised:
        levels(image_of((1, 1, 1), finer), "xyz")
    assert raised.value.path == "$.datasets[1]"


def test_levels_without_scales_need_the_shapes_of_their_arrays() -> None:
    image = image_of((), (), ())
    with pytest.raises(MetadataError, match=r"expected a scale at \$\.datasets\[0\]"):
        levels(image, "xyz")
    assert physical(image).resolution == {}
    whole = completed(image, [(10, 1025, 1024), (10, 513, 512), (5, 256, 256)])
    assert levels(whole, "xyz") == ((1, 1, 1), (2, 2, 1), (4, 4, 2))
    assert physical(whole, 2).resolution == {"z": 2.0, "y": 4.0, "x": 4.0}


def test_scales_that_are_said_count_more_than_shapes() -> None:
    image = image_of((3.0, 2.0, 2.0), (3.0, 5.0, 5.0), ())
    whole = completed(image, [(8, 8, 8), (8, 4, 4), (8, 5, 1)])
    assert [each.scale for each in whole.datasets] == [(3, 2, 2), (3, 5, 5), (3, 2 * 8 / 5, 16)]


def test_arrays_of_other_axes_are_refused() -> None:
    with pytest.raises(MetadataError, match="expected an array of the axes z, y, x at 1 and found 2 axes"):
        completed(image_of((), ()), [(2, 2, 2), (1, 1)])


@pytest.mark.parametrize("lengths", [(0, 0), (4, 0), (0, 4)])
def test_arrays_without_voxels_have_factors_of_1(lengths: tuple[int, int]) -> None:
    whole = completed(image_of((), ()), [(lengths[0], 1, 1), (lengths[1], 1, 1)])
    assert whole.datasets[1].scale == (1, 1, 1)


def test_a_volume_is_told_sizes_units_and_places() -> None:
    transformations = [{"type": "scale", "scale": [2, 1, 1]}, {"type": "translation", "translation": [5, 0.5, 0.5]}]
    datasets = [{"path": "0", "coordinateTransformations": transformations}]
    axes = [
        {"name": "t", "type": "time", "unit": "minute"},
        {"name": "y", "type": "space", "unit": "inch"},
        {"name": "x"},
    ]
    (image,) = images_of({"multiscales": [{"version": "0.4", "axes": axes, "datasets": datasets}]})
    assert physical(image) == Physical(
        {"t": 2, "y": 1, "x": 1}, {"t": "minutes", "y": "inch", "x": ""}, {"t": 5, "y": 0.5, "x": 0.5}
    )


def test_what_is_written_is_the_same_when_read() -> None:
    place = Physical(
        {"c": 1, "x": 0.1, "y": 0.1, "z": 0.3, "t": 1.5},
        {"c": "", "x": "micrometers", "y": "micrometers", "z": "micrometers", "t": "seconds"},
        {"c": 0, "x": -7.3, "y": 0, "z": 1e-3, "t": 0},
    )
    factors = ((1, 1, 1, 1, 1), (1, 2, 2, 1, 1), (1, 6, 6, 3, 1))
    for version in ("0.4", "0.5"):
        (image,) = images_of(multiscales(image_for("cxyzt", place, factors=factors), version))
        assert "".join(axis.name for axis in image.axes) == "tczyx"
        assert physical(image) == place
        assert levels(image, "cxyzt") == factors


@pytest.mark.parametrize("method", ["mean", "mode"])
def test_a_coarser_voxel_lies_in_the_middle_of_its_finer_ones(method: str) -> None:
    place = Physical({"x": 0.5, "y": 0.5}, {}, {"x": 100, "y": 0})
    image = image_for("xy", place, factors=[(1, 1), (3, 4)], method=method)
    fine, coarse = (physical(image, level) for level in (0, 1))
    for dim, factor in (("x", 3), ("y", 4)):
        centers = np.arange(4 * factor) * fine.resolution[dim] + fine.translation[dim]
        found = np.arange(4) * coarse.resolution[dim] + coarse.translation[dim]
        np.testing.assert_allclose(found, centers.reshape(4, factor).mean(axis=1))


def test_a_voxel_that_is_one_of_the_finer_ones_lies_there() -> None:
    image = image_for("xy", Physical({}, {}, {"x": 100}), factors=[(1, 1), (2, 2)], method="stride")
    assert [physical(image, level).translation for level in (0, 1)] == [{"y": 0, "x": 100}] * 2


@pytest.mark.parametrize(
    ("dims", "reason"),
    [
        ("cxyztu", "at most 5 axes"),
        ("cxyzta", "at most 5 axes"),
        ("cxyzu", "one axis beside those of space and time"),
        ("cxya", "one axis beside those of space and time"),
        ("xyua", "one axis beside those of space and time"),
        ("cx", "two or three axes of x, y and z"),
        ("ct", "two or three axes of x, y and z"),
    ],
)
def test_what_ngff_cannot_say_is_refused_with_the_way_out(dims: str, reason: str) -> None:
    expected = f'create a: OME-Zarr has {reason}, and found {", ".join(dims)}; format="zarr" can hold them'
    with pytest.raises(UnsupportedError, match=re.escape(expected)):
        image_for(dims, action="create a")


@pytest.mark.parametrize(("dims", "kind"), [("axyz", "angle"), ("uxyz", "other"), ("pxyz", "")])
def test_one_axis_of_another_kind_is_written_without_channels(dims: str, kind: str) -> None:
    image = image_for(dims)
    assert [(axis.name, axis.kind) for axis in image.axes[:2]] == [(dims[0], kind), ("z", "space")]
    multiscales(image)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["intensity"], ()),
        (["channel-0", "channel-1"], ()),
        (["channel-1", "channel-0"], ("channel-1", "channel-0")),
        (["DAPI"], ("DAPI",)),
        ([], ()),
    ],
)
def test_only_labels_that_tell_something_are_written(given: list[str], kept: tuple[str, ...]) -> None:
    assert image_for("cxy", channels=given).channels == kept


def test_an_unknown_method_is_refused() -> None:
    options: dict[str, Any] = {"method": "median"}
    with pytest.raises(ValueError, match=r"method is .*, not 'median'"):
        image_for("xy", **options)
