"""``.png`` and ``.jpg``: one plane, its first axis to the right, its second downwards."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageOps, JpegImagePlugin, PngImagePlugin

from pyvolume.errors import UnsupportedError
from pyvolume.files.axes import viewed
from pyvolume.files.description import Description

OURS = "pyvolume"
"""What the text is called that holds the description."""

DTYPES = {"L": "uint8", "I;16B": "uint16", "RGB": "uint8", "RGBA": "uint8"}
"""Pictures that are voxels, by Pillow's name for their bytes: gray of 8 or 16 bits, and three or four channels of 8."""

JPEG_EDGE = 65500
"""The most pixels along an edge of a JPEG that its library writes."""


@contextlib.contextmanager
def create(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], description: Description) -> Iterator[Any]:
    """Give an array that goes into a new picture."""
    is_jpeg = path.suffix.lower() != ".png"
    kept = _plane(path, shape, dtype, description)
    voxels = np.zeros(shape, dtype)
    yield voxels
    text = dataclasses.replace(description, axes=kept).to_json()
    # rows downwards, columns to the right, then what belongs to one pixel
    order = kept.lstrip("c")[::-1] + "c" * ("c" in kept)
    pixels = viewed(voxels, description.axes, order, f"write {path.name}")
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    if is_jpeg:
        picture.save(path, "jpeg", quality=95, comment=text)
    else:
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt(OURS, text)
        picture.save(path, "png", pnginfo=texts)


def _plane(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], description: Description) -> str:
    """Return the axes that a picture has of an array; refuse an array that does not go into one."""
    is_jpeg = path.suffix.lower() != ".png"
    lengths = dict(zip(description.axes, shape, strict=True))
    channels = lengths.pop("c", 1)
    plane = [axis for axis, length in lengths.items() if length > 1]
    plane += [axis for axis in lengths if axis not in plane][: 2 - len(plane)]
    depths = {("uint8", 1), ("uint8", 3), ("uint8", 4), ("uint16", 1)} if not is_jpeg else {("uint8", 1)}
    if len(plane) != 2 or (dtype.name, channels) not in depths:
        kinds = " or ".join(f"{count} × {name}" for name, count in sorted(depths))
        raise UnsupportedError(
            f"write {path.name}: expected one plane of {kinds} and found shape {shape} of {dtype}; "
            "take one index on every other axis, or another format"
        )
    if is_jpeg and max(lengths.values()) > JPEG_EDGE:
        raise UnsupportedError(
            f"write {path.name}: expected up to {JPEG_EDGE} pixels along an edge, which JPEG can hold, "
            f"and found shape {shape}; .png holds it"
        )
    return "".join(axis for axis in description.axes if axis in plane or (axis == "c" and channels > 1))


@contextlib.contextmanager
def read(path: Path) -> Iterator[tuple[Any, Description]]:
    """Give the plane of a picture, turned as its EXIF says."""
    with path.open("rb") as file:
        picture = _opened(file)
        form = picture.tile[0].args if picture.tile else ""
        dtype = DTYPES.get(form if isinstance(form, str) else str(form[0]))
        if dtype is None:
            raise UnsupportedError(
                f"read {path}: expected one gray picture of 8 or 16 bits, or one of red, green, blue and perhaps "
                f"alpha of 8 bits, and found {picture.mode} ({form})"
            )
        if getattr(picture, "n_frames", 1) != 1:
            raise UnsupportedError(f"read {path}: expected one picture and found {picture.n_frames}")
        comment = picture.info.get("comment", b"")
        text = picture.info.get(OURS) or (comment.decode(errors="replace") if isinstance(comment, bytes) else comment)
        rows = np.asarray(ImageOps.exif_transpose(picture)).astype(dtype, copy=False)
    voxels = rows.transpose(*range(rows.ndim)[::-1])
    is_ours = str(text).startswith('{"axes"')
    yield voxels, Description.of_json(str(text), str(path)) if is_ours else Description("cxy"[-rows.ndim :])


def _opened(file: Any) -> Any:
    """Open a picture without Pillow's limit of pixels, which is for files that strangers send."""
    is_jpeg = file.peek(2)[:2] == b"\xff\xd8"
    return JpegImagePlugin.jpeg_factory(file) if is_jpeg else PngImagePlugin.PngImageFile(file)


def read_value(path: Path) -> NDArray[Any]:
    """Return a picture as rows of pixels, turned as its EXIF says; a palette is replaced by its colours."""
    with path.open("rb") as file:
        picture = ImageOps.exif_transpose(_opened(file))
        if picture.mode == "P":
            picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
        pixels = np.asarray(picture)
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def write_value(path: Path, value: ArrayLike) -> None:
    """Write rows of pixels: of one number or of red, green, blue and alpha, for JPEG without alpha."""
    pixels = np.asarray(value)
    is_jpeg = path.suffix.lower() != ".png"
    kinds = {("uint8", 1), ("uint8", 3)} if is_jpeg else {("uint8", 1), ("uint8", 3), ("uint8", 4), ("uint16", 1)}
    colours = pixels.shape[2] if pixels.ndim == 3 else 1
    if pixels.ndim not in {2, 3} or (pixels.dtype.name, colours) not in kinds or not pixels.size:
        known = " or ".join(f"{count} × {name}" for name, count in sorted(kinds))
        raise UnsupportedError(
            f"write {path.name}: expected rows of pixels of {known} and found shape {pixels.shape} of {pixels.dtype}"
        )
    picture = Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and colours == 1 else pixels)
    picture.save(path, "jpeg" if is_jpeg else "png", **({"quality": 95} if is_jpeg else {}))
