"""``.png`` and ``.jpg``: one plane, its first axis to the right, its second downwards."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from pyvolume.errors import UnsupportedError
from pyvolume.files.axes import viewed
from pyvolume.files.description import Description

OURS = "pyvolume"
"""What the text is called that holds the description."""

MODES = {"L": "uint8", "I;16": "uint16", "RGBA": "uint8"}
"""Pictures that are voxels: gray of 8 or 16 bits, and four channels of 8."""


@contextlib.contextmanager
def create(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], description: Description) -> Iterator[Any]:
    """Give an array that goes into a new picture."""
    is_jpeg = path.suffix.lower() != ".png"
    lengths = dict(zip(description.axes, shape, strict=True))
    channels = lengths.pop("c", 1)
    plane = [axis for axis, length in lengths.items() if length > 1]
    plane += [axis for axis in lengths if axis not in plane][: 2 - len(plane)]
    depths = {("uint8", 1), ("uint8", 4), ("uint16", 1)} if not is_jpeg else {("uint8", 1)}
    if len(plane) != 2 or (dtype.name, channels) not in depths:
        kinds = " or ".join(f"{count} × {name}" for name, count in sorted(depths))
        raise UnsupportedError(
            f"write {path.name}: expected one plane of {kinds} and found shape {shape} of {dtype}; "
            "take one index on every other axis, or another format"
        )
    voxels = np.zeros(shape, dtype)
    yield voxels
    kept = "".join(axis for axis in description.axes if axis in plane or (axis == "c" and channels > 1))
    text = dataclasses.replace(description, axes=kept).to_json()
    # rows downwards, columns to the right, then what belongs to one pixel
    pixels = viewed(voxels, description.axes, kept.lstrip("c")[::-1] + "c" * (channels > 1), f"write {path.name}")
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    if is_jpeg:
        picture.save(path, "jpeg", quality=95, comment=text)
    else:
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt(OURS, text)
        picture.save(path, "png", pnginfo=texts)


@contextlib.contextmanager
def read(path: Path) -> Iterator[tuple[Any, Description]]:
    """Give the plane of a picture."""
    with Image.open(path) as picture:
        if picture.mode not in MODES:
            raise UnsupportedError(
                f"read {path.name}: expected a picture of the mode {', '.join(MODES)} and found {picture.mode}"
            )
        rows = np.asarray(picture).astype(MODES[picture.mode], copy=False)
        comment = picture.info.get("comment", b"")
        text = picture.info.get(OURS) or (comment.decode(errors="replace") if isinstance(comment, bytes) else comment)
    voxels = rows.transpose(*range(rows.ndim)[::-1])
    is_ours = str(text).startswith('{"axes"')
    yield voxels, Description.of_json(str(text), str(path)) if is_ours else Description("cxy"[-rows.ndim :])
