"""OME-Zarr's lists of images: plates, wells, series, labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ome_zarr_models.v04.plate import Plate
from ome_zarr_models.v04.well_types import WellMeta

from pyvolume.errors import MetadataError
from pyvolume.zarr.ngff.collections import (
    LabelImage,
    fields_of,
    is_plate,
    is_series,
    is_well,
    label_image_of,
    labels_of,
    series_of,
    wells_of,
)

PLATE = {
    "plate": {
        "version": "0.4",
        "name": "screen 7",
        "rows": [{"name": "A"}, {"name": "B"}],
        "columns": [{"name": "1"}, {"name": "2"}],
        "wells": [
            {"path": "A/2", "rowIndex": 0, "columnIndex": 1},
            {"path": "B/1", "rowIndex": 1, "columnIndex": 0},
        ],
    }
}

WELL = {"well": {"version": "0.4", "images": [{"path": "0", "acquisition": 1}, {"path": "1"}]}}

both = pytest.mark.parametrize("place", [lambda each: each, lambda each: {"ome": {"version": "0.5", **each}}])


@both
def test_a_plate_has_wells(place: Callable[[Any], Any]) -> None:
    assert is_plate(place(PLATE))
    assert wells_of(place(PLATE)) == ("A/2", "B/1")


@both
def test_a_well_has_fields(place: Callable[[Any], Any]) -> None:
    assert is_well(place(WELL))
    assert fields_of(place(WELL)) == ("0", "1")


def test_the_examples_are_valid_elsewhere() -> None:
    assert len(Plate.model_validate(PLATE["plate"]).wells) == len(WellMeta.model_validate(WELL["well"]).images)


@both
def test_a_folder_of_bioformats2raw_has_series(place: Callable[[Any], Any]) -> None:
    assert is_series(place({"bioformats2raw.layout": 3}))
    assert series_of(place({"series": ["0", "1/", "0"]})) == ("0", "1")


@both
def test_labels_are_listed(place: Callable[[Any], Any]) -> None:
    assert labels_of(place({"labels": ["nuclei", "more/cells"]})) == ("nuclei", "more/cells")


@both
def test_an_image_of_labels_has_colors_and_a_source(place: Callable[[Any], Any]) -> None:
    colors = [{"label-value": 1, "rgba": [255, 0, 0, 128]}, {"label-value": 2}]
    assert label_image_of(place({"image-label": {"colors": colors, "source": {"image": "../raw"}}})) == LabelImage(
        {1: (255, 0, 0, 128)}, "../raw"
    )
    assert label_image_of(place({"image-label": {}})) == LabelImage({}, "../../")


def test_other_groups_are_none_of_these() -> None:
    attributes = {"ome": {"version": "0.5"}, "bioformats2raw.layout": 1, "plate": None}
    assert [is_plate(attributes), is_well(attributes), is_series(attributes)] == [False] * 3
    assert [read(attributes) for read in (wells_of, fields_of, series_of, labels_of)] == [()] * 4
    assert label_image_of(attributes) is None


@pytest.mark.parametrize(
    ("read", "attributes", "path"),
    [
        (wells_of, {"plate": []}, "$.plate"),
        (wells_of, {"plate": {}}, "$.plate"),
        (wells_of, {"plate": {"wells": [{"path": 1}]}}, "$.plate.wells[0].path"),
        (wells_of, {"ome": {"plate": {"wells": [{"path": "A/1"}, {"path": "../1"}]}}}, "$.ome.plate.wells[1].path"),
        (fields_of, {"well": {"images": {}}}, "$.well.images"),
        (fields_of, {"well": {"images": [{"path": "C:\\secret"}]}}, "$.well.images[0].path"),
        (series_of, {"series": "0"}, "$.series"),
        (series_of, {"ome": {"series": ["0", "."]}}, "$.ome.series[1]"),
        (labels_of, {"labels": {"nuclei": 1}}, "$.labels"),
        (labels_of, {"labels": ["a/../../b"]}, "$.labels[0]"),
        (label_image_of, {"image-label": 3}, "$['image-label']"),
        (label_image_of, {"image-label": {"source": {"image": 1}}}, "$['image-label'].source.image"),
    ],
)
def test_a_broken_list_is_one_sentence_with_its_json_path(
    read: Callable[..., Any], attributes: dict[str, Any], path: str
) -> None:
    with pytest.raises(MetadataError, match=r"open /data/plate\.zarr: ") as raised:
        read(attributes, "open /data/plate.zarr")
    assert raised.value.path == path
    assert path in str(raised.value)
