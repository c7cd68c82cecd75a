"""Places: urls of buckets and of web servers."""

from __future__ import annotations

from dataclasses import dataclass

from pyvolume.errors import AddressError
from pyvolume.transport.urls import normalised_url, without_secrets

KINDS = {"s3": "s3", "gs": "gs", "az": "az", "http": "http", "https": "http"}
"""The kind of a bucket by the scheme of its url."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a bucket is.

    Parameters
    ----------
    kind : str
        ``"s3"``, ``"gs"``, ``"az"``, or ``"http"`` for a web server.
    bucket : str
        Its name; for a web server, its url with the path.
    path : str
        The folder in the bucket.
    endpoint : str
        The server, if it is not that of the provider.
    """

    kind: str
    bucket: str
    path: str = ""
    endpoint: str = ""

    @property
    def address(self) -> str:
        """The url, which names everything that decides about what is stored."""
        if self.kind == "http":
            return self.bucket
        where = f"{self.kind}+{self.endpoint}/" if self.endpoint else f"{self.kind}://"
        return f"{where}{self.bucket}/{self.path}".rstrip("/")


def is_bucket(address: object) -> bool:
    """Whether an address is the url of a bucket or of a web server."""
    scheme = address.partition("://")[0].lower() if isinstance(address, str) and "://" in address else ""
    return scheme.partition("+")[0] in KINDS


def parse(url: str, endpoint: str | None = None) -> Place:
    """Understand the url of a bucket or of a web server.

    Raises
    ------
    AddressError
        For a malformed url.

    Examples
    --------
    >>> place = parse("s3://bucket/cells.zarr", endpoint="http://localhost:9000")
    >>> place.bucket, place.path
    ('bucket', 'cells.zarr')
    >>> place.address
    's3+http://localhost:9000/bucket/cells.zarr'
    """
    scheme, _, rest = url.partition("://")
    kind, _, transport = scheme.lower().partition("+")
    if KINDS[kind] == "http":
        if endpoint is not None:
            raise AddressError(f"open {without_secrets(url)}: a web server has no endpoint=")
        return Place("http", normalised_url(url))
    if transport:
        host, _, rest = rest.partition("/")
        named = normalised_url(f"{transport}://{host}")
        if endpoint is not None and normalised_url(endpoint) != named:
            raise AddressError(f"open {without_secrets(url)}: endpoint= is another server")
        endpoint = named
    bucket, _, path = rest.partition("/")
    parts = path.strip("/").split("/") if path.strip("/") else []
    if not bucket or set(url) & set("?#@") or any(part in {"", ".", ".."} for part in parts):
        raise AddressError(f"open: expected {kind}://BUCKET/PATH and found {without_secrets(url)!r}")
    return Place(kind, bucket, "/".join(parts), normalised_url(endpoint) if endpoint else "")
