"""What a TIFF says beside its pixels: the size of the voxels, by OME, ImageJ or its own tags; pyvolume's comment."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree as ET

import tifffile


def comment_of(file: tifffile.TiffFile, name: str) -> str | None:
    """Return the JSON that pyvolume has written under a name, if there is any."""
    texts = [(each or {}).get(name) for each in (file.imagej_metadata, (file.shaped_metadata or ({},))[0])]
    if file.ome_metadata:
        texts.append(ET.fromstring(file.ome_metadata).findtext("{*}Image/{*}Description"))
    return next((str(each) for each in texts if each and str(each).startswith('{"axes"')), None)


def sizes_of(file: tifffile.TiffFile) -> tuple[dict[str, float], dict[str, str]]:
    """Return the size of a voxel and its unit on each axis where they are known."""
    if file.ome_metadata:
        return _of_ome(file.ome_metadata)
    if file.imagej_metadata is not None:
        return _of_imagej(file, file.imagej_metadata)
    is_metric = file.pages.first.tags.valueof("ResolutionUnit") == tifffile.RESUNIT.CENTIMETER
    sizes = _across(file) if is_metric else {}  # dots per inch are for printing
    return sizes, dict.fromkeys(sizes, "cm")


def _of_ome(text: str) -> tuple[dict[str, float], dict[str, str]]:
    pixels: Any = ET.fromstring(text).find("{*}Image/{*}Pixels")
    said = {} if pixels is None else pixels.attrib
    sizes = {axis: float(said[name]) for axis in "xyz" if (name := f"PhysicalSize{axis.upper()}") in said}
    units = {axis: said.get(f"PhysicalSize{axis.upper()}Unit", "µm") for axis in sizes}
    if "TimeIncrement" in said:
        sizes["t"], units["t"] = float(said["TimeIncrement"]), said.get("TimeIncrementUnit", "s")
    return sizes, units


def _of_imagej(file: tifffile.TiffFile, said: dict[str, Any]) -> tuple[dict[str, float], dict[str, str]]:
    unit = _unescaped(str(said.get("unit", "")))
    sizes = _across(file) if unit not in {"", "pixel", "pixels"} else {}
    if sizes:
        sizes["z"] = float(said.get("spacing", 1.0))
    units = {axis: _unescaped(str(said.get(f"{axis}unit", unit))) for axis in sizes}
    if said.get("finterval"):
        sizes["t"], units["t"] = float(said["finterval"]), "s"
    return sizes, units


def _across(file: tifffile.TiffFile) -> dict[str, float]:
    tags = {axis: file.pages.first.tags.valueof(f"{axis.upper()}Resolution") for axis in "xy"}
    return {axis: tag[1] / tag[0] for axis, tag in tags.items()} if all(tag and tag[0] for tag in tags.values()) else {}


def _unescaped(text: str) -> str:
    r"""Return a text in which ImageJ has written signs as ``\u00B5``."""
    return re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
