"""numpy's slices as text, read strictly and never evaluated."""

from __future__ import annotations

import ast
from types import EllipsisType
from typing import TypeAlias

from pyvolume.errors import SelectionError

Item: TypeAlias = "int | slice | EllipsisType | list[int]"

EXPECTED = "integers, slices, one '...' or lists of integers"


def parse_slices(text: str) -> tuple[Item, ...]:
    """Read the text between the brackets of ``volume[...]``.

    Raises
    ------
    SelectionError
        Where the text is anything but integers, slices, ``...`` and lists of integers; it shows the place.

    Examples
    --------
    >>> parse_slices(":, 10:110:2, -1, ..., [3, 5]")
    (slice(None, None, None), slice(10, 110, 2), -1, Ellipsis, [3, 5])
    """
    try:
        # the name and bracket before the text are one line, so that columns can be counted back
        tree = ast.parse(f"v[{text}]", mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise _refusal(text, (getattr(error, "offset", None) or 3) - 3) from None
    if not isinstance(tree, ast.Subscript) or not isinstance(tree.value, ast.Name):
        raise _refusal(text, text.find("]"))
    items = tree.slice.elts if isinstance(tree.slice, ast.Tuple) else [tree.slice]
    return tuple(_item(text, item) for item in items)


def _item(text: str, node: ast.expr) -> Item:
    if isinstance(node, ast.Slice):
        return slice(*(None if part is None else _integer(text, part) for part in (node.lower, node.upper, node.step)))
    if isinstance(node, ast.Constant) and node.value is Ellipsis:
        return Ellipsis
    if isinstance(node, ast.List):
        return [_integer(text, each) for each in node.elts]
    return _integer(text, node)


def _integer(text: str, node: ast.expr) -> int:
    sign = 1
    inner = node
    if isinstance(inner, ast.UnaryOp) and isinstance(inner.op, (ast.USub, ast.UAdd)):
        sign, inner = (-1 if isinstance(inner.op, ast.USub) else 1), inner.operand
    if isinstance(inner, ast.Constant) and type(inner.value) is int:
        return sign * inner.value
    raise _refusal(text, node.col_offset - 2)


def _refusal(text: str, at: int) -> SelectionError:
    at = min(max(at, 0), len(text))
    return SelectionError(f"slices: expected {EXPECTED}, and stopped at >>>{text[at:]} in [{text}]")
