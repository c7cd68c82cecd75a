"""``python -m mockserver`` runs a mock server; ``pyvolume serve`` does the same."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import threading
from collections.abc import Sequence
from queue import Empty, SimpleQueue

from mockserver.dvid import command as dvid
from mockserver.hpc import command as hpc
from mockserver.mikro import command as mikro
from mockserver.options import Parser, check

KINDS = {
    "dvid": dvid.KIND,
    "hpc": hpc.KIND,
    "mikro": mikro.KIND,
}
"""What ``--kind`` names."""

LONGEST_WAIT = 0.5
"""Seconds for which the main thread waits at a time: a signal just before the wait begins does not end it."""

EXAMPLE = """\
Example:
  {prog} --kind {kind} --port {port}
"""


def main(arguments: Sequence[str] | None = None, prog: str = "python -m mockserver") -> None:
    """Serve until interrupted.

    Parameters
    ----------
    arguments : sequence of str, optional
        Arguments of the command; by default those of the process.
    prog : str
        Name of the command, for its messages.
    """
    name = _kind(prog, arguments)
    parser = _parser(prog, name)
    options = parser.parse_args(arguments)
    check(parser, options)
    started = threading.Event()
    stopped: SimpleQueue[None] = SimpleQueue()

    def stop(number: int, _frame: object) -> None:
        stopped.put(None)  # an Event has a lock, which the code that the signal interrupts can hold
        if not started.is_set():  # a long journal takes minutes
            sys.exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        server = KINDS[name].start(parser, options)
    except OSError as error:
        parser.exit(1, f"{prog}: cannot serve: {error}\n")
    with server as running:
        started.set()
        urls = KINDS[name].urls(running)
        print(json.dumps(urls) if options.json else "\n".join(urls.values()), flush=True)
        _wait_for(stopped)


def _wait_for(stopped: SimpleQueue[None]) -> None:
    while True:
        with contextlib.suppress(Empty):
            stopped.get(timeout=LONGEST_WAIT)
            return


def _kind(prog: str, arguments: Sequence[str] | None) -> str:
    """Return the kind of server, which decides about the other options."""
    parser = Parser(prog=prog, add_help=False, allow_abbrev=False)
    _add_kind(parser)
    name: str = parser.parse_known_args(arguments)[0].kind
    return name


def _add_kind(parser: Parser) -> None:
    parser.add_argument("--kind", choices=KINDS, default="dvid", help="what to run a mock of; default: dvid")


def _parser(prog: str, name: str) -> Parser:
    kind = KINDS[name]
    parser = Parser(
        prog=prog,
        description=f"Run a mock of {kind.title} on this machine until Ctrl-C, and print its url.\n"
        "The mock is as strict as the real server. Another --kind has other options.",
        epilog=EXAMPLE.format(prog=prog, kind=name, port=kind.port),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_kind(parser)
    kind.add_to(parser)
    return parser


if __name__ == "__main__":
    main(sys.argv[1:])
