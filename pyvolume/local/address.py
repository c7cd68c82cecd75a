"""Addresses: what a url or a path names in a folder database.

::

    fsdb:///data/plants/fern_0042/Voxels/Voxels     a file with voxels, by its id or by its name
    fsdb:///data/plants/fern_0042                   a scan; also a fileset, and the database
    plants/fern_0042/Voxels/Voxels                  a path in a folder with the marker
    fsdb:///data/plants/a/b/c?axes=zyx&array=leaf   what nothing in the file says
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from pyvolume.errors import AddressError
from pyvolume.local.layout import MARKER
from pyvolume.model import arguments
from pyvolume.model.arguments import brief
from pyvolume.model.nearest import hint
from pyvolume.transport.urls import without_secrets, words_of

SCHEME = "fsdb://"

FORMS = "fsdb:///DATABASE/SCAN/FILESET/FILE, or a path in a folder that has a file called romidb"
"""The forms of a volume's url, for messages."""

WORDS = ("axes", "array")
"""The words of a query."""

LEVELS = 3
"""A scan, a fileset and a file."""

_QUERY = re.compile(r"\?(?=\w+=|$)")


@dataclass(frozen=True, slots=True)
class Address:
    """What a url names.

    Parameters
    ----------
    root : Path
        The database.
    ids : tuple of str
        Of the scan, the fileset and the file; the first ones of them, or none.
    axes, array : str, optional
        What a query says.
    """

    root: Path
    ids: tuple[str, ...] = ()
    axes: str | None = None
    array: str | None = None


def path_in(url: str) -> Path | None:
    """Return the path of a url that can be one in a database; None for other urls, and for bare words."""
    is_ours = url.lower().startswith(SCHEME)
    if "://" in url and not is_ours and not url.lower().startswith("file://"):
        return None
    text = _QUERY.split(url, maxsplit=1)[0]
    scheme = re.match(r"fsdb://|file:(//|(?=/))", text, re.IGNORECASE)
    if scheme is None and not {"/", os.sep} & set(text):
        return None
    path = unquote(text[scheme.end() :]) if scheme else text
    return Path(os.path.abspath(path)) if "\0" not in path else None  # noqa: PTH100 - keeps links


def root_of(path: Path) -> Path | None:
    """Return the nearest folder around a path that is a database."""
    return next((each for each in (path, *path.parents) if (each / MARKER).is_file()), None)


def parse(url: str) -> Address:
    """Understand a url or a path; only markers are looked for.

    Raises
    ------
    AddressError
        For a malformed url, slices after it, a query with words that have no meaning here, or a path that is in no
        database.
    """
    if url.rstrip().endswith("]"):
        raise AddressError(
            f"open: expected a url without slices and found {without_secrets(url)!r}; open the volume, then slice it"
        )
    path = path_in(url)
    if path is None:
        raise AddressError(f"open: expected {FORMS} and found {without_secrets(url)!r}")
    root = root_of(path)
    if root is None:
        raise AddressError(f"open {path}: expected a folder database, and no folder of the path has a file {MARKER!r}")
    ids = path.relative_to(root).parts
    if len(ids) > LEVELS:
        raise AddressError(
            f"open {path}: expected a scan, a fileset and a file after {root} and found {len(ids)} names"
        )
    words = _words(url)
    return Address(root, ids, words.get("axes"), words.get("array"))


def canonical(root: Path, *ids: str, axes: str | None = None, array: str | None = None) -> str:
    """Return the url of something in a database; it names everything that decides about the voxels."""
    given = {"axes": axes, "array": array}
    query = "&".join(f"{name}={quote(value)}" for name, value in given.items() if value)
    return f"{SCHEME}{quote(root.joinpath(*ids).as_posix())}{'?' if query else ''}{query}"


def _words(url: str) -> dict[str, str]:
    found = _QUERY.search(url)
    words = words_of(url[found.end() :]) if found else {}
    unknown = next((word for word in words if word not in WORDS), None)
    if unknown is not None:
        raise AddressError(f"open: a query has no word {unknown!r}; {hint(unknown, WORDS)}")
    if "axes" in words:
        check_axes(words["axes"], "open")
    return words


def check_axes(axes: object, action: str) -> None:
    """Refuse axes that are not different letters.

    Raises
    ------
    TypeError
        If they are no text.
    AddressError
    """
    text = arguments.text(axes, action, "axes")
    if not re.fullmatch("[a-z]+", text) or len(set(text)) != len(text):
        raise AddressError(f"{action}: expected axes as different letters, as in 'zyx', and found {brief(text)}")
