"""Which module knows a file, by its suffix."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
from collections.abc import Iterable, Iterator, Sequence
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
    ".zarr.zip": ("pyvolume.zarr.zipped", "zarr"),
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
    check_options(path, options)
    with appearing(path, force=force) as part, made(part, shape, dtype, description, **options) as target:
        yield target


def check_options(path: Path, options: Iterable[str]) -> None:
    """Refuse options that the format of a file does not have.

    Raises
    ------
    TypeError
    """
    known = arguments.keywords(_module_of(path).create)
    arguments.check_options(f"save {path}: {suffix_of(path)}", options, known, [*known, *OF_EVERY_FORMAT])


@contextlib.contextmanager
def made(
    path: Path, shape: Sequence[int], dtype: np.dtype[Any], description: Description, **options: Any
) -> Iterator[Any]:
    """Make a file of voxels under its name at once, see `create`; who calls it removes the file after an error."""
    with _module_of(path).create(path, tuple(shape), dtype, description, **options) as target:
        yield target


OF_EVERY_FORMAT = ("key", "box", "mode", "progress")
"""What `Volume.save` takes besides the options of a format."""

IN_PLACE = {".h5", ".hdf5", ".npy", ".zarr"}
"""The suffixes of files that can be changed in place; the `read` of their modules takes a mode."""


@contextlib.contextmanager
def read(
    path: Path, mode: Literal["r", "r+"] = "r", *, axes: str | None = None, array: str | None = None
) -> Iterator[Stored]:
    """Open a file of voxels.

    Parameters
    ----------
    path : Path
        Its suffix says which format.
    mode : "r" or "r+"
        Whether the array can be assigned to as well.
    axes : str, optional
        The letters of the axes as they are stored, for formats in which a file can leave them out. An empty text: a
        file that leaves them out is an error.
    array : str, optional
        The name of the array, for formats that hold several.

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
    chosen = _chosen(module, path, axes=axes, array=array)
    with contextlib.ExitStack() as stack:
        try:
            held, description = stack.enter_context(module.read(path, *modes, **chosen))
        except PyVolumeError:
            raise
        except Exception as error:  # each library has its own for a file that it does not understand
            raise MetadataError(f"read {path}: expected a file as its suffix says: {error}") from error
        if np.dtype(held.dtype).kind not in "biuf":
            raise UnsupportedError(f"read {path}: expected numbers and found {held.dtype}")
        if held.shape:
            yield Stored(forwards(held, description.backwards()), description.forwards(held.shape))
        elif mode == "r":
            yield _with_an_axis(held, description)
        else:
            raise UnsupportedError(f"open {path}: an array without axes is not changed in place")


def _chosen(module: Any, path: Path, **options: str | None) -> dict[str, str | None]:
    """Return the options that a format has; refuse a choice that it does not leave."""
    known = arguments.keywords(module.read)
    wrong = next((name for name, value in options.items() if value and name not in known), None)
    if wrong is not None:
        raise UnsupportedError(f"open {path}: files of this format leave no choice of {wrong}=")
    return {name: value for name, value in options.items() if name in known}


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
        raise missing(library, extra=extra_of(suffix), action=f"a {suffix} file") from None


def extra_of(suffix: str) -> str:
    """Return the extra with the library of a format."""
    return {".zarr": "zarr", ".zarr.zip": "zarr", ".toml": "fsdb"}.get(suffix, "files")
