"""The graph of versions as a value: what the server's document says, and what is not in it any more."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from types import FrameType
from typing import Any

import pytest

from pyvolume.dvid.versions import lookup
from pyvolume.dvid.versions.graph import Graph
from pyvolume.errors import MetadataError, NotFoundError


def node(number: int, parents: list[int] | None, children: list[int] | None, branch: str = "", **facts: Any) -> Any:
    time = "2026-11-20T20:41:33.172858425Z"
    return {
        "VersionID": number, "Parents": parents, "Children": children, "Branch": branch, "Note": "", "Log": None,
        "Locked": True, "Created": time, "Updated": time, **facts,
    }  # fmt: skip


def graph(nodes: dict[str, Any]) -> Graph:
    return Graph.of({"Root": "root", "DAG": {"Nodes": nodes}})


@pytest.fixture
def diamond() -> Graph:
    """Give a root, two branches, their merge, and a version after it; the document has no order."""
    return graph({
        "after": node(9, [7], []),
        "merge": node(7, [5, 3], [9]),
        "left": node(3, [1], [7], "left"),
        "right": node(5, [1], [7], "right"),
        "root": node(1, None, [3, 5, 4]),
    })  # fmt: skip


def test_versions_stand_in_the_order_in_which_they_were_made(diamond: Graph) -> None:
    assert list(diamond.nodes) == ["root", "left", "right", "merge", "after"]


def test_relatives_are_named_in_the_order_of_the_document(diamond: Graph) -> None:
    assert (diamond.node("merge").parents, diamond.node("root").parents) == (("right", "left"), ())


def test_a_relative_whose_uuid_was_given_away_is_left_out(diamond: Graph) -> None:
    assert diamond.node("root").children == ("left", "right")


def test_a_parent_named_twice_is_one(diamond: Graph) -> None:
    assert graph({"root": node(1, [], [2, 2]), "twin": node(2, [1, 1], [])}).node("twin").parents == ("root",)


def test_ancestors_come_once_and_after_what_stems_from_them(diamond: Graph) -> None:
    assert list(diamond.ancestors("after")) == ["merge", "right", "left", "root"]


def test_a_branch_ends_where_nothing_on_it_follows_also_through_a_merge(diamond: Graph) -> None:
    assert diamond.branches == {"master": "after", "left": "left", "right": "right"}


def test_a_branch_may_have_two_ends() -> None:
    found = graph({
        "root": node(1, [], [2, 3]),
        "next": node(2, [1], []),
        "dev": node(3, [1], [4], "dev"),
        "merge": node(4, [3], []),
    })  # fmt: skip
    assert (found.ends("master"), found.branches["master"]) == (["next", "merge"], "merge")


def test_an_unknown_branch_has_no_end(diamond: Graph) -> None:
    assert diamond.ends("nothing") == []


def test_a_version_of_another_repository_is_not_found(diamond: Graph) -> None:
    with pytest.raises(NotFoundError, match="has no such version"):
        diamond.node("elsewhere")


@pytest.mark.parametrize("time", ["2026-13-01T00:00:00Z", "0000-01-01T00:00:00Z", "2026-01-01T99:00:00Z"])
def test_a_time_that_no_calendar_has_is_refused_with_its_path(time: str) -> None:
    with pytest.raises(MetadataError) as caught:
        graph({"root": node(1, [], [], Created=time)})
    assert caught.value.path == "$.DAG.Nodes.root.Created"


def line(count: int) -> dict[str, Any]:
    """Make a graph of which half is a line on master, and half are tags of its root."""
    half = count // 2
    nodes = {"root": node(1, [], [2, *range(half + 1, count + 1)])}
    nodes |= {f"v{i}": node(i, [i - 1], [i + 1] if i < half else []) for i in range(2, half + 1)}
    return nodes | {f"tag{i}": node(i, [1], [], f"tag-tag{i}") for i in range(half + 1, count + 1)}


def steps_of(work: Callable[[], object]) -> int:
    """Count the lines of pyvolume that run; other code runs in between, such as callbacks of the garbage collector."""
    count = 0

    def step(frame: FrameType, event: str, _arg: object) -> Any:
        nonlocal count
        count += event == "line" and frame.f_globals.get("__name__", "").startswith("pyvolume")
        return step

    before = sys.gettrace()
    sys.settrace(step)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    "use",
    [
        lambda found: found.branches,
        lambda found: found.ends("master"),
        lambda found: list(found.ancestors("v9")),
    ],
    ids=["branches", "ends", "ancestors"],
)
def test_twice_the_versions_take_twice_the_steps(use: Callable[[Graph], object]) -> None:
    taken = []
    for count in (40, 80, 160):
        nodes = line(count)
        found = graph(nodes)
        taken.append((steps_of(functools.partial(graph, nodes)), steps_of(functools.partial(use, found))))
    for small, middle, large in zip(*taken, strict=True):
        assert large - middle <= 2.2 * (middle - small)


def test_a_circle_of_versions_has_an_end() -> None:
    found = graph({"a": node(1, [2], [2]), "b": node(2, [1], [1])})
    assert (found.branches, found.ends("master")) == ({"master": "b"}, [])
    assert list(found.ancestors("a")) == ["b"]
    with pytest.raises(NotFoundError, match="out of range, 2 versions come before"):
        lookup._before(found, "a", 10**9 - 1, "find")


def test_times_keep_their_microseconds(diamond: Graph) -> None:
    assert diamond.node("root").created == datetime(2026, 11, 20, 20, 41, 33, 172858, UTC)
