"""What each process has for itself, although it was made by fork."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class OfProcess(dict[int, T]):
    """A value for each process, by ``os.getpid()``.

    A process made by fork has a copy of the locks of its parent, also of those that another thread held then: nobody
    would unlock them.

    Parameters
    ----------
    make : callable
        Makes the value of a process that has none.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, process: int) -> T:
        return self.setdefault(process, self._make())
