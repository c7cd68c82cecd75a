"""Opening: how a repository is reached, as often as it is needed and in every process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pyvolume.calls.call import Call
from pyvolume.calls.retry import RetryPolicy
from pyvolume.icechunk.address import Address
from pyvolume.zarr.opening import travelling


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
        return Opening, (self.address, *travelling(self.retry, self.options))

    @property
    def has_credentials(self) -> bool:
        """Whether the user has given credentials, which are not sent to other processes."""
        return bool(self.options.get("credentials"))

    def call(self) -> Call:
        """Begin an operation."""
        return Call(self.retry)
