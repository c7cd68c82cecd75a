"""Pictures of a volume that the server draws: methods of `VoxelsAccessor`."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, overload

from numpy.typing import NDArray

from pyvolume.dvid.documents import check_coordinates
from pyvolume.dvid.voxels.pictures import Format, Picture
from pyvolume.errors import SelectionError, UnsupportedError
from pyvolume.model.box import Box

if TYPE_CHECKING:
    from pyvolume.dvid.voxels.accessor import VoxelsAccessor

__all__ = ["arb", "image", "isotropic"]

Plane = Literal["xy", "xz", "yz"]
Point = Sequence[float]


@overload
def image(
    self: VoxelsAccessor,
    plane: Plane,
    at: SupportsIndex,
    box: Box | None = None,
    *,
    format: Format = "png",
    quality: int | None = None,
    decode: Literal[True] = True,
) -> NDArray[Any]: ...
@overload
def image(
    self: VoxelsAccessor,
    plane: Plane,
    at: SupportsIndex,
    box: Box | None = None,
    *,
    format: Format = "png",
    quality: int | None = None,
    decode: Literal[False],
) -> bytes: ...
def image(
    self: VoxelsAccessor,
    plane: Plane,
    at: SupportsIndex,
    box: Box | None = None,
    *,
    format: Format = "png",  # noqa: A002 - the word of the protocol
    quality: int | None = None,
    decode: bool = True,
) -> NDArray[Any] | bytes:
    """Let the server draw a plane of voxels, which takes fewer bytes on the line than the voxels do.

    Parameters
    ----------
    plane : "xy", "xz" or "yz"
    at : int
        The coordinate on the third axis, literal, of any sign.
    box : Box, optional
        Of the two axes of the plane, in literal coordinates; by default the bounds of the volume.
    format : "png" or "jpeg"
        PNG keeps every voxel; JPEG does not, and is for ``uint8`` of one channel only.
    quality : int, optional
        Of a JPEG, 1 to 100; 80 if not given.
    decode : bool
        Give an array, which needs Pillow (extra ``images``), or the bytes of the file. There the first axis goes to
        the right, the second one downwards; voxels of 32 and 64 bits look like noise: their bytes are the colours.

    Returns
    -------
    ndarray or bytes
        The array has the axes (c, first, second), in Fortran order: ``image("xz", 7)`` is what
        ``coords[:, :, 7, :]`` would give.

    Raises
    ------
    SelectionError
        For an empty box.
    UnsupportedError
        For a JPEG of anything but uint8, and for ``uint64`` as an array: the picture has 16 bits for each colour, of
        which Pillow keeps 8. Read ``coords`` instead.
    TooLargeError
        For more than 64 Mi pixels; nothing is asked then.
    AnswerError
        If what arrives is not such a picture.
    StoreError
        If the server could not draw it.
    """
    picture = Picture(f"draw {plane} at {at} of {self.data_name}", format, quality, decode)
    region = _region(self, picture.action, plane, at, box)
    size = _size(region, plane)
    return picture.drawn(self.store, f"raw/{_geometry(plane, size, region)}", size, self.transfer.begin())


@overload
def isotropic(
    self: VoxelsAccessor,
    plane: Plane,
    at: SupportsIndex,
    box: Box | None = None,
    *,
    format: Format = "png",
    quality: int | None = None,
    decode: Literal[True] = True,
) -> NDArray[Any]: ...
@overload
def isotropic(
    self: VoxelsAccessor,
    plane: Plane,
    at: SupportsIndex,
    box: Box | None = None,
    *,
    format: Format = "png",
    quality: int | None = None,
    decode: Literal[False],
) -> bytes: ...
def isotropic(
    self: VoxelsAccessor,
    plane: Plane,
    at: SupportsIndex,
    box: Box | None = None,
    *,
    format: Format = "png",  # noqa: A002 - the word of the protocol
    quality: int | None = None,
    decode: bool = True,
) -> NDArray[Any] | bytes:
    """Let the server draw a plane with square pixels, as large as a voxel is on the finer of the two axes.

    The coarser axis is stretched by the ratio of the resolutions. Where that is a whole number voxels are repeated,
    elsewhere pixels are means of the voxels that they cover.

    Parameters
    ----------
    plane, at, box, format, quality, decode
        As for `image`; the box is in voxels.

    Returns
    -------
    ndarray or bytes
        As from `image`, but for the length of the stretched axis.

    Raises
    ------
    UnsupportedError
        As for `image`, and for voxels of 32 and 64 bits, whose bytes the server would average one by one.
    SelectionError, TooLargeError, AnswerError, StoreError
        As for `image`.
    """
    picture = Picture(f"draw {plane} at {at} of {self.data_name} with square pixels", format, quality, decode)
    if self.dtype.itemsize > 2:
        raise UnsupportedError(
            f"{picture.action}: the server stretches 8 and 16 bits per channel only, not {self.dtype}"
        )
    region = _region(self, picture.action, plane, at, box)
    size = _stretched(_size(region, plane), [self.resolution["xyz".index(axis)] for axis in plane])
    return picture.drawn(self.store, f"isotropic/{_geometry(plane, size, region)}", size, self.transfer.begin())


@overload
def arb(
    self: VoxelsAccessor,
    top_left: Point,
    top_right: Point,
    bottom_left: Point,
    resolution: float | None = None,
    *,
    format: Format = "png",
    quality: int | None = None,
    decode: Literal[True] = True,
) -> NDArray[Any]: ...
@overload
def arb(
    self: VoxelsAccessor,
    top_left: Point,
    top_right: Point,
    bottom_left: Point,
    resolution: float | None = None,
    *,
    format: Format = "png",
    quality: int | None = None,
    decode: Literal[False],
) -> bytes: ...
def arb(
    self: VoxelsAccessor,
    top_left: Point,
    top_right: Point,
    bottom_left: Point,
    resolution: float | None = None,
    *,
    format: Format = "png",  # noqa: A002 - the word of the protocol
    quality: int | None = None,
    decode: bool = True,
) -> NDArray[Any] | bytes:
    """Let the server draw an oblique cut, with values interpolated between the eight voxels around each pixel.

    Parameters
    ----------
    top_left, top_right, bottom_left : sequence of float
        Corners (x, y, z) in the units of the volume: the coordinate of a voxel times its resolution.
    resolution : float, optional
        Distance of two pixels, in the same units; by default the finest of the volume. It is made a little larger,
        for each axis, until the last pixel lies on the corner.
    format, quality, decode
        As for `image`.

    Returns
    -------
    ndarray or bytes
        The array has the axes (c, from left to right, from top to bottom).

    Raises
    ------
    UnsupportedError
        For anything but uint8 of one channel, of which the server draws something else, and for a volume with
        `query_args`, such as a mask, which it ignores here.
    SelectionError
        For corners or a resolution that are not finite numbers.
    TooLargeError, AnswerError, StoreError
        As for `image`.
    """
    picture = Picture(f"cut {self.data_name}", format, quality, decode)
    if self.typename != "uint8blk" or self.store.query:
        raise UnsupportedError(
            f"{picture.action}: the server draws oblique cuts of uint8blk without query_args only, "
            f"not of {self.typename}{f' with {self.store.query}' if self.store.query else ''}"
        )
    pixel = min(self.resolution) if resolution is None else float(resolution)
    corners = [[float(each) for each in corner] for corner in (top_left, top_right, bottom_left)]
    if not all(len(corner) == 3 and all(map(math.isfinite, corner)) for corner in corners) or not 0 < pixel < math.inf:
        raise SelectionError(
            f"{picture.action}: expected corners (x, y, z) and a resolution, not {corners}, {resolution}"
        )
    width, height = (math.floor(math.dist(corners[0], other) / pixel) + 1 for other in corners[1:])
    words = "/".join("_".join(map(repr, corner)) for corner in corners)
    # rounding on another machine may cost the last pixel
    size, call = (width, height), self.transfer.begin()
    return picture.drawn(self.store, f"arb/{words}/{pixel!r}", size, call, may_differ=True)


def _region(volume: VoxelsAccessor, action: str, plane: str, at: SupportsIndex, box: object) -> Box:
    """Return the region of a plane, one voxel thick, all channels of it."""
    if plane not in {"xy", "xz", "yz"} or volume.axiskeys != "cxyz":
        raise UnsupportedError(
            f"{action}: the server draws xy, xz and yz of three axes, not {plane!r} of {volume.axiskeys}"
        )
    region: Box = volume.bounds
    across = next(index for index, axis in enumerate("cxyz") if index and axis not in plane)
    if box is not None:
        if not isinstance(box, Box) or box.ndim != 2:
            raise SelectionError(f"{action}: expected a Box of the two axes {plane} and found {box!r}")
        for axis, low, high in zip(plane, box.start, box.stop, strict=True):
            region = region.replaced("cxyz".index(axis), low, high)
    region = region.replaced(across, operator.index(at), operator.index(at) + 1)
    if not region.size:
        raise SelectionError(f"{action}: there is nothing to draw in {box or volume.bounds}")
    check_coordinates(action, region)
    return region


def _size(region: Box, plane: str) -> tuple[int, int]:
    width, height = (region.shape["cxyz".index(axis)] for axis in plane)
    return width, height


def _stretched(size: tuple[int, int], resolution: Sequence[float]) -> tuple[int, int]:
    """Return the size in pixels of the finer resolution; the server finds from it which voxels are meant."""
    width, height = (
        int(voxels * (of_voxel / min(resolution)) + 0.5) for voxels, of_voxel in zip(size, resolution, strict=True)
    )
    return width, height


def _geometry(plane: str, size: tuple[int, int], region: Box) -> str:
    return f"{plane}/{'_'.join(map(str, size))}/{'_'.join(map(str, region.start[1:]))}"
