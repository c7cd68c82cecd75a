"""A real DVID server for the tests: one that runs already, or one started from the `dvid` on PATH."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CONFIGURATION = """
[server]
httpAddress = "localhost:{http}"
rpcAddress = "localhost:{rpc}"
shutdownDelay = 0
{settings}
[logging]
logfile = "dvid.log"
[store]
  [store.main]
  engine = "badger"
  path = "db"
  [store.mutlog]
  engine = "filelog"
  path = "mutlog"
[backend]
  [backend.default]
  store = "main"
  log = "mutlog"
"""

ADMIN_TOKEN = "a-token-of-the-tests"
JWT_SECRET = "a-secret-of-the-tests-that-is-long-enough-for-each-of-the-three-hashes"


@dataclass(frozen=True)
class RealDvid:
    url: str
    admin_token: str | None


def why_missing() -> str | None:
    """Say why there is no real DVID here, or None where there is one."""
    if os.environ.get("PYVOLUME_DVID_URL") or shutil.which("dvid"):
        return None
    return "no real DVID: put `dvid` on PATH, or name a server in PYVOLUME_DVID_URL (and DVID_ADMIN_TOKEN)"


def if_there(name: str = "dvid") -> list[str]:
    """Return a value for the parameter of a fixture, or none where there is no real DVID."""
    return [] if why_missing() else [name]


def if_own(name: str = "dvid") -> list[str]:
    """Return a value for the parameter of a fixture, or none where no empty DVID can be started."""
    return [name] if shutil.which("dvid") and not os.environ.get("PYVOLUME_DVID_URL") else []


@contextlib.contextmanager
def running(folder: Path, settings: str = "", sections: str = "") -> Iterator[RealDvid]:
    """Give the server named in the environment, or start one in `folder`, with more of a configuration."""
    url = os.environ.get("PYVOLUME_DVID_URL")
    if url:
        yield RealDvid(url, os.environ.get("DVID_ADMIN_TOKEN"))
        return
    http, rpc = free_ports(2)
    configuration = folder / "dvid.toml"
    configuration.write_text(CONFIGURATION.format(http=http, rpc=rpc, settings=settings) + sections)
    environment = os.environ | {"DVID_ADMIN_TOKEN": ADMIN_TOKEN, "DVID_JWT_SECRET_KEY": JWT_SECRET}
    with (
        (folder / "output.log").open("wb") as output,
        subprocess.Popen(
            ["dvid", "serve", str(configuration)], cwd=folder, env=environment, stdout=output, stderr=output
        ) as process,
    ):
        try:
            _await_answer(f"http://localhost:{http}/api/heartbeat", process, folder / "output.log")
            yield RealDvid(f"http://localhost:{http}", ADMIN_TOKEN)
        finally:
            process.kill()


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _await_answer(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.05)  # another process is starting: nothing to wait on but its port
    raise RuntimeError(f"dvid did not start: {log.read_text(errors='replace')[-2000:]}")
