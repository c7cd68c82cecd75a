"""How a volume shows itself: a table for notebooks, and a picture of its middle."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pyvolume.errors import UnsupportedError

if TYPE_CHECKING:
    from PIL.Image import Image

    from pyvolume.volume import Volume

PAIRS = ((1, 2), (3, 2), (1, 3))
"""The axes of each plane: the one to the right, the one downwards."""

GAP = 2
"""Pixels between planes."""

SCALES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def table_of(volume: Volume) -> str:
    """Return what a volume is as a table of HTML; nothing is asked of the server."""
    blocks = " × ".join(map(str, volume.store.traits.write_grid[1:]))
    rows = {
        "volume": volume.store.address,
        "axes": ", ".join(volume.axiskeys),
        "shape": " × ".join(map(str, volume.shape)),
        "from": ", ".join(map(str, volume.minindex)) if any(volume.minindex) else "",
        "dtype": volume.dtype.name,
        "stored": _readable(volume.bounds.size * volume.dtype.itemsize),
        "blocks": blocks,
        "voxel": ", ".join(
            f"{size:g} {unit}".rstrip() for size, unit in zip(volume.resolution, volume.units, strict=True)
        ),
        "mode": volume.mode,
    }
    cells = "".join(
        f'<tr><th style="text-align:left">{html.escape(name)}</th>'
        f'<td style="text-align:left">{html.escape(text)}</td></tr>'
        for name, text in rows.items()
        if text
    )
    return f"<table>{cells}</table>"


def _readable(count: float) -> str:
    for scale in SCALES[:-1]:
        if count < 1024:
            return f"{count:.4g} {scale}"
        count /= 1024
    return f"{count:.4g} {SCALES[-1]}"


def thumbnail_of(volume: Volume, size: int = 256) -> Image:
    """Draw the three middle planes of what is stored: xy, zy on its right, xz below.

    Each plane is one read, of every n-th voxel. The contrast goes from the darkest to nearly the brightest voxel; a
    volume of four channels of uint8 keeps its colours.

    Parameters
    ----------
    volume : Volume
        Of at least two axes behind the channel.
    size : int
        Pixels of the longest side of a plane.

    Raises
    ------
    UnsupportedError
        If the volume is empty, or has one axis only.
    ImportError
        If Pillow is missing; the message names the extra.
    StoreError
        If the store could not serve a plane.
    """
    try:
        from PIL import Image
    except ImportError:
        raise ImportError("thumbnail: a picture needs Pillow: pip install 'pyvolume-sdk[files]'") from None
    if size < 1:
        raise ValueError(f"thumbnail: expected a size of at least 1 pixel, not {size}")
    if not volume.bounds.size or volume.ndim < 3:
        raise UnsupportedError(f"thumbnail: expected planes of voxels and found the bounds {volume.bounds}")
    pairs = PAIRS if volume.ndim > 3 else PAIRS[:1]
    pictures = [Image.fromarray(pixels) for pixels in _shades([_plane(volume, pair, size) for pair in pairs])]
    lengths = [0.0, *(n * step for n, step in zip(volume.bounds.shape[1:], volume.resolution, strict=True))]
    scale = size / max(lengths[axis] for pair in pairs for axis in pair)
    x, y, z = (max(1, round(length * scale)) for length in (*lengths[1:4], 0)[:3])
    sizes = ((x, y), (z, y), (x, z))
    corners = ((0, 0), (x + GAP, 0), (0, y + GAP))
    sheet = Image.new("RGB", (x + GAP + z, y + GAP + z) if len(pairs) > 1 else (x, y))
    for picture, pixels, corner in zip(pictures, sizes, corners, strict=False):
        sheet.paste(picture.resize(pixels), corner)
    return sheet


def _plane(volume: Volume, pair: tuple[int, int], size: int) -> NDArray[Any]:
    """Read a middle plane: rows, columns, and the first channel or the three colours."""
    bounds = volume.bounds
    key: list[Any] = [(low + high) // 2 for low, high in zip(bounds.start, bounds.stop, strict=True)]
    for axis in pair:
        key[axis] = slice(None, None, max(1, bounds.shape[axis] // size))
    key[0] = slice(0, 3) if _has_colours(volume) else slice(0, 1)
    voxels = np.moveaxis(np.asarray(volume.coords[tuple(key)]), 0, -1)
    return voxels if pair[0] > pair[1] else voxels.swapaxes(0, 1)


def _has_colours(volume: Volume) -> bool:
    return volume.bounds.shape[0] >= 3 and volume.dtype == np.uint8


def _shades(planes: list[NDArray[Any]]) -> list[NDArray[np.uint8]]:
    """Spread the values of all planes over what a screen shows."""
    if planes[0].shape[-1] == 3:
        return [np.ascontiguousarray(plane, np.uint8) for plane in planes]
    values = [plane[..., 0].astype(np.float64) for plane in planes]
    known = np.concatenate([each[np.isfinite(each)] for each in values])
    low, high = (known.min(), np.percentile(known, 99.5)) if known.size else (0.0, 1.0)
    width = high - low or 1.0
    return [np.clip(np.nan_to_num((each - low) * (255 / width)), 0, 255).astype(np.uint8) for each in values]
