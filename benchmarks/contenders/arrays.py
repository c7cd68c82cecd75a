"""An array of zarr behind a web server, as other libraries open it; nothing is cached."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def by_zarr(url: str, concurrency: int) -> Iterator[Any]:
    """Open an array with zarr and obstore, which then send so many requests at a time."""
    library: Any = importlib.import_module("zarr")
    stores: Any = importlib.import_module("obstore.store")
    storage: Any = importlib.import_module("zarr.storage")
    http = stores.HTTPStore(url, client_options={"allow_http": True})
    with library.config.set({"async.concurrency": concurrency}):
        yield library.open_array(storage.ObjectStore(http, read_only=True), mode="r", zarr_format=3)


def by_tensorstore(url: str, concurrency: int | None = None) -> Any:
    """Open an array with TensorStore, with so many requests at a time, or with its own number."""
    library: Any = importlib.import_module("tensorstore")
    context: dict[str, Any] = {"cache_pool": {"total_bytes_limit": 0}}
    if concurrency is not None:
        context["http_request_concurrency"] = {"limit": concurrency}
    specification = {"driver": "zarr3", "kvstore": {"driver": "http", "base_url": f"{url}/"}}
    return library.open(specification, context=library.Context(context), read=True).result()
