"""The voxels of one image, and those of an upload."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, SupportsIndex

from numpy.typing import NDArray
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from pyvolume.calls.call import Call
from pyvolume.calls.holds import AUTO, Lanes
from pyvolume.calls.retry import RetryPolicy
from pyvolume.errors import ForbiddenError, NotFoundError, UnsupportedError
from pyvolume.mikro import documents
from pyvolume.mikro.address import Address
from pyvolume.mikro.arrays import array_of, described, document_of, node_of
from pyvolume.mikro.bucket import METADATA, Granted
from pyvolume.mikro.client import ask
from pyvolume.mikro.documents import ImageFacts, image_facts
from pyvolume.mikro.grants import Grant, Grants, access_to, grant_of
from pyvolume.mikro.refusals import meaning_of_store, no_metadata
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.stores.base import StoreTraits
from pyvolume.transport.connection import Connection
from pyvolume.zarr.client import Client
from pyvolume.zarr.nodes import Node
from pyvolume.zarr.requests.engines import OBSTORE
from pyvolume.zarr.store import ZarrStore

INSTEAD = "the voxels of an image never change; image.derive(array, name=...) makes a new image of it"
"""What a write to an image is told."""


@dataclass(frozen=True, slots=True)
class Place:
    """How an image is reached, in every process.

    Parameters
    ----------
    connection : Connection
        To the catalogue.
    address : Address
        Of the image; of an upload, that of the server.
    """

    connection: Connection
    address: Address

    @property
    def mode(self) -> Any:
        """An image is only read; what is uploaded has none yet."""
        return "r" if self.address.image else "r+"

    @property
    def retry(self) -> RetryPolicy:
        """How long requests are repeated."""
        return self.connection.retry

    def call(self) -> Call:
        """Begin an operation."""
        return self.connection.new_call()

    def url_of(self, _path: str) -> str:
        """Return the url of the image, which is one array."""
        return self.address.url

    def client(self, grants: Grants, *, read_only: bool) -> Client:
        """Make a client of the objects under a grant."""
        raw = Granted(grants, self.address.store, self.address.region, read_only=read_only)
        return Client(raw, self.address.url, engine=OBSTORE, meaning=meaning_of_store, lanes=Lanes(AUTO))


class ArrayStore(ZarrStore):
    """The array of an image, or of one that is being uploaded; of one time point if the address says so."""

    place: Place
    image: ImageFacts

    def _take(self, node: Node) -> None:
        super()._take(node)
        time = self.place.address.timepoint
        self._metadata = described(node, self.image, time, f"open image {self.image.id}")

    def _key(self, box: Box) -> tuple[slice, ...]:
        time, key = self.place.address.timepoint, super()._key(box)
        if time is None or "t" not in self.node.axes:
            return key
        at = self.node.axes.index("t")
        return (*key[:at], slice(time, time + 1), *key[at + 1 :])

    @property
    def metadata(self) -> VoxelsMetadata:
        """The description of the volume."""
        return self._metadata


class ImageStore(ArrayStore):
    """The array of an image.

    Parameters
    ----------
    place : Place
        How the image is reached.
    facts : ImageFacts
        What the catalogue says of it.
    store_id : str
        The id of the array in the catalogue.
    document : mapping
        The metadata of the array.
    client : Client, optional
        One that has a grant already.
    """

    def __init__(
        self,
        place: Place,
        facts: ImageFacts,
        store_id: str,
        document: Mapping[str, Any],
        client: Client | None = None,
    ) -> None:
        self.place, self.image, self.store_id, self.document = place, facts, store_id, document
        client = place.client(_grants_of(place, facts, store_id), read_only=True) if client is None else client
        action = f"open image {facts.id}"
        node = node_of(array_of(client, document, action), facts, action)
        opening: Any = place  # it opens arrays as an opening of zarr does
        super().__init__(client, node, opening, immutable=True, owns_client=True)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return ImageStore, (self.place, self.image, self.store_id, self.document)

    def _traits(self) -> StoreTraits:
        return dataclasses.replace(super()._traits(), writable=False, instead=INSTEAD)

    def read_metadata(self, call: Call) -> VoxelsMetadata:
        """Ask the catalogue what it says now; the array never changes."""
        self.take_facts(read_image(self.place, call)[0])
        return self._metadata

    def take_facts(self, facts: ImageFacts) -> None:
        """Take over what the catalogue says of the image."""
        self.image = facts
        self._take(node_of(self.array, facts, f"open image {facts.id}"))

    def identity(self) -> str:
        """Name the voxels, which never change."""
        return f"{self.store_id} {self.node.identity}"

    def facts(self) -> dict[str, Any]:
        """Return what is special about Mikro, as values of JSON."""
        image = self.image
        found = super().facts()
        return {name: found[name] for name in ("format", "disk_axes", "read_chunks", "fill_value")} | {
            "id": image.id,
            "tags": list(image.tags),
            "created": image.created.isoformat(timespec="seconds"),
            "creator": image.creator,
            "dataset": image.dataset,
        }


def open_store(place: Place) -> ImageStore:
    """Open the array of an image: one request to the catalogue, one to the object store.

    Raises
    ------
    NotFoundError
        If there is no such image, or the object store has no array for it.
    UnsupportedError, MetadataError, StoreError
        If the array is none that a volume can show, or a server does not answer.
    """
    call = place.call()
    facts, store_id, grant = read_image(place, call)
    client = place.client(_grants_of(place, facts, store_id, grant), read_only=True)
    try:
        document = _read_document(client, place, facts, call)
        return ImageStore(place, facts, store_id, document, client)
    except BaseException:
        client.close()
        raise


def read_image(place: Place, call: Call) -> tuple[ImageFacts, str, Grant]:
    """Ask the catalogue for an image, the id of its array and a grant; one request."""
    action = f"open image {place.address.image}"
    began = time.monotonic()
    found = ask(place.connection, action, documents.IMAGE, {"id": place.address.image}, call=call)
    facts = image_facts(found, action)
    return facts, str(found["store"]["id"]), grant_of(found["store"]["accessGrant"], began, action)


def _grants_of(place: Place, facts: ImageFacts, store_id: str, first: Grant | None = None) -> Grants:
    action = f"renew the access to image {facts.id}"
    return Grants(lambda: access_to(place.connection, store_id, action), first)


def _read_document(client: Client, place: Place, facts: ImageFacts, call: Call) -> dict[str, Any]:
    action = f"open image {facts.id}"
    prototype = default_buffer_prototype()
    data = client.do(call, action, lambda: sync(client.store.get(METADATA, prototype)))
    if data is None:
        missing = NotFoundError(action, action=action, url=client.address, status=404)
        raise no_metadata(missing, facts.id, place.address.store)
    return document_of(data.to_bytes(), action)


NO_FACTS = ImageFacts("", "", (), datetime.min.replace(tzinfo=UTC), "", "")
"""What is known of an image that does not exist yet."""


class UploadStore(ArrayStore):
    """An array that is being uploaded; nobody else sees it before its image is created.

    Parameters
    ----------
    place : Place
        How the server is reached.
    store_id : str
        The id of the array in the catalogue.
    grant : Grant
        Allows to write it.
    document : mapping
        The metadata of the array, which is written last.

    Attributes
    ----------
    report : callable
        Is told how many bytes of voxels were written.
    """

    def __init__(self, place: Place, store_id: str, grant: Grant, document: Mapping[str, Any]) -> None:
        self.place, self.image, self.store_id, self.document = place, NO_FACTS, store_id, dict(document)
        self.report: Callable[[int], object] = lambda _nbytes: None
        client = place.client(Grants(_not_renewed(grant), grant), read_only=False)
        array = array_of(client, document, "upload an image")
        node = node_of(array, NO_FACTS, "upload an image")
        opening: Any = place
        super().__init__(client, node, opening, owns_client=True)
        self.address = f"{self.address}, array {store_id}"  # of its own: two uploads do not wait for each other

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        raise UnsupportedError("pickle: an upload belongs to this process, because its keys are not sent to others")

    def _traits(self) -> StoreTraits:
        return dataclasses.replace(super()._traits(), lasting=False)

    def read_metadata(self, _call: Call) -> VoxelsMetadata:
        """Return the description; nobody else changes it."""
        return self._metadata

    def write_box(self, box: Box, voxels: NDArray[Any], call: Call) -> None:
        super().write_box(box, voxels, call)
        self.report(voxels.nbytes)

    def identity(self) -> str:
        """Name the array."""
        return f"{self.store_id} {self.node.identity}"


def _not_renewed(grant: Grant) -> Any:
    def renew() -> Grant:
        raise ForbiddenError(
            f"upload an image: the keys of the object store have ended after {grant.seconds:g} s and cannot be "
            "renewed; no image was made, and what was written is seen by nobody. Upload it again, with more "
            "bandwidth or in parts, or ask for a longer session_duration_seconds on the server"
        )

    return renew
