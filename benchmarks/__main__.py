"""``python -m benchmarks``: pyvolume beside its peers, as medians and ratios of one run."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import congestion
from benchmarks.entrants import ENTRANTS
from benchmarks.field import field
from benchmarks.report import HEADINGS, as_markdown, as_rst, as_text, into_page, row_table
from benchmarks.rows import CANNED, TABLE, Row
from benchmarks.run import Run

ROWS = {row.name: row for row in (*TABLE, *CANNED)}
QUICK_ROWS = ("read-512", "write-512", "read-64", "read-100", "write-100", "write-128", "into-512", "post-C")


def main() -> None:
    """Run all contenders and print the tables."""
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that files and servers do not stay behind
    rows = [ROWS[name] for name in options.rows or (QUICK_ROWS if options.quick else ROWS)]
    rounds = options.rounds or (3 if options.quick else 9)
    chosen = frozenset(options.contenders) if options.contenders else None
    if congestion.can_pin():
        congestion.pin_urllib3()
    kinds = frozenset(
        entrant.server
        for name, entrant in ENTRANTS.items()
        if not entrant.missing and (chosen is None or name in chosen)
    )
    about = _about(options.url, rounds, chosen)
    print(*about, sep="\n", flush=True)
    with field(options.url, kinds) as ground:
        run = Run(ground, rounds, chosen)
        try:
            _run_rows(run, rows)
        finally:
            run.close()
    _write(run, about, options)


def _run_rows(run: Run, rows: Sequence[Row]) -> None:
    for row in rows:
        began = time.monotonic()
        run.row(row)
        lines = [HEADINGS, *row_table(run.results, row)]
        print(f"\n{row.name}, {time.monotonic() - began:.0f} s", file=sys.stderr)
        print(*("  ".join(line) for line in lines), sep="\n", file=sys.stderr, flush=True)


def _write(run: Run, about: Sequence[str], options: argparse.Namespace) -> None:
    print(*as_text(run.results, ()), sep="\n")
    if options.markdown:
        options.markdown.write_text("\n".join(as_markdown(run.results, about)) + "\n")
    if options.rst:
        page = options.rst.read_text()
        options.rst.write_text(into_page(page, list(as_rst(run.results, about))))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="pyvolume beside its peers.")
    parser.add_argument(
        "--url",
        help="a DVID server instead of the bundled mock; if PYVOLUME_TOKEN_HOST names it, its admin token comes from "
        "DVID_ADMIN_TOKEN; a new repository is made there, which nothing can delete over HTTP",
    )
    parser.add_argument("--rounds", type=int, help="rounds in which everyone runs once (9, or 3 with --quick)")
    parser.add_argument("--rows", nargs="+", choices=ROWS, metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--contenders", nargs="+", choices=ENTRANTS, metavar="NAME", help=", ".join(ENTRANTS))
    parser.add_argument("--quick", action="store_true", help="the main rows only, in three rounds")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there")
    parser.add_argument("--rst", type=Path, metavar="PAGE", help="put the tables between the marks of this page")
    return parser


def _about(url: str | None, rounds: int, chosen: frozenset[str] | None) -> list[str]:
    default, can_pin = congestion.system_default(), congestion.can_pin()
    pinned = f"cubic on every socket that the benchmark can reach; the system's default is {default}"
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "requests", "urllib3"))
    peers = sorted({version for entrant in ENTRANTS.values() if not entrant.missing for version in entrant.versions})
    absent = [f"{name} ({', '.join(e.missing)} not installed)" for name, e in ENTRANTS.items() if e.missing]
    absent += [] if chosen is None else [f"whoever is not one of {', '.join(sorted(chosen))}"]
    return [
        f"{time.strftime('%Y-%m-%d %H:%M %Z')}, {platform.platform()}, {os.cpu_count()} cores, {_processor()}",
        f"Python {platform.python_version()}, {versions}; {', '.join(peers) or 'no peers'}",
        f"left out: {'; '.join(absent) or 'nobody'}",
        f"DVID: {url or 'the mock server'}; every server in a process of its own on the same machine",
        f"congestion control: {pinned if can_pin else default}",
        f"medians of {rounds} interleaved rounds; read the ratios, the speeds move with the machine",
        f"load of the machine before the run: {os.getloadavg()[0]:.1f}",
    ]


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
