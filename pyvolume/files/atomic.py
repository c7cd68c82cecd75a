"""Files appear when they are complete."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pyvolume.errors import ExistsError


@contextlib.contextmanager
def appearing(path: Path, *, force: bool = False) -> Iterator[Path]:
    """Give the same name in a hidden folder beside it. What is there moves to the path when the block ends well.

    Parameters
    ----------
    path : Path
        The final name of the file.
    force : bool
        Replace a file that is there; a directory never.

    Raises
    ------
    ExistsError
        If something is there.
    FileNotFoundError
        If there is no folder for it.
    """
    if path.exists() and (path.is_dir() or not force):
        raise ExistsError(f"write {path}: it exists{'' if path.is_dir() else '; --force replaces it'}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"write {path}: there is no folder {path.parent}")
    with tempfile.TemporaryDirectory(prefix=".", suffix=f"-{path.name}", dir=path.parent) as folder:
        yield Path(folder, path.name)
        Path(folder, path.name).replace(path)
