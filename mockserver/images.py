"""Planes of voxels as pictures; Pillow is needed for these, and only for these."""

from __future__ import annotations

import io
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from .geometry import Box, Point, parse_integer
from .messages import Answer, Declined, Refused, octets
from .voxels import as_bytes

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


def jpeg_of(block: NDArray[Any], width: int) -> bytes:
    """Return a block's bytes as a gray JPEG, as DVID stores them on demand."""
    rows = np.frombuffer(as_bytes(np.asfortranarray(block)), np.uint8).reshape((-1, width))
    return _jpeg(_pillow().fromarray(rows), 80)


def through_jpeg(block: NDArray[Any], width: int) -> NDArray[Any]:
    """Return what is left of a block that is stored as a JPEG."""
    with _pillow().open(io.BytesIO(jpeg_of(block, width))) as picture:
        return np.asarray(picture).reshape(-1).view(block.dtype).reshape(block.shape, order="F")


def _pillow() -> ModuleType:
    try:
        from PIL import Image
    except ImportError:
        raise Declined(501, "images need Pillow, which this mock server does not find: pip install pillow") from None
    return Image


def _picture(rows: NDArray[Any]) -> Image:
    """Make a picture of rows of voxels: 8 and 16 bits gray, wider voxels as the bytes they are."""
    image = _pillow()
    height, width, channels = rows.shape
    bits = rows.dtype.itemsize * 8
    if bits * channels == 8:
        return cast("Image", image.fromarray(np.ascontiguousarray(rows[..., 0]).view(np.uint8)))
    if bits * channels == 16 and channels == 1:
        return cast("Image", image.fromarray(np.ascontiguousarray(rows[..., 0]).view(np.uint16).astype("=u2")))
    if bits * channels == 32:
        colours = np.ascontiguousarray(rows).view(np.uint8).reshape((height, width, 4))
        return cast("Image", image.fromarray(colours, "RGBA"))
    raise Declined(501, f"this mock server makes no images of {channels} x {bits} bits")


def _encoded(picture: Image, image_format: str, quality: int) -> Answer:
    if image_format == "jpeg":
        data = _jpeg(picture, quality)
    else:
        file = io.BytesIO()
        picture.save(file, image_format)
        data = file.getvalue()
    return octets((data,), len(data), f"image/{image_format}")


def _jpeg(picture: Image, quality: int) -> bytes:
    if picture.mode != "L":
        # Go's encoder makes a coloured JPEG of everything but 8-bit gray.
        gray = picture if picture.mode == "RGBA" else picture.point(lambda value: value / 256).convert("L")
        picture = gray.convert("RGB")
    file = io.BytesIO()
    picture.save(file, "jpeg", quality=quality)
    return file.getvalue()
