"""From a url or an array to a volume."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, cast
from urllib.parse import unquote

import numpy as np
from numpy.typing import ArrayLike

from pyvolume.calls.retry import RetryPolicy
from pyvolume.display.neuroglancer import is_link, url_of
from pyvolume.errors import AddressError, MetadataError
from pyvolume.model.metadata import AXES, VoxelsMetadata
from pyvolume.stores.memory import MemoryStore
from pyvolume.transfer.casting import Casting
from pyvolume.transport.connection import Connection
from pyvolume.transport.urls import normalised_url, without_secrets
from pyvolume.volume import Volume

DRIVERS = {
    "dvid": "pyvolume.dvid.voxels:VoxelsAccessor",
}
"""Which class opens the urls of a scheme; imported when it is needed."""

PLAIN_URL = r"(https?://[^?#]+)/api/node/([^/?#]+)/([^/?#]+)"

DRIVER_URL = r"(\w+://[^/?#]*(?:/[^?#]+)?)/([^/?#]+)/([^/?#]+)"


def open(  # noqa: A001 - as in pyvolume.open
    url: str,
    mode: Literal["r", "r+"] = "r+",
    *,
    connection: Connection | None = None,
    retry: RetryPolicy | None = None,
    timeout: float | tuple[float, float] | None = None,
    user: str | None = None,
    token: str | None = None,
    throttle: bool = False,
    partial_blocks: Literal["merge", "raise"] = "merge",
    casting: Casting = "checked",
) -> Volume:
    """Open the volume at a url.

    Parameters
    ----------
    url : str
        ``dvid://http://host:port/UUID/NAME`` (the form that Neuroglancer uses; https too) or
        ``http://host:port/api/node/UUID/NAME``, or a link to a Neuroglancer that shows such a volume. UUID is a full
        uuid, a prefix of one, a tag, or a branch as in ``:master``, ``ab:dev``, ``brain:dev``, ``:master~1``; it is
        looked up once.
    mode : "r" or "r+"
        Read only, or read and write.
    connection : Connection, optional
        To the same server; it stays open when the volume is closed, and brings its own retry, timeout, user and
        token. Without it one is made, and closed with the volume.
    retry, timeout, user, token
        Of the connection that is made, see `Connection`.
    throttle : bool
        Let the server answer that it is busy, see `VoxelsAccessor`.
    partial_blocks : "merge" or "raise"
        What to do where a write does not fill whole blocks.
    casting : "checked", "safe", "same_kind" or "unsafe"
        Which values may be written.

    Returns
    -------
    Volume
        For DVID a `VoxelsAccessor`.

    Raises
    ------
    AddressError
        If the url names no volume.
    TypeError
        If an option of the connection is given along with a connection.
    NotFoundError, UnsupportedError, StoreError
        As for `VoxelsAccessor`.
    """
    scheme, server, uuid, name = parse_url(url)
    driver = _driver(scheme)
    given = {"retry": retry, "timeout": timeout, "user": user, "token": token}
    options = {option: value for option, value in given.items() if value is not None}
    if connection is not None:
        if options:
            raise TypeError(f"open: {', '.join(options)} belong to the connection, which is given")
        if connection.url != server:
            raise AddressError(f"open: the connection goes to {connection.url}, the url to {server}")
    current = connection or Connection(server, **cast("Any", options))
    try:
        volume = driver(
            current, uuid, name, throttle=throttle, partial_blocks=partial_blocks, casting=casting, mode=mode
        )
    except BaseException:
        if connection is None:
            current.close()
        raise
    volume.store.owns_connection = connection is None
    return cast("Volume", volume)


def parse_url(url: str) -> tuple[str, str, str, str]:
    """Take a volume's url apart.

    Returns
    -------
    tuple of str
        Scheme, url of the server, version and name.

    Raises
    ------
    AddressError

    Examples
    --------
    >>> parse_url("dvid://https://example.org/ab:dev/gray")
    ('dvid', 'https://example.org', 'ab:dev', 'gray')
    """
    if is_link(url):
        url = url_of(url)
    scheme, separator, rest = url.partition("://")
    is_plain = scheme in {"http", "https"}
    found = re.fullmatch(PLAIN_URL, url) if is_plain else re.fullmatch(DRIVER_URL, rest)
    if separator and not is_plain and scheme not in DRIVERS:
        raise AddressError(f"open: expected one of the schemes {', '.join(DRIVERS)} and found {scheme!r}")
    if found is None:
        raise AddressError(
            "open: expected 'dvid://http://host:port/UUID/NAME' or 'http://host:port/api/node/UUID/NAME' "
            f"and found {without_secrets(url)!r}"
        )
    server, uuid, name = found.groups()
    return "dvid" if is_plain else scheme, normalised_url(server), unquote(uuid), unquote(name)


def _driver(scheme: str) -> Callable[..., Any]:
    module, _, name = DRIVERS[scheme].partition(":")
    return cast("Callable[..., Any]", getattr(importlib.import_module(module), name))


def from_array(
    array: ArrayLike,
    axiskeys: str | None = None,
    *,
    block_shape: Sequence[int] | None = None,
    growable: bool = False,
) -> Volume:
    """Make a volume of a numpy array, the reference for all others.

    Parameters
    ----------
    array : array-like of two to six axes, channel first
        Not copied: a write to the volume changes it, until the volume has to grow.
    axiskeys : str, optional
        One letter per axis, channel first; ``"cxyztu"`` as far as there are axes.
    block_shape : sequence of int, optional
        One entry per axis behind the channel: write whole blocks only, as a block store does.
    growable : bool
        Whether a write beyond the array makes the volume larger, on any side.

    Raises
    ------
    MetadataError
        If the axes or the blocks do not fit the array.

    Examples
    --------
    >>> volume = from_array(np.arange(24, dtype="uint8").reshape(1, 2, 3, 4))
    >>> volume[0, :, 1, -1]
    array([ 7, 19], dtype=uint8)
    """
    voxels = np.asarray(array)
    if not 2 <= voxels.ndim <= len(AXES) or voxels.dtype.kind not in "biuf":
        raise MetadataError(
            f"from_array: expected numbers on two to {len(AXES)} axes, channel first, "
            f"and found {voxels.dtype} on {voxels.ndim}"
        )
    keys = AXES[: voxels.ndim] if axiskeys is None else axiskeys
    metadata = VoxelsMetadata.create_default_metadata(voxels.shape, voxels.dtype, keys, 1.0, "")
    blocks = np.ones(voxels.ndim - 1, int) if block_shape is None else np.asarray(block_shape)
    if blocks.shape != (voxels.ndim - 1,) or blocks.dtype.kind not in "iu" or blocks.min() < 1:
        raise MetadataError(
            f"from_array: block_shape must be {voxels.ndim - 1} positive integers, one per axis behind the channel, "
            f"not {block_shape!r}"
        )
    return Volume(MemoryStore(voxels, metadata, block_shape=tuple(blocks.tolist()), growable=growable), metadata)
