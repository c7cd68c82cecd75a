"""The mock server in a process of its own.

``python -m benchmarks.far_end`` prints its url and serves until its input ends.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.congestion import can_pin, pin_listeners
from mockserver import MockServer


@contextlib.contextmanager
def mock_server() -> Iterator[str]:
    """Start the server in another process, and give its url."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.far_end"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def main() -> None:
    """Serve until the input ends."""
    with MockServer() as server:
        if can_pin():
            pin_listeners()
        print(server.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
