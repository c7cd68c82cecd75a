"""Answer: one answer of a server whose body is still on the wire."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from pyvolume.errors import AnswerError, TransportError
from pyvolume.model.arguments import brief
from pyvolume.transport.coding import WINDOWS, Inflater
from pyvolume.transport.documents import JsonReader
from pyvolume.transport.failures import translated
from pyvolume.transport.wire import WireAnswer, length_of

PIECE = 1 << 18
"""Bytes for each read where the body cannot be received in place (256 KiB stays inside the allocator)."""

WINDOW = 1 << 17
"""Bytes of the first read in place: few enough to see progress on a slow line, well within the patience."""

QUICK = 0.1
"""Seconds: a window that is full by then is doubled, because each return to Python may wait for the interpreter."""

SLOW = 1.0
"""Seconds: after a window that took longer, they begin small again."""

MAX_DOCUMENT = 64 << 20
"""Bytes of the largest document, if the user does not say another number."""


class Received(NamedTuple):
    """The head of an answer, and `raw`: urllib3's response, or what the session of a user has in its place."""

    status: int
    headers: Mapping[str, str]
    raw: Any

    def __repr__(self) -> str:
        return f"<head of an answer {self.status}>"  # its headers can hold cookies, or the url with the secrets


class Answer:
    """One answer whose head has arrived and whose body is still on the wire.

    Parameters
    ----------
    received : Received
        The response of the library.
    action : str
        What the user wanted, as errors say it.
    report : callable
        Called with the number of bytes whenever some have arrived.
    max_document : int
        Bytes of the largest body that is received as a whole without a length that was agreed.
    """

    def __init__(
        self, received: Received, action: str, report: Callable[[int], None], max_document: int = MAX_DOCUMENT
    ) -> None:
        self.status, self.headers, self._raw = received
        self._action = action
        self._report = report
        self._json = JsonReader(action, self.headers.get("Content-Type", ""), max_document)
        self._received = 0
        self._coding = self.headers.get("Content-Encoding", "").strip().lower()
        is_plain = self._coding in {"", "identity"}
        self._length = self.headers.get("Content-Length")
        self._announced = None if self._length is None or not is_plain else length_of(self._length)
        self._inflater = Inflater(self._raw, self._coding, PIECE) if self._coding in WINDOWS else None
        self._direct = _direct(self._raw) if is_plain else None

    def close(self) -> None:
        """Give the connection back; it is closed where something is left on it."""
        self._raw.close()
        self._raw.release_conn()

    @property
    def media_type(self) -> str:
        """The type of the body, in lower case and without parameters; empty if there is none."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def check_framing(self) -> None:
        """Check that the head says where the body ends, if it speaks of it.

        Raises
        ------
        AnswerError
            For a length that is no number, or a transfer coding that is not decoded.
        """
        coding = self.headers.get("Transfer-Encoding", "chunked")
        if coding.strip().lower() != "chunked":
            raise AnswerError(f"{self._action}: expected no transfer coding but chunked and found {brief(coding)}")
        if self._announced is None and self._length is not None and length_of(self._length) is None:
            raise AnswerError(f"{self._action}: expected a length of the answer and found {brief(self._length)}")

    def expect(self, nbytes: int | None, content_type: str) -> None:
        """Check the head against what was agreed, before anything is received; None for a length that is not known.

        Raises
        ------
        AnswerError
            For another type or length than agreed.
        """
        found_type = self.headers.get("Content-Type", "")
        if self.media_type != content_type:
            with translated(self._action):
                first = self._receive_some(200)
            raise AnswerError(
                f"{self._action}: expected {content_type} and found {found_type or 'no type'}, "
                f"beginning {first!r}; is a proxy in between?",
                content_type=found_type,
                first_bytes=first,
            )
        if nbytes is not None and self._announced is not None and self._announced != nbytes:
            raise self.wrong_length(nbytes, self._announced)

    def read_into(self, view: memoryview) -> None:
        """Fill a flat view of bytes from the body.

        Raises
        ------
        AnswerError
            If the body ends before the view is full.
        TransportError
            If the connection breaks.
        """
        got, want, window = 0, len(view), WINDOW
        with translated(self._action):
            while got < want:
                began = time.monotonic()
                count = self._receive(view[got : got + window])
                took = time.monotonic() - began
                if took < QUICK:
                    window *= 2
                elif took > SLOW:
                    window = WINDOW
                if not count:
                    raise self._ended_early(want - got)
                got += count
                self._received += count
                self._report(count)

    def _receive(self, view: memoryview) -> int:
        if self._direct is not None:
            return self._direct.readinto(view)
        data = self._receive_decoded(min(len(view), PIECE))
        view[: len(data)] = data
        return len(data)

    def _ended_early(self, missing: int) -> AnswerError | TransportError:
        """Tell a short body from a broken connection, which http.client does not report."""
        if self._announced is not None and self._announced > self._received:
            return TransportError(
                f"{self._action}: the connection broke after {self._received} of {self._announced} bytes",
                retryable=True,
            )
        return self.wrong_length(self._received + missing, self._received)

    def wrong_length(self, expected: int, found: int) -> AnswerError:
        """Return the error for a body of another length; -1 is one that is longer."""
        return AnswerError(
            f"{self._action}: expected {expected} bytes and found {'more' if found < 0 else found}",
            expected=expected,
            found=found,
            content_type=self.headers.get("Content-Type", ""),
        )

    def finish(self) -> None:
        """Check that the body has ended, and give the connection back.

        Raises
        ------
        AnswerError
            If there is more than was asked for.
        """
        # with chunked coding the last chunk is still to be read: without that the connection would be lost
        with translated(self._action):
            if self._receive_some(1):
                raise self.wrong_length(self._received, -1)
            self._raw.release_conn()

    def _receive_some(self, limit: int) -> bytes:
        if self._direct is None:
            return self._receive_decoded(limit)
        return b"" if self._direct.isclosed() else self._direct.read(limit)

    def _receive_decoded(self, limit: int) -> bytes:
        if self._inflater is not None:
            return self._inflater.read(limit)
        if self._coding not in {"", "identity"}:
            raise AnswerError(
                f"{self._action}: expected no compression or {', '.join(WINDOWS)} and found {self._coding}"
            )
        return bytes(self._raw.read(limit, decode_content=False))

    def read(self, limit: int | None = None) -> bytes:
        """Receive the whole body, and give the connection back.

        Parameters
        ----------
        limit : int, optional
            A longer body is cut, and its connection closed by whoever owns the answer. Without it a body that is longer
            than `max_document` is an error.

        Raises
        ------
        MetadataError
            If the body is too long; what is beyond the limit is not received.
        """
        if limit is not None:
            return self._read(limit)
        most = self.max_document
        data = b"" if (self._announced or 0) > most else self._read(most + 1)
        if max(self._announced or 0, len(data)) > most:
            raise self._json.too_large("the answer")
        return data

    def _read(self, limit: int) -> bytes:
        pieces: list[bytes] = []
        left = limit
        with translated(self._action):
            while left and (piece := self._receive_some(min(left, PIECE))):
                pieces.append(piece)
                left -= len(piece)
                self._received += len(piece)
                self._report(len(piece))
            if left:
                if self._announced is not None and self._announced > self._received:
                    raise self._ended_early(self._announced - self._received)
                if self._inflater is not None and self._inflater.is_empty:
                    raise http.client.HTTPException(f"{self._coding} data without a byte")
                self._raw.release_conn()
        return b"".join(pieces)

    def read_nothing(self) -> None:
        """Receive the empty body with which a server acknowledges a change.

        Raises
        ------
        AnswerError
            If there is something in it, such as the page of a proxy.
        """
        body = self.read(200)
        if body:
            found = self.headers.get("Content-Type", "no type")
            raise AnswerError(
                f"{self._action}: expected an empty answer and found {found}, beginning {body!r}; "
                "is a proxy in between?",
                expected=0,
                found=len(body),
                content_type=found,
                first_bytes=body,
            )

    def read_json(self) -> Any:
        """Receive the whole body and parse it.

        Raises
        ------
        AnswerError
            If it is not JSON.
        MetadataError
            If it is larger than the limit of the connection, or no document that can be used.
        """
        return self._json.document(self.read())

    def read_entries(self) -> Iterator[Any]:
        """Receive a list in JSON, and give its entries one after the other; the limit is for each of them.

        Raises
        ------
        AnswerError, MetadataError
            As for `read_json`.
        """
        return self._json.entries(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        """Receive the body in pieces, of any length in total."""
        return iter(lambda: self.read(PIECE), b"")

    @property
    def max_document(self) -> int:
        """Bytes of the largest body that is received as a whole."""
        return self._json.limit


def _direct(raw: Any) -> WireAnswer | http.client.HTTPResponse | None:
    """Return what receives a body in place.

    urllib3's own `readinto` copies, http.client's behind it does not. The private name may go one day: then, and where
    a proxy has compressed the body, it is read piece by piece.
    """
    behind = raw if isinstance(raw, WireAnswer) else getattr(raw, "_fp", None)
    return behind if isinstance(behind, (WireAnswer, http.client.HTTPResponse)) else None
