"""``tree`` and ``log``: versions and their history."""

from __future__ import annotations

import click
from rich.text import Text
from rich.tree import Tree

from pyvolume.cli.dvid.place import Place, place
from pyvolume.cli.output import as_json, show, table, visible
from pyvolume.dvid.catalogue import node_document
from pyvolume.dvid.versions.graph import Graph, Node
from pyvolume.dvid.versions.lookup import find, read_graph, read_infos

SHORT = 8
"""Characters of a uuid that people see."""


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
    with url.connected() as connection:
        version = url.address.version
        found = [find(connection, version)[0]] if version else list(read_infos(connection).values())
    drawn = Tree(url.address.server)
    for info in found:
        _grow(drawn.add(Text(visible(info.alias or "(no alias)"))), info.graph, info.graph.root)
    document = {info.graph.root: [node_document(node) for node in info.graph.nodes.values()] for info in found}
    show(document, drawn, as_json=as_json)


def _grow(branch: Tree, graph: Graph, root: str) -> None:
    """Draw a version and all its descendants; a merge is drawn below its first parent."""
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
    documents = [node_document(node) for node in found]
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
