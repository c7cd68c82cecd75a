"""Scan: filesets, with one index for all their files."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pyvolume.calls.progress import Progress
from pyvolume.errors import KeyNotFoundError, SelectionError, UnsupportedError
from pyvolume.local.changes import OURS, NewFileset, Removal
from pyvolume.local.commit import Step, abandon, commit, read_index
from pyvolume.local.described import Described
from pyvolume.local.documents import matches, plain, read_object
from pyvolume.local.exchange import fetch, for_romi, staging, voxels_suffix
from pyvolume.local.file import LocalFile
from pyvolume.local.fileset import Fileset
from pyvolume.local.index import Index
from pyvolume.local.layout import MEASURES, ScanFolder, check_new, component
from pyvolume.local.refusals import told
from pyvolume.model import arguments
from pyvolume.model.box import BoxLike
from pyvolume.model.nearest import hint
from pyvolume.transfer.checks import checked_box
from pyvolume.volume import Volume


class Scan(Described, Mapping[str, Fileset]):
    """The filesets of a scan by their ids, in the order of the index; `LocalStore` returns it.

    The index is read when it is needed, and again when it has changed.

    Parameters
    ----------
    folder : ScanFolder
        Where it is.
    """

    def __init__(self, folder: ScanFolder) -> None:
        self.folder = folder
        self._folder = folder
        self._index: tuple[object, Index] | None = None
        self._batch: list[Step] | None = None
        self._new: set[str] = set()
        self._adding = threading.Lock()

    @property
    def id(self) -> str:
        """The id of the scan, which is the name of its folder."""
        return self.folder.id

    @property
    def path(self) -> Path:
        """The folder of the scan."""
        return self.folder.path

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scan) and other.path == self.path

    def __hash__(self) -> int:
        return hash(self.path)

    def __reduce__(self) -> tuple[type[Scan], tuple[ScanFolder]]:
        if self._batch is not None:
            raise UnsupportedError(f"pickle {self.path}: a batch is open, which belongs to this process")
        return type(self), (self.folder,)

    def _place(self) -> tuple[str, str]:
        return "", ""

    def _change(self, step: Step, action: str) -> None:
        self.change(step, action=action)

    def change(self, *steps: Step, action: str) -> None:
        """Commit changes, or add them to the batch that is open."""
        with self._adding:
            if self._batch is not None:
                self._batch += steps
                self._new |= {each.id for each in steps if isinstance(each, NewFileset)}
                return
        commit(self.folder, steps, action)

    @contextlib.contextmanager
    def batch(self) -> Iterator[Scan]:
        """Commit all changes of the block together, with one write of the index.

        The changes are those of this object and of its filesets and files. Others see them when the block has ended. If
        the block ends with an error, nothing is changed.

        Raises
        ------
        UnsupportedError
            If a batch is open already, or the database is opened for reading.
        KeyNotFoundError, ExistsError, AddressError, MetadataError, BusyTimeoutError, ForbiddenError, OSError
            At the end of the block, as for `Fileset.put`.
        """
        action = f"change {self.path}"
        self.folder.root.check_writable(action)
        with self._adding:
            if self._batch is not None:
                raise UnsupportedError(f"{action}: a batch of this scan is open already")
            steps: list[Step] = []
            self._batch = steps
        is_complete = False
        try:
            yield self
            is_complete = True
        finally:
            with self._adding:  # from now on, other threads add nothing
                self._batch, self._new = None, set()
            if not is_complete:
                abandon(self.folder, steps)
        if steps:
            commit(self.folder, steps, action)

    def index(self) -> Index:
        """Return the present index.

        Raises
        ------
        MetadataError, ForbiddenError, OSError
            If it cannot be understood, or not be read.
        """
        try:
            found = self.folder.index.stat()
        except OSError:
            return read_index(self.folder)
        stamp = (found.st_ino, found.st_size, found.st_mtime_ns)
        if self._index is None or self._index[0] != stamp:
            self._index = stamp, read_index(self.folder)
        return self._index[1]

    def listed(self, fileset: str) -> Mapping[str, str | None]:
        """Return the files of a fileset; in a batch none for one that is new.

        Raises
        ------
        KeyNotFoundError
        """
        return {} if fileset in self._new else self.files_of(fileset)

    def files_of(self, fileset: str) -> Mapping[str, str | None]:
        """Return the names of the files of a fileset by their ids.

        Raises
        ------
        KeyNotFoundError, AddressError
            If there is no such fileset, or it cannot be one.
        MetadataError, ForbiddenError, OSError
            As for `index`.
        """
        known = self.index().filesets
        if component(fileset, str(self.path)) not in known:
            action = f"open {self.path}/{fileset}"
            raise KeyNotFoundError(f"{action}: there is no such fileset; {hint(fileset, known)}", action=action)
        return known[fileset]

    def __iter__(self) -> Iterator[str]:
        return iter(self.index().filesets)

    def __len__(self) -> int:
        return len(self.index().filesets)

    def __contains__(self, id: object) -> bool:  # noqa: A002
        return id in self.index().filesets

    def __getitem__(self, id: str) -> Fileset:  # noqa: A002
        self.files_of(id)
        return Fileset(self, id)

    def __delitem__(self, id: str) -> None:  # noqa: A002
        self._change(Removal(component(id, str(self.path))), f"delete {self.path}/{id}")

    def create(self, id: str, metadata: Mapping[str, Any] | None = None) -> Fileset:  # noqa: A002
        """Create a fileset.

        Parameters
        ----------
        id : str
            Letters, digits, ``_``, ``-`` and ``.``; not ``metadata`` and not ``webcache``.
        metadata : mapping, optional
            Values of JSON; scalars and arrays of numpy are converted.

        Raises
        ------
        ExistsError
            If there is such a fileset, or one whose id differs only in upper and lower case.
        AddressError
            If it cannot be an id.
        MetadataError
            If a value has no form in JSON. Nothing is written then.
        UnsupportedError, BusyTimeoutError, ForbiddenError, OSError
            As for `set_metadata`.
        """
        action = f"create {self.path}/{id}"
        self.folder.root.check_writable(action)
        check_new(id, self.index().filesets if self._batch is None else (), action)
        self._change(NewFileset(id, None if metadata is None else plain(metadata, action)), action)
        return Fileset(self, id)

    def pull(
        self,
        volume: Volume,
        fileset: str,
        id: str,  # noqa: A002
        *,
        box: BoxLike | None = None,
        format: str = "npy",  # noqa: A002 - as in `Fileset.put`
        metadata: Mapping[str, Any] | None = None,
        overwrite: bool = False,
        progress: Progress = None,
        verify: bool = False,
        **options: Any,
    ) -> LocalFile:
        """Copy voxels of a volume into a file, piece by piece; the file appears when it is complete.

        The metadata of the file keep, under the key ``pyvolume``, the url and the version of the volume, the box, the
        axes, the size of a voxel with its unit, and the SHA-256 of the voxels as `Volume.checksum` computes it. For
        voxels that are cubes there are ``voxel_size`` and ``origin`` too, for the pipeline of ROMI.

        Parameters
        ----------
        volume : Volume
            On a server, in another file, in memory.
        fileset : str
            Its id; it is created if there is none.
        id : str
            Of the new file. A database has no versions: give each version an id of its own, such as ``nuclei.v7``.
        box : Box or pair of corners, optional
            What to copy, in absolute coordinates; by default the bounds.
        format : str
            A suffix of a format of voxels. npy, h5, tif and zarr.zip need no memory for all voxels.
        metadata : mapping, optional
            More values of JSON.
        overwrite : bool
            Replace a file with this id.
        progress, verify : optional
            As for `pyvolume.copy`.
        **options
            Of the format, as for `Volume.save`.

        Raises
        ------
        SelectionError, StoreError
            As for `pyvolume.copy`. No file is left then.
        UnsupportedError, ExistsError, AddressError, MetadataError, BusyTimeoutError, ForbiddenError, OSError
            As for `Fileset.put`.
        """
        place = self.fileset(fileset)
        action = place.check_free(id, overwrite=overwrite)
        arguments.instance_of(volume, Volume, action)
        suffix = voxels_suffix(format, action, options)
        given = plain({} if metadata is None else metadata, action)
        covered = volume.bounds if box is None else checked_box(box, volume.metadata)
        whole = dataclasses.replace(volume.metadata, bounds=covered)
        if not covered.size:
            raise SelectionError(f"{action}: expected voxels for a file, and the box holds none of {volume.bounds}")
        with staging(place.path, suffix, action) as part:
            known = fetch(volume, covered, whole, part, progress=progress, verify=verify, **options)
        return place.add(id, part, suffix, {**for_romi(whole), **given, OURS: known}, overwrite=overwrite)

    def fileset(self, id: str) -> Fileset:  # noqa: A002
        """Return a fileset; one that is missing is created together with the first file that is added.

        Parameters
        ----------
        id : str
            Of the fileset.
        """
        is_new = component(id, str(self.path)) not in self and id not in self._new
        if is_new:
            check_new(id, self, f"create {self.path}/{id}")
        return Fileset(self, id, is_new=is_new)

    def find(self, query: Mapping[str, Any]) -> list[Fileset]:
        """Return the filesets whose metadata have equal values for all keys of a query, see `Fileset.find`.

        Parameters
        ----------
        query : mapping
            Values by their keys.

        Raises
        ------
        MetadataError, ForbiddenError, OSError
            As for `get_metadata`.
        """
        wanted = plain(query, f"search {self.path}")
        return [each for each in self.values() if matches(each.get_metadata(), wanted)]

    @property
    def measures(self) -> dict[str, Any]:
        """What ``measures.json`` says; empty if there is no such file. pyvolume does not write it."""
        path = self.path / MEASURES
        with told("read", path):
            return read_object(path)
