"""Addresses: the urls of repositories of Icechunk, of versions in them, and of volumes.

::

    icechunk:///data/brain                      a repository in a folder
    icechunk:///data/brain:main/gray            a volume in a version of it
    icechunk:///data/brain:main/gray?level=1    a resolution level
    icechunk+s3://bucket/prefix:dev/gray        in a bucket, also gs and az
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from pyvolume.errors import AddressError
from pyvolume.transport.urls import without_secrets

SCHEME = "icechunk"

REMOTE = ("s3", "gs", "az")
"""The kinds of buckets."""

FORMS = "icechunk://FOLDER:VERSION/NAME or icechunk+s3://BUCKET/PREFIX:VERSION/NAME (also gs, az)"

_START = re.compile(rf"{SCHEME}(?:\+([a-z\d+.-]+))?://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a repository is, and what of it is meant.

    Parameters
    ----------
    root : str
        The repository: an absolute path, or the url of a bucket and a prefix in it.
    ref : str
        A branch, a tag or a snapshot; empty for the repository itself.
    path : str
        Of an array or a group; empty for the root of the hierarchy.
    level : int, optional
        A resolution level of the image at this path.
    """

    root: str
    ref: str = ""
    path: str = ""
    level: int | None = None

    @property
    def is_remote(self) -> bool:
        """Whether the repository is not a folder of this machine."""
        return "://" in self.root

    @property
    def url(self) -> str:
        """The url that opens the same again; without the level."""
        place = f"{SCHEME}+{self.root}" if self.is_remote else f"{SCHEME}://{self.root}"
        return f"{place}:{self.ref}{'/' if self.path else ''}{self.path}" if self.ref else place

    def at(self, ref: str, path: str = "") -> Address:
        """Return the address of an array or a group in a version."""
        return Address(self.root, ref, path)


def recognises(url: str) -> bool:
    """Whether a url is one of Icechunk."""
    return _START.match(url) is not None


def parse(url: str | os.PathLike[str]) -> Address:
    """Understand a url; no file is looked at.

    Raises
    ------
    AddressError
        For a malformed url, and for that of a session.
    """
    text = os.fspath(url)
    start = _START.match(text)
    if start is None:
        raise AddressError(f"open: expected {FORMS}, and found {without_secrets(text)!r}")
    rest, question, query = text[start.end() :].partition("?")
    level = _level(query, text) if question else None
    host, place = "", rest
    if start[1]:
        kind = start[1].lower()
        if kind.partition("+")[0] not in REMOTE:
            raise AddressError(f"open: expected {FORMS}, and found {without_secrets(text)!r}")
        name, slash, place = rest.partition("/")
        host, place = f"{kind}://{name}", f"{slash}{place}"
    root, ref, path = _split(place)
    if not (host or root) or (ref == "" and level is not None) or "@" in host or "#" in rest:
        raise AddressError(f"open: expected {FORMS}, and found {without_secrets(text)!r}")
    whole = f"{host}{root.rstrip('/')}" if host else _absolute(root)
    return Address(whole, ref, _checked(path, whole), level)


def _split(place: str) -> tuple[str, str, str]:
    """Part the folder, the name of a version and the path; a colon with a slash behind it is one of the folder."""
    folder, colon, rest = place.rpartition(":")
    if not colon or rest[:1] in {"/", "\\"}:
        return place, "", ""
    ref, _, path = rest.partition("/")
    if not ref:
        raise AddressError(f"open: expected the name of a version behind the colon of {place!r}")
    if folder.endswith(":"):  # as in VERSION of the other words: a branch
        return folder[:-1], f":{ref}", path
    return folder, ref, path


def _absolute(folder: str) -> str:
    return os.path.abspath(folder).replace(os.sep, "/")  # noqa: PTH100 - keeps links


def _level(query: str, text: str) -> int:
    found = re.fullmatch(r"level=(\d+)", query)
    if found is None and re.search(r"(^|&)session=", query):
        raise AddressError(
            f"open: {without_secrets(text)!r} is the address of a session, which nobody else can open; what it has "
            "committed is at the url without the part behind the question mark"
        )
    if found is None:
        raise AddressError(f"open: expected ?level= with a number and found {without_secrets(text)!r}")
    return int(found[1])


def _checked(path: str, root: str) -> str:
    """Return a path inside a hierarchy without needless slashes.

    Raises
    ------
    AddressError
        If it leaves the hierarchy.
    """
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if ".." in parts or "\\" in path or "\0" in path:
        raise AddressError(f"open: expected a path inside {root} and found {path!r}")
    return "/".join(parts)
