"""Starting far ends in processes of their own.

Every module here that serves can be run: it prints its url, answers a line of input with a line of output, and ends
with its input.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.servers.shaping import Line


@dataclass(frozen=True)
class Server:
    """A server that runs, and the pipe to its process."""

    url: str
    process: subprocess.Popen[str]

    def ask(self, question: str) -> str:
        """Send a line, return the line that answers it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@contextlib.contextmanager
def running(module: str, options: Mapping[str, object] | None = None) -> Iterator[Server]:
    """Start a server and wait until it listens.

    Parameters
    ----------
    module : str
        Of this package.
    options : mapping
        Given on its command line.
    """
    given = [f"--{name.replace('_', '-')}={value}" for name, value in (options or {}).items() if value is not None]
    command = [sys.executable, "-m", f"benchmarks.servers.{module}", *given]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            if not url.startswith("http"):
                raise RuntimeError(f"benchmark: {module} did not start")
            yield Server(url, process)
        finally:
            process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()


@contextlib.contextmanager
def proxy_to(url: str, line: Line) -> Iterator[Server]:
    """Put a line of these qualities in front of a server."""
    with running("proxy", {"target": url, **line.options()}) as server:
        yield server
