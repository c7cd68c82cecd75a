"""Urls of DVID: what a url names, and the rules for the names in it."""

from __future__ import annotations

import itertools
import re
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass

from pyvolume.errors import AddressError, MetadataError
from pyvolume.model import arguments
from pyvolume.transport.urls import normalised_url, without_secrets, words_of

SCHEME = "dvid://"

FORMS = "dvid://HOST:PORT/VERSION/NAME or http://HOST:PORT/api/node/VERSION/NAME"
"""The forms of a volume's url, for messages."""

RESERVED_NAMES = ("note", "log", "branch", "commit", "newversion")
"""The server refuses instances of these names, its own endpoints."""

KNOWN_WORDS = ("roi", "scale", "supervoxels", "throttle")
"""Words of a query that choose what is shown, and how it is asked for."""

IGNORED_WORDS = ("app", "u", "user", "usertag")
"""Words of a query that change no voxels; DVID and Neuroglancer write them into their urls."""


def segment(text: str) -> str:
    """Encode text as one segment of a path."""
    return urllib.parse.quote(arguments.text(text, "address", "a name"), safe=":~")


def check_name(name: str) -> None:
    """Refuse names of instances that the server refuses, or accepts and cannot reach.

    Raises
    ------
    MetadataError
    """
    arguments.text(name, "create volume", "a name")
    if name in RESERVED_NAMES or name in {".", ".."} or not re.fullmatch(r"[^\s/\\?#%:]+", name):
        raise MetadataError(
            f"create volume: expected a name without spaces, slashes and ?#%:, other than "
            f"{', '.join(RESERVED_NAMES)}, and found {name!r}"
        )


@dataclass(frozen=True, slots=True)
class Address:
    """What a url names: a server, a version, an instance, or something inside an instance.

    Parameters
    ----------
    server : str
        The url of the server.
    version : str
        In any form that the server accepts; empty for a server.
    name : str
        The name of an instance; empty for a server or a version.
    inside : str
        The rest of the path, such as ``"key/who"``; empty for a whole instance.
    throttle : bool
        Whether the query has ``throttle=on``.
    roi : str
        The region that masks the volume, from the query; empty for none.
    scale, supervoxels : str
        The view of a volume of labels, from the query; empty for the usual one.
    """

    server: str
    version: str = ""
    name: str = ""
    inside: str = ""
    throttle: bool = False
    roi: str = ""
    scale: str = ""
    supervoxels: str = ""

    @property
    def view(self) -> dict[str, str]:
        """The words of the query that choose a view of labels."""
        given = {"scale": self.scale, "supervoxels": self.supervoxels}
        return {word: value for word, value in given.items() if value}

    def __str__(self) -> str:
        path = "/".join(segment(part) for part in (self.version, self.name) if part)
        query = urllib.parse.urlencode(({"roi": self.roi} if self.roi else {}) | self.view)
        return f"{SCHEME}{self.server}{'/' if path else ''}{path}{'?' if query else ''}{query}"

    def check_volume(self) -> None:
        """Refuse everything but an instance, with the call that opens it.

        Raises
        ------
        AddressError
        """
        kind, call = self._other_kind()
        if kind:
            raise AddressError(f"open: expected the url of a volume, {FORMS}, and found that of {kind}; use {call}")

    def check_server(self) -> None:
        """Refuse everything but a server, with the call that opens it.

        Raises
        ------
        AddressError
        """
        if self.version:
            kind, call = self._other_kind()
            is_volume = kind in {"", "a request"}
            raise AddressError(
                f"connect: expected the url of a server and found that of {'a volume' if is_volume else kind}; "
                f"use {f'pyvolume.open({str(self)!r})' if is_volume else call}"
            )

    def _other_kind(self) -> tuple[str, str]:
        """Return what is named if it is no volume, and the call that opens it."""
        server = f"pyvolume.dvid.Server({self.server!r})"
        version = f"{server}.repos[...].version({self.version!r})"
        if not self.version:
            return "a server", server
        if not self.name:
            return "a version", version
        word, _, rest = self.inside.partition("/")
        if word == "roi":
            return "a region", f"{version}.roi({self.name!r})"
        if word == "key":
            return "a key", f"{version}.keyvalue({self.name!r})[{urllib.parse.unquote(rest)!r}]"
        return ("a request", str(Address(self.server, self.version, self.name))) if word else ("", "")


def recognises(url: str) -> bool:
    """Whether a url can be one of DVID: ``dvid://``, http, or a host with a port."""
    known = r"(?:dvid|https?)://|(?:(?:[\w.-]+|\[[\da-f:.]+\]):\d+|localhost)(?:/|$)"
    return re.match(known, url, re.IGNORECASE) is not None


def parse(url: str) -> Address:
    """Understand a url of DVID; the scheme ``dvid://``, ``http://``, or both may be left out.

    Raises
    ------
    AddressError
        For a malformed url, slices after it, or a query with words that have no meaning here.

    Examples
    --------
    >>> address = parse("dvid://localhost:8000/:master/gray")
    >>> address.server, address.version, address.name
    ('http://localhost:8000', ':master', 'gray')
    >>> str(parse("https://example.org/api/node/ab12/gray/"))
    'dvid://https://example.org/ab12/gray'
    """
    base, _, query = url.partition("?")
    if "#" in url:
        raise _malformed(url)
    address = base[len(SCHEME) :] if base.lower().startswith(SCHEME) else base
    scheme, separator, rest = address.rpartition("://")
    host, *path = rest.removesuffix("/").split("/")
    if not host:
        raise _malformed(url)
    _check_segments(path, url)
    if path and path[-1].endswith("]"):
        raise AddressError(
            f"open: expected a url without slices and found {without_secrets(url)!r}; open the volume, then slice it"
        )
    prefix, parts, inside = _parts(path)
    server = normalised_url("/".join([f"{scheme}{separator}{host}", *prefix]))
    version, name = (*map(urllib.parse.unquote, parts), "", "")[:2]
    words = _words(query)
    is_throttled = words.get("throttle", "off") not in {"off", "false"}
    kept = (words.get(word, "") for word in ("roi", "scale", "supervoxels"))
    return Address(server, version, name, "/".join(inside), is_throttled, *kept)


def _check_segments(path: Sequence[str], url: str) -> None:
    """Refuse segments that name nothing, or that a server would take for another path."""
    empty = [part for part in map(urllib.parse.unquote, path) if part in {"", ".", ".."}]
    if empty:
        raise AddressError(
            f"open: expected {FORMS}, where no part of the path is empty, '.' or '..', and found {empty[0]!r} "
            f"in {without_secrets(url)!r}"
        )


def _parts(path: Sequence[str]) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    """Split a path: the server's own, version and name, the rest."""
    for i, (api, kind) in enumerate(itertools.pairwise([*path, ""])):
        if api != "api":
            continue
        if kind == "node":
            return path[:i], path[i + 2 : i + 4], path[i + 4 :]
        if kind == "repo":  # /api/repo/UUID/info
            return path[:i], path[i + 2 : i + 3], ()
        if kind in {"", "repos", "server", "load"}:
            return path[:i], (), ()
    if len(path) > 2:  # a server behind a path: only a volume can be told from the rest
        return path[:-2], path[-2:], ()
    return (), path, ()


def _words(query: str) -> dict[str, str]:
    """Return the words of a query that have a meaning.

    Raises
    ------
    AddressError
        For a word that is neither known nor without effect on the voxels, and for one that is given twice.
    """
    words = words_of(query)
    unknown = [word for word in words if word not in {*KNOWN_WORDS, *IGNORED_WORDS}]
    if unknown:
        raise AddressError(
            f"open: expected a query of {', '.join(KNOWN_WORDS)} and found the words {', '.join(unknown)}"
        )
    return words


def _malformed(url: str) -> AddressError:
    return AddressError(f"open: expected {FORMS} and found {without_secrets(url)!r}")
