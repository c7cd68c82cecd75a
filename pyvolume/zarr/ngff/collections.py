"""The attributes with which OME-Zarr (NGFF) lists images: plates, wells, series, labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyvolume.zarr.ngff.schemas import SCHEMAS
from pyvolume.zarr.ngff.sources import path_inside, source_of

LAYOUT = 3
"""The layout of bioformats2raw that NGFF describes."""


@dataclass(frozen=True, slots=True)
class LabelImage:
    """What an image of labels says of them.

    Parameters
    ----------
    colors : mapping of int to tuple of int
        Red, green, blue and opacity of a label, 0 to 255.
    source : str
        Path of the image that the labels are of, from this group; ``"../../"`` if the document says none.
    """

    colors: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    source: str = "../../"


def is_plate(attributes: Mapping[str, Any]) -> bool:
    """Whether a group is a plate: its images are in fields, in wells."""
    return _has(attributes, "plate")


def is_well(attributes: Mapping[str, Any]) -> bool:
    """Whether a group is a well of a plate."""
    return _has(attributes, "well")


def is_series(attributes: Mapping[str, Any]) -> bool:
    """Whether a group is a folder of bioformats2raw.

    Its images are those that the group ``OME`` lists, see `series_of`, or else the groups ``0``, ``1``, …
    """
    name = "bioformats2raw.layout"
    return source_of(attributes, name).content.get(name) == LAYOUT


def wells_of(attributes: Mapping[str, Any], action: str = "read OME-Zarr") -> tuple[str, ...]:
    """Return the paths of the wells of a plate, e.g. ``("A/1", "A/2")``; none if it is no plate.

    Raises
    ------
    MetadataError
        If the document is broken; ``path`` is the JSON path.
    """
    return _listed(attributes, "plate", "wells", action)


def fields_of(attributes: Mapping[str, Any], action: str = "read OME-Zarr") -> tuple[str, ...]:
    """Return the paths of the images of a well, e.g. ``("0", "1")``; none if it is no well.

    Raises
    ------
    MetadataError
        If the document is broken; ``path`` is the JSON path.
    """
    return _listed(attributes, "well", "images", action)


def series_of(attributes: Mapping[str, Any], action: str = "read OME-Zarr") -> tuple[str, ...]:
    """Return the paths of images that the group ``OME`` lists, from the group around it; none if it lists none.

    Raises
    ------
    MetadataError
        If the document is broken; ``path`` is the JSON path.
    """
    return _listed(attributes, "series", "", action)


def labels_of(attributes: Mapping[str, Any], action: str = "read OME-Zarr") -> tuple[str, ...]:
    """Return the paths of images that a group ``labels`` lists; none if it lists none.

    Raises
    ------
    MetadataError
        If the document is broken; ``path`` is the JSON path.
    """
    return _listed(attributes, "labels", "", action)


def is_label_image(attributes: Mapping[str, Any]) -> bool:
    """Whether an image says that it is one of labels."""
    return _has(attributes, "image-label")


def label_image_of(attributes: Mapping[str, Any], action: str = "read OME-Zarr") -> LabelImage | None:
    """Return what an image of labels says of them; None if the group does not say that it is one.

    Raises
    ------
    MetadataError
        If the document is broken; ``path`` is the JSON path.
    """
    if not is_label_image(attributes):
        return None
    source = source_of(attributes, "image-label")
    SCHEMAS.validate("ngff-image-label-1", source.document("image-label"), action)
    document = source.content["image-label"]
    colors = {
        int(each["label-value"]): tuple(each["rgba"]) for each in document.get("colors") or () if each.get("rgba")
    }
    return LabelImage(colors, (document.get("source") or {}).get("image") or "../../")


def _has(attributes: Mapping[str, Any], name: str) -> bool:
    return source_of(attributes, name).content.get(name) is not None


def _listed(attributes: Mapping[str, Any], name: str, within: str, action: str) -> tuple[str, ...]:
    """Return the paths of a list: texts, or objects with a path in an entry of that name."""
    if not _has(attributes, name):
        return ()
    source = source_of(attributes, name)
    SCHEMAS.validate(f"ngff-{name}-1", source.document(name), action)
    listed = source.content[name][within] if within else source.content[name]
    where = f"{source.where}.{name}.{within}" if within else f"{source.where}.{name}"
    paths = (
        path_inside(each["path"], f"{where}[{number}].path", action)
        if within
        else path_inside(each, f"{where}[{number}]", action)
        for number, each in enumerate(listed)
    )
    return tuple(dict.fromkeys(paths))
