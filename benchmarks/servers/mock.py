"""A mock server in a process of its own."""

from __future__ import annotations

import argparse

from benchmarks.congestion import can_pin, pin_open
from benchmarks.servers.until_closed import converse
from mockserver import DataStoreServer, MockServer

KINDS = {"dvid": MockServer, "hpc": DataStoreServer}
"""What ``--kind`` names."""


def main() -> None:
    """Serve until the input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=KINDS, default="dvid")
    with KINDS[parser.parse_args().kind]() as server:
        if can_pin():
            pin_open()  # what a listening socket accepts inherits it
        converse(server.url)


if __name__ == "__main__":
    main()
