"""Image: an image of Mikro as a volume, with what the catalogue says of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, MutableMapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn, Self, SupportsIndex, cast

from pyvolume.caching.cache import BlockCache
from pyvolume.errors import KeyNotFoundError, MetadataError, UnsupportedError
from pyvolume.mikro import documents
from pyvolume.mikro.arrays import channels_of, origins_of
from pyvolume.mikro.client import ask
from pyvolume.mikro.datasets import Dataset, dataset_of
from pyvolume.mikro.documents import image_facts
from pyvolume.mikro.naming import checked_name, checked_tags
from pyvolume.mikro.store import INSTEAD, ImageStore, Place, open_store
from pyvolume.mikro.uploading import Wishes, uploaded
from pyvolume.model import arguments
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.model.nearest import hint
from pyvolume.stores.base import VoxelStore
from pyvolume.stores.catalogue import ARRAY_ATTRIBUTE
from pyvolume.transfer.casting import Casting
from pyvolume.transport.connection import Connection
from pyvolume.volume import Volume
from pyvolume.zarr.attributes import RESERVED

if TYPE_CHECKING:
    from xarray import DataArray


class Image(Volume):
    """An image of Mikro: its voxels, which never change, and what the catalogue says of it.

    The axes are c, x, y, z, t. A chunk that is not stored holds the fill value of the array; whether it was lost is not
    known. The keys of the object store are renewed when they end.

    Parameters
    ----------
    store : ImageStore
        The array.
    metadata : VoxelsMetadata
        Its description.
    owns_connection : bool
        Whether `close` closes the connection to the catalogue.
    **options
        Of `pyvolume.Volume`.
    """

    def __init__(
        self, store: ImageStore, metadata: VoxelsMetadata, *, owns_connection: bool = False, **options: Any
    ) -> None:
        super().__init__(store, metadata, mode="r", **options)
        self._owns_connection = owns_connection

    @property
    def store(self) -> ImageStore:
        """The array."""
        return cast("ImageStore", self._transfer.store)

    @property
    def id(self) -> str:
        """The id of the image."""
        return self.store.image.id

    @property
    def name(self) -> str:
        """The name of the image; several can have one name."""
        return self.store.image.name

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags, sorted, as the server writes them."""
        return self.store.image.tags

    @property
    def created(self) -> datetime:
        """When the image was made."""
        return self.store.image.created

    @property
    def creator(self) -> str:
        """The ``sub`` of the user who made it."""
        return self.store.image.creator

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of the channels; empty if not all of them have one."""
        return channels_of(self.store.image.views, self.shape[0])

    @property
    def derived_from(self) -> tuple[str, ...]:
        """The ids of the images that it was derived from."""
        return origins_of(self.store.image.views)

    @property
    def dataset(self) -> Dataset | None:
        """The dataset that the image is in; one request."""
        found = self.store.image.dataset
        return dataset_of(self._connection, found) if found else None

    @property
    def attrs(self) -> MutableMapping[str, Any]:
        """The attributes of the array that was uploaded; they cannot be changed."""
        return UploadedAttributes(self.store)

    @property
    def data(self) -> DataArray:
        """The voxels as a lazy array of xarray, with the axes that `from_xarray` was given, see `to_xarray`.

        An array that had no name has that of the image.
        """
        found = self.to_xarray(restore_dims=ARRAY_ATTRIBUTE in self.attrs and "t" in self.dims)
        return found if found.name is not None else found.rename(self.name)

    def at_time(self, timepoint: SupportsIndex) -> Image:
        """Return the image at one time point, with the axes c, x, y, z; no request.

        Parameters
        ----------
        timepoint : int
            From 0 on.

        Raises
        ------
        NotFoundError
            If there is no such time point.
        UnsupportedError
            If the image is at one time point already.
        """
        at = arguments.integer(timepoint, f"open image {self.id}", "a time point", 0)
        if "t" not in self.dims:
            raise UnsupportedError(f"open image {self.id} at time point {at}: it has no axis t")
        here = self.store.place
        place = Place(here.connection, dataclasses.replace(here.address, timepoint=at))
        store = ImageStore(place, self.store.image, self.store.store_id, self.store.document)
        return self._with_store(store, store.metadata)

    def update(self, *, name: str | None = None, tags: Sequence[str] = ()) -> None:
        """Give the image another name, or more tags; one request.

        Parameters
        ----------
        name : str, optional
            Up to 1000 characters.
        tags : sequence of str
            Small letters and digits, with single hyphens between them. The server removes no tag.

        Raises
        ------
        MetadataError
            For a name or a tag that the server would change.
        ForbiddenError, StoreError
            If the server refuses it.
        """
        action = f"update image {self.id}"
        given: dict[str, Any] = {"id": self.id}
        if name is not None:
            given["name"] = checked_name(name, action)
        if kept := checked_tags(tags, action):
            given["tags"] = list(kept)
        found = ask(self._connection, action, documents.UPDATE, {"input": given})
        facts = image_facts({**found, "views": self.store.image.views}, action)
        self.store.take_facts(facts)

    def delete(self) -> str:
        """Delete the image from the catalogue, and return what stays.

        Only its creator may do that. The voxels stay in the object store, and whoever has the id of the array can
        read them: Mikro deletes no voxels.

        Returns
        -------
        str
            A sentence with the id of the array that stays.

        Raises
        ------
        ForbiddenError, StoreError
            If the server refuses it.
        """
        ask(self._connection, f"delete image {self.id}", documents.DELETE, {"input": {"id": self.id}}, changes=True)
        return (
            f"image {self.id} is deleted; its {self.nbytes} bytes of voxels stay in the object store, as array "
            f"{self.store.store_id}"
        )

    def derive(self, array: Any, name: str | None = None, **options: Any) -> Image:
        """Make a new image that says that it comes from this one.

        Parameters
        ----------
        array : array-like
            As for `Mikro.from_xarray`. Without dims, an array of the same number of axes as the volume has its axes.
        name : str, optional
            Of the new image; by default the name of the array.
        **options
            Of `Mikro.from_xarray`.

        Returns
        -------
        Image

        Raises
        ------
        MetadataError, StoreError
            As for `Mikro.from_xarray`.
        """
        if "dims" not in options and not hasattr(array, "dims") and getattr(array, "ndim", 0) == self.ndim:
            options["dims"] = self.dims
        wishes = Wishes.of(name, origin=self.id, **options)
        here = self.store.place.address
        place = Place(self._connection, dataclasses.replace(here, image="", timepoint=None))
        made = uploaded(place, array, wishes)
        return opened(Place(self._connection, dataclasses.replace(here, image=made, timepoint=None)))

    def refresh(self) -> None:
        """Ask the catalogue what it says of the image now; the voxels never change."""
        super().refresh()

    def describe(self) -> dict[str, Any]:
        """Return the facts about the volume as values of JSON, see `Volume.describe`."""
        return super().describe() | self.store.facts()

    def close(self) -> None:
        """Close what belongs to the image alone."""
        super().close()
        if self._owns_connection:
            self._connection.close()

    @property
    def _connection(self) -> Connection:
        return self.store.place.connection

    def _with_store(self, store: VoxelStore, metadata: VoxelsMetadata) -> Self:
        other = super()._with_store(store, metadata)
        other._owns_connection = False  # noqa: SLF001 - of this class
        return other

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_owns_connection": False}


class UploadedAttributes(MutableMapping[str, Any]):
    """The attributes of an array of an image, without those of pyvolume; none of them can be changed.

    Parameters
    ----------
    store : ImageStore
        The array.
    """

    def __init__(self, store: ImageStore) -> None:
        found = store.document.get("attributes")
        kept = found if isinstance(found, dict) else {}
        self._held = {name: value for name, value in kept.items() if name not in RESERVED}

    def __repr__(self) -> str:
        return repr(self._held)

    def __getitem__(self, name: str) -> Any:
        if name not in self._held:
            raise KeyNotFoundError(f"read the attribute {name!r}: there is none; {hint(name, self._held)}")
        return self._held[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def __setitem__(self, name: str, _value: object) -> NoReturn:
        raise UnsupportedError(f"write the attribute {name!r}: {INSTEAD}")

    def __delitem__(self, name: str) -> NoReturn:
        raise UnsupportedError(f"delete the attribute {name!r}: {INSTEAD}")


def opened(
    place: Place,
    *,
    owns_connection: bool = False,
    casting: Casting = "checked",
    cache: BlockCache | None = None,
) -> Image:
    """Open an image: one request to the catalogue, one to the object store.

    Raises
    ------
    NotFoundError, UnsupportedError, MetadataError, StoreError
        As for `open_store`.
    """
    if not place.address.image:
        raise MetadataError("open: expected the id of an image")
    store = open_store(place)
    return Image(
        store, store.metadata, owns_connection=owns_connection, retry=place.retry, casting=casting, cache=cache
    )
