"""KeyValue: values of bytes by keys of text."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, BinaryIO, Self, TypeVar

from pyvolume.calls.call import Call
from pyvolume.dvid import instances
from pyvolume.dvid.address import segment
from pyvolume.dvid.client import get_entries
from pyvolume.dvid.instances import Instance, InstanceHandle
from pyvolume.dvid.keyvalue import files, listing, messages
from pyvolume.dvid.keyvalue.files import PIECE_BYTES, VALUE_TYPE
from pyvolume.dvid.keyvalue.json import JsonValues
from pyvolume.dvid.refusals import refusal
from pyvolume.dvid.versions.lookup import resolve
from pyvolume.errors import AnswerError, KeyNotFoundError, MetadataError, RefusedError
from pyvolume.model import arguments
from pyvolume.transfer.pool import run_ahead
from pyvolume.transport.answer import Answer
from pyvolume.transport.connection import Connection
from pyvolume.transport.request import Request, Upload

__all__ = ["KeyValue"]

_T = TypeVar("_T")

BATCH_KEYS, BATCH_BYTES = 500, 4 << 20
"""Keys and bytes of one request for many values; a larger value is sent alone."""

RANGE_BEGINS_BEHIND_END = 416


class KeyValue(InstanceHandle, MutableMapping[str, bytes]):
    """Values of bytes by keys of text, in one version; a mapping like any other.

    `Version.keyvalue` returns handles of this class. Each operation is a request. A version inherits the keys of its
    ancestors, one by one. Keys are sorted by code points.

    A key has no slash and no NUL, is neither empty nor ``"."`` nor ``".."``, and has at most 60000 bytes in UTF-8. The
    server would accept some others, and return the value of another key for them.

    Parameters
    ----------
    connection : Connection
        To the server.
    uuid : str
        The version, in any form; it is looked up once.
    data_name : str
        The name of the instance.

    Raises
    ------
    NotFoundError
        If there is no such version or instance.
    UnsupportedError
        If the instance is of another type.

    Notes
    -----
    A missing key raises `KeyNotFoundError`, an impossible key `MetadataError`, and a write to a committed version
    `LockedError`.
    """

    def __init__(self, connection: Connection, uuid: str, data_name: str) -> None:
        self._instance = Instance(connection, resolve(connection, uuid), data_name)
        instances.find(self._instance, "keyvalue")

    @classmethod
    def of(cls, instance: Instance) -> Self:
        """Return a handle without a request; an instance that is not there is an error of each operation."""
        values = cls.__new__(cls)
        values._instance = instance  # noqa: SLF001 - an object of this class
        return values

    def __repr__(self) -> str:
        return f"<KeyValue {self.name!r} of version {self.uuid[:8]}, {self.connection.url}>"

    @property
    def _path(self) -> str:
        return self._instance.path

    @property
    def json(self) -> JsonValues:
        """The same keys with JSON values in place of bytes."""
        return JsonValues(self)

    def __getitem__(self, key: str) -> bytes:
        """Return the value of a key, of at most `Connection.max_document` bytes; `open` takes a value of any size."""
        return self._get(key, _value, b"")

    def __setitem__(self, key: str, value: messages.Bytes) -> None:
        """Write a value: bytes, or an object with a buffer, such as an array in C order; it is not copied."""
        view = messages.as_bytes(self._action("write", key), value)
        starts = range(0, max(1, len(view)), PIECE_BYTES)
        self._put(key, Upload(len(view), lambda: (view[start : start + PIECE_BYTES] for start in starts)))

    def __delitem__(self, key: str) -> None:
        """Delete a key; the versions before this one keep it."""
        if key not in self:  # the server does not report a missing key
            raise _missing(self._action("delete", key))
        self._delete(key)

    def __contains__(self, key: object) -> bool:
        """Tell whether there is such a key; no value is read."""
        return isinstance(key, str) and messages.can_be(key) and self._is_there(key, self.connection.new_call())

    def _is_there(self, key: str, call: Call) -> bool:
        request = self._request(self._action("look for", key), "HEAD", key)
        try:
            self.connection.exchange(request, Answer.finish, call)
        except KeyNotFoundError:
            return False
        except RefusedError as error:
            if not error.detail:  # the answer to a HEAD has no text that tells why
                self._get_batch(request.action, [key])
            raise
        return True

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys, sorted, as of now; one request. Many keys wait in a temporary file."""
        return listing.spooled_keys(self._list("keys", functools.partial(listing.spool, self._listing)))

    def __len__(self) -> int:
        return self._list("keys", lambda keys: sum(1 for _ in keys))

    def clear(self) -> None:
        """Delete every key."""
        for key in self:
            self._delete(key)

    def update(self, *args: Any, **named: Any) -> None:
        """Write many values, see `put_many`."""
        self.put_many(dict(*args, **named))

    def range(self, start: str, stop: str) -> list[str]:
        """Return the keys from `start` to `stop`, which is not included, sorted.

        Parameters
        ----------
        start, stop : str
            Any text. If one of them is not possible as a key, all keys are listed.
        """
        if any(not isinstance(each, str) for each in (start, stop)):
            raise TypeError(f"{self._listing}: expected two texts and found {start!r} and {stop!r}")
        if messages.can_be(start) and messages.can_be(stop):
            endpoint = f"keyrange/{segment(start)}/{segment(stop)}"
        else:
            endpoint = "keys"
        return self._list(endpoint, lambda keys: [key for key in keys if start <= key < stop])

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Return the values of the given keys, with few requests; missing keys are left out.

        Raises
        ------
        MetadataError
            For a key that is not possible, and for a value of more than `Connection.max_document` bytes.
        """
        action = f"read keys of {self.name}"
        wanted = list(arguments.each_of(keys, action, "keys"))
        for key in wanted:
            messages.check_key(action, key)
        wanted = list(dict.fromkeys(wanted))
        found: dict[str, bytes] = {}
        for first in range(0, len(wanted), BATCH_KEYS):
            found |= self._get_batch(action, wanted[first : first + BATCH_KEYS])
        empty = [key for key, value in found.items() if not value]
        # the server gives the same answer for an empty value and for a missing key
        slots = self.connection.lanes.reads
        for key, is_there in run_ahead(
            empty, self._is_there, self.connection.new_call, lambda: slots.room, ordered=True
        ):
            if not is_there:
                del found[key]
        return found

    def put_many(self, values: Mapping[str, bytes]) -> None:
        """Write many values, with few requests; if it fails, some may be written, and the call can be repeated.

        Raises
        ------
        MetadataError
            For a key that is not possible; nothing has been sent then.
        """
        if not isinstance(values, Mapping):
            raise TypeError(f"write keys of {self.name}: expected a mapping of keys to bytes and found {values!r}")
        action = f"write {len(values)} keys of {self.name}"
        checked = {key: messages.as_bytes(f"{action}: {key!r}", value) for key, value in values.items()}
        for key in checked:
            messages.check_key(action, key)
        batch: dict[str, bytes] = {}
        for key, view in checked.items():
            if len(view) > BATCH_BYTES:
                self[key] = view
                continue
            if len(batch) == BATCH_KEYS or sum(map(len, batch.values())) + len(view) > BATCH_BYTES:
                self._put_batch(action, batch)
                batch = {}
            batch[key] = bytes(view)
        if batch:
            self._put_batch(action, batch)

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return the bytes from `start` to `stop` of a value, as ``value[start:stop]``; only these are sent.

        Parameters
        ----------
        key : str
            The key.
        start, stop : int
            Not below 0; None for the end, of at most `Connection.max_document` bytes in all.
        """
        return files.read(self._get, self._action("read", key), key, start, stop)

    def read_into(self, key: str, file: BinaryIO) -> int:
        """Write a value into a file, piece by piece, and return the number of bytes.

        It is one request, therefore all bytes belong to one state of the value. A retry writes from the same position
        of the file again.

        Parameters
        ----------
        key : str
            The key.
        file : binary file
            It must be able to seek; use `open` for other files.
        """
        return files.read_into(self._get, self._action("read", key), key, file)

    def write_from(self, key: str, file: BinaryIO) -> None:
        """Write what a file holds from its present position on, piece by piece.

        Parameters
        ----------
        key : str
            The key.
        file : binary file
            It must be able to seek, because the length is sent first.
        """
        self._put(key, files.upload(self._action("write", key), file))

    def open(self, key: str) -> io.BufferedReader:
        """Return a value as a file to read from, which reads pieces when they are needed and can seek.

        If somebody writes the value between two pieces, the pieces do not belong together; another length is an error.
        """
        return files.open_value(self._get, self._action("read", key), key)

    def _get(
        self, key: str, receive: Callable[[Answer], _T], empty: _T, byte_range: tuple[int, int | None] | None = None
    ) -> _T:
        """Ask for a value or a part of it; return `empty` where it has no bytes."""
        facts: dict[str, Any] = {}
        if byte_range is not None:
            first, last = byte_range
            facts = {"headers": {"Range": f"bytes={first}-{'' if last is None else last}"}, "accepts": frozenset({206})}
        request = self._request(self._action("read", key), "GET", key, **facts)
        try:
            return self.connection.exchange(request, receive, self.connection.new_call())
        except KeyNotFoundError:
            if key not in self:  # the server says 404 to an empty value as well
                raise
        except RefusedError as error:
            if error.status != RANGE_BEGINS_BEHIND_END:
                raise
        return empty

    def _get_batch(self, action: str, keys: list[str]) -> dict[str, bytes]:
        def receive(answer: Answer) -> dict[str, bytes]:
            answer.expect(None, VALUE_TYPE)
            try:
                found = dict(messages.decode_pairs(action, answer.pieces(), answer.max_document))
            except MetadataError:
                raise
            except ValueError as error:
                raise AnswerError(f"{action}: {error}") from None
            if list(found) != keys:
                raise AnswerError(f"{action}: expected the values of {len(keys)} keys and found {len(found)}")
            return found

        upload = Upload.of(messages.encode_keys(keys))
        request = Request(action, "GET", f"{self._path}/keyvalues", upload=upload, refusal=_refusal)
        return self.connection.exchange(request, receive, self.connection.new_call())

    def _put_batch(self, action: str, batch: Mapping[str, bytes]) -> None:
        upload = Upload.of(messages.encode_pairs(batch.items()))
        self._exchange(Request(action, "POST", f"{self._path}/keyvalues", upload=upload, refusal=_refusal))

    def _put(self, key: str, upload: Upload) -> None:
        self._exchange(self._request(self._action("write", key), "POST", key, upload=upload))

    def _delete(self, key: str) -> None:
        self._exchange(self._request(self._action("delete", key), "DELETE", key))

    def _list(self, endpoint: str, receive: Callable[[Iterator[str]], _T]) -> _T:
        """Ask for keys, which are received one after the other."""
        action, path = self._listing, f"{self._path}/{endpoint}"
        return get_entries(self.connection, action, path, lambda entries: receive(listing.checked(action, entries)))

    @property
    def _listing(self) -> str:
        return f"list keys of {self.name}"

    def _action(self, verb: str, key: str) -> str:
        return f"{verb} {messages.shown(key)} of {self.name}"

    def _request(self, action: str, method: str, key: str, **facts: Any) -> Request:
        messages.check_key(action, key)
        return Request(action, method, f"{self._path}/key/{segment(key)}", refusal=_refusal, **facts)


def create(instance: Instance, *, versioned: bool) -> KeyValue:
    """Create an instance for keys and values whose name is free, see `pyvolume.dvid.keyvalue.create_new`."""
    document = {"typename": "keyvalue", "dataname": instance.name, "versioned": str(bool(versioned)).lower()}
    instances.create(instance, document, "dvid-create-keyvalue-1")
    return KeyValue.of(instance)


def _value(answer: Answer) -> bytes:
    answer.expect(None, VALUE_TYPE)
    return answer.read()


def _refusal(request: Request, status: int, headers: Mapping[str, str], text: str) -> RefusedError:
    is_of_a_key = "/key/" in request.path and (request.method == "HEAD" or text.startswith("Key "))
    return (
        _missing(request.action, status) if status == 404 and is_of_a_key else refusal(request, status, headers, text)
    )


def _missing(action: str, status: int = 404) -> KeyNotFoundError:
    return KeyNotFoundError(f"{action}: there is no such key in this version", action=action, status=status)
