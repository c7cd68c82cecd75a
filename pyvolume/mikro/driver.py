"""The driver of Mikro: from a url to an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pyvolume.caching.cache import BlockCache
from pyvolume.calls.retry import RetryPolicy
from pyvolume.errors import AddressError, UnsupportedError
from pyvolume.mikro import address
from pyvolume.model.extras import require
from pyvolume.stores.registry import Driver
from pyvolume.transfer.casting import Casting
from pyvolume.transport.auth import Auth
from pyvolume.transport.connection import Connection, connected, opening

if TYPE_CHECKING:
    from pyvolume.mikro.accessor import Image
    from pyvolume.mikro.server import Mikro


class MikroDriver(Driver):
    """Opens images of Mikro, see `Driver`."""

    forms = address.FORMS
    environment: ClassVar[Mapping[str, str]] = {"token": "PYVOLUME_TOKEN"}
    takes_arrays: ClassVar[bool] = True

    def recognises(self, url: str) -> bool:
        """Whether a url begins with ``mikro://``."""
        return address.recognises(url)

    def server_of(self, url: str) -> str:
        """Return the catalogue of a url."""
        return address.server_of(url)

    def names_volume(self, url: str) -> bool:
        """Whether a url names an image, not the server."""
        return bool(address.parse(url).image)

    def catalogue(self, url: str, *, retry: RetryPolicy | None = None, token: str | None = None) -> Mikro:
        """List the images of a server.

        Parameters
        ----------
        url : str
            Of the server.
        retry, token : optional
            Arguments of the `Connection` that is made.
        """
        return self.connect(url, retry=retry, token=token)

    def connect(
        self,
        url: str,
        *,
        retry: RetryPolicy | None = None,
        timeout: float | tuple[float, float] | None = None,
        max_document: int | None = None,
        token: str | None = None,
        auth: Auth | str | None = None,
    ) -> Mikro:
        """Return the server at a url.

        Parameters
        ----------
        url : str
            ``mikro://http://HOST:PORT?store=http://HOST:PORT``.
        retry, timeout, max_document : optional
            Arguments of the `Connection` that is made.
        token : str, optional
            Sent as a bearer token.
        auth : Auth or str, optional
            Says who asks, see `Connection`; not together with a token.

        Raises
        ------
        AddressError
            If the url names an image.
        ImportError
            If zarr or obstore is not installed.
        """
        found = address.parse(url)
        if found.image:
            raise AddressError(f"connect {url}: expected a server; pyvolume.open opens image {found.image}")
        _require(f"connect {found.url}")
        from pyvolume.mikro.server import Mikro  # late: it imports zarr

        given = {"retry": retry, "timeout": timeout, "max_document": max_document, "token": token, "auth": auth}
        return Mikro(connected(found.server, given), store=found.store, region=found.region, owns_connection=True)

    def open(
        self,
        url: str,
        mode: Literal["r", "r+"] = "r",
        *,
        connection: Connection | None = None,
        retry: RetryPolicy | None = None,
        timeout: float | tuple[float, float] | None = None,
        max_document: int | None = None,
        token: str | None = None,
        auth: Auth | str | None = None,
        partial_blocks: Literal["merge", "raise"] = "merge",  # noqa: ARG002 - of every driver
        casting: Casting = "checked",
        cache: BlockCache | None = None,
    ) -> Image:
        """Open the image at a url.

        Parameters
        ----------
        url : str
            In the form of `pyvolume.mikro.address`.
        mode : "r"
            An image is only read.
        connection : Connection, optional
            A connection to the catalogue. It stays open when the image is closed. Without it the image makes one and
            closes it.
        retry, timeout, max_document : optional
            Arguments of the `Connection` that is made.
        token : str, optional
            Sent as a bearer token.
        auth : Auth or str, optional
            Says who asks, see `Connection`; not together with a token.
        partial_blocks, casting, cache
            See `pyvolume.Volume`; the first two are of no use here.

        Raises
        ------
        AddressError
            If the url names no image, or another catalogue than the connection.
        ImportError
            If zarr or obstore is not installed.
        UnsupportedError
            For mode "r+", and for an array that a volume cannot show.
        NotFoundError, MetadataError, StoreError
            As for `Mikro.image`.
        """
        found = address.parse(url)
        if not found.image:
            raise AddressError(f"open {url}: expected the id of an image behind the server, as in {address.FORMS}")
        _require(f"open {found.url}")
        from pyvolume.mikro.accessor import opened  # late: it imports zarr
        from pyvolume.mikro.store import INSTEAD, Place

        if mode != "r":
            raise UnsupportedError(f"open {found.url} with mode {mode!r}: {INSTEAD}")
        given = {"retry": retry, "timeout": timeout, "max_document": max_document, "token": token, "auth": auth}
        with opening(found.server, connection, given, lambda: connected(found.server, given)) as current:
            return opened(Place(current, found), owns_connection=connection is None, casting=casting, cache=cache)


DRIVER = MikroDriver()


def _require(action: str) -> None:
    for library in ("zarr", "obstore"):
        require(library, extra="mikro", action=action)
