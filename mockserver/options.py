"""What the commands of all kinds of servers share: a parser, and secrets that are no arguments."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from mockserver.http.sites import Site


class Parser(argparse.ArgumentParser):
    """An argument parser that prints errors on one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


@dataclass(frozen=True)
class Kind:
    """A kind of server, as a command starts it.

    Parameters
    ----------
    title : str
        What the server is a mock of.
    port : int
        The port by default.
    add_options : callable
        ``add_options(parser)`` adds the options that only this kind has.
    start : callable
        ``start(parser, options)`` starts the server. Options that it does not allow are errors of the parser.
    urls : callable
        Returns the addresses of a running server, which are printed, by their names.
    """

    title: str
    port: int
    add_options: Callable[[Parser], None]
    start: Callable[[Parser, argparse.Namespace], AbstractContextManager[Any]]
    urls: Callable[[Any], Mapping[str, str]] = lambda server: {"url": server.url}

    def add_to(self, parser: Parser) -> None:
        """Add all options of this kind to a parser."""
        port = f"port to listen on; 0 takes a free one; default: {self.port}"
        parser.add_argument("--port", type=int, default=self.port, help=port)
        self.add_options(parser)
        parser.add_argument(
            "--allowed-host",
            action="append",
            default=[],
            metavar="NAME",
            help="name of this machine besides localhost, for which requests are answered; repeatable",
        )
        parser.add_argument("--json", action="store_true", help="print the url as JSON")


def check(parser: Parser, options: argparse.Namespace) -> None:
    """Refuse options that no kind allows."""
    if not 0 <= options.port <= 65535:
        parser.error(f"--port: expected 0 to 65535 and found {options.port}")
    try:
        Site.of(options.allowed_host)
    except ValueError as error:
        parser.error(f"--allowed-host: {error}")


def secret(parser: Parser, option: str, file: str | None, variable: str) -> str | None:
    """Return a secret from a file or the environment; every user of the machine can see the arguments of a command."""
    if file is None:
        return os.environ.get(variable) or None
    try:
        token = Path(file).read_text("utf-8").strip()
    except (OSError, UnicodeError) as error:
        parser.error(f"{option}: {error}")
    return token or parser.error(f"{option}: expected a token in {file}, and found none")
