"""Calculations with a volume: those of a whole volume are carried out, those of each voxel are refused."""

from __future__ import annotations

import array
import numbers
from typing import Any

import numpy as np

from pyvolume.errors import ArrayAttributeError

ARRAY_ATTRIBUTES = frozenset(name for name in dir(np.ndarray) if not name.startswith("_"))
"""What users of numpy look for."""


def is_array_like(value: object) -> bool:
    """Whether numpy would compare a value with each voxel: a number, an array, a list, or what can become an array."""
    kinds = (numbers.Number, np.generic, np.ndarray, list, tuple, range, memoryview, array.array)
    return isinstance(value, kinds) or hasattr(value, "__array__") or hasattr(value, "__array_interface__")


def refusal(name: str, example: str) -> TypeError:
    """Return the error of a calculation with each voxel, with a way out."""
    return TypeError(
        f"{name}: a volume does not calculate with its voxels, because that would read all of them; "
        f"read what you need, as in {example}"
    )


STREAMED: dict[np.ufunc, tuple[str, set[str]]] = {
    np.add: ("sum", {"axis", "dtype", "out", "keepdims", "initial"}),
    np.minimum: ("min", {"axis", "out", "keepdims", "initial"}),
    np.maximum: ("max", {"axis", "out", "keepdims", "initial"}),
}
"""The methods that reduce a volume piece by piece, and the options that they take."""


def reduced(volume: object, ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Reduce a whole volume, for ``np.sum``, ``np.max`` and their like.

    Raises
    ------
    TypeError
        For any other call of a ufunc.
    """
    is_output = any(each is volume for each in options.get("out", ()))
    if method != "reduce" or is_output:
        others = ", ".join(["vol[...]"] + ["..."] * (ufunc.nin - 1))
        raise refusal(f"np.{ufunc.__name__}", f"np.{ufunc.__name__}({others})")
    name, taken = STREAMED.get(ufunc, ("", set()))
    given = {key: value for key, value in options.items() if value is not None or key == "axis"}
    if hasattr(volume, name) and given.keys() <= taken:
        (given["out"],) = given.get("out", (None,))
        return getattr(volume, name)(**{"axis": 0} | given)
    return ufunc.reduce(*(np.asarray(each) if each is volume else each for each in inputs), **options)


def missing_attribute(owner: object, name: str, voxels: str, lazy: str = "") -> Any:
    """Raise the error of an attribute that an object does not have; one of arrays is named with a way out.

    Parameters
    ----------
    owner : object
        What has no such attribute.
    name : str
        Of the attribute.
    voxels : str
        The expression that reads an array.
    lazy : str
        A hint at a lazy array.

    Raises
    ------
    ArrayAttributeError, AttributeError
    """
    if name in ARRAY_ATTRIBUTES and not hasattr(type(owner), name):
        raise ArrayAttributeError(
            f"{name}: expected an array and found a {type(owner).__name__}, whose voxels are not in memory; "
            f"read what you need, as in {voxels}.{name}{lazy}"
        )
    return object.__getattribute__(owner, name)  # the error of Python, or that of a property
