"""Folder: files of volumes side by side, as a server has volumes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Self, cast

from pyvolume.errors import AddressError, KeyNotFoundError, MetadataError
from pyvolume.files import formats
from pyvolume.model import arguments
from pyvolume.model.arguments import brief
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.model.nearest import hint
from pyvolume.stores import registry
from pyvolume.stores.catalogue import Entry
from pyvolume.volume import Volume

BLOCK_AXES = 3

SUFFIX = ".zarr"
"""The format of a volume that is created, and the suffix that a name can leave out."""


class Folder:
    """The volumes in a folder, each in a file.

    The name of a volume is that of its file; ``.zarr`` can be left out. Nothing is remembered: each use looks into the
    folder.

    Parameters
    ----------
    path : str or path
        The folder. Files in the folders inside it are no volumes of it.

    Raises
    ------
    AddressError
        If there is no such folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise AddressError(f"connect: there is no folder {self.path}")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Do nothing, as a folder holds nothing open; servers are closed."""

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(each.name.removesuffix(SUFFIX) for each in self.path.iterdir() if _is_volume(each)))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._found(name) is not None

    def __getitem__(self, name: str) -> Volume:
        return self.volume(name)

    def volume(self, name: str, mode: Literal["r", "r+"] = "r") -> Volume:
        """Open a volume.

        Parameters
        ----------
        name : str
            Of its file.
        mode : "r" or "r+"
            Read only, or read and write.

        Raises
        ------
        KeyNotFoundError
            If there is none of this name.
        MetadataError, UnsupportedError
            As for `pyvolume.open` of the file.
        """
        found = self._found(arguments.text(name, "open volume", "a name"))
        if found is None:
            action = f"open {name!r} in {self.path}"
            names = list(self)
            raise KeyNotFoundError(f"{action}: there is no such volume; {hint(name, names)}", action=action)
        return cast("Volume", registry.open_url(found.absolute().as_uri(), mode, {}))

    @property
    def volume_dims(self) -> tuple[str, ...]:
        """The axes of the volumes that are created, which are those of OME-Zarr, channel first."""
        return tuple("cxyzt")

    def create_described(self, name: str, metadata: VoxelsMetadata, block_shape: Sequence[int] | None = None) -> Volume:
        """Create an image of OME-Zarr for a volume, and open it for writing.

        Parameters
        ----------
        name : str
            Its name; ``.zarr`` is added.
        metadata : VoxelsMetadata
            Its shape, dtype, resolution and units.
        block_shape : sequence of int, optional
            Shape of the chunks along x, y and z; see `pyvolume.create`.

        Raises
        ------
        MetadataError
            If the name cannot be that of a file, or there is not one length of a chunk for each of the three axes.
        ExistsError
            If there is such a file.
        """
        path = self.path / f"{_checked(name, self.path).removesuffix(SUFFIX)}{SUFFIX}"
        if block_shape is not None and len(block_shape) != BLOCK_AXES:
            raise MetadataError(f"create {path}: expected chunks along x, y and z and found {brief(block_shape)}")
        others = (1,) * (len(metadata.dims) - BLOCK_AXES - 1)
        chunks = None if block_shape is None else (1, *block_shape, *others)
        return cast("Volume", registry.create_url(path.absolute().as_uri(), metadata, {"chunks": chunks}))

    def entries(self) -> list[Entry]:
        """Return the volumes, by name."""
        return [Entry(name, str(formats.suffix_of(path)), str(path)) for name in self if (path := self._found(name))]

    def describe(self) -> dict[str, Any]:
        """Return the path of the folder, and how many volumes are in it."""
        return {"path": str(self.path.absolute()), "volumes": len(self)}

    def _found(self, name: str) -> Path | None:
        """Return the file of a volume."""
        paths = [self.path / each for each in (name, name + SUFFIX) if Path(each).name == each]
        return next((each for each in paths if _is_volume(each)), None)


def _is_volume(path: Path) -> bool:
    return path.exists() and not path.name.startswith(".") and formats.suffix_of(Path(path.name)) is not None


def _checked(name: str, folder: Path) -> str:
    """Refuse what is no name of a file in this folder."""
    arguments.text(name, f"create a volume in {folder}", "a name")
    if not name or Path(name).name != name or name.startswith(".") or "\0" in name:
        raise MetadataError(f"create a volume in {folder}: expected the name of a file and found {name!r}")
    return name
