"""``python -m mockserver`` runs the mock server; ``pyvolume serve`` does the same."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from mockserver.dvid.server import MockServer
from mockserver.http.sites import Site

SECRET = "DVID_JWT_SECRET_KEY"
"""The environment variable that DVID reads the secret from."""

ADMIN_TOKEN = "DVID_ADMIN_TOKEN"
"""The environment variable that DVID reads the admin token from."""

EXAMPLE = """\
Example:
  {prog} --port 8000 --folder volumes
"""


class Parser(argparse.ArgumentParser):
    """An argument parser that prints errors on one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None, prog: str = "python -m mockserver") -> None:
    """Serve until interrupted.

    Parameters
    ----------
    arguments : sequence of str, optional
        Arguments of the command; by default those of the process.
    prog : str
        Name of the command, for its messages.
    """
    parser = _parser(prog)
    options = _parse(parser, arguments)
    admin_token = _admin_token(parser, options.admin_token_file)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        server = MockServer(
            port=options.port,
            folder=options.folder,
            admin_token=admin_token,
            throttle_slots=options.throttle_slots,
            auth=options.auth,
            jwt_secret=os.environ.get(SECRET) or None,
            read_only=options.read_only,
            cors=options.cors,
            allowed_hosts=options.allowed_host,
        )
    except OSError as error:
        parser.exit(1, f"{prog}: cannot serve: {error}\n")
    with server:
        print(json.dumps({"url": server.url}) if options.json else server.url, flush=True)
        stopped.wait()


def _parse(parser: Parser, arguments: Sequence[str] | None) -> argparse.Namespace:
    options = parser.parse_args(arguments)
    if not 0 <= options.port <= 65535:
        parser.error(f"--port: expected 0 to 65535 and found {options.port}")
    if options.throttle_slots < 1:
        parser.error(f"--throttle-slots: expected at least 1 and found {options.throttle_slots}")
    try:
        Site.of(options.allowed_host)
    except ValueError as error:
        parser.error(f"--allowed-host: {error}")
    if options.auth == "token" and not os.environ.get(SECRET):
        parser.error(f"--auth token: put the secret of tokens into the environment variable {SECRET}")
    return options


def _admin_token(parser: Parser, file: str | None) -> str | None:
    """Return the admin token; every user of the machine can see the arguments of a command."""
    if file is None:
        return os.environ.get(ADMIN_TOKEN) or None
    try:
        token = Path(file).read_text("utf-8").strip()
    except (OSError, UnicodeError) as error:
        parser.error(f"--admin-token-file: {error}")
    return token or parser.error(f"--admin-token-file: expected a token in {file}, and found none")


def _parser(prog: str) -> Parser:
    parser = Parser(
        prog=prog,
        description="Run a mock of a DVID server on this machine until Ctrl-C, and print its url.\n"
        "The mock is as strict as the real server.",
        epilog=EXAMPLE.format(prog=prog),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--port", type=int, default=8000, help="port to listen on; 0 takes a free one; default: 8000")
    parser.add_argument("--folder", help="folder that keeps everything between runs")
    parser.add_argument(
        "--admin-token-file",
        metavar="FILE",
        help=f"file with the token that is needed to create repositories; default: environment variable {ADMIN_TOKEN}",
    )
    parser.add_argument("--throttle-slots", type=int, default=1, help="throttled operations at a time; default: 1")
    parser.add_argument(
        "--auth",
        choices=["none", "token"],
        default="none",
        help=f"what a request for a repository needs: nothing, or a token signed with environment variable {SECRET}",
    )
    parser.add_argument("--read-only", action="store_true", help="only the admin token allows changes")
    parser.add_argument(
        "--cors", action="append", default=[], help="origin whose web pages may send requests, * for all; repeatable"
    )
    parser.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        metavar="NAME",
        help="name of this machine besides localhost, for which requests are answered; repeatable",
    )
    parser.add_argument("--json", action="store_true", help="print the url as JSON")
    return parser


if __name__ == "__main__":
    main(sys.argv[1:])
