"""From an array with names to a volume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, overload, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pyvolume.errors import MetadataError
from pyvolume.integrations.order import canonical, reordered
from pyvolume.model import arguments
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.opening import connect
from pyvolume.stores.arrays import Sliceable
from pyvolume.stores.catalogue import ARRAY_ATTRIBUTE, Attributed, Creating, Taking
from pyvolume.volume import Volume

AnyVolume = TypeVar("AnyVolume", bound=Volume)


@runtime_checkable
class Labelled(Protocol):
    """An array of xarray; not its ``data``, which would read it if it is lazy."""

    @property
    def dims(self) -> tuple[Any, ...]: ...
    @property
    def coords(self) -> Mapping[Any, Any]: ...
    @property
    def attrs(self) -> dict[Any, Any]: ...
    @property
    def name(self) -> Any: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def chunks(self) -> Any: ...


@overload
def from_xarray(
    array: Any,
    target: AnyVolume,
    *,
    dims: Sequence[str] | None = None,
) -> AnyVolume: ...


@overload
def from_xarray(
    array: Any,
    target: Creating[AnyVolume],
    *,
    name: str | None = None,
    dims: Sequence[str] | None = None,
    chunks: Sequence[int] | None = None,
) -> AnyVolume: ...


@overload
def from_xarray(
    array: Any,
    target: Taking[AnyVolume],
    *,
    name: str | None = None,
    dims: Sequence[str] | None = None,
    chunks: Sequence[int] | None = None,
) -> AnyVolume: ...


@overload
def from_xarray(
    array: Any,
    target: str,
    *,
    name: str | None = None,
    dims: Sequence[str] | None = None,
    chunks: Sequence[int] | None = None,
    **options: Any,
) -> Volume: ...


def from_xarray(
    array: Any,
    target: Volume | Creating[Volume] | Taking[Volume] | str,
    *,
    name: str | None = None,
    dims: Sequence[str] | None = None,
    chunks: Sequence[int] | None = None,
    **options: Any,
) -> Volume:
    """Store an array whose axes have names as a volume.

    The axes are put into the order of the store, and those that are missing get a length of 1, see `canonical`. The
    voxels go to index 0. What is lazy is read and written piece by piece, an array of dask as `Volume.from_dask` does.
    It must not read the voxels that it is written to.

    Parameters
    ----------
    array : xarray.DataArray or array-like
        Of numpy or dask, a dataset of HDF5 or zarr, another volume; only an array of xarray knows its dims.
    target : Volume, or what creates volumes
        A volume to write to, or where to create one: a repository or a version of DVID or Icechunk, a DataStore, a
        Folder or a Mikro, of which the url is enough, ``mikro://…``. DVID needs an open version.
    name : str, optional
        Of the volume that is created; by default the name of the array of xarray. A DataStore takes it as a label.
    dims : sequence of str, optional
        The letter of each axis of the array, such as ``"xyc"``; by default the dims of the array of xarray, which then
        are letters.
    chunks : sequence of int, optional
        Shape of the blocks of the volume that is created, along x, y and z.
    **options
        Of `pyvolume.connect`, for a url as the target.

    Returns
    -------
    Volume
        Open for writing; an image of Mikro is whole, and open for reading. A volume that is created has the resolution
        and the units that the coordinates of an array of xarray give, if they are evenly spaced. A volume with
        attributes, as in DVID, has the attributes of the array too, and name, dims and coordinates as the attribute
        ``"xarray"``: ``volume.to_xarray(restore_dims=True)`` gives
        them back. If the write fails, the volume stays.

    Raises
    ------
    MetadataError
        If the array is no image of the axes of the target, see `canonical`; if dims are missing; or for attributes that
        are no JSON.
    TypeError
        For another target, for `name` or `chunks` of a volume that exists, and without a name of one that does not.
    VoxelsMismatchError, SelectionError, UnsupportedError, StoreError
        As for `Volume.write`, and as the target creates volumes.

    Examples
    --------
    >>> import numpy as np, pyvolume
    >>> volume = pyvolume.from_array(np.zeros((3, 100, 80, 1), "uint8"))
    >>> pixels = np.ones((80, 100, 3), "uint8")
    >>> pyvolume.from_xarray(pixels, volume, dims="yxc").shape
    (3, 100, 80, 1)
    """
    if isinstance(target, str):
        return _place_at(target, options).take_array(array, name=name, dims=dims, chunks=chunks, owned=True)
    if options:
        raise TypeError(f"from_xarray: {', '.join(options)} belong to a url, and the target is open")
    if isinstance(target, Taking):
        taken: Volume = target.take_array(array, name=name, dims=dims, chunks=chunks)
        return taken
    return _stored(array, target, name=name, dims=dims, chunks=chunks)


def _place_at(url: str, options: Mapping[str, Any]) -> Taking[Volume]:
    """Return what stands at a url and takes whole arrays."""
    place = connect(url, **options)
    if isinstance(place, Taking):
        return place
    place.close()
    raise TypeError(f"from_xarray: a {type(place).__name__} makes no volume of its url alone; open it, and pass it")


def _stored(
    array: Any,
    target: Volume | Creating[Volume],
    *,
    name: str | None,
    dims: Sequence[str] | None,
    chunks: Sequence[int] | None,
) -> Volume:
    found = arranged(array, dims, _dims_of(target))
    if isinstance(target, Volume):
        if name is not None or chunks is not None:
            raise TypeError("from_xarray: name and chunks are those of a volume that is created, and this one exists")
        volume = target
    else:
        title = arguments.text(found.name if name is None else name, "from_xarray", "a name")
        volume = target.create_described(title, found.metadata, chunks)
    if isinstance(volume, Attributed):
        volume.attrs.update(found.attributes)
    box = Box((0,) * volume.ndim, found.voxels.shape)
    if found.is_dask:
        volume.from_dask(found.voxels, box=box)
    else:
        volume.write(box, found.voxels)
    return volume


@dataclass(frozen=True)
class Arranged:
    """An array in the order of a store, and what it says of itself.

    Parameters
    ----------
    voxels : array-like
        Its voxels, which are read when slices of them are asked for if they are lazy.
    is_dask : bool
        Whether they are an array of dask.
    name : str or None
        The name of an array of xarray.
    metadata : VoxelsMetadata
        The volume that holds it: its voxels are as far apart as the coordinates say.
    attributes : dict
        Those of an array of xarray, and what else it says of itself, as values of JSON.
    """

    voxels: Any
    is_dask: bool
    name: str | None
    metadata: VoxelsMetadata
    attributes: dict[str, Any]


def arranged(array: Any, dims: Sequence[str] | None, order: Sequence[str]) -> Arranged:
    """Put an array into the order of a store; no voxel is read.

    Raises
    ------
    MetadataError
        If it is no image of these axes, see `canonical`; or if dims are missing.
    """
    labelled = array if isinstance(array, Labelled) else None
    if dims is None:
        if labelled is None:
            raise MetadataError("from_xarray: expected dims, such as 'xyc', because only an array of xarray knows them")
        dims = labelled.dims
    lazy = _of_dask(array, labelled)
    given: Any
    if lazy is None and isinstance(array, Sliceable) and not isinstance(array, np.ndarray):
        given = Ordered(array, dims, order)
    else:
        given = canonical(array if lazy is None else lazy, dims, order)
    name = None if labelled is None or labelled.name is None else str(labelled.name)
    return Arranged(
        given, lazy is not None, name, _described(labelled, dims, given, order), _attributes(labelled, dims)
    )


class Ordered:
    """An array with its axes in the order of a store; slices of it are read when they are asked for.

    Parameters
    ----------
    array : array-like
        What slices turn into arrays.
    dims : sequence of str
        The letter of each of its axes.
    order : sequence of str
        The letters of the axes of the result.

    Raises
    ------
    MetadataError
        As `canonical`.
    """

    def __init__(self, array: Sliceable, dims: Sequence[str], order: Sequence[str]) -> None:
        outline = canonical(np.broadcast_to(np.empty((), array.dtype), array.shape), dims, order)
        self.shape: tuple[int, ...] = outline.shape
        self.dtype = array.dtype
        self._array = array
        self._dims = tuple(dims)
        self._order = tuple(order)

    def __getitem__(self, key: tuple[slice, ...]) -> NDArray[Any]:
        """Read a slice of each axis."""
        by_letter = dict(zip(self._order, key, strict=True))
        part = self._array[tuple(by_letter.get(letter, slice(None)) for letter in self._dims)]
        return np.asarray(reordered(np.asarray(part), self._dims, self._order))


def _of_dask(array: Any, labelled: Labelled | None) -> Any:
    """Return the array of dask that is given, also inside one of xarray; None if there is none."""
    found = array if labelled is None else array.data if labelled.chunks is not None else None
    return found if hasattr(found, "__dask_graph__") else None


def _dims_of(target: object) -> tuple[str, ...]:
    if isinstance(target, Volume):
        return target.dims
    if isinstance(target, Creating):
        return target.volume_dims
    raise TypeError(
        "from_xarray: expected as the target a Volume or what creates volumes, as pyvolume.connect opens it, "
        f"and found {type(target).__name__}"
    )


def _described(
    labelled: Labelled | None, dims: Sequence[str], given: Sliceable, order: Sequence[str]
) -> VoxelsMetadata:
    """Describe the volume to create: its voxels are as far apart as the coordinates say."""
    spacings = {} if labelled is None else _spacings(labelled, dims)
    found = [spacings.get(letter, (1.0, "")) for letter in order[1:]]
    resolution, units = zip(*found, strict=True)
    return VoxelsMetadata.of(given.shape, given.dtype, dims=order, resolution=resolution, units=units)


def _spacings(labelled: Labelled, dims: Sequence[str]) -> dict[str, tuple[float, str]]:
    """Return the distance of voxels along the axes that have such a coordinate, and its unit."""
    found = {}
    for name, letter in zip(labelled.dims, dims, strict=True):
        coordinate = labelled.coords.get(name)
        step = None if coordinate is None else _step(coordinate.values)
        if coordinate is not None and step is not None and step > 0:
            found[letter] = step, str(coordinate.attrs.get("units", ""))
    return found


def _step(values: NDArray[Any]) -> float | None:
    """Return the distance of values that are evenly spaced, as far as their floats tell; else None."""
    if values.ndim != 1 or values.size < 2 or values.dtype.kind not in "iuf":
        return None
    floats = values.astype(np.float64)
    step = float(floats[-1] - floats[0]) / (values.size - 1)
    tolerance = 1e-3 * abs(step)
    return step if step and bool(np.all(np.abs(np.diff(floats) - step) <= tolerance)) else None


def _attributes(labelled: Labelled | None, dims: Sequence[str]) -> dict[str, Any]:
    """Return the attributes of an array, and what else it says of itself, as values of JSON."""
    if labelled is None:
        return {ARRAY_ATTRIBUTE: {"name": None, "letters": list(dims), "dims": list(dims), "coords": {}}}
    coordinates = {}
    for name, coordinate in labelled.coords.items():
        values = coordinate.values
        step = _step(values)
        shown = values.astype(str) if values.dtype.kind in "mM" else values
        told = {"values": shown.tolist()} if step is None else {"start": float(values[0]), "step": step}
        coordinates[str(name)] = {"dims": list(map(str, coordinate.dims)), **told, "attrs": dict(coordinate.attrs)}
    own = {
        "name": None if labelled.name is None else str(labelled.name),
        "letters": list(dims),
        "dims": list(map(str, labelled.dims)),
        "coords": coordinates,
    }
    return {str(key): value for key, value in labelled.attrs.items()} | {ARRAY_ATTRIBUTE: own}
