"""Files as volumes."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from pyvolume.caching.cache import BlockCache
from pyvolume.errors import AddressError
from pyvolume.files import formats, zeros
from pyvolume.files.description import Description
from pyvolume.files.folder import Folder
from pyvolume.files.volumes import open_file
from pyvolume.model import arguments
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.stores.registry import Driver
from pyvolume.transfer.casting import Casting
from pyvolume.transfer.locking import NamedLock
from pyvolume.volume import Volume

__all__ = ["DRIVER"]


class _FileDriver(Driver):
    """Opens paths of files, and of folders that hold files."""

    forms = (
        f"a path with one of the suffixes {', '.join(each for each in formats.FORMATS if each != '.zarr')}, "
        "or that of a folder with a slash in it"
    )

    def recognises(self, url: str) -> bool:
        if "://" in url and not url.lower().startswith("file:"):
            return False
        return formats.suffix_of(_path_of(url)) is not None or _is_folder(url)

    def names_volume(self, url: str) -> bool:
        return not _is_folder(url)

    def catalogue(self, url: str) -> Folder:
        """Open a folder, see `Driver`."""
        return self.connect(url)

    def connect(self, url: str) -> Folder:
        """Open a folder.

        Raises
        ------
        AddressError
            If the path is that of a file, or there is no such folder.
        """
        path = _path_of(url)
        if formats.suffix_of(path) is not None:
            raise AddressError(f"connect: expected a folder and found {path}; use pyvolume.open({url!r})")
        return Folder(path)

    @staticmethod
    def open(
        url: str,
        mode: Literal["r", "r+"],
        *,
        partial_blocks: Literal["merge", "raise"] = "merge",
        casting: Casting = "checked",
        lock: NamedLock | None = None,
        lock_aligned: bool = True,
        cache: BlockCache | None = None,
    ) -> Volume:
        """Open the volume in a file.

        Raises
        ------
        AddressError
            If there is no such file, or a folder.
        UnsupportedError, MetadataError
            As for `open_file`.
        """
        if _is_folder(url):
            raise AddressError(f"open: expected a file and found the folder {url}; use pyvolume.connect({url!r})[...]")
        return open_file(
            _path_of(url), mode, partial_blocks=partial_blocks, casting=casting, lock=lock, lock_aligned=lock_aligned,
            cache=cache,
        )  # fmt: skip

    def create(
        self,
        url: str,
        metadata: VoxelsMetadata,
        *,
        chunks: Sequence[int] | None = None,
        overwrite: bool = False,
        compression: str | int | None = None,
    ) -> Volume:
        """Create a file whose voxels are 0, and open it for writing.

        Parameters
        ----------
        url : str
            A path with the suffix .h5, .hdf5 or .npy.
        metadata : VoxelsMetadata
            What the volume is; a .npy keeps the shape and the dtype.
        chunks : sequence of int, optional
            Of HDF5, see `Volume.save`.
        overwrite : bool
            Replace a file that is there.
        compression : optional
            Of HDF5, as in h5py.

        Raises
        ------
        UnsupportedError
            For another format, or an option that the format does not have.
        ExistsError, MetadataError, OSError
            As for `Volume.save`.
        """
        path = _path_of(url)
        options = arguments.given(chunks=chunks, compression=compression)
        zeros.check(path, options)
        place = Description.of_metadata(metadata, "".join(metadata.dims))
        with formats.create(path, metadata.bounds.shape, metadata.dtype, place, force=overwrite, **options) as target:
            zeros.fill(target, is_compressed=compression is not None)
        return open_file(path, "r+")


def _path_of(url: str) -> Path:
    scheme = re.match(r"file:(//|(?=/))", url, re.IGNORECASE)
    return Path(unquote(url[scheme.end() :]) if scheme else url)


def _is_folder(url: str) -> bool:
    """Whether a url is the path of a folder that is no file of a format; a bare word can be a name on a server."""
    path = _path_of(url)
    is_path = {"/", os.sep}.intersection(url)
    return bool(is_path) and formats.suffix_of(path) is None and path.is_dir()


DRIVER = _FileDriver()
