"""The object store: zarr's store upon obstore, rooted at the prefix of one image, under a grant that is renewed."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import S3Store
from zarr.abc.store import ByteRequest
from zarr.core.buffer import Buffer, BufferPrototype

from pyvolume.errors import ExistsError
from pyvolume.mikro.grants import REGION, Grant, Grants
from pyvolume.mikro.refusals import EXPIRED, code_of
from pyvolume.zarr.requests.buckets import Objects, s3_store
from pyvolume.zarr.requests.credentials import Signing
from pyvolume.zarr.requests.places import Place

T = TypeVar("T")

METADATA = "zarr.json"
"""The key of the metadata of an array."""

FRESH = 1.0
"""Seconds for which a grant that came after a refusal is not renewed once more: others meet the refusal as well."""


class Granted(Objects):
    """The objects of one image.

    A refusal renews the grant, once, and repeats the request. A chunk that the newest grant may not read is missing:
    where listing is not granted, a store says so of what is not there.

    Parameters
    ----------
    grants : Grants
        The keys.
    endpoint, region : str
        Of the object store; the region of the grant counts more than an empty one.
    read_only : bool
        Whether objects can only be read.
    """

    def __init__(self, grants: Grants, endpoint: str, region: str, *, read_only: bool) -> None:
        self._grants = grants
        self._endpoint = endpoint
        self._region = region
        self._seen = 0
        self._lock = threading.Lock()
        self._denies_missing = 0
        self._fresh, self._until = 0, 0.0
        number, grant = grants.present
        super().__init__(_nothing(endpoint) if grant is None else _store(grant, endpoint, region), read_only=read_only)
        if grant is not None:
            self._seen = number

    def with_read_only(self, read_only: bool = False) -> Granted:
        """Return the same objects, which can be written or not."""
        return Granted(self._grants, self._endpoint, self._region, read_only=read_only)

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer:
        """Return an object, or a part of it."""
        return await self._asked(key, lambda: super(Granted, self).get(key, prototype, byte_range))

    def value(self, key: str) -> memoryview:
        """Return an object; the thread waits for it."""
        if (old := self._outdated()) is not None:
            self._renew(old)
        seen = self._seen
        try:
            return super().value(key)
        except Exception as error:
            self._check_expired(key, seen, error)
        self._renew(seen, after_refusal=True)
        try:
            return super().value(key)
        except Exception as error:
            self._check_granted(key, error)
            raise

    async def part(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest) -> tuple[Buffer, Hashable]:
        """Return a range of bytes of an object, with a stamp that changes when the object does."""
        return await self._asked(key, lambda: super(Granted, self).part(key, prototype, byte_range))

    async def exists(self, key: str) -> bool:
        """Return True; a missing object is an error."""
        return await self._asked(key, lambda: super(Granted, self).exists(key))

    async def set(self, key: str, value: Buffer) -> None:
        """Store an object."""
        await self._asked("", lambda: super(Granted, self).set(key, value))

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """Store an object if there is none.

        Raises
        ------
        ExistsError
            If there is one with other bytes; the same ones are those of a request whose answer was lost.
        """
        data = value.as_buffer_like()

        async def once() -> None:
            try:
                await obstore.put_async(self.store, key, data, mode="create")
            except AlreadyExistsError:
                answer = await obstore.get_async(self.store, key)
                if bytes(await answer.bytes_async()) != bytes(data):
                    raise ExistsError(
                        f"upload an image: {key} of its array is there already; no image was made"
                    ) from None

        await self._asked("", once)

    async def delete(self, key: str) -> None:
        """Delete an object."""
        await self._asked("", lambda: super(Granted, self).delete(key))

    async def _asked(self, key: str, once: Callable[[], Awaitable[T]]) -> T:
        """Await a request; `key` is that of an object that is read, else empty.

        The catalogue is asked in another thread than zarr's.
        """
        if (old := self._outdated()) is not None:
            await asyncio.to_thread(self._renew, old)
        seen = self._seen
        try:
            return await once()
        except Exception as error:
            self._check_expired(key, seen, error)
        await asyncio.to_thread(self._renew, seen, after_refusal=True)
        try:
            return await once()
        except Exception as error:
            self._check_granted(key, error)
            raise

    def _outdated(self) -> int | None:
        """Return the number of the grant that is in use, if there is a newer one or it has ended; else None."""
        number, grant = self._grants.present
        if grant is None:
            return number
        return None if number == self._seen else number - 1

    def _check_expired(self, key: str, seen: int, error: Exception) -> None:
        """Raise an error that a newer grant does not help against."""
        code = code_of(error)
        if code not in EXPIRED:
            raise error
        if seen == self._fresh and time.monotonic() < self._until:
            self._check_granted(key, error)
            raise error
        if code == "AccessDenied" and self._denies_missing == seen and self._is_chunk(key):
            raise FileNotFoundError(key) from error

    def _check_granted(self, key: str, error: Exception) -> None:
        """Raise another error for a chunk that the newest grant may not read."""
        if code_of(error) == "AccessDenied" and self._is_chunk(key):
            self._denies_missing = self._seen
            raise FileNotFoundError(key) from error

    @staticmethod
    def _is_chunk(key: str) -> bool:
        return key not in {"", METADATA}

    def _renew(self, seen: int, *, after_refusal: bool = False) -> None:
        """Take a newer grant than that with a number."""
        number, grant = self._grants.renewed(seen)
        with self._lock:  # threads that renew it meet here
            if number > self._seen:
                if after_refusal:
                    self._fresh, self._until = number, time.monotonic() + FRESH
                self.store = _store(grant, self._endpoint, self._region)
                self._seen = number


def _store(grant: Grant, endpoint: str, region: str) -> S3Store:
    keys: dict[str, Any] = {
        "access_key_id": str(grant.access_key),
        "secret_access_key": str(grant.secret_key),
        "token": str(grant.session_token) or None,
        "expires_at": None,
    }
    place = Place("s3", grant.bucket, grant.prefix, endpoint)
    return s3_store(place, Signing(endpoint, True, lambda: keys), region or grant.region or REGION)


def _nothing(endpoint: str) -> S3Store:
    """Return a store that is replaced before it is asked."""
    return s3_store(Place("s3", "nothing", "", endpoint), Signing(endpoint, False), REGION)
