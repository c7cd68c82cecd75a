"""Ledger: what one process has begun, finished and given up, in a file that outlives it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Place = tuple[Any, ...]
"""What was written: the kind of thing, and which one."""


class Ledger:
    """Lines in a file; each is written with one system call, so several threads and processes can add to it.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(self, event: str, **facts: Any) -> None:
        """Add a line."""
        os.write(self._file, json.dumps({"event": event, **facts}).encode() + b"\n")


@dataclass
class Fate:
    """What may be stored at one place after all that was written to it.

    Attributes
    ----------
    possible : set
        The last value that was acknowledged, and every value of a later attempt without an answer.
    """

    possible: set[Any]
    attempts: dict[int, Any] = field(default_factory=dict)

    def begin(self, number: int, value: Any) -> None:
        """Count an attempt that has begun."""
        self.attempts[number] = value
        self.possible.add(value)

    def done(self, number: int) -> None:
        """Count an attempt that was acknowledged: nothing else is possible now."""
        self.possible = {self.attempts[number]}


@dataclass
class Account:
    """The lines of a ledger, summed up.

    Attributes
    ----------
    fates : dict
        The fate of each place that was written.
    counts : dict
        How often each event is in the ledger.
    complaints : list of str
        What the process itself has found wrong.
    """

    fates: dict[Place, Fate] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)


def read(paths: Iterable[Path], before: Any = 0) -> Account:
    """Sum up ledgers; `before` is what every place held before the first line."""
    account = Account()
    for path in paths:
        for line in path.read_bytes().splitlines():
            _add(account, json.loads(line), before)
    return account


def _add(account: Account, line: dict[str, Any], before: Any) -> None:
    event = line["event"]
    account.counts[event] = account.counts.get(event, 0) + 1
    if event in {"begin", "done"}:
        fate = account.fates.setdefault(tuple(line["place"]), Fate({before}))
        if event == "begin":
            fate.begin(line["number"], line["value"])
        else:
            fate.done(line["number"])
    elif event == "wrong":
        account.complaints.append(line["what"])
