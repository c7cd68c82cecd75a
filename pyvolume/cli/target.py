"""Place: what an argument of the command names, and how it is opened."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeVar, cast

import click

import pyvolume
from pyvolume.cli.slices import Item, parse_slices
from pyvolume.display.neuroglancer import is_link, url_of
from pyvolume.dvid.address import parse, recognises, segment
from pyvolume.dvid.version import Version, find_version
from pyvolume.errors import AddressError, PyVolumeError
from pyvolume.transfer.casting import Casting
from pyvolume.transport.urls import without_secrets

Opened = TypeVar("Opened")


@dataclass(frozen=True, slots=True)
class Place:
    """What an argument names: a server, a version there, a volume in it, voxels of it.

    Parameters
    ----------
    server : str
        Url.
    version : str
        In any form; empty for a server.
    name : str
        Of the instance; empty for a server or a version.
    key : tuple or None
        The slices behind it.
    """

    server: str
    version: str = ""
    name: str = ""
    key: tuple[Item, ...] | None = None

    @property
    def url(self) -> str:
        """The url of the volume, for `pyvolume.open`."""
        return f"dvid://{self.server}/{segment(self.version)}/{segment(self.name)}"

    @contextmanager
    def connected(self) -> Iterator[pyvolume.Connection]:
        """Connect to the server, with the tokens of the environment."""
        policy = pyvolume.RetryPolicy(patience=_patience())
        token, admin_token = (
            os.environ.get(name, "").strip() or None for name in ("PYVOLUME_TOKEN", "DVID_ADMIN_TOKEN")
        )
        identity = pyvolume.dvid.Identity(token=token, admin_token=admin_token)
        with pyvolume.Connection(self.server, retry=policy, auth=identity) as connection:
            yield connection

    @contextmanager
    def volume(
        self, mode: Literal["r", "r+"] = "r", *, casting: Casting = "checked"
    ) -> Iterator[pyvolume.dvid.VoxelsAccessor]:
        """Open the volume."""
        if not self.name:
            raise AddressError(f"open: expected a volume, as in dvid://{self.server}/:master/gray, and found {self}")
        with self.connected() as connection:
            yield cast(
                "pyvolume.dvid.VoxelsAccessor", pyvolume.open(self.url, mode, connection=connection, casting=casting)
            )

    @contextmanager
    def opened(self, make: Callable[[pyvolume.Connection, str, str], Opened], expected: str) -> Iterator[Opened]:
        """Open an instance that is no volume; `expected` says what, where the url names none."""
        self.refuse_slices()
        if not self.name:
            raise AddressError(f"{expected}, as in dvid://{self.server}/:master/NAME, and found {self}")
        with self.connected() as connection:
            yield make(connection, self.version, self.name)

    @contextmanager
    def at_version(self) -> Iterator[Version]:
        """Find the version, or that of the volume."""
        self.refuse_slices()
        if not self.version:
            raise AddressError(f"open: expected a version, as in dvid://{self.server}/:master, and found {self}")
        with self.connected() as connection:
            yield find_version(connection, self.version)

    def refuse_slices(self) -> None:
        """Refuse slices where no voxels are meant."""
        if self.key is not None:
            raise AddressError("open: expected no slices here")

    def __str__(self) -> str:
        return "/".join(part for part in (self.server, self.version, self.name) if part)


def place(text: str) -> Place:
    """Understand an argument of the command; PYVOLUME_URL completes it."""
    try:
        return parse_place(text, os.environ.get("PYVOLUME_URL", ""))
    except PyVolumeError as error:
        raise click.BadParameter(str(error)) from None


def parse_place(text: str, default: str = "") -> Place:
    """Understand a url with slices behind it, if any.

    Parameters
    ----------
    text : str
    default : str
        What a text without a server is relative to.

    Raises
    ------
    AddressError, SelectionError

    Examples
    --------
    >>> parse_place("dvid://http://localhost:8000/:master/gray[:, 5]")
    Place(server='http://localhost:8000', version=':master', name='gray', key=(slice(None, None, None), 5))
    >>> parse_place(":master/gray", "http://localhost:8000").url
    'dvid://http://localhost:8000/:master/gray'
    """
    if is_link(text):
        return parse_place(url_of(text))
    base, key = _without_slices(text)
    url = base if recognises(base) else "/".join(part for part in (default.rstrip("/"), base) if part)
    if not recognises(url):
        raise AddressError(
            "open: expected dvid://http://HOST:PORT/VERSION/NAME[slices], or less of it, "
            f"and found {without_secrets(text)!r}{'' if default else '; PYVOLUME_URL can name the server'}"
        )
    found = parse(url)
    if found.inside or (key is not None and not found.name):
        raise AddressError(
            f"open: expected a server, a version or an instance there, and found {without_secrets(text)!r}"
        )
    return Place(found.server, found.version, found.name, key)


def _without_slices(text: str) -> tuple[str, tuple[Item, ...] | None]:
    """Part a url from the slices behind its last slash."""
    at = text.find("[", text.rfind("/") + 1)
    if at < 0 or re.fullmatch(r".*//\[[\da-f:]+\](:\d+)?", text):
        return text, None
    if not text.endswith("]"):
        raise AddressError(f"open: expected a ']' at the end of {text[at:]!r}")
    return text[:at], parse_slices(text[at + 1 : -1])


def _patience() -> float:
    context = click.get_current_context(silent=True)
    return float(context.obj) if context is not None and context.obj is not None else 60.0
