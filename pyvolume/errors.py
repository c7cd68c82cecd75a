"""Every error that pyvolume raises, as a tree.

::

    PyVolumeError
    ├── AddressError (ValueError)                a url or an address that names no volume
    ├── SelectionError (IndexError)              the key does not address voxels of this volume
    ├── VoxelsMismatchError (ValueError)         the array does not fit the region or the dtype
    ├── ClosedError (ValueError)                 the volume or the connection is closed
    ├── MetadataError (ValueError)               a document is invalid or too large
    ├── UnsupportedError (NotImplementedError)   this store cannot do that; also a write to mode="r"
    │   ├── AlignmentError (ValueError)          whole blocks only; names the nearest aligned box
    │   └── ArrayAttributeError (AttributeError) arrays have this attribute, volumes do not
    └── StoreError                               the store could not serve a valid request
        ├── TransportError (ConnectionError)     no usable answer arrived
        ├── AnswerError                          an answer arrived, but not the expected one
        └── RefusedError                         the store understood the request and refused it
            ├── NotFoundError (LookupError)      nothing is there under this name
            │   ├── AmbiguousError               several have this name
            │   └── KeyNotFoundError (KeyError)  a mapping has no such key
            ├── ExistsError (FileExistsError)    the name or the place is taken
            ├── LockedError (PermissionError)    the version accepts no more changes
            ├── ConflictError                    somebody else has changed the same since
            ├── ForbiddenError (PermissionError) no permission, or the server is read-only
            ├── TooLargeError                    more than the server accepts in one request
            └── BusyError                        the server is busy; the same request may succeed later
                └── BusyTimeoutError (TimeoutError) still busy when the patience ran out

Most classes are also a built-in error, shown in brackets. Errors can be pickled, and keep their attributes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Collection

    from pyvolume.model.box import Box


def _rebuild(kind: type[PyVolumeError], args: tuple[Any, ...], facts: dict[str, Any]) -> PyVolumeError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(facts)
    return error


class PyVolumeError(Exception):
    """Base of every error of pyvolume.

    Parameters
    ----------
    message : str
        One sentence: the action, what was expected, what was found.
    **facts
        The numbers behind the sentence; each becomes an attribute of that name. A class declares its own.
    """

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        for name, value in facts.items():
            if not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__} has no fact called {name!r}")
            setattr(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__.copy())

    def with_facts(self, **facts: object) -> Self:
        """Add facts that only a caller further up knows, and return the error itself."""
        self.__dict__.update(facts)
        return self


class AddressError(PyVolumeError, ValueError):
    """The url or address names no volume: unknown scheme, missing part, malformed."""


class SelectionError(PyVolumeError, IndexError):
    """The key does not address voxels of this volume."""


class VoxelsMismatchError(PyVolumeError, ValueError):
    """The array does not fit the region or the dtype."""


class ClosedError(PyVolumeError, ValueError):
    """The volume or the connection is closed."""


class MetadataError(PyVolumeError, ValueError):
    """A document breaks its schema, contradicts itself, or is too large; `path` is the JSON path."""

    path: str = ""


class UnsupportedError(PyVolumeError, NotImplementedError):
    """The store cannot do that; also a write to a volume opened with ``mode="r"``."""


class AlignmentError(UnsupportedError, ValueError):
    """Whole blocks only; `nearest` is the smallest aligned box around the one asked for."""

    nearest: Box | None = None


class ArrayAttributeError(UnsupportedError, AttributeError):
    """An attribute of arrays that volumes do not have, such as ``T``: read the volume as an array."""


DOUBT = "the request may have been carried out"
"""What an error says of a change whose answer was lost, where nothing special is known."""


class StoreError(PyVolumeError):
    """The store could not serve a valid request.

    `retryable` says whether the same request may succeed later; `uncertain` says that a change may have been carried
    out although no answer says so; `remaining` holds the boxes that a transfer of many pieces did not complete.
    """

    retryable: bool = False
    uncertain: bool = False
    remaining: Collection[Box] = ()

    def as_uncertain(self, doubt: str = DOUBT) -> Self:
        """Say that a change may have been carried out, so that it is not repeated, and return the error itself.

        Parameters
        ----------
        doubt : str
            Added to the message; a special one takes the place of the general one.
        """
        if not self.uncertain or doubt != DOUBT:
            self.args = (f"{str(self).removesuffix(f'; {DOUBT}')}; {doubt}",)
        return self.with_facts(uncertain=True, retryable=False)


class TransportError(StoreError, ConnectionError):
    """No usable answer arrived: refused, reset, silent, cut off.

    `unreached` says that no connection came about, so that nothing was sent.
    """

    unreached: bool = False


class AnswerError(StoreError):
    """An answer arrived, but not the expected one.

    `expected` and `found` are numbers of bytes where the length was wrong (`found` is -1 where only "more"
    is known); `content_type` and `first_bytes` tell what came instead.
    """

    expected: int | None = None
    found: int | None = None
    content_type: str = ""
    first_bytes: bytes = b""


class RefusedError(StoreError):
    """The store understood the request and refused it.

    `action` and `url` tell what was tried; `status`, `reason` and `detail` tell what a server answered. `url` is empty
    and `status` is None where no server was asked, such as for a local file.
    """

    action: str = ""
    url: str = ""
    status: int | None = None
    reason: str = ""
    detail: str = ""


class NotFoundError(RefusedError, LookupError):
    """Nothing is there under this name: no such path, version or volume."""


class AmbiguousError(NotFoundError):
    """The name can mean several things; `candidates` holds those that are known."""

    candidates: tuple[str, ...] = ()


class KeyNotFoundError(NotFoundError, KeyError):
    """A mapping has no such key."""

    __str__ = Exception.__str__  # a KeyError shows the repr of its message


class ExistsError(RefusedError, FileExistsError):
    """The name or the place is taken; nothing was replaced."""


class LockedError(RefusedError, PermissionError):
    """The version accepts no more changes; `version` is its name."""

    version: str = ""


class ConflictError(RefusedError):
    """Somebody else has changed the same since, and committed it; nothing was replaced.

    `chunks` holds the chunks that both have changed, each as the path of its array and its numbers; `version` names the
    version of the other one.
    """

    chunks: tuple[tuple[str, tuple[int, ...]], ...] = ()
    version: str = ""


class ForbiddenError(RefusedError, PermissionError):
    """The user has no permission, the permission could not be checked, or the server is read-only."""


class TooLargeError(RefusedError):
    """More than the server accepts in one request."""


class BusyError(RefusedError):
    """The server is busy; `retry_after` is the number of seconds to wait, where the server says it.

    `unstarted` says that the server itself has refused to begin, so that nothing has happened. A proxy in between can
    answer with the same status while the server is at work.
    """

    retryable = True
    retry_after: float | None = None
    unstarted: bool = False


class BusyTimeoutError(BusyError, TimeoutError):
    """Still busy when the patience ran out, after `attempts` attempts and `seconds` seconds."""

    retryable = False
    attempts: int = 0
    seconds: float = 0.0
