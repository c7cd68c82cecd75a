"""JsonValues: keys with JSON values in place of bytes."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any

from pyvolume.dvid.keyvalue import strict_json

if TYPE_CHECKING:
    from pyvolume.dvid.keyvalue.mapping import KeyValue

__all__ = ["JsonValues"]


class JsonValues(MutableMapping[str, Any]):
    """JSON values by keys of text: a view of a `KeyValue`, which ``keyvalue.json`` gives.

    JSON is strict: numpy's scalars and arrays become numbers and lists; NaN, infinity, keys that are no text and other
    types are a `MetadataError` before anything is sent, and so is a value that is no JSON when it is read.

    Parameters
    ----------
    values : KeyValue
    """

    def __init__(self, values: KeyValue) -> None:
        self._values = values

    def __repr__(self) -> str:
        return f"<JSON of {self._values!r}>"

    def __getitem__(self, key: str) -> Any:
        return strict_json.decode(f"read {key!r} of {self._values.name}", self._values[key])

    def __setitem__(self, key: str, value: object) -> None:
        self._values[key] = strict_json.encode(f"write {key!r} of {self._values.name}", value)

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
        self._values.put_many({key: strict_json.encode(f"write {key!r} of {name}", values[key]) for key in values})
