"""How rows are shown: the fields of each type of the schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mockserver.mikro.model import filters
from mockserver.mikro.model.grants import READ, REGION, Grant, Grants
from mockserver.mikro.model.rows import NAMED, SIDES, Array, Dataset, Image, Rows, Store, View, Who

KINDS = {
    "affineTransformationViews": "AffineTransformationView",
    "channelViews": "ChannelView",
    "derivedViews": "DerivedView",
    "scaleViews": "ScaleView",
    "timepointViews": "TimepointView",
}
"""The lists of views of one kind."""

MAX_BYTES = 104857600

LOGICAL = "zarr"
"""What the rows call the bucket."""


class Fields:
    """Shows rows as the schema wants them: values, and functions for what costs something.

    Parameters
    ----------
    rows : Rows
        All rows.
    grants : Grants
        Gives keys to what is shown.
    bucket : str
        The name of the bucket.
    """

    def __init__(self, rows: Rows, grants: Grants, bucket: str) -> None:
        self._rows = rows
        self._grants = grants
        self._bucket = bucket

    def upload_grant(self, store: Store, grant: Grant) -> dict[str, Any]:
        """Show keys that write a store."""
        return {
            **self._keys(store, grant),
            "maxBytes": MAX_BYTES,
            "originalFileName": None,
            "uploadFileName": store.key,
            "uploadContentType": None,
            "uploadFormField": "file",
            "action": None,
        }

    def access_grant(self, store: Store) -> dict[str, Any]:
        """Give keys that read a store, and show them."""
        return {**self._keys(store, self._grants.give(store.key, READ)), "region": REGION, "action": None}

    def _keys(self, store: Store, grant: Grant) -> dict[str, Any]:
        return {
            "status": "granted",
            "accessKey": grant.access_key,
            "secretKey": grant.secret_key,
            "sessionToken": grant.session_token,
            "bucket": self._bucket,
            "key": store.key,
            "path": f"s3://{self._bucket}/{store.key}",
            "expiresIn": grant.seconds,
            "store": str(store.id),
        }

    def store(self, store: Store) -> dict[str, Any]:
        """Show a store, as its metadata was read last."""
        found = store.metadata or {}
        dtype = found.get("data_type")
        return {
            "id": store.id,
            "path": f"s3://{self._bucket}/{store.key}",
            "bucket": LOGICAL,
            "key": store.key,
            "shape": store.shape,
            "chunks": store.chunks,
            "version": str(found["zarr_format"]) if "zarr_format" in found else None,
            "dtype": dtype if dtype in NAMED else None,
            "dimensionNames": found.get("dimension_names"),
            "fillValue": found.get("fill_value"),
            "attributes": found.get("attributes"),
            "storageTransformers": found.get("storage_transformers"),
            "chunkKeyEncoding": found.get("chunk_key_encoding"),
            "codecs": found.get("codecs"),
            "accessGrant": lambda _info, **_: self.access_grant(store),
        }

    def image(self, image: Image) -> dict[str, Any]:
        """Show an image."""
        return {
            "id": image.id,
            "name": image.name,
            "tags": [self._rows.slugs[tag] for tag in image.tags],
            "createdAt": image.created.isoformat(timespec="microseconds"),
            "creator": {"sub": image.creator},
            "dataset": lambda _info: image.dataset and self.dataset(image.dataset, None),
            "store": lambda _info: self.store(image.store),
            "channels": [{"index": n, "label": f"Channel {n}"} for n in range((image.store.shape or [0])[0])],
            "views": lambda _info, types=None: self._views(image, types),
            **{name: self._of_kind(image, kind) for name, kind in KINDS.items()},
        }

    def _of_kind(self, image: Image, kind: str) -> Callable[..., list[dict[str, Any]]]:
        return lambda _info: [self.view(each) for each in image.views if each.kind == kind]

    def _views(self, image: Image, kinds: list[str] | None) -> list[dict[str, Any]]:
        wanted = [f"{kind.title() if kind != 'RGB' else kind}" for kind in kinds or ()]
        return [self.view(each) for each in image.views if not wanted or each.kind.startswith(tuple(wanted))]

    def view(self, view: View) -> dict[str, Any]:
        """Show a view of any kind."""
        sides = {side: view.given.get(side) for side in SIDES}
        shown = {**view.given, **sides, "id": view.id, "__typename": view.kind, **view.more}
        shown["isGlobal"] = all(side is None for side in sides.values())
        if view.kind == "AffineTransformationView":
            shown |= _places(view.given["affineMatrix"])
        if view.kind == "DerivedView":
            origin = self._rows.images[int(view.given["originImage"])]
            shown["originImage"] = lambda _info: self.image(origin)
        return shown

    def dataset(self, dataset: Dataset, who: Who | None) -> dict[str, Any]:
        """Show a dataset."""

        def images(_info: Any, **given: Any) -> list[dict[str, Any]]:
            asking = who or Who(dataset.creator, dataset.organisation, frozenset())
            found = filters.matching_images(self._rows.images_in(dataset), given.get("filters"), asking)
            return [self.image(each) for each in filters.paged(found, given["ordering"], given.get("pagination"))]

        return {
            "id": dataset.id,
            "name": dataset.name,
            "description": None,
            "isDefault": dataset.is_default,
            "createdAt": dataset.created.isoformat(timespec="microseconds"),
            "parent": lambda _info: dataset.parent and self.dataset(dataset.parent, who),
            "children": lambda _info: [self.dataset(each, who) for each in self._rows.children(dataset)],
            "images": images,
            "tags": [],
        }

    def array(self, array: Array) -> dict[str, Any]:
        """Show an array dataset."""
        kinds = {kind: kind.upper() for kind in ("space", "channel", "time", "frequency")}
        whole = {
            "id": array.id, "level": 0, "shape": array.store.shape, "chunkShape": array.store.chunks,
            "scaleFactors": None, "store": lambda _info: self.store(array.store),
        }  # fmt: skip
        axes = [{"key": each["key"], "kind": kinds.get(each["kind"], Unnamed(each["kind"]))} for each in array.axes]
        return {
            "id": array.id,
            "name": array.name,
            "dims": [each["key"] for each in array.axes],
            "dimDescriptors": axes,
            "dataArrays": [whole],
        }


class Unnamed:
    """A value that no enumeration has; its text is that of the value.

    Parameters
    ----------
    value : str
        The value.
    """

    def __init__(self, value: str) -> None:
        self._value = value

    def __inspect__(self) -> str:
        """Return the text that graphql-core shows in its error."""
        return repr(self._value)


def _places(matrix: Any) -> dict[str, Any]:
    """Return sizes and place of voxels; what fails for a matrix that is none fails for the answer."""

    def sizes(_info: Any = None) -> list[float]:
        return [float(matrix[n][n]) for n in range(3)]

    def size(axis: int) -> Callable[..., float]:
        return lambda _info: sizes()[axis]

    found: Mapping[str, Any] = {
        "pixelSize": sizes,
        "pixelSizeX": size(0),
        "pixelSizeY": size(1),
        "pixelSizeZ": size(2),
        "isotropic": lambda _info: len(set(sizes())) == 1,
        "position": lambda _info: [matrix[n][3] for n in range(3)],
    }
    return dict(found)
