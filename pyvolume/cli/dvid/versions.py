"""``commit``, ``new``, ``branch`` and ``tag``: making versions."""

from __future__ import annotations

import click

from pyvolume.cli.dvid.place import Place, place
from pyvolume.cli.output import as_json, show
from pyvolume.dvid.version import Version

note = click.option("-m", "--note", default="", metavar="TEXT", help="What the version is.")


@click.command(short_help="Lock a version for ever.")
@click.argument("url", type=place)
@note
@click.option("--log", "lines", multiple=True, metavar="LINE", help="Append a line to its log; may be repeated.")
@click.option("--next", "goes_on", is_flag=True, help="Make the next version on the same branch.")
@as_json
def commit(url: Place, note: str, lines: tuple[str, ...], goes_on: bool, as_json: bool) -> None:
    """Lock a version for ever. Only a committed version can have children.

    \b
    Examples:
      pyvolume commit dvid://http://localhost:8000/:master -m "raw data"
      pyvolume commit dvid://http://localhost:8000/:master --next
    """
    with url.at_version() as version:
        version.commit(note, lines)
        found = {"committed": version.uuid}
        if goes_on:
            found["next"] = version.new_version().uuid
    show(found, "\n".join(f"{name} {uuid}" for name, uuid in found.items()), as_json=as_json)


@click.command(short_help="Continue a committed version.")
@click.argument("url", type=place)
@note
@as_json
def new(url: Place, note: str, as_json: bool) -> None:
    """Make the next version on the branch of a committed one, which can be written.

    \b
    Example:
      pyvolume new dvid://http://localhost:8000/:master -m "corrected by hand"
    """
    with url.at_version() as version:
        made = version.new_version(note)
        _show("branch", made.info().branch, made, as_json=as_json)


@click.command(short_help="Begin a branch at a committed version.")
@click.argument("url", type=place)
@click.argument("name")
@note
@as_json
def branch(url: Place, name: str, note: str, as_json: bool) -> None:
    """Begin a branch called NAME at a committed version.

    \b
    Example:
      pyvolume branch dvid://http://localhost:8000/:master trial -m "a bold idea"
    """
    with url.at_version() as version:
        _show("branch", name, version.branch(name, note), as_json=as_json)


@click.command(short_help="Give a committed version a name.")
@click.argument("url", type=place)
@click.argument("name")
@as_json
def tag(url: Place, name: str, as_json: bool) -> None:
    """Give a committed version a NAME, which is understood on the whole server.

    \b
    Example:
      pyvolume tag dvid://http://localhost:8000/ab12 raw-2026
    """
    with url.at_version() as version:
        _show("tag", name, version.tag(name), as_json=as_json)


def _show(word: str, name: str, made: Version, *, as_json: bool) -> None:
    show({word: name, "version": made.uuid}, f"{word} {name} {made.uuid}", as_json=as_json)
