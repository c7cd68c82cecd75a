"""Names and tags that the server keeps as they are given."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pyvolume.errors import MetadataError
from pyvolume.model import arguments

LONGEST_NAME = 1000
"""Characters of the name of an image."""

LONGEST_DATASET = 200
"""Characters of the name of a dataset."""

LONGEST_TAG = 100

TAG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
"""What the server does not change."""


def checked_name(name: object, action: str, longest: int = LONGEST_NAME) -> str:
    """Return a name.

    Raises
    ------
    MetadataError
        If the server would refuse or ignore it.
    """
    text = arguments.text(name, action, "a name")
    if not text or len(text) > longest or "\0" in text:
        raise MetadataError(f"{action}: expected a name of 1 to {longest} characters and found one of {len(text)}")
    return text


def id_of(value: object, action: str, name: str) -> str:
    """Return the id that is given: as a text, as a number, or by what has one.

    Raises
    ------
    TypeError
        If it is none of these.
    """
    found = getattr(value, "id", value)
    if isinstance(found, str):
        return found
    return str(arguments.integer(found, action, f"{name}, or the id of one,", 0))


def listed_tags(tags: Sequence[str], action: str) -> tuple[str, ...]:
    """Return tags, each once.

    Raises
    ------
    MetadataError
        For a text, which is no list of tags.
    """
    if isinstance(tags, str) or not isinstance(tags, Iterable):
        raise MetadataError(f"{action}: expected a list of tags and found {arguments.brief(tags)}")
    return tuple(dict.fromkeys(arguments.text(tag, action, "a tag") for tag in tags))


def checked_tags(tags: Sequence[str], action: str) -> tuple[str, ...]:
    """Return tags that the server keeps, each once.

    The server keeps others too, but answers something else, and another thing for each who asked before.

    Raises
    ------
    MetadataError
        If the server would change one.
    """
    found = listed_tags(tags, action)
    for tag in found:
        if not TAG.fullmatch(tag) or len(tag) > LONGEST_TAG:
            nearest = re.sub(r"[^a-z0-9]+", "-", tag.lower()).strip("-")[:LONGEST_TAG]
            way_out = f"; {nearest!r} does" if nearest else ""
            raise MetadataError(
                f"{action}: the tag {arguments.brief(tag)} would not come back as given{way_out}: small letters and "
                "digits, with single hyphens between them"
            )
    return found
