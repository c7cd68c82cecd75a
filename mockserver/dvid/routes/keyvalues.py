"""Requests to a keyvalue instance."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence

from mockserver.dvid.model import documents
from mockserver.dvid.model.changes import Changes
from mockserver.dvid.model.keyvalues import KeyValues, in_bytes
from mockserver.dvid.model.place import Place
from mockserver.dvid.routes import tags
from mockserver.dvid.routes.keyvalue_batches import (
    Wanted,
    as_json,
    as_tar,
    check_format,
    check_ranges,
    parse_json_keys,
    values_of,
)
from mockserver.dvid.wire import gojson
from mockserver.dvid.wire.answers import bad_call, error
from mockserver.dvid.wire.byteranges import Unsatisfiable, range_of_header, range_of_query
from mockserver.dvid.wire.gojson import quoted
from mockserver.dvid.wire.protobuf import decode_keys, decode_keyvalues, encode_keyvalues
from mockserver.http.messages import Answer, Declined, Refused, Request, document, octets

Handler = Callable[[Request, Place[KeyValues], Sequence[str]], Answer]

TAR = "application/tar"


class KeyValuesApi:
    """Answers requests to keyvalue instances.

    Parameters
    ----------
    changes : Changes
        The operations that change instances.
    """

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._handlers: dict[str, Handler] = {
            "help": lambda *_: document("keyvalue, as a mock\n", "text/plain"),
            "info": lambda _, place, __: document(
                gojson.encode(documents.describe_instance(place.instance, place.lineage))
            ),
            "tags": lambda request, place, _: tags.answer(request, place, changes),
            "keys": lambda _, place, __: _listed(place),
            "keyrange": _key_range,
            "keyrangevalues": _range_values,
            "keyvalues": self._values,
            "key": self._key,
        }

    @property
    def keywords(self) -> frozenset[str]:
        """The words that follow the name of an instance."""
        return frozenset(self._handlers)

    def answer(self, request: Request, place: Place[KeyValues], keyword: str, words: Sequence[str]) -> Answer:
        """Return the answer to a request."""
        handler = self._handlers.get(keyword)
        if handler is None:
            return bad_call(request, place.instance.base.name, "keyvalue")
        return handler(request, place, words)

    def _key(self, request: Request, place: Place[KeyValues], words: Sequence[str]) -> Answer:
        if not words:
            raise Refused("expect key string to follow 'key' endpoint")
        key = words[0]
        match request.method.lower():
            case "get":
                return _read(request, place, key)
            case "head":
                if place.instance.values.get(place.lineage, key) is None:
                    return Answer(404)
                return Answer(headers=(("Accept-Ranges", "bytes"),))
            case "post":
                return self._put(place, {key: request.body.read()})
            case "delete":
                base = place.instance.base
                self._changes.make("delete_key", uuid=place.version.uuid, name=base.name, key=key)
                return Answer()
        raise _wrong_verb(request)

    def _values(self, request: Request, place: Place[KeyValues], _: Sequence[str]) -> Answer:
        match request.method.lower():
            case "get":
                return _read_many(request, place)
            case "post":
                return self._put(place, dict(decode_keyvalues(request.body.read())))
        raise _wrong_verb(request)

    def _put(self, place: Place[KeyValues], values: Mapping[str, bytes]) -> Answer:
        packed = {key: base64.b64encode(value).decode() for key, value in values.items()}
        base = place.instance.base
        self._changes.make("put_values", uuid=place.version.uuid, name=base.name, values=packed)
        return Answer()


def _wrong_verb(request: Request) -> Refused:
    return Refused(f'key endpoint does not support "{request.method.lower()}" HTTP verb')


def _read(request: Request, place: Place[KeyValues], key: str) -> Answer:
    value = place.instance.values.get(place.lineage, key)
    if not value:  # DVID stores an empty value, and cannot read it
        raise Declined(404, f"Key {quoted(key)} not found")
    part, header = range_of_query(request.query, key), request.headers.get("Range", "")
    if header and part:
        raise Refused("cannot combine Range header with byte_start/byte_end query parameters")
    if part:
        return _sized(part.of(key, value))
    try:
        found = range_of_header(header, len(value))
    except Unsatisfiable as problem:
        refusal = error(416, str(problem))
        return Answer(416, refusal.content_type, refusal.parts, refusal.length,
                      (*refusal.headers, ("Content-Range", f"bytes */{len(value)}")))  # fmt: skip
    if found is None:
        return _sized(value)
    return _sized(found.of(key, value), 206, ("Content-Range", f"bytes {found.first}-{found.last}/{len(value)}"))


def _sized(data: bytes, status: int = 200, *headers: tuple[str, str]) -> Answer:
    """Answer with a value; DVID always sends its length."""
    kind = "application/octet-stream"
    return Answer(status, kind, (data,), len(data), (("Accept-Ranges", "bytes"), *headers), sized=True)


def _listed(place: Place[KeyValues], first: str = "", last: str | None = None) -> Answer:
    return document(gojson.encode([key for key, _ in place.instance.within(place.lineage, first, last)]))


def _key_range(_: Request, place: Place[KeyValues], words: Sequence[str]) -> Answer:
    return _listed(place, *_ends(words, "keyrange"))


def _ends(words: Sequence[str], keyword: str) -> tuple[str, str]:
    if len(words) < 2:
        raise Refused(f"expect beginning and end keys to follow '{keyword}' endpoint")
    return words[0], words[1]


def _range_values(request: Request, place: Place[KeyValues], words: Sequence[str]) -> Answer:
    first, last = _ends(words, "keyrangevalues")
    form = check_format(request.query)
    pairs = [(key, value) for key, value in place.instance.within(place.lineage, first, last) if value]
    if form == "tar":
        return octets(as_tar(pairs), None, TAR)
    if form == "json":
        data, problem = as_json(pairs, check=request.query.get("check") == "true")
        # The first bad value ends the list, without an error.
        return octets((data if problem is None else data + b"}",), None, "application/json")
    return octets((encode_keyvalues(pairs),), None)


def _read_many(request: Request, place: Place[KeyValues]) -> Answer:
    asked: list[Wanted] = []
    try:
        form = check_format(request.query)
        data = request.body.read()
        if form:
            wanted = parse_json_keys(data)
            check_ranges(place, wanted, as_json=form == "json")
            asked = wanted
        else:
            asked = [Wanted.of(*each) for each in _in_protobuf(data)]
        pairs = values_of(place, asked)
        if not form:
            return octets((encode_keyvalues(pairs),), None)
    except Refused as refused:
        raise Refused(_of_many(place, len(asked), str(refused))) from None
    if form == "tar":
        return octets(as_tar(pairs), None, TAR)
    text, problem = as_json(pairs, check=request.query.get("check") == "true")
    if problem is not None:
        # The answer has begun, so the error text follows the part that was sent.
        text += in_bytes(f"{_of_many(place, len(asked), problem)} ({request.path}).\n")
    return octets((text,), None, "application/json")


def _in_protobuf(data: bytes) -> list[tuple[str, int | None, int | None]]:
    keys, ranges = decode_keys(data)
    return [*((key, None, None) for key in keys), *ranges]


def _of_many(place: Place[KeyValues], count: int, problem: str) -> str:
    return f'GET /keyvalues on {count} keys, data "{place.instance.base.name}": {problem}'
