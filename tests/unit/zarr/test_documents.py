"""OME-Zarr's documents: images of NGFF 0.1 to 0.5 are read, 0.4 and 0.5 are written."""

from __future__ import annotations

import copy
import functools
import json
import operator
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ome_zarr_models.v04.image import ImageAttrs as Attributes04
from ome_zarr_models.v05.image import ImageAttrs as Attributes05

from pyvolume.errors import MetadataError, UnsupportedError
from pyvolume.zarr.ngff.documents import Axis, Dataset, Image, Version, images_of, multiscales
from pyvolume.zarr.ngff.placing import Physical, image_for

AXES = [
    {"name": "t", "type": "time", "unit": "second"},
    {"name": "c", "type": "channel"},
    {"name": "z", "type": "space", "unit": "micrometer"},
    {"name": "y", "type": "space", "unit": "micrometer"},
    {"name": "x", "type": "space", "unit": "micrometer"},
]

VERSIONS = get_args(Version)


def scale(*values: float) -> dict[str, Any]:
    return {"type": "scale", "scale": list(values)}


def translation(*values: float) -> dict[str, Any]:
    return {"type": "translation", "translation": list(values)}


def dataset(path: str, *transformations: dict[str, Any]) -> dict[str, Any]:
    return {"path": path, "coordinateTransformations": list(transformations)}


def plain(*transformations: dict[str, Any], levels: Sequence[dict[str, Any]] = (), **more: Any) -> dict[str, Any]:
    """Make the attributes of an image in two dimensions, as NGFF 0.4 has them."""
    datasets = list(levels) or [dataset("0", *transformations)]
    return {"multiscales": [{"version": "0.4", "axes": AXES[-2:], "datasets": datasets, **more}]}


def under_ome(attributes: dict[str, Any]) -> dict[str, Any]:
    """Make attributes of NGFF 0.5 of those of 0.4."""
    images = [{key: value for key, value in each.items() if key != "version"} for each in attributes["multiscales"]]
    return {"ome": {**attributes, "version": "0.5", "multiscales": images}}


FULL = {
    "multiscales": [
        {
            "version": "0.4",
            "name": "cells",
            "type": "mean",
            "metadata": {"method": "skimage.transform.downscale_local_mean"},
            "axes": AXES,
            "datasets": [
                dataset("0", scale(1, 1, 2, 0.5, 0.5), translation(0, 0, 10, 20, 30)),
                dataset("1", scale(1, 1, 2, 1, 1), translation(0, 0, 10, 20.25, 30.25)),
            ],
            "coordinateTransformations": [scale(0.1, 1, 1, 1, 1)],
        }
    ],
    "omero": {
        "id": 1,
        "channels": [
            {"color": "0000FF", "label": "nuclei", "window": {"min": 0, "max": 255, "start": 0, "end": 99}},
            {"color": "00FF00", "window": {"min": 0, "max": 255, "start": 0, "end": 99}},
        ],
    },
}


def read(attributes: dict[str, Any]) -> Image:
    """Read attributes that describe one image."""
    (image,) = images_of(attributes)
    return image


@pytest.mark.parametrize("version", VERSIONS)
def test_reads_an_image(version: str) -> None:
    image = read(FULL if version == "0.4" else under_ome(FULL))
    assert image == Image(
        axes=(
            Axis("t", "time", "second"),
            Axis("c", "channel"),
            *(Axis(name, "space", "micrometer") for name in "zyx"),
        ),
        datasets=(
            Dataset("0", (0.1, 1.0, 2.0, 0.5, 0.5), (0.0, 0.0, 10.0, 20.0, 30.0)),
            Dataset("1", (0.1, 1.0, 2.0, 1.0, 1.0), (0.0, 0.0, 10.0, 20.25, 30.25)),
        ),
        name="cells",
        version=version,
        channels=("nuclei", "channel-1"),
        method="mean",
        where="$.multiscales[0]" if version == "0.4" else "$.ome.multiscales[0]",
    )


@pytest.mark.parametrize("said", [{"version": "0.1"}, {"version": "0.2"}, {}])
def test_five_axes_are_implicit_before_version_3(said: dict[str, Any]) -> None:
    image = read({"multiscales": [{**said, "datasets": [{"path": "0"}, {"path": "1"}]}]})
    assert "".join(axis.name for axis in image.axes) == "tczyx"
    assert [axis.kind for axis in image.axes] == ["time", "channel", "space", "space", "space"]
    assert image.version == said.get("version", "0.2")
    assert image.datasets == (Dataset("0", (), (0.0,) * 5), Dataset("1", (), (0.0,) * 5))


def test_axes_of_version_3_are_texts() -> None:
    image = read({"multiscales": [{"axes": ["c", "y", "x"], "datasets": [{"path": "0"}]}]})
    assert image.axes == (Axis("c", "channel"), Axis("y", "space"), Axis("x", "space"))
    assert image.version == "0.3"


def test_a_type_that_is_not_said_follows_from_the_name() -> None:
    axes = [{"name": "phase"}, {"name": "y", "type": None, "unit": None}, {"name": "x"}]
    image = read({"multiscales": [{"axes": axes, "datasets": [dataset("0", scale(1, 1, 1))]}]})
    assert image.axes == (Axis("phase"), Axis("y", "space"), Axis("x", "space"))
    assert image.version == "0.4"


def test_images_under_ome_are_of_version_5() -> None:
    attributes = under_ome(plain(scale(1, 1)))
    del attributes["ome"]["version"]
    assert read(attributes).version == "0.5"


def test_attributes_of_something_else_have_no_images() -> None:
    assert [images_of(each) for each in ({}, {"ome": 3}, {"ome": {"version": "0.5"}}, {"multiscales": None})] == [
        ()
    ] * 4


def test_other_facts_called_ome_do_not_hide_an_image() -> None:
    assert read({**plain(scale(2, 3)), "ome": {"by": "someone"}}).datasets[0].scale == (2.0, 3.0)


def test_several_images_have_names() -> None:
    first, second = plain(scale(1, 1), name="3D"), plain(scale(2, 2), name=7)
    images = images_of({"multiscales": [*first["multiscales"], *second["multiscales"], *plain()["multiscales"]]})
    assert [image.name for image in images] == ["3D", "7", ""]
    assert [image.where for image in images] == [f"$.multiscales[{n}]" for n in range(3)]


@pytest.mark.parametrize(
    ("own", "of_image"),
    [
        ([scale(2, 3)], []),
        ([scale(2, 3), translation(5, 7)], []),
        ([translation(5, 7), scale(2, 3)], []),
        ([scale(2, 3), translation(5, 7)], [scale(11, 13), translation(17, 19)]),
        ([scale(2, 3), {"type": "identity"}, scale(5, 5)], [translation(1, 2), translation(3, 4)]),
        ([{"type": "identity"}], [scale(11, 13)]),
        ([], [scale(2, 2), translation(1, 1)]),
    ],
)
def test_transformations_come_in_order_those_of_the_image_last(own: list[Any], of_image: list[Any]) -> None:
    image = read(plain(*own, coordinateTransformations=of_image))
    voxel = np.array([3.0, 4.0])
    place = voxel
    for each in own + of_image:
        place = place * each.get("scale", 1) + each.get("translation", 0)
    found = image.datasets[0]
    np.testing.assert_allclose(voxel * found.scale + found.translation, place, rtol=1e-12)


def test_a_coarser_level_without_a_scale_has_not_that_of_the_image() -> None:
    levels = [{"path": "0"}, {"path": "1"}, dataset("2", scale(4, 4))]
    image = read(plain(levels=levels, coordinateTransformations=[scale(0.5, 0.5)]))
    assert [each.scale for each in image.datasets] == [(0.5, 0.5), (), (2.0, 2.0)]


def test_paths_lose_slashes_at_their_ends() -> None:
    levels = [dataset("/a/b/", scale(1, 1)), dataset("./c", scale(1, 1))]
    assert [each.path for each in read(plain(levels=levels)).datasets] == ["a/b", "c"]


@pytest.mark.parametrize("channels", [None, [], [{}], [{"label": ""}, {"label": None}]])
def test_channels_without_labels(channels: list[Any] | None) -> None:
    assert read({**plain(scale(1, 1)), "omero": {"channels": channels}}).channels == ()


TRANSFORMATION = "$.multiscales[0].datasets[0].coordinateTransformations[0]"

BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "no list": ({"multiscales": {"datasets": []}}, "$.multiscales"),
    "no object": ({"multiscales": [3]}, "$.multiscales[0]"),
    "no datasets": ({"multiscales": [{"axes": AXES}]}, "$.multiscales[0]"),
    "empty datasets": (plain(datasets=[]), "$.multiscales[0].datasets"),
    "no path": (plain(datasets=[{}]), "$.multiscales[0].datasets[0]"),
    "number as path": (plain(datasets=[{"path": 0}]), "$.multiscales[0].datasets[0].path"),
    "empty path": (plain(datasets=[{"path": "/"}]), "$.multiscales[0].datasets[0].path"),
    "path out of the group": (plain(datasets=[{"path": "a/../../b"}]), "$.multiscales[0].datasets[0].path"),
    "path with a drive": (plain(datasets=[{"path": "C:/b"}]), "$.multiscales[0].datasets[0].path"),
    "path with backslashes": (plain(datasets=[{"path": "..\\b"}]), "$.multiscales[0].datasets[0].path"),
    "path twice": (plain(datasets=[{"path": "0"}, {"path": "0/"}]), "$.multiscales[0].datasets[1].path"),
    "axes not said": (plain(scale(1, 1), axes=None), "$.multiscales[0]"),
    "no axes": (plain(axes=[]), "$.multiscales[0].axes"),
    "axes as text": (plain(axes="yx"), "$.multiscales[0].axes"),
    "axis without name": (plain(axes=[{"type": "space"}]), "$.multiscales[0].axes[0]"),
    "axis as number": (plain(axes=["y", 2]), "$.multiscales[0].axes[1]"),
    "axis twice": (plain(axes=["x", "x"]), "$.multiscales[0].axes"),
    "unit as number": (plain(axes=[{"name": "x", "unit": 3}]), "$.multiscales[0].axes[0].unit"),
    "transformations as object": (plain(coordinateTransformations={}), "$.multiscales[0].coordinateTransformations"),
    "transformation without type": (plain({"scale": [1, 1]}), TRANSFORMATION),
    "scale as number": (plain({"type": "scale", "scale": 2}), f"{TRANSFORMATION}.scale"),
    "scale of texts": (plain({"type": "scale", "scale": [1, "1"]}), f"{TRANSFORMATION}.scale[1]"),
    "scale that is no number": (plain(scale(1, float("nan"))), f"{TRANSFORMATION}.scale[1]"),
    "scale of 0": (plain(scale(1, 0)), f"{TRANSFORMATION}.scale"),
    "scale below 0": (plain(scale(-1, 1)), f"{TRANSFORMATION}.scale"),
    "scale too short": (plain(scale(1)), f"{TRANSFORMATION}.scale"),
    "translation too long": (plain(translation(1, 2, 3)), f"{TRANSFORMATION}.translation"),
    "translation of the image too long": (
        plain(scale(1, 1), coordinateTransformations=[scale(1, 1), translation(1, 2, 3)]),
        "$.multiscales[0].coordinateTransformations[1].translation",
    ),
    "scale out of range": (plain(scale(1e200, 1)), "$.multiscales[0].datasets[0]"),
    "translation out of range": (plain(scale(1e9, 1), translation(1e200, 1)), "$.multiscales[0].datasets[0]"),
    "channels as object": ({**plain(scale(1, 1)), "omero": {"channels": {}}}, "$.omero.channels"),
    "label as list": ({**plain(scale(1, 1)), "omero": {"channels": [{"label": []}]}}, "$.omero.channels[0].label"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_document_is_one_sentence_with_its_json_path(kind: str) -> None:
    attributes, path = BROKEN[kind]
    with pytest.raises(MetadataError, match=r"open /data/cells\.zarr: ") as raised:
        images_of(attributes, "open /data/cells.zarr")
    assert raised.value.path == path
    assert path in str(raised.value)
    assert "\n" not in str(raised.value)


def test_json_paths_of_version_5_begin_with_ome() -> None:
    with pytest.raises(MetadataError) as raised:
        images_of(under_ome(plain(scale(1))))
    assert raised.value.path == "$.ome.multiscales[0].datasets[0].coordinateTransformations[0].scale"


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (plain({"type": "scale", "path": "scales"}), "scale by path"),
        (plain({"type": "translation", "path": "places"}), "translation by path"),
        (plain({"type": "scale"}), "'scale'"),
        (plain({"type": "affine", "affine": [[1, 0], [0, 1]]}), "affine"),
        (plain(scale(1, 1), version="0.6"), r"0\.1 to 0\.5 and found '0\.6' at \$\.multiscales\[0\]\.version"),
        ({"ome": {"version": "0.6.dev2", "multiscales": [{"coordinateSystems": []}]}}, r"\$\.ome\.version"),
        ({"ome": {"version": "1.0", "multiscales": []}}, "found '1.0'"),
    ],
)
def test_what_is_not_supported_is_refused_with_one_sentence(document: dict[str, Any], told: str) -> None:
    with pytest.raises(UnsupportedError, match=told):
        images_of(document)


def test_an_array_of_other_axes_is_refused() -> None:
    image = read(FULL)
    image.check_array(1, 5, "open a")
    with pytest.raises(
        MetadataError, match=r"open a: expected an array of the axes t, c, z, y, x at 1 and found 3 axes"
    ):
        image.check_array(1, 3, "open a")


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the keys that lead to each part of a document."""
    items = list(node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ())
    return [path, *(place for key, each in items for place in places(each, (*path, key)))]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from(["..", "scale", "0"]),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.sampled_from(["path", "name", "type"]), each),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_anywhere_is_read_or_refused(data: st.DataObject) -> None:
    attributes = copy.deepcopy(data.draw(st.sampled_from([FULL, under_ome(FULL)])))
    *above, key = data.draw(st.sampled_from(places(attributes)[1:]))
    parent: Any = functools.reduce(operator.getitem, above, attributes)
    if data.draw(st.booleans()):
        parent[key] = data.draw(JSON)
    else:
        del parent[key]
    try:
        images = images_of(attributes)
    except (MetadataError, UnsupportedError) as error:
        assert "$." in str(error)  # noqa: PT017
    else:
        assert all(len(each.translation) == len(image.axes) for image in images for each in image.datasets)


DIMS = ["xy", "xyz", "cxyz", "cxyzt", "cxy", "txy", "axy", "xyzu"]


@st.composite
def written(draw: st.DrawFn) -> Image:
    dims = draw(st.sampled_from(DIMS))
    sizes = st.floats(1e-9, 1e9)
    origins = st.just(0.0) | st.floats(-1e9, 1e9)
    count = draw(st.integers(1, 3))
    return image_for(
        dims,
        Physical(
            {dim: draw(sizes) for dim in dims},
            {dim: draw(st.sampled_from(["", "nanometers", "seconds", "cubits"])) for dim in dims},
            {dim: draw(origins) for dim in dims},
        ),
        factors=[tuple(1.0 if dim in "ct" else 2.0**level for dim in dims) for level in range(count)],
        channels=draw(st.lists(st.text(min_size=1, max_size=4), max_size=3)) if "c" in dims else (),
        name=draw(st.text(max_size=4)),
        method=draw(st.sampled_from(["mean", "mode", "label", "stride"])),
    )


def model_of(version: str, attributes: dict[str, Any]) -> Attributes04 | Attributes05:
    """Check a document with the models of ome-zarr-models."""
    if version == "0.4":
        return Attributes04.model_validate(attributes)
    return Attributes05.model_validate(attributes["ome"])


@settings(deadline=None)
@given(written(), st.sampled_from(VERSIONS), st.sampled_from(["uint8", "int16", "uint64", "float32", None]))
def test_what_is_written_is_read_and_is_valid_elsewhere(image: Image, version: Version, dtype: str | None) -> None:
    attributes = json.loads(json.dumps(multiscales(image, version, dtype)))
    found = read(attributes)
    assert (found.axes, found.datasets) == (image.axes, image.datasets)
    assert (found.name, found.method, found.channels) == (image.name, image.method, image.channels)
    assert found.version == version
    model = model_of(version, attributes).multiscales[0]
    assert [axis.name for axis in model.axes] == [axis.name for axis in image.axes]
    assert [each.path for each in model.datasets] == [each.path for each in image.datasets]


@pytest.mark.parametrize("version", VERSIONS)
def test_examples_made_by_hand_are_valid_elsewhere(version: str) -> None:
    assert model_of(version, FULL if version == "0.4" else under_ome(FULL)).multiscales[0].name == "cells"


def test_writes_version_5() -> None:
    image = image_for("xy", Physical({"x": 8, "y": 8}, {"x": "nm", "y": ""}), name="cells")
    assert multiscales(image) == {
        "ome": {
            "version": "0.5",
            "multiscales": [
                {
                    "name": "cells",
                    "axes": [{"name": "y", "type": "space"}, {"name": "x", "type": "space", "unit": "nanometer"}],
                    "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [8.0, 8.0]}]}],
                }
            ],
        }
    }


def test_writes_channels_beside_the_images_of_version_4() -> None:
    attributes = multiscales(image_for("cxy", channels=["red", "green"]), "0.4", "uint16")
    channels = attributes["omero"]["channels"]
    assert [(channel["label"], channel["window"]["end"]) for channel in channels] == [("red", 65535), ("green", 65535)]
    assert len({channel["color"] for channel in channels}) == 2


@pytest.mark.parametrize("order", ["xyc", "ycx", "tt", "uc", "yxt"])
def test_axes_in_another_order_are_not_written(order: str) -> None:
    kinds = {"t": "time", "c": "channel", "x": "space", "y": "space", "u": "other"}
    names = [f"{letter}{at}" for at, letter in enumerate(order)]
    axes = tuple(Axis(name, kinds[letter]) for name, letter in zip(names, order, strict=True))
    image = Image(axes, (Dataset("0", (1.0,) * len(axes), (0.0,) * len(axes)),))
    with pytest.raises(UnsupportedError, match="those of space"):
        multiscales(image)


@pytest.mark.parametrize("path", ["", "/0", "a//b", "a\\b"])
def test_a_path_that_nobody_could_read_is_not_written(path: str) -> None:
    image = Image((Axis("y", "space"), Axis("x", "space")), (Dataset(path, (1.0, 1.0), (0.0, 0.0)),))
    with pytest.raises(MetadataError, match=r"write OME-Zarr 0\.5"):
        multiscales(image)
