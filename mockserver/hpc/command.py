"""The options with which a command starts a mock of the HPC DataStore."""

from __future__ import annotations

import argparse

from mockserver.hpc.server import DataStoreServer
from mockserver.options import Kind, Parser, secret

TOKEN = "DATASTORE_TOKEN"
"""The environment variable with the token that requests need."""


def _add_options(parser: Parser) -> None:
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        help=f"file with the token that requests need; default: environment variable {TOKEN}",
    )
    parser.add_argument(
        "--strict", action="store_true", help="refuse payloads that are cut short, and versions that are not there"
    )
    parser.add_argument("--dedicated", action="store_true", help="start a process of its own for each open")


def _start(parser: Parser, options: argparse.Namespace) -> DataStoreServer:
    return DataStoreServer(
        port=options.port,
        token=secret(parser, "--token-file", options.token_file, TOKEN),
        strict=options.strict,
        dedicated=options.dedicated,
        allowed_hosts=options.allowed_host,
    )


KIND = Kind("the HPC DataStore", 9080, _add_options, _start)
