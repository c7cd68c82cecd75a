"""What errors of file systems and of obstore mean."""

from __future__ import annotations

import re
from collections.abc import Collection

from pyvolume.errors import (
    BusyError,
    ForbiddenError,
    NotFoundError,
    PyVolumeError,
    RefusedError,
    TransportError,
    UnsupportedError,
)
from pyvolume.transport.request import KINDS
from pyvolume.transport.urls import HIDDEN

LONGEST = 300
"""Characters of what a server says that a message shows."""

BUSY_WORDS = ("SlowDown", "RequestLimitExceeded", "InternalError", "RequestTimeout", "OperationAborted")
"""Codes of S3 for which it asks to try again, also with status 400, 409 or 500."""

NO_BUCKET = ("NoSuchBucket", "ContainerNotFound")
"""Codes with which a server says 404 of a bucket, not of what is in it."""

CONNECT = "kind: Connect,"
"""In what obstore says of a connection that did not come about; one that was reset is of the kind ConnectionReset."""

MISSING_ADVICE = (
    "where the right to list is missing, a server says this of a missing chunk too: missing=(404, 403) reads such "
    "chunks as the fill value"
)

PHRASES: tuple[tuple[str, type[PyVolumeError], str], ...] = (
    ("redirect without LOCATION", RefusedError, "the bucket is in another region, give region="),
    ("Range request not supported", UnsupportedError, "the server does not send parts of a file"),
    ("non-partial response", UnsupportedError, "the server does not send parts of a file"),
    ("Content-Length Header missing", UnsupportedError, "the server does not say how long a file is"),
    ("list response", RefusedError, "the server does not answer as a bucket does"),
)
"""What obstore says without a status, and what it means."""


def meaning_of_file(error: Exception, action: str, place: str) -> Exception | None:
    """Return what an error of the file system means; None for an error that is none of the file system.

    A full or broken disk stays an OSError, and names the place.
    """
    if isinstance(error, PermissionError):
        return ForbiddenError(f"{action}: no permission for {place}", action=action, url=place)
    if isinstance(error, FileNotFoundError):
        return NotFoundError(f"{action}: there is no {place}", action=action, url=place)
    if isinstance(error, OSError) and error.errno is not None:
        return OSError(error.errno, f"{action}: {error.strerror}", place)
    return None


def meaning_of_object(error: Exception, action: str, place: str) -> Exception | None:
    """Return what an error of obstore means; None for an error that is none of obstore."""
    is_missing = isinstance(error, FileNotFoundError)
    if not is_missing and not type(error).__module__.startswith("obstore"):
        return None
    text, _, details = str(error).partition("\n\nDebug source:")
    found = re.search(r"status code: (\d{3})[^:]*:? ?(.*)", text, re.DOTALL)
    if found is not None or is_missing:
        return _refusal(int(found[1]) if found else 404, _said(found[2]) if found else "", action, place)
    return _without_status(text, details, action, place)


def says_missing(error: BaseException, statuses: Collection[int]) -> bool:
    """Whether an error says that nothing is stored under a key; a missing bucket is not meant."""
    if not isinstance(error, RefusedError) or error.status not in statuses:
        return False
    return not any(word in error.detail for word in NO_BUCKET)


def _without_status(text: str, details: str, action: str, place: str) -> PyVolumeError:
    for phrase, kind, meaning in PHRASES:
        if phrase in text:
            return kind(f"{action}: {place}: {meaning}")
    shown = _without_urls(text)
    if CONNECT in details:
        message = f"{action}: cannot connect to the server of {place} ({shown})"
        return TransportError(message, retryable=True, unreached=True)
    return TransportError(f"{action}: no usable answer arrived for {place} ({shown})", retryable=True)


def _refusal(status: int, text: str, action: str, place: str) -> RefusedError:
    kind = KINDS.get(status, RefusedError)
    if any(word in text for word in BUSY_WORDS):
        kind = BusyError
    shown = f": {text}" if text else ""
    advice = f"; {MISSING_ADVICE}" if status == 403 else ""
    facts: dict[str, object] = {"action": action, "url": place, "status": status, "reason": text, "detail": text}
    return kind(f"{action}: the server answered {status} for {place}{shown}{advice}", **facts)


def _said(body: str) -> str:
    """Return the code and the message of a document of S3, or the words of a page."""
    parts = [each[1] for name in ("Code", "Message") if (each := re.search(f"<{name}>(.*?)</{name}>", body, re.DOTALL))]
    title = re.search(r"<title>(.*?)</title>", body, re.DOTALL)
    text = ": ".join(parts) or (title[1] if title else body)
    return _without_urls(text)


def _without_urls(text: str) -> str:
    """Return a text on one line, without the queries of urls: they can hold a signature."""
    words = " ".join(re.sub(r"\?[^\s\"')]*", f"?{HIDDEN}", text).split())
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}…"
