"""Opening: how a hierarchy is reached, as often as it is needed and in every process."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pyvolume.calls.call import Call
from pyvolume.calls.holds import AUTO, Lanes
from pyvolume.calls.retry import RetryPolicy
from pyvolume.errors import MetadataError, NotFoundError, UnsupportedError
from pyvolume.model import arguments
from pyvolume.model.extras import require
from pyvolume.zarr.address import Address
from pyvolume.zarr.client import MISSING, Client
from pyvolume.zarr.requests import engines
from pyvolume.zarr.requests.folders import Folder
from pyvolume.zarr.requests.places import Place, is_bucket, parse

Mode: TypeAlias = Literal["r", "r+", "a", "w", "w-"]
"""How a store is opened: ``"r"`` and ``"r+"`` want what is there, ``"r"`` writes nothing; the others make a folder."""

MODES = ("r", "r+", "a", "w", "w-")
"""The values of `Mode`."""

LEFT_BEHIND = (
    "credentials= were not sent to this process: put them into its environment or profile, with the name of the server"
)
"""What a client says that had credentials in another process."""


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


def open_client(
    address: str | Path,
    *,
    mode: Mode = "r",
    anonymous: bool | None = None,
    endpoint: str | None = None,
    region: str | None = None,
    credentials: Mapping[str, str] | None = None,
    missing: Collection[int] = MISSING,
    lanes: Lanes | None = None,
) -> Client:
    """Open the zarr store at an address; to a server no request is sent.

    Parameters
    ----------
    address : str or Path
        A folder, ``s3://BUCKET/PATH``, ``gs://BUCKET/PATH``, ``az://CONTAINER/PATH``, or the url of a web server. A
        server of its own is named by `endpoint` or in the url, as in ``s3+http://HOST:PORT/BUCKET/PATH``.
    mode : str
        ``"r"`` only reads, ``"r+"`` writes what is there, the others of zarr may make the folder.
    anonymous : bool, optional
        True: requests are not signed. False: they are, also by the credentials of a virtual machine. By default they
        are if there are credentials: given, in the environment, or in the profile of Amazon's tools.
    endpoint : str, optional
        The url of the server. Credentials of the environment are sent to it only if it is the one that the environment
        names too, such as in ``AWS_ENDPOINT_URL``, or one of the provider's own.
    region : str, optional
        The region of a bucket of S3.
    credentials : mapping, optional
        For S3 ``access_key_id``, ``secret_access_key`` and ``session_token``; for Google ``token``; for Azure
        ``account_name`` and ``account_key``, ``sas_token`` or ``token``; for a web server ``token``. They are not sent
        to other processes with a pickled client: there the environment and the profile count.
    missing : collection of int
        The statuses that mean that nothing is stored under a key; 404 is always one of them.
    lanes : Lanes, optional
        How many requests to a server are under way at once; by default that is learnt. Benchmarks fix it.

    Raises
    ------
    AddressError
        If the address or the endpoint is malformed.
    NotFoundError
        If there is no such folder.
    """
    arguments.one_of(mode, MODES, "open", "mode")
    access = {"anonymous": anonymous, "region": region, "credentials": credentials}
    if is_bucket(address):
        return _open_bucket(parse(str(address), endpoint), mode, access, missing, lanes=lanes)
    names = [name for name, value in {**access, "endpoint": endpoint}.items() if value is not None]
    if names:
        raise TypeError(f"open: {', '.join(names)} of a bucket cannot be given, because {address} is a folder")
    path = Path(address).absolute()
    if path.is_file():
        raise MetadataError(f"open: expected a folder of zarr and found the file {path}")
    if mode in {"r", "r+"} and not path.is_dir():
        raise NotFoundError(f"open: there is no folder {path}", action="open", url=str(path))
    raw = Folder(path, read_only=mode == "r")
    reopened = functools.partial(open_client, mode=mode, missing=tuple(missing))
    return Client(raw, path.as_posix(), missing=missing, reopening=lambda: (reopened, (path,)))


def _open_bucket(
    place: Place,
    mode: Mode,
    access: Mapping[str, Any],
    missing: Collection[int],
    advice: str = "",
    *,
    lanes: Lanes | None = None,
) -> Client:
    require("obstore", extra="zarr", action=f"open {place.address}")
    from pyvolume.zarr.requests import buckets  # obstore takes its time, and is not needed for folders

    raw, place = buckets.open_bucket(place, read_only=mode == "r", **access)
    if mode != "r" and not raw.supports_writes:
        raise UnsupportedError(f"open: {place.address} is a web server, which can only be read; use mode='r'")
    others = {**access, "credentials": None}
    advice = LEFT_BEHIND if access["credentials"] else advice
    return Client(
        raw,
        place.address,
        engine=engines.OBSTORE,
        lanes=lanes or Lanes(AUTO),
        missing=missing,
        reopening=lambda: (_open_bucket, (place, mode, others, tuple(missing), advice)),
        advice="" if access["credentials"] else advice,
    )
