"""The driver of N5: from a url to a volume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pyvolume.caching.cache import BlockCache
from pyvolume.calls.retry import RetryPolicy
from pyvolume.errors import AddressError, UnsupportedError
from pyvolume.model import arguments
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.n5 import address
from pyvolume.n5.accessor import N5VersionedVolume, N5Volume
from pyvolume.n5.address import Address
from pyvolume.n5.blocks import FILLED, Missing
from pyvolume.n5.client import Client
from pyvolume.n5.container import Container, dataset_store, levels_at, no_volume
from pyvolume.n5.creation import create_dataset
from pyvolume.n5.documents import is_dataset
from pyvolume.n5.images import choice_of, image_of_version, image_of_xml
from pyvolume.n5.levels import chosen
from pyvolume.n5.store import DatasetStore
from pyvolume.n5.versions import is_versioned
from pyvolume.n5.views import ViewsStore
from pyvolume.stores.registry import Driver
from pyvolume.transfer.casting import Casting
from pyvolume.transfer.engine import check_options
from pyvolume.transfer.locking import NamedLock


class N5Driver(Driver):
    """Opens and creates volumes in folders of N5, see `Driver`."""

    forms = address.FORMS
    made_by_copies: ClassVar[bool] = True

    def recognises(self, url: str) -> bool:
        """Whether a url has the scheme of N5, or is a path with a folder ``*.n5`` in it, or that of an XML file."""
        return address.recognises(url)

    def names_volume(self, url: str) -> bool:
        """Whether there is a volume at a url; the folder is looked at."""
        return _kind(address.parse(url)) != "group"

    def catalogue(self, url: str) -> Container:
        """Open a folder of datasets."""
        return self.connect(url)

    def connect(self, url: str) -> Container:
        """Open a folder of datasets.

        Raises
        ------
        AddressError
            If the url names a volume, or there is no such folder.
        """
        found = address.parse(url)
        if _kind(found) != "group":
            raise AddressError(f"connect: expected a folder of datasets and found a volume; use pyvolume.open({url!r})")
        return Container(found.path)

    def open(
        self,
        url: str,
        mode: Literal["r", "r+"] = "r",
        *,
        retry: RetryPolicy | None = None,
        missing: Literal["fill", "raise"] = "fill",
        fill_value: float = 0,
        partial_blocks: Literal["merge", "raise"] = "merge",
        casting: Casting = "checked",
        lock: NamedLock | None = None,
        lock_aligned: bool = True,
        cache: BlockCache | None = None,
    ) -> N5Volume:
        """Open the volume at a url.

        Parameters
        ----------
        url : str
            In the form of `pyvolume.n5.address`.
        mode : "r" or "r+"
            Read only, or read and write. Images of BigDataViewer and of a DataStore can be read only.
        retry : RetryPolicy, optional
            Its deadline is kept; files are not asked twice.
        missing : "fill" or "raise"
            What a read gives for blocks that are not stored.
        fill_value : float
            The value of their voxels.
        partial_blocks, casting, lock, lock_aligned, cache
            See `pyvolume.Volume`.

        Raises
        ------
        AddressError, NotFoundError
            If there is no such volume; for a folder of several volumes the message names them.
        VoxelsMismatchError
            If the dtype does not hold the fill value.
        MetadataError, UnsupportedError
            If the attributes say what no volume can be, or cannot be understood.
        """
        check_options(mode, partial_blocks, casting, lock, cache)
        arguments.one_of(missing, ("fill", "raise"), "volume", "missing")
        found = address.parse(url)
        choice = Missing(arguments.number(fill_value, "open", "fill_value"), missing == "raise")
        store = _dataset(found, mode, choice) if _kind(found) == "dataset" else _views(found, mode, choice)
        kind = N5VersionedVolume if isinstance(store, ViewsStore) and store.image.version is not None else N5Volume
        return kind(
            store, mode=mode, retry=retry, partial_blocks=partial_blocks, casting=casting, lock=lock,
            lock_aligned=lock_aligned, cache=cache,
        )  # fmt: skip

    def create(
        self,
        url: str,
        metadata: VoxelsMetadata,
        *,
        chunks: Sequence[int] | None = None,
        overwrite: bool = False,
        compression: str | Mapping[str, Any] = "gzip",
    ) -> N5Volume:
        """Create a dataset, and open it for writing.

        Parameters
        ----------
        url : str
            Its path; groups around it are made.
        metadata : VoxelsMetadata
            Its shape, dtype, axes, resolution, units and labels. The axes lie in the order x, y, z, c, t in the
            dataset; a single channel has no axis there.
        chunks : sequence of int, optional
            The shape of the blocks, one entry for each axis, channel first. By default blocks have 64 voxels along
            each of three axes of space, and one along the others.
        overwrite : bool
            Replace a dataset that is there.
        compression : str or mapping
            The type, or the attribute ``compression`` with its options: raw, gzip, bzip2, xz or lz4; blosc or zstd
            with the extra ``n5``.

        Raises
        ------
        ExistsError
            If something is there; with `overwrite` only if it is no dataset.
        AddressError, MetadataError, UnsupportedError
            If N5 has no such dataset.
        ForbiddenError, OSError
            If it cannot be written.
        """
        found = address.parse(url)
        create_dataset(found, metadata, chunks=chunks, overwrite=overwrite, compression=compression)
        return N5Volume(dataset_store(found.path, "r+", FILLED), mode="r+")


DRIVER = N5Driver()

_Kind = Literal["xml", "dataset", "versions", "group"]


def _kind(found: Address) -> _Kind:
    """Say what there is at a path."""
    path = found.path
    if path.suffix.lower() == ".xml" and not path.is_dir():
        return "xml"
    if is_dataset(Client(path).attributes("")) or levels_at(path):
        return "dataset"
    return "versions" if is_versioned(path) else "group"


def _dataset(found: Address, mode: Literal["r", "r+"], missing: Missing) -> DatasetStore:
    """Open a dataset, or a level of a group."""
    if found.version is not None or found.chosen:
        word = "version" if found.version is not None else next(iter(found.chosen))
        raise AddressError(f"open {found.path}: a dataset of N5 has no {word} to choose; slice the volume")
    levels = levels_at(found.path)
    store = dataset_store(levels[0] if levels else found.path, mode, missing)
    if found.level == 0:
        return store
    scales = store.scales
    space = [at for at, dim in enumerate(store.metadata.dims) if dim in "xyz"]
    factors = [tuple(each.factors[at] for at in space) for each in scales.levels]
    return scales.levels[chosen(factors, found.level, str(found.path))].open()


def _views(found: Address, mode: Literal["r", "r+"], missing: Missing) -> ViewsStore:
    """Open an image of BigDataViewer, or a version of a DataStore's dataset."""
    kind = _kind(found)
    if kind == "group":
        raise no_volume(found.path)
    if mode == "r+":
        raise UnsupportedError(f"open {found.path}: images of BigDataViewer and of a DataStore are read only; mode='r'")
    if kind == "xml" and found.version is not None:
        raise AddressError(f"open {found.path}: an XML file has no versions; open the folder of the dataset")
    version = "latest" if found.version is None else found.version
    image = image_of_xml(found.path) if kind == "xml" else image_of_version(found.path, version)
    return ViewsStore(image, choice_of(image, found.chosen), level=found.level, missing=missing)
