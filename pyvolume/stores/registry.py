"""Drivers by name: which protocol opens a url, and with which options."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points
from typing import Any, Literal, Protocol, cast

from pyvolume.errors import AddressError
from pyvolume.transport.urls import without_secrets

DRIVERS = {
    "dvid": "pyvolume.dvid.driver:DRIVER",
}
"""Where the driver of each protocol is; imported when a url of it is opened. A scheme has the name of its driver."""

GROUP = "pyvolume.drivers"
"""The group of entry points with which other packages add drivers."""


class Driver(Protocol):
    """Opens the volumes of one protocol.

    `open` names each option of the protocol as a keyword, so that the registry can refuse a misspelt one.
    """

    @property
    def forms(self) -> str:
        """The forms of a volume's url, for messages."""

    def recognises(self, url: str) -> bool:
        """Whether this driver opens such urls; nothing is asked of a server."""

    @property
    def open(self) -> Any:
        """A function of a url, a mode, and keywords, `partial_blocks` and `casting` among them; gives a `Volume`."""


def names() -> list[str]:
    """Return the names of all drivers: those of pyvolume, then those of other packages."""
    others = {point.name for point in entry_points(group=GROUP)} - DRIVERS.keys()
    return [*DRIVERS, *sorted(others)]


def load(name: str) -> Driver:
    """Import the driver of a name.

    Raises
    ------
    AddressError
        If there is none.
    ImportError
        If a library that it needs is missing.
    """
    if name in DRIVERS:
        module, _, attribute = DRIVERS[name].partition(":")
        return cast("Driver", getattr(importlib.import_module(module), attribute))
    for point in entry_points(group=GROUP, name=name):
        return cast("Driver", point.load())
    raise AddressError(f"open: expected one of the schemes {', '.join(names())} and found {name!r}")


def find(url: str) -> tuple[str, Driver]:
    """Return the driver of a url, and its name.

    Raises
    ------
    AddressError
        If no driver recognises it.
    """
    scheme, separator, _ = url.partition("://")
    known = names()
    if separator and scheme in known:
        return scheme, load(scheme)
    drivers = [(name, load(name)) for name in known]
    for name, driver in drivers:
        if driver.recognises(url):
            return name, driver
    if separator:
        load(scheme)
    forms = "; ".join(driver.forms for _, driver in drivers)
    raise AddressError(f"open: expected {forms}, and found {without_secrets(url)!r}")


def check_options(name: str, driver: Driver, options: Iterable[str]) -> None:
    """Refuse options that a driver does not have.

    Raises
    ------
    TypeError
        It suggests the option with the nearest name.
    """
    known = option_names(driver)
    for option in options:
        if option not in known:
            near = difflib.get_close_matches(option, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}"
            raise TypeError(f"open: {name} has no option {option!r}; {hint}")


def option_names(driver: Driver) -> list[str]:
    """Return the names of a driver's options."""
    parameters = inspect.signature(driver.open).parameters.values()
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
        raise TypeError(f"open: a driver names each of its options, and {driver!r} takes any")
    return [each.name for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY]


def open_url(url: str, mode: Literal["r", "r+"], options: Mapping[str, Any]) -> Any:
    """Open the volume at a url with the driver that recognises it, see `pyvolume.open`."""
    name, driver = find(url)
    check_options(name, driver, options)
    return driver.open(url, mode, **options)
