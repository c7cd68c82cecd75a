"""Nearest: a name that is unknown is answered with the one that was meant."""

from __future__ import annotations

import pytest

from pyvolume.model.nearest import LISTED, hint, nearest


@pytest.mark.parametrize("name", ["grey", "gray2", "GRAY", "gry", "Gray"])
def test_a_similar_name_is_suggested(name: str) -> None:
    assert hint(name, ["labels", "gray"]) == "did you mean 'gray'?"


def test_the_spelling_of_the_known_name_is_kept() -> None:
    assert nearest("gray", ["GRAY", "Gray", "other"]) == ["GRAY", "Gray"]


def test_all_names_are_listed_if_none_is_similar() -> None:
    assert hint("voxels", ["labels", "gray"]) == "there are labels, gray"


def test_a_long_list_is_cut() -> None:
    names = [f"{i:x}{i:x}{i:x}" for i in range(LISTED + 2)]
    assert hint("voxels", names) == f"there are {', '.join(names[:LISTED])} and 2 more"


def test_nothing_is_said_to_be_nothing() -> None:
    assert hint("gray", []) == "there are none"
