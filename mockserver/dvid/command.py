"""The options with which a command starts a mock of DVID."""

from __future__ import annotations

import argparse
import os

from mockserver.dvid.server import MockServer
from mockserver.options import Kind, Parser, secret

SECRET = "DVID_JWT_SECRET_KEY"
"""The environment variable that DVID reads the secret from."""

ADMIN_TOKEN = "DVID_ADMIN_TOKEN"
"""The environment variable that DVID reads the admin token from."""


def _add_options(parser: Parser) -> None:
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
    parser.add_argument(
        "--answer-unset-blocks",
        action="store_true",
        help="answer with zeros for one block of a labelmap that is not stored; DVID fails",
    )
    parser.add_argument("--read-only", action="store_true", help="only the admin token allows changes")
    parser.add_argument(
        "--cors", action="append", default=[], help="origin whose web pages may send requests, * for all; repeatable"
    )


def _start(parser: Parser, options: argparse.Namespace) -> MockServer:
    if options.throttle_slots < 1:
        parser.error(f"--throttle-slots: expected at least 1 and found {options.throttle_slots}")
    if options.auth == "token" and not os.environ.get(SECRET):
        parser.error(f"--auth token: put the secret of tokens into the environment variable {SECRET}")
    return MockServer(
        port=options.port,
        folder=options.folder,
        admin_token=secret(parser, "--admin-token-file", options.admin_token_file, ADMIN_TOKEN),
        throttle_slots=options.throttle_slots,
        auth=options.auth,
        jwt_secret=os.environ.get(SECRET) or None,
        read_only=options.read_only,
        cors=options.cors,
        allowed_hosts=options.allowed_host,
        unset_block_fails=not options.answer_unset_blocks,
    )


KIND = Kind("DVID", 8000, _add_options, _start)
