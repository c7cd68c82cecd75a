"""The driver of folder databases: from a url to a volume."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pyvolume.caching.cache import BlockCache
from pyvolume.errors import AddressError, KeyNotFoundError, NotFoundError, PyVolumeError
from pyvolume.files import formats, values
from pyvolume.local import address
from pyvolume.local.address import Address
from pyvolume.local.catalogue import Listing
from pyvolume.local.changes import OURS
from pyvolume.local.commit import read_index
from pyvolume.local.database import LocalStore
from pyvolume.local.exchange import blank, for_romi, staging
from pyvolume.local.file import LocalFile
from pyvolume.local.layout import Root, ScanFolder
from pyvolume.local.scan import Scan
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.stores.registry import Driver
from pyvolume.transfer.casting import Casting
from pyvolume.transfer.locking import NamedLock
from pyvolume.volume import Volume

FILE = 3
"""So many ids name a file."""


class LocalDriver(Driver):
    """Opens and creates volumes in folder databases, see `Driver`."""

    forms = address.FORMS
    made_by_copies: ClassVar[bool] = True

    def recognises(self, url: str) -> bool:
        """Whether a url has the scheme, or is the path of something in a database, or of something new in it."""
        if url.lower().startswith(address.SCHEME):
            return True
        path = address.path_in(url)
        root = None if path is None else address.root_of(path)
        return path is not None and root is not None and _is_ours(root, path)

    def names_volume(self, url: str) -> bool:
        """Whether a url names a file of a format for voxels, or one that is not there yet."""
        found = address.parse(url)
        if len(found.ids) < FILE:
            return False
        try:
            return formats.suffix_of(Path(_file(found, "r").name)) is not None
        except NotFoundError:
            return True

    def names_after(self, url: str) -> Sequence[str]:
        """Return the ids that can follow a url and a slash."""
        with contextlib.suppress(PyVolumeError, OSError):
            return [each.name for each in self.catalogue(url).entries()]
        return ()

    def catalogue(self, url: str) -> Listing:
        """List a database, a scan, a fileset or a file."""
        found = address.parse(url)
        store = LocalStore(found.root)
        if not found.ids:
            return Listing(store, store)
        scan = store[found.ids[0]]
        if len(found.ids) == FILE:
            return Listing(store, _file(found, "r"))
        return Listing(store, scan[found.ids[1]] if len(found.ids) > 1 else scan)

    def connect(self, url: str, *, mode: Literal["r", "r+", "w-"] = "r") -> LocalStore:
        """Open a database.

        Parameters
        ----------
        url : str
            Its path.
        mode : "r", "r+" or "w-"
            As for `LocalStore`.

        Raises
        ------
        AddressError
            If there is no database, or the url names something in it.
        ExistsError, ForbiddenError
            As for `LocalStore`.
        """
        path = address.path_in(url)
        if mode == "w-" and path is not None:
            return LocalStore(path, mode)
        found = address.parse(url)
        if found.ids:
            names = "".join(f"[{name!r}]" for name in found.ids)
            raise AddressError(
                f"connect: expected a folder database, and found something in it; use connect(...){names}"
            )
        return LocalStore(found.root, mode)

    def open(
        self,
        url: str,
        mode: Literal["r", "r+"] = "r",
        *,
        axes: str | None = None,
        array: str | None = None,
        partial_blocks: Literal["merge", "raise"] = "merge",
        casting: Casting = "checked",
        lock: NamedLock | None = None,
        lock_aligned: bool = True,
        cache: BlockCache | None = None,
    ) -> Volume:
        """Open the voxels of a file.

        Parameters
        ----------
        url : str
            In the form of `pyvolume.local.address`.
        mode : "r" or "r+"
            Read only, or read and write; npy and h5 can be written.
        axes, array : optional
            As for `LocalFile.volume`; a query says it too.
        partial_blocks, casting, lock, lock_aligned, cache
            See `pyvolume.Volume`.

        Raises
        ------
        AddressError, NotFoundError
            If there is no such file.
        UnsupportedError, MetadataError, ForbiddenError, OSError
            As for `LocalFile.volume`.
        """
        found = address.parse(url)
        if len(found.ids) < FILE:
            raise AddressError(
                f"open {url}: expected a scan, a fileset and a file; use pyvolume.connect for the others"
            )
        return _file(found, mode).volume(
            mode,
            axes=found.axes if axes is None else axes,
            array=found.array if array is None else array,
            partial_blocks=partial_blocks,
            casting=casting,
            lock=lock,
            lock_aligned=lock_aligned,
            cache=cache,
        )

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
            Of the file; its scan and its fileset are created if they are missing. A name with the suffix npy or h5
            chooses the format. By default it is h5 if there are chunks or a compression, or else npy.
        metadata : VoxelsMetadata
            What the volume is.
        chunks : sequence of int, optional
            Of HDF5, channel first.
        overwrite : bool
            Replace the data of a file that is there.
        compression : optional
            Of HDF5, as in h5py.

        Raises
        ------
        ExistsError
            If there is such a file.
        AddressError
            If there is no database, or the ids cannot be used.
        UnsupportedError
            If the format cannot be written in place, or has no such options.
        BusyTimeoutError, ForbiddenError, OSError
            As for `Fileset.put`.
        """
        found = address.parse(url)
        if len(found.ids) < FILE:
            raise AddressError(f"create {url}: expected a scan, a fileset and a file after {found.root}")
        with LocalStore(found.root, "r+") as store:
            stem, suffix = _stem_and_suffix(found.ids[2], is_chunked=chunks is not None or compression is not None)
            with _scan(store, found.ids[0]) as scan:
                fileset = scan.fileset(found.ids[1])
                action = fileset.check_free(stem, overwrite=overwrite)
                with staging(fileset.path, suffix, action) as part:
                    known = blank(metadata, part, name=f"{stem}{suffix}", chunks=chunks, compression=compression)
                described = {**for_romi(metadata), OURS: known}
                return fileset.add(stem, part, suffix, described, overwrite=overwrite).volume("r+")


DRIVER = LocalDriver()


def _is_ours(root: Path, path: Path) -> bool:
    """Whether a path names something of a database. A file that is not listed belongs to the driver of its format."""
    ids = path.relative_to(root).parts
    if not ids or len(ids) > FILE or not path.exists():
        return len(ids) <= FILE
    try:
        index = read_index(ScanFolder(Root(root, writable=False, patience=0, fsync=False), ids[0]))
    except PyVolumeError:
        return len(ids) == 1 and path.is_dir()
    if len(ids) == 1:
        return True
    files = index.filesets.get(ids[1])
    return files is not None and (len(ids) == 2 or ids[2] in files or ids[2] in files.values())


@contextlib.contextmanager
def _scan(store: LocalStore, name: str) -> Iterator[Scan]:
    """Give a scan; one that was missing is removed after an error, if it is empty."""
    is_new = name not in store
    scan = store.create(name) if is_new else store[name]
    try:
        yield scan
    except BaseException:
        with contextlib.suppress(PyVolumeError, OSError):
            if is_new and not scan:
                del store[name]
        raise


def _file(found: Address, mode: Literal["r", "r+"]) -> LocalFile:
    """Return a file, by its id or by the name of its data.

    Raises
    ------
    KeyNotFoundError
    """
    fileset = LocalStore(found.root, mode)[found.ids[0]][found.ids[1]]
    try:
        return fileset[found.ids[2]]
    except KeyNotFoundError:
        files = fileset.scan.files_of(fileset.id)
        named = next((each for each, name in files.items() if name == found.ids[2]), None)
        if named is None:
            raise
        return fileset[named]


def _stem_and_suffix(name: str, *, is_chunked: bool) -> tuple[str, str]:
    """Return the id of a new file, and the suffix of its data."""
    suffix = values.suffix_of(Path(name))
    if suffix in formats.FORMATS:
        return name.removesuffix(suffix), suffix
    return name, ".h5" if is_chunked else ".npy"
