"""The voxels of one DVID instance in one version."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from numpy.typing import NDArray

from pyvolume.calls.call import Call
from pyvolume.calls.holds import Lanes
from pyvolume.codecs import raw
from pyvolume.dvid.client import get_document
from pyvolume.dvid.documents import (
    InstanceDescription,
    check_voxels,
    instance_description,
    metadata_document,
    voxels_metadata,
)
from pyvolume.dvid.extents import LONGEST, limits_of
from pyvolume.dvid.instances import Instance, read_info
from pyvolume.dvid.refusals import refusal
from pyvolume.dvid.schemas import SCHEMAS
from pyvolume.dvid.versions.graph import CommittedUuid, GivenUuid, Uuid
from pyvolume.dvid.versions.lookup import FULL, find, resolve
from pyvolume.errors import NotFoundError
from pyvolume.model import arguments
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.stores.base import StoreTraits
from pyvolume.transport.answer import Answer
from pyvolume.transport.connection import Connection
from pyvolume.transport.request import Request, Upload

MAX_REQUEST_BYTES = 256 << 20
"""The server sends up to 3 GiB in an answer, but ends it after 600 s; it holds the whole body of a POST in memory."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the voxels of a coarser level lie, which its instance does not say.

    Parameters
    ----------
    resolution, translation : tuple of float
        As of `VoxelsMetadata`.
    """

    resolution: tuple[float, ...]
    translation: tuple[float, ...]


def find_described(connection: Connection, ref: str, name: str) -> tuple[Instance, InstanceDescription]:
    """Return an instance in a version of any name; where the name is a full uuid, the version itself is not looked up.

    Raises
    ------
    NotFoundError, UnsupportedError, MetadataError, StoreError
        As for `VoxelsAccessor`.
    """
    arguments.text(ref, f"find version {ref!r}", "a name of a version")
    if not isinstance(ref, Uuid) and FULL.fullmatch(ref):
        instance = Instance(connection, GivenUuid(ref), name)
        with contextlib.suppress(NotFoundError):  # it can be the alias of a repository; or else the error says more
            return instance, read_description(instance)
    instance = Instance(connection, resolve(connection, ref), name)
    return instance, read_description(instance)


def read_description(instance: Instance) -> InstanceDescription:
    """Ask the server what an instance with voxels is; one request, two for a labelblk.

    Raises
    ------
    NotFoundError, UnsupportedError, MetadataError, StoreError
        As for `VoxelsAccessor`.
    """
    action = f"open {instance.name}"
    info = read_info(instance, action, "volume")
    check_voxels(info, instance.name)
    document = metadata_document(info)
    if document is None:
        document = get_document(instance.connection, action, f"{instance.path}/metadata", "dvid-metadata-1")
    else:
        SCHEMAS.validate("dvid-metadata-1", document, action)
    return instance_description(info, document, instance.name)


class DvidStore:
    """One instance in one version.

    Parameters
    ----------
    instance : Instance
        Which instance, in which version.
    description : InstanceDescription
        What the server says of it.
    query : mapping
        Words that are sent with reads and writes of voxels; a read with such words may not return what is stored.
    throttle : bool
        Whether the server may answer that it is busy with other requests of this kind.
    owns_connection : bool
        Whether `close` closes the connection.
    unmasked : DvidStore, optional
        The same instance without the mask in `query`.
    place : Place, optional
        Of a coarser level.

    Attributes
    ----------
    connection : Connection
        The connection to the server.
    uuid : str
        The full uuid of the version.
    name : str
        The name of the instance.
    words : dict
        The query of each read and write of voxels.
    """

    def __init__(
        self,
        instance: Instance,
        description: InstanceDescription,
        *,
        query: Mapping[str, str],
        throttle: bool,
        owns_connection: bool = False,
        unmasked: DvidStore | None = None,
        place: Place | None = None,
    ) -> None:
        self.instance = instance
        self.connection = instance.connection
        self.uuid = instance.uuid
        self.name = instance.name
        self.description = description
        arguments.instance_of(query, Mapping, f"open {instance.name}: query_args")
        self.query = dict(query)
        self.throttle = throttle
        self.owns_connection = owns_connection
        self.unmasked = unmasked
        self.place = place
        self.words = self.query | ({"throttle": "on"} if throttle else {})
        seen = urlencode(sorted((key, value) for key, value in query.items() if key != "throttle"))
        self._is_altered = bool(seen)
        self.address = f"{instance.address}{'?' if seen else ''}{seen}"
        self.dtype = description.metadata.dtype
        channels, blocks = description.metadata.bounds.shape[0], description.block_shape
        self._raw = f"{instance.path}/raw/{'_'.join(map(str, range(len(blocks))))}"
        self.traits = StoreTraits(
            read_grid=(channels, *(1,) * len(blocks)),
            write_grid=(channels, *blocks),
            max_read_bytes=MAX_REQUEST_BYTES,
            max_write_bytes=MAX_REQUEST_BYTES,
            growable=(False, *(True,) * len(blocks)),
            limits=((0, channels), *limits_of(blocks)),
            longest=LONGEST,
            fill=0,
            faithful=not description.lossy and not seen,
            immutable=self._is_fixed(),
            preferred_concurrency=1 if throttle else instance.connection.concurrency,
            voxels=self._voxels(),
        )

    def decide(self) -> None:
        """Look up whether the version is committed, if nobody has done it; one request."""
        if isinstance(self.instance.uuid, GivenUuid):
            version = find(self.connection, self.uuid)[1]
            self.instance = dataclasses.replace(self.instance, uuid=version.uuid)
            self.traits = dataclasses.replace(self.traits, immutable=self._is_fixed())

    def _is_fixed(self) -> bool:
        """Whether the voxels are known never to change; a mask can be a region that has no versions."""
        is_committed = isinstance(self.instance.uuid, CommittedUuid)
        return self.description.versioned and is_committed and not self._is_altered

    def _voxels(self) -> str:
        """Name the voxels, however the url of the server is written; all versions share those of an unversioned one."""
        instance, version = self.description.data_uuid, self.uuid if self.description.versioned else ""
        return f"{instance or self.connection.url + self.name} {version}"

    def identity(self) -> str:
        """Name the instance by the uuid that it got when it was created, and the version."""
        return self.traits.voxels

    @property
    def completed_from(self) -> DvidStore | None:
        """The store that blocks are completed from; None for this one."""
        return self.unmasked

    @property
    def lanes(self) -> Lanes | None:
        """The slots of the connection; with `throttle` there is one request at once."""
        return None if self.throttle else self.connection.lanes

    @property
    def typename(self) -> str:
        """The type of the instance."""
        return self.description.typename

    def read_metadata(self, call: Call) -> VoxelsMetadata:
        document = get_document(
            self.connection,
            f"read metadata of {self.name}",
            f"{self.instance.path}/metadata",
            "dvid-metadata-1",
            call=call,
        )
        return self._placed(voxels_metadata(document, self.name, self.description.declared))

    @property
    def metadata(self) -> VoxelsMetadata:
        """What the volume was when the store was made."""
        return self._placed(self.description.metadata)

    def _placed(self, metadata: VoxelsMetadata) -> VoxelsMetadata:
        if self.place is None:
            return metadata
        return dataclasses.replace(metadata, resolution=self.place.resolution, translation=self.place.translation)

    def read_box(self, box: Box, out: NDArray[Any], call: Call) -> None:
        action = f"read voxels {box} of {self.name}"

        def receive(answer: Answer) -> None:
            answer.expect(out.nbytes, "application/octet-stream")
            raw.decode_into(answer, out)
            answer.finish()

        self.connection.exchange(
            Request(action, "GET", self._raw_path(box), self.words, refusal=refusal), receive, call
        )

    def write_box(self, box: Box, voxels: NDArray[Any], call: Call) -> None:
        action = f"write voxels {box} of {self.name}"
        upload = Upload(box.size * self.dtype.itemsize, lambda: raw.encode(voxels, self.dtype))
        self.connection.exchange(
            Request(action, "POST", self._raw_path(box), self.words, upload, refusal=refusal),
            Answer.read_nothing,
            call,
        )

    def _raw_path(self, box: Box) -> str:
        size = "_".join(map(str, box.shape[1:]))
        offset = "_".join(map(str, box.start[1:]))
        return f"{self._raw}/{size}/{offset}"

    def close(self) -> None:
        """Close the connection, if it was made for this store."""
        if self.owns_connection:
            self.connection.close()
