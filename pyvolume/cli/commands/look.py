"""``ls``, ``info``, ``tree`` and ``log``: what is there."""

from __future__ import annotations

from typing import Any

import click
from rich.text import Text
from rich.tree import Tree

import pyvolume
from pyvolume.cli.output import as_json, pairs, show, table
from pyvolume.cli.target import Place, place
from pyvolume.cli.visible import visible
from pyvolume.dvid.versions.graph import Graph, Node, RepoInfo
from pyvolume.dvid.versions.lookup import find, read_graph

SHORT = 8
"""Characters of a uuid that people see."""


@click.command(short_help="List repositories, or the instances of a version.")
@click.argument("url", type=place, default="")
@as_json
def ls(url: Place, as_json: bool) -> None:
    """List the repositories of a server, or the instances that a version sees.

    \b
    Examples:
      pyvolume ls http://localhost:8000
      pyvolume ls dvid://http://localhost:8000/:master
    """
    url.refuse_slices()
    with url.connected() as connection:
        if url.version:
            instances = find(connection, url.version)[0].instances
            rows = [{"name": name, "type": kind} for name, kind in instances.items() if url.name in {"", name}]
        else:
            rows = [_row(info) for info in pyvolume.dvid.Server(connection).repos.info().values()]
    headings = ["name", "type"] if url.version else ["uuid", "alias", "versions", "instances"]
    cells = [[_short(each[name]) for name in headings] for each in rows]
    show(rows, table(headings, cells), as_json=as_json)


def _row(info: RepoInfo) -> dict[str, Any]:
    return {
        "uuid": info.graph.root,
        "alias": info.alias,
        "versions": len(info.graph.nodes),
        "instances": list(info.instances),
    }


def _short(value: Any) -> str:
    """Return a value for a table: lists without brackets."""
    return ", ".join(value) if isinstance(value, list) else str(value)


@click.command(short_help="Say what a server, a version or a volume is.")
@click.argument("url", type=place, default="")
@as_json
def info(url: Place, as_json: bool) -> None:
    """Say what a server, a version or a volume is. No voxels are read.

    \b
    Examples:
      pyvolume info dvid://http://localhost:8000/:master/gray
      pyvolume info --json http://localhost:8000
    """
    url.refuse_slices()
    if url.name:
        with url.volume() as volume:
            found = describe(volume)
    elif url.version:
        with url.at_version() as version:
            found = _document(version.info())
    else:
        with url.connected() as connection:
            found = dict(pyvolume.dvid.Server(connection).info())
    show(found, pairs({name: _plain(value) for name, value in found.items()}), as_json=as_json)


def describe(volume: pyvolume.dvid.VoxelsAccessor) -> dict[str, Any]:
    """Return what a volume is, as values of JSON."""
    return {
        "url": volume.store.address,
        "type": volume.typename,
        "dtype": volume.dtype.name,
        "axes": "".join(volume.dims),
        "start": list(volume.bounds.start),
        "stop": list(volume.bounds.stop),
        "bytes": volume.bounds.size * volume.dtype.itemsize,
        "blocks": list(volume.block_shape),
        "resolution": list(volume.resolution),
        "units": list(volume.units),
    }


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _document(node: Node) -> dict[str, Any]:
    return {
        "uuid": node.uuid,
        "branch": node.branch,
        "state": "committed" if node.locked else "open",
        "created": node.created.isoformat(timespec="seconds"),
        "parents": list(node.parents),
        "children": list(node.children),
        "note": node.note,
        "log": list(node.log),
    }


@click.command(short_help="Draw the versions of a server or a repository.")
@click.argument("url", type=place, default="")
@as_json
def tree(url: Place, as_json: bool) -> None:
    """Draw the versions of every repository of a server, or of the one that a version belongs to.

    \b
    Examples:
      pyvolume tree http://localhost:8000
      pyvolume tree dvid://http://localhost:8000/ab12
    """
    url.refuse_slices()
    with url.connected() as connection:
        repos = pyvolume.dvid.Server(connection).repos
        found = [find(connection, url.version)[0]] if url.version else repos.info().values()
        drawn = Tree(connection.url)
        for info in found:
            _grow(drawn.add(Text(visible(info.alias or "(no alias)"))), info.graph, info.graph.root)
    document = {info.graph.root: [_document(node) for node in info.graph.nodes.values()] for info in found}
    show(document, drawn, as_json=as_json)


def _grow(branch: Tree, graph: Graph, root: str) -> None:
    """Draw a version and all that stem from it; a merge stands below its first parent."""
    waiting = [(branch, root)]
    while waiting:
        above, uuid = waiting.pop()
        node = graph.node(uuid)
        here = above.add(Text(visible(_line(node))))
        children = (child for child in node.children if graph.node(child).parents[0] == uuid)
        waiting.extend((here, child) for child in reversed(list(children)))


def _line(node: Node) -> str:
    merged = f" + {', '.join(uuid[:SHORT] for uuid in node.parents[1:])}" if len(node.parents) > 1 else ""
    parts = (node.uuid[:SHORT], node.branch, "" if node.locked else "open", node.note)
    return "  ".join(part for part in parts if part) + merged


@click.command(short_help="Show the history of a version.")
@click.argument("url", type=place)
@as_json
def log(url: Place, as_json: bool) -> None:
    """Show a version and those that it stems from, the newest first, with their notes and logs.

    \b
    Examples:
      pyvolume log dvid://http://localhost:8000/:master
      pyvolume log dvid://http://localhost:8000/:trial/gray
    """
    with url.at_version() as version:
        graph = read_graph(version.connection, version.uuid)
    found = [graph.node(version.uuid), *map(graph.node, graph.ancestors(version.uuid))]
    documents = [_document(node) for node in found]
    rows = [
        (
            node.uuid[:SHORT],
            node.branch,
            each["state"],
            f"{node.created:%Y-%m-%d %H:%M}",
            "; ".join((node.note, *node.log)),
        )
        for node, each in zip(found, documents, strict=True)
    ]
    show(documents, table(("version", "branch", "state", "created", "note"), rows), as_json=as_json)
