"""Errors: the tree that the module draws, the built-in classes, pickling."""

from __future__ import annotations

import builtins
import copy
import pickle
import re
from typing import Any

import pytest

from pyvolume import Box, errors


def drawn() -> dict[str, tuple[str, str]]:
    """Read the tree in the docstring: the parent of each class, and the built-in that it names."""
    tree: dict[str, tuple[str, str]] = {}
    parents: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r" {4}([│ ├└─]*)(\w+Error)(?: \((\w+)\))?(?: |$)", line)
        if found:
            depth = len(found[1]) // 4
            tree[found[2]] = (parents[depth - 1] if depth else "Exception", found[3] or "")
            parents[depth:] = [found[2]]
    return tree


def classes() -> dict[str, type[errors.PyVolumeError]]:
    found = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}
    return {name: kind for name, kind in found.items() if issubclass(kind, errors.PyVolumeError)}


def with_facts() -> list[errors.PyVolumeError]:
    """Make an error of each class in which every fact differs from its default."""
    samples: dict[type, Any] = {
        int: 7, float: 2.5, str: "text", bytes: b"<html>", tuple: (Box((0,), (1,)),), type(None): 3
    }  # fmt: skip

    def other(default: object) -> object:
        return not default if isinstance(default, bool) else samples[type(default)]

    return [
        kind("a message", **{name: other(getattr(kind, name)) for name in facts_of(kind)})
        for kind in classes().values()
    ]


def facts_of(kind: type[errors.PyVolumeError]) -> list[str]:
    ours = (base for base in kind.__mro__ if issubclass(base, errors.PyVolumeError))
    return [name for base in ours for name in vars(base).get("__annotations__", {})]


def test_the_drawn_tree_holds_every_class() -> None:
    assert sorted(drawn()) == sorted(classes())


@pytest.mark.parametrize("name", sorted(classes()))
def test_a_class_stands_below_the_one_that_is_drawn_above_it(name: str) -> None:
    assert classes()[name].__bases__[0].__name__ == drawn()[name][0]


@pytest.mark.parametrize("name", [name for name, (_, builtin) in sorted(drawn().items()) if builtin])
def test_a_class_is_the_builtin_error_that_is_drawn(name: str) -> None:
    assert issubclass(classes()[name], getattr(builtins, drawn()[name][1]))


@pytest.mark.parametrize("name", sorted(classes()))
def test_a_class_is_no_builtin_error_that_is_not_drawn(name: str) -> None:
    own = [base.__name__ for base in classes()[name].__bases__ if base.__module__ == "builtins"]
    assert own == ([drawn()[name][1]] if drawn()[name][1] else ["Exception"] if name == "PyVolumeError" else [])


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("error", with_facts(), ids=lambda error: type(error).__name__)
def test_every_error_pickles_with_its_facts(error: errors.PyVolumeError, protocol: int) -> None:
    again = pickle.loads(pickle.dumps(error, protocol))
    assert (type(again), str(again), vars(again)) == (type(error), "a message", vars(error))


@pytest.mark.parametrize("error", with_facts(), ids=lambda error: type(error).__name__)
def test_every_error_can_be_copied(error: errors.PyVolumeError) -> None:
    again = copy.copy(error)
    assert (type(again), again.args, vars(again)) == (type(error), error.args, vars(error))


def test_facts_that_only_a_caller_knows_are_pickled_too() -> None:
    error = errors.TransportError("cut off").with_facts(remaining=(Box((0,), (4,)),))
    assert pickle.loads(pickle.dumps(error)).remaining == (Box((0,), (4,)),)


@pytest.mark.parametrize("kind", [errors.PyVolumeError, errors.SelectionError, errors.StoreError])
def test_a_fact_that_a_class_does_not_declare_is_a_type_error(kind: type[errors.PyVolumeError]) -> None:
    with pytest.raises(TypeError, match=f"{kind.__name__} has no fact called 'status'"):
        kind("a message", status=400)


@pytest.mark.parametrize("kind", classes().values(), ids=lambda kind: kind.__name__)
def test_the_text_of_an_error_is_its_message(kind: type[errors.PyVolumeError]) -> None:
    assert str(kind("one sentence, 3 of 4")) == "one sentence, 3 of 4"


def test_only_a_busy_server_is_retryable_by_its_class() -> None:
    assert [name for name, kind in classes().items() if getattr(kind, "retryable", False)] == ["BusyError"]


def test_an_uncertain_error_says_so_once_and_is_not_repeated() -> None:
    error = errors.TransportError("cut off", retryable=True)
    again = error.as_uncertain().as_uncertain()
    assert again is error
    assert (str(error), error.uncertain, error.retryable) == (
        "cut off; the request may have been carried out",
        True,
        False,
    )


def test_a_special_doubt_takes_the_place_of_the_general_one() -> None:
    error = errors.TransportError("cut off").as_uncertain().as_uncertain("look for it").as_uncertain()
    assert (str(error), error.uncertain) == ("cut off; look for it", True)


def test_an_uncertain_error_pickles_with_its_longer_message() -> None:
    error = pickle.loads(pickle.dumps(errors.AnswerError("a page of a proxy").as_uncertain("look for it")))
    assert (str(error), error.uncertain) == ("a page of a proxy; look for it", True)


def test_a_refusal_without_a_server_has_no_status() -> None:
    assert (errors.ExistsError("the file is there").status, errors.RefusedError("no").url) == (None, "")
