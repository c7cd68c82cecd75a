"""The versions of a repository, and which of them a name means."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pyvolume.errors import AmbiguousError, NotFoundError
from pyvolume.icechunk.graph import Graph

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass
class Info:
    id: str
    parent_id: str | None
    written_at: datetime
    message: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)


def uuid(letter: str) -> str:
    return letter * 19 + "0"


# b comes after a, but the clock of its machine is an hour late; c and d follow b
GRAPH = Graph.of(
    [
        Info(uuid("D"), uuid("B"), NOON + timedelta(minutes=2), "on dev"),
        Info(uuid("B"), uuid("A"), NOON - timedelta(hours=1), "second", {"pyvolume": {"branch": "main", "log": ["x"]}}),
        Info(uuid("C"), uuid("B"), NOON + timedelta(minutes=1), "third"),
        Info(uuid("A"), None, NOON, "first"),
    ],
    branches={"main": uuid("C"), "dev": uuid("D"), "twice": uuid("D")},
    tags={"v1": uuid("A"), "twice": uuid("A")},
)


def test_a_version_comes_after_its_parent() -> None:
    assert [each[0] for each in GRAPH.nodes] == ["A", "B", "C", "D"]


def test_a_version_knows_its_relatives() -> None:
    node = GRAPH.node(uuid("B"))
    assert (node.parents, node.children) == ((uuid("A"),), (uuid("C"), uuid("D")))
    assert list(GRAPH.ancestors(uuid("D"))) == [uuid("B"), uuid("A")]


def test_a_version_knows_what_it_was_committed_with() -> None:
    node = GRAPH.node(uuid("B"))
    assert (node.branch, node.note, node.log, node.locked) == ("main", "second", ("x",), True)


def test_a_version_of_another_program_is_on_the_first_branch_that_has_it() -> None:
    assert [GRAPH.node(uuid(each)).branch for each in "ACD"] == ["main", "main", "dev"]


@pytest.mark.parametrize(
    ("ref", "letter"),
    [
        ("main", "C"), (":main", "C"), ("dev~1", "B"), (":dev~2", "A"), ("v1", "A"), (":twice", "D"), ("BBBB", "B"),
        ("cccc", "C"), (uuid("A"), "A"), ("v1~0", "A"),
    ],
)  # fmt: skip
def test_a_name_means_a_version(ref: str, letter: str) -> None:
    assert GRAPH.find(ref, "find") == uuid(letter)


@pytest.mark.parametrize(
    ("ref", "sentence"),
    [
        ("mian", "did you mean 'main'"),
        (":v1", "no branch 'v1'"),
        ("BBB", "no branch, tag or snapshot"),
        ("main~3", "2 versions before"),
        ("", "expected a branch"),
        ("a:b", "expected a branch"),
        ("main~", "expected a branch"),
    ],
)
def test_a_name_that_means_nothing_is_one_sentence(ref: str, sentence: str) -> None:
    with pytest.raises(NotFoundError, match=sentence):
        GRAPH.find(ref, "find")


def test_a_name_of_two_is_ambiguous() -> None:
    with pytest.raises(AmbiguousError, match="':twice' means the branch") as caught:
        GRAPH.find("twice", "find")
    assert set(caught.value.candidates) == {uuid("A"), uuid("D")}


def test_what_no_branch_leads_to_is_not_found() -> None:
    with pytest.raises(NotFoundError):
        GRAPH.node(uuid("Z"))
