"""What a contender can do, and where it is sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Voxels = NDArray[np.uint8]
Corner = tuple[int, int, int]


@dataclass(frozen=True)
class Place:
    """Where a volume is.

    Parameters
    ----------
    url : str
        Of the server.
    name : str
        Of the volume there.
    uuid : str
        The version, where the server has versions.
    chunk : int
        Edge of the chunks, where a volume is laid out in several ways.
    """

    url: str
    name: str
    uuid: str = ""
    chunk: int = 64


class CannotDo(Exception):  # noqa: N818 - not an error, an answer
    """A contender has no way to do what is asked for; it says why."""


class Contender(Protocol):
    """A client of one volume, whose boxes are uint8 with axes x, y, z.

    Attributes
    ----------
    order : "F" or "C"
        The order in memory that suits it: what it is given to write has that, where the row does not say otherwise.
    """

    order: Literal["F", "C"]

    def read(self, start: Corner, shape: Corner) -> Voxels:
        """Read a box into a new array."""

    def read_many(self, starts: Sequence[Corner], shape: Corner) -> list[Voxels]:
        """Read boxes of a shape, as many at once as the contender likes."""

    def read_into(self, start: Corner, out: Voxels) -> None:
        """Read a box into the memory of a Fortran-ordered array."""

    def write(self, start: Corner, voxels: Voxels) -> None:
        """Write a box of any alignment and order."""

    def close(self) -> None:
        """Give back what is held open."""


class Reader:
    """What a contender answers where it has nothing better."""

    order: Literal["F", "C"] = "C"

    def read_many(self, starts: Sequence[Corner], shape: Corner) -> list[Voxels]:  # noqa: ARG002
        raise CannotDo("reads one box at a time")

    def read_into(self, start: Corner, out: Voxels) -> None:  # noqa: ARG002 - says no to all
        raise CannotDo("only reads into arrays of its own")

    def write(self, start: Corner, voxels: Voxels) -> None:  # noqa: ARG002
        raise CannotDo("does not write over plain HTTP")

    def close(self) -> None:
        """Hold nothing open."""


THREADS = 32
"""How many boxes are read at once by those who leave that to the threads of their user."""


def read_in_threads(read: Callable[[Corner, Corner], Voxels], starts: Sequence[Corner], shape: Corner) -> list[Voxels]:
    """Read boxes in threads, as one would write it by hand."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda start: read(start, shape), starts))
