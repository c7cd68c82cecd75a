"""A commit: all changes to a scan in one step, in an order that every reader survives."""

from __future__ import annotations

import contextlib
import copy
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from pyvolume.errors import AddressError, KeyNotFoundError, MetadataError, NotFoundError, PyVolumeError
from pyvolume.local.documents import read, read_object
from pyvolume.local.index import Index
from pyvolume.local.layout import IMAGES, REPEATED, RESERVED, Root, ScanFolder, is_component
from pyvolume.local.locks import locked
from pyvolume.local.refusals import told
from pyvolume.local.writing import settle, staged, temporary
from pyvolume.model.nearest import hint


class Step(Protocol):
    """One change."""

    def into(self, draft: Draft) -> None:
        """Add the change to a draft, or refuse it."""

    def discard(self) -> Path | None:
        """Remove what was made for the change, and is not needed any more; return the folder in which that was."""


def commit(folder: ScanFolder, steps: Sequence[Step], action: str) -> None:
    """Carry out changes, all of them or none.

    Raises
    ------
    UnsupportedError
        If the database is opened for reading.
    BusyTimeoutError
        If another program keeps its lock too long.
    KeyNotFoundError, ExistsError, AddressError, MetadataError
        If a change cannot be made; nothing is changed then.
    ForbiddenError, OSError
        If the user may not write there, or the disk is full.
    """
    try:
        folder.root.check_writable(action)
        with locked(folder.root, folder.id, action), told(action, folder.path):
            draft = Draft(folder, action)
            for step in steps:
                step.into(draft)
            draft.publish()
    finally:
        abandon(folder, steps)


def abandon(folder: ScanFolder, steps: Sequence[Step]) -> None:
    """Remove what was made for changes and is not needed, and folders of filesets that there are not."""
    made = {place for step in steps if (place := step.discard()) is not None}
    if not made:
        return
    with contextlib.suppress(PyVolumeError, OSError):
        known = read_index(folder).filesets
        for place in made:
            if place.name not in known:
                with contextlib.suppress(OSError):  # another thread can have used it
                    place.rmdir()


def read_index(folder: ScanFolder) -> Index:
    """Read the index of a scan.

    Raises
    ------
    NotFoundError
        If the scan has gone.
    MetadataError
        If the index is missing, truncated or something else.
    ForbiddenError, OSError
        If it cannot be read.
    """
    action = f"read {folder.index}"
    try:
        return Index(read(folder.index), action)
    except FileNotFoundError:
        if not folder.path.is_dir():
            raise NotFoundError(f"{action}: there is no scan {folder.id!r}", action=action) from None
        raise MetadataError(f"{action}: the index of the scan is missing; repair() makes one") from None


class Draft:
    """A scan as it will be: its index, its documents, its files.

    Parameters
    ----------
    folder : ScanFolder
        The scan, which is locked.
    action : str
        For messages.
    """

    def __init__(self, folder: ScanFolder, action: str) -> None:
        self.folder = folder
        self.action = action
        self.index = read_index(folder)
        self._before = {name: dict(files) for name, files in self.index.filesets.items()}
        self._is_changed = False
        self._documents: dict[Path, dict[str, Any]] = {}
        self._read: dict[Path, dict[str, Any]] = {}
        self._moves: dict[Path, Path] = {}
        self._folded: dict[str, dict[str, str]] = {}
        self._names: dict[str, dict[str, str]] = {}

    def files_of(self, fileset: str) -> dict[str, str | None]:
        """Return the names of the files of a fileset.

        Raises
        ------
        KeyNotFoundError, AddressError
            If there is no such fileset, or it has the place of something else.
        """
        if fileset in RESERVED:
            raise AddressError(f"{self.action}: {fileset!r} has a meaning of its own in a scan, and is no fileset")
        files: dict[str, str | None] = self.found(self.index.filesets, fileset, "fileset")
        return files

    def found(self, known: Any, name: str, kind: str) -> Any:
        """Return an entry of a mapping.

        Raises
        ------
        KeyNotFoundError
        """
        if name not in known:
            raise KeyNotFoundError(
                f"{self.action}: there is no {kind} {name!r}; {hint(name, known)}", action=self.action
            )
        return known[name]

    def alike(self, fileset: str, name: str) -> list[str]:
        """Return the files of a fileset with an id that differs in upper and lower case only."""
        files = self.files_of(fileset)
        if fileset not in self._folded:
            self._folded[fileset] = {each.casefold(): each for each in files}
        found = self._folded[fileset].setdefault(name.casefold(), name)
        return [found] if found in files else []

    def owner_of(self, fileset: str, name: str, file: str) -> str:
        """Return the id of the file that has a name of a data file; the given one takes it if it is free."""
        files = self.files_of(fileset)
        if fileset not in self._names:
            self._names[fileset] = {each: owner for owner, each in files.items() if each is not None}
        return self._names[fileset].setdefault(name, file)

    def document(self, fileset: str = "", file: str = "") -> dict[str, Any]:
        """Return metadata as they will be; a change of them is written."""
        place = self.folder.document(fileset, file)
        if place not in self._documents:
            self._documents[place] = read_object(place)
            self._read[place] = copy.deepcopy(self._documents[place])
        return self._documents[place]

    def add_fileset(self, fileset: str) -> None:
        """Add a fileset."""
        self.index.add_fileset(fileset)
        self._is_changed = True

    def put(self, fileset: str, file: str, name: str, data: Path) -> None:
        """Give data to a file; those that an earlier change gave it are not needed."""
        before = self.index.filesets[fileset].get(file)
        if before is not None and before != name:
            self._moves.pop(self.folder.fileset(fileset) / before, None)
            self._names.pop(fileset, None)
        self.index.put(fileset, file, name)
        self._moves[self.folder.fileset(fileset) / name] = data
        self._is_changed = True

    def remove(self, fileset: str, file: str = "") -> None:
        """Remove a file or a fileset, and the changes that were made to it."""
        names = self.index.filesets[fileset]
        gone = {file: names[file]} if file else names
        for each, name in gone.items():
            self._documents.pop(self.folder.document(fileset, each), None)
            if name is not None:
                self._moves.pop(self.folder.fileset(fileset) / name, None)
        if not file:
            self._documents.pop(self.folder.document(fileset), None)
        for cached in (self._folded, self._names):
            cached.pop(fileset, None)
        self.index.remove(fileset, file)
        self._is_changed = True

    def check_repeated(self, fileset: str, changes: dict[str, Any]) -> None:
        """Refuse values in the fileset ``images`` that plantdb would take for those of the scan.

        Raises
        ------
        MetadataError
        """
        scan = self.document() if fileset == IMAGES and changes.keys() & set(REPEATED) else {}
        wrong = next((key for key in REPEATED if key in changes and key in scan and changes[key] != scan[key]), None)
        if wrong is not None:
            raise MetadataError(
                f"{self.action}: {wrong!r} of the fileset {IMAGES!r} repeats that of the scan; change it there",
                path=f"$.{wrong}",
            )

    def repeat(self, keys: Sequence[str] = ()) -> None:
        """Repeat values of the scan in the metadata of the fileset ``images``, if it has any.

        Parameters
        ----------
        keys : sequence of str
            Those that have changed; others are added where they are missing.
        """
        place = self.folder.document(IMAGES)
        if IMAGES not in self.index.filesets or not (place in self._documents or place.exists()):
            return
        scan, images = self.document(), self.document(IMAGES)
        images |= {key: scan[key] for key in REPEATED if key in scan and (key in keys or key not in images)}

    def publish(self) -> None:
        """Write everything beside its place; then give it its name: data, metadata, the index at the end."""
        root = self.folder.root
        places = {place: each for place, each in self._documents.items() if each != self._read[place]}
        if not self.folder.document().exists():  # plantdb ignores a scan without it
            places.setdefault(self.folder.document(), {})
        if self._is_changed:
            places[self.folder.index] = self.index.document
        parts: dict[Path, Path] = {}
        try:
            for place, document in places.items():
                place.parent.mkdir(parents=True, exist_ok=True)
                parts[place] = staged(document, place, fsync=root.fsync)
            self._move_data()
            for names in (parts.keys() - {self.folder.index}, parts.keys() & {self.folder.index}):
                for place in names:
                    parts[place].replace(place)
                self._settle(names)
        finally:
            for part in parts.values():
                part.unlink(missing_ok=True)
        self._remove_old()

    def _move_data(self) -> None:
        for fileset in self.index.filesets.keys() - self._before.keys():
            self.folder.fileset(fileset).mkdir(exist_ok=True)
        known = {fileset: set(files.values()) for fileset, files in self._before.items()}
        for target, data in self._moves.items():
            if target.name not in known.get(target.parent.name, ()) and target.exists():
                set_aside(self.folder.root, target)
            data.replace(target)
        self._settle(self._moves)

    def _settle(self, places: Iterable[Path]) -> None:
        """Let the disk keep the names of files."""
        if self.folder.root.fsync:
            for folder in {place.parent for place in places}:
                settle(folder)

    def _remove_old(self) -> None:
        """Remove what the index does not name any more: metadata first, then data."""
        for fileset, names in self._before.items():
            after = self.index.filesets.get(fileset)
            gone = [each for each in names if after is None or each not in after]
            for file in gone:
                self.folder.document(fileset, file).unlink(missing_ok=True)
            if after is None:
                self.folder.document(fileset).unlink(missing_ok=True)
                _remove_tree(self.folder.root, self.folder.document(fileset).with_suffix(""))
                _remove_tree(self.folder.root, self.folder.fileset(fileset))
            else:
                kept = set(after.values())
                for name in {name for name in names.values() if is_component(name)} - kept:
                    (self.folder.fileset(fileset) / str(name)).unlink(missing_ok=True)


def _remove_tree(root: Root, folder: Path) -> None:
    """Remove a folder, in which somebody can be making files; of a link only the link."""
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        part = temporary(root.own / "trash")
        part.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(part)
        shutil.rmtree(part)


def set_aside(root: Root, path: Path, move: Callable[[Path, Path], object] = shutil.move) -> Path:
    """Keep something that has the place of something else in the folder of pyvolume, and return where.

    Parameters
    ----------
    root : Root
        The database.
    path : Path
        Something inside of it.
    move : callable
        How it gets there, by default without a copy.
    """
    place = temporary(root.own / "backup") / path.relative_to(root.path)
    place.parent.mkdir(parents=True)
    move(path, place)
    return place
