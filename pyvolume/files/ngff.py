"""What OME-Zarr says of the arrays in a group: their axes, and the size of their voxels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zarr

from pyvolume.errors import MetadataError


@dataclass(frozen=True, slots=True)
class Image:
    """What is said of one array; empty where nothing is said.

    Parameters
    ----------
    axes : tuple of str
        The names of its axes.
    scale : tuple of float
        The size of a voxel, one per axis.
    units : tuple of str
        The units of these sizes, likewise.
    """

    axes: tuple[str, ...] = ()
    scale: tuple[float, ...] = ()
    units: tuple[str, ...] = ()


def image_of(path: Path) -> Image:
    """Return what the groups around an array say of it.

    Raises
    ------
    MetadataError
        If the metadata of OME-Zarr is broken.
    """
    return dict(_around(path)).get(path, Image())


def levels_of(path: Path) -> list[tuple[Path, Image]]:
    """Return the arrays of an image, the finest first, and what is said of each; empty if there is no image.

    Parameters
    ----------
    path : Path
        A group that says of one image only, or an array of an image.

    Raises
    ------
    MetadataError
        If the metadata of OME-Zarr is broken.
    """
    own = list(_images(path, path)) if _is_group(path) else []
    return own[0] if len(own) == 1 else _around(path)


def _around(path: Path) -> list[tuple[Path, Image]]:
    """Return the image that an array belongs to, as the nearest group around it says."""
    for folder in path.parents:
        if not _is_group(folder):
            break
        for image in _images(folder, path):
            if any(each == path for each, _ in image):
                return image
    return []


def _is_group(folder: Path) -> bool:
    if (folder / ".zgroup").exists():
        return True
    return (folder / "zarr.json").exists() and isinstance(zarr.open(str(folder), mode="r"), zarr.Group)


def _images(folder: Path, path: Path) -> Iterator[list[tuple[Path, Image]]]:
    """Give the images that a group tells of, to read a path: the arrays of each, the finest first."""
    attributes: Any = zarr.open_group(str(folder), mode="r").attrs.asdict()
    try:
        for image in attributes.get("ome", attributes).get("multiscales", ()):
            yield [(folder / dataset["path"].strip("/"), _described(image, dataset)) for dataset in image["datasets"]]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise MetadataError(f"read {path}: expected multiscales of OME-Zarr in {folder}: {error!r}") from None


def _described(image: Mapping[str, Any], dataset: Mapping[str, Any]) -> Image:
    # versions before 0.4 name the axes only, those before 0.3 have five
    axes = [each if isinstance(each, dict) else {"name": each} for each in image.get("axes", "tczyx")]
    return Image(
        axes=tuple(each["name"] for each in axes),
        scale=tuple(map(math.prod, zip(*_scales(image), *_scales(dataset), strict=True))),
        units=tuple(each.get("unit", "") for each in axes),
    )


def _scales(item: Mapping[str, Any]) -> list[list[float]]:
    transformations = item.get("coordinateTransformations", ())
    return [[float(n) for n in each["scale"]] for each in transformations if each["type"] == "scale"]
