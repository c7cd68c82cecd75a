"""A moto server: S3 on this machine, as far as it goes."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from unittest import mock

KEYS = {"access_key_id": "AKIAPYVOLUME", "secret_access_key": "moto-secret"}
"""Any keys will do."""


@contextlib.contextmanager
def running() -> Iterator[str]:
    """Run a server on a free port, and give its url."""
    from moto import backends
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it logs each request
    services = tuple(backends.list_of_moto_modules())  # moto lists its folder for each request
    with mock.patch.object(backends, "list_of_moto_modules", return_value=services):
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        try:
            host, port = server.get_host_and_port()
            yield f"http://{host}:{port}"
        finally:
            server.stop()


def make_bucket(url: str, name: str) -> None:
    """Make a bucket, over plain HTTP: moto does not look at the signature."""
    import requests

    requests.put(f"{url}/{name}", timeout=30).raise_for_status()
