"""Many values in one request: parsing the keys, and the formats of the answer."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mockserver.dvid.model.keyvalues import KeyValues, in_bytes
from mockserver.dvid.model.place import Place
from mockserver.dvid.wire import gojson
from mockserver.dvid.wire.byteranges import MAX_UINT64, ByteRange, checked_range
from mockserver.dvid.wire.gojson import quoted
from mockserver.http.messages import Refused

GO_TYPE = "keyvalue.jsonKeyReadRequest"

Pair = tuple[str, bytes]


@dataclass(frozen=True)
class Wanted:
    """A key, and the requested part of its value; None for all of it."""

    key: str
    part: ByteRange | None = None

    @classmethod
    def of(cls, key: str, first: int | None, last: int | None) -> Wanted:
        """Return a key with both ends of a range, or with none."""
        if first is None and last is None:
            return cls(key)
        if first is None or last is None:
            raise Refused(f"range read for key {quoted(key)} requires both byte_start and byte_end")
        return cls(key, checked_range(key, first, last))


def check_format(query: Mapping[str, str]) -> str:
    """Return ``tar``, ``json``, or an empty text for protobuf."""
    tar = "true" in {query.get("jsontar"), query.get("tar")}
    if tar and query.get("json") == "true":
        raise Refused("can only specify tar or json output, not both")
    return "tar" if tar else "json" if query.get("json") == "true" else ""


def parse_json_keys(data: bytes) -> list[Wanted]:
    """Read a list of keys, or of objects with ``key``, ``byte_start`` and ``byte_end``."""
    value = gojson.decode(data)
    if value is None:
        return []
    if not isinstance(value, list):
        raise Refused(f"json: cannot unmarshal {gojson.kind(value)} into Go value of type []{GO_TYPE}")
    if all(isinstance(key, str | None) for key in value):
        return [Wanted(key or "") for key in value]
    return [Wanted.of(*found) for found in [_parse_object(each) for each in value]]


def _parse_object(value: Any) -> tuple[str, int | None, int | None]:
    if value is None:
        return "", None, None
    if not isinstance(value, dict):
        raise Refused(f"json: cannot unmarshal {gojson.kind(value)} into Go value of type {GO_TYPE}")
    found: dict[str, Any] = {"key": "", "byte_start": None, "byte_end": None}
    for name, entry in value.items():
        field = name.lower()
        if field not in found or entry is None:
            continue
        expected = (str, "string") if field == "key" else (int, "uint64")
        if gojson.kind(entry) != gojson.kind(expected[0]()):
            _refuse(gojson.kind(entry), field, expected[1])
        if field != "key" and not (isinstance(entry, int) and 0 <= entry <= MAX_UINT64):
            _refuse(f"number {entry.text if isinstance(entry, gojson.Number) else entry}", field, "uint64")
        found[field] = entry
    return found["key"], found["byte_start"], found["byte_end"]


def _refuse(what: str, field: str, go_type: str) -> None:
    raise Refused(f"json: cannot unmarshal {what} into Go struct field jsonKeyReadRequest.{field} of type {go_type}")


def check_ranges(place: Place[KeyValues], wanted: Sequence[Wanted], *, as_json: bool) -> None:
    """Refuse a part beyond its value, and a part that is not JSON if the request asks for JSON."""
    for each, (_, value) in zip(wanted, values_of(place, wanted), strict=True):
        if each.part and as_json and value and not _is_json(value):
            raise Refused(f"bad JSON for key {quoted(each.key)} after byte range")


def values_of(place: Place[KeyValues], wanted: Sequence[Wanted]) -> list[Pair]:
    """Return the values in the order of the request; a value that does not exist is empty."""
    lineage = place.lineage
    found = []
    for each in wanted:
        value = place.instance.values.get(lineage, each.key) or b""
        found.append((each.key, each.part.of(each.key, value) if each.part and value else value))
    return found


def as_json(pairs: Iterable[Pair], *, check: bool) -> tuple[bytes, str | None]:
    """Return an object of values. DVID copies keys and values as they are, so the result may not be JSON.

    With `check` it ends before the first value that is not JSON; the second result is the error text for it.
    """
    text = b"{"
    for at, (key, value) in enumerate(pairs):
        text += b"," if at else b""
        if check and value and not _is_json(value):
            return text, f"bad JSON for key {quoted(key)}"
        text += b'"%s":%s' % (in_bytes(key), value or b"{}")
    return text + b"}", None


def _is_json(value: bytes) -> bool:
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


def as_tar(pairs: Iterable[Pair]) -> Iterator[bytes]:
    """Yield a tar archive with a file for each value."""
    for key, value in pairs:
        member = tarfile.TarInfo(key)
        member.size, member.mode = len(value), 0o755
        yield member.tobuf(tarfile.PAX_FORMAT, errors="surrogateescape")
        yield value + bytes(-len(value) % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)
