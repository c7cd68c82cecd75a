"""``keys``: values of bytes by keys of text."""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

import click

from pyvolume.cli.dvid.create import show_made
from pyvolume.cli.dvid.place import Place, place
from pyvolume.cli.output import as_json, show, table
from pyvolume.cli.suggesting import Suggesting
from pyvolume.dvid.address import Address
from pyvolume.dvid.keyvalue import create_new
from pyvolume.dvid.keyvalue.mapping import KeyValue
from pyvolume.files.atomic import appearing

PIECE_BYTES = 1 << 20
"""What is in memory of a value."""


@click.group(cls=Suggesting, short_help="Read and write keys and their values.")
def keys() -> None:
    """Read and write the values of a keyvalue instance; URL names it, as in dvid://http://HOST:PORT/VERSION/NAME."""


def _opened(url: Place) -> AbstractContextManager[KeyValue]:
    return url.opened(KeyValue, "keys: expected an instance")


@keys.command(short_help="Create an instance for keys.")
@click.argument("url", type=place)
@click.argument("name")
@click.option("--unversioned", is_flag=True, help="Let all versions share the values.")
@as_json
def create(url: Place, name: str, unversioned: bool, as_json: bool) -> None:
    """Create an instance called NAME in a version, which must be open.

    \b
    Example:
      pyvolume keys create dvid://http://localhost:8000/:master notes
    """
    with url.at_version() as version:
        create_new(version.connection, version.uuid, name, versioned=not unversioned)
        show_made(Address(url.address.server, version.uuid, name), as_json=as_json)


@keys.command(short_help="List the keys.")
@click.argument("url", type=place)
@as_json
def ls(url: Place, as_json: bool) -> None:
    """List the keys, sorted.

    \b
    Example:
      pyvolume keys ls dvid://http://localhost:8000/:master/notes
    """
    with _opened(url) as values:
        found = list(values)
    show(found, table(("key",), ([key] for key in found)), as_json=as_json)


@keys.command(short_help="Read a value.")
@click.argument("url", type=place)
@click.argument("key")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def get(url: Place, key: str, file: Path | None, force: bool) -> None:
    """Read the value of KEY to FILE, or to the standard output.

    \b
    Example:
      pyvolume keys get dvid://http://localhost:8000/:master/notes who
    """
    with _opened(url) as values:
        if file is None:
            with values.open(key) as source:
                shutil.copyfileobj(source, sys.stdout.buffer, PIECE_BYTES)
            return
        with appearing(file, force=force) as part, part.open("wb") as target:
            values.read_into(key, target)


@keys.command(short_help="Write a value.")
@click.argument("url", type=place)
@click.argument("key")
@click.argument("file", type=click.Path(exists=True, path_type=Path, dir_okay=False, allow_dash=True))
def put(url: Place, key: str, file: Path) -> None:
    """Write FILE as the value of KEY; "-" is the standard input.

    \b
    Example:
      echo -n Ada | pyvolume keys put dvid://http://localhost:8000/:master/notes who -
    """
    with _opened(url) as values:
        if str(file) != "-":
            with file.open("rb") as source:
                values.write_from(key, source)
            return
        with tempfile.TemporaryFile() as whole:  # the length is sent first, and a pipe does not know it
            shutil.copyfileobj(sys.stdin.buffer, whole, PIECE_BYTES)
            whole.seek(0)
            values.write_from(key, whole)


@keys.command(short_help="Delete a key.")
@click.argument("url", type=place)
@click.argument("key")
def rm(url: Place, key: str) -> None:
    """Delete KEY in this version; those before it keep it.

    \b
    Example:
      pyvolume keys rm dvid://http://localhost:8000/:master/notes who
    """
    with _opened(url) as values:
        del values[key]
