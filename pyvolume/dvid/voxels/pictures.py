"""Pictures that the server draws: what to ask for, whole files, and the voxels in them."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from pyvolume.calls.call import Call
from pyvolume.dvid.documents import DIMS
from pyvolume.dvid.extents import check_coordinates
from pyvolume.dvid.refusals import refusal
from pyvolume.dvid.voxels.store import DvidStore
from pyvolume.errors import AnswerError, SelectionError, TooLargeError, UnsupportedError
from pyvolume.model import arguments
from pyvolume.model.box import Box
from pyvolume.model.extras import require
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.transport.answer import Answer
from pyvolume.transport.request import Request

Format = Literal["png", "jpeg"]
Plane = Literal["xy", "xz", "yz"]
Point = Sequence[float]

MAX_PIXELS = 1 << 26
"""The server holds a whole picture in memory; a much larger oblique one ends the server."""

MOST_PIXEL_BYTES = 16
"""Bytes of a picture for each pixel: twice as many as the largest pixel has."""

MOST_HEAD_BYTES = 1 << 16
"""Bytes of a picture that has no pixels."""

ENDS = {
    "png": (b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"),
    "jpeg": (b"\xff\xd8", b"\xff\xd9"),
}
"""First and last bytes of a file: an error in the middle of a file comes with the status 200."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture that the server can draw.

    Parameters
    ----------
    action : str
        What the user wants to do, for the messages of errors.
    words : str
        The path of the request behind the name of the instance, without the format.
    size : tuple of int
        Pixels to the right and down.
    may_differ : bool
        Whether the server may draw one pixel more or less.
    """

    action: str
    words: str
    size: tuple[int, int]
    may_differ: bool = False


def plane_of(
    store: DvidStore,
    metadata: VoxelsMetadata,
    plane: Plane,
    box: Box | None,
    at: Mapping[str, SupportsIndex | None],
    *,
    square: bool,
) -> Drawing:
    """Return the drawing of a plane, see `VoxelsAccessor.image`.

    Parameters
    ----------
    store : DvidStore
        The instance.
    metadata : VoxelsMetadata
        Its present bounds and resolution.
    plane : "xy", "xz" or "yz"
        The two axes.
    box : Box or None
        On these two axes; None for the bounds.
    at : mapping
        The coordinate on each of the three axes; None for the axes of the plane.
    square : bool
        Whether pixels should be square.
    """
    action = f"draw {plane} of {store.name}"
    region = _region(action, metadata, plane, box, at)
    width, height = (region.shape["cxyz".index(axis)] for axis in plane)
    endpoint = "isotropic" if square else "raw"
    if square:
        if store.dtype.itemsize > 2:
            raise UnsupportedError(
                f"{action}: the server stretches 8 and 16 bits for each channel only, not {store.dtype}"
            )
        width, height = _stretched((width, height), [metadata.resolution["xyz".index(axis)] for axis in plane])
    offset = "_".join(map(str, region.start[1:]))
    return Drawing(action, f"{endpoint}/{plane}/{width}_{height}/{offset}", (width, height))


def oblique_cut(
    store: DvidStore, metadata: VoxelsMetadata, corners: tuple[Point, Point, Point], resolution: float | None
) -> Drawing:
    """Return the drawing of an oblique cut, see `VoxelsAccessor.oblique`."""
    action = f"cut {store.name}"
    if store.typename != "uint8blk" or store.query:
        raise UnsupportedError(
            f"{action}: the server draws oblique cuts of uint8blk without query_args only, "
            f"not of {store.typename}{f' with {store.query}' if store.query else ''}"
        )
    pixel = min(metadata.resolution) if resolution is None else arguments.number(resolution, action, "a resolution")
    points = [
        [arguments.number(each, action, "a coordinate") for each in arguments.each_of(corner, action, "coordinates")]
        for corner in corners
    ]
    if not all(len(point) == 3 and all(map(math.isfinite, point)) for point in points) or not 0 < pixel < math.inf:
        raise SelectionError(f"{action}: expected corners (x, y, z) and a resolution, not {points}, {resolution}")
    width, height = (math.floor(math.dist(points[0], other) / pixel) + 1 for other in points[1:])
    words = "/".join("_".join(map(repr, point)) for point in points)
    # another machine may round differently, and draw one pixel less
    return Drawing(action, f"arb/{words}/{pixel!r}", (width, height), may_differ=True)


def draw(store: DvidStore, drawing: Drawing, format: Format, quality: int | None, call: Call) -> bytes:  # noqa: A002
    """Return the file of a picture."""
    _check(store, drawing, format, quality)
    suffix = format if quality is None else f"{format}:{quality}"
    request = Request(
        drawing.action, "GET", f"{store.instance.path}/{drawing.words}/{suffix}", store.words, refusal=refusal
    )
    return store.connection.exchange(request, lambda answer: _whole_file(drawing, answer, format), call)


def _check(store: DvidStore, drawing: Drawing, format: str, quality: int | None) -> None:  # noqa: A002
    """Refuse what the server would draw wrongly, and what would be too much for it."""
    arguments.one_of(format, tuple(ENDS), drawing.action, "format")
    if quality is not None:
        arguments.integer(quality, drawing.action, "quality")
    if quality is not None and (format != "jpeg" or not 1 <= quality <= 100):
        raise ValueError(f"{drawing.action}: quality is 1 to 100, of a JPEG, not {quality!r} of {format}")
    if format == "jpeg" and store.typename != "uint8blk":
        raise UnsupportedError(
            f"{drawing.action}: a JPEG of {store.typename} would lose more than it should; ask for a PNG"
        )
    if math.prod(drawing.size) > MAX_PIXELS:
        width, height = drawing.size
        raise TooLargeError(
            f"{drawing.action}: at most {MAX_PIXELS} pixels, not {width}×{height}; read the voxels with volume[...]"
        )


def draw_array(store: DvidStore, drawing: Drawing, format: Format, quality: int | None, call: Call) -> NDArray[Any]:  # noqa: A002
    """Return the voxels of a picture, with the axes (c, right, down)."""
    _check(store, drawing, format, quality)
    if store.dtype.itemsize > 4:
        raise UnsupportedError(
            f"{drawing.action}: a picture of {store.dtype} cannot be decoded; read the voxels with volume[...], or get "
            "the file with image_file"
        )
    _pillow()
    data = draw(store, drawing, format, quality, call)
    try:
        voxels = _decoded(data, store.dtype, store.traits.read_grid[0], drawing.size)
    except (OSError, SyntaxError, ValueError, _pillow().DecompressionBombError) as error:
        raise AnswerError(f"{drawing.action}: expected image/{format} and found {error}") from error
    if voxels.shape[1:] != drawing.size and not drawing.may_differ:
        width, height = drawing.size
        raise AnswerError(f"{drawing.action}: expected {width}×{height} pixels and found {voxels.shape[1:]}")
    return voxels


def _region(
    action: str, metadata: VoxelsMetadata, plane: str, box: object, at: Mapping[str, SupportsIndex | None]
) -> Box:
    """Return the region of a plane, one voxel thick, with all channels."""
    if plane not in ("xy", "xz", "yz") or metadata.dims != DIMS:
        raise UnsupportedError(
            f"{action}: the server draws xy, xz and yz of three axes, not {plane!r} of {''.join(metadata.dims)}"
        )
    (across,) = set("xyz") - set(plane)
    coordinate = at[across]
    if coordinate is None or any(at[axis] is not None for axis in plane):
        raise TypeError(f"{action}: expected the coordinate on the axis {across}, as in image({plane!r}, {across}=5)")
    region = metadata.bounds
    if box is not None:
        if not isinstance(box, Box) or box.ndim != 2:
            raise SelectionError(f"{action}: expected a Box of the two axes {plane} and found {box!r}")
        for axis, low, high in zip(plane, box.start, box.stop, strict=True):
            region = region.replaced("cxyz".index(axis), low, high)
    there = arguments.integer(coordinate, action, f"the coordinate {across}")
    region = region.replaced("cxyz".index(across), there, there + 1)
    if not region.size:
        raise SelectionError(f"{action}: there is nothing to draw in {box or metadata.bounds}")
    check_coordinates(action, region)
    return region


def _stretched(size: tuple[int, int], resolution: Sequence[float]) -> tuple[int, int]:
    """Return the size in pixels of the finer resolution, from which the server computes the voxels."""
    width, height = (
        int(voxels * (of_voxel / min(resolution)) + 0.5) for voxels, of_voxel in zip(size, resolution, strict=True)
    )
    return width, height


def _whole_file(drawing: Drawing, answer: Answer, format: Format) -> bytes:  # noqa: A002
    """Receive a file, and check that it is complete."""
    most = MOST_HEAD_BYTES + math.prod(drawing.size) * MOST_PIXEL_BYTES
    found, data = answer.headers.get("Content-Type", "no type"), answer.read(most)
    head, tail = ENDS[format]
    if answer.media_type != f"image/{format}" or not data.startswith(head) or not data.endswith(tail):
        raise AnswerError(
            f"{drawing.action}: expected a whole image/{format} and found {found} of {len(data)} bytes, "
            f"beginning {data[:40]!r}, ending {data[-200:]!r}",
            content_type=found,
            first_bytes=data[:200],
        )
    return data


def _decoded(data: bytes, dtype: np.dtype[Any], channels: int, most: tuple[int, int]) -> NDArray[Any]:
    """Return the voxels of a picture of at most this size, with the axes (c, right, down)."""
    with _pillow().open(io.BytesIO(data)) as picture:
        if picture.width > most[0] or picture.height > most[1]:
            raise ValueError(f"{picture.width}×{picture.height} pixels")
        # a PNG whose colours are all opaque comes without the fourth channel
        pixels = np.array(picture.convert("RGBA") if dtype.itemsize * channels == 4 else picture)
    rows: NDArray[Any] = pixels.view(dtype).reshape((*pixels.shape[:2], channels))
    return rows.transpose(2, 1, 0)


def _pillow() -> Any:
    return require("PIL.Image", extra="images", action="a picture as an array")
