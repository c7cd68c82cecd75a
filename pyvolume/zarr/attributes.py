"""The attributes of an image or an array: those of the user, and what pyvolume keeps."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

from pyvolume.calls.call import Call
from pyvolume.errors import KeyNotFoundError, MetadataError, UnsupportedError
from pyvolume.model import arguments
from pyvolume.model.nearest import hint
from pyvolume.zarr.client import Client
from pyvolume.zarr.nodes import OURS, open_any

RESERVED = (OURS, "ome", "multiscales", "omero", "plate", "well", "labels", "image-label", "bioformats2raw.layout")
"""What a format says of a volume; it is changed by what it describes."""

_CHANGING = threading.RLock()
"""Held while attributes are read, changed and written; a document is written as a whole."""


def read_attributes(client: Client, path: str, call: Call) -> dict[str, Any]:
    """Return the attributes of a node as they are stored now."""
    return dict(open_any(client, path, "r", call).attrs.asdict())


def change_attributes(
    client: Client, path: str, call: Call, change: Callable[[dict[str, Any]], Mapping[str, Any] | None]
) -> None:
    """Change the attributes of a node: `change` returns those to store, or None to leave them as they are."""
    with _CHANGING:
        node = open_any(client, path, "r+", call)
        changed = change(dict(node.attrs.asdict()))
        if changed is not None:
            client.do(
                call,
                f"write the attributes of {client.address}/{path}",
                functools.partial(node.attrs.put, dict(changed)),
            )


class Attributes(MutableMapping[str, Any]):
    """The attributes of a volume of zarr, as ``array.attrs`` of zarr, without those of a format.

    Each use asks the store. A change of one attribute reads and writes all of them: two processes that change them at
    once can lose a change.

    Parameters
    ----------
    client : Client
        Asks for the document.
    path : str
        Of the image, or of an array without one.
    begin : callable
        Begins an operation of the user.
    is_writable : bool
        Whether the volume was opened for writing.
    """

    def __init__(self, client: Client, path: str, begin: Callable[[], Call], *, is_writable: bool) -> None:
        self._client, self._path, self._begin, self._is_writable = client, path, begin, is_writable

    def _read(self) -> dict[str, Any]:
        found = read_attributes(self._client, self._path, self._begin())
        return {name: value for name, value in found.items() if name not in RESERVED}

    def __repr__(self) -> str:
        return f"<Attributes of {self._client.address}/{self._path}>"

    def __getitem__(self, name: str) -> Any:
        found = self._read()
        if name not in found:
            raise KeyNotFoundError(f"read the attribute {name!r}: there is none; {hint(name, found)}", action="read")
        return found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __setitem__(self, name: str, value: Any) -> None:
        self.update({name: value})

    def update(self, other: Any = (), /, **more: Any) -> None:
        """Set several attributes with one write.

        Raises
        ------
        MetadataError
            For a value that is none of JSON, or a name that belongs to a format.
        UnsupportedError
            If the volume was opened with mode "r".
        """
        given = dict(other, **more)
        for name, value in given.items():
            _check(name, value)
        self._change("write attributes", lambda stored: stored | given)

    def __delitem__(self, name: str) -> None:
        def without(stored: dict[str, Any]) -> dict[str, Any]:
            if name in RESERVED or name not in stored:
                raise KeyNotFoundError(f"delete the attribute {name!r}: there is none", action="delete")
            del stored[name]
            return stored

        self._change("delete an attribute", without)

    def _change(self, action: str, change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
        if not self._is_writable:
            raise UnsupportedError(f"{action} of {self._client.address}: the volume was opened with mode 'r'")
        change_attributes(self._client, self._path, self._begin(), change)


def _check(name: object, value: object) -> None:
    arguments.text(name, "write an attribute", "a name")
    if name in RESERVED:
        raise MetadataError(f"write the attribute {name!r}: the name belongs to the format of the volume")
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise MetadataError(f"write the attribute {name!r}: expected a value of JSON: {error}") from None
