"""Attributes: JSON values about a volume, stored next to it."""

from __future__ import annotations

import contextlib
from collections.abc import ItemsView, Iterator, MutableMapping
from typing import Any, NoReturn
from urllib.parse import unquote

from pyvolume.dvid import instances
from pyvolume.dvid.instances import Instance
from pyvolume.dvid.keyvalue import json, mapping
from pyvolume.dvid.keyvalue.mapping import KeyValue
from pyvolume.dvid.versions.graph import Uuid
from pyvolume.errors import ExistsError, KeyNotFoundError, NotFoundError, UnsupportedError
from pyvolume.model import arguments
from pyvolume.transport.connection import Connection

__all__ = ["Attributes"]

INSTANCE = "pyvolume-attrs"
"""The keyvalue instance that holds the attributes of all volumes of a repository."""


class Attributes(MutableMapping[str, Any]):
    """JSON values about one volume, in one version; ``volume.attrs``.

    They are kept in a keyvalue instance of the same repository, ``pyvolume-attrs``, which the first write creates. The
    key of an attribute is ``VOLUME:ATTRIBUTE``, both with ``%25``, ``%2F`` and ``%00`` for percent sign, slash and NUL,
    VOLUME also with ``%3A`` for a colon. The value is its JSON.

    A version inherits the attributes of its ancestors, one by one. JSON is strict, see `JsonValues`. Writing to a
    committed version is a `LockedError`.

    Parameters
    ----------
    connection : Connection
        To the server.
    uuid : Uuid
        The full uuid of the version.
    volume : str
        The name of the volume.
    writable : bool
        Whether they may be written.
    """

    def __init__(self, connection: Connection, uuid: Uuid, volume: str, *, writable: bool = True) -> None:
        self._volume = volume
        self._prefix = f"{_quoted(volume).replace(':', '%3A')}:"
        self._instance = Instance(connection, uuid, INSTANCE)
        self._values = KeyValue.of(self._instance)
        self._writable = writable

    def __repr__(self) -> str:
        values = self._values
        return f"<Attributes of {self._volume!r} in version {values.uuid[:8]}, {values.connection.url}>"

    def __getitem__(self, name: str) -> Any:
        key = self._key(name)
        try:
            data = self._values[key]
        except NotFoundError:
            self._raise_missing(name)
        return json.decode(self._action("read", name), data)

    def __setitem__(self, name: str, value: object) -> None:
        self.update({arguments.text(name, self._action("write", str(name)), "a name"): value})

    def __delitem__(self, name: str) -> None:
        self._check_writable(self._action("delete", name))
        try:
            del self._values[self._key(name)]
        except NotFoundError:
            self._raise_missing(name)

    def __iter__(self) -> Iterator[str]:
        for key in self._keys():
            yield unquote(key.removeprefix(self._prefix))

    def __len__(self) -> int:
        return len(self._keys())

    def items(self) -> ItemsView[str, Any]:
        """Return all names and values, as of now, with few requests."""
        names = {key: unquote(key.removeprefix(self._prefix)) for key in self._keys()}
        found = self._values.get_many(names)
        return {names[key]: json.decode(self._action("read", names[key]), found[key]) for key in found}.items()

    def update(self, *args: Any, **named: Any) -> None:
        """Write many attributes, with few requests; nothing is sent if one of them is no JSON."""
        given = dict(*args, **named)
        data = {self._key(name): json.encode(self._action("write", name), given[name]) for name in given}
        self._check_writable(f"write attributes of {self._volume}")
        try:
            self._values.put_many(data)
        except NotFoundError:
            with contextlib.suppress(ExistsError):  # another process created it in the meantime
                instances.check_free(self._instance)
                mapping.create(self._instance, versioned=True)
            self._values.put_many(data)

    def _keys(self) -> list[str]:
        try:
            # ";" is the code point after ":", so "gray;" is behind "gray:z" and all other keys of "gray"
            return self._values.range(self._prefix, self._prefix[:-1] + ";")
        except NotFoundError:  # the first write creates the instance
            return []

    def _key(self, name: str) -> str:
        if not isinstance(name, str):
            raise TypeError(f"attributes of {self._volume}: a name is text, not {name!r}")
        return self._prefix + _quoted(name)

    def _action(self, verb: str, name: str) -> str:
        return f"{verb} attribute {name!r} of {self._volume}"

    def _check_writable(self, action: str) -> None:
        if not self._writable:
            raise UnsupportedError(f"{action}: the volume was opened for reading only")

    def _raise_missing(self, name: str) -> NoReturn:
        action = self._action("find", name)
        raise KeyNotFoundError(f"{action}: there is none in this version", action=action) from None


def _quoted(name: str) -> str:
    return name.replace("%", "%25").replace("/", "%2F").replace("\0", "%00")
