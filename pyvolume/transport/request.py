"""Request: what is asked of a server, and Body: what is sent along."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from pyvolume.errors import BusyError, ForbiddenError, NotFoundError, RefusedError, StoreError, TooLargeError

Refusal: TypeAlias = "Callable[[Request, int, Mapping[str, str], str], StoreError]"
"""What an error status means: turns the request, the status, the headers and the text into an error."""

KINDS: dict[int, type[RefusedError]] = {
    401: ForbiddenError,
    403: ForbiddenError,
    404: NotFoundError,
    413: TooLargeError,
    429: BusyError,
    502: BusyError,
    503: BusyError,
    504: BusyError,
}
"""The error for each status where a server follows HTTP; other ones are a plain refusal."""


@dataclass(frozen=True, slots=True)
class Upload:
    """Bytes to send, which can be made anew for each attempt.

    Parameters
    ----------
    nbytes : int
        Exact length.
    chunks : callable
        Makes an iterator over the bytes; each chunk is a flat view that stays valid until the next one is asked for.
    """

    nbytes: int
    chunks: Callable[[], Iterable[memoryview]]

    @classmethod
    def of(cls, data: bytes) -> Upload:
        """Make the upload of bytes in memory."""
        return cls(len(data), lambda: [memoryview(data)])


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a server.

    Parameters
    ----------
    action : str
        What the user wanted, as errors say it: ``"read voxels of gray"``.
    method, path : str
        The path begins with a slash, is percent-encoded and has no query.
    query : mapping
        The parameters after the ``?``.
    upload : Upload, optional
        The body to send.
    headers : mapping
        Headers of this request alone, such as a ``Content-Type`` or a ``Range``.
    accepts : frozenset of int
        The statuses that are answers; every other status is an error.
    repeatable : bool
        Whether the request may be sent again although the server may have carried it out.
    reads : bool, optional
        Whether the request changes nothing on the server, and is repeated after an unexpected answer. By default a GET
        or a HEAD does.
    privileged : bool
        Whether the request needs the rights of an administrator, see `pyvolume.transport.auth.Auth`.
    refusal : callable
        Turns an error status into an error.
    """

    action: str
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    upload: Upload | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    accepts: frozenset[int] = frozenset({200})
    repeatable: bool = True
    reads: bool | None = None
    privileged: bool = False
    refusal: Refusal | None = None

    @property
    def is_read(self) -> bool:
        """Whether the request changes nothing on the server."""
        return self.method in {"GET", "HEAD"} if self.reads is None else self.reads

    def behind(self, prefix: str) -> Request:
        """Return the request with a path in front of its own."""
        return dataclasses.replace(self, path=prefix + self.path)

    def refused(self, url: str, status: int, headers: Mapping[str, str], text: str) -> StoreError:
        """Return the error for an error status."""
        error = (self.refusal or default_refusal)(self, status, headers, text)
        return error.with_facts(url=url) if isinstance(error, RefusedError) else error


def default_refusal(request: Request, status: int, headers: Mapping[str, str], text: str) -> RefusedError:
    """Tell what an error status means where a server follows HTTP."""
    kind = KINDS.get(status, RefusedError)
    facts: dict[str, object] = {"action": request.action, "status": status, "reason": text, "detail": text}
    if issubclass(kind, BusyError):
        facts["retry_after"] = _seconds(headers.get("Retry-After"))
    return kind(f"{request.action}: the server answered {status}: {text or 'without a text'}", **facts)


def _seconds(retry_after: str | None) -> float | None:
    """Read a ``Retry-After`` in seconds; a date is left to the ordinary waits."""
    return float(retry_after) if retry_after is not None and retry_after.strip().isdecimal() else None


class Body:
    """An upload on its way, as the file-like object that requests sends.

    `read` gives one chunk after the other whatever size is asked for, because the sizes that urllib3 asks for
    (16 KiB) cost most of the speed. A chunk of more than `most` bytes is given in parts.

    Parameters
    ----------
    upload : Upload
        The source of the bytes.
    report : callable
        Called with the number of bytes whenever some have been sent.
    silence : float
        Seconds without a byte after which the attempt has failed.

    Attributes
    ----------
    left : int
        Bytes that are still to be sent; 0 before the first chunk is asked for.
    """

    def __init__(self, upload: Upload, report: Callable[[int], None], silence: float) -> None:
        self.silence = silence
        self.most = sys.maxsize
        self.left = 0
        self._chunk: memoryview | None = None
        self._chunks: Iterator[memoryview] = iter(upload.chunks())
        self._nbytes = upload.nbytes
        self._report = report
        self._pending = 0

    def __len__(self) -> int:
        return self._nbytes

    def read(self, _size: int = -1) -> memoryview | bytes:
        """Return the next chunk or part of one, empty at the end."""
        # a connection of another library does not say what it has sent; and a cancelled call ends before the next chunk
        self.sent(self._pending)
        if self._chunk is None:
            self._chunk, self.left = memoryview(b""), self._nbytes
        if not self._chunk:
            self._chunk = next(self._chunks, self._chunk)
        part, self._chunk = self._chunk[: self.most], self._chunk[self.most :]
        self._pending = len(part)
        return part

    def sent(self, count: int) -> None:
        """Note that bytes of the present chunk have been sent."""
        self._pending -= count
        self.left -= count
        self._report(count)
