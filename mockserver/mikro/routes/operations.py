"""The operations of the catalogue: what each root field does."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from mockserver.mikro.model import filters
from mockserver.mikro.model.grants import WRITE, Grants
from mockserver.mikro.model.objects import Bucket
from mockserver.mikro.model.rows import LONGEST_NAME, Array, Dataset, Failed, Image, Rows, Store, View, Who
from mockserver.mikro.routes.fields import Fields

T = TypeVar("T")
Owned = TypeVar("Owned", Image, Dataset, Store)

ROLES = ("admin", "bot")

VIEWS = {
    "channelViews": "ChannelView",
    "transformationViews": "AffineTransformationView",
    "derivedViews": "DerivedView",
    "scaleViews": "ScaleView",
    "timepointViews": "TimepointView",
    "rgbViews": "RGBView",
}
"""The lists of views that an image is created with, in the order in which they are made."""


class Operations:
    """Carries out the operations of one server, by the names of the root fields.

    Parameters
    ----------
    rows : Rows
        All rows.
    grants : Grants
        All keys.
    bucket : Bucket
        All objects.
    """

    def __init__(self, rows: Rows, grants: Grants, bucket: Bucket) -> None:
        self._rows = rows
        self._grants = grants
        self._bucket = bucket
        self._show = Fields(rows, grants, bucket.name)

    def find(self, name: str) -> Callable[..., Any]:
        """Return what a root field does: a function of who asks, and the arguments."""
        words = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
        found: Callable[..., Any] = getattr(self, f"do_{words}")
        return found

    # reading

    def do_image(self, who: Who, id: str) -> Any:  # noqa: A002 - as in the schema
        return self._show.image(self._image(who, id))

    def do_images(self, who: Who, ordering: Any, filters: Any = None, pagination: Any = None) -> Any:
        own = [each for each in self._rows.images.values() if each.organisation == who.organisation]
        found = _matching(own, filters, who)
        return [self._show.image(each) for each in _paged(found, ordering, pagination)]

    def do_dataset(self, who: Who, id: str) -> Any:  # noqa: A002
        return self._show.dataset(self._dataset(who, id), who)

    def do_datasets(self, who: Who, ordering: Any, filters: Any = None, pagination: Any = None) -> Any:
        """List the datasets, also those of other organisations."""
        found = _matching_datasets(list(self._rows.datasets.values()), filters)
        return [self._show.dataset(each, who) for each in _paged(found, ordering, pagination)]

    def do_adataset(self, _who: Who, id: str) -> Any:  # noqa: A002
        return self._show.array(_found(self._rows.arrays, id, "ADataset"))

    # voxels

    def do_request_zarr_upload(self, who: Who, **_given: Any) -> Any:
        store = Store(self._rows.new_id("store"), who.organisation, uuid.uuid4().hex)
        self._rows.stores[store.id] = store
        return self._show.upload_grant(store, self._grants.give(store.key, WRITE))

    def do_finish_zarr_upload(self, who: Who, storeId: str, **_given: Any) -> Any:  # noqa: N803
        return self._show.store(self._read(self._store(who, storeId)))

    def do_request_zarr_access(self, who: Who, storeId: str) -> Any:  # noqa: N803
        return self._show.access_grant(self._store(who, storeId))

    def _read(self, store: Store) -> Store:
        """Read the metadata of an array from the bucket.

        Raises
        ------
        Failed
            If there is none that the server accepts.
        """
        stored = self._bucket.get(f"{store.key}/zarr.json")
        if stored is None:
            raise Failed(f"Could not find Zarr v3 metadata for store {store.id}.")
        try:
            found = json.loads(stored.data)
        except ValueError as error:
            raise Failed(str(error)) from None
        if found.get("zarr_format") == 2:
            raise Failed("Zarr v2 is not supported. Only Zarr v3 stores are supported.")
        if found.get("node_type") != "array":
            raise Failed(f"Only Zarr v3 ARRAY stores are supported. Found: {found.get('node_type')}")
        try:
            _ = found["shape"], found["chunk_grid"]["configuration"]["chunk_shape"]
        except (KeyError, TypeError) as error:
            raise Failed(f"Malformed zarr.json metadata: {error}") from None
        store.metadata = found
        return store

    # images

    def do_from_array_like(self, who: Who, array: Any, name: str, **given: Any) -> Any:
        _check_role(who)
        store = self._read(self._store(who, str(array)))
        if len(name) > LONGEST_NAME:
            raise Failed(f"value too long for type character varying({LONGEST_NAME})\n")
        chosen = given.get("dataset")
        dataset = self._rows.default_dataset(who) if chosen is None else _found(self._rows.datasets, chosen, "Dataset")
        image = Image(self._rows.new_id("image"), who.organisation, who.sub, name, store, dataset)
        self._rows.images[image.id] = image
        self._rows.tag(image, given.get("tags") or [])
        for list_name, kind in VIEWS.items():
            views = given.get(list_name)
            if kind == "RGBView" and views is None:
                views = self._displays(image)
            for number, each in enumerate(views or ()):
                self._add_view(who, image, kind, each, number)
        return self._show.image(image)

    def _displays(self, image: Image) -> list[dict[str, Any]]:
        first = (image.store.shape or [])[:1]
        if not first:
            raise Failed("list index out of range")
        return [{} for _ in range(first[0])]

    def _add_view(self, who: Who, image: Image, kind: str, given: Mapping[str, Any], number: int) -> View:
        more: dict[str, Any] = {}
        if kind == "DerivedView":
            self._image(who, given["originImage"])
        if kind == "AffineTransformationView":
            more["stage"] = {"id": self._rows.new_id("stage"), "name": f"Unknown for {image.name} and {number}"}
        view = View(self._rows.new_id(kind), kind, given, more)
        image.views.append(view)
        return view

    def do_update_image(self, who: Who, id: str, tags: Any = None, name: str | None = None) -> Any:  # noqa: A002
        _check_role(who)
        image = self._image(who, id)
        if len(name or "") > LONGEST_NAME:
            raise Failed(f"value too long for type character varying({LONGEST_NAME})\n")
        self._rows.tag(image, tags or [])
        image.name = name or image.name
        return self._show.image(image)

    def do_delete_image(self, who: Who, id: str) -> Any:  # noqa: A002
        _check_role(who)
        image = self._image(who, id)
        if image.creator != who.sub:
            raise Failed("You can only delete your own images")
        del self._rows.images[image.id]
        return id

    # datasets

    def do_create_dataset(self, who: Who, name: str, parent: str | None = None) -> Any:
        _check_role(who)
        above = None if parent is None else self._dataset(who, parent)
        if above is not None and any(each.name == name for each in self._rows.children(above)):
            raise Failed(
                'duplicate key value violates unique constraint "only_one_dataset_per_parent_and_name"\n'
                f"DETAIL:  Key (parent_id, name)=({above.id}, {name}) already exists."
            )
        return self._show.dataset(self._rows.add_dataset(who, name, above), who)

    def do_ensure_dataset(self, who: Who, name: str, parent: str | None = None) -> Any:
        _check_role(who)
        above = None if parent is None else self._dataset(who, parent)
        own = [
            each
            for each in self._rows.datasets.values()
            if (each.name, each.parent, each.creator) == (name, above, who.sub)
        ]
        if len(own) > 1:
            raise Failed(f"get() returned more than one Dataset -- it returned {len(own)}!")
        return self._show.dataset(own[0], who) if own else self.do_create_dataset(who, name, parent)

    def do_update_dataset(self, who: Who, id: str, name: str, **_given: Any) -> Any:  # noqa: A002
        _check_role(who)
        dataset = self._dataset(who, id)
        dataset.name = name
        return self._show.dataset(dataset, who)

    def do_delete_dataset(self, who: Who, id: str) -> Any:  # noqa: A002
        _check_role(who)
        self._rows.delete_dataset(self._dataset(who, id))
        return id

    def do_put_images_in_dataset(self, who: Who, selfs: list[str], other: str) -> Any:
        return self._move(who, selfs, other, self._dataset(who, other))

    def do_release_images_from_dataset(self, who: Who, selfs: list[str], other: str) -> Any:
        return self._move(who, selfs, other, None)

    def _move(self, who: Who, selfs: list[str], other: str, into: Dataset | None) -> Any:
        _check_role(who)
        images = [self._image(who, each) for each in selfs]
        for image in images:
            image.dataset = into
        return self.do_dataset(who, other)

    # views

    def do_create_affine_transformation_view(self, who: Who, image: str, **given: Any) -> Any:
        _check_role(who)
        return self._show.view(self._add_view(who, self._image(who, image), "AffineTransformationView", given, 0))

    def do_create_channel_view(self, who: Who, image: str, **given: Any) -> Any:
        _check_role(who)
        return self._show.view(self._add_view(who, self._image(who, image), "ChannelView", given, 0))

    def do_delete_affine_transformation_view(self, who: Who, id: str) -> Any:  # noqa: A002
        return self._delete_view(who, "AffineTransformationView", id)

    def do_delete_channel_view(self, who: Who, id: str) -> Any:  # noqa: A002
        return self._delete_view(who, "ChannelView", id)

    def do_delete_view(self, who: Who, **_given: Any) -> Any:
        _check_role(who)
        raise Failed("type object 'View' has no attribute 'objects'")

    def _delete_view(self, who: Who, kind: str, id: str) -> str:  # noqa: A002
        _check_role(who)
        for image in self._rows.images.values():
            for view in image.views:
                if (view.kind, str(view.id)) == (kind, id):
                    image.views.remove(view)
                    return id
        raise Failed(f"{kind} matching query does not exist.")

    def do_create_adataset(self, who: Who, data: Any, name: str, dimDescriptors: Any, **_given: Any) -> Any:  # noqa: N803
        _check_role(who)
        store = self._read(self._store(who, str(data)))
        if len(dimDescriptors) != len(store.shape or ()):
            raise Failed("The number of dimension descriptors is not that of the array")
        array = Array(self._rows.new_id("adataset"), name, store, dimDescriptors)
        self._rows.arrays[array.id] = array
        return self._show.array(array)

    # rows by id

    def _image(self, who: Who, text: str) -> Image:
        return _own(_found(self._rows.images, text, "Image"), who, "Image")

    def _dataset(self, who: Who, text: str) -> Dataset:
        return _own(_found(self._rows.datasets, text, "Dataset"), who, "Dataset")

    def _store(self, who: Who, text: str) -> Store:
        return _own(_found(self._rows.stores, text, "ZarrStore"), who, "ZarrStore")


_matching, _matching_datasets, _paged = filters.matching_images, filters.matching_datasets, filters.paged


def _check_role(who: Who) -> None:
    if not who.roles & set(ROLES):
        raise Failed(f"User does not have any of the required roles: {', '.join(ROLES)}")


def _found(rows: Mapping[int, T], text: str, kind: str) -> T:
    """Return the row with an id."""
    if not str(text).isdecimal():
        raise Failed(f"Field 'id' expected a number but got {str(text)!r}.")
    if int(text) not in rows:
        raise Failed(f"{kind} matching query does not exist.")
    return rows[int(text)]


def _own(row: Owned, who: Who, kind: str) -> Owned:
    """Return a row of the organisation of who asks; others do not exist."""
    if row.organisation != who.organisation:
        raise Failed(f"{kind} matching query does not exist.")
    return row
