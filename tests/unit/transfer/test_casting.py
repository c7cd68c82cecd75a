"""Casting: which values may be written into which dtype."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyvolume.errors import VoxelsMismatchError
from pyvolume.model.slabs import SLAB_BYTES
from pyvolume.transfer.casting import Casting, castable, check_casting

NAN, INF = float("nan"), float("inf")


def typed(values: Any, dtype: str) -> Any:
    return np.array(values, dtype)


def passes(values: Any, dtype: str, casting: Casting) -> bool:
    try:
        castable(values, np.dtype(dtype), casting)
    except VoxelsMismatchError:
        return False
    return True


@pytest.mark.parametrize(
    ("values", "dtype", "checked", "safe", "same_kind"),
    [
        (typed([0, 255], "uint8"), "uint8", True, True, True),
        (typed([0, 255], "uint8"), "float32", True, True, True),
        (typed([0, 255], "int64"), "uint8", True, False, False),
        (typed([0, 300], "int64"), "uint8", False, False, False),
        (typed([-1, 5], "int8"), "uint8", False, False, False),
        (typed([-1, 5], "int8"), "uint64", False, False, False),
        (typed([2**64 - 1], "uint64"), "uint64", True, True, True),
        (typed([2**63], "uint64"), "int64", False, False, True),
        (typed([255], "uint16"), "uint8", True, False, True),
        (typed([256], "uint16"), "uint8", False, False, True),
        (typed([], "int64"), "uint8", True, False, False),
        (typed([True, False], "bool"), "uint8", True, True, True),
        (typed([0, 1], "uint8"), "bool", True, False, False),
        (typed([0, 2], "uint8"), "bool", False, False, False),
        (typed([2**24], "int32"), "float32", True, False, True),
        (typed([2**24 + 1], "int32"), "float32", False, False, True),
        (typed([-(2**24) - 1], "int32"), "float32", False, False, True),
        (typed([2**24 + 2], "int32"), "float32", True, False, True),
        (typed([2**53 + 1], "int64"), "float64", False, True, True),
        (typed([-(2**53) - 1, 0], "int64"), "float64", False, True, True),
        (typed([2**53 + 1], "uint64"), "float64", False, True, True),
        (typed([-(2**63)], "int64"), "float64", True, True, True),
        (typed(2**53 + 1, "int64"), "float64", False, True, True),
        (typed([2**16], "int32"), "float16", False, False, True),
        ([2**63 + 1, 5, 2**64 - 1], "uint64", True, True, True),
        ([[2**63 + 1], [0]], "uint64", True, True, True),
        ((np.uint64(2**63 + 1), -1), "uint64", False, False, False),
        ([2**63 + 1, 5], "float64", False, False, False),
        ([2**64, 1], "uint64", False, False, False),
        ([2**63 + 1, 0.5], "uint64", False, False, False),
        (typed([0.1], "float64"), "float32", True, False, True),
        (typed([1e300], "float64"), "float32", False, False, True),
        (typed([-1e300], "float64"), "float32", False, False, True),
        (typed([NAN, INF, -INF], "float64"), "float32", True, False, True),
        (typed([NAN, 1e300], "float64"), "float32", False, False, True),
        (typed([1.0], "float32"), "uint8", False, False, False),
        (typed([NAN], "float32"), "uint8", False, False, False),
        (typed([1.0], "float32"), "bool", False, False, False),
        (typed([1 + 0j], "complex64"), "float32", False, False, False),
        (np.int64(7), "uint8", True, False, False),
        (np.int64(300), "uint8", False, False, False),
        (np.float64(0.1), "float32", True, False, True),
        ([1, 2], "uint8", True, False, False),
        ([1, 300], "uint8", False, False, False),
    ],
)
def test_arrays_pass_where_the_rule_lets_them(
    values: Any, dtype: str, checked: bool, safe: bool, same_kind: bool
) -> None:
    found = [passes(values, dtype, "checked"), passes(values, dtype, "safe"), passes(values, dtype, "same_kind")]
    assert found == [checked, safe, same_kind]


@pytest.mark.parametrize("casting", ["checked", "safe", "same_kind"])
@pytest.mark.parametrize(
    ("value", "dtype", "fits"),
    [
        (7, "uint8", True),
        (255, "uint8", True),
        (256, "uint8", False),
        (-1, "uint8", False),
        (2**64 - 1, "uint64", True),
        (2**64, "uint64", False),
        (True, "uint8", True),
        (True, "bool", True),
        (1, "bool", True),
        (2, "bool", False),
        (1.5, "uint8", False),
        (1.0, "uint8", False),
        (NAN, "uint8", False),
        (7, "float32", True),
        (2**24, "float32", True),
        (2**24 + 1, "float32", False),
        (2**24 + 2, "float32", True),
        (-(2**24) - 1, "float32", False),
        (2**53, "float64", True),
        (2**53 + 1, "float64", False),
        (2**64 + 1, "float64", False),
        (2**100, "float32", True),
        (2**200, "float32", False),
        (10**400, "float64", False),
        (2**200, "uint8", False),
        (-(2**63), "float64", True),
        (2**16, "float16", False),
        (0.1, "float32", True),
        (NAN, "float32", True),
        (1e300, "float32", False),
    ],
)
def test_python_scalars_are_weak_under_every_rule(value: Any, dtype: str, fits: bool, casting: Casting) -> None:
    assert passes(value, dtype, casting) == fits


@pytest.mark.parametrize("values", [typed([300], "int64"), typed([1.5, NAN], "float64"), typed([1j], "complex64"), 300])
def test_unsafe_lets_every_number_pass(values: Any) -> None:
    assert passes(values, "uint8", "unsafe")


@pytest.mark.parametrize("casting", ["checked", "safe", "same_kind", "unsafe"])
@pytest.mark.parametrize(
    "values",
    [
        "text",
        [b"bytes"],
        None,
        [object],
        [1, None],
        {"a": 1},
        np.array(["2026-01-01"], "datetime64[D]"),
        np.zeros(2, [("x", "u1")]),
        [[1, 2], [3]],
        10**400,
    ],
    ids=repr,
)
def test_what_holds_no_numbers_is_refused_under_every_rule(values: Any, casting: Casting) -> None:
    assert not passes(values, "uint8", casting)


@pytest.mark.parametrize(
    ("values", "dtype", "message"),
    [
        (300, "uint8", r"300 does not fit uint8 \(0 to 255\)$"),
        (2**200, "uint8", r"1606938\d* does not fit uint8"),
        ([2**64, 0], "uint64", "18446744073709551616 does not fit uint64"),
        (2**53 + 1, "float64", "integer 9007199254740993 is not exact in float64"),
        (typed([3, -7], "int16"), "uint8", "-7 does not fit uint8"),
        (typed([NAN], "float32"), "uint8", "float32 does not go into uint8; round"),
        (typed([1e300], "float64"), "float32", r"1e\+300 does not fit float32 \(up to 3\.4.*e\+38\)"),
        (typed([1j], "complex128"), "float32", "complex128 does not go into float32"),
        ("text", "uint8", "expected numbers of uint8 and found <U4"),
        ([[1, 2], [3]], "uint8", "expected an array: "),
    ],
    ids=repr,
)
def test_a_refusal_names_the_value_and_the_dtype(values: Any, dtype: str, message: str) -> None:
    with pytest.raises(VoxelsMismatchError, match=message):
        castable(values, np.dtype(dtype), "checked")


def test_a_refusal_under_a_rule_of_numpy_names_the_rule() -> None:
    with pytest.raises(VoxelsMismatchError, match="float64 to float32 is no cast of the kind 'safe'"):
        castable(np.zeros(3), np.dtype("float32"), "safe")


EDGES = [0, -(2**31), -(2**15), -(2**7), 2**7, 2**8, 2**15, 2**16, 2**31, 2**32, 2**63]
INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "bool"]


@given(st.data())
def test_checked_integers_pass_exactly_where_the_cast_keeps_every_value(data: st.DataObject) -> None:
    source, target = (np.dtype(data.draw(st.sampled_from(INTEGERS))) for _ in range(2))
    near = st.sampled_from([edge + step for edge in EDGES for step in (-1, 0, 1)])
    low, high = (0, 1) if source.kind == "b" else (np.iinfo(source.name).min, np.iinfo(source.name).max)
    values = np.array(data.draw(st.lists(near.filter(lambda n: low <= n <= high), min_size=1)), source)
    kept = [int(n) for n in values.astype(target)] == [int(n) for n in values]
    assert passes(values, target.name, "checked") == kept


@given(st.lists(st.integers(0, 63).flatmap(lambda n: st.integers(-(2**n), 2**n - 1)), min_size=1), st.data())
def test_checked_integers_become_floats_exactly_where_they_are_exact(values: list[int], data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(["float16", "float32", "float64"]))
    with np.errstate(over="ignore"):
        floats = [float(each) for each in np.array(values).astype(dtype)]
    exact = all(np.isfinite(floats)) and [int(each) for each in floats] == values
    assert passes(np.array(values), dtype, "checked") == passes(values, dtype, "checked") == exact


@pytest.mark.parametrize("casting", ["checked", "safe", "same_kind", "unsafe"])
def test_integers_on_both_sides_of_2_63_stay_what_they_are(casting: Casting) -> None:
    values = [2**63 + 1, 5, 2**64 - 1]
    np.testing.assert_array_equal(castable(values, np.dtype("uint64"), casting), typed(values, "uint64"), strict=True)


@given(st.lists(st.floats(width=64, allow_nan=False, allow_infinity=False), min_size=1))
def test_checked_floats_never_become_infinite(values: list[float]) -> None:
    array = np.array(values)
    with np.errstate(over="ignore"):
        overflows = np.isinf(array.astype(np.float32)).any()
    assert not (overflows and passes(array, "float32", "checked"))


def test_a_value_that_does_not_fit_is_found_in_the_last_slab() -> None:
    values = np.zeros((SLAB_BYTES // 8, 3))
    values[-1, -1] = 1e39
    assert not passes(values, "float32", "checked")


def test_an_array_that_passes_is_handed_on_without_a_copy() -> None:
    values = np.arange(6, dtype="int64")
    assert castable(values, np.dtype("uint8"), "checked") is values


@pytest.mark.parametrize("casting", ["no", "equiv", "", "CHECKED"])
def test_another_rule_is_refused_with_the_list_of_rules(casting: str) -> None:
    with pytest.raises(ValueError, match="same_kind"):
        check_casting(casting)
