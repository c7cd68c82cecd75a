"""What OME-Zarr says of the arrays in a group: their axes, and the size of their voxels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
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
    for folder in path.parents:
        if not any((folder / name).exists() for name in ("zarr.json", ".zgroup")):
            break
        attributes: Any = zarr.open_group(str(folder), mode="r").attrs.asdict()
        name = path.relative_to(folder).as_posix()
        try:
            found = list(_named(name, attributes.get("ome", attributes).get("multiscales", ())))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise MetadataError(f"read {path}: expected multiscales of OME-Zarr in {folder}: {error!r}") from None
        if found:
            return found[0]
    return Image()


def _named(name: str, multiscales: Iterable[Mapping[str, Any]]) -> Iterable[Image]:
    for image in multiscales:
        # versions before 0.4 name the axes only, those before 0.3 have five
        axes = [each if isinstance(each, dict) else {"name": each} for each in image.get("axes", "tczyx")]
        for dataset in image["datasets"]:
            if dataset["path"].strip("/") == name:
                scales = [*_scales(image), *_scales(dataset)]
                yield Image(
                    axes=tuple(each["name"] for each in axes),
                    scale=tuple(map(math.prod, zip(*scales, strict=True))),
                    units=tuple(each.get("unit", "") for each in axes),
                )


def _scales(item: Mapping[str, Any]) -> list[list[float]]:
    transformations = item.get("coordinateTransformations", ())
    return [[float(n) for n in each["scale"]] for each in transformations if each["type"] == "scale"]
