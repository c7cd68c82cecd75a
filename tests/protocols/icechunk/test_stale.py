"""Writes to an image with levels are noted at the commit, so that sessions that wrote other chunks do not conflict."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

import pyvolume
from pyvolume import Box
from pyvolume.errors import ConflictError
from pyvolume.icechunk import IcechunkVolume

SHAPE = (1, 32, 32, 32)
LOW, HIGH = Box((0, 0, 0, 0), (1, 16, 16, 16)), Box((0, 16, 16, 16), (1, 32, 32, 32))


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"icechunk://{tmp_path}/brain:main/gray"
    with pyvolume.create(url, SHAPE, "uint8", chunks=(1, 16, 16, 16), levels=2, kind=IcechunkVolume):
        return url


def session(url: str) -> IcechunkVolume:
    return pyvolume.open(url, mode="r+", kind=IcechunkVolume)


def write(volume: pyvolume.Volume, box: Box, value: int = 1) -> None:
    volume[box.slices_from((0, 0, 0, 0))] = value


@pytest.fixture
def two(url: str) -> Iterator[tuple[IcechunkVolume, IcechunkVolume]]:
    """Give two sessions on one branch."""
    with session(url) as first, session(url) as second:
        yield first, second


def test_two_sessions_that_wrote_other_chunks_commit(url: str, two: tuple[IcechunkVolume, IcechunkVolume]) -> None:
    for volume, box in zip(two, (LOW, HIGH), strict=True):
        write(volume, box)
        assert volume.stale == [box]
    for volume in two:
        volume.commit()
    with pyvolume.open(url, kind=IcechunkVolume) as read:
        assert read.stale == [LOW, HIGH]
        assert int(read[...].sum()) == 2 * 16**3


def test_two_sessions_that_wrote_the_same_chunk_conflict(two: tuple[IcechunkVolume, IcechunkVolume]) -> None:
    for value, volume in enumerate(two):
        write(volume, LOW, value + 1)
    two[0].commit()
    with pytest.raises(ConflictError) as caught:
        two[1].commit()
    assert caught.value.chunks == (("/gray/0", (0, 0, 0, 0)),)
    assert two[1].stale == [LOW]
    two[1].discard()
    assert two[1].is_committed


def test_what_is_discarded_is_not_stale(url: str) -> None:
    with session(url) as volume:
        write(volume, LOW)
        volume.discard()
        write(volume, HIGH)
        volume.commit()
        assert volume.stale == [HIGH]


def test_a_level_that_is_made_anew_before_the_commit_is_not_stale(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with session(url) as volume:
        write(volume, LOW)
        with caplog.at_level(logging.WARNING):
            volume.scale(1)
        assert "build_pyramid" in caplog.text
        pyvolume.build_pyramid(volume, box=LOW)
        assert volume.stale == []
        write(volume, HIGH)
        volume.commit()
        assert volume.stale == [HIGH]
        assert int(volume.scale(1)[...].sum()) == 8**3


def test_what_forks_write_is_noted_too(url: str) -> None:
    with session(url) as volume:
        forks = [volume.fork() for _ in range(2)]
        for fork, box in zip(forks, (LOW, HIGH), strict=True):
            write(fork, box)
            assert fork.stale == [box]
        volume.merge(*(pickle.loads(pickle.dumps(fork)) for fork in forks))
        assert volume.stale == [LOW, HIGH]
        volume.commit()
    with pyvolume.open(url, kind=IcechunkVolume) as read:
        assert read.stale == [LOW, HIGH]
