"""Decoding a body that something between this package and the server has compressed."""

from __future__ import annotations

import http.client
import zlib
from typing import Any

WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""What zlib is told for each coding of a body, by its name in lower case."""


class Inflater:
    """Decodes a body, and knows whether it has ended: urllib3 takes one that is cut off for a whole one.

    Parameters
    ----------
    raw : urllib3 response
        Gives the bytes as they are on the wire.
    coding : str
        One of `WINDOWS`.
    piece : int
        Bytes to ask for at a time.
    """

    def __init__(self, raw: Any, coding: str, piece: int) -> None:
        self._raw = raw
        self._window = WINDOWS[coding]
        self._piece = piece
        self._member: Any = zlib.decompressobj(self._window)
        self._coded = b""
        self._begun = False

    def read(self, limit: int) -> bytes:
        """Return the next bytes of the body, empty at its end.

        Raises
        ------
        http.client.HTTPException
            If the body ends inside its coding, or is broken.
        """
        while True:
            coded = self._coded or self._raw.read(self._piece, decode_content=False)
            if not coded:
                if self._begun and not self._member.eof:
                    raise http.client.HTTPException("the body ended inside its compressed data")
                return b""
            if decoded := self._decode(coded, limit):
                return decoded

    @property
    def is_empty(self) -> bool:
        """Whether nothing has arrived, not even the end of empty compressed data."""
        return not self._begun

    def _decode(self, coded: bytes, limit: int) -> bytes:
        if self._member.eof:  # gzip allows several members, one after the other
            self._member = zlib.decompressobj(self._window)
        try:
            decoded = self._member.decompress(coded, limit)
        except zlib.error as error:
            if self._begun or self._window != zlib.MAX_WBITS:
                raise http.client.HTTPException(f"the compressed data is broken: {error}") from None
            # many servers send deflate without the head that it has by the standard
            self._window = -zlib.MAX_WBITS
            self._member = zlib.decompressobj(self._window)
            return self._decode(coded, limit)
        self._begun = True
        self._coded = self._member.unconsumed_tail or self._member.unused_data
        return bytes(decoded)
