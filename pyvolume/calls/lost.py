"""Lost answers: a change whose answer did not arrive is looked up, not repeated."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pyvolume.errors import DOUBT, BusyError, LockedError, MetadataError, RefusedError, StoreError, TransportError

T = TypeVar("T")


def once(ask: Callable[[], T], look: Callable[[], T | None], doubt: str = DOUBT) -> T:
    """Send a request that changes something; if no answer says whether it did, look at the server.

    Parameters
    ----------
    ask : callable
        Sends the request.
    look : callable
        Returns what `ask` would return if the change is there, else None. It is called after an error only.
    doubt : str
        What the error says if the change was not found, see `StoreError.as_uncertain`. The change may still happen: the
        server may be busy with the request.

    Raises
    ------
    StoreError
        The error of `ask`, if `look` did not find the change, or could not look. It is `uncertain` then.
    """
    try:
        return ask()
    except StoreError as error:
        if not _may_be_done(error):
            raise
        lost = error
    try:
        found = look()
    except LockedError:
        raise
    except (StoreError, MetadataError):  # it is as unreachable as before, or answers with what is no document
        found = None
    if found is not None:
        return found
    raise lost.as_uncertain(doubt)


def _may_be_done(error: StoreError) -> bool:
    """Whether the server may have carried out a request; a 400 or 404 means that it has not."""
    if isinstance(error, BusyError) and error.unstarted:
        return False
    if isinstance(error, TransportError) and error.unreached:
        return False
    return not isinstance(error, RefusedError) or (error.status is not None and error.status >= 500)
