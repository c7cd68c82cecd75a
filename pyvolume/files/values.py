"""Files as values of Python: which module reads and writes a file, by its suffix."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from pyvolume.errors import MetadataError, PyVolumeError, UnsupportedError
from pyvolume.files import formats
from pyvolume.files.ply import Mesh
from pyvolume.model import arguments
from pyvolume.model.extras import missing
from pyvolume.model.nearest import hint

TEXTS = "pyvolume.files.texts"

MODULES = {
    ".csv": (TEXTS, ""),
    ".json": (TEXTS, ""),
    ".ply": ("pyvolume.files.ply", ""),
    ".toml": ("pyvolume.files.toml", "tomli_w"),
    ".txt": (TEXTS, ""),
} | {suffix: found for suffix, found in formats.FORMATS.items() if suffix not in {".nii", ".nii.gz", ".zarr"}}
"""The module of each suffix, and the library that it needs. It has the functions `read_value` and `write_value`."""


def read(path: Path) -> Any:
    """Return what a file holds.

    Raises
    ------
    UnsupportedError
        For an unknown suffix.
    MetadataError
        If the file is broken.
    ImportError
        If the library is missing; the message names the extra.
    OSError
        If the file cannot be read.
    """
    action = f"read {path}"
    module = _module_of(path, action)
    try:
        return module.read_value(path)
    except PyVolumeError:
        raise
    except OSError as error:
        if error.errno is not None:
            raise
        raise MetadataError(f"{action}: expected a file as its suffix says: {error}") from error
    except Exception as error:  # each library has its own for a file that it does not understand
        raise MetadataError(f"{action}: expected a file as its suffix says: {error}") from error


def write(path: Path, value: object, action: str) -> None:
    """Make a file that holds a value.

    Parameters
    ----------
    path : Path
        Its suffix says the format.
    value : object
        What `read` returns for the format, or bytes, which are written as they are.
    action : str
        For messages.

    Raises
    ------
    UnsupportedError
        If the format cannot hold the value.
    ImportError
        If the library is missing; the message names the extra.
    OSError
        If the disk is full.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        path.write_bytes(value)
        return
    module = _module_of(path, action)
    try:
        module.write_value(path, value)
    except (PyVolumeError, OSError):
        raise
    except Exception as error:
        expected, found = suffix_of(path), arguments.brief(value)
        raise UnsupportedError(f"{action}: expected a value for {expected} and found {found}: {error}") from error


def suffix_for(value: object, given: str | None, action: str) -> str:
    """Return the suffix of the file for a value.

    Parameters
    ----------
    value : object
        What will be written.
    given : str, optional
        A suffix, with or without the dot.
    action : str
        For messages.

    Raises
    ------
    UnsupportedError
        If there is no such format; bytes can have each suffix.
    """
    is_raw = isinstance(value, bytes | bytearray | memoryview)
    if given is None:
        if is_raw:
            raise UnsupportedError(f"{action}: expected a format for bytes, which is the suffix of the file")
        return _default(value)
    suffix = f".{arguments.text(given, action, 'a format').removeprefix('.')}"
    if is_raw and suffix.strip(".").replace(".", "").isalnum():
        return suffix
    if suffix not in MODULES:
        known = [each.removeprefix(".") for each in MODULES]
        raise UnsupportedError(f"{action}: there is no format {given!r}; {hint(given, known)}")
    return suffix


def suffix_of(path: Path) -> str:
    """Return the suffix of a name: a known one, such as ``.zarr.zip``, or what follows the last dot."""
    name = path.name.lower()
    known = max((each for each in {*MODULES, ".nii.gz"} if name.endswith(each)), key=len, default="")
    return path.name[-len(known) :] if known else path.suffix


def _default(value: object) -> str:
    if isinstance(value, Mesh):
        return ".ply"
    if isinstance(value, str):
        return ".txt"
    is_arrays = isinstance(value, dict) and value and all(isinstance(each, np.ndarray) for each in value.values())
    return ".npz" if is_arrays or isinstance(value, np.ndarray) else ".json"


def _module_of(path: Path, action: str) -> Any:
    suffix = suffix_of(path).lower()
    if suffix not in MODULES:
        raise UnsupportedError(f"{action}: expected one of the suffixes {', '.join(MODULES)}")
    module, library = MODULES[suffix]
    try:
        return importlib.import_module(module)
    except ImportError:
        raise missing(library, extra=formats.extra_of(suffix), action=f"a {suffix} file") from None
