"""Addresses: the urls of zarr, and the path inside of a hierarchy.

::

    cells.zarr                          a path with a component that ends with .zarr
    cells.zarr/labels/nuclei?level=1    what is inside, and a resolution level of it
    https://host/cells.zarr             also s3://, gs:// and az://
    zarr:///data/cells                  a folder with any name
    zarr://s3://bucket/cells            likewise in a bucket
    s3+http://host:9000/bucket/x.zarr   in a bucket of another server, as endpoint= names it
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pyvolume.errors import AddressError
from pyvolume.transport.urls import without_secrets
from pyvolume.zarr.requests.places import is_bucket

SCHEME = "zarr://"

FORMS = "a path or a url (file, https, s3, gs, az) with a folder called *.zarr in it, or zarr:// and any path or url"

SUFFIX = ".zarr"


@dataclass(frozen=True, slots=True)
class Address:
    """Where an array or a group is.

    Parameters
    ----------
    root : str
        The hierarchy: an absolute path, or a url.
    path : str
        Of the node inside the hierarchy; empty for its root.
    level : int, optional
        A resolution level of the image at this path.
    """

    root: str
    path: str = ""
    level: int | None = None

    @property
    def is_remote(self) -> bool:
        """Whether the hierarchy is not a folder of this machine."""
        return "://" in self.root

    @property
    def url(self) -> str:
        """The url that opens the node again; without the level."""
        whole = f"{self.root}/{self.path}" if self.path else self.root
        has_suffix = _hierarchy(whole) is not None
        if self.is_remote:
            return whole if has_suffix else SCHEME + whole
        return f"file://{whole}" if has_suffix else SCHEME + whole

    def at(self, path: str) -> Address:
        """Return the address of another node of the same hierarchy.

        Raises
        ------
        AddressError
            If the path leaves the hierarchy.
        """
        return Address(self.root, _checked(path, self.root))


def recognises(url: str) -> bool:
    """Whether a url is one of zarr: it has the scheme, or a component called ``*.zarr``."""
    if url.lower().startswith(SCHEME):
        return True
    scheme, separator, rest = url.partition("://")
    if separator and scheme.lower() != "file" and not is_bucket(url):
        return False
    return _hierarchy(_without_level(rest if separator else url)[0].partition("?")[0]) is not None


def parse(url: str | os.PathLike[str]) -> Address:
    """Understand a url or a path; no file is looked at, but for the groups around a folder with another name.

    Raises
    ------
    AddressError
        For a malformed url, and for a path that leaves its hierarchy.
    """
    text, level = _without_level(os.fspath(url))
    if text.lower().startswith(SCHEME):
        text = text[len(SCHEME) :]
    scheme, separator, rest = text.partition("://")
    if is_bucket(text):
        root, path = _split_url(f"{scheme.lower()}://{rest}", url)
    elif separator and scheme.lower() != "file":
        raise AddressError(f"open: expected {FORMS}, and found {without_secrets(os.fspath(url))!r}")
    else:
        root, path = _split_path(text)
    return Address(root, _checked(path, root), level)


def _without_level(text: str) -> tuple[str, int | None]:
    """Part a url from the level after it."""
    found = re.fullmatch(r"(.*)\?level=(\d+)", text, re.DOTALL)
    if found is None and re.search(r"\?level=[^/]*$", text):
        raise AddressError(f"open: expected the number of a level and found {without_secrets(text)!r}")
    return (text, None) if found is None else (found[1], int(found[2]))


def _hierarchy(text: str) -> int | None:
    """Return where the first component called ``*.zarr`` ends."""
    found = re.search(rf"[^/\\]{re.escape(SUFFIX)}(?=[/\\]|$)", text, re.IGNORECASE)
    return None if found is None else found.end()


def _split_url(text: str, given: object) -> tuple[str, str]:
    parts = urlsplit(text)
    if not parts.netloc or parts.query or parts.fragment or parts.password:
        raise AddressError(
            f"open: expected a url of a folder without a password, a query and a fragment, and found "
            f"{without_secrets(str(given))!r}"
        )
    end = _hierarchy(parts.path)
    host = f"{parts.scheme}://{parts.netloc}"
    if end is None:
        return f"{host}{parts.path.rstrip('/')}", ""
    return f"{host}{parts.path[:end]}", parts.path[end:].strip("/")


def _split_path(text: str) -> tuple[str, str]:
    scheme = re.match(r"file:(//|(?=/))", text, re.IGNORECASE)
    path = os.path.abspath(unquote(text[scheme.end() :]) if scheme else text)  # noqa: PTH100 - keeps links
    root = _outermost(path)
    return root.as_posix(), Path(path).relative_to(root).as_posix().removeprefix(".")


def _outermost(path: str) -> Path:
    """Return the outermost hierarchy that a path is in; a folder called ``*.zarr`` can hold others, and be none."""
    end = _hierarchy(path)
    root = Path(path) if end is None else Path(path[:end])
    while end is None and _is_in_group(root):
        root = root.parent
    while end is not None and not _is_in_group(root / "a") and (next_end := _hierarchy(path[end:])) is not None:
        end += next_end
        root = Path(path[:end])
    return root


def _is_in_group(path: Path) -> bool:
    return path.parent != path and any((path.parent / name).is_file() for name in ("zarr.json", ".zgroup"))


def _checked(path: str, root: str) -> str:
    """Return a path inside a hierarchy without needless slashes.

    Raises
    ------
    AddressError
        If it leaves the hierarchy.
    """
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if ".." in parts or "\\" in path or "\0" in path or path.startswith("/"):
        raise AddressError(f"open: expected a path inside {root} and found {path!r}")
    return "/".join(parts)
