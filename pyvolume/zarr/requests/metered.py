"""Metered: a zarr store whose requests follow the rules of a call."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any, Literal, Protocol, TypeVar

from zarr.abc.store import ByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype

from pyvolume.zarr.requests.parts import NOTHING, Part, Parts

T = TypeVar("T")


AT_ONCE = 1000
"""How many deletions wait for their turn at once."""


class Asking(Protocol):
    """Who sends the requests of a store: `pyvolume.zarr.client.Client`."""

    @property
    def address(self) -> str: ...

    @property
    def engine(self) -> str: ...

    async def read(
        self, key: str, once: Callable[[], Awaitable[T]], missing: T, size: Callable[[T], int] | None = None
    ) -> T: ...

    async def change(self, key: str, once: Callable[[], Awaitable[None]], size: int = 0) -> None: ...

    def parts(self) -> Parts: ...

    def read_only_error(self) -> Exception: ...


class MeteredStore(Store):
    """A store that asks another one, request by request.

    It is none of zarr's `WrapperStore`: whatever zarr adds to its stores is made of the requests below, and none of
    them is forgotten.

    Parameters
    ----------
    asking : Asking
        Sends the requests.
    raw : Store
        The store that is asked.
    """

    def __init__(self, asking: Asking, raw: Store) -> None:
        super().__init__(read_only=raw.read_only)
        self._asking = asking
        self._raw = raw

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MeteredStore) and (self._asking, self._raw) == (other._asking, other._raw)

    __hash__ = None  # type: ignore[assignment] # as for zarr's own stores

    def __str__(self) -> str:
        return self._asking.address

    def __repr__(self) -> str:
        return f"<zarr store {self._asking.address}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self._asking, self.read_only)

    def with_read_only(self, read_only: bool = False) -> MeteredStore:
        """Return a store with the same content that can be written, or not."""
        return MeteredStore(self._asking, self._raw.with_read_only(read_only))

    def _check_writable(self) -> None:
        if self.read_only:
            raise self._asking.read_only_error()

    @property
    def supports_writes(self) -> bool:
        """Whether the store can be written at all."""
        return self._raw.supports_writes

    @property
    def supports_deletes(self) -> bool:
        """Whether keys can be deleted."""
        return self._raw.supports_deletes

    @property
    def supports_listing(self) -> bool:
        """Whether the store can tell which keys it has."""
        return self._raw.supports_listing

    @property
    def supports_consolidated_metadata(self) -> bool:
        """Whether the metadata of a group can be kept in one document."""
        return self._raw.supports_consolidated_metadata

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """Return what is stored under a key, or a part of it; None if nothing is."""
        if byte_range is None:
            return await self._asking.read(key, lambda: self._raw.get(key, prototype), None, _size)

        async def read(once: Callable[[], Awaitable[Part]]) -> Part:
            return await self._asking.read(key, once, NOTHING, lambda part: _size(part[0]))

        return await self._asking.parts().get(self._raw, key, prototype, byte_range, read)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> builtins.list[Buffer | None]:
        """Return parts of what is stored under some keys."""
        return await asyncio.gather(*(self.get(key, prototype, byte_range) for key, byte_range in key_ranges))

    async def get_ranges(
        self, key: str, byte_ranges: Sequence[ByteRequest | None], **options: Any
    ) -> AsyncIterator[Sequence[tuple[int, Buffer | None]]]:
        """Give parts of what is stored under a key; zarr asks `get` once for those that are near to each other.

        Newer versions of zarr have it. They put errors into a group; here each comes as itself. Only the error that
        tells of nothing under the key stays in its group, where zarr expects it.
        """
        newer: Any = super()
        try:
            async for found in newer.get_ranges(key, byte_ranges, **options):
                yield found
        except BaseExceptionGroup as group:
            _, others = group.split(FileNotFoundError)
            if others is None:
                raise
            raise others.exceptions[0] from None

    async def exists(self, key: str) -> bool:
        """Whether something is stored under a key."""
        return await self._asking.read(key, lambda: self._raw.exists(key), False)

    async def getsize(self, key: str) -> int:
        """Return the number of bytes under a key."""
        size = await self._asking.read(key, lambda: self._raw.getsize(key), -1)
        if size < 0:
            raise FileNotFoundError(key)  # as zarr's own stores do
        return size

    async def set(self, key: str, value: Buffer) -> None:
        """Store something under a key."""
        self._check_writable()
        await self._asking.change(key, lambda: self._raw.set(key, value), len(value))

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """Store something under a key if nothing is there."""
        self._check_writable()
        await self._asking.change(key, lambda: self._raw.set_if_not_exists(key, value), len(value))

    @property
    def supports_partial_writes(self) -> Literal[False]:
        """Whether a part of a value can be written."""
        return False

    async def set_partial_values(self, key_start_values: Iterable[tuple[str, int, Any]]) -> None:
        """Write nothing: zarr does so only where partial writes are supported; older versions want the method."""
        raise NotImplementedError

    async def delete(self, key: str) -> None:
        """Delete what is stored under a key."""
        self._check_writable()
        await self._asking.change(key, lambda: self._raw.delete(key))

    async def delete_dir(self, prefix: str) -> None:
        """Delete what is stored under all keys below a prefix."""
        self._check_writable()
        if self._asking.engine:
            prefix = prefix if not prefix or prefix.endswith("/") else f"{prefix}/"
            keys = [key async for key in self.list_prefix(prefix)]
            for first in range(0, len(keys), AT_ONCE):
                await asyncio.gather(*map(self.delete, keys[first : first + AT_ONCE]))
        else:  # a folder goes as a whole
            await self._asking.change(prefix, lambda: self._raw.delete_dir(prefix))

    async def is_empty(self, prefix: str) -> bool:
        """Whether there is no key below a prefix."""
        return await self._asking.read(prefix, lambda: self._raw.is_empty(prefix), True)

    async def list(self) -> AsyncIterator[str]:
        """List all keys."""
        for key in await self._listed("", self._raw.list):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """List the keys that begin with a prefix."""
        for key in await self._listed(prefix, lambda: self._raw.list_prefix(prefix)):
            yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """List the names below a prefix."""
        for key in await self._listed(prefix, lambda: self._raw.list_dir(prefix)):
            yield key

    async def _listed(self, prefix: str, begin: Callable[[], AsyncIterator[str]]) -> builtins.list[str]:
        """Return a list as a whole: one that breaks off begins again."""

        async def once() -> builtins.list[str]:
            return [key async for key in begin()]

        return await self._asking.read(prefix, once, [])


def _size(found: Buffer | None) -> int:
    return 0 if found is None else len(found)


def _again(asking: Any, read_only: bool) -> Store:
    store: Store = asking.store
    return store.with_read_only(True) if read_only and not store.read_only else store
