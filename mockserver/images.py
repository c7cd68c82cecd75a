"""Planes of voxels as pictures; Pillow is needed for these, and only for these."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .geometry import Box, Point, parse_integer
from .messages import Answer, Declined, Refused, octets

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = {"": "png", "png": "png", "jpg": "jpeg", "jpeg": "jpeg", "tif": "tiff", "tiff": "tiff", "bmp": "bmp"}


def plane_box(plane: tuple[int, int], start: Point, size: Point) -> Box:
    """Return the box of a plane: its first axis is the width, its second the height."""
    shape = [1, 1, 1]
    for axis, count in zip(plane, size, strict=True):
        shape[axis] = count
    return Box(start, tuple(shape))


def plane_image(voxels: NDArray[Any], plane: tuple[int, int], image_format: str) -> Answer:
    """Return the voxels of a plane, channel first, as a picture of the format asked for."""
    (across,) = {0, 1, 2} - set(plane)
    rows = voxels.squeeze(axis=across + 1).transpose(2, 1, 0)
    name, _, quality = image_format.partition(":")
    jpeg_quality = parse_integer(quality, function="Atoi", bits=64) if ":" in image_format else 80
    if name not in FORMATS:
        raise Refused(f"Illegal image format requested: {name}")
    return _encoded(_picture(rows), FORMATS[name], jpeg_quality)


def volume_image(voxels: NDArray[Any]) -> Answer:
    """Return a volume as one JPEG: the xy planes below each other."""
    rows = voxels.transpose(3, 2, 1, 0).reshape((-1, voxels.shape[1], voxels.shape[0]))
    return _encoded(_picture(rows), "jpeg", 80)


def _picture(rows: NDArray[Any]) -> Image:
    """Make a picture of rows of voxels: 8 and 16 bits gray, wider voxels as the bytes they are."""
    try:
        from PIL import Image
    except ImportError:
        raise Declined(501, "images need Pillow, which this mock server does not find: pip install pillow") from None
    height, width, channels = rows.shape
    bits = rows.dtype.itemsize * 8
    if bits * channels == 8:
        return Image.fromarray(np.ascontiguousarray(rows[..., 0]).view(np.uint8))
    if bits * channels == 16 and channels == 1:
        return Image.fromarray(np.ascontiguousarray(rows[..., 0]).view(np.uint16).astype("=u2"))
    if bits * channels == 32:
        return Image.fromarray(np.ascontiguousarray(rows).view(np.uint8).reshape((height, width, 4)), "RGBA")
    raise Declined(501, f"{sys.modules[__name__].__name__} makes no image of {channels} x {bits} bits")


def _encoded(picture: Image, image_format: str, quality: int) -> Answer:
    file = io.BytesIO()
    if image_format == "jpeg" and picture.mode != "L":
        picture = picture.convert("RGB") if picture.mode == "RGBA" else picture.point(lambda v: v / 256).convert("L")
    picture.save(file, image_format, **({"quality": quality} if image_format == "jpeg" else {}))
    data = file.getvalue()
    return octets((data,), len(data), f"image/{image_format}")
