"""What callers give: values of the expected type, or an error that says what was expected."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any, NoReturn


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
        raise ValueError(f"{action}: expected {name} of whole characters and found {value!r}")
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
        raise ValueError(f"{action}: expected {name} of at least {least} and found {value!r}")
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
        raise ValueError(f"{action}: {name} is {' or '.join(map(repr, options))}, not {value!r}")


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


def instance_of(value: object, kind: type, action: str) -> None:
    """Refuse a value of another class.

    Raises
    ------
    TypeError
    """
    if not isinstance(value, kind):
        _refuse(action, f"a {kind.__name__}", value)


def _refuse(action: str, expected: str, found: object) -> NoReturn:
    raise TypeError(f"{action}: expected {expected} and found {found!r:.200}") from None
