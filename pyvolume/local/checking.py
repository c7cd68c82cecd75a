"""What is wrong in a database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pyvolume.errors import PyVolumeError
from pyvolume.local.commit import read_index
from pyvolume.local.documents import read_object
from pyvolume.local.index import Index
from pyvolume.local.layout import METADATA, RESERVED, Root, ScanFolder, is_component
from pyvolume.local.locks import LOCK, holder_of
from pyvolume.local.writing import is_left, is_temporary

Kind = Literal["lock", "left", "index", "entry", "file", "metadata"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong in a database.

    Parameters
    ----------
    kind : str
        ``"lock"``, of a program; ``"left"``, by a process that was killed; ``"index"``, which cannot be understood;
        ``"entry"``, of the index, without a file or with a wrong one; ``"file"``, without an entry; ``"metadata"``,
        which are missing or cannot be understood.
    path : Path
        The file or folder.
    text : str
        What it is, in a sentence.
    """

    kind: Kind
    path: Path
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


def of_root(root: Root) -> list[Problem]:
    """Return what is wrong beside the scans."""
    found = []
    holder = holder_of(root)
    if holder is not None:
        ended = ", which has ended" if holder.is_gone else ""
        found.append(Problem("lock", root.path / LOCK, f"the database is locked by {holder}{ended}"))
    by_effect = os.access in os.supports_effective_ids
    folders = sorted(_folders(root.path))
    closed = [each for each in folders if not os.access(each, os.R_OK | os.X_OK, effective_ids=by_effect)]
    found += [Problem("file", each, "the user may not look into this folder") for each in closed]
    return found + [Problem("left", each, "a killed process has left it") for each in left_in_root(root)]


def left_in_root(root: Root) -> list[Path]:
    """Return what killed processes have left in the folder of pyvolume; backups are no rubbish."""
    folders = (root.own, root.own / "staging", root.own / "trash")
    return [each for folder in folders if folder.is_dir() for each in sorted(folder.iterdir()) if is_left(each)]


def of_scan(folder: ScanFolder) -> list[Problem]:
    """Return what is wrong in a scan."""
    try:
        return _of_scan(folder)
    except OSError as error:  # a folder that nobody may look into
        return [Problem("file", folder.path, f"{error.filename}: {error.strerror}")]


def _of_scan(folder: ScanFolder) -> list[Problem]:
    found = [Problem("left", each, "a killed process has left it") for each in left_in_scan(folder)]
    if not folder.document().exists():
        found.append(Problem("metadata", folder.document(), "without it plantdb ignores the scan"))
    try:
        index = read_index(folder)
    except (PyVolumeError, OSError) as error:
        return [*found, Problem("index", folder.index, str(error))]
    found += [Problem("entry", folder.index, each) for each in index.problems]
    return [*found, *_entries(folder, index), *_files(folder, index), *_documents(folder, index)]


def left_in_scan(folder: ScanFolder) -> list[Path]:
    """Return what killed processes have left in the folders of a scan."""
    folders = [folder.path, *(each for each in _folders(folder.path))]
    folders += _folders(folder.path / METADATA)
    return sorted(each for place in folders for each in place.iterdir() if is_left(each))


def _folders(path: Path) -> list[Path]:
    return [each for each in path.iterdir() if each.is_dir()] if path.is_dir() else []


def _entries(folder: ScanFolder, index: Index) -> Iterator[Problem]:
    for fileset, files in index.filesets.items():
        place = folder.fileset(fileset)
        for file, name in files.items():
            if name is not None and not is_component(name):
                yield Problem(
                    "entry", folder.index, f"the file {fileset}/{file} is {name!r}, which is no name in its folder"
                )
            elif name is not None and not (place / name).is_file():
                yield Problem("entry", place / name, f"the index lists it for {file!r}, and there is no such file")


def _files(folder: ScanFolder, index: Index) -> Iterator[Problem]:
    for fileset, files in index.filesets.items():
        names = set(files.values())
        place = folder.fileset(fileset)
        for each in sorted(place.iterdir()) if place.is_dir() else ():
            if each.name not in names and not is_temporary(each.name):
                yield Problem("file", each, "the index does not list it")
    for each in sorted(_folders(folder.path)):
        if each.name not in {*index.filesets, *RESERVED} and not each.name.startswith("."):
            yield Problem("file", each, "the index does not list this folder")


def _documents(folder: ScanFolder, index: Index) -> Iterator[Problem]:
    places = [folder.document()]
    for fileset, files in index.filesets.items():
        places += [folder.document(fileset), *(folder.document(fileset, file) for file in files)]
    for place in places:
        try:
            read_object(place)
        except (PyVolumeError, OSError) as error:
            yield Problem("metadata", place, str(error))
