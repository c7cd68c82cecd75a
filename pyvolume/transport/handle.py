"""Handle: what a user holds of a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from pyvolume.transport.connection import Connection


class ServerHandle:
    """A server and its connection; the end of a ``with`` block closes it.

    Parameters
    ----------
    server : Connection or str
        A connection, which `close` leaves open; or a url, for which a connection is made that `close` closes.
    connect : callable
        Makes the connection to a url.
    owns_connection : bool
        Close a given connection too.

    Raises
    ------
    AddressError
        If the url is not one of an HTTP server.
    """

    def __init__(
        self, server: Connection | str, connect: Callable[[str], Connection], *, owns_connection: bool = False
    ) -> None:
        self._owns_connection = owns_connection or not isinstance(server, Connection)
        self.connection = server if isinstance(server, Connection) else connect(server)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.connection.url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, if it is this handle's own."""
        if self._owns_connection:
            self.connection.close()
