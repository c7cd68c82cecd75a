"""Lists of keys, of any length: only a part of one is in memory."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Iterator
from typing import IO, Any

from pyvolume.errors import AnswerError, StoreError

SPOOLED_BYTES = 4 << 20
"""What is kept in memory of a list of keys; a longer list goes into a temporary file."""

BATCH = 1000
"""Keys that are written to the file and read from it at once."""


def checked(action: str, entries: Iterator[Any]) -> Iterator[str]:
    """Give the keys of an answer.

    Raises
    ------
    AnswerError
        If one of them is no text.
    """
    for number, key in enumerate(entries):
        if not isinstance(key, str):
            raise AnswerError(f"{action}: expected a list of keys and found {type(key).__name__} at $[{number}]")
        yield key


def spool(action: str, keys: Iterator[str]) -> IO[bytes]:
    """Write keys to a file, which is in memory while they are few."""
    file = tempfile.SpooledTemporaryFile(SPOOLED_BYTES)  # noqa: SIM115 - whoever reads it closes it
    try:
        while batch := list(itertools.islice(keys, BATCH)):
            file.write(json.dumps(batch).encode() + b"\n")
    except OSError as error:
        file.close()
        raise StoreError(f"{action}: they do not fit into {tempfile.gettempdir()} ({error.strerror})") from error
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def spooled_keys(file: IO[bytes]) -> Iterator[str]:
    """Give the keys of a file of `spool`, and close it."""
    with file:
        for line in file:
            yield from json.loads(line)
