"""Roi: a region of whole blocks, in one version."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyvolume.calls.call import Call
from pyvolume.dvid import instances
from pyvolume.dvid.address import segment
from pyvolume.dvid.client import expect_nothing, get_document, refusal
from pyvolume.dvid.roi import spans
from pyvolume.dvid.roi.mask import MaskStore
from pyvolume.dvid.roi.spans import Partial
from pyvolume.dvid.versions.lookup import resolve
from pyvolume.errors import AnswerError, MetadataError, RefusedError, StoreError
from pyvolume.model.box import Box
from pyvolume.transport.connection import Connection
from pyvolume.transport.request import Request, Upload
from pyvolume.volume import Volume

__all__ = ["Part", "Roi", "RoiMaskAccessor", "create_new"]


@dataclass(frozen=True, slots=True)
class Part:
    """A cube of a region.

    Parameters
    ----------
    box : Box
        In voxels, channel axis first, of one channel: a read takes it as it stands.
    blocks : int
        How many blocks of the region lie in it.
    """

    box: Box
    blocks: int


class Roi:
    """A region of interest: a set of whole blocks, in one version.

    `Version.roi` and ``volume.masked`` give and take such handles. What a handle is asked, it asks the server: each
    property is one request. Everything is computed from the spans, and not asked of the server's own endpoints: those
    for masks and partitions answer wrongly below 0.

    Parameters
    ----------
    connection : Connection
    uuid : str
        The version, in any form; it is looked up once.
    data_name : str
        Of the instance.

    Raises
    ------
    NotFoundError
        If there is no such version or instance.
    UnsupportedError
        If the instance is no region.
    """

    def __init__(self, connection: Connection, uuid: str, data_name: str) -> None:
        self.connection = connection
        self.uuid = resolve(connection, uuid)
        self.name = data_name
        info = instances.find(connection, self.uuid, data_name, "roi", "dvid-roi-info-1")
        self.block_shape: tuple[int, ...] = tuple(info["Extended"]["BlockSize"])
        self._path = f"/api/node/{segment(self.uuid)}/{segment(data_name)}/roi"

    def __repr__(self) -> str:
        blocks = "×".join(map(str, self.block_shape))
        return f"<Roi {self.name!r} of version {self.uuid[:8]}, blocks of {blocks}, {self.connection.url}>"

    @property
    def spans(self) -> NDArray[np.int64]:
        """The region as rows (z, y, x0, x1) in blocks, `x1` included; sorted, and joined where they touch."""
        return _read_spans(self.connection, self.name, self._path, self.connection.new_call())

    @property
    def blocks(self) -> NDArray[np.int64]:
        """The region as rows (x, y, z) in blocks, sorted by z, y, x."""
        return spans.blocks_of(self.spans)

    @property
    def voxel_count(self) -> int:
        """Number of voxels in the region."""
        return spans.count(self.spans) * int(np.prod(self.block_shape))

    @property
    def bounds(self) -> Box:
        """The smallest box of whole blocks around the region, in voxels, channel axis first."""
        return spans.bounding_box(self.spans, self.block_shape)

    @property
    def mask(self) -> RoiMaskAccessor:
        """The region as a volume to read: uint8, 1 inside and 0 outside, at any coordinates."""
        return RoiMaskAccessor(self.connection, self.uuid, self.name)

    def contains(self, points: ArrayLike) -> NDArray[np.bool_]:
        """Tell which points lie in the region.

        The spans are asked for once, so many points at once are much faster than each by itself.

        Parameters
        ----------
        points : array-like of int, one row for each
            Voxels (x, y, z), of any sign.

        Returns
        -------
        ndarray of bool

        Raises
        ------
        MetadataError
            For another shape, or coordinates that are not whole numbers.
        """
        voxels = spans.whole_numbers(f"look for points in {self.name}", points, "x, y, z")
        return spans.contain(self.spans, voxels // self.block_shape)

    def partition(self, side: int = 8) -> list[Part]:
        """Cut the region into cubes, as a list of pieces of work.

        Parameters
        ----------
        side : int
            Blocks on the side of a cube; the cubes lie on a grid of their own size, which begins at voxel 0.

        Returns
        -------
        list of Part
            Those cubes that hold blocks of the region, sorted by z, y, x.
        """
        if side < 1:
            raise ValueError(f"partition of {self.name}: the side of a cube is a number of blocks, not {side!r}")
        size = np.array(self.block_shape) * side
        cubes, counts = spans.cells(self.spans, side)
        corners = zip((cubes * size).tolist(), ((cubes + 1) * size).tolist(), counts.tolist(), strict=True)
        return [Part(Box((0, *low), (1, *high)), held) for low, high, held in corners]

    def from_spans(self, rows: ArrayLike) -> Self:
        """Replace the region by spans.

        They are checked, sorted and joined before anything is sent: the server would store overlaps, and empty the
        region for a span that ends before it begins.

        Parameters
        ----------
        rows : array-like of int, one row for each
            (z, y, x0, x1) in blocks, `x1` included, in any order.

        Returns
        -------
        Roi
            Itself.

        Raises
        ------
        MetadataError
            For another shape, a span that ends before it begins, or coordinates beyond 32 bits.
        LockedError
            If the version is committed.
        StoreError
            If the server could not take it. The server deletes the old region before it stores the new one, so the
            region may be empty or in part if it does not say that it has refused; the message tells. Writing again
            mends that.
        """
        self._write(spans.normalised(self._action, rows))
        return self

    def from_blocks(self, blocks: ArrayLike) -> Self:
        """Replace the region by blocks.

        Parameters
        ----------
        blocks : array-like of int, one row for each
            (x, y, z) in blocks, in any order.

        Raises
        ------
        MetadataError, LockedError, StoreError
            As for `from_spans`.
        """
        self._write(spans.of_blocks(self._action, blocks))
        return self

    def from_mask(self, mask: ArrayLike, start: Sequence[int] = (0, 0, 0), *, partial: Partial = "raise") -> Self:
        """Replace the region by a mask of voxels.

        Parameters
        ----------
        mask : array-like of bool or int, axes (x, y, z) or (1, x, y, z)
            Every voxel that is not 0 belongs to the region.
        start : sequence of int
            The voxel (x, y, z) at which the mask begins, of any sign.
        partial : "raise", "include" or "exclude"
            What to do with blocks that the mask covers in part.

        Raises
        ------
        MetadataError
            If the mask covers blocks in part and `partial` does not say what to do; for another shape or dtype.
        LockedError, StoreError
            As for `from_spans`.
        """
        if partial not in {"raise", "include", "exclude"}:
            raise ValueError(f"{self._action}: partial is 'raise', 'include' or 'exclude', not {partial!r}")
        array = np.asarray(mask)
        array = array[0] if array.ndim == 4 and array.shape[0] == 1 else array
        offset = spans.whole_numbers(self._action, [start], "x, y, z")[0].tolist()
        if array.ndim != 3 or array.dtype.kind not in "bui":
            raise MetadataError(
                f"{self._action}: expected a mask of bools or integers (x, y, z) and found {array.dtype} of shape "
                f"{array.shape}"
            )
        self._write(spans.of_mask(self._action, array, offset, self.block_shape, partial))
        return self

    def clear(self) -> None:
        """Empty the region.

        Raises
        ------
        LockedError
            If the version is committed.
        """
        action = f"empty the region {self.name}"
        self._exchange(Request(action, "DELETE", self._path, refusal=refusal))

    @property
    def _action(self) -> str:
        return f"write the region {self.name}"

    def _write(self, rows: NDArray[np.int64]) -> None:
        upload = Upload.of(json.dumps(rows.tolist()).encode())
        try:
            self._exchange(Request(self._action, "POST", self._path, upload=upload, refusal=refusal))
        except StoreError as error:
            if not isinstance(error, RefusedError) or (error.status >= 500 and error.status != 503):
                error.args = (f"{error}; the region may be as before, as wanted, or empty: write it again",)
            raise

    def _exchange(self, request: Request) -> None:
        self.connection.exchange(
            request, lambda answer: expect_nothing(request.action, answer), self.connection.new_call()
        )


class RoiMaskAccessor(Volume):
    """A region as a volume to read: uint8, 1 inside and 0 outside.

    The spans are read when it is made, and when it is refreshed; slicing it makes no requests.

    Parameters
    ----------
    connection : Connection
    uuid : str
        The version, in any form; it is looked up once.
    data_name : str
        Of the region.

    Raises
    ------
    NotFoundError, UnsupportedError, StoreError
        As for `Roi`.
    """

    def __init__(self, connection: Connection, uuid: str, data_name: str) -> None:
        roi = Roi(connection, uuid, data_name)
        path = f"/api/node/{segment(roi.uuid)}/{segment(data_name)}/roi"
        address = f"dvid://{connection.url}/{roi.uuid}/{segment(data_name)}"
        store = MaskStore(address, roi.block_shape, functools.partial(_read_spans, connection, data_name, path))
        super().__init__(store, store.read_metadata(connection.new_call()), mode="r", retry=connection.retry)


def _read_spans(connection: Connection, name: str, path: str, call: Call) -> NDArray[np.int64]:
    action = f"read the region {name}"
    document = get_document(connection, action, path, call=call)
    try:  # a schema would look at each of a million numbers
        return spans.normalised(action, document)
    except MetadataError as error:
        raise AnswerError(f"{error}, in the answer of the server") from None


def create_new(connection: Connection, uuid: str, data_name: str, *, block_shape: Sequence[int] = (64, 64, 64)) -> None:
    """Create a region, which is empty.

    Parameters
    ----------
    connection : Connection
    uuid : str
        An open version of the repository, in any form.
    data_name : str
    block_shape : sequence of int
        In voxels (x, y, z): that of the volumes that it is to mask.

    Raises
    ------
    MetadataError
        For a name or a block shape that the server would take and not serve.
    ExistsError
        If the repository has an instance of this name.
    LockedError
        If the version is committed.
    TransportError
        If no answer arrived, and no such instance was there when looked for afterwards.
    """
    sizes = spans.whole_numbers(f"create {data_name}", [list(block_shape)], "x, y, z")[0].tolist()
    document = {"typename": "roi", "dataname": data_name, "BlockSize": ",".join(map(str, sizes))}
    instances.create(connection, resolve(connection, uuid), document, "dvid-create-roi-1")
