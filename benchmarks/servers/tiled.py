"""A tiled server with a catalogue of its own in a temporary folder, pinned to cubic like the others."""

from __future__ import annotations

import importlib
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.servers.until_closed import address_of, converse, listener

API_KEY = "benchmark"


def main() -> None:
    """Serve until the input ends."""
    uvicorn: Any = importlib.import_module("uvicorn")
    with tempfile.TemporaryDirectory() as folder:
        app = _application(Path(folder))
        listening = listener()
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
        threading.Thread(target=server.run, args=([listening],), daemon=True).start()
        while not server.started:
            time.sleep(0.05)
        converse(address_of(listening))


def _application(folder: Path) -> Any:
    tree = {
        "uri": str(folder / "catalog.db"),
        "writable_storage": str(folder / "storage"),
        "init_if_not_exists": True,
    }
    configuration = {
        "trees": [{"path": "/", "tree": "catalog", "args": tree}],
        "authentication": {"single_user_api_key": API_KEY, "allow_anonymous_access": True},
    }
    app: Any = importlib.import_module("tiled.server.app")
    return app.build_app_from_config(configuration)


if __name__ == "__main__":
    main()
