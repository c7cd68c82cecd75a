"""In which versions a volume changed, on the mock server and on a real DVID."""

from __future__ import annotations

import numpy as np
import pytest
from conformance_stores import DvidBackend

import pyvolume
from pyvolume import Box
from pyvolume.dvid.repo import Repo
from pyvolume.dvid.version import Version

BLOCK = Box((0, 0, 0, 0), (1, 32, 32, 32))
TWO = Box((0, 0, 0, 0), (1, 64, 32, 32))


@pytest.fixture
def repo(dvid: DvidBackend) -> Repo:
    repo = pyvolume.dvid.Server(dvid.connection).create_repo("history", duplicate_alias=True)
    repo.create_volume("gray", None, "uint8", block_shape=(32, 32, 32))
    return repo


def fill(version: Version, value: int, x: int = 0) -> None:
    volume = version.volume("gray")
    volume.post_ndarray((0, x, 0, 0), (1, x + 32, 32, 32), np.full(BLOCK.shape, value, "uint8"))


@pytest.fixture
def versions(repo: Repo) -> list[Version]:
    """Give versions of one branch: one block, nothing new, other voxels in it, one more block."""
    made = [repo.root]
    fill(repo.root, 1)
    for value, x in ((0, 0), (2, 0), (3, 32)):
        made[-1].commit()
        made.append(made[-1].new_version())
        if value:
            fill(made[-1], value, x)
    return made


def test_versions_with_other_bounds_are_known_without_reading(versions: list[Version]) -> None:
    volume = versions[-1].volume("gray")
    with pyvolume.trace() as trace:
        found = list(volume.history(compare=False))
    assert [(each.version, each.before, each.bounds) for each in found] == [
        (versions[3], BLOCK, TWO), (versions[0], None, BLOCK),
    ]  # fmt: skip
    assert [each.difference for each in found] == [None, None]
    assert trace.requests == 1 + len(versions)


def test_comparing_finds_what_was_written_inside(versions: list[Version]) -> None:
    found = list(versions[-1].volume("gray").history())
    assert [each.version for each in found] == [versions[3], versions[2], versions[0]]
    assert [list(each.difference or ()) for each in found] == [
        [Box((0, 32, 0, 0), (1, 64, 32, 32))], [BLOCK], [BLOCK],
    ]  # fmt: skip
    assert all(each.difference is not None and each.difference.voxel_count == 32**3 for each in found)


def test_it_goes_back_from_the_version_of_the_volume(versions: list[Version]) -> None:
    found = versions[1].volume("gray").history()
    assert [each.version for each in found] == [versions[0]]


def test_a_branch_has_its_own_way_back(repo: Repo) -> None:
    root = repo.root
    fill(root, 1)
    root.commit()
    left, right = root.branch("left"), root.branch("right")
    fill(left, 2)
    fill(right, 3, x=32)
    assert [each.version for each in right.volume("gray").history(compare=False)] == [right, root]
    assert [each.version for each in left.volume("gray").history()] == [left, root]


def test_a_merge_is_compared_with_its_first_parent(repo: Repo) -> None:
    root = repo.root
    fill(root, 1)
    root.commit()
    left, right = root.branch("left"), root.branch("right")
    fill(right, 3, x=32)
    left.commit()
    right.commit()
    merged = left.merge(right)
    found = list(merged.volume("gray").history())
    assert [each.version for each in found] == [merged, right, root]


def test_a_volume_without_voxels_has_no_history(repo: Repo) -> None:
    assert list(repo.root.volume("gray").history(compare=False)) == []
    assert list(repo.root.volume("gray").history()) == []


def test_a_later_writing_is_found_although_the_bounds_leak(repo: Repo) -> None:
    root = repo.root
    root.commit()
    child = root.new_version()
    fill(child, 1)
    found = [each.version for each in child.volume("gray").history() if each.difference]
    assert found == [child]
    # the server shows the bounds of the child in the root too
    assert [each.version for each in child.volume("gray").history(compare=False)] == [root]
