"""JSON as values of keys: strict, so that every program can read it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, NoReturn, Protocol

import numpy as np

from pyvolume.errors import MetadataError

__all__ = ["JsonValues"]


class Values(Protocol):
    """Values of bytes by keys of text."""

    @property
    def name(self) -> str: ...
    def __getitem__(self, key: str, /) -> bytes: ...
    def __setitem__(self, key: str, value: bytes, /) -> None: ...
    def __delitem__(self, key: str, /) -> None: ...
    def __contains__(self, key: object, /) -> bool: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    def clear(self) -> None: ...
    def put_many(self, values: Mapping[str, bytes], /) -> None: ...


class JsonValues(MutableMapping[str, Any]):
    """JSON values by keys of text: ``keyvalue.json``, a view of a `KeyValue`.

    JSON is strict: numpy's scalars and arrays become numbers and lists. NaN, infinity, keys that are no text and other
    types raise a `MetadataError` before anything is sent. A stored value that is no JSON raises it when it is read.

    Parameters
    ----------
    values : KeyValue
        Where the values are kept, as bytes.
    """

    def __init__(self, values: Values) -> None:
        self._values = values

    def __repr__(self) -> str:
        return f"<JSON of {self._values!r}>"

    def __getitem__(self, key: str) -> Any:
        return decode(f"read {key!r} of {self._values.name}", self._values[key])

    def __setitem__(self, key: str, value: object) -> None:
        self._values[key] = encode(f"write {key!r} of {self._values.name}", value)

    def __delitem__(self, key: str) -> None:
        del self._values[key]

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def clear(self) -> None:
        """Delete every key."""
        self._values.clear()

    def update(self, *args: Any, **named: Any) -> None:
        """Write many values, with few requests."""
        values = dict(*args, **named)
        name = self._values.name
        self._values.put_many({key: encode(f"write {key!r} of {name}", values[key]) for key in values})


def encode(action: str, value: object) -> bytes:
    """Return a value as JSON; numpy's scalars and arrays become numbers and lists, tuples lists.

    Raises
    ------
    MetadataError
        For what JSON cannot say: NaN and infinity, keys other than text, other types; for deep nesting.
    """
    try:
        return json.dumps(_plain(action, value, "$"), allow_nan=False).encode()
    except RecursionError:
        raise MetadataError(f"{action}: JSON has no such deep nesting, found at $", path="$") from None


def decode(action: str, data: bytes) -> Any:
    """Read JSON.

    Raises
    ------
    MetadataError
        If it is not strict JSON.
    """

    def refuse(name: str) -> NoReturn:
        raise ValueError(f"{name} is not JSON")

    try:
        return json.loads(data, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise MetadataError(f"{action}: expected JSON and found {data[:40]!r} ({error})") from None


def _plain(action: str, value: object, path: str) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    match value:
        case float() if not math.isfinite(value):
            raise MetadataError(f"{action}: JSON has no {value}, found at {path}", path=path)
        case None | bool() | int() | float() | str():
            return value
        case list() | tuple():
            return [_plain(action, each, f"{path}[{i}]") for i, each in enumerate(value)]
        case Mapping():
            for key in value:
                if not isinstance(key, str):
                    raise MetadataError(f"{action}: a key of JSON is text, not {key!r} at {path}", path=path)
            return {key: _plain(action, each, f"{path}.{key}") for key, each in value.items()}
    raise MetadataError(f"{action}: JSON has no {type(value).__name__}, found at {path}", path=path)
