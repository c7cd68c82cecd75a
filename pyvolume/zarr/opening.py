"""Opening: how a hierarchy is reached, as often as it is needed and in every process."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pyvolume.calls.call import Call
from pyvolume.calls.retry import RetryPolicy
from pyvolume.zarr.address import Address
from pyvolume.zarr.client import Client
from pyvolume.zarr.clients import open_client


@dataclass(frozen=True, slots=True)
class Opening:
    """How a hierarchy is opened.

    Parameters
    ----------
    address : Address
        Of a node in it.
    mode : "r" or "r+"
        Whether it is written to.
    retry : RetryPolicy
        How long requests are repeated.
    options : dict
        Options of `open_client`.
    """

    address: Address
    mode: Literal["r", "r+"]
    retry: RetryPolicy = RetryPolicy()
    options: dict[str, Any] = field(default_factory=dict, repr=False)

    def __reduce__(self) -> tuple[type[Opening], tuple[Any, ...]]:
        return Opening, (self.address, self.mode, *travelling(self.retry, self.options))

    def client(self) -> Client:
        """Make a client of the hierarchy."""
        return open_client(self.address.root, mode=self.mode, **self.options)

    def with_endpoint(self, client: Client) -> Opening:
        """Return the opening with the address that names the server of a bucket too."""
        if not self.address.is_remote:
            return self
        options = {name: value for name, value in self.options.items() if name != "endpoint"}
        address = dataclasses.replace(self.address, root=client.address)
        return dataclasses.replace(self, address=address, options=options)

    def call(self) -> Call:
        """Begin an operation."""
        return Call(self.retry)

    def url_of(self, path: str) -> str:
        """Return the url that opens a node of the hierarchy."""
        return self.address.at(path).url


def travelling(retry: RetryPolicy, options: Mapping[str, Any]) -> tuple[RetryPolicy, dict[str, Any]]:
    """Return what another process gets: it has credentials of its own, and callbacks mean nothing there."""
    kept = {name: value for name, value in options.items() if name != "credentials"}
    return dataclasses.replace(retry, on_wait=None), kept
