"""From a url to a volume for asyncio."""

from __future__ import annotations

import functools
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from pyvolume import opening
from pyvolume.aio.threads import shared_threads
from pyvolume.aio.volume import AsyncVolume
from pyvolume.volume import Volume


@asynccontextmanager
async def open(  # noqa: A001 - as in pyvolume.open
    url: str | os.PathLike[str], mode: Literal["r", "r+"] = "r", **options: Any
) -> AsyncIterator[AsyncVolume]:
    """Open the volume at a url, for an ``async with`` block.

    The end of the block waits for the operations of other tasks that have begun, and closes the volume. If that wait
    is cancelled, the operations end with a `ClosedError`.

    Parameters
    ----------
    url, mode, **options
        As for `pyvolume.open`.

    Yields
    ------
    AsyncVolume
        The volume.

    Raises
    ------
    CancelledError
        If the task is cancelled. No further request is sent.
    AddressError, TypeError, ValueError, StoreError
        As for `pyvolume.open`.
    """
    work = functools.partial(opening.open, url, mode, **options)
    opened = await shared_threads().run(work, discard=Volume.close)
    async with AsyncVolume(opened) as volume:
        yield volume
