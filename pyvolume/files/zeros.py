"""Files whose voxels are 0, which are written in place."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pyvolume.errors import UnsupportedError
from pyvolume.files import formats


def check(path: Path, options: Iterable[str]) -> None:
    """Refuse a format that cannot be written in place, or has no such options.

    Raises
    ------
    UnsupportedError
    """
    if formats.suffix_of(path) not in formats.IN_PLACE:
        known = ", ".join(sorted(formats.IN_PLACE))
        raise UnsupportedError(f"create {path}: only files that are changed in place are created: {known}")
    if options and formats.suffix_of(path) == ".npy":
        raise UnsupportedError(f"create {path}: a .npy has no {' and no '.join(options)}")


def fill(target: Any, *, is_compressed: bool) -> None:
    """Write zeros where the space is taken, and holds nothing that is known."""
    if not is_compressed:
        for plane in range(target.shape[-1]):
            target[..., plane] = 0
