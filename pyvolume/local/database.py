"""LocalStore: a folder database."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pyvolume.errors import AddressError, ExistsError, ForbiddenError, KeyNotFoundError
from pyvolume.local import checking, locks, repairing
from pyvolume.local.checking import Problem
from pyvolume.local.documents import matches, plain
from pyvolume.local.layout import INDEX, MARKER, METADATA, TAKEN, Root, ScanFolder, check_new, component, is_component
from pyvolume.local.locks import locked
from pyvolume.local.refusals import told
from pyvolume.local.scan import Scan
from pyvolume.local.writing import settle, temporary, write
from pyvolume.model import arguments
from pyvolume.model.nearest import hint

Mode = Literal["r", "r+", "w-"]

MODES = ("r", "r+", "w-")


class LocalStore(Mapping[str, Scan]):
    """A folder database, as the programs of ROMI share it: scans by their ids, which are sorted.

    Opening reads nothing but the marker ``romidb``. With mode ``"r"`` nothing is written, and no lock is taken, so that
    media work that are read only.

    Parameters
    ----------
    path : path
        The folder.
    mode : "r", "r+" or "w-"
        Read only; read and change; or make a new database in a folder that is empty or not there.
    patience : float
        Seconds to wait for the locks of other programs.
    fsync : bool
        Whether a commit waits until the disk has the data. Without it, a power failure can lose the last changes.

    Raises
    ------
    AddressError
        If there is no such folder, or it is no database.
    ExistsError
        With ``"w-"``, if something is there.
    ForbiddenError
        If the user may not write there, or the medium is read only.

    Examples
    --------
    >>> import tempfile
    >>> temporary = tempfile.TemporaryDirectory()
    >>> store = LocalStore(f"{temporary.name}/plants", "w-")
    >>> scan = store.create("fern_0042", metadata={"species": "fern"})
    >>> file = scan.create("raw").put("notes", "dry")
    >>> store["fern_0042"]["raw"]["notes"].read()
    'dry'
    >>> temporary.cleanup()
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        mode: Mode = "r",
        *,
        patience: float = 10.0,
        fsync: bool = True,
    ) -> None:
        arguments.one_of(mode, MODES, f"open {path}", "mode")
        place = Path(path).absolute()
        if mode == "w-":
            _make(place)
        with told(f"open {place}", place):
            if not place.is_dir():
                raise AddressError(f"open {place}: there is no such folder; mode='w-' makes a database")
            if not (place / MARKER).exists():
                raise AddressError(f"open {place}: expected a folder database, and the folder has no file {MARKER!r}")
        if mode != "r" and not os.access(place, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            raise ForbiddenError(f"open {place}: the folder is read only; mode='r' reads it", action=f"open {place}")
        self.mode: Mode = "r" if mode == "r" else "r+"
        self._root = Root(place, mode != "r", arguments.number(patience, f"open {place}", "patience"), fsync)

    @property
    def path(self) -> Path:
        """The folder."""
        return self._root.path

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}, mode {self.mode!r}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LocalStore) and other.path == self.path

    def __hash__(self) -> int:
        return hash(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Do nothing, because a database holds nothing open; servers are closed."""

    def __iter__(self) -> Iterator[str]:
        with told("list", self.path):
            return iter(sorted(each.name for each in self.path.iterdir() if _is_scan(each)))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, id: object) -> bool:  # noqa: A002 - the word of the database
        return is_component(id) and _is_scan(self.path / id)

    def __getitem__(self, id: str) -> Scan:  # noqa: A002
        name = component(id, str(self.path))
        if not _is_scan(self.path / name):
            action = f"open {self.path / name}"
            with told(action, self.path / name):  # nobody may look into it
                (self.path / name / INDEX).is_file()
            raise KeyNotFoundError(f"{action}: there is no such scan; {hint(name, self)}", action=action)
        return Scan(ScanFolder(self._root, name))

    def create(self, id: str, metadata: Mapping[str, Any] | None = None) -> Scan:  # noqa: A002
        """Create a scan without filesets; it appears in one step.

        Parameters
        ----------
        id : str
            Letters, digits, ``_``, ``-`` and ``.``.
        metadata : mapping, optional
            Values of JSON; scalars and arrays of numpy are converted.

        Raises
        ------
        ExistsError
            If something has this name, or one that differs only in upper and lower case.
        AddressError
            If it cannot be an id.
        MetadataError
            If a value has no form in JSON. Nothing is written then.
        UnsupportedError
            If the database is opened for reading.
        BusyTimeoutError
            If another program keeps its lock too long.
        ForbiddenError, OSError
            If it cannot be written.
        """
        action = f"create {self.path}/{id}"
        self._root.check_writable(action)
        check_new(id, (), action)
        document = plain({} if metadata is None else metadata, action)
        with locked(self._root, id, action), told(action, self.path):
            check_new(id, [*TAKEN, *(each.name for each in self.path.iterdir())], action)
            self._build(id, document)
        return Scan(ScanFolder(self._root, id))

    def _build(self, id: str, document: dict[str, Any]) -> None:  # noqa: A002
        """Make the folder of a scan where no program looks, and give it its name."""
        part = temporary(self._root.own / "staging")
        try:
            made = part / id
            (made / METADATA).mkdir(parents=True)
            write(document, made / METADATA / f"{METADATA}.json", fsync=self._root.fsync)
            write({"filesets": []}, made / INDEX, fsync=self._root.fsync)
            made.rename(self.path / id)
            if self._root.fsync:
                settle(self.path)
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def __delitem__(self, id: str) -> None:  # noqa: A002
        action = f"delete {self.path}/{id}"
        self._root.check_writable(action)
        part = temporary(self._root.own / "trash")
        scan = self[id]
        with locked(self._root, scan.id, action), told(action, scan.path):
            part.parent.mkdir(parents=True, exist_ok=True)
            scan.path.rename(part)
        with told(action, part):
            shutil.rmtree(part)

    def find(self, query: Mapping[str, Any]) -> list[Scan]:
        """Return the scans whose metadata have equal values for all keys of a query, see `Fileset.find`.

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

    def check(self) -> list[Problem]:
        """Return what is wrong in the database; nothing is changed.

        Returns
        -------
        list of Problem
            Locks that are left, entries without a file, files without an entry, documents that cannot be understood,
            and what killed processes have left.
        """
        found = checking.of_root(self._root)
        return found + [each for name in self for each in checking.of_scan(ScanFolder(self._root, name))]

    def repair(self) -> list[Problem]:
        """Put right what can be put right, and return what that was.

        What is changed or removed is kept in a folder ``.pyvolume/backup``. An index that cannot be understood is made
        again from the files. Entries without a file leave the index, because older programs cannot open a database that
        has them. Files without an entry stay where they are. The lock of another program stays, see `break_lock`.

        Raises
        ------
        UnsupportedError
            If the database is opened for reading.
        BusyTimeoutError
            If another program keeps its lock too long.
        ForbiddenError, OSError
            If it cannot be written.
        """
        self._root.check_writable(f"repair {self.path}")
        found = repairing.of_root(self._root)
        return found + [each for name in self for each in repairing.of_scan(ScanFolder(self._root, name))]

    def break_lock(self) -> str:
        """Remove the lock of another program, and say whose it was; empty if there was none.

        Only a user can know that a session of an older program has ended: its lock is an empty file.

        Raises
        ------
        UnsupportedError
            If the database is opened for reading.
        ForbiddenError, OSError
            If it cannot be removed.
        """
        self._root.check_writable(f"break the lock of {self.path}")
        return locks.broken(self._root)


def _make(place: Path) -> None:
    """Make the folder of a new database, with its marker.

    Raises
    ------
    ExistsError, ForbiddenError, OSError
    """
    action = f"create {place}"
    with told(action, place):
        if place.exists() and not place.is_dir():
            raise ExistsError(f"{action}: a file is there", action=action)
        if place.is_dir() and any(place.iterdir()):
            raise ExistsError(f"{action}: expected an empty folder, or none; mode='r+' opens a database", action=action)
        place.mkdir(parents=True, exist_ok=True)
        (place / MARKER).open("xb").close()


def _is_scan(path: Path) -> bool:
    """Whether a folder is a scan: for older programs it has an index, for plantdb a folder of metadata."""
    is_open = os.path.isfile(path / INDEX) or os.path.isdir(path / METADATA)  # noqa: PTH112, PTH113 - no error where nobody may look
    return is_open and not path.name.startswith(".")
