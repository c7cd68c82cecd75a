"""What callers give: values of the expected type, or an error that says what was expected."""

from __future__ import annotations

import inspect
import math
import operator
import reprlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyvolume.model.nearest import hint

LONGEST = 80
"""A message shows at most this many characters of a value."""

FEW = 6
"""An array of so many entries is shown, a larger one is described."""


def brief(value: object) -> str:
    """Describe a value on one line for a message: as Python writes it, shortened; a large array by dtype and shape.

    Examples
    --------
    >>> brief("gray"), brief([1] * 1000)
    ("'gray'", '[1, 1, 1, 1, 1, 1, ...]')
    >>> import numpy as np
    >>> brief(np.zeros((1, 256, 256, 64), "uint8"))
    'ndarray uint8 of shape (1, 256, 256, 64)'
    """
    text = " ".join(_Short().repr(value).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxlong = self.maxother = LONGEST

    def repr_instance(self, x: Any, level: int) -> str:
        shape, dtype = getattr(x, "shape", None), getattr(x, "dtype", None)
        if isinstance(shape, tuple) and dtype is not None and math.prod(shape) > FEW:
            return f"{type(x).__name__} {dtype} of shape {shape}"
        return super().repr_instance(x, level)


def text(value: object, action: str, name: str) -> str:
    """Return a text that can be sent.

    Raises
    ------
    TypeError
        If it is no text.
    ValueError
        If it holds half of a character (a lone surrogate).
    """
    if not isinstance(value, str):
        _refuse(action, f"{name} as text", value)
    if not value.isascii() and value.encode(errors="replace").decode() != value:
        raise ValueError(f"{action}: expected {name} of whole characters and found {brief(value)}")
    return value


def integer(value: object, action: str, name: str, least: int | None = None) -> int:
    """Return a whole number.

    Raises
    ------
    TypeError
        If it is no whole number.
    ValueError
        If it is below `least`.
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        _refuse(action, f"{name} as a whole number", value)
    if least is not None and number < least:
        raise ValueError(f"{action}: expected {name} of at least {least} and found {brief(value)}")
    return number


def number(value: object, action: str, name: str) -> float:
    """Return a number.

    Raises
    ------
    TypeError
        If it is none; a text is none.
    """
    if isinstance(value, str | bytes):
        _refuse(action, f"{name} as a number", value)
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        _refuse(action, f"{name} as a number", value)


def one_of(value: object, options: tuple[str, ...], action: str, name: str) -> None:
    """Refuse a text that is none of several.

    Raises
    ------
    ValueError
    """
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{action}: {name} is {' or '.join(map(repr, options))}, not {brief(value)}")


def each_of(values: Any, action: str, name: str) -> Iterator[Any]:
    """Iterate over what a caller gives, which is no text.

    Raises
    ------
    TypeError
        If it cannot be iterated over.
    """
    try:
        if isinstance(values, str | bytes):
            raise TypeError
        return iter(values)
    except TypeError:
        _refuse(action, f"{name}, one after the other", values)


def keywords(function: Callable[..., object]) -> list[str]:
    """Return the names of the options of a function: those of its parameters that are given by name only."""
    parameters = inspect.signature(function).parameters.values()
    return [each.name for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY]


def given(**options: Any) -> dict[str, Any]:
    """Return the options that are not None."""
    return {name: value for name, value in options.items() if value is not None}


def check_options(what: str, given: Iterable[str], known: Sequence[str], suggested: Sequence[str]) -> None:
    """Refuse options that are not known, with the nearest of the names that can be suggested.

    Raises
    ------
    TypeError
    """
    for option in given:
        if option not in known:
            raise TypeError(f"{what} has no option {option!r}; {hint(option, suggested)}")


def array_of(values: ArrayLike) -> NDArray[Any]:
    """Return an array; rows of different lengths become one without axes and without numbers, for a check to refuse."""
    try:
        return np.asarray(values)
    except ValueError:
        return np.empty((), object)


def instance_of(value: object, kind: type, action: str) -> None:
    """Refuse a value of another class.

    Raises
    ------
    TypeError
    """
    if not isinstance(value, kind):
        _refuse(action, f"a {kind.__name__}", value)


def _refuse(action: str, expected: str, found: object) -> NoReturn:
    raise TypeError(f"{action}: expected {expected} and found {brief(found)}") from None
