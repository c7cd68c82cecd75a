"""What errors of Icechunk mean."""

from __future__ import annotations

import os
import re
from errno import EACCES, ECONNREFUSED, ENOENT, EPERM

from pyvolume.errors import (
    AnswerError,
    BusyError,
    ExistsError,
    ForbiddenError,
    NotFoundError,
    PyVolumeError,
    RefusedError,
    TransportError,
    UnsupportedError,
)

LONGEST = 300
"""Characters of what Icechunk says that a message shows."""

FORBIDDEN = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "Forbidden", "Unauthorized")
"""Codes of S3 for what the user may not do."""

BUSY = ("SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "RequestLimitExceeded", "OperationAborted")
"""Codes of S3 for which it asks to try again."""

STATUSES: dict[str, type[RefusedError]] = {
    "401": ForbiddenError, "403": ForbiddenError, "429": BusyError, "500": BusyError, "502": BusyError,
    "503": BusyError, "504": BusyError,
}  # fmt: skip

NEWER = re.compile(r"upgrade the icechunk library|unsupported spec version|invalid Icechunk.*version", re.IGNORECASE)
"""What Icechunk says of a repository of a newer format."""

PHRASES: tuple[tuple[str, type[PyVolumeError], str], ...] = (
    ("repository doesn't exist", NotFoundError, "there is no repository of Icechunk; pyvolume.create makes one"),
    ("clean prefixes", ExistsError, "something is there that is not of Icechunk"),
    ("tag already exists", ExistsError, "the repository has a tag of this name"),
    ("tag has been deleted", ExistsError, "the repository has had a tag of this name, and tags are never used again"),
    ("branch update conflict", ExistsError, "the repository has a branch of this name, or it has just moved on"),
    ("branch already exists", ExistsError, "the repository has a branch of this name"),
    ("ref not found", NotFoundError, "there is no such branch and no such tag"),
    ("snapshot not found", NotFoundError, "there is no such snapshot"),
    ("invalid snapshot id", NotFoundError, "there is no such snapshot"),
    ("invalid ref name", NotFoundError, "no branch and no tag can have this name"),
    ("NoSuchBucket", NotFoundError, "there is no such bucket"),
    ("object not found", NotFoundError, "a part of the repository is missing"),
)
"""What Icechunk says, and what it means."""

UNREACHED = ("dispatch failure", "(Connect)", "dns error", "error sending request", "timeout", "timed out")
"""What Icechunk says of a request that was not answered."""


def meaning(error: Exception, action: str, place: str) -> Exception | None:
    """Return what an error of Icechunk means; None for an error that is none of Icechunk.

    A full or broken disk is an OSError that names the place.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return _of_system(error.errno, action, place)
    if not type(error).__module__.startswith("icechunk"):
        return None
    text = str(error)
    if type(error).__name__ == "RebaseFailedError" or text.startswith("Failed to commit"):
        return None  # the commit tells what was changed twice
    if NEWER.search(text):
        return UnsupportedError(
            f"{action}: {place} has a newer format than the installed icechunk reads; Python 3.12 or later, with "
            "pip install --upgrade icechunk, reads it"
        )
    for phrase, kind, told in PHRASES:
        if phrase in text:
            facts = {"action": action, "url": place} if issubclass(kind, RefusedError) else {}
            return kind(f"{action}: {place}: {told}", **facts)
    return _of_server(text, action, place)


def _of_server(text: str, action: str, place: str) -> Exception:
    """Tell what a bucket or a disk has said, as Icechunk reports it."""
    code = re.search(r'code: "(\w+)", message: "([^"]*)"', text) or re.search(r"<Code>(\w+)</Code>()", text)
    status = re.search(r"\b(?:status(?: code)?|Server returned non-2xx status code):? (\d{3})\b", text)
    kind = STATUSES.get(status[1], RefusedError) if status else None
    if code is not None:
        words = f"{code[1]}: {code[2]}".rstrip(": ")
        named = ForbiddenError if code[1] in FORBIDDEN else BusyError if code[1] in BUSY else None
        return (named or kind or RefusedError)(
            f"{action}: the server of {place} answered {words}", action=action, url=place, reason=code[1]
        )
    if kind is not None and status is not None:
        return kind(f"{action}: the server answered {status[1]} for {place}", action=action, url=place)
    if "service error" in text:
        return RefusedError(
            f"{action}: the server of {place} refused it without a reason, as it does without the rights, or without "
            "credentials",
            action=action,
            url=place,
        )
    number = re.search(r"\(os error (\d+)\)", text)
    if any(phrase in text for phrase in UNREACHED) or (number and int(number[1]) == ECONNREFUSED):
        return TransportError(
            f"{action}: no usable answer arrived for {place} ({said(text)})", retryable=True, unreached=True
        )
    if number is not None:
        return _of_system(int(number[1]), action, place)
    return AnswerError(f"{action}: {place}: {said(text)}")


def _of_system(number: int, action: str, place: str) -> Exception:
    if number in {EACCES, EPERM}:
        return ForbiddenError(f"{action}: no permission for {place}", action=action, url=place)
    if number == ENOENT:
        return NotFoundError(f"{action}: there is no {place}", action=action, url=place)
    return OSError(number, f"{action}: {os.strerror(number)}", place)


def said(text: str) -> str:
    """Return what Icechunk says without the places in its code, on one line."""
    head = re.split(r"\n\s*\|?\s*\n?\s*\|?\s*context:", text, maxsplit=1)[0]
    words = " ".join(head.replace("|", " ").split()).removeprefix("x ").removeprefix("× ")
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}…"
