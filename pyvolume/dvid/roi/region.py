"""Roi: a region of whole blocks, in one version."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyvolume.calls.call import Call
from pyvolume.calls.lost import once
from pyvolume.dvid import instances
from pyvolume.dvid.client import get_entries
from pyvolume.dvid.instances import Instance, InstanceHandle
from pyvolume.dvid.refusals import refusal
from pyvolume.dvid.roi import spans
from pyvolume.dvid.roi.mask import MaskStore
from pyvolume.dvid.roi.spans import Partial
from pyvolume.dvid.versions.lookup import resolve
from pyvolume.errors import AnswerError, MetadataError
from pyvolume.model import arguments
from pyvolume.model.box import Box
from pyvolume.transport.connection import Connection
from pyvolume.transport.request import Request, Upload
from pyvolume.volume import Volume

__all__ = ["Part", "Roi", "RoiMaskAccessor", "create_new"]

ROWS = 1 << 16
"""Rows of an answer that are lists of Python at once."""


@dataclass(frozen=True, slots=True)
class Part:
    """A cube of a region.

    Parameters
    ----------
    box : Box
        In voxels, channel axis first, with one channel, as `Volume.read_many` takes it.
    block_count : int
        Number of blocks of the region in it.
    """

    box: Box
    block_count: int


class Roi(InstanceHandle):
    """A region of interest: a set of whole blocks, in one version.

    `Version.roi` returns handles of this class, and ``volume.masked`` takes them. Each method is one request. All
    results are computed from the spans: the server's own endpoints for masks and partitions answer wrongly below 0.

    Parameters
    ----------
    connection : Connection
        To the server.
    uuid : str
        The version, in any form; it is looked up once.
    data_name : str
        The name of the instance.

    Raises
    ------
    NotFoundError
        If there is no such version or instance.
    UnsupportedError
        If the instance is no region.
    """

    def __init__(self, connection: Connection, uuid: str, data_name: str) -> None:
        self._instance = Instance(connection, resolve(connection, uuid), data_name)
        info = instances.find(self._instance, "roi", "dvid-roi-info-1")
        self._block_shape: tuple[int, ...] = tuple(info["Extended"]["BlockSize"])

    @classmethod
    def of(cls, instance: Instance, block_shape: Sequence[int]) -> Self:
        """Return a handle of a region that is known to be there; no request."""
        region = cls.__new__(cls)
        region._instance = instance  # noqa: SLF001 - an object of this class
        region._block_shape = tuple(block_shape)  # noqa: SLF001
        return region

    def __repr__(self) -> str:
        blocks = "×".join(map(str, self.block_shape))
        return f"<Roi {self.name!r} of version {self.uuid[:8]}, blocks of {blocks}, {self.connection.url}>"

    @property
    def block_shape(self) -> tuple[int, ...]:
        """Shape of the blocks (x, y, z), in voxels."""
        return self._block_shape

    def read_spans(self) -> NDArray[np.int64]:
        """Return the region as rows (z, y, x0, x1) of block coordinates, `x1` included.

        The rows are sorted, and those that touch are joined.
        """
        return _read_spans(self._instance, self.connection.new_call())

    def read_blocks(self) -> NDArray[np.int64]:
        """Return the coordinates of the blocks, one row (x, y, z) for each block, sorted by z, y, x."""
        return spans.blocks_of(self.read_spans())

    def read_bounds(self) -> Box:
        """Return the smallest box of whole blocks around the region, in voxels, channel axis first."""
        return spans.bounding_box(self.read_spans(), self.block_shape)

    def count_voxels(self) -> int:
        """Return the number of voxels in the region."""
        return spans.count(self.read_spans()) * int(np.prod(self.block_shape))

    def mask_volume(self) -> Volume:
        """Return the region as a volume to read: uint8, 1 inside and 0 outside, at any coordinates.

        The spans are read once, and again when the volume is refreshed; slicing it makes no requests.
        """
        store = _mask_store(self._instance, self.block_shape)
        return Volume(store, store.read_metadata(self.connection.new_call()), mode="r", retry=self.connection.retry)

    def contains(self, points: ArrayLike) -> NDArray[np.bool_]:
        """Tell which points lie in the region.

        One request for all points, therefore one call for many points is much faster than many calls.

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
        return spans.contain(self.read_spans(), voxels // self.block_shape)

    def partition(self, side: int = 8) -> list[Part]:
        """Divide the region into cubes, for example as a list of pieces of work.

        Parameters
        ----------
        side : int
            Number of blocks along each side of a cube. The grid of the cubes begins at voxel 0.

        Returns
        -------
        list of Part
            Those cubes that hold blocks of the region, sorted by z, y, x.
        """
        side = arguments.integer(side, f"partition of {self.name}", "the side of a cube in blocks", least=1)
        size = np.array(self.block_shape) * side
        cubes, counts = spans.cells(self.read_spans(), side)
        corners = zip((cubes * size).tolist(), ((cubes + 1) * size).tolist(), counts.tolist(), strict=True)
        return [Part(Box((0, *low), (1, *high)), held) for low, high, held in corners]

    def set_spans(self, rows: ArrayLike) -> Self:
        """Replace the region on the server by spans.

        They are checked, sorted and joined before anything is sent: the server would store overlaps, and empty the
        region for a span that ends before it begins.

        Parameters
        ----------
        rows : array-like of int, one row for each
            (z, y, x0, x1) in blocks, `x1` included, in any order.

        Returns
        -------
        Roi
            The same handle.

        Raises
        ------
        MetadataError
            For another shape, a span that ends before it begins, or coordinates beyond 32 bits.
        LockedError
            If the version is committed.
        StoreError
            If the server could not store it. The server deletes the old region before it stores the new one. Unless it
            refused the request, the region may then be empty or incomplete, and the message says that; write it again.
        """
        self._write(spans.normalised(self._action, rows))
        return self

    def set_blocks(self, blocks: ArrayLike) -> Self:
        """Replace the region on the server by blocks.

        Parameters
        ----------
        blocks : array-like of int, one row for each
            Block coordinates (x, y, z), in any order.

        Raises
        ------
        MetadataError, LockedError, StoreError
            As for `set_spans`.
        """
        self._write(spans.of_blocks(self._action, blocks))
        return self

    def set_mask(self, mask: ArrayLike, start: Sequence[int] = (0, 0, 0), *, partial: Partial = "raise") -> Self:
        """Replace the region on the server by a mask of voxels.

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
            As for `set_spans`.
        """
        arguments.one_of(partial, ("raise", "include", "exclude"), self._action, "partial")
        array = arguments.array_of(mask)
        array = array[0] if array.ndim == 4 and array.shape[0] == 1 else array
        offset = spans.whole_numbers(self._action, [[*arguments.each_of(start, self._action, "a start")]], "x, y, z")
        if len(offset) != 1:
            raise MetadataError(f"{self._action}: expected a start of three whole numbers and found {start!r}")
        if array.ndim != 3 or array.dtype.kind not in "bui":
            raise MetadataError(
                f"{self._action}: expected a mask of bools or integers (x, y, z) and found {array.dtype} of shape "
                f"{array.shape}"
            )
        self._write(spans.of_mask(self._action, array, offset[0].tolist(), self.block_shape, partial))
        return self

    def clear(self) -> None:
        """Empty the region.

        Raises
        ------
        LockedError
            If the version is committed.
        """
        self._exchange(Request(f"empty the region {self.name}", "DELETE", self._path, refusal=refusal))

    @property
    def _path(self) -> str:
        return f"{self._instance.path}/roi"

    @property
    def _action(self) -> str:
        return f"write the region {self.name}"

    def _write(self, rows: NDArray[np.int64]) -> None:
        request = Request(
            self._action, "POST", self._path, upload=Upload.of(json.dumps(rows.tolist()).encode()), refusal=refusal
        )

        def ask() -> bool:
            self._exchange(request)
            return True

        def look() -> bool | None:
            return np.array_equal(self.read_spans(), rows) or None

        once(ask, look, "the region may be unchanged, updated or empty; write it again")


class RoiMaskAccessor(Volume):
    """A region as a volume to read: uint8, 1 inside and 0 outside.

    The spans are read when it is made and when it is refreshed; slicing it makes no requests.

    Parameters
    ----------
    connection : Connection
        To the server.
    uuid : str
        The version, in any form; it is looked up once.
    data_name : str
        The name of the region.

    Raises
    ------
    NotFoundError, UnsupportedError, StoreError
        As for `Roi`.
    """

    def __init__(self, connection: Connection, uuid: str, data_name: str) -> None:
        region = Roi(connection, uuid, data_name)
        store = _mask_store(Instance(connection, region.uuid, data_name), region.block_shape)
        super().__init__(store, store.read_metadata(connection.new_call()), mode="r", retry=connection.retry)


def _mask_store(instance: Instance, block_shape: tuple[int, ...]) -> MaskStore:
    return MaskStore(instance.address, block_shape, functools.partial(_read_spans, instance))


def _read_spans(instance: Instance, call: Call) -> NDArray[np.int64]:
    action = f"read the region {instance.name}"
    path = f"{instance.path}/roi"
    try:  # a schema would look at each of a million numbers
        return get_entries(instance.connection, action, path, functools.partial(_table, action), call=call)
    except MetadataError as error:
        raise AnswerError(f"{error}, in the answer of the server") from None


def _table(action: str, rows: Iterator[Any]) -> NDArray[np.int64]:
    """Read the rows of spans, some at a time: an array takes a tenth of what lists take."""
    tables = [spans.normalised(action, [])]
    while some := list(itertools.islice(rows, ROWS)):
        tables.append(spans.whole_numbers(action, some, spans.COLUMNS))
    return spans.normalised(action, np.concatenate(tables))


def create(instance: Instance, block_shape: Sequence[int]) -> Roi:
    """Create a region whose name is free, see `create_new`."""
    sizes = spans.whole_numbers(f"create {instance.name}", [list(block_shape)], "x, y, z")[0].tolist()
    document = {"typename": "roi", "dataname": instance.name, "BlockSize": ",".join(map(str, sizes))}
    instances.create(instance, document, "dvid-create-roi-1")
    return Roi.of(instance, sizes)


def create_new(connection: Connection, uuid: str, data_name: str, *, block_shape: Sequence[int] = (64, 64, 64)) -> None:
    """Create a region, which is empty.

    Parameters
    ----------
    connection : Connection
        To the server.
    uuid : str
        An open version of the repository, in any form.
    data_name : str
        The name of the new instance.
    block_shape : sequence of int
        Shape of its blocks in voxels (x, y, z); the volumes that it masks must have the same one.

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
    instance = Instance(connection, resolve(connection, uuid), data_name)
    instances.check_free(instance)
    create(instance, block_shape)
