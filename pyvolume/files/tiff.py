"""``.tif`` for ImageJ and ``.ome.tif``: planes of x and y, mapped into memory where they are not compressed."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import ArrayLike, NDArray

from pyvolume.errors import UnsupportedError
from pyvolume.files import calibration
from pyvolume.files.axes import laid_out, viewed
from pyvolume.files.complete import one_image
from pyvolume.files.description import Description
from pyvolume.files.names import fitting, unnamed
from pyvolume.model.units import MILLIMETERS, SECONDS, symbol_of, time_symbol_of
from pyvolume.stores.space import reserve

PLANES = "tzcyx"
"""The axes in a file, as ImageJ wants them."""

OURS = "pyvolume"
"""What the description is called among ImageJ's properties."""

UNKNOWN = {"Q", "I"}
"""tifffile's letters for axes of which a file says nothing."""

IMAGEJ_DTYPES = {"uint8", "uint16", "float32"}
OME_DTYPES = {"bool", "int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64"}
IMAGEJ_BYTES = 4_000_000_000
"""ImageJ reads no larger file of this form."""


@contextlib.contextmanager
def create(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], description: Description) -> Iterator[Any]:
    """Give an array in a new file; an OME-TIFF, one of ImageJ's, or a plain one where ImageJ has no such voxels."""
    axes = description.axes
    stored = laid_out(axes, shape, PLANES, f"write {path.name}")
    mapped = tifffile.memmap(path, **_options(path, stored, dtype, description))
    reserve(path, path.stat().st_size)
    yield viewed(mapped.reshape(stored), PLANES, axes, f"write {path.name}")
    mapped.flush()


def _options(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], description: Description) -> dict[str, Any]:
    is_large = math.prod(shape) * dtype.itemsize > IMAGEJ_BYTES
    options: dict[str, Any] = {"shape": shape, "dtype": dtype, "photometric": "minisblack"}
    if path.name.lower().endswith((".ome.tif", ".ome.tiff")):
        if dtype.name not in OME_DTYPES:
            raise UnsupportedError(f"write {path.name}: OME has no voxels of {dtype}; a plain .tif, .h5 or .zarr has")
        return {**options, "ome": True, "metadata": _ome(description), "bigtiff": is_large}
    sizes, symbol = description.common_sizes()
    metadata: dict[str, Any] = {"axes": PLANES.upper(), OURS: description.to_json()}
    if dtype.name not in IMAGEJ_DTYPES or is_large:
        return {**options, **_density(sizes, symbol), "metadata": metadata, "bigtiff": is_large}
    # the samples are said, or else tifffile takes the only voxel of a row for them
    options |= {"shape": (*shape, 1), "resolution": (1 / sizes["x"], 1 / sizes["y"]), "resolutionunit": "NONE"}
    metadata |= {"axes": f"{PLANES}s".upper(), "spacing": sizes["z"], "unit": symbol.replace("µ", "u") or "pixel"}
    if seconds := SECONDS.get(time_symbol_of(description.unit_of("t"))):
        metadata["finterval"] = description.size_of("t") * seconds
    return {**options, "dtype": dtype.newbyteorder(">"), "imagej": True, "metadata": metadata}


def _density(sizes: dict[str, float], symbol: str) -> dict[str, Any]:
    """Return how many pixels a centimetre has, or only that they are as wide as they are high."""
    unit = 10 / MILLIMETERS[symbol] if symbol else 1.0
    return {
        "resolution": (unit / sizes["x"], unit / sizes["y"]),
        "resolutionunit": "CENTIMETER" if symbol else "NONE",
    }


def _ome(description: Description) -> dict[str, Any]:
    """Return the metadata of OME; a size without a known unit would mean micrometres."""
    metadata: dict[str, Any] = {"axes": PLANES.upper(), "Description": description.to_json()}
    for axis in "xyz":
        symbol = symbol_of(description.unit_of(axis))
        if symbol:
            name = f"PhysicalSize{axis.upper()}"
            metadata |= {name: description.size_of(axis), f"{name}Unit": symbol}
    if symbol := time_symbol_of(description.unit_of("t")):
        metadata |= {"TimeIncrement": description.size_of("t"), "TimeIncrementUnit": symbol}
    return metadata


@contextlib.contextmanager
def read(path: Path, *, axes: str | None = None) -> Iterator[tuple[Any, Description]]:
    """Give the only image of a file, with pyvolume's axes."""
    what = f"read {path}"
    with tifffile.TiffFile(path) as file:
        with one_image(file, what) as series:
            array = tifffile.memmap(path, mode="r") if series.dataoffset is not None else series.asarray()
        text = calibration.comment_of(file, OURS)
        if axes == "" and text is None and set(series.axes) & UNKNOWN:
            raise unnamed(what)
        held = fitting(axes, len(series.shape), what) if axes else _letters(series.axes, what)
        if axes:
            description = Description.of_foreign(held, series.shape)
        elif text is None:
            sizes, units = calibration.sizes_of(file)
            lengths = dict(zip(held, series.shape, strict=True))
            description = Description.of_foreign("cxyzt", (1, 1, 1, 1, lengths.get("t", 1)), sizes, units)
        else:
            description = Description.of_json(text, str(path))
    yield viewed(array.reshape(series.shape), held, description.axes, what), description


def _letters(axes: str, what: str) -> str:
    """Return pyvolume's letters for those of tifffile: samples are channels, planes of no other name are z."""
    letters = axes.lower().replace("s", "c").replace("i", "z").replace("q", "z")
    if len(set(letters)) != len(letters):
        raise UnsupportedError(f"{what}: expected each of the axes {PLANES} once and found {axes}")
    return letters


def read_value(path: Path) -> NDArray[Any]:
    """Return the only image of a file, in the order in which it is stored."""
    with tifffile.TiffFile(path) as file, one_image(file, f"read {path.name}") as series:
        return np.asarray(series.asarray())


def write_value(path: Path, value: ArrayLike) -> None:
    """Write an array; the file does not name its axes."""
    array = np.asanyarray(value)
    if array.dtype.kind not in "biuf" or not array.size:
        raise UnsupportedError(f"write {path.name}: expected numbers and found {array.dtype} of shape {array.shape}")
    tifffile.imwrite(path, array, photometric="minisblack")
