"""Boxes that nobody can hold or move are refused before memory is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyvolume
from pyvolume import Box, Volume
from pyvolume.errors import SelectionError

FAR = 2**40
HUGE = Box((0, 0, 0, 0), (1, FAR, FAR, FAR))
LARGE = Box((0, 0, 0, 0), (1, 2**19, 2**19, 2**19))


def small(*, growable: bool) -> Volume:
    return pyvolume.from_array(np.zeros((1, 4, 4, 4)), growable=growable)


READS: dict[str, Callable[[Volume], Any]] = {
    "read": lambda volume: volume.read(HUGE),
    "get_ndarray": lambda volume: volume.get_ndarray(HUGE.start, HUGE.stop),
    "read_many": lambda volume: list(volume.read_many([HUGE])),
    "absolute": lambda volume: volume.absolute[:, 0:FAR, 0:FAR, 0:FAR],
    "copy": lambda volume: pyvolume.copy(volume, small(growable=True), HUGE),
}
WRITES: dict[str, Callable[[Volume], Any]] = {
    "write": lambda volume: volume.write(LARGE, np.broadcast_to(1.0, LARGE.shape)),
    "[key]": lambda volume: volume.__setitem__(np.s_[:, 0:FAR, 0:FAR, 0:FAR], 1),
    "absolute": lambda volume: volume.absolute.__setitem__(np.s_[:, 0:FAR, 0:FAR, 0:FAR], 1),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize("growable", [False, True])
def test_a_read_of_absurd_size(read: Callable[[Volume], Any], growable: bool) -> None:
    with pytest.raises(SelectionError):
        read(small(growable=growable))


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_write_of_absurd_size(write: Callable[[Volume], Any]) -> None:
    volume = small(growable=True)
    with pytest.raises(SelectionError):
        write(volume)
    assert volume.shape == (1, 4, 4, 4)


@pytest.mark.parametrize("side", [2**14, 2**20])
def test_an_array_that_does_not_fit_into_memory(side: int) -> None:
    with pytest.raises(SelectionError, match="memory"):
        small(growable=True).read(Box((0, 0, 0, 0), (1, side, side, side)))


def test_far_outside_of_a_fixed_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    def empty(*_: Any, **__: Any) -> None:
        raise AssertionError("memory was asked for")

    volume = small(growable=False)
    monkeypatch.setattr(np, "empty", empty)
    with pytest.raises(SelectionError, match="outside"):
        volume.get_ndarray((0, 10**9, 0, 0), (1, 2 * 10**9, 4, 4))
