"""Drivers by name: which protocol opens a url, and with which options."""

from __future__ import annotations

import functools
import importlib
import inspect
import logging
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, Literal, Protocol, cast

from pyvolume.errors import AddressError, UnsupportedError
from pyvolume.model import arguments
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.model.secret import Secret
from pyvolume.stores.catalogue import Catalogue
from pyvolume.transport.urls import without_secrets

_log = logging.getLogger(__name__)

DRIVERS = {
    "zarr": "pyvolume.zarr.driver:DRIVER",
    "icechunk": "pyvolume.icechunk.driver:DRIVER",
    "dvid": "pyvolume.dvid.driver:DRIVER",
    "hpc": "pyvolume.hpc.driver:DRIVER",
    "mikro": "pyvolume.mikro.driver:DRIVER",
    "n5": "pyvolume.n5.driver:DRIVER",
    "fsdb": "pyvolume.local.driver:DRIVER",
    "file": "pyvolume.files.driver:DRIVER",
}
"""Where the driver of each protocol is; imported when a url of it is opened. A scheme has the name of its driver."""

GROUP = "pyvolume.drivers"
"""The group of entry points with which other packages add drivers."""


class Driver(Protocol):
    """Opens the volumes of one protocol; a subclass defines `forms`, `recognises` and `open`, the rest is optional."""

    forms: str
    """The forms of a volume's url, for messages."""

    environment: ClassVar[Mapping[str, str]] = {}
    """The variables of the environment from which the command takes tokens, by option."""

    commands: ClassVar[Mapping[str, str]] = {}
    """The modules of this protocol's own commands, by the name of the command."""

    ways_out: ClassVar[Mapping[type[Exception], str]] = {}
    """What helps in a shell against an error of a class."""

    made_by_copies: ClassVar[bool] = False
    """Whether a copy creates the volume that it goes to: a folder, not an instance on a server."""

    takes_arrays: ClassVar[bool] = False
    """Whether what `connect` returns is a `pyvolume.stores.catalogue.Taking`."""

    open: Callable[..., Any]
    """A function of a url and a mode that returns a `Volume`.

    It names each option of the protocol as a keyword, so that a misspelt one is refused; `partial_blocks` and `casting`
    are among them. The name of an option that is a secret ends with ``token``.
    """

    def recognises(self, url: str) -> bool:
        """Whether this driver opens a url of this form; no request."""
        ...

    def server_of(self, url: str) -> str:  # noqa: ARG002 - for drivers without servers
        """Return the url of the HTTP server that holds a volume, for tokens; empty if there is none. No request."""
        return ""

    def names_volume(self, url: str) -> bool:  # noqa: ARG002 - for drivers without catalogues
        """Whether a url names a volume, not something that holds volumes; no request."""
        return True

    def names_after(self, url: str) -> Sequence[str]:  # noqa: ARG002 - for drivers without names
        """Return the names that can follow a url and a slash, for completion in a shell; a driver may add options.

        It returns quickly, with an error if the server does not answer.
        """
        return ()

    def catalogue(self, url: str) -> Catalogue:
        """Open a url that names no volume; a driver may add options as keywords.

        Raises
        ------
        UnsupportedError
            If the protocol has no lists.
        """
        raise UnsupportedError(f"open {without_secrets(url)}: this protocol has volumes only, and no lists of them")

    def connect(self, url: str) -> Any:
        """Return what stands at a url and holds volumes: a server, a folder; a driver may add options as keywords.

        It has a method `close`, and is a context manager that calls it.

        Raises
        ------
        AddressError
            If the url names anything else.
        UnsupportedError
            If the protocol has volumes only.
        """
        raise UnsupportedError(f"connect {without_secrets(url)}: this protocol has volumes only, and no servers")

    def create(
        self,
        url: str,
        metadata: VoxelsMetadata,  # noqa: ARG002 - for drivers that create nothing
        *,
        chunks: Sequence[int] | None = None,  # noqa: ARG002
        overwrite: bool = False,  # noqa: ARG002
    ) -> Any:
        """Create the volume that metadata describe, and open it for writing; a driver may add options as keywords.

        Parameters
        ----------
        url : str
            Of the new volume.
        metadata : pyvolume.VoxelsMetadata
            Bounds, dtype, axes, resolution, units and labels.
        chunks : sequence of int, optional
            Shape of what is stored as a unit, one entry per axis, channel first.
        overwrite : bool
            Replace a volume that is there.

        Raises
        ------
        UnsupportedError
            If the protocol creates no volumes from a url.
        """
        raise UnsupportedError(f"create {without_secrets(url)}: volumes are not created there")


_ONE_SLASH = re.compile(r"(?!file:)([a-z][a-z\d+.-]+):/(?!/)", re.IGNORECASE)
"""The beginning of a url that lacks a slash; ``C:/`` is a path, and ``file:/path`` is right."""


def names() -> list[str]:
    """Return the names of all drivers: those of pyvolume, then those of other packages."""
    others = {point.name for point in _points(tuple(sys.path))} - DRIVERS.keys()
    return [*DRIVERS, *sorted(others)]


@functools.lru_cache(maxsize=1)
def _points(path: tuple[str, ...]) -> tuple[EntryPoint, ...]:  # noqa: ARG001 - packages are looked for there
    """Return the drivers of other packages. Looking for them takes longer than opening a volume."""
    return tuple(entry_points(group=GROUP))


def load(name: str) -> Driver:
    """Import the driver of a name.

    Raises
    ------
    AddressError
        If there is none.
    ImportError
        If it cannot be imported; the message names the package and the cause.
    """
    if name in DRIVERS:
        module, _, attribute = DRIVERS[name].partition(":")
        return cast("Driver", getattr(importlib.import_module(module), attribute))
    for point in _points(tuple(sys.path)):
        if point.name == name:
            return _imported(point)
    raise AddressError(f"open: expected one of the schemes {', '.join(names())} and found {name!r}")


def _imported(point: EntryPoint) -> Driver:
    """Import a driver of another package, which may fail with any error."""
    what = f"open: the driver {point.name!r} of the package {point.dist.name if point.dist else point.module}"
    try:
        driver = point.load()
        words = sorted(word for word in {*vars(Driver), *Driver.__annotations__} if not word.startswith("_"))
        missing = [word for word in words if not hasattr(driver, word)]
    except Exception as error:
        raise ImportError(f"{what} fails: {str(error) or type(error).__name__}") from error
    if missing:
        raise ImportError(f"{what} is no Driver: it has no {', no '.join(missing)}")
    return cast("Driver", driver)


def _loaded() -> Iterator[tuple[str, Driver | ImportError]]:
    """Give the name of each driver, with the driver or with what is wrong with it."""
    for name in names():
        try:
            yield name, load(name)
        except ImportError as error:
            yield name, error


def importable() -> Iterator[tuple[str, Driver]]:
    """Give the drivers that can be imported, with their names. One that cannot is named in the log, once."""
    for name, found in _loaded():
        if isinstance(found, ImportError):
            _warn_once(str(found))
        else:
            yield name, found


@functools.cache
def _warn_once(message: str) -> None:
    _log.warning("%s", message)


def _recognising(text: str) -> tuple[str, Driver] | None:
    """Return the first driver that recognises a url. One that fails to say it does not disturb the others."""
    for name, driver in importable():
        try:
            if driver.recognises(text):
                return name, driver
        except Exception as error:  # the code of another package
            _warn_once(f"open: the driver {name!r} cannot say whether it recognises a url: {error!r}")
    return None


def _broken() -> list[str]:
    """Return what is wrong with the drivers that cannot be imported."""
    return [str(found).removeprefix("open: ") for _, found in _loaded() if isinstance(found, ImportError)]


def find(url: str) -> tuple[str, Driver]:
    """Return the driver of a url, and its name.

    Raises
    ------
    AddressError
        If no driver recognises it.
    ImportError
        If the driver of its scheme cannot be imported.
    """
    one_slash = _ONE_SLASH.match(url)
    if one_slash:
        wanted = f"{one_slash[1]}://{url[one_slash.end() :]}"
        raise AddressError(f"open: expected two slashes, as in {without_secrets(wanted)!r}, and found one")
    scheme, separator, _ = url.partition("://")
    named = next((name for name in names() if separator and name.lower() == scheme.lower()), None)
    if named not in {None, "file"}:
        return named, load(named)
    recognising = _recognising(url)  # a file can be of another driver, by its name
    if recognising is not None:
        return recognising
    if named is not None:
        return named, load(named)
    if separator:
        load(scheme)
    message = f"open: expected {known_forms()}, and found {without_secrets(url)!r}"
    raise AddressError("; ".join([message, *_broken()]))


def check_options(action: str, name: str, function: Callable[..., Any], options: Iterable[str]) -> None:
    """Refuse options that a function of a driver does not have.

    Raises
    ------
    TypeError
        It suggests the option with the nearest name.
    """
    known = option_names(function)
    others = [each for each in inspect.signature(function).parameters if each == "mode"]
    arguments.check_options(f"{action}: {name}", options, known, [*others, *known])


def option_names(function: Callable[..., Any]) -> list[str]:
    """Return the names of the options that a function of a driver has."""
    parameters = inspect.signature(function).parameters.values()
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
        raise TypeError(f"open: a driver names each of its options, and {function!r} takes any")
    return arguments.keywords(function)


def accepted(function: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return those options that a function of a driver takes."""
    return {name: value for name, value in options.items() if name in inspect.signature(function).parameters}


def with_secrets(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with those that are secrets as `Secret`, by their names: tracebacks show them no more."""
    return {
        name: Secret(value) if name.endswith("token") and isinstance(value, str) else value
        for name, value in options.items()
    }


def known_forms() -> str:
    """Return the forms of all urls, for messages."""
    return "; ".join(driver.forms for _, driver in importable())


def own_commands() -> dict[str, str]:
    """Return the modules of the commands that drivers add, by the name of the command; the first driver counts."""
    found: dict[str, str] = {}
    for _, driver in importable():
        found = {**driver.commands, **found}
    return found


def recognised(text: str) -> bool:
    """Whether a text is a url: it has a scheme, or a driver recognises it."""
    return "://" in text or _ONE_SLASH.match(text) is not None or _recognising(text) is not None


def names_protocol(text: str) -> bool:
    """Whether a text has the scheme of a protocol; not that of files. No request."""
    scheme, separator, _ = text.partition("://")
    return bool(separator) and scheme.lower() in {name.lower() for name in names()} - {"file"}


def open_url(url: str, mode: Literal["r", "r+"], options: Mapping[str, Any]) -> Any:
    """Open the volume at a url with the driver that recognises it, see `pyvolume.open`."""
    arguments.one_of(mode, ("r", "r+"), "open", "mode")  # a library would take "w" as the wish to empty the file
    name, driver = find(url)
    check_options("open", name, driver.open, options)
    return driver.open(url, mode, **options)


def create_url(url: str, metadata: VoxelsMetadata, options: Mapping[str, Any], levels: Sequence[object] = ()) -> Any:
    """Create the volume at a url with the driver that recognises it, see `pyvolume.create`.

    `levels` are those of another volume; a driver without an option of this name does not get them.
    """
    name, driver = find(url)
    check_options("create", name, driver.create, options)
    if levels and "levels" not in options:
        options = {**options, **accepted(driver.create, {"levels": levels})}
    return driver.create(url, metadata, **options)


def connect_url(url: str, options: Mapping[str, Any]) -> Any:
    """Connect to a server with the driver that recognises its url, see `pyvolume.connect`."""
    name, driver = find(url)
    check_options("connect", name, driver.connect, options)
    return driver.connect(url, **options)
