"""Fileset: the files of a scan that belong together."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyvolume.errors import ExistsError, KeyNotFoundError, NotFoundError
from pyvolume.files import values
from pyvolume.local.address import check_axes
from pyvolume.local.changes import OURS, NewFile, NewFileset, Removal
from pyvolume.local.commit import Step
from pyvolume.local.described import Described
from pyvolume.local.documents import matches, plain
from pyvolume.local.exchange import staging
from pyvolume.local.file import LocalFile
from pyvolume.local.layout import check_new, component
from pyvolume.local.refusals import told
from pyvolume.local.writing import settle
from pyvolume.model import arguments
from pyvolume.model.nearest import hint

if TYPE_CHECKING:
    from pyvolume.local.scan import Scan


class Fileset(Described, Mapping[str, LocalFile]):
    """The files of a fileset by their ids, in the order of the index; `Scan` returns it.

    Parameters
    ----------
    scan : Scan
        Where it is.
    id : str
        Its id, which is the name of its folder.
    is_new : bool
        Whether it is created together with its first file.
    """

    def __init__(self, scan: Scan, id: str, *, is_new: bool = False) -> None:  # noqa: A002 - the word of the database
        self.scan = scan
        self.id = id
        self._is_new = is_new
        self._folder = scan.folder

    @property
    def path(self) -> Path:
        """The folder of the files."""
        return self._folder.fileset(self.id)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fileset) and other.path == self.path

    def __hash__(self) -> int:
        return hash(self.path)

    def _place(self) -> tuple[str, str]:
        return self.id, ""

    def _change(self, step: Step, action: str) -> None:
        self.scan.change(step, action=action)

    def _files(self) -> Mapping[str, str | None]:
        return {} if self._is_new else self.scan.listed(self.id)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files())

    def __len__(self) -> int:
        return len(self._files())

    def __contains__(self, id: object) -> bool:  # noqa: A002
        return id in self._files()

    def __getitem__(self, id: str) -> LocalFile:  # noqa: A002
        self.name_of(id)
        return LocalFile(self, id)

    def name_of(self, id: str) -> str | None:  # noqa: A002
        """Return the name of the file with the data of an id; None if it was never written.

        Raises
        ------
        KeyNotFoundError, AddressError
            If there is no such file, or it cannot be one.
        """
        files = self._files()
        if component(id, str(self.path)) not in files:
            action = f"open {self.path}/{id}"
            raise KeyNotFoundError(f"{action}: there is no such file; {hint(id, files)}", action=action)
        return files[id]

    def find(self, query: Mapping[str, Any]) -> list[LocalFile]:
        """Return the files whose metadata have equal values for all keys of a query.

        Parameters
        ----------
        query : mapping
            Values by their keys. A mapping in it is compared in the same way. A file without the key is not found.

        Raises
        ------
        MetadataError, ForbiddenError, OSError
            As for `get_metadata`.
        """
        wanted = plain(query, f"search {self.path}")
        return [each for each in self.values() if matches(each.get_metadata(), wanted)]

    def put(
        self,
        id: str,  # noqa: A002
        data: object,
        *,
        format: str | None = None,  # noqa: A002 - as in pyvolume.create
        metadata: Mapping[str, Any] | None = None,
        axes: str | None = None,
        overwrite: bool = False,
    ) -> LocalFile:
        """Add a file: its data, its metadata and its entry in the index appear in one commit.

        Parameters
        ----------
        id : str
            Of the file: letters, digits, ``_``, ``-`` and ``.``.
        data : object
            What `LocalFile.read` returns for the format. Bytes are stored as they are.
        format : str, optional
            The suffix of the file, such as ``"npy"`` or ``"png"``. By default npz for arrays, ply for a `Mesh`, txt for
            a text, and json for other values. Bytes need it.
        metadata : mapping, optional
            Values of JSON; scalars and arrays of numpy are converted.
        axes : str, optional
            One letter for each axis of an array, in its order, such as ``"zyx"``. `LocalFile.volume` uses it.
        overwrite : bool
            Replace a file with this id. Without `metadata` it keeps those that it has.

        Raises
        ------
        ExistsError
            If there is such a file, or one whose id differs only in upper and lower case.
        AddressError
            If it cannot be an id.
        UnsupportedError
            If the format cannot hold the data, or the database is opened for reading.
        MetadataError
            If a value has no form in JSON. Nothing is written then.
        BusyTimeoutError
            If another program keeps its lock too long.
        ImportError
            If the library of the format is missing; the message names the extra.
        ForbiddenError, OSError
            If it cannot be written.
        """
        action = self.check_free(id, overwrite=overwrite)
        suffix = values.suffix_for(data, format, action)
        described = self._described(metadata, axes, action)
        with staging(self.path, suffix, action) as part:
            values.write(part, data, action)
        return self.add(id, part, suffix, described, overwrite=overwrite)

    def import_file(
        self,
        path: str | os.PathLike[str],
        id: str | None = None,  # noqa: A002
        *,
        metadata: Mapping[str, Any] | None = None,
        axes: str | None = None,
        overwrite: bool = False,
    ) -> LocalFile:
        """Add a copy of a file.

        Parameters
        ----------
        path : path
            The file.
        id : str, optional
            By default its name without the suffix.
        metadata, axes, overwrite : optional
            As for `put`.

        Raises
        ------
        NotFoundError
            If there is no such file.
        ExistsError, AddressError, UnsupportedError, MetadataError, BusyTimeoutError, ForbiddenError, OSError
            As for `put`.
        """
        source = Path(path)
        suffix = values.suffix_of(source)
        name = source.name.removesuffix(suffix) if id is None else id
        action = self.check_free(name, overwrite=overwrite)
        if not source.is_file():
            raise NotFoundError(f"{action}: there is no file {source}", action=action)
        described = self._described(metadata, axes, action)
        with staging(self.path, suffix, action) as part:
            shutil.copyfile(source, part)
        return self.add(name, part, suffix, described, overwrite=overwrite)

    def check_free(self, name: str, *, overwrite: bool) -> str:
        """Refuse early what a commit would refuse, and return the action for messages."""
        action = f"write {self.path}/{arguments.text(name, f'write into {self.path}', 'an id')}"
        self._folder.root.check_writable(action)
        if name not in self._files():
            check_new(name, (), action)
        elif not overwrite:
            raise ExistsError(f"{action}: it exists; overwrite=True replaces it", action=action)
        return action

    @staticmethod
    def _described(metadata: Mapping[str, Any] | None, axes: str | None, action: str) -> dict[str, Any] | None:
        found = None if metadata is None else plain(metadata, action)
        if axes is None:
            return found
        check_axes(axes, action)
        return (found or {}) | {OURS: {"axes": axes}}

    def add(
        self,
        id: str,  # noqa: A002
        part: Path,
        suffix: str,
        metadata: dict[str, Any] | None,
        *,
        overwrite: bool,
    ) -> LocalFile:
        """Commit data that are complete under a temporary name in the folder, see `put`.

        Parameters
        ----------
        id : str
            Of the file.
        part : Path
            The data; the file is moved, or removed after an error.
        suffix : str
            What follows the id in the name of the file.
        metadata : dict, optional
            Values of JSON.
        overwrite : bool
            As for `put`.
        """
        action = f"write {self.path}/{id}"
        if self._folder.root.fsync:
            with told(action, part):
                settle(part)
        added = NewFile(self.id, id, suffix, part, metadata, overwrite)
        self.scan.change(*[NewFileset(self.id, is_shared=True)] * self._is_new, added, action=action)
        self._is_new = False
        return LocalFile(self, id)

    def __delitem__(self, id: str) -> None:  # noqa: A002
        self._change(Removal(self.id, component(id, str(self.path))), f"delete {self.path}/{id}")
