"""What the refusals of DVID mean: an error class and a sentence for each text."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pyvolume.dvid.auth import token_advice
from pyvolume.errors import (
    AmbiguousError,
    BusyError,
    ExistsError,
    ForbiddenError,
    LockedError,
    NotFoundError,
    RefusedError,
    TooLargeError,
)
from pyvolume.transport.request import Request, default_refusal

# DVID answers nearly everything with 400, the text tells what is meant
MEANINGS: tuple[tuple[str, type[RefusedError], str], ...] = (
    (r"could not find UUID", NotFoundError, "no such version"),
    (r"more than one UUID matches", AmbiguousError, "several versions match; give more of the uuid"),
    (r"branch .* has more than 1 child", AmbiguousError, "the branch has several ends; give the uuid of one"),
    (r"branch .* not found in repo", NotFoundError, "no such branch in this repository"),
    (r"bad UUID specification|is out of range for branch", NotFoundError, "no such version"),
    (r"invalid data instance name", NotFoundError, "no such instance in this repository"),
    (
        r"branch already exists with given name .*/newversion\)",
        ExistsError,
        "the version has a child on its branch already; branch(name) makes one on another",
    ),
    (r"branch already exists with given name .*/tag\)", ExistsError, "the repository has a tag of this name"),
    (r"branch already exists with given name", ExistsError, "the repository has a branch of this name"),
    (r"UUID already exists|\balready exists in repo\b", ExistsError, "the name is taken"),
    (r"can't branch an unlocked node", RefusedError, "the version is open; commit it first"),
    (r"Cannot do post on locked node .*/commit\)", LockedError, "the version is committed already"),
    (r"\blocked node", LockedError, "the version is committed"),
    (r"exceeds this DVID server's set limit", TooLargeError, "more than the server gives at once"),
    (r"read-only mode", ForbiddenError, "the server is read-only"),
    (r"requires admin privileges", ForbiddenError, "the server wants its admin token, Identity(admin_token=...)"),
    (r"JWT required", ForbiddenError, token_advice("token", sent=False)),
    (
        r"JWT|bearer not in proper format|failed authorization|is not a simple string",
        ForbiddenError,
        token_advice("token", sent=True),
    ),
    (r"user .* is not authorized", ForbiddenError, "the user of this token may not do that"),
)

UNSTARTED = re.compile(r"Server already running \d+ throttled operations|DVID server is unavailable\.")
"""DVID's own texts with status 503, sent before it does anything."""


def refusal(request: Request, status: int, headers: Mapping[str, str], text: str) -> RefusedError:
    """Tell what an error status of DVID means."""
    kind, meaning = _meaning(status, text)
    if kind is None:
        reason = " ".join(_without_path(text).split())
        error = default_refusal(request, status, headers, reason).with_facts(detail=text)
        if isinstance(error, BusyError) and status == 503 and UNSTARTED.match(text):
            error.with_facts(unstarted=True)
        return error
    reason = _without_path(text.partition("\n")[0])  # some texts go on with what went wrong afterwards
    facts: dict[str, object] = {"action": request.action, "status": status, "reason": reason, "detail": text}
    if kind is LockedError:
        found = re.search(r"locked node (\w+)", text)
        version = found[1] if found else ""
        facts["version"] = version
        meaning += f"; write to a child of it, which Version.new_version() makes (POST /api/node/{version}/newversion)"
    return kind(f"{request.action}: {meaning} ({reason})", **facts)


def _without_path(text: str) -> str:
    return re.sub(r" \(/api/[^)]*\)\.?$", "", text)


def _meaning(status: int, text: str) -> tuple[type[RefusedError] | None, str]:
    if status == 429:
        return ForbiddenError, "the server has blocked this user"
    if status == 400:
        for pattern, kind, meaning in MEANINGS:
            if re.search(pattern, text):
                return kind, meaning
    return None, ""
