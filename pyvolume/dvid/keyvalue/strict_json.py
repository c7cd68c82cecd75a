"""Strict JSON: what Python writes and anybody reads."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

from pyvolume.errors import MetadataError


def encode(action: str, value: object) -> bytes:
    """Return a value as JSON; numpy's scalars and arrays become numbers and lists, tuples lists.

    Raises
    ------
    MetadataError
        For what JSON cannot say: NaN and infinity, keys other than text, other types.
    """
    return json.dumps(_plain(action, value, "$"), allow_nan=False).encode()


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
    except ValueError as error:
        raise MetadataError(f"{action}: expected JSON and found {data[:40]!r} ({error})") from None


def _plain(action: str, value: object, path: str) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    match value:
        case float() if not math.isfinite(value):
            raise MetadataError(f"{action}: JSON has no {value}, which stands at {path}", path=path)
        case None | bool() | int() | float() | str():
            return value
        case list() | tuple():
            return [_plain(action, each, f"{path}[{i}]") for i, each in enumerate(value)]
        case Mapping():
            for key in value:
                if not isinstance(key, str):
                    raise MetadataError(f"{action}: a key of JSON is text, not {key!r} at {path}", path=path)
            return {key: _plain(action, each, f"{path}.{key}") for key, each in value.items()}
    raise MetadataError(f"{action}: JSON has no {type(value).__name__}, which stands at {path}", path=path)
