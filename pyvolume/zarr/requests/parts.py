"""Parts: ranges of bytes of one value, all of the same state of it.

zarr reads a shard in parts: its index first, then the chunks at the places that the index tells. A shard that is
replaced in between would give bytes of something else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Protocol, TypeAlias, runtime_checkable

from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype

from pyvolume.errors import RefusedError, StoreError

Part: TypeAlias = tuple[Buffer | None, Hashable]
"""Bytes of a value, and the stamp of its state; (None, None) if nothing is stored."""

NOTHING: Part = (None, None)

BEYOND = 416
"""The status of a range behind the end of what is stored."""


class ChangedError(Exception):
    """A value was replaced after a part of it was read."""


@runtime_checkable
class Stamped(Protocol):
    """A store that tells of which state of a value the bytes are."""

    async def part(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest) -> Part:
        """Return a range of bytes, with a stamp that changes when the value does."""
        ...


class Parts:
    """The parts that one run has read.

    Parameters
    ----------
    whole : bool
        Whether each value is read as a whole, once; its parts are then cut from it.
    """

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole
        self._values: dict[str, Buffer | None] = {}
        self._stamps: dict[str, Hashable] = {}

    async def get(
        self,
        raw: Store,
        key: str,
        prototype: BufferPrototype,
        byte_range: ByteRequest,
        read: Callable[[Callable[[], Awaitable[Part]]], Awaitable[Part]],
    ) -> Buffer | None:
        """Return a part of what is stored under a key.

        Parameters
        ----------
        raw : Store
            What is asked. One that is not `Stamped` and can be written is asked for whole values.
        key, prototype, byte_range
            As for a store of zarr.
        read : callable
            Sends a request.

        Raises
        ------
        ChangedError
            If the value is not the one of which an earlier part was read.
        """
        if not self._whole and isinstance(raw, Stamped):
            stamped = raw
            return await self._of_one_state(key, read, lambda: stamped.part(key, prototype, byte_range))

        async def once() -> Part:
            return await raw.get(key, prototype, None if keeps else byte_range), None

        keeps = self._whole or not raw.read_only
        if not keeps:
            return (await read(once))[0]
        if key not in self._values:
            self._values[key] = (await read(once))[0]
        value = self._values[key]
        return None if value is None else value[span(byte_range, len(value))]

    async def _of_one_state(
        self,
        key: str,
        read: Callable[[Callable[[], Awaitable[Part]]], Awaitable[Part]],
        once: Callable[[], Awaitable[Part]],
    ) -> Buffer | None:
        try:
            found, stamp = await read(once)
        except RefusedError as error:
            if says_beyond(error) and key in self._stamps:
                raise ChangedError(key) from error
            raise
        if self._stamps.setdefault(key, stamp) != stamp:
            raise ChangedError(key)
        return found


def says_beyond(error: StoreError) -> bool:
    """Whether an error says that a range begins behind the end of what is stored."""
    return isinstance(error, RefusedError) and error.status == BEYOND


def span(byte_range: ByteRequest, size: int) -> slice:
    """Return where a range is in a value of so many bytes."""
    match byte_range:
        case RangeByteRequest(start, end):
            return slice(start, min(end, size))
        case OffsetByteRequest(offset):
            return slice(min(offset, size), size)
        case SuffixByteRequest(count):
            return slice(max(0, size - count), size)
    raise TypeError(f"a store is asked for {byte_range!r}, which is no range of bytes")
