"""Secret: a text that shows in no traceback."""

from __future__ import annotations

from typing import Self


class Secret(str):
    """A text that `repr` hides, also inside of lists, mappings and dataclasses.

    Tracebacks with local variables, debuggers and error trackers print values with `repr`. `str`, formatting and the
    methods of str give the text itself.

    Raises
    ------
    TypeError
        If the value is no text; the message does not show it.

    Examples
    --------
    >>> {"Authorization": Secret("Bearer abc")}
    {'Authorization': '…'}
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        if not isinstance(text, str):
            raise TypeError(f"connect: expected a token as text, and found {type(text).__name__}")
        return super().__new__(cls, text)

    def __repr__(self) -> str:
        return "'…'"
