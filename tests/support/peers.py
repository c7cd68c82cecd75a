"""Cases after the tests of other libraries: what comes of a key there, and what comes of it with a volume."""

from __future__ import annotations

import functools
import pathlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from conformance_stores import ramp
from numpy.typing import NDArray

import pyvolume
from pyvolume.errors import PyVolumeError

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "howto" / "slice.rst"
DIMS = "cxyztu"


@dataclass(frozen=True)
class Case:
    """A key after a test of another library.

    Parameters
    ----------
    test : str
        The name of that test; the case is in other words, and has a channel in front.
    shape : tuple of int
        Of the array.
    key : object
        What stands between the brackets.
    values : object, optional
        What is assigned; None reads.
    differs : str
        The first column of the table in ``docs/howto/slice.rst`` that gives the reason why a volume differs.
    ours : object, optional
        The key for a volume where it has to be another one.
    """

    test: str
    shape: tuple[int, ...]
    key: Any
    values: Any = None
    differs: str = ""
    ours: Any = None

    def __str__(self) -> str:
        given = "" if self.values is None else f" = {self.values}"
        said = re.sub(" at 0x[0-9a-f]+", "", f"{self.test} {self.key}{given}")  # the same in every process
        return " ".join(said.split())[:100]

    @property
    def array(self) -> NDArray[Any]:
        """The voxels before."""
        return ramp(self.shape)

    def outcome(self, target: Any, *, own: bool = False) -> Any:
        """Return what is read, or all voxels after the assignment, or the error."""
        key = self.ours if own and self.ours is not None else self.key
        try:
            if self.values is None:
                return target[key]
            target[key] = self.values
        except Exception as error:
            return error
        return target[...]


def cases(test: str, shape: tuple[int, ...], keys: Iterable[Any], values: Any = None, differs: str = "") -> list[Case]:
    """Return a case for each of some keys."""
    return [Case(test, shape, key, values, differs) for key in keys]


def volume_of(array: NDArray[Any]) -> pyvolume.Volume:
    """Make a volume of a copy of an array, whose first axis is the channel."""
    return pyvolume.from_array(array.copy(order="F"), DIMS[: array.ndim])


def agree(ours: Any, theirs: Any) -> bool:
    """Whether both raise, or both give the same voxels of the same dtype and shape."""
    if isinstance(ours, Exception) or isinstance(theirs, Exception):
        return isinstance(ours, Exception) and isinstance(theirs, Exception)
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    return bool((ours.dtype, ours.shape) == (theirs.dtype, theirs.shape) and (ours == theirs).all())


def check(case: Case, ours: Any, theirs: Any, *, same: bool) -> None:
    """Check that a case has a documented difference exactly where it names one, and that we refuse by our errors."""
    said = f"{case}: {ours!r}, and there {theirs!r}"
    assert same != bool(case.differs), said
    assert not case.differs or case.differs in documented(), said
    assert not isinstance(ours, Exception) or isinstance(ours, PyVolumeError), said


@functools.cache
def documented() -> frozenset[str]:
    """Return the names of the differences: the first column of the table of ``slice.rst``."""
    page = PAGE.read_text("utf-8")
    table = page[page.index("Differences from numpy, h5py and zarr\n") :]
    return frozenset(re.findall(r"^   \* - (.+)", table, re.M)[1:])
