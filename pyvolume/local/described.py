"""What scans, filesets and files have in common: metadata."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, overload

from pyvolume.local.changes import NewMetadata
from pyvolume.local.commit import Step
from pyvolume.local.documents import plain, read_object
from pyvolume.local.layout import ScanFolder
from pyvolume.model import arguments

_MISSING: Any = object()


class Described(ABC):
    """Something with metadata: an object of JSON, in a document of its own."""

    _folder: ScanFolder

    @abstractmethod
    def _place(self) -> tuple[str, str]:
        """Return the ids of the fileset and of the file; empty where there is none."""

    @abstractmethod
    def _change(self, step: Step, action: str) -> None:
        """Commit a change, or add it to a batch."""

    def get_metadata(self, key: str | None = None, default: Any = None) -> Any:
        """Return the metadata, or the value of one key.

        Parameters
        ----------
        key : str, optional
            A key; by default all of them.
        default : object
            What to return if there is no such key.

        Returns
        -------
        dict or object
            A copy: changes of it are not stored. Without a document it is empty.

        Raises
        ------
        MetadataError
            If the document cannot be understood. It is never taken for an empty one.
        ForbiddenError, OSError
            If it cannot be read.
        """
        found = read_object(self._folder.document(*self._place()))
        return found if key is None else found.get(key, default)

    @overload
    def set_metadata(self, values: Mapping[str, Any]) -> None: ...

    @overload
    def set_metadata(self, values: str, value: Any) -> None: ...

    def set_metadata(self, values: Mapping[str, Any] | str, value: Any = _MISSING) -> None:
        """Set values of keys; the other keys stay as they are.

        Parameters
        ----------
        values : mapping or str
            Values by their keys, or one key.
        value : object, optional
            The value of the one key. None is stored as null.

        Raises
        ------
        MetadataError
            If a value has no form in JSON, such as NaN; scalars and arrays of numpy are converted. Nothing is written
            then. Also if the document that is there cannot be understood.
        UnsupportedError
            If the database is opened for reading.
        BusyTimeoutError
            If another program keeps its lock too long.
        ForbiddenError, OSError
            If it cannot be written.
        """
        fileset, file = self._place()
        action = f"set metadata of {'/'.join(filter(None, [str(self._folder.path), fileset, file]))}"
        self._folder.root.check_writable(action)
        if isinstance(values, str):
            if value is _MISSING:
                raise TypeError(f"{action}: expected a value for the key {values!r}")
            values = {arguments.text(values, action, "a key"): value}
        elif value is not _MISSING:
            raise TypeError(f"{action}: expected a mapping, or a key and a value")
        self._change(NewMetadata(fileset, file, plain(values, action)), action)
