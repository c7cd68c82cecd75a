"""The JSON documents of a database: read as others have written them, written as all programs read them."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pyvolume.errors import MetadataError
from pyvolume.local.refusals import meaning
from pyvolume.model.arguments import brief

ATTEMPTS, PAUSE = 6, 0.02
"""How often a document is read that another program may be writing, and the seconds in between."""

FRESH = 1.0
"""Seconds after which a document that cannot be understood is broken."""


def read_object(path: Path) -> dict[str, Any]:
    """Read an object; empty if there is no such file. NaN is accepted, because older programs write it.

    Raises
    ------
    MetadataError
        If the file holds anything else.
    ForbiddenError, OSError
        If it cannot be read.
    """
    try:
        return read(path)
    except FileNotFoundError:
        return {}


def read(path: Path) -> dict[str, Any]:
    """Read an object that is there.

    Other programs write in place. What cannot be understood, and has just been written, is therefore read again.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    MetadataError, ForbiddenError, OSError
        As for `read_object`.
    """
    action = f"read {path}"
    for _ in range(ATTEMPTS):
        data, written = _bytes_of(path, action)
        with contextlib.suppress(MetadataError):
            return _parsed(data, action)
        if abs(time.time() - written) > FRESH:
            break
        time.sleep(PAUSE)
    return _parsed(data, action)


def _bytes_of(path: Path, action: str) -> tuple[bytes, float]:
    """Return the bytes of a file, and when it was written."""
    try:
        with path.open("rb") as file:
            return file.read(), os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        raise
    except OSError as error:
        if (
            error.errno == errno.ENAMETOOLONG
        ):  # the name of a file can be 255 bytes long, and that of its document longer
            raise FileNotFoundError(errno.ENOENT, "there is no such file", str(path)) from error
        raise meaning(error, action, path) from error


def _parsed(data: bytes, action: str) -> dict[str, Any]:
    """Return the object in the bytes of a file.

    Raises
    ------
    MetadataError
    """
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MetadataError(f"{action}: expected a JSON document: {error}", path="$") from None
    if not isinstance(found, dict):
        raise MetadataError(f"{action}: expected a JSON object and found {brief(found)}", path="$")
    return found


def text_of(document: Mapping[str, Any]) -> str:
    """Return the text of a document in the style of all programs: ASCII, sorted keys, four spaces."""
    return json.dumps(document, indent=4, sort_keys=True)


def plain(values: object, action: str) -> dict[str, Any]:
    """Return a copy of metadata with the values of JSON; scalars and arrays of numpy are converted.

    Raises
    ------
    TypeError
        If it is no mapping.
    MetadataError
        If a value has no form in JSON, such as NaN or a set; it tells the JSON path.
    """
    if not isinstance(values, Mapping):
        raise TypeError(f"{action}: expected metadata as a mapping and found {brief(values)}")
    try:
        return _mapping(values, action, "$")
    except RecursionError:
        raise MetadataError(f"{action}: the metadata are nested too deeply", path="$") from None


def _mapping(values: Mapping[Any, Any], action: str, at: str) -> dict[str, Any]:
    wrong = [key for key in values if not isinstance(key, str)]
    if wrong:
        raise MetadataError(f"{action}: expected keys of text at {at} and found {brief(wrong[0])}", path=at)
    return {str(key): _plain(value, action, f"{at}.{key}") for key, value in values.items()}


def _plain(value: Any, action: str, at: str) -> Any:
    if isinstance(value, np.generic | np.ndarray) and value.dtype.kind not in "mM":  # nanoseconds would be numbers
        value = value.tolist()
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, Mapping):
        return _mapping(value, action, at)
    if isinstance(value, list | tuple):
        return [_plain(each, action, f"{at}[{number}]") for number, each in enumerate(value)]
    raise MetadataError(f"{action}: expected a value of JSON at {at} and found {brief(value)}", path=at)


def matches(found: object, wanted: object) -> bool:
    """Whether metadata hold what a query wants: each key of a mapping that is wanted, and equal values.

    Examples
    --------
    >>> matches({"plant": {"species": "fern", "age": 3}}, {"plant": {"age": 3}})
    True
    >>> matches({}, {"plant": None})
    False
    """
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            key in found and matches(found[key], value) for key, value in wanted.items()
        )
    return found == wanted
