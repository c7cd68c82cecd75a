"""Servers that are killed and started again: the mock with its folder, and a real DVID."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from real_dvid import ADMIN_TOKEN, CONFIGURATION, free_ports

from mockserver import Fault, MockServer
from mockserver.http.faults import KINDS

WAIT = 60
"""Seconds that a server has to start."""


class Kind(Protocol):
    """A kind of server."""

    name: str

    def command(self, folder: Path, port: int, seed: int) -> Sequence[str]:
        """Return the command that starts it in a folder that may hold its data."""


class MockKind:
    """The mock server, which fails on purpose as well."""

    name = "mock"

    def command(self, folder: Path, port: int, seed: int) -> Sequence[str]:
        """Return the command that runs this module."""
        return [sys.executable, "-m", "tests.torture.servers", str(folder / "volumes"), str(port), str(seed)]


class DvidKind:
    """A real DVID, which cannot be asked to fail."""

    name = "DVID"

    def command(self, folder: Path, port: int, seed: int) -> Sequence[str]:
        """Write the configuration, the first time, and return the command of DVID."""
        configuration = folder / "dvid.toml"
        if not configuration.exists():
            (rpc,) = free_ports(1)
            configuration.write_text(CONFIGURATION.format(http=port, rpc=rpc, settings=""))
        return ["dvid", "serve", str(configuration)]


def kinds() -> list[Kind]:
    """Return the kinds of server on this machine."""
    return [MockKind(), DvidKind()] if shutil.which("dvid") else [MockKind()]


class Mortal:
    """A server in a process of its own that can be killed and started again.

    Parameters
    ----------
    kind : Kind
        What to start.
    folder : Path
        Where it keeps its data.
    seed : int
        Of its faults.
    """

    def __init__(self, kind: Kind, folder: Path, seed: int) -> None:
        (self.port,) = free_ports(1)
        self.url = f"http://localhost:{self.port}"
        self._kind = kind
        self._folder = folder
        self._seed = seed
        self._start()

    def _start(self) -> None:
        environment = os.environ | {"DVID_ADMIN_TOKEN": ADMIN_TOKEN}
        with (self._folder / "output.log").open("ab") as output:
            self._process = subprocess.Popen(
                self._kind.command(self._folder, self.port, self._seed),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=environment,
            )
        self._seed += 1
        self._await()

    def _await(self) -> None:
        end = time.monotonic() + WAIT
        while time.monotonic() < end and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/api/server/types", timeout=WAIT):
                    return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"the server did not start: {self.last_words()}")

    def restart(self) -> None:
        """Kill it with SIGKILL, and start it again on the same data."""
        self.kill()
        self._start()

    def torment(self) -> None:
        """Let it fail from now on, if it can."""
        self._tell(b"torment\n")

    def calm(self) -> None:
        """Let it fail no longer."""
        self._tell(b"calm\n")
        time.sleep(0.5)

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()

    def last_words(self) -> str:
        """Return the end of what it has printed."""
        return (self._folder / "output.log").read_text(errors="replace")[-2000:]

    def _tell(self, line: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()


def serve_faulty(folder: str, port: int, seed: int) -> None:
    """Run the mock server until standard input ends; it fails from the line ``torment`` to the line ``calm``."""
    rng, tormented = random.Random(seed), threading.Event()
    with MockServer(folder=folder, port=port, admin_token=ADMIN_TOKEN) as server:

        def fail() -> None:
            while True:
                tormented.wait()
                server.faults.add(random_fault(rng))
                time.sleep(rng.uniform(0.02, 0.3))
                server.faults.clear()
                time.sleep(rng.uniform(0, 0.1))

        threading.Thread(target=fail, daemon=True).start()
        for line in sys.stdin:
            if line.strip() == "torment":
                tormented.set()
            else:
                tormented.clear()
        os._exit(0)


def random_fault(rng: random.Random) -> Fault:
    """Choose a fault of any kind; a stall is rarer, since each costs the timeout of a client."""
    kind = rng.choice(sorted(KINDS - {"stall"})) if rng.random() < 0.97 else "stall"
    # nothing but its length says how long a value is
    path = "(?!.*/key/).*" if kind in {"short", "long"} else ".*"
    return Fault(
        kind,
        path=path,
        times=rng.choice([1, 1, 2, 4]),
        method=rng.choice([None, "GET", "POST"]),
        status=rng.choice([500, 502, 503, 504, 429, 400]),
        text=rng.choice([None, "<html>Bad Gateway</html>"]),
        retry_after=rng.choice([None, None, 0, 0.1]),
        amount=rng.choice([1, 7, 4096]),
        pause=0.01,
        must_fire=False,
    )


if __name__ == "__main__":
    serve_faulty(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
