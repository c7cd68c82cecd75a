"""JSON bodies of requests, with DVID's tolerance and error texts."""

from __future__ import annotations

from typing import Any

from mockserver.dvid.wire import gojson
from mockserver.dvid.wire.geometry import wrapped
from mockserver.http.messages import Refused, Request

Config = dict[str, Any]
"""The settings of an instance or a repository, as a client sends them; the keys are in lower case."""

Fields = dict[str, type]
"""The fields of a Go struct and their types."""


def read_config(request: Request) -> Config:
    """Return an object with its keys in lower case; an empty body is an empty object."""
    try:
        value = gojson.decode_first(request.body.read())
        if value is not None and not isinstance(value, dict):
            raise Refused(
                f"json: cannot unmarshal {gojson.kind(value)} into Go value of type map[string]interface {{}}"
            )
    except Refused as refused:
        raise Refused(f"Malformed JSON request in body: {refused}") from None
    return {key.lower(): setting for key, setting in (value or {}).items()}


def read_fields(request: Request, fields: Fields, *, needed: bool) -> dict[str, Any]:
    """Return an object with the fields of a Go struct; an absent field is empty.

    Parameters
    ----------
    request : Request
        The request; its whole body is read.
    fields : dict
        Type of each field.
    needed : bool
        True if an empty body is refused.
    """
    data = request.body.read()
    found = {name: kind() for name, kind in fields.items()}
    if not data and not needed:
        return found
    try:
        value = gojson.decode(data)
        _fill(found, value, fields)
    except Refused as refused:
        raise Refused(f"Malformed JSON request in body: {refused}") from None
    return found


def read_map(request: Request, kind: type, go_type: str) -> dict[str, Any]:
    """Return an object whose values have the same type; an empty body is an empty object."""
    try:
        value = gojson.decode_first(request.body.read())
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise Refused(f"json: cannot unmarshal {gojson.kind(value)} into Go value of type map[string]{go_type}")
        for setting in value.values():
            if not isinstance(setting, kind | None):
                raise Refused(f"json: cannot unmarshal {gojson.kind(setting)} into Go value of type {go_type}")
            _check_texts(setting)
    except Refused as refused:
        raise Refused(f"Malformed JSON request in body: {refused}") from None
    return {key: kind() if setting is None else setting for key, setting in value.items()}


def _check_texts(lines: Any, where: str = "Go value of type string") -> None:
    for line in lines if isinstance(lines, list) else ():
        if not isinstance(line, str | None):
            raise Refused(f"json: cannot unmarshal {gojson.kind(line)} into {where}")


def _fill(found: dict[str, Any], value: Any, fields: Fields) -> None:
    go_types: dict[type, str] = {str: "string", list: "[]string"}
    struct = "; ".join(f'{_go_name(name)} {go_types[kind]} "json:\\"{name}\\""' for name, kind in fields.items())
    if value is not None and not isinstance(value, dict):
        raise Refused(f"json: cannot unmarshal {gojson.kind(value)} into Go value of type struct {{ {struct} }}")
    for key, setting in (value or {}).items():
        name = next((name for name in fields if name.lower() == key.lower()), None)
        if name is None or setting is None:
            continue
        if not isinstance(setting, fields[name]):
            where = f"Go struct field .{name} of type {go_types[fields[name]]}"
            raise Refused(f"json: cannot unmarshal {gojson.kind(setting)} into {where}")
        _check_texts(setting, f"Go struct field .{name} of type string")
        found[name] = setting


def _go_name(name: str) -> str:
    return "UUID" if name == "uuid" else name[0].upper() + name[1:]


def arrays(value: Any, go_type: str, length: int) -> list[list[int]]:
    """Return a list of arrays of int32 as Go reads them: a short array is filled with 0, a long one is cut."""
    if not isinstance(value, list | None):
        raise Refused(f"json: cannot unmarshal {gojson.kind(value)} into Go value of type []{go_type}")
    found = []
    for each in value or ():
        if not isinstance(each, list | None):
            raise Refused(f"json: cannot unmarshal {gojson.kind(each)} into Go value of type {go_type}")
        numbers = [_int32(number) for number in (each or ())[:length]]
        found.append(numbers + [0] * (length - len(numbers)))
    return found


def _int32(value: Any) -> int:
    if value is None:
        return 0
    if gojson.kind(value) != "number":
        raise Refused(f"json: cannot unmarshal {gojson.kind(value)} into Go value of type int32")
    if not isinstance(value, int) or wrapped(value, 32) != value:
        text = value.text if isinstance(value, gojson.Number) else value
        raise Refused(f"json: cannot unmarshal number {text} into Go value of type int32")
    return value


def unsigned(value: Any, go_type: str = "[]uint64") -> list[int]:
    """Return a list of uint64 as Go reads it."""
    if not isinstance(value, list | None):
        raise Refused(f"json: cannot unmarshal {gojson.kind(value)} into Go value of type {go_type}")
    return [_uint64(number) for number in value or ()]


def _uint64(value: Any) -> int:
    if value is None:
        return 0
    if gojson.kind(value) != "number":
        raise Refused(f"json: cannot unmarshal {gojson.kind(value)} into Go value of type uint64")
    if not isinstance(value, int) or not 0 <= value < 2**64:
        text = value.text if isinstance(value, gojson.Number) else value
        raise Refused(f"json: cannot unmarshal number {text} into Go value of type uint64")
    return value
