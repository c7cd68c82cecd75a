"""``.nii`` and ``.nii.gz``: x, y, z and channels; held in memory, because the format is compressed as a whole."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from pyvolume.files.axes import laid_out, viewed
from pyvolume.files.description import Description
from pyvolume.model.units import MILLIMETERS, NAMES, SYMBOLS

AXES = "xyztc"
"""What NIfTI's first five dimensions mean."""

COMMENT = 6
"""The code of an extension of text."""

_Image: Any = nibabel.Nifti1Image  # has no types

UNITS = {"mm": "mm", "m": "meter", "µm": "micron"}


@contextlib.contextmanager
def create(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], description: Description) -> Iterator[Any]:
    """Give an array that goes into a new file. The header has one unit: of three, millimetres are made."""
    stored = np.zeros(laid_out(description.axes, shape, AXES, f"write {path.name}"), dtype, order="F")
    yield viewed(stored, AXES, description.axes, f"write {path.name}")
    symbols = [SYMBOLS.get(description.unit_of(axis), "") for axis in "xyz"]
    same = symbols[0] if len(set(symbols)) == 1 and symbols[0] in UNITS else "mm"
    sizes = [
        description.size_of(axis) * (MILLIMETERS[symbol] / MILLIMETERS[same] if symbol else 1)
        for axis, symbol in zip("xyz", symbols, strict=True)
    ]
    voxels = stored if stored.shape[4] > 1 else stored[..., 0, 0]
    image: Any = _Image(voxels, _affine(sizes, description), dtype=dtype)
    image.header.set_xyzt_units(UNITS[same] if any(symbols) else None)
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", description.to_json().encode()))
    image.to_filename(path)


def _affine(sizes: list[float], description: Description) -> Any:
    affine = np.diag([*sizes, 1.0])
    if description.offset:
        steps = description.step or (1,) * len(description.offset)
        for row, (axis, size) in enumerate(zip("xyz", sizes, strict=True)):
            at = description.volume_axes.index(axis)
            affine[row, 3] = description.offset[at] * size / abs(steps[at])
    return affine


@contextlib.contextmanager
def read(path: Path) -> Iterator[tuple[Any, Description]]:
    """Give the voxels of a file, as they are stored unless the header scales them."""
    image: Any = nibabel.load(path)
    header = image.header
    is_scaled = any(
        value not in {None, default} for value, default in zip(header.get_slope_inter(), (1, 0), strict=True)
    )
    stored = np.asarray(image.dataobj) if is_scaled else image.dataobj.get_unscaled()
    texts = [each.get_content() for each in header.extensions if each.get_code() == COMMENT]
    ours = next((each for each in map(_text, texts) if each.startswith('{"axes"')), None)
    if ours is not None:
        description = Description.of_json(ours, str(path))
    else:
        unit = NAMES.get(header.get_xyzt_units()[0], "")
        sizes = tuple(map(float, (*header.get_zooms(), 1.0, 1.0)[:3]))
        description = Description("cxyz", "cxyz", resolution=sizes, units=(unit,) * 3)
    yield viewed(stored, AXES[: stored.ndim], description.axes, f"read {path.name}"), description


def _text(content: Any) -> str:
    return content.decode(errors="replace").rstrip("\0") if isinstance(content, bytes) else str(content)
