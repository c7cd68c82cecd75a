"""What the errors of the catalogue and of the store mean: an error class and a sentence for each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pyvolume.errors import (
    AmbiguousError,
    ExistsError,
    ForbiddenError,
    MetadataError,
    NotFoundError,
    RefusedError,
    StoreError,
    TransportError,
)
from pyvolume.transport.request import Request
from pyvolume.zarr.refusals import meaning_of_object

LONGEST = 300
"""Characters of a text of the server that a message shows."""

RENEWABLE = 401
"""The status, as a server of HTTP would answer it, where a new token helps."""

MEANINGS: tuple[tuple[str, type[StoreError], int, str], ...] = (
    (r"Token has expired", ForbiddenError, RENEWABLE, "the token has expired"),
    (r"No Authorization header", ForbiddenError, 403, "the server wants a token, token="),
    (r"Not a valid token", ForbiddenError, 403, "the server does not take this as a token"),
    (r"Error decoding token header|Error decoding token|Missing kid in header", ForbiddenError, 403,
     "the server does not know this token; was it made for another server?"),
    (r"Token claims are invalid", ForbiddenError, 403,
     "the token is not valid yet, or says no end; the clocks of the two servers may differ, then wait a moment"),
    (r"Token does not contain an active organization", ForbiddenError, 403, "the token names no organisation"),
    (r"Membership is blocked", ForbiddenError, 403, "this user is blocked"),
    (r"User does not have any of the required roles: .*", ForbiddenError, 403,
     "the user of this token may not do that; no other token of the same user helps"),
    (r"You can only delete your own images", ForbiddenError, 403, "only the creator of an image may delete it"),
    (r"\w+ matching query does not exist\.", NotFoundError, 404,
     "there is none with this id, or it is of another organisation"),
    (r"Field 'id' expected a number but got .*", NotFoundError, 404, "an id is a number"),
    (r"Could not find Zarr v3 metadata for store .*", NotFoundError, 404,
     "the server found no zarr.json; it was not written, or the server does not reach its own store"),
    (r"get\(\) returned more than one .*", AmbiguousError, 409, "several have this name"),
    (r"duplicate key value violates unique constraint .*", ExistsError, 409, "the name is taken"),
    (r"(?:value too long for type|insert or update on table) .*", RefusedError, 400,
     "the database of the server refuses a value"),
    (r"Zarr v2 is not supported\..*|Only Zarr v3 ARRAY stores .*|Malformed zarr\.json metadata: .*", RefusedError, 400,
     "the server does not take the array"),
)  # fmt: skip
"""For each text of the server the error, the status that HTTP has for it, and what it means."""

RAW = ("the name is taken", "the database of the server refuses a value")
"""Meanings of texts that come from a database, which are not shown."""

CODES = {"UNAUTHENTICATED": (ForbiddenError, RENEWABLE), "PERMISSION_DENIED": (ForbiddenError, 403)}
"""What newer servers say beside the text."""

OTHER_SCHEMA = re.compile(
    r"(Cannot query field|Unknown type|Unknown argument|Field \"|Field '|Variable \"|Fragment \"|Expected type)"
)
"""How a server begins that does not have what a document asks for."""

EXPIRED = frozenset({"InvalidAccessKeyId", "InvalidTokenId", "AccessDenied", "ExpiredToken", ""})
"""The codes of the store after which a new grant can help; a HEAD has none."""

STORE_MEANINGS = {
    "SignatureDoesNotMatch": "the store does not accept the signature; a proxy in between may change the host, or "
    "store= names another host than the one that the store knows",
    "RequestTimeTooSkewed": "the clocks of this machine and of the store differ by more than 15 minutes",
    "InvalidAccessKeyId": "the store does not know the keys of the catalogue; does store= name the store of this "
    "catalogue?",
    "InvalidTokenId": "the store does not accept the keys of the catalogue; does store= name the store of this "
    "catalogue?",
    "NoSuchBucket": "the store has no such bucket; does store= name the store of this catalogue?",
}


def refused(request: Request, errors: Any) -> StoreError:
    """Return the error for the errors of an answer of GraphQL."""
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], Mapping) else {}
    text = str(first.get("message", ""))
    extensions = first.get("extensions")
    code = extensions.get("code") if isinstance(extensions, Mapping) else None
    kind: type[StoreError] = RefusedError
    status, meaning = 200, "the server reports an error"
    for pattern, known, number, words in MEANINGS:
        if re.fullmatch(pattern, text, re.DOTALL):
            kind, status, meaning = known, number, words
            break
    if code in CODES:
        kind, status = CODES[code]
    shown = "" if meaning in RAW else f" ({_brief(text)})" if text else ""
    facts: dict[str, object] = {"action": request.action, "status": status, "reason": _brief(text), "detail": text}
    return kind(f"{request.action}: {meaning}{shown}", **facts)


def is_of_another_schema(error: RefusedError) -> bool:
    """Whether a server says that it does not have what a document asks for."""
    return error.status == 200 and OTHER_SCHEMA.match(error.detail) is not None


def code_of(error: BaseException) -> str | None:
    """Return the code with which the store refuses a request; None if it does not refuse it, empty for none."""
    found = re.search(r"status code: (\d{3})", text := str(error))
    if found is None or found[1] not in {"400", "401", "403"}:
        return None
    code = re.search(r"<Code>(\w+)</Code>", text)
    return code[1] if code else ""


def meaning_of_store(error: Exception, action: str, place: str) -> Exception | None:
    """Return what an error of the object store means; None for an error that is none of it."""
    code = next((word for word in STORE_MEANINGS if f"<Code>{word}</Code>" in str(error)), "")
    found = meaning_of_object(error, action, place)
    if isinstance(found, RefusedError) and code:
        kind = NotFoundError if code == "NoSuchBucket" else ForbiddenError
        return kind(f"{action}: {STORE_MEANINGS[code]}", **vars(found))
    if isinstance(found, TransportError) and found.unreached:
        found.args = (f"{found}; does store= name the object store? The catalogue does not tell it",)
    if isinstance(found, ForbiddenError):
        found.args = (str(found).partition("; where the right to list")[0],)
    return found


def no_metadata(error: RefusedError, image: str, store: str) -> MetadataError | NotFoundError:
    """Return the error for an image whose array is not in the store."""
    message = (
        f"open image {image}: {store} has no array for it; does store= name the object store of this catalogue? "
        "Otherwise the upload was never finished"
    )
    return NotFoundError(message, **vars(error))


def _brief(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}…"
