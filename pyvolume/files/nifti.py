"""``.nii`` and ``.nii.gz``: x, y, z and channels; held in memory, because the format is compressed as a whole."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import nibabel
import numpy as np
from nibabel import affines, orientations
from nibabel.spatialimages import HeaderDataError

from pyvolume.errors import UnsupportedError
from pyvolume.files.axes import laid_out, viewed
from pyvolume.files.description import Description
from pyvolume.model.units import MILLIMETERS

AXES = "xyztc"
"""What NIfTI's first five dimensions mean."""

LEVEL = 1
"""How strongly ``.nii.gz`` is compressed, as nibabel does."""

COMMENT = 6
"""The code of an extension of text."""

_Image: Any = nibabel.Nifti1Image  # has no types, like these
_affines: Any = affines
_orientations: Any = orientations

UNITS = {"mm": "mm", "m": "meter", "µm": "micron"}


@contextlib.contextmanager
def create(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], description: Description) -> Iterator[Any]:
    """Give an array that goes into a new file. The header has one unit: of others, millimetres are made."""
    what = f"write {path.name}"
    held = laid_out(description.axes, shape, AXES, what)
    header = _header(held if held[4] > 1 else held[:3], dtype, description, what)
    stored = np.zeros(held, dtype, order="F")
    yield viewed(stored, AXES, description.axes, what)
    image: Any = _Image(stored.reshape(header.get_data_shape(), order="F"), _affine(description), header, dtype=dtype)
    with _writing(path) as file:
        image.to_stream(file)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[BinaryIO]:
    """Open a file, and close it after an error of the disk too, which nibabel leaves to the collection of garbage."""
    with path.open("wb") as file:
        if path.suffix.lower() != ".gz":
            yield file
            return
        with gzip.GzipFile("", "wb", compresslevel=LEVEL, fileobj=file, mtime=0) as compressed:
            yield cast("BinaryIO", compressed)


def _header(shape: tuple[int, ...], dtype: np.dtype[Any], description: Description, what: str) -> Any:
    header: Any = _Image.header_class()
    limit = np.iinfo(header["dim"].dtype).max  # nibabel writes more in one case, in a way of its own
    if max(shape) > limit:
        raise UnsupportedError(
            f"{what}: expected up to {limit} voxels on an axis, which NIfTI can hold, and found {shape}"
        )
    header.set_data_shape(shape)
    try:
        header.set_data_dtype(dtype)
    except HeaderDataError as error:
        raise UnsupportedError(f"{what}: NIfTI has no voxels of {dtype}: {error}") from None
    header.set_xyzt_units(UNITS.get(_sizes(description)[1]))
    header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", description.to_json().encode()))
    return header


def _sizes(description: Description) -> tuple[dict[str, float], str]:
    """Return the distances on x, y and z, and the symbol of their unit, which NIfTI has; empty if unknown."""
    sizes, symbol = description.common_sizes()
    if not symbol or symbol in UNITS:
        return sizes, symbol
    return {axis: size * MILLIMETERS[symbol] for axis, size in sizes.items()}, "mm"


def _affine(description: Description) -> Any:
    """Return where the header puts the voxels: at their coordinates in the volume, and backwards where they are."""
    affine = np.eye(4)
    for row, (axis, size) in enumerate(_sizes(description)[0].items()):
        affine[row, row] = size
        if description.offset and axis in description.volume_axes:
            at = description.volume_axes.index(axis)
            step = (description.step or (1,) * len(description.offset))[at]
            affine[row, [row, 3]] = np.copysign(size, step), description.offset[at] * size / abs(step)
    return affine


@contextlib.contextmanager
def read(path: Path) -> Iterator[tuple[Any, Description]]:
    """Give the voxels of a file, scaled as the header says, in the order right, anterior, superior.

    A file of pyvolume keeps the order of its axes, unless another program has changed its affine: then its place is
    lost.
    """
    image: Any = nibabel.load(path)
    voxels = np.asarray(image.dataobj)
    voxels = voxels.reshape(voxels.shape + (1,) * (3 - voxels.ndim))
    description = _comment(image, path)
    if description is None or not _lies_there(image.affine, description):
        turns = _orientation(image)
        voxels = _orientations.apply_orientation(voxels, turns)
        description = _foreign(image, turns, description)
    yield viewed(voxels, AXES[: voxels.ndim], description.axes, f"read {path.name}"), description


def _lies_there(affine: Any, description: Description) -> bool:
    expected = _affine(description)
    return np.allclose(affine, expected, rtol=2e-7, atol=np.abs(np.diag(expected)[:3]).min() / 100)


def _orientation(image: Any) -> Any:
    """Return nibabel's orientation of the axes; a header that gives none has them in order."""
    is_known = image.header["qform_code"] or image.header["sform_code"]
    return _orientations.io_orientation(image.affine if is_known else np.eye(4))


def _comment(image: Any, path: Path) -> Description | None:
    texts = [each.get_content() for each in image.header.extensions if each.get_code() == COMMENT]
    text = next((each for each in map(_text, texts) if each.startswith('{"axes"')), None)
    return None if text is None else Description.of_json(text, str(path))


def _foreign(image: Any, turns: Any, ours: Description | None) -> Description:
    """Describe what another program has written, or changed so that its place is lost."""
    unit = image.header.get_xyzt_units()[0].replace("unknown", "")
    sizes = {"xyz"[int(to)]: size for (to, _), size in zip(turns, _affines.voxel_sizes(image.affine), strict=True)}
    description = Description.of_foreign("cxyz", (1,) * 4, sizes, dict.fromkeys("xyz", unit))
    return description if ours is None else dataclasses.replace(description, source=ours.source, version=ours.version)


def _text(content: Any) -> str:
    return content.decode(errors="replace").rstrip("\0") if isinstance(content, bytes) else str(content)
