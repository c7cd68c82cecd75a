"""The image of an uploaded array: created once, also if an answer is lost, and never half-made without a word."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from pyvolume.errors import AnswerError, RefusedError, StoreError
from pyvolume.mikro import documents
from pyvolume.mikro.client import ask
from pyvolume.transport.connection import Connection

_log = logging.getLogger(__name__)

ACTION = "create an image"

LOOKS = 3
"""How often an image is looked for whose answer was lost: the server may be at work."""

PAUSE = 0.5
"""Seconds between two looks."""

NEWEST = 100
"""Images of one name among which it is looked for, the newest first."""


def created(connection: Connection, store_id: str, name: str, given: Mapping[str, Any]) -> str:
    """Create the image of an array, and return its id.

    Nobody else knows the array, so that an image of it is the one that was asked for.

    Parameters
    ----------
    connection : Connection
        To the catalogue.
    store_id : str
        The id of the array.
    name : str
        Of the image.
    given : mapping
        More of the input of the operation.

    Raises
    ------
    StoreError
        If there is no such image, or it lacks something; the message says what there is.
    """
    variables = {"input": {"array": store_id, "name": name, **given}}
    try:
        return str(ask(connection, ACTION, documents.CREATE, variables, changes=True)["id"])
    except RefusedError as error:
        if not error.uncertain:
            found = _found_after(error, connection, store_id, name, looks=1)
            raise _half_made(error, str(found["id"])) if found else error from None
        failed: StoreError = error
    except StoreError as error:
        if not error.uncertain and not isinstance(error, AnswerError):
            raise
        failed = error
    found = _found_after(failed, connection, store_id, name, looks=LOOKS)
    if not found:
        raise failed.as_uncertain(
            f"no image of this upload is in the catalogue, but one may still appear: look for {name!r} before you "
            f"upload it again; its voxels are whole, as array {store_id}"
        )
    if _is_whole(found, given):
        _log.info("create image %s: the answer was lost, and the image is there", found["id"])
        return str(found["id"])
    raise _half_made(failed, str(found["id"]))


def _found_after(
    error: StoreError, connection: Connection, store_id: str, name: str, *, looks: int
) -> Mapping[str, Any] | None:
    """Look for the image of an array; None if there is none."""
    call = connection.new_call()
    try:
        for look in range(looks):
            if look:
                call.sleep(PAUSE)
            rows = ask(connection, ACTION, documents.MADE, {"name": name, "limit": NEWEST}, call=call)
            found: Mapping[str, Any] | None = next((row for row in rows if str(row["store"]["id"]) == store_id), None)
            if found is not None:
                return found
    except StoreError as second:
        raise error.as_uncertain(
            f"it could not be looked up whether an image {name!r} was made ({second}); its voxels are whole, as array "
            f"{store_id}"
        ) from second
    return None


def _is_whole(found: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Whether an image has all views that it was to have."""
    wanted = sum(len(views) for name, views in given.items() if name.endswith("Views"))
    kinds = ("AffineTransformationView", "ChannelView", "DerivedView")
    return sum(view["__typename"] in kinds for view in found["views"]) >= wanted


def _half_made(error: StoreError, image: str) -> StoreError:
    """Say that an image was made, and lacks something."""
    error.args = (
        f"{error}; image {image} was made all the same: its voxels are whole, but sizes, channels or origin can be "
        f"missing. Keep it, or delete it with mikro.image({image!r}).delete()",
    )
    return error
