"""Opening: how a repository is reached, as often as it is needed and in every process."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from pyvolume.calls.call import Call
from pyvolume.calls.retry import RetryPolicy
from pyvolume.icechunk.address import Address


@dataclass(frozen=True, slots=True)
class Opening:
    """How a repository is opened.

    Parameters
    ----------
    address : Address
        Of the repository.
    retry : RetryPolicy
        How long requests are repeated.
    options : dict
        Of a bucket, see `IcechunkDriver.open`.
    """

    address: Address
    retry: RetryPolicy = RetryPolicy()
    options: dict[str, Any] = field(default_factory=dict, repr=False)

    def __reduce__(self) -> tuple[type[Opening], tuple[Any, ...]]:
        # the process that reads it has credentials of its own, and callbacks of another one mean nothing there
        options = {name: value for name, value in self.options.items() if name != "credentials"}
        return Opening, (self.address, dataclasses.replace(self.retry, on_wait=None), options)

    @property
    def has_credentials(self) -> bool:
        """Whether the user has given credentials, which are not sent to other processes."""
        return bool(self.options.get("credentials"))

    def call(self) -> Call:
        """Begin an operation."""
        return Call(self.retry)
