"""The options with which a command starts a mock of Mikro."""

from __future__ import annotations

import argparse

from mockserver.mikro.server import MikroServer
from mockserver.options import Kind, Parser, secret

TOKEN = "MIKRO_TOKEN"
"""The environment variable with the token of an administrator."""


def _add_options(parser: Parser) -> None:
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        help=f"file with the token of an administrator; default: environment variable {TOKEN}, else the token test",
    )
    parser.add_argument(
        "--store-port", type=int, default=9000, help="port of the object store; 0 takes a free one; default: 9000"
    )
    parser.add_argument(
        "--grants",
        choices=("scoped", "plain"),
        default="scoped",
        help="keys of the store for one image, which expire, or permanent ones for everything; default: scoped",
    )


def _start(parser: Parser, options: argparse.Namespace) -> MikroServer:
    token = secret(parser, "--token-file", options.token_file, TOKEN)
    return MikroServer(
        port=options.port,
        store_port=options.store_port,
        tokens=None if token is None else {token: {"sub": "1"}},
        grants=options.grants,
        allowed_hosts=options.allowed_host,
    )


KIND = Kind("Mikro", 8080, _add_options, _start, lambda server: {"url": server.url, "store_url": server.store_url})
