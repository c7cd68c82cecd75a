"""What is in a database, a scan or a fileset, as lists for the command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pyvolume.errors import PyVolumeError
from pyvolume.files.values import suffix_of
from pyvolume.local.address import canonical
from pyvolume.local.database import LocalStore
from pyvolume.local.file import LocalFile
from pyvolume.local.fileset import Fileset
from pyvolume.local.scan import Scan
from pyvolume.stores.catalogue import Entry

Place = LocalStore | Scan | Fileset | LocalFile


class Listing:
    """A place in a database, as `pyvolume.stores.catalogue.Catalogue`.

    Parameters
    ----------
    store : LocalStore
        The database.
    place : LocalStore, Scan, Fileset or LocalFile
        What is listed.
    """

    def __init__(self, store: LocalStore, place: Place) -> None:
        self._store = store
        self._place = place

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._store.close()

    def entries(self) -> list[Entry]:
        """Return what is there: scans by name, filesets and files in the order of the index."""
        root = self._store.path
        match self._place:
            case LocalStore() as store:
                return [_counted(store[name], "scan", "filesets", canonical(root, name)) for name in store]
            case Scan() as scan:
                return [_counted(each, "fileset", "files", canonical(root, scan.id, each.id)) for each in scan.values()]
            case Fileset() as fileset:
                return [
                    _entry(each, canonical(root, fileset.scan.id, fileset.id, each.id)) for each in fileset.values()
                ]
        return []

    def describe(self) -> dict[str, Any]:
        """Return the facts about the place itself, with its metadata."""
        match self._place:
            case LocalStore() as store:
                return {"path": str(store.path), "scans": len(store)}
            case Scan() as scan:
                facts = {"path": str(scan.path), "filesets": len(scan), "files": sum(map(len, scan.values()))}
            case Fileset() as fileset:
                facts = {"path": str(fileset.path), "files": len(fileset)}
            case LocalFile() as file:
                facts = {"path": str(file.path), "bytes": file.path.stat().st_size}
        return facts | {"metadata": self._place.get_metadata()}


def _counted(place: Mapping[str, Any], kind: str, counted: str, url: str) -> Entry:
    name = url.rpartition("/")[2]
    try:
        return Entry(name, kind, url, {counted: len(place)})
    except (PyVolumeError, OSError) as error:  # a list is not lost because of one of its entries
        return Entry(name, "broken", url, {counted: str(error)})


def _entry(file: LocalFile, url: str) -> Entry:
    try:
        path = file.path
        return Entry(file.id, suffix_of(path).removeprefix("."), url, {"file": path.name, "bytes": path.stat().st_size})
    except (PyVolumeError, OSError) as error:
        return Entry(file.id, "broken", url, {"file": str(error), "bytes": ""})
