"""``create``: a volume at a url; or the command of the protocol that the url belongs to, if it has one of its own."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
from typing import Any

import click

import pyvolume
from pyvolume.cli.completion import complete_url
from pyvolume.cli.output import as_json, show
from pyvolume.cli.target import Target, committed, target
from pyvolume.stores import registry


@click.command(
    short_help="Create a volume, or what holds volumes.",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, shell_complete=complete_url)
@click.pass_context
def create(context: click.Context, arguments: tuple[str, ...]) -> Any:
    """Create what a url names; each protocol has a command of its own, with its own options."""
    texts = [*arguments, os.environ.get("PYVOLUME_URL", "")]
    creates = [text for text, before in zip(texts, ["", *arguments], strict=True) if text and before != "--like"]
    url = next(filter(registry.recognised, creates), "")
    module = registry.load(registry.find(url)[0]).commands.get("create") if url else None
    command: click.Command = create_volume if module is None else importlib.import_module(module).create
    with command.make_context("create", list(arguments), parent=context.parent) as own:
        return command.invoke(own)


OWN = ("url", "shape", "dtype", "dims", "chunks", "resolution", "units", "like", "overwrite")
"""What the command itself says to `pyvolume.create`, and no option of a driver."""


def _numbers(text: str) -> tuple[float, ...]:
    """Read numbers with commas between them."""
    try:
        return tuple(int(each) if each.strip().isdigit() else float(each) for each in text.split(","))
    except ValueError:
        raise click.BadParameter(f"expected numbers with commas between them, and found {text!r}") from None


def _option(text: str) -> tuple[str, Any]:
    """Read an option of a driver: its name, and its value in JSON, or as it is."""
    name, separator, value = text.partition("=")
    if not separator:
        raise click.BadParameter(f"expected NAME=VALUE, and found {text!r}")
    if name in OWN:
        raise click.BadParameter(f"{name} is no option of a driver; the command says it in another way, see --help")
    with contextlib.suppress(ValueError):
        value = json.loads(value)
    return name, value


@click.command(short_help="Create a volume.")
@click.argument("url", type=target)
@click.option("--shape", type=_numbers, metavar="C,X,Y,Z", help="Voxels of each axis, channel first.")
@click.option("--dtype", metavar="NAME", help="Such as uint8, uint16, float32.")
@click.option("--dims", metavar="LETTERS", help="One letter per axis; the first of cxyzt if not given.")
@click.option("--chunks", type=_numbers, metavar="C,X,Y,Z", help="The shape of what is stored as a unit.")
@click.option("--resolution", type=_numbers, metavar="X,Y,Z", help="Size of a voxel; one number for all axes, or each.")
@click.option("--units", metavar="NAME", help="Of the resolution, such as nanometers.")
@click.option("--format", metavar="NAME", help="0.5 or 0.4 of OME-Zarr, or zarr.")
@click.option("--like", type=target, metavar="URL", help="Take what is not given from another volume or a file.")
@click.option("--overwrite", is_flag=True, help="Replace a volume that is there.")
@click.option("--option", "-o", "options", type=_option, multiple=True, metavar="NAME=VALUE",
              help="An option of the driver, such as levels=3; can be repeated.")  # fmt: skip
@as_json
def create_volume(
    url: Target, like: Target | None, options: tuple[tuple[str, Any], ...], as_json: bool, **words: Any
) -> None:
    """Create a volume. No voxel is stored.

    A url of DVID has options of its own: see pyvolume create dvid://HOST --help.

    \b
    Examples:
      pyvolume create cells.zarr --shape 1,512,512,200 --dtype uint16 --resolution 8,8,40 --units nanometers
      pyvolume create old.zarr --like cells.zarr --format 0.4 -o compressors=null
    """
    url.refuse_slices()
    given = {name: word for name, word in words.items() if word is not None} | dict(options)
    if len(given.get("resolution", ())) == 1:
        (given["resolution"],) = given["resolution"]
    with contextlib.ExitStack() as stack:
        if like is not None:
            like.refuse_slices()
            given["like"] = stack.enter_context(like.volume())
        stack.enter_context(committed(pyvolume.create(url.url, **given)))
    show({"url": url.url}, url.url, as_json=as_json)
