"""The server that the tests of Mikro use: a mock, or a real one that the environment names."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mockserver import MikroServer
from pyvolume.mikro import Image, Mikro

URL = os.environ.get("PYVOLUME_MIKRO_URL", "")
STORE = os.environ.get("PYVOLUME_MIKRO_STORE", "")
TOKEN = os.environ.get("PYVOLUME_MIKRO_TOKEN", "test")


@dataclass(frozen=True)
class Server:
    """Where a server is, and the token of an administrator."""

    url: str
    store_url: str
    token: str = TOKEN

    def open(self, **options: Any) -> Mikro:
        """Return the server for users."""
        return Mikro(self.url, **{"token": self.token, "store": self.store_url, **options})


def lowest(image: Image) -> int:
    """Return the lowest voxel, in another process."""
    return int(image.min())


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """Give the real server if there is one, else a mock."""
    if URL and STORE:
        yield Server(URL, STORE)
        return
    with MikroServer() as mock:
        yield Server(mock.url, mock.store_url, "test")
