"""What a merge keeps and what it loses, on the mock server and on a real DVID: the client tells."""

from __future__ import annotations

import numpy as np
import pytest
from conformance_stores import DvidBackend

import pyvolume
from pyvolume.dvid.repo import Repo
from pyvolume.dvid.version import Version
from pyvolume.errors import UnsupportedError
from pyvolume.model.box import Box

SIDE = 16
UNTOUCHED, LEFT, RIGHT, BOTH, BOTH_ALIKE, BOTH_AS_BEFORE, ZEROS_AND_RIGHT, NEW = range(8)


@pytest.fixture
def repo(dvid: DvidBackend) -> Repo:
    repo = pyvolume.dvid.Server(dvid.connection).create_repo("merges", duplicate_alias=True)
    repo.create_volume("gray", None, "uint8", block_shape=(SIDE,) * 3)
    repo.create_keyvalue("notes")
    return repo


def write(version: Version, blocks: dict[int, int], keys: str) -> None:
    """Write blocks of one value, and keys whose value tells the version."""
    volume = version.volume("gray")
    for number, value in blocks.items():
        box = block(number)
        volume.post_ndarray(box.start, box.stop, np.full(box.shape, value, "uint8"))
    version.keyvalue("notes").put_many({key: version.info().branch.encode() for key in keys})


def block(number: int) -> Box:
    return Box((0, SIDE * number, 0, 0), (1, SIDE * (number + 1), SIDE, SIDE))


@pytest.fixture
def sides(repo: Repo) -> tuple[Version, Version]:
    """Give two versions that have written some blocks and keys alone, and some together."""
    root = repo.root
    write(root, {number: 10 + number for number in range(NEW)}, "abcdef")
    root.commit()
    left, right = root.branch("left"), root.branch("right")
    alike = {BOTH_ALIKE: 3, BOTH_AS_BEFORE: 10 + BOTH_AS_BEFORE}
    write(left, {LEFT: 1, BOTH: 1, ZEROS_AND_RIGHT: 0, NEW: 1} | alike, "abn")
    write(right, {RIGHT: 2, BOTH: 2, ZEROS_AND_RIGHT: 2, NEW: 2} | alike, "acn")
    del left.keyvalue("notes")["d"], right.keyvalue("notes")["e"]
    left.commit()
    right.commit()
    return left, right


def test_it_tells_the_blocks_that_are_lost(sides: tuple[Version, Version]) -> None:
    left, right = sides
    merged = left.merge(right)
    seen = merged.volume("gray").absolute[0, : SIDE * (NEW + 1) : SIDE, 0, 0]
    assert seen.tolist() == [10, 1, 2, 0, 0, 0, 0, 0]
    both = [block(BOTH), block(BOTH_ALIKE), block(BOTH_AS_BEFORE)]
    assert merged.lost_blocks("gray") == {left: [*both, block(NEW)], right: [*both, block(ZEROS_AND_RIGHT), block(NEW)]}


def test_it_tells_the_keys_that_are_lost(sides: tuple[Version, Version]) -> None:
    left, right = sides
    merged = left.merge(right)
    assert dict(merged.keyvalue("notes")) == {"b": b"left", "c": b"right", "f": b"master"}
    assert merged.lost_keys("notes") == {left: ["a", "n"], right: ["a", "n"]}


def test_what_is_lost_can_be_written_again(sides: tuple[Version, Version]) -> None:
    left, right = sides
    merged = left.merge(right)
    volume = merged.volume("gray")
    for box in merged.lost_blocks("gray")[right]:
        volume.post_ndarray(box.start, box.stop, right.volume("gray").get_ndarray(box.start, box.stop))
    merged.keyvalue("notes").put_many(left.keyvalue("notes").get_many(merged.lost_keys("notes")[left]))
    assert volume[0, ::SIDE, 0, 0].tolist() == [10, 1, 2, 2, 3, 15, 2, 2]
    assert merged.lost_keys("notes") == {}


def test_nothing_is_lost_where_other_things_were_written(repo: Repo) -> None:
    root = repo.root
    root.commit()
    left, right = root.branch("left"), root.branch("right")
    write(left, {LEFT: 1}, "a")
    write(right, {RIGHT: 2}, "b")
    left.commit()
    right.commit()
    merged = left.merge(right)
    assert (merged.lost_blocks("gray"), merged.lost_keys("notes")) == ({}, {})


def test_an_empty_volume_has_lost_nothing(repo: Repo) -> None:
    repo.root.commit()
    left, right = repo.root.branch("left"), repo.root.branch("right")
    left.commit()
    right.commit()
    assert left.merge(right).lost_blocks("gray") == {}


def test_only_a_merge_has_lost_something(repo: Repo) -> None:
    with pytest.raises(UnsupportedError, match="expected a merge and found 0 parents"):
        repo.root.lost_blocks("gray")
