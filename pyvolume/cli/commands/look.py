"""``ls`` and ``info``: lists, and facts."""

from __future__ import annotations

import click

from pyvolume.cli.output import as_json, pairs, show, table
from pyvolume.cli.target import Target, target
from pyvolume.display.table import text_of


@click.command(short_help="List repositories, the instances of a version, or the files of a folder.")
@click.argument("url", type=target, default="")
@as_json
def ls(url: Target, as_json: bool) -> None:
    """List the repositories of a server, the instances that a version sees, or the volumes in a folder.

    \b
    Examples:
      pyvolume ls http://localhost:8000
      pyvolume ls dvid://http://localhost:8000/:master
      pyvolume ls images/
    """
    url.refuse_slices()
    with url.catalogue() as catalogue:
        entries = catalogue.entries()
    rows = [each.to_document() for each in entries]
    headings = [name for name in (rows[0] if rows else ("name", "kind")) if name != "url"]
    show(rows, table(headings, [[text_of(row[name]) for name in headings] for row in rows]), as_json=as_json)


@click.command(short_help="Say what a server, a version or a volume is.")
@click.argument("url", type=target, default="")
@as_json
def info(url: Target, as_json: bool) -> None:
    """Say what a server, a version or a volume is. No voxels are read.

    \b
    Examples:
      pyvolume info dvid://http://localhost:8000/:master/gray
      pyvolume info --json http://localhost:8000
    """
    url.refuse_slices()
    if url.names_volume:
        with url.volume() as volume:
            found = volume.describe()
    else:
        with url.catalogue() as catalogue:
            found = catalogue.describe()
    show(found, pairs({name: text_of(value) for name, value in found.items()}), as_json=as_json)
