"""From a url or an array to a volume."""

from __future__ import annotations

import contextlib
import contextvars
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, overload

import numpy as np
from numpy.typing import ArrayLike

from pyvolume.display.neuroglancer import is_link, url_of
from pyvolume.errors import AddressError, MetadataError
from pyvolume.model.arguments import array_of, brief
from pyvolume.model.axes import DEFAULT_DIMS
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.stores import registry
from pyvolume.stores.memory import MemoryStore
from pyvolume.transfer.casting import Casting
from pyvolume.volume import Volume

AnyVolume = TypeVar("AnyVolume", bound=Volume)
AnyPlace = TypeVar("AnyPlace")

_default: contextvars.ContextVar[str] = contextvars.ContextVar("pyvolume default server", default="")

CUBE_AXES = 3
"""An array of so many axes may have a channel or not."""


@overload
def open(  # noqa: A001 - as in pyvolume.open
    url: str | os.PathLike[str],
    mode: Literal["r", "r+"] = "r",
    *,
    kind: type[AnyVolume],
    partial_blocks: Literal["merge", "raise"] = "merge",
    casting: Casting = "checked",
    **options: Any,
) -> AnyVolume: ...


@overload
def open(  # noqa: A001
    url: str | os.PathLike[str],
    mode: Literal["r", "r+"] = "r",
    *,
    partial_blocks: Literal["merge", "raise"] = "merge",
    casting: Casting = "checked",
    **options: Any,
) -> Volume: ...


def open(  # noqa: A001
    url: str | os.PathLike[str],
    mode: Literal["r", "r+"] = "r",
    *,
    kind: type[Volume] = Volume,
    partial_blocks: Literal["merge", "raise"] = "merge",
    casting: Casting = "checked",
    **options: Any,
) -> Volume:
    """Open the volume at a url.

    Parameters
    ----------
    url : str or path
        In a form of one of the drivers: ``dvid://http://host:port/VERSION/NAME``, a path to a file such as
        ``cells.h5``, or a form of another installed package. A link to a Neuroglancer that shows the volume is
        accepted too. The pages *Url forms* and *File formats* of the documentation list all forms.
    mode : "r" or "r+"
        Read only, or read and write.
    kind : type, optional
        The class that is expected, such as `pyvolume.dvid.VoxelsAccessor`; a type checker then knows its methods.
    partial_blocks : "merge" or "raise"
        For a write that does not fill whole blocks: complete them with what is stored, or refuse.
    casting : "checked", "safe", "same_kind" or "unsafe"
        Which values may be written, see `Volume`.
    **options
        Options of the driver that opens the url. Each driver has its own, see the page *Url forms*.

    Returns
    -------
    Volume
        Of a class of the driver, for DVID a `VoxelsAccessor`.

    Raises
    ------
    AddressError
        If the url names no volume, or one of another class than `kind`. For something else on the server the message
        names the call that opens it.
    TypeError
        For an option that the driver does not have, and for a `url` that is no string and no path.
    ValueError
        For another mode.
    NotFoundError, UnsupportedError, StoreError
        As for `VoxelsAccessor`.
    """
    options = registry.with_secrets(options)
    if not isinstance(url, (str, os.PathLike)):
        raise TypeError(f"open: expected a url or a path, and found {type(url).__name__}; from_array takes an array")
    address = completed(url)
    given = {"partial_blocks": partial_blocks, "casting": casting, **options}
    volume = cast("Volume", registry.open_url(address, mode, given))
    if isinstance(volume, kind):
        return volume
    volume.close()
    raise AddressError(f"open: expected the url of a {kind.__name__}, and found that of a {type(volume).__name__}")


@overload
def connect(url: str | os.PathLike[str], *, kind: type[AnyPlace], **options: Any) -> AnyPlace: ...


@overload
def connect(url: str | os.PathLike[str], **options: Any) -> Any: ...


def connect(url: str | os.PathLike[str], *, kind: type[Any] = object, **options: Any) -> Any:
    """Return a server, or a folder of files, that holds volumes.

    Nothing is asked of a server before it is used.

    Parameters
    ----------
    url : str or path
        Of a server, ``dvid://http://host:port`` or ``hpc://http://host:port``; or the path of a folder.
    kind : type, optional
        The class that is expected, such as `pyvolume.dvid.Server`; a type checker then knows its methods.
    **options
        Options of the driver: for servers `retry`, `timeout`, `max_document` and `token`, for DVID also `user`.

    Returns
    -------
    pyvolume.dvid.Server, pyvolume.hpc.DataStore or Folder
        Its method `close` closes what it holds open, and so does the end of a ``with`` block.

    Raises
    ------
    AddressError
        If the url names no server and no folder, or one of another class than `kind`. For something else on the server
        the message names the call that opens it.
    TypeError
        For an option that the driver does not have, and for a `url` that is no string and no path.

    Examples
    --------
    >>> from mockserver import MockServer
    >>> with MockServer() as mock, connect(f"dvid://{mock.url}") as server:
    ...     server.create_repo("fly").info().alias
    'fly'
    """
    options = registry.with_secrets(options)
    if not isinstance(url, (str, os.PathLike)):
        raise TypeError(f"connect: expected a url or a path, and found {type(url).__name__}")
    place = registry.connect_url(completed(url) if isinstance(url, str) else Path(url).absolute().as_uri(), options)
    if isinstance(place, kind):
        return place
    place.close()
    raise AddressError(f"connect: expected the url of a {kind.__name__}, and found that of a {type(place).__name__}")


@contextlib.contextmanager
def default_server(url: str | os.PathLike[str]) -> Iterator[None]:
    """Set the server of the urls inside the block that name none.

    `open` and `connect` then take the rest of a url, such as ``"fly:main/gray"``. A url of its own, and the path of a
    file, are taken as they are. It holds in the thread or task that enters the block.

    Parameters
    ----------
    url : str or path
        The first part of each url, before a slash and the rest.

    Raises
    ------
    AddressError
        If it is no url, and no path of a folder.

    Examples
    --------
    >>> from mockserver import MockServer
    >>> ones = np.ones((1, 8, 8, 8), "uint8")
    >>> with MockServer({"gray": ones}) as mock, default_server(mock.url):
    ...     open(":master/gray").shape
    (1, 8, 8, 8)
    """
    text = os.fspath(url)
    registry.find(text)
    token = _default.set(text.rstrip("/"))
    try:
        yield
    finally:
        _default.reset(token)


def completed(url: str | os.PathLike[str]) -> str:
    """Return a url that can be opened: behind a link, or with the default server in front of a rest."""
    text = os.fspath(url)
    if is_link(text):
        return url_of(text)
    default = _default.get()
    if not default or not isinstance(url, str) or registry.recognised(text):
        return text
    return f"{default}/{text}"


def from_array(
    array: ArrayLike,
    dims: Sequence[str] | None = None,
    *,
    block_shape: Sequence[int] | None = None,
    growable: bool = False,
) -> Volume:
    """Make a volume of a numpy array, the reference for all others.

    Parameters
    ----------
    array : array-like of one to six axes, the channel first if there is one
        Not copied: a write to the volume changes it, until the volume has to grow.
    dims : sequence of str, optional
        One letter per axis, as in ``"cxyz"``; the first letters of ``"cxyztu"`` by default. Without ``"c"`` the volume
        has a channel axis of length 1 in addition: ``"xyz"``. It must be given for three axes, because nothing
        else says whether the first is the channel.
    block_shape : sequence of int, optional
        One entry per axis behind the channel: write whole blocks only, as a block store does.
    growable : bool
        Whether a write beyond the array makes the volume larger, on any side.

    Raises
    ------
    MetadataError
        If the axes or the blocks do not fit the array, or `dims` is missing.

    Examples
    --------
    >>> volume = from_array(np.arange(24, dtype="uint8").reshape(1, 2, 3, 4))
    >>> volume[0, :, 1, -1]
    array([ 7, 19], dtype=uint8)
    >>> from_array(np.zeros((2, 3, 4)), dims="xyz").shape
    (1, 2, 3, 4)
    """
    voxels = array_of(array)
    if dims is None and voxels.ndim == CUBE_AXES:
        raise MetadataError("from_array: an array of 3 axes needs dims: 'xyz', without a channel, or 'cxy'")
    if isinstance(dims, (str, tuple, list)) and "c" not in dims:
        voxels, dims = voxels[np.newaxis], ("c", *dims)
    if not 2 <= voxels.ndim <= len(DEFAULT_DIMS) or voxels.dtype.kind not in "biuf":
        raise MetadataError(
            f"from_array: expected numbers on two to {len(DEFAULT_DIMS)} axes, channel first, "
            f"and found {voxels.dtype} on {voxels.ndim}"
        )
    metadata = VoxelsMetadata.of(voxels.shape, voxels.dtype, dims=dims)
    blocks = np.ones(voxels.ndim - 1, int) if block_shape is None else array_of(block_shape)
    if blocks.shape != (voxels.ndim - 1,) or blocks.dtype.kind not in "iu" or blocks.min() < 1:
        raise MetadataError(
            f"from_array: block_shape must be {voxels.ndim - 1} positive integers, one per axis behind the channel, "
            f"not {brief(block_shape)}"
        )
    return Volume(MemoryStore(voxels, metadata, block_shape=tuple(blocks.tolist()), growable=growable), metadata)
