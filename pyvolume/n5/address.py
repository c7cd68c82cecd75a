"""Addresses: the paths of N5, and what a query chooses of an image.

::

    cells.n5/volumes/raw                    a path with a component that ends with .n5
    n5:///data/cells/raw?level=1            any folder, and a resolution level
    dataset.xml?channel=0&angle=1           an image of BigDataViewer, and a part of it
    n5:///data/UUID?version=latest          a dataset of an HPC DataStore, in its folder
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

from pyvolume.errors import AddressError
from pyvolume.model.arguments import brief
from pyvolume.model.nearest import hint
from pyvolume.transport.urls import without_secrets, words_of

SCHEME = "n5://"

SUFFIX = ".n5"
"""How the name of a folder ends that holds datasets."""

FORMS = "n5:///PATH, or a path with a folder called *.n5 in it, or one of a file *.xml of BigDataViewer"
"""The forms of a volume's url, for messages."""

KEYWORDS = ("latest", "mixedLatest")
"""The versions that are no number."""

CHOICES = ("timepoint", "channel", "angle", "tile", "illumination", "setup")
"""The words of a query that choose views of an image, by their ids."""

WORDS = ("version", "level", *CHOICES)
"""The words of a query."""

_NUMBER = r"\d{1,18}"
"""A number in a url; Python refuses to read very long ones."""

_QUERY = re.compile(r"\?(?=\w+=|$)")
"""Where a query begins: the name of a folder can have a question mark."""


@dataclass(frozen=True, slots=True)
class Address:
    """What a url names.

    Parameters
    ----------
    path : Path
        Absolute: of a dataset, of a group of levels, of the folder of a DataStore's dataset, or of an XML file.
    version : int or str, optional
        A number, ``"latest"`` or ``"mixedLatest"``.
    level : int or tuple of int
        The index of a resolution level, or its factors.
    chosen : mapping of int
        The ids that are chosen, by their words in `CHOICES`.
    """

    path: Path
    version: int | str | None = None
    level: int | tuple[int, ...] = 0
    chosen: Mapping[str, int] = field(default_factory=dict)


def recognises(url: str) -> bool:
    """Whether a url has the scheme of N5, or is a path with a folder ``*.n5`` in it, or that of an XML file."""
    if url.lower().startswith(SCHEME):
        return True
    if "://" in url and not url.lower().startswith("file://"):
        return False
    path = _parted(url)[0]
    return _container(path) is not None or path.lower().endswith(".xml")


def parse(url: str) -> Address:
    """Understand a url or a path; no file is looked at.

    Raises
    ------
    AddressError
        For a malformed url, slices after it, a query with words that have no meaning here, or a path that leaves the
        folder that it names.

    Examples
    --------
    >>> address = parse("n5:///data/ab12?version=3&level=2,2,1&channel=1")
    >>> address.version, address.level, address.chosen
    (3, (2, 2, 1), {'channel': 1})
    """
    if url.rstrip().endswith("]"):
        raise AddressError(
            f"open: expected a url without slices and found {without_secrets(url)!r}; open the volume, then slice it"
        )
    text, query = _parted(url)
    scheme = re.match(r"n5://|file:(//|(?=/))", text, re.IGNORECASE)
    path = unquote(text[scheme.end() :]) if scheme else text
    if not path.strip("/") or "\0" in path:
        raise AddressError(f"open: expected {FORMS} and found {without_secrets(url)!r}")
    end = _container(path)
    if end is not None:
        checked(path[end:], path[:end])
    words = _words(query)
    return Address(
        Path(os.path.abspath(path)),  # noqa: PTH100 - keeps links
        _version(words.get("version")),
        _level(words.get("level", "0")),
        {name: _number(name, words[name]) for name in CHOICES if name in words},
    )


def canonical(path: Path, words: Mapping[str, str] | None = None) -> str:
    """Return the url of a volume; it names everything that decides about the voxels."""
    query = "&".join(f"{name}={value}" for name, value in (words or {}).items())
    return f"{SCHEME}{quote(path.as_posix())}{'?' if query else ''}{query}"


def shown_level(factors: Sequence[float]) -> str:
    """Return the factors of a level as text.

    Examples
    --------
    >>> shown_level((2, 2, 1.5))
    '2,2,1.5'
    """
    return ",".join(f"{factor:g}" for factor in factors)


def number_of(version: int | str) -> int | str:
    """Return a version, as a number if it is the text of one.

    Raises
    ------
    AddressError
        If it is neither a number nor a keyword.
    """
    found = _version(str(version))
    return version if found is None else found


def checked(path: str, folder: object) -> str:
    """Return a path inside a folder, without needless slashes.

    Raises
    ------
    AddressError
        If it leaves the folder.
    """
    parts = [part for part in path.replace("\\", "/").split("/") if part not in {"", "."}]
    if ".." in parts or "\0" in path or re.match(r"[A-Za-z]:", path):
        raise AddressError(f"open: expected a path inside {folder} and found {brief(path)}")
    return "/".join(parts)


def container_in(path: Path) -> Path | None:
    """Return the first folder called ``*.n5`` of a path, if there is one."""
    end = _container(path.as_posix())
    return None if end is None else Path(path.as_posix()[:end])


def _parted(url: str) -> tuple[str, str]:
    """Return what is before the query, and the query."""
    found = _QUERY.search(url)
    return (url, "") if found is None else (url[: found.start()], url[found.end() :])


def _container(path: str) -> int | None:
    """Return where the first component called ``*.n5`` ends."""
    found = re.search(rf"[^/\\]{re.escape(SUFFIX)}(?=[/\\]|$)", path, re.IGNORECASE)
    return None if found is None else found.end()


def _words(query: str) -> dict[str, str]:
    words = words_of(query)
    unknown = [word for word in words if word not in WORDS]
    if unknown:
        raise AddressError(f"open: a query has no word {unknown[0]!r}; {hint(unknown[0], WORDS)}")
    return words


def _version(text: str | None) -> int | str | None:
    if text is None or text in KEYWORDS:
        return text
    if re.fullmatch(_NUMBER, text, re.ASCII):
        return int(text)
    raise AddressError(
        f"open: a version in a folder is a number, {' or '.join(KEYWORDS)}, not {brief(text)}; {hint(text, KEYWORDS)}"
    )


def _level(text: str) -> int | tuple[int, ...]:
    if not re.fullmatch(rf"{_NUMBER}(,{_NUMBER})*", text, re.ASCII):
        raise AddressError(f"open: a level is its factors, as in 2,2,1, or its index, not {brief(text)}")
    numbers = tuple(map(int, text.split(",")))
    return numbers[0] if len(numbers) == 1 else numbers


def _number(name: str, text: str) -> int:
    if not re.fullmatch(_NUMBER, text, re.ASCII):
        raise AddressError(f"open: {name} is a number, not {brief(text)}")
    return int(text)
