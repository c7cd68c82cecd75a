"""Which module knows a file, by its suffix."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pyvolume.errors import MetadataError, PyVolumeError, UnsupportedError
from pyvolume.files.atomic import appearing
from pyvolume.files.axes import forwards
from pyvolume.files.description import Description
from pyvolume.model import arguments
from pyvolume.model.extras import missing

FORMATS = {
    ".npy": ("pyvolume.files.npy", "numpy"),
    ".npz": ("pyvolume.files.npz", "numpy"),
    ".h5": ("pyvolume.files.hdf5", "h5py"),
    ".hdf5": ("pyvolume.files.hdf5", "h5py"),
    ".ome.tif": ("pyvolume.files.tiff", "tifffile"),
    ".ome.tiff": ("pyvolume.files.tiff", "tifffile"),
    ".tif": ("pyvolume.files.tiff", "tifffile"),
    ".tiff": ("pyvolume.files.tiff", "tifffile"),
    ".nii": ("pyvolume.files.nifti", "nibabel"),
    ".nii.gz": ("pyvolume.files.nifti", "nibabel"),
    ".png": ("pyvolume.files.png", "Pillow"),
    ".jpg": ("pyvolume.files.png", "Pillow"),
    ".jpeg": ("pyvolume.files.png", "Pillow"),
    ".zarr": ("pyvolume.zarr.files", "zarr"),
}
"""The module of each suffix, and the library that it needs."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a file holds.

    Parameters
    ----------
    array : array-like
        Sliced as a numpy array; a large one may stay in the file.
    description : Description
        Where the voxels come from.
    """

    array: Any
    description: Description


@contextlib.contextmanager
def create(
    path: Path,
    shape: Sequence[int],
    dtype: np.dtype[Any],
    description: Description,
    *,
    force: bool = False,
    **options: Any,
) -> Iterator[Any]:
    """Make a file of voxels: give what is assigned to by slices. It gets its name when the block ends without an error.

    Parameters
    ----------
    path : Path
        Its suffix says which format.
    shape : sequence of int
        The shape of the array.
    dtype : numpy.dtype
        The dtype of the array.
    description : Description
        Where the voxels come from.
    force : bool
        Replace a file that is there; a directory never.
    **options
        Of the format.

    Raises
    ------
    UnsupportedError
        For an unknown suffix, or voxels that the format cannot hold.
    TypeError
        For an option that the format does not have; it suggests the nearest name.
    ExistsError
        If the file is there.
    ImportError
        If the library is missing; the message names the extra.
    """
    module = _module_of(path)
    known = arguments.keywords(module.create)
    arguments.check_options(f"save {path}: {suffix_of(path)}", options, known, [*known, *OF_EVERY_FORMAT])
    made = module.create
    with appearing(path, force=force) as part, made(part, tuple(shape), dtype, description, **options) as target:
        yield target


OF_EVERY_FORMAT = ("key", "box", "mode", "progress")
"""What `Volume.save` takes besides the options of a format."""

IN_PLACE = {".h5", ".hdf5", ".npy", ".zarr"}
"""The suffixes of files that can be changed in place; the `read` of their modules takes a mode."""


@contextlib.contextmanager
def read(path: Path, mode: Literal["r", "r+"] = "r") -> Iterator[Stored]:
    """Open a file of voxels.

    Parameters
    ----------
    path : Path
        Its suffix says which format.
    mode : "r" or "r+"
        Whether the array can be assigned to as well.

    Raises
    ------
    UnsupportedError
        For an unknown suffix, content that is no volume, or a format that cannot be changed in place.
    MetadataError
        If the file is broken, or the metadata of pyvolume in it.
    ImportError
        If the library is missing; the message names the extra.
    """
    module = _module_of(path)
    modes = [mode] if suffix_of(path) in IN_PLACE else []
    if mode == "r+" and not modes:
        raise UnsupportedError(f"open {path}: files of this format are not changed in place; copy to a new file")
    with contextlib.ExitStack() as stack:
        try:
            array, description = stack.enter_context(module.read(path, *modes))
        except PyVolumeError:
            raise
        except Exception as error:  # each library has its own for a file that it does not understand
            raise MetadataError(f"read {path}: expected a file as its suffix says: {error}") from error
        if np.dtype(array.dtype).kind not in "biuf":
            raise UnsupportedError(f"read {path}: expected numbers and found {array.dtype}")
        if array.shape:
            yield Stored(forwards(array, description.backwards()), description.forwards(array.shape))
        elif mode == "r":
            yield _with_an_axis(array, description)
        else:
            raise UnsupportedError(f"open {path}: an array without axes is not changed in place")


def _with_an_axis(point: Any, description: Description) -> Stored:
    """Give an axis to an array without axes, which cannot be sliced."""
    return Stored(np.asarray(point[()]).reshape(1), dataclasses.replace(description, axes="x"))


def suffix_of(path: Path) -> str | None:
    """Return the suffix of a known format, if the path has one."""
    own = _ending(path)
    is_array = own is None and any(_ending(each) == ".zarr" for each in path.parents)  # of a group
    return ".zarr" if is_array else own


def _ending(path: Path) -> str | None:
    name = path.name.lower()
    return max((each for each in FORMATS if name.endswith(each)), key=len, default=None)


def keeps_place(path: Path) -> bool:
    """Whether files of a format can say where their voxels belong."""
    return suffix_of(path) != ".npy"


def _module_of(path: Path) -> Any:
    suffix = suffix_of(path)
    if suffix is None:
        raise UnsupportedError(f"open {path}: expected one of the suffixes {', '.join(FORMATS)}")
    module, library = FORMATS[suffix]
    try:
        return importlib.import_module(module)
    except ImportError:
        raise missing(library, extra="zarr" if suffix == ".zarr" else "files", action=f"a {suffix} file") from None
