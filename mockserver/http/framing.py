"""Framing: how a server puts answers on the wire, as far as servers differ in it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Framing:
    """The limits of one kind of HTTP server.

    Parameters
    ----------
    buffered : int
        Bytes. A shorter body is sent with its length, a longer one in chunks.
    drained : int
        Bytes. If a request is answered before its body is read, the server reads at most this many bytes of the
        rest and keeps the connection. If more are left, it closes the connection.
    linger_seconds : float
        How long the server waits before it closes a connection whose request it has not read completely. The close
        resets the connection, and a reset can destroy an answer that the client has not read yet.
    head : int
        Bytes of the longest head of a request, with its request line.
    """

    buffered: int
    drained: int
    linger_seconds: float
    head: int


GO = Framing(buffered=2048, drained=256 * 1024, linger_seconds=0.5, head=(1 << 20) + 4096)
"""Go's ``net/http``."""
