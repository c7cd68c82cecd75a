"""Images of BigDataViewer, and what can be wrong with their XML."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from n5_by_hand import reduced, write_image, write_json

import pyvolume
from pyvolume.errors import (
    AddressError,
    AmbiguousError,
    MetadataError,
    NotFoundError,
    PyVolumeError,
    SelectionError,
    UnsupportedError,
)
from pyvolume.n5 import N5Volume

SIZE = (20, 17, 9)
LEVELS = [(1, 1, 1), (2, 2, 1), (4, 4, 2)]


def array(seed: int) -> np.ndarray[Any, np.dtype[np.uint16]]:
    return np.random.default_rng(seed).integers(0, 9999, SIZE).astype("uint16")


VIEWS = {
    (channel, angle, time): array(100 * channel + 10 * angle + time)
    for channel in range(2)
    for angle in range(2)
    for time in (3, 8)
}
WHOLE = np.stack([np.stack([np.stack([VIEWS[c, a, t] for a in range(2)], -1) for t in (3, 8)], -2) for c in range(2)])


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


@pytest.fixture
def xml(tmp_path: Path) -> Path:
    write_image(tmp_path / "dataset.xml", VIEWS, levels=LEVELS, blocks=(8, 8, 8), n5="dataset.n5")
    return tmp_path / "dataset.xml"


def test_an_image_has_six_axes(xml: Path) -> None:
    volume = pyvolume.open(xml, kind=N5Volume)
    assert (volume.dims, volume.shape) == (tuple("cxyzta"), (2, *SIZE, 2, 2))
    assert (volume.resolution, volume.units) == ((0.4, 0.4, 1.6, 1, 1), ("um", "um", "um", "", ""))
    assert volume.metadata.labels[4] == ("3", "8")
    assert (volume.chunks, volume.mode) == ((1, 8, 8, 8, 1, 1), "r")
    same(volume[...], WHOLE)
    same(volume[1, 3:19:4, ::-1, 2:7, 1:, 0], WHOLE[1, 3:19:4, ::-1, 2:7, 1:, 0])


@pytest.mark.parametrize(
    ("query", "dims", "key"),
    [
        ("timepoint=8", "cxyza", np.s_[:, :, :, :, 1]),
        ("angle=1", "cxyzt", np.s_[..., 1]),
        ("channel=1&timepoint=3&angle=0", "cxyz", np.s_[1:, :, :, :, 0, 0]),
        ("setup=2", "cxyzta", np.s_[1:, :, :, :, :, :1]),
    ],
)
def test_a_query_chooses_views(xml: Path, query: str, dims: str, key: Any) -> None:
    volume = pyvolume.open(f"n5://{xml}?{query}")
    assert "".join(volume.dims) == dims
    same(volume[...], WHOLE[key])
    same(pyvolume.open(volume.store.address)[...], WHOLE[key])


def test_levels_are_scales(xml: Path) -> None:
    volume = pyvolume.open(f"{xml}?timepoint=3&angle=0")
    assert list(volume.scales.factors) == [(1, 1, 1, 1), (1, 2, 2, 1), (1, 4, 4, 2)]
    for number, factors in enumerate(LEVELS):
        coarse = volume.scale(number)
        same(coarse[1], reduced(VIEWS[1, 0, 3], factors))
        assert coarse.resolution == tuple(size * factor for size, factor in zip((0.4, 0.4, 1.6), factors, strict=True))
    same(pyvolume.open(f"{xml}?timepoint=3&angle=0&level=4,4,2")[...], volume.scale(2)[...])
    with pytest.raises(NotFoundError, match=r"no level 9; the levels are 0 \(1,1,1\)"):
        pyvolume.open(f"{xml}?level=9")


def test_a_volume_travels_by_its_path(xml: Path) -> None:
    volume = pyvolume.open(f"{xml}?angle=1")
    volume[0, 0, 0, 0, 0]
    same(pickle.loads(pickle.dumps(volume))[...], WHOLE[..., 1])


def test_views_and_blocks_that_are_missing_read_as_zeros(tmp_path: Path) -> None:
    views = {key: voxels for key, voxels in VIEWS.items() if key != (1, 0, 8)}
    write_image(tmp_path / "a.xml", views, blocks=(8, 8, 8), skip=lambda *block: block == (0, 1, 3, 0, (0, 2, 1)))
    expected = WHOLE.copy()
    expected[1, :, :, :, 1, 0] = 0
    expected[0, :8, 16:, 8:, 0, 1] = 0
    volume = pyvolume.open(tmp_path / "a.xml", kind=N5Volume)
    same(volume[...], expected)
    found = volume.exists()
    assert found.shape == (2, 3, 3, 2, 2, 2)
    assert (int((~found).sum()), bool(found[0, 0, 2, 1, 0, 1])) == (18 + 1, False)
    with pytest.raises(NotFoundError, match="not stored"):
        pyvolume.open(tmp_path / "a.xml", missing="raise")[...]
    assert pyvolume.open(tmp_path / "a.xml", fill_value=5)[1, 0, 0, 0, 1, 0] == 5


def test_tiles_must_be_chosen(tmp_path: Path) -> None:
    write_image(tmp_path / "a.xml", VIEWS, tiles={(0, 0): 0, (1, 0): 1, (0, 1): 0, (1, 1): 1})
    text = (tmp_path / "a.xml").read_text()
    (tmp_path / "a.xml").write_text(text.replace("<channel>1</channel>", "<channel>0</channel>"))
    with pytest.raises(
        AmbiguousError, match=r"the channel 0 and the angle 0: setup 0 .*; choose one: \?tile="
    ) as caught:
        pyvolume.open(tmp_path / "a.xml")
    assert caught.value.candidates == ("setup=0", "setup=1", "setup=2", "setup=3")
    same(pyvolume.open(f"{tmp_path / 'a.xml'}?tile=1")[...], WHOLE[1:])


@pytest.mark.parametrize("query", ["channel=2", "angle=5", "timepoint=4", "setup=9", "illumination=1", "tile=7"])
def test_an_id_that_is_not_there_lists_those_that_are(xml: Path, query: str) -> None:
    with pytest.raises(NotFoundError, match=r"no [\w ]+ \d; there are \d"):
        pyvolume.open(f"{xml}?{query}")


def test_images_are_read_only(xml: Path) -> None:
    with pytest.raises(UnsupportedError, match="read only; mode='r'"):
        pyvolume.open(xml, "r+")
    with pytest.raises(AddressError, match="an XML file has no versions"):
        pyvolume.open(f"{xml}?version=0")
    with pytest.raises(SelectionError):
        pyvolume.open(xml)[5]


def test_describe_lists_what_a_url_can_choose(xml: Path) -> None:
    found = pyvolume.open(f"{xml}?angle=1").describe()
    assert (found["channels"], found["angles"], found["timepoints"]) == ([0, 1], [1], [3, 8])
    assert found["levels"] == [[1, 1, 1], [2, 2, 1], [4, 4, 2]]


def test_channels_have_the_names_of_the_xml(xml: Path) -> None:
    xml.write_text(xml.read_text().replace("<name>0</name>", "<name>GFP</name>"))
    assert pyvolume.open(xml).metadata.labels[0] == ("GFP", "channel-1")


@pytest.mark.parametrize(
    ("times", "ids"),
    [
        ('<Timepoints type="range"><first>3</first><last>8</last></Timepoints>', (3, 4, 5, 6, 7, 8)),
        ('<Timepoints type="pattern"><integerpattern>3-8:5, 20</integerpattern></Timepoints>', (3, 8, 20)),
        ("", (0,)),
    ],
)
def test_time_points_are_said_in_several_ways(xml: Path, times: str, ids: tuple[int, ...]) -> None:
    text = re.sub("<Timepoints.*</Timepoints>", times, xml.read_text())
    xml.write_text(text)
    if 3 in ids:
        assert pyvolume.open(xml).metadata.labels[4] == tuple(map(str, ids))
    else:
        with pytest.raises(NotFoundError, match="none of the views"):
            pyvolume.open(xml)


BROKEN: dict[str, tuple[type[PyVolumeError], str, str, str]] = {
    "cut short": (MetadataError, "expected XML and found something broken", "</SpimData>", ""),
    "another document": (MetadataError, "XML of BigDataViewer", "SpimData", "svg"),
    "entities": (
        MetadataError,
        "without a document type",
        "<SpimData",
        '<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><SpimData',
    ),
    "an entity of a file": (
        MetadataError,
        "without a document type",
        "<SpimData",
        '<!DOCTYPE x SYSTEM "file:///etc/passwd"><SpimData',
    ),
    "an entity without a type": (MetadataError, "something broken", "dataset.n5", "&a;"),
    "deep": (MetadataError, "nested too deeply", "<ViewSetups>", "<a>" * 5000 + "</a>" * 5000 + "<ViewSetups>"),
    "no setups": (MetadataError, "expected view setups", "ViewSetups", "Others"),
    "another loader": (UnsupportedError, "format bdv.n5, and found 'bdv.hdf5'", "bdv.n5", "bdv.hdf5"),
    "a server": (UnsupportedError, "hpc://", "bdv.n5", "bdv.hpc-datastore"),
    "a path that leaves": (AddressError, "inside .* '\\./\\.\\./x'", "dataset.n5", "../x"),
    "a path from the root": (AddressError, "in the folder of the file and found '/etc'", "dataset.n5", "/etc"),
    "an absolute path": (AddressError, "in the folder", '<n5 type="relative">', '<n5 type="absolute">'),
    "huge id": (MetadataError, "id as a number", "<id>1</id>", f"<id>{'9' * 5000}</id>"),
    "negative id": (MetadataError, "id as a number", "<id>1</id>", "<id>-1</id>"),
    "a setup twice": (MetadataError, "a setup is there twice", "<id>1</id><name>setup1", "<id>0</id><name>setup1"),
    "no size": (MetadataError, "a size along x, y and z", "<size>20 17 9</size>", "<size>20 17</size>"),
    "a word as size": (MetadataError, "the size of a voxel and found 'big'", "0.4 0.4 1.6", "0.4 big 1.6"),
    "many time points": (
        MetadataError,
        "up to 1000000 time points",
        '<Timepoints type="list">',
        '<Timepoints type="range"><first>0</first><last>2000000000</last>',
    ),
    "a wrong pattern": (
        MetadataError,
        "time points as in",
        '<Timepoints type="list">',
        '<Timepoints type="pattern"><integerpattern>1-2:0</integerpattern>',
    ),
    "no kind of time points": (MetadataError, "range, list or pattern", 'type="list"', 'type="guess"'),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_xml_is_one_sentence(xml: Path, case: str) -> None:
    error, message, old, new = BROKEN[case]
    text = xml.read_text()
    assert old in text
    xml.write_text(text.replace(old, new))
    with pytest.raises(error, match=message) as caught:
        pyvolume.open(xml)
    assert str(caught.value).startswith(f"open {xml}") or "open: expected a path inside" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_xml_at_all_is_one_sentence(xml: Path) -> None:
    for data in (b"", b"\0" * 99, b"\xff\xfe<", "<a>é".encode("latin-1")):
        xml.write_bytes(data)
        with pytest.raises(MetadataError, match="expected XML"):
            pyvolume.open(xml)


@pytest.mark.parametrize(
    ("setup", "error", "message"),
    [
        (None, MetadataError, "the attributes of a setup"),
        ({"dataType": "uint16"}, MetadataError, "n5-setup-1"),
        ({"dataType": "uint16", "downsamplingFactors": [[1, 1]]}, MetadataError, "n5-setup-1"),
        ({"dataType": "uint16", "downsamplingFactors": [[10**30, 1, 1]]}, MetadataError, "n5-setup-1"),
        ({"dataType": "string", "downsamplingFactors": [[1, 1, 1]]}, UnsupportedError, "a dataType of numbers"),
        ({"dataType": "uint16", "downsamplingFactors": [[1, 1, 1]]}, MetadataError, "the same levels"),
    ],
)
def test_attributes_of_a_setup_that_do_not_fit_are_one_sentence(
    xml: Path, setup: dict[str, Any] | None, error: type[Exception], message: str
) -> None:
    folder = xml.parent / "dataset.n5" / "setup1"
    (folder / "attributes.json").unlink()
    if setup is not None:
        write_json(folder, setup)
    with pytest.raises(error, match=message):
        pyvolume.open(xml)


def test_a_view_of_another_size_is_an_error(xml: Path) -> None:
    level = xml.parent / "dataset.n5" / "setup1" / "timepoint8" / "s0"
    attributes = json.loads((level / "attributes.json").read_text())
    write_json(level, attributes | {"dimensions": [5, 5, 5]})
    volume = pyvolume.open(xml)
    same(volume[..., 0, :], WHOLE[..., 0, :])
    with pytest.raises(MetadataError, match=r"setup1/timepoint8/s0: expected \(20, 17, 9\) voxels .*\(5, 5, 5\)"):
        volume[...]


def test_setups_of_different_sizes_are_chosen_one_by_one(xml: Path) -> None:
    text = xml.read_text()
    at = text.rindex("<size>20 17 9</size>")
    xml.write_text(text[:at] + "<size>21 17 9</size>" + text[at + 20 :])
    with pytest.raises(MetadataError, match=r"setups of one size and found setup 0 .*21×17×9.*\?setup="):
        pyvolume.open(xml)
    assert pyvolume.open(f"{xml}?setup=1").shape == (1, *SIZE, 2, 1)
