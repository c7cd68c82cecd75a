"""What the refusals of the DataStore mean: an error class and a sentence for each text."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pyvolume.errors import ExistsError, ForbiddenError, NotFoundError, RefusedError, TooLargeError
from pyvolume.transport.request import Request, default_refusal

LONGEST = 300
"""Characters of an error page that a message shows; a page has 3000."""

MEANINGS: tuple[tuple[int, str, type[RefusedError], str], ...] = (
    (404, r"Dataset with UUID ?= ?.* not found", NotFoundError, "no such dataset"),
    (500, r"Dataset with UUID ?= ?.* not found", NotFoundError, "no such dataset"),
    (404, r"has not resolution", NotFoundError, "no such level"),
    (404, r"version .* not found|does not have version", NotFoundError, "no such version"),
    (400, r"Channel=.* not found", NotFoundError, "no such channel or angle"),
    (406, r"is the last version", RefusedError, "a dataset keeps its last version"),
    (409, r"already added", ExistsError, "the dataset is there"),
    (403, r"Anonymous user", ForbiddenError, "the server wants a token, token="),
    (401, r"", ForbiddenError, "the server does not know this token"),
    (403, r"", ForbiddenError, "the user of this token may not do that"),
    (413, r"", TooLargeError, "the server takes at most 10 MiB in one request"),
    (414, r"", TooLargeError, "the request line is too long"),
    (500, r"^$", RefusedError, "the server failed, as for a time point, a level or a version that it does not have"),
)


def refusal(request: Request, status: int, headers: Mapping[str, str], text: str) -> RefusedError:
    """Tell what an error status of the DataStore means."""
    reason = _shown(text)
    for known, pattern, kind, meaning in MEANINGS:
        if status == known and re.search(pattern, text):
            shown = f" ({reason})" if reason else f" (status {status})"
            facts: dict[str, object] = {"action": request.action, "status": status, "reason": reason, "detail": text}
            return kind(f"{request.action}: {meaning}{shown}", **facts)
    return default_refusal(request, status, headers, reason).with_facts(detail=text)


def _shown(text: str) -> str:
    """Return the text of an error without the tags of a page; a page can name folders of the server."""
    title = re.search(r"<title>(.*?)</title>", text, re.DOTALL)
    words = " ".join((title[1] if title else text).split())
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}…"
