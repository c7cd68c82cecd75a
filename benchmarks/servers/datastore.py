"""The mock of the HPC DataStore in a process of its own."""

from __future__ import annotations

from benchmarks.congestion import can_pin, pin_open
from benchmarks.servers.until_closed import converse
from mockserver import DataStoreServer


def main() -> None:
    """Serve until the input ends."""
    with DataStoreServer() as server:
        if can_pin():
            pin_open()  # what a listening socket accepts inherits it
        converse(server.url)


if __name__ == "__main__":
    main()
