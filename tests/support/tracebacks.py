"""What somebody can read in an error that reaches the user."""

from __future__ import annotations

import io
import traceback
from pathlib import Path

import pyvolume

OURS = str(Path(pyvolume.__file__).parent)


def _safe(value: object) -> str:
    try:
        return repr(value)
    except AttributeError as problem:  # of an object that is not made yet
        return repr(problem)


def told(error: BaseException, *, everywhere: bool) -> str:
    """Return what an error and its causes say, with the variables of all frames, or of those of pyvolume's code."""
    text, seen, left = io.StringIO(), set[int](), [error]
    while left:
        each = left.pop()
        seen.add(id(each))
        print(each, repr(each), vars(each), file=text)
        for frame, _ in traceback.walk_tb(each.__traceback__):
            if (everywhere and "/tests/" not in frame.f_code.co_filename) or frame.f_code.co_filename.startswith(OURS):
                print(
                    frame.f_code.co_qualname, {name: _safe(value) for name, value in frame.f_locals.items()}, file=text
                )
        left += [other for other in (each.__cause__, each.__context__) if other is not None and id(other) not in seen]
    return text.getvalue()
