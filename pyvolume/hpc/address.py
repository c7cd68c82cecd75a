"""Urls of the DataStore: what a url names."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass

from pyvolume.errors import AddressError
from pyvolume.hpc.documents import EVERYTHING, View
from pyvolume.model.arguments import brief
from pyvolume.model.nearest import hint
from pyvolume.transport.urls import normalised_url, without_secrets, words_of

SCHEME = "hpc://"

FORMS = "hpc://http://HOST:PORT/DATASET?version=latest&level=1,1,1&timepoint=3&channel=0&angle=0"
"""The form of a volume's url, for messages."""

KEYWORDS = ("latest", "mixedLatest", "new")
"""The versions that are no number."""

WORDS = ("version", "level", "timepoint", "channel", "angle")
"""The words of a query."""

NUMBER = r"\d{1,18}"
"""A number in a url; Python refuses to read very long ones."""


@dataclass(frozen=True, slots=True)
class Address:
    """What a url names: a dataset, and a part of it.

    Parameters
    ----------
    server : str
        The url of the server.
    uuid : str
        The dataset.
    version : int or str
        A number, ``"latest"``, ``"mixedLatest"`` or ``"new"``.
    level : int or tuple of int
        The index of a resolution level, or its factors.
    view : View
        The time point, channel and angle, where one is named.
    """

    server: str
    uuid: str
    version: int | str = "latest"
    level: int | tuple[int, ...] = 0
    view: View = EVERYTHING


def canonical(server: str, uuid: str, version: int | str, level: Sequence[int], view: View) -> str:
    """Return the url of a volume; it names everything that decides about the voxels."""
    words = {"version": str(version), "level": ",".join(map(str, level)), **view.words()}
    query = "&".join(f"{name}={value}" for name, value in words.items())
    return f"{SCHEME}{server}/{urllib.parse.quote(uuid, safe='')}?{query}"


def recognises(url: str) -> bool:
    """Whether a url is one of the DataStore."""
    return url.lower().startswith(SCHEME)


def parse(url: str) -> Address:
    """Understand a url of the DataStore.

    Raises
    ------
    AddressError
        For a malformed url, slices after it, or a query with words that have no meaning here.

    Examples
    --------
    >>> address = parse("hpc://localhost:9080/ab12?level=2,2,1&timepoint=3")
    >>> address.server, address.uuid, address.version, address.level
    ('http://localhost:9080', 'ab12', 'latest', (2, 2, 1))
    >>> address.view
    View(timepoint=3, channel=None, angle=None)
    """
    if url.rstrip().endswith("]"):
        raise AddressError(
            f"open: expected a url without slices and found {without_secrets(url)!r}; open the volume, then slice it"
        )
    server, uuid = _parted(url)
    if not uuid:
        raise AddressError(
            f"open: expected the url of a volume, {FORMS}, and found that of a server; "
            f"use pyvolume.hpc.DataStore({server!r})"
        )
    words = _words(url.partition("?")[2])
    return Address(
        normalised_url(server),
        _checked_uuid(urllib.parse.unquote(uuid), url),
        _version(words.get("version", "latest")),
        _level(words.get("level", "0")),
        View(*(_number(name, words[name]) if name in words else None for name in ("timepoint", "channel", "angle"))),
    )


def parse_server(url: str) -> str:
    """Understand the url of a server.

    Raises
    ------
    AddressError
        For a malformed url, and for that of a dataset.
    """
    server, uuid = _parted(url)
    if uuid:
        raise AddressError(
            f"connect: expected the url of a server and found that of a dataset; "
            f"use pyvolume.hpc.DataStore({server!r}).dataset({urllib.parse.unquote(uuid)!r})"
        )
    return normalised_url(server)


def number_of(version: int | str) -> int | str:
    """Return a version, as a number if it is the text of one.

    Examples
    --------
    >>> number_of("3"), number_of("latest")
    (3, 'latest')
    """
    return int(version) if isinstance(version, str) and re.fullmatch(NUMBER, version, re.ASCII) else version


def server_of(url: str) -> str:
    """Return the server of a url, which can be all that the url names.

    Raises
    ------
    AddressError
        For a malformed url.
    """
    return normalised_url(_parted(url)[0])


def _parted(url: str) -> tuple[str, str]:
    """Return the server of a url, and the uuid; empty if the url names no dataset."""
    path = url.partition("?")[0][len(SCHEME) :].rstrip("/") if recognises(url) else ""
    if "#" in url or not path:
        raise _malformed(url)
    server, _, uuid = path.rpartition("/")
    server = re.sub(r"/datasets$", "", server)
    return (path, "") if not server or server.endswith("/") else (server, uuid)


def _checked_uuid(uuid: str, url: str) -> str:
    if uuid in {"", ".", ".."} or "/" in uuid:
        raise _malformed(url)
    return uuid


def _words(query: str) -> dict[str, str]:
    words = words_of(query)
    unknown = [word for word in words if word not in WORDS]
    if unknown:
        raise AddressError(f"open: a query has no word {unknown[0]!r}; {hint(unknown[0], WORDS)}")
    return words


def _version(text: str) -> int | str:
    if text in KEYWORDS:
        return text
    if re.fullmatch(NUMBER, text, re.ASCII):
        return int(text)
    raise AddressError(f"open: a version is a number, {', '.join(KEYWORDS)}, not {brief(text)}; {hint(text, KEYWORDS)}")


def _level(text: str) -> int | tuple[int, ...]:
    if not re.fullmatch(rf"{NUMBER}(,{NUMBER},{NUMBER})?", text, re.ASCII):
        raise AddressError(f"open: a level is its factors, as in 2,2,1, or its index, not {brief(text)}")
    numbers = tuple(map(int, text.split(",")))
    return numbers[0] if len(numbers) == 1 else numbers


def _number(name: str, text: str) -> int:
    if not re.fullmatch(rf"-?{NUMBER}", text, re.ASCII):
        raise AddressError(f"open: {name} is a number, not {brief(text)}")
    return int(text)


def _malformed(url: str) -> AddressError:
    return AddressError(f"open: expected {FORMS} and found {without_secrets(url)!r}")
