"""``python -m mockserver``: run the server by hand."""

from __future__ import annotations

import argparse
import os
import signal
import threading

from .server import MockServer


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m mockserver", description="A mock of a DVID server.")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on; 0 takes a free one")
    parser.add_argument("--folder", help="keep everything there between runs")
    parser.add_argument(
        "--admin-token",
        default=os.environ.get("DVID_ADMIN_TOKEN") or None,
        help="needed to create repositories; default: environment variable DVID_ADMIN_TOKEN",
    )
    parser.add_argument("--throttle-slots", type=int, default=1, help="throttled operations at a time")
    parser.add_argument(
        "--auth",
        choices=["none", "token"],
        default="none",
        help="what repositories ask for: nothing, or a token signed with environment variable DVID_JWT_SECRET_KEY",
    )
    parser.add_argument("--read-only", action="store_true", help="only the admin token allows changes")
    parser.add_argument("--cors", action="append", default=[], help="origin whose pages may ask, * for all; repeatable")
    options = parser.parse_args()
    secret = os.environ.get("DVID_JWT_SECRET_KEY") or None
    if options.auth == "token" and secret is None:
        parser.error("--auth token: put the secret of tokens into the environment variable DVID_JWT_SECRET_KEY")
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with MockServer(
        port=options.port,
        folder=options.folder,
        admin_token=options.admin_token,
        throttle_slots=options.throttle_slots,
        auth=options.auth,
        jwt_secret=secret,
        read_only=options.read_only,
        cors=options.cors,
    ) as server:
        print(server.url, flush=True)
        stopped.wait()


if __name__ == "__main__":
    main()
