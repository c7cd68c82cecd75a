"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from pyvolume.model.box import Box

WIDE = 100_000
"""Columns of what is no terminal: nothing is folded, so that programs can read lines."""

CLOSED = 141
"""128 + SIGPIPE: the exit code that a shell shows for a program whose output nobody reads any more."""

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
"""The option of everything that prints."""


@contextmanager
def ended_quietly() -> Iterator[None]:
    """End the process without a word if the reader of its output, such as ``head``, has gone."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
        sys.exit(CLOSED)


def show(document: Any, text: RenderableType, *, as_json: bool) -> None:
    """Print a document as JSON, or else its text for people."""
    if as_json:
        click.echo(json.dumps(document, indent=2, default=str))
        return
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else WIDE, highlight=False)
    with console.capture() as captured:
        console.print(text)
    lines = (line.rstrip() for line in captured.get().splitlines())
    click.echo("\n".join(lines))


def corners(box: Box) -> dict[str, list[int]]:
    """Return a box as a document."""
    return {"start": list(box.start), "stop": list(box.stop)}


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Return a table without lines."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings:
        made.add_column(heading, overflow="fold")
    for row in rows:
        made.add_row(*(Text(visible(str(cell))) for cell in row))
    return made


def pairs(values: Mapping[str, object]) -> Table:
    """Return names and values below each other."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    made.add_column(style="bold")
    made.add_column(overflow="fold")
    for name, value in values.items():
        made.add_row(Text(visible(name)), Text(visible(str(value))))
    return made


def visible(text: str) -> str:
    r"""Return a text on one line, its control characters written out.

    Examples
    --------
    >>> print(visible("a note\nwith \x1b[31mred"))
    a note\nwith \x1b[31mred
    """
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda found: found[0].encode("unicode_escape").decode(), text)
