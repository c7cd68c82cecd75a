"""The voxels of one DVID instance in one version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from numpy.typing import NDArray

from pyvolume.calls.call import Call
from pyvolume.codecs import raw
from pyvolume.dvid.address import segment
from pyvolume.dvid.client import expect_nothing, get_document, refusal
from pyvolume.dvid.documents import InstanceInfo, block_shape, check_coordinates, voxels_metadata
from pyvolume.dvid.versions.graph import Uuid
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.stores.base import StoreTraits
from pyvolume.transport.answer import Answer
from pyvolume.transport.connection import Connection
from pyvolume.transport.request import Request, Upload

MAX_REQUEST_BYTES = 256 << 20
"""The server gives up to 3 GiB in an answer, but cuts one that takes 600 s, and holds the whole body of a POST."""


class DvidStore:
    """One instance in one version.

    Parameters
    ----------
    connection : Connection
    uuid : Uuid
        The full uuid.
    name : str
        Of the instance.
    info : InstanceInfo
    document : mapping
        The answer of ``/metadata``, checked.
    query : mapping
        Sent along with reads and writes of voxels; what is read with it may not be what is stored.
    throttle : bool
        Whether the server may answer that it is busy with other requests of this kind.
    owns_connection : bool
        Whether `close` closes the connection.
    unmasked : DvidStore, optional
        The same instance without the mask in `query`, from which blocks are completed.
    """

    def __init__(
        self,
        connection: Connection,
        uuid: Uuid,
        name: str,
        info: InstanceInfo,
        document: dict[str, Any],
        *,
        query: Mapping[str, str],
        throttle: bool,
        owns_connection: bool = False,
        unmasked: DvidStore | None = None,
    ) -> None:
        self.connection = connection
        self.uuid = uuid
        self.name = name
        self.info = info
        self.owns_connection = owns_connection
        seen = urlencode(sorted((key, value) for key, value in query.items() if key != "throttle"))
        self.address = f"dvid://{connection.url}/{uuid}/{segment(name)}{'?' if seen else ''}{seen}"
        self.unmasked = unmasked
        self.blocks = block_shape(document, name)
        self._path = f"/api/node/{segment(uuid)}/{segment(name)}"
        self.query = dict(query)
        self.throttle = throttle
        self._query = self.query | ({"throttle": "on"} if throttle else {})
        self.dtype = voxels_metadata(document, name).dtype
        channels = len(document["Properties"]["Values"])
        self.traits = StoreTraits(
            read_grid=(channels, *(1,) * len(self.blocks)),
            write_grid=(channels, *self.blocks),
            max_read_bytes=MAX_REQUEST_BYTES,
            max_write_bytes=MAX_REQUEST_BYTES,
            growable=(False, *(True,) * len(self.blocks)),
            fill=0,
            faithful=not info.lossy and not seen,
            preferred_concurrency=1 if throttle else connection.concurrency,
        )

    def read_metadata(self, call: Call) -> VoxelsMetadata:
        document = get_document(
            self.connection,
            f"read metadata of {self.name}",
            f"{self._path}/metadata",
            "dvid-metadata-1",
            call=call,
        )
        return voxels_metadata(document, self.name)

    def read_box(self, box: Box, out: NDArray[Any], call: Call) -> None:
        action = f"read voxels {box} of {self.name}"

        def receive(answer: Answer) -> None:
            answer.expect(out.nbytes, "application/octet-stream")
            raw.decode_into(answer, out)
            answer.finish()

        self.connection.exchange(
            Request(action, "GET", self._raw_path(action, box), self._query, refusal=refusal), receive, call
        )

    def write_box(self, box: Box, voxels: NDArray[Any], call: Call) -> None:
        action = f"write voxels {box} of {self.name}"
        upload = Upload(box.size * self.dtype.itemsize, lambda: raw.encode(voxels, self.dtype))
        self.connection.exchange(
            Request(action, "POST", self._raw_path(action, box), self._query, upload, refusal=refusal),
            lambda answer: expect_nothing(action, answer),
            call,
        )

    def _raw_path(self, action: str, box: Box) -> str:
        check_coordinates(action, box)
        dims = "_".join(map(str, range(box.ndim - 1)))
        size = "_".join(map(str, box.shape[1:]))
        offset = "_".join(map(str, box.start[1:]))
        return f"{self._path}/raw/{dims}/{size}/{offset}"

    def close(self) -> None:
        """Close the connection, if it was made for this store."""
        if self.owns_connection:
            self.connection.close()
