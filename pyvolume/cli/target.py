"""Target: what an argument of the command names, and how it is opened."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import click
from click.shell_completion import CompletionItem

import pyvolume
from pyvolume.cli import WITHHELD
from pyvolume.cli.slices import Item, parse_slices
from pyvolume.display.neuroglancer import is_link, url_of
from pyvolume.errors import AddressError, PyVolumeError
from pyvolume.indexing.selection import Selection
from pyvolume.model.secret import Secret
from pyvolume.stores import registry
from pyvolume.stores.base import Checkpointed
from pyvolume.stores.catalogue import Catalogue
from pyvolume.stores.tokens import tokens_of, why_withheld
from pyvolume.transfer.casting import Casting
from pyvolume.transport.urls import without_secrets
from pyvolume.volume import transfer_of


@dataclass(frozen=True, slots=True)
class Target:
    """A url, and the slices after it.

    Parameters
    ----------
    url : str
        Of a volume, or of what holds volumes.
    key : tuple or None
        The slices.
    """

    url: str
    key: tuple[Item, ...] | None = None

    @property
    def names_volume(self) -> bool:
        """Whether the url names a volume."""
        return registry.find(self.url)[1].names_volume(self.url)

    @contextmanager
    def volume(self, mode: Literal["r", "r+"] = "r", *, casting: Casting = "checked") -> Iterator[pyvolume.Volume]:
        """Open the volume, with the options of the environment; what the block has written is committed at its end."""
        options = self._accepted(registry.find(self.url)[1].open)
        with committed(pyvolume.open(self.url, mode, casting=casting, **options)) as volume:
            yield volume

    @property
    def takes_arrays(self) -> bool:
        """Whether the url names a place that takes whole arrays; volumes there are not written in parts."""
        return registry.find(self.url)[1].takes_arrays and not self.names_volume

    def place(self) -> Any:
        """Open the place that takes arrays, with the options of the environment."""
        return registry.connect_url(self.url, self._accepted(registry.find(self.url)[1].connect))

    def catalogue(self) -> Catalogue:
        """Open what holds volumes, with the options of the environment."""
        open_catalogue = registry.find(self.url)[1].catalogue
        return open_catalogue(self.url, **self._accepted(open_catalogue))

    def selection_in(self, volume: pyvolume.Volume) -> Selection:
        """Return what the slices select of the volume; without slices all that is stored.

        Raises
        ------
        SelectionError
            If the volume has no such voxels.
        """
        if self.key is None:
            return Selection.of_box(volume.bounds)
        return Selection.for_reading(self.key, volume.shape, volume.dims)

    def refuse_slices(self) -> None:
        """Refuse slices where no voxels are meant.

        Raises
        ------
        AddressError
        """
        if self.key is not None:
            raise AddressError("open: expected no slices here")

    def _accepted(self, function: Callable[..., Any]) -> dict[str, Any]:
        options = {"retry": pyvolume.RetryPolicy(patience=patience()), **environment(self.url)}
        return registry.accepted(function, options)


@contextmanager
def committed(volume: pyvolume.Volume) -> Iterator[pyvolume.Volume]:
    """Give a volume, and close it; where writes have to be committed, that is done first if there was no error."""
    with volume:
        yield volume
        if isinstance(volume.store, Checkpointed):
            command = click.get_current_context(silent=True)
            note = command.command_path if command else "pyvolume"
            volume.store.checkpoint(note, transfer_of(volume, "commit").begin())


class Url(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.5 only
    """An argument of the command that names a volume, or what holds volumes; PYVOLUME_URL completes it."""

    name = "url"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Target:
        """Understand the text of an argument."""
        try:
            return parse_target(value, os.environ.get("PYVOLUME_URL", ""))
        except PyVolumeError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        """Return the urls that begin with what is typed."""
        from pyvolume.cli.completion import complete_url  # only a shell that completes needs it

        return complete_url(ctx, param, incomplete)


target = Url()


def parse_target(text: str, default: str = "") -> Target:
    """Understand a url with slices after it, if any.

    Parameters
    ----------
    text : str
        A url, or the rest of one.
    default : str
        The url that a rest is relative to.

    Raises
    ------
    AddressError, SelectionError

    Examples
    --------
    >>> parse_target("dvid://http://localhost:8000/:master/gray[:, 5]").key
    (slice(None, None, None), 5)
    >>> parse_target(":master/gray", "http://localhost:8000").url
    'http://localhost:8000/:master/gray'
    """
    if is_link(text):
        return Target(url_of(text))
    base, key = _without_slices(text)
    url = base if registry.recognised(base) else "/".join(part for part in (default.rstrip("/"), base) if part)
    if not registry.recognised(url):
        raise AddressError(
            f"open: expected a url, as {registry.known_forms()}, "
            f"and found {without_secrets(text)!r}{'' if default else '; PYVOLUME_URL can name the server'}"
        )
    _, driver = registry.find(url)
    if not driver.names_volume(url) and key is not None:
        raise AddressError(f"open: expected a volume in front of slices and found {without_secrets(text)!r}")
    return Target(url, key)


def environment(url: str) -> dict[str, Secret]:
    """Return the tokens of the environment that are for the server of a url; of others a refusal will tell."""
    driver = registry.find(url)[1]
    server = driver.server_of(url)
    if server and (context := click.get_current_context(silent=True)):
        reasons = [why_withheld(server, variable) for variable in driver.environment.values()]
        context.meta.setdefault(WITHHELD, []).extend(filter(None, reasons))
    return tokens_of(url)


def patience() -> float:
    """Return the seconds that the user gives to each operation."""
    context = click.get_current_context(silent=True)
    return float(context.obj) if context is not None and context.obj is not None else 60.0


def _without_slices(text: str) -> tuple[str, tuple[Item, ...] | None]:
    """Part a url from the slices after its last slash."""
    at = text.find("[", text.rfind("/") + 1)
    if at < 0 or re.fullmatch(r"(.*//)?\[[\da-f:.]+\]:\d+|.*//\[[\da-f:.]+\]", text, re.IGNORECASE):
        return text, None
    if not text.endswith("]"):
        raise AddressError(f"open: expected a ']' at the end of {text[at:]!r}")
    return text[:at], parse_slices(text[at + 1 : -1])
