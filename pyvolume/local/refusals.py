"""What the system says about files, as errors that name the file."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from pyvolume.errors import ForbiddenError, NotFoundError, PyVolumeError

_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextlib.contextmanager
def told(action: str, path: Path) -> Iterator[None]:
    """Name the action and the file in what the system says.

    Raises
    ------
    NotFoundError
        If the file or its folder is not there.
    ForbiddenError
        If the user may not do that, or the medium is read only.
    OSError
        If the disk is full or broken, with the number of the system.
    """
    try:
        yield
    except PyVolumeError:
        raise
    except OSError as error:
        raise meaning(error, action, path) from error


def meaning(error: OSError, action: str, path: Path) -> OSError | NotFoundError:
    """Return the error that says what the system has said."""
    place = error.filename or path
    message = f"{action}: {place}: {error.strerror or error}"
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return NotFoundError(message, action=action)
    if error.errno in _FORBIDDEN:
        return ForbiddenError(message, action=action)
    return OSError(error.errno, message) if error.errno is not None else OSError(message)
