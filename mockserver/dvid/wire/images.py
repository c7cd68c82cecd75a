"""Planes of voxels as images; Pillow and pypng write them."""

from __future__ import annotations

import io
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mockserver.dvid.wire.geometry import Box, Point, parse_integer
from mockserver.dvid.wire.octets import as_bytes
from mockserver.extras import extra
from mockserver.http.messages import Answer, Declined, Refused, octets

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = {"": "png", "png": "png", "jpg": "jpeg", "jpeg": "jpeg", "tif": "tiff", "tiff": "tiff", "bmp": "bmp"}

MAX_IMAGE_BYTES = 256 << 20


def plane_box(plane: tuple[int, int], start: Point, size: Point) -> Box:
    """Return the box of a plane: its first axis is the width, its second the height."""
    shape = [1, 1, 1]
    for axis, count in zip(plane, size, strict=True):
        shape[axis] = count
    return Box(start, tuple(shape))


def rows_of(voxels: NDArray[Any], plane: tuple[int, int]) -> NDArray[Any]:
    """Return the channel-first voxels of a plane as rows of pixels."""
    (across,) = {0, 1, 2} - set(plane)
    return voxels.squeeze(axis=across + 1).transpose(2, 1, 0)


def picture(rows: NDArray[Any], image_format: str) -> Answer:
    """Return rows of pixels as an image in the requested format."""
    name, _, quality = image_format.partition(":")
    jpeg_quality = parse_integer(quality, function="Atoi", bits=64) if ":" in image_format else 80
    if name not in FORMATS:
        raise Refused(f"Illegal image format requested: {name}")
    return _encoded(rows, FORMATS[name], jpeg_quality)


def check_pixels(nbytes: int) -> None:
    """Refuse an image that takes too much memory."""
    if nbytes > MAX_IMAGE_BYTES:
        raise Declined(501, f"this mock server makes images of at most {MAX_IMAGE_BYTES} bytes of voxels")


def volume_image(voxels: NDArray[Any]) -> Answer:
    """Return a volume as one JPEG, with the xy planes below each other."""
    rows = voxels.transpose(3, 2, 1, 0).reshape((-1, voxels.shape[1], voxels.shape[0]))
    return _encoded(rows, "jpeg", 80)


def jpeg_of(block: NDArray[Any], width: int) -> bytes:
    """Return the bytes of a block as a gray JPEG, like DVID stores them if asked to."""
    rows = np.frombuffer(as_bytes(np.asfortranarray(block)), np.uint8).reshape((-1, width))
    return _saved(_pillow().fromarray(rows), "jpeg", 80)


def through_jpeg(block: NDArray[Any], width: int) -> NDArray[Any]:
    """Return a block after it was stored as a JPEG."""
    with _pillow().open(io.BytesIO(jpeg_of(block, width))) as opened:
        return np.asarray(opened).reshape(-1).view(block.dtype).reshape(block.shape, order="F")


def _pillow() -> ModuleType:
    with extra("Pillow"):
        from PIL import Image
    return Image


def _encoded(rows: NDArray[Any], image_format: str, quality: int) -> Answer:
    pillow, pixels = _pillow(), _pixels(rows)
    if pixels.shape[2:] == (4,) and pixels.dtype.itemsize == 2 and image_format in {"png", "tiff"}:
        data = _deep_png(pixels, image_format)
    elif image_format in {"jpeg", "bmp"} and not (pixels.ndim == 2 and pixels.dtype == np.uint8):
        data = _saved(pillow.fromarray(_plain(pixels), "RGB"), image_format, quality)
    else:
        data = _saved(pillow.fromarray(pixels.astype(pixels.dtype.newbyteorder("="))), image_format, quality)
    return octets((data,), len(data), f"image/{image_format}")


def _pixels(rows: NDArray[Any]) -> NDArray[Any]:
    """Return pixels as in Go's images: 8 and 16 bits are gray, the bytes of wider ones are four colours."""
    height, width, channels = rows.shape
    bits = rows.dtype.itemsize * 8 * channels
    rows = np.ascontiguousarray(rows)
    if channels == 1 and bits in {8, 16}:
        return rows[..., 0].view(f"<u{bits // 8}")
    if bits in {32, 64}:
        return rows.view(f">u{bits // 32}").reshape((height, width, 4))
    raise Declined(501, f"this mock server makes no images of {channels} x {rows.dtype.itemsize * 8} bits")


def _plain(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Return colours of eight bits for a format without transparency; Go multiplies the colours by the opacity."""
    if pixels.ndim == 2:
        return np.repeat((pixels >> 8).astype(np.uint8)[..., None], 3, axis=2)
    colours, opacity = pixels[..., :3].astype(np.uint64), pixels[..., 3:].astype(np.uint64)
    if pixels.dtype.itemsize == 1:
        return (colours * 257 * opacity // 255 >> 8).astype(np.uint8)
    return (colours * opacity // 65535 >> 8).astype(np.uint8)


def _saved(image: Image, image_format: str, quality: int) -> bytes:
    file = io.BytesIO()
    options = {"quality": min(max(quality, 1), 100)} if image_format == "jpeg" else {}
    image.save(file, image_format, **options)
    return file.getvalue()


def _deep_png(pixels: NDArray[Any], image_format: str) -> bytes:
    """Return a PNG of four colours of sixteen bits; Pillow cannot write it."""
    if image_format != "png":
        raise Declined(501, f"this mock server makes no {image_format} of 4 x 16 bits")
    with extra("pypng"):
        import png
    height, width, _ = pixels.shape
    file = io.BytesIO()
    writer = png.Writer(width, height, greyscale=False, alpha=True, bitdepth=16)
    writer.write_packed(file, [row.tobytes() for row in pixels])
    return file.getvalue()
