"""Place: what an argument of DVID's own commands names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import click

import pyvolume
from pyvolume.cli.target import Url, environment, patience
from pyvolume.dvid.address import Address, parse
from pyvolume.dvid.auth import Identity
from pyvolume.dvid.driver import DRIVER
from pyvolume.dvid.version import Version, find_version
from pyvolume.errors import AddressError, PyVolumeError
from pyvolume.stores import registry
from pyvolume.transport.urls import without_secrets

Opened = TypeVar("Opened")


@dataclass(frozen=True, slots=True)
class Place:
    """A server, a version there, or an instance in it.

    Parameters
    ----------
    address : Address
        What the url names.
    """

    address: Address

    @contextmanager
    def connected(self) -> Iterator[pyvolume.Connection]:
        """Connect to the server, with the tokens of the environment."""
        tokens = environment(str(self.address))
        identity = Identity(token=tokens.get("token"), admin_token=tokens.get("admin_token"))
        policy = pyvolume.RetryPolicy(patience=patience())
        with pyvolume.Connection(self.address.server, retry=policy, auth=identity) as connection:
            yield connection

    @contextmanager
    def opened(self, make: Callable[[pyvolume.Connection, str, str], Opened], expected: str) -> Iterator[Opened]:
        """Open an instance that is no volume; `expected` says what, where the url names none."""
        if not self.address.name:
            raise AddressError(f"{expected}, as in dvid://{self.address.server}/:master/NAME, and found {self.address}")
        with self.connected() as connection:
            yield make(connection, self.address.version, self.address.name)

    @contextmanager
    def at_version(self) -> Iterator[Version]:
        """Find the version, or that of the instance."""
        if not self.address.version:
            raise AddressError(
                f"open: expected a version, as in dvid://{self.address.server}/:master, and found {self.address}"
            )
        with self.connected() as connection:
            yield find_version(connection, self.address.version)


class DvidUrl(Url):
    """An argument of the command that is a url of DVID without slices."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Understand the text of an argument as a `Place`."""
        found = super().convert(value, param, ctx)
        try:
            found.refuse_slices()
            if registry.find(found.url)[1] is not DRIVER:
                raise AddressError(f"expected a url of DVID, {DRIVER.forms}, and found {without_secrets(value)!r}")
            return Place(parse(found.url))
        except PyVolumeError as error:
            self.fail(str(error), param, ctx)


place = DvidUrl()
