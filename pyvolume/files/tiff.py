"""``.tif`` for ImageJ and ``.ome.tif``: planes of x and y, mapped into memory where they are not compressed."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import tifffile

from pyvolume.errors import UnsupportedError
from pyvolume.files.axes import laid_out, viewed
from pyvolume.files.description import Description
from pyvolume.model.units import NAMES, SYMBOLS

PLANES = "zcyx"
"""The axes in a file, as ImageJ wants them."""

OURS = "pyvolume"
"""What the description is called among ImageJ's properties."""

IMAGEJ_DTYPES = {"uint8", "uint16", "float32"}
IMAGEJ_BYTES = 4_000_000_000
"""ImageJ reads no larger file of this form."""


@contextlib.contextmanager
def create(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], description: Description) -> Iterator[Any]:
    """Give an array in a new file; an OME-TIFF, one of ImageJ's, or a plain one where ImageJ has no such voxels."""
    axes = description.axes
    stored = laid_out(axes, shape, PLANES, f"write {path.name}")
    mapped = tifffile.memmap(path, **_options(path, stored, dtype, description))
    yield viewed(mapped.reshape(stored), PLANES, axes, f"write {path.name}")
    mapped.flush()


def _options(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], description: Description) -> dict[str, Any]:
    is_large = math.prod(shape) * dtype.itemsize > IMAGEJ_BYTES
    sizes = {axis: description.size_of(axis) for axis in "xyz"}
    symbols = {axis: SYMBOLS.get(description.unit_of(axis), "") for axis in "xyz"}
    options: dict[str, Any] = {"shape": shape, "dtype": dtype, "photometric": "minisblack"}
    if path.name.lower().endswith((".ome.tif", ".ome.tiff")):
        if dtype.name == "uint64":
            raise UnsupportedError(f"write {path.name}: OME has no voxels of {dtype}; a plain .tif, .h5 or .zarr has")
        physical = {f"PhysicalSize{axis.upper()}": size for axis, size in sizes.items()}
        units = {f"PhysicalSize{axis.upper()}Unit": symbol for axis, symbol in symbols.items() if symbol}
        ome = {"axes": PLANES.upper(), "Description": description.to_json(), **physical, **units}
        return {**options, "ome": True, "metadata": ome, "bigtiff": is_large}
    options["resolution"] = (1 / sizes["x"], 1 / sizes["y"])
    metadata: dict[str, Any] = {"axes": PLANES.upper(), OURS: description.to_json()}
    if dtype.name not in IMAGEJ_DTYPES or is_large:
        return {**options, "metadata": metadata, "bigtiff": is_large}
    # the samples are said, or else tifffile takes the only voxel of a row for them
    options["shape"] = (*shape, 1)
    metadata |= {"axes": f"{PLANES}s".upper(), "spacing": sizes["z"], "unit": symbols["x"].replace("µ", "u") or "pixel"}
    return {**options, "dtype": dtype.newbyteorder(">"), "imagej": True, "metadata": metadata}


@contextlib.contextmanager
def read(path: Path) -> Iterator[tuple[Any, Description]]:
    """Give the first series of a file, with pyvolume's axes."""
    what = f"read {path.name}"
    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        array = tifffile.memmap(path, mode="r") if series.dataoffset is not None else series.asarray()
        held = _letters(series.axes, what)
        description = _description(file, path)
    axes = description.axes if description is not None else "cxyz"
    voxels = viewed(array.reshape(series.shape), held, axes, what)
    if description is None:
        description = Description(axes, axes, **_calibration(file))
    yield voxels, description


def _letters(axes: str, what: str) -> str:
    """Return pyvolume's letters for those of tifffile: samples are channels, planes of no other name are z."""
    letters = axes.lower().replace("s", "c").replace("i", "z").replace("q", "z")
    if len(set(letters)) != len(letters):
        raise UnsupportedError(f"{what}: expected each of the axes {PLANES} once and found {axes}")
    return letters


def _description(file: tifffile.TiffFile, path: Path) -> Description | None:
    texts = [(each or {}).get(OURS) for each in (file.imagej_metadata, (file.shaped_metadata or ({},))[0])]
    if file.ome_metadata:
        texts.append(ET.fromstring(file.ome_metadata).findtext("{*}Image/{*}Description"))
    text = next((str(each) for each in texts if each and str(each).startswith('{"axes"')), None)
    return None if text is None else Description.of_json(text, str(path))


def _calibration(file: tifffile.TiffFile) -> dict[str, Any]:
    """Return the size of the voxels where OME or ImageJ says it."""
    if file.ome_metadata:
        return _of_ome(file.ome_metadata)
    unit = NAMES.get(str((file.imagej_metadata or {}).get("unit", "")).encode().decode("unicode_escape"), "")
    densities = [file.pages.first.tags.get(f"{axis}Resolution") for axis in "XY"]
    if not unit or not all(tag is not None and tag.value[0] for tag in densities):
        return {}
    across = (tag.value[1] / tag.value[0] for tag in densities if tag is not None)
    spacing = float((file.imagej_metadata or {}).get("spacing", 1.0))
    return {"resolution": (*across, spacing), "units": (unit,) * 3}


def _of_ome(text: str) -> dict[str, Any]:
    pixels = ET.fromstring(text).find("{*}Image/{*}Pixels")
    if pixels is None or "PhysicalSizeX" not in pixels.attrib:
        return {}
    sizes = tuple(float(pixels.get(f"PhysicalSize{axis}", 1.0)) for axis in "XYZ")
    units = tuple(NAMES.get(pixels.get(f"PhysicalSize{axis}Unit", "µm"), "") for axis in "XYZ")
    return {"resolution": sizes, "units": units}
