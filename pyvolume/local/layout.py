"""Layout: which names have a meaning in a folder database, and where everything is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from pyvolume.errors import AddressError, ExistsError, UnsupportedError
from pyvolume.model import arguments
from pyvolume.model.arguments import brief

MARKER = "romidb"
"""The empty file that makes a folder a database."""

INDEX = "files.json"
"""The filesets and files of a scan."""

METADATA = "metadata"
"""The folder of the metadata of a scan, and the name of the scan's own document in it."""

MEASURES = "measures.json"
"""A document beside the index; it is only read."""

OWN = ".pyvolume"
"""The folder of pyvolume in a database. Other programs do not look into it."""

RESERVED = (METADATA, "webcache")
"""Names in a scan that are no filesets."""

TAKEN = (MARKER, "lock", "users.json", "groups.json")
"""Names in a database that are no scans."""

IMAGES = "images"
"""The fileset in whose metadata plantdb looks for `REPEATED` keys of the scan."""

REPEATED = ("object", "hardware", "acquisition_date")
"""What plantdb takes from the fileset ``images``, and not from the scan."""

LONGEST = 200
"""Characters of a new id."""

LONGEST_NAME = 255
"""Bytes of the name of a file."""

_NEW = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Root:
    """A database, and how it is opened.

    Parameters
    ----------
    path : Path
        The folder, absolute.
    writable : bool
        Whether changes are allowed.
    patience : float
        Seconds to wait for the locks of others.
    fsync : bool
        Whether a commit waits until the disk has the data.
    """

    path: Path
    writable: bool
    patience: float
    fsync: bool

    @property
    def own(self) -> Path:
        """The folder of pyvolume."""
        return self.path / OWN

    def check_writable(self, action: str) -> None:
        """Refuse a change of a database that is opened for reading.

        Raises
        ------
        UnsupportedError
        """
        if not self.writable:
            raise UnsupportedError(f"{action}: {self.path} is opened with mode='r'; mode='r+' allows changes")


@dataclass(frozen=True, slots=True)
class ScanFolder:
    """Where the documents and files of a scan are.

    Parameters
    ----------
    root : Root
        The database.
    id : str
        Of the scan, which is the name of its folder.
    """

    root: Root
    id: str

    @property
    def path(self) -> Path:
        """The folder of the scan."""
        return self.root.path / self.id

    @property
    def index(self) -> Path:
        """The index."""
        return self.path / INDEX

    def fileset(self, fileset: str) -> Path:
        """Return the folder of a fileset."""
        return self.path / component(fileset, str(self.path))

    def document(self, fileset: str = "", file: str = "") -> Path:
        """Return where the metadata of a file is, of a fileset, or of the scan."""
        folder = self.path / METADATA
        if not fileset:
            return folder / f"{METADATA}.json"
        place = folder / component(fileset, str(self.path))
        return place / f"{component(file, str(self.path))}.json" if file else place.with_name(f"{fileset}.json")


def is_component(name: object) -> TypeGuard[str]:
    """Whether a name can be one part of a path, and stays in its folder."""
    return isinstance(name, str) and name not in {"", ".", ".."} and _fits(name)


def _fits(name: str) -> bool:
    """Whether a system of files can have a name."""
    is_plain = name.isascii() or not any("\ud800" <= each <= "\udfff" for each in name)
    return is_plain and not set(name) & {"/", "\\", "\0"} and len(name.encode()) <= LONGEST_NAME


def component(name: object, where: str) -> str:
    """Return the id of something that is there.

    Raises
    ------
    TypeError
        If it is no text.
    AddressError
        If it is no name of a file or a folder.
    """
    if not isinstance(name, str):
        return arguments.text(name, f"open {where}", "an id")
    if not is_component(name):
        raise AddressError(f"open {where}: expected an id that can be a name in a folder and found {brief(name)}")
    return name


def check_new(name: object, siblings: Iterable[str], action: str) -> str:
    """Return the id of something new, which all programs accept.

    Raises
    ------
    TypeError
        If it is no text.
    AddressError
        If it is no such id.
    ExistsError
        If another one has it, or one that differs only in upper and lower case.
    """
    text = arguments.text(name, action, "an id")
    if not _NEW.fullmatch(text) or len(text) > LONGEST or text in RESERVED:
        raise AddressError(
            f"{action}: expected an id of up to {LONGEST} letters, digits, '_', '-' and '.', not "
            f"{' or '.join(RESERVED)}, and found {brief(text)}"
        )
    taken = next((each for each in siblings if each.casefold() == text.casefold()), None)
    if taken is not None:
        differs = "" if taken == text else f", and {text!r} differs only in upper and lower case"
        raise ExistsError(f"{action}: {taken!r} is there{differs}", action=action)
    return text
