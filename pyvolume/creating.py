"""From a url and a description to a new volume."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast, overload

from numpy.typing import DTypeLike

from pyvolume.errors import AddressError, MetadataError
from pyvolume.model import arguments
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.opening import completed
from pyvolume.stores import registry
from pyvolume.volume import Volume

AnyVolume = TypeVar("AnyVolume", bound=Volume)


@overload
def create(
    url: str | os.PathLike[str],
    shape: Sequence[int] | None = None,
    dtype: DTypeLike | None = None,
    *,
    kind: type[AnyVolume],
    dims: Sequence[str] | None = None,
    chunks: Sequence[int] | None = None,
    resolution: float | Sequence[float] | None = None,
    units: str | Sequence[str] | None = None,
    labels: Mapping[str, Sequence[str]] | None = None,
    like: Volume | None = None,
    overwrite: bool = False,
    **options: Any,
) -> AnyVolume: ...


@overload
def create(
    url: str | os.PathLike[str],
    shape: Sequence[int] | None = None,
    dtype: DTypeLike | None = None,
    *,
    dims: Sequence[str] | None = None,
    chunks: Sequence[int] | None = None,
    resolution: float | Sequence[float] | None = None,
    units: str | Sequence[str] | None = None,
    labels: Mapping[str, Sequence[str]] | None = None,
    like: Volume | None = None,
    overwrite: bool = False,
    **options: Any,
) -> Volume: ...


def create(
    url: str | os.PathLike[str],
    shape: Sequence[int] | None = None,
    dtype: DTypeLike | None = None,
    *,
    kind: type[Volume] = Volume,
    dims: Sequence[str] | None = None,
    chunks: Sequence[int] | None = None,
    resolution: float | Sequence[float] | None = None,
    units: str | Sequence[str] | None = None,
    labels: Mapping[str, Sequence[str]] | None = None,
    like: Volume | None = None,
    overwrite: bool = False,
    **options: Any,
) -> Volume:
    """Create a volume at a url, and open it for writing.

    Parameters
    ----------
    url : str or path
        Of the new volume. The page *Url forms* lists the forms, and what can be created.
    shape : sequence of int, optional
        Channel first, over `dims`. Only `like` can take its place.
    dtype : dtype-like, optional
        The dtype of a voxel. Only `like` can take its place.
    kind : type, optional
        The class that the driver makes, such as `pyvolume.zarr.ZarrVolume`; a type checker then knows its methods.
    dims : sequence of str, optional
        One letter per axis, channel first; the first letters of ``"cxyzt"`` by default.
    chunks : sequence of int, optional
        Shape of what is stored as a unit, one entry per axis, channel first. By default the driver chooses.
    resolution : float or sequence of float, optional
        Size of a voxel, one number for all axes, or one per axis behind the channel; 1 by default.
    units : str or sequence of str, optional
        Units of the resolution, likewise, such as ``"nanometers"``.
    labels : mapping of str to sequence of str, optional
        Labels of an axis by its letter, see `VoxelsMetadata.of`.
    like : Volume, optional
        A volume whose description holds where nothing else is said: shape and first voxel, dtype, axes, resolution,
        units, labels, chunks, and, where the driver has them, the resolution levels, which `build_pyramid` fills.
    overwrite : bool
        Replace a volume that is there. Nothing of another kind is replaced.
    **options
        Options of the driver. zarr: ``format="0.5"`` or ``"0.4"`` of OME-Zarr, or ``"zarr"``, an array without OME;
        `levels`, `shards`, `compressors`, `fill_value`. The page *Url forms* lists those of all drivers.

    Returns
    -------
    Volume
        In mode "r+". No voxel is stored: each is the fill value, 0.

    Raises
    ------
    AddressError
        If no driver recognises the url, or if the volume, which is created, is of another class than `kind`.
    ExistsError
        If something is there.
    MetadataError
        If the parts of the description contradict each other, or the shape or the dtype is missing.
    UnsupportedError
        If the driver cannot create volumes, or none like this.
    TypeError
        For an option that the driver does not have.
    StoreError
        If the store could not create it.

    Examples
    --------
    >>> import tempfile, pyvolume
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     url = f"{folder}/cells.zarr"
    ...     cells = pyvolume.create(url, (1, 100, 80, 60), "uint16", units="um")
    ...     cells[:, 10:20] = 7
    ...     int(pyvolume.open(url)[0, 12, 0, 0])
    7
    """
    options = registry.with_secrets(options)
    if not isinstance(url, (str, os.PathLike)):
        raise TypeError(f"create: expected a url or a path, and found {type(url).__name__}")
    if like is not None:
        arguments.instance_of(like, Volume, "create")
    words = {"dims": dims, "resolution": resolution, "units": units, "labels": labels}
    metadata = _described(shape, dtype, {name: word for name, word in words.items() if word is not None}, like)
    given = {"overwrite": overwrite, **options}
    wanted = _chunks_like(metadata, like) if chunks is None else chunks
    if wanted is not None:
        given["chunks"] = wanted
    volume = cast("Volume", registry.create_url(completed(url), metadata, given, _levels_like(metadata, like, options)))
    if isinstance(volume, kind):
        return volume
    volume.close()
    raise AddressError(f"create: expected the url of a {kind.__name__}, and a {type(volume).__name__} was created")


def _described(
    shape: Sequence[int] | None, dtype: DTypeLike | None, words: Mapping[str, Any], like: Volume | None
) -> VoxelsMetadata:
    """Describe the new volume: what is given, else what `like` has.

    Raises
    ------
    MetadataError
        If something is missing, or the parts contradict each other.
    """
    if like is None:
        if shape is None or dtype is None:
            raise MetadataError("create: expected shape and dtype, or like=, a volume that has them")
        return VoxelsMetadata.of(shape, dtype, **words)
    known = like.metadata
    known_words: dict[str, Any] = {"dims": known.dims}
    if tuple(words.get("dims", known.dims)) == known.dims:
        known_words |= {"resolution": known.resolution, "units": known.units}
        known_words |= {"labels": _labels_of(known)} if shape is None else {}
    metadata = VoxelsMetadata.of(
        known.bounds.shape if shape is None else shape,
        known.dtype if dtype is None else dtype,
        **{**known_words, **words},
    )
    if shape is not None or metadata.dims != known.dims:
        return metadata
    return dataclasses.replace(metadata, bounds=known.bounds, translation=known.translation)


def _levels_like(
    metadata: VoxelsMetadata, like: Volume | None, options: Mapping[str, Any]
) -> tuple[tuple[float, ...], ...]:
    """Return the factors of the levels of `like`, if it has several and the same axes, and no others are asked for."""
    if like is None or like.dims != metadata.dims or "levels" in options:
        return ()
    factors = like.scales.factors
    return factors if len(factors) > 1 else ()


def _labels_of(metadata: VoxelsMetadata) -> dict[str, Sequence[str]]:
    pairs = zip(metadata.dims, metadata.labels, strict=True)
    return {dim: labels for dim, labels in pairs if labels is not None}


def _chunks_like(metadata: VoxelsMetadata, like: Volume | None) -> tuple[int, ...] | None:
    """Return the chunks of `like`, if it has the same axes and stores any."""
    if like is None or like.dims != metadata.dims or not any(n > 1 for n in like.store.traits.chunks[1:]):
        return None
    return tuple(like.store.traits.chunks)
