"""HSDS on a folder of its own in the temporary directory; its sockets cannot be pinned.

Its command is found on the PATH, so that it can have an environment of its own: it needs an older numcodecs than zarr.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.servers.until_closed import converse

USER = "benchmark"
BUCKET = "voxels"
DATA_NODES = 2
READY = "READY!"


def main() -> None:
    """Serve until the input ends."""
    with tempfile.TemporaryDirectory(prefix="hsds-") as folder, _service(Path(folder)) as url:
        _make_folders(url)
        converse(url)


@contextlib.contextmanager
def _service(folder: Path) -> Iterator[str]:
    (folder / BUCKET).mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = {
        "root_dir": folder, "bucket_name": BUCKET, "host": "127.0.0.1", "port": port, "hs_username": USER,
        "hs_password": USER, "count": DATA_NODES, "loglevel": "ERROR", "logfile": folder / "hsds.log",
    }  # fmt: skip
    command = ["hsds", *(f"--{name}={value}" for name, value in options.items())]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        try:
            if not any(line.startswith(READY) for line in process.stdout):
                raise RuntimeError("benchmark: HSDS did not start")
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def _make_folders(url: str) -> None:
    h5pyd: Any = importlib.import_module("h5pyd")
    for path in ("/", "/home/", f"/home/{USER}/"):
        h5pyd.Folder(path, mode="x", **access(url))


def access(url: str) -> dict[str, str]:
    """Return what a client has to say to be let in."""
    return {"endpoint": url, "username": USER, "password": USER, "bucket": BUCKET}


if __name__ == "__main__":
    main()
