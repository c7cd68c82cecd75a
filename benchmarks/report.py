"""The tables, as text, Markdown or reStructuredText."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.entrants import ENTRANTS
from benchmarks.results import Results
from benchmarks.rows import Row
from benchmarks.targets import verdicts

HEADINGS = ("contender", "server", "MB/s", "× bare", "CPU s/GB", "peak / box", "requests")
TARGET_HEADINGS = ("", "target", "found", "")
SERVERS = {"dvid": "DVID", "files": "static files", "tiled": "tiled", "hsds": "HSDS"}

Table = list[tuple[str, ...]]


def row_table(results: Results, row: Row) -> Table:
    """Return the lines of one row, without headings; the reasons of those who have no numbers go to `reasons`."""
    return [_line(results, row, name) for name in results.contenders(row.name)]


def _line(results: Results, row: Row, name: str) -> tuple[str, ...]:
    outcome = results.of(row.name, name)
    server = "canned" if row.canned else SERVERS[ENTRANTS[name].server]
    numbers = (
        _number(results.speed(row.name, name), ".0f"),
        _number(results.ratio(row.name, name, "bare socket"), ".2f"),
        _number(results.processor_per_gb(row.name, name), ".2f"),
        _number(outcome.peak, ".2f"),
        _number(outcome.requests, "g"),
    )
    return name, server, *numbers


def _number(value: float | None, how: str) -> str:
    return "–" if value is None else format(value, how)


def reasons(results: Results) -> list[str]:
    """Say why somebody has no numbers."""
    return [f"{row}, {name}: {outcome.why}" for (row, name), outcome in results.outcomes.items() if outcome.why]


def as_text(results: Results, about: Sequence[str]) -> Iterator[str]:
    """Give the lines for a terminal."""
    yield from about
    for row in results.rows:
        yield from ("", f"{row.title}  [{row.name}]", *_columns([HEADINGS, *row_table(results, row)]))
    yield from ("", "Targets", *_columns([TARGET_HEADINGS, *verdicts(results)]))
    yield from ("", *(f"– {reason}" for reason in reasons(results)))


def as_markdown(results: Results, about: Sequence[str]) -> Iterator[str]:
    """Give the lines of a Markdown page."""
    yield from (f"- {line}" for line in about)
    for row in results.rows:
        yield from ("", f"### {row.title} (`{row.name}`)", "", *_piped([HEADINGS, *row_table(results, row)]))
    yield from ("", "### Targets", "", *_piped([TARGET_HEADINGS, *verdicts(results)]))
    yield from ("", *(f"- {reason}" for reason in reasons(results)))


def as_rst(results: Results, about: Sequence[str]) -> Iterator[str]:
    """Give the lines of a part of a reStructuredText page."""
    yield from (f"- {line}" for line in about)
    for row in results.rows:
        yield from ("", f"**{row.title}** (``{row.name}``)", "", *_ruled([HEADINGS, *row_table(results, row)]))
    yield from ("", "**Targets**", "", *_ruled([TARGET_HEADINGS, *verdicts(results)]), "")
    yield from (f"- ``{reason.replace('`', '')}``" for reason in reasons(results))


def _widths(table: Table) -> list[int]:
    return [max(map(len, column)) for column in zip(*table, strict=True)]


def _columns(table: Table) -> Iterator[str]:
    widths = _widths(table)
    for line in table:
        cells = (
            f"{cell:{width}}" if i < 2 else f"{cell:>{width}}"
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


def _piped(table: Table) -> Iterator[str]:
    for number, line in enumerate(table):
        yield f"| {' | '.join(line)} |"
        if number == 0:
            yield "|---" * len(line) + "|"


def _ruled(table: Table) -> Iterator[str]:
    """Give a simple table of reStructuredText; a cell of the first column is never empty there."""
    filled = [tuple(cell or "\\ " for cell in line) for line in table]
    widths = _widths(filled)
    rule = "  ".join("=" * width for width in widths)
    first, *rest = ("  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)) for line in filled)
    yield from (rule, first.rstrip(), rule, *(line.rstrip() for line in rest), rule)


def into_page(page: str, lines: Sequence[str]) -> str:
    """Replace what stands between the two marks of a page."""
    head, _, rest = page.partition(BEGIN)
    _, found, tail = rest.partition(END)
    if not found:
        raise ValueError(f"page: expected the marks {BEGIN!r} and {END!r}")
    return "\n".join((f"{head}{BEGIN}", "", *lines, "", f"{END}{tail}"))


BEGIN = ".. begin: written by python -m benchmarks"
END = ".. end: written by python -m benchmarks"
