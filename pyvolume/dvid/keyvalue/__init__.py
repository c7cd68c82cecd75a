"""Keys and values of DVID, under the names of pydvid."""

from __future__ import annotations

import io
from typing import BinaryIO, cast

from pyvolume.dvid import instances
from pyvolume.dvid.instances import Instance
from pyvolume.dvid.keyvalue import mapping
from pyvolume.dvid.keyvalue.attributes import Attributes
from pyvolume.dvid.keyvalue.json import JsonValues
from pyvolume.dvid.keyvalue.mapping import KeyValue
from pyvolume.dvid.keyvalue.messages import Bytes
from pyvolume.dvid.versions.lookup import resolve
from pyvolume.transport.connection import Connection

__all__ = [
    "Attributes",
    "JsonValues",
    "KeyValue",
    "create_new",
    "del_value",
    "get_keys",
    "get_value",
    "get_value_response",
    "put_value",
]


def create_new(connection: Connection, uuid: str, data_name: str, *, versioned: bool = True) -> None:
    """Create an instance for keys and values.

    Parameters
    ----------
    connection : Connection
        To the server.
    uuid : str
        An open version of the repository, in any form.
    data_name : str
        The name of the new instance.
    versioned : bool
        Keep the values of each version. Otherwise all versions share them, and committed ones can be written too.

    Raises
    ------
    MetadataError
        For a name that could not be reached.
    ExistsError
        If the repository has an instance of this name.
    LockedError
        If the version is committed.
    TransportError
        If no answer arrived, and no such instance was there when looked for afterwards.
    """
    instance = Instance(connection, resolve(connection, uuid), data_name)
    instances.check_free(instance)
    mapping.create(instance, versioned=versioned)


def get_value(connection: Connection, uuid: str, data_name: str, key: str) -> bytes:
    """Return the value of a key."""
    return KeyValue(connection, uuid, data_name)[key]


def get_value_response(connection: Connection, uuid: str, data_name: str, key: str) -> io.BufferedReader:
    """Return the value of a key as a file to read from, see `KeyValue.open`."""
    return KeyValue(connection, uuid, data_name).open(key)


def put_value(connection: Connection, uuid: str, data_name: str, key: str, value: Bytes | BinaryIO) -> None:
    """Write a value: bytes as for `KeyValue`, or a binary file that can seek.

    Raises
    ------
    TypeError
        For anything else, such as text.
    """
    keyvalue = KeyValue(connection, uuid, data_name)
    if hasattr(value, "read"):
        keyvalue.write_from(key, cast("BinaryIO", value))
    else:
        keyvalue[key] = value


def del_value(connection: Connection, uuid: str, data_name: str, key: str) -> None:
    """Delete a key."""
    del KeyValue(connection, uuid, data_name)[key]


def get_keys(connection: Connection, uuid: str, data_name: str) -> list[str]:
    """Return all keys, sorted."""
    return list(KeyValue(connection, uuid, data_name))
