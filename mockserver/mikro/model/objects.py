"""Objects: one bucket, with its multipart uploads."""

from __future__ import annotations

import hashlib
import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(frozen=True)
class Stored:
    """One object.

    Parameters
    ----------
    data : bytes
        Its content.
    etag : str
        In quotes.
    written : datetime
        When it was written.
    """

    data: bytes
    etag: str
    written: datetime = field(default_factory=lambda: datetime.now(UTC))

    @classmethod
    def of(cls, data: bytes) -> Stored:
        """Make an object that was written at once."""
        return cls(data, f'"{md5(data)}"')


def md5(data: bytes) -> str:
    """Return the MD5 of bytes, in hexadecimal."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


class Bucket:
    """The objects of one bucket by key; safe to use from several threads.

    Parameters
    ----------
    name : str
        Of the bucket.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.lock = threading.RLock()
        self.objects: dict[str, Stored] = {}
        self.uploads: dict[str, tuple[str, dict[int, Stored]]] = {}

    def put(self, key: str, data: bytes, *, only_new: bool = False) -> tuple[Stored, bool]:
        """Store an object; return it and True, or the one that is there and False."""
        with self.lock:
            if only_new and key in self.objects:
                return self.objects[key], False
            self.objects[key] = stored = Stored.of(data)
            return stored, True

    def get(self, key: str) -> Stored | None:
        """Return an object, None if there is none."""
        return self.objects.get(key)

    def delete(self, key: str) -> None:
        """Delete an object; an absent one is no error."""
        with self.lock:
            self.objects.pop(key, None)

    def listed(self, prefix: str) -> list[tuple[str, Stored]]:
        """Return the objects whose keys begin with a prefix, by key."""
        with self.lock:
            return sorted((key, each) for key, each in self.objects.items() if key.startswith(prefix))

    def begin(self, key: str) -> str:
        """Begin a multipart upload, and return its id."""
        name = uuid.uuid4().hex + uuid.uuid4().hex[:8]
        with self.lock:
            self.uploads[name] = (key, {})
        return name

    def add(self, upload: str, number: int, data: bytes) -> Stored | None:
        """Store a part; None if there is no such upload."""
        with self.lock:
            if upload not in self.uploads:
                return None
            self.uploads[upload][1][number] = stored = Stored.of(data)
            return stored

    def complete(self, upload: str, numbers: list[int]) -> Stored | None:
        """Join the parts of an upload; None if there is no such upload, or not all of the parts."""
        with self.lock:
            key, parts = self.uploads.get(upload, ("", {}))
            if not numbers or not set(numbers) <= set(parts):
                return None
            del self.uploads[upload]
            joined = b"".join(parts[number].data for number in numbers)
            digests = b"".join(bytes.fromhex(parts[number].etag.strip('"')) for number in numbers)
            self.objects[key] = stored = Stored(joined, f'"{md5(digests)}-{len(numbers)}"')
            return stored

    def abort(self, upload: str) -> bool:
        """Forget an upload, and return whether it was there."""
        with self.lock:
            return self.uploads.pop(upload, None) is not None
