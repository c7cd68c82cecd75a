"""What the system says about files, as errors that name the file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pyvolume.errors import ForbiddenError, PyVolumeError


@contextlib.contextmanager
def told(action: str, path: str) -> Iterator[None]:
    """Name the file in what the system says; a file that is not there is left to the caller.

    Raises
    ------
    ForbiddenError
        If the user may not do that.
    OSError
        If the disk is full or broken, with the number of the system.
    """
    try:
        yield
    except (PyVolumeError, FileNotFoundError):
        raise
    except PermissionError as error:
        raise ForbiddenError(f"{action} {path}: {error.strerror}", action=f"{action} {path}") from error
    except OSError as error:
        raise OSError(error.errno, f"{action} {path}: {error.strerror}") from error
