"""The voxels of one array of zarr."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import itertools
import logging
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, SupportsIndex

import numpy as np
from numpy.typing import NDArray
from zarr.core.buffer.cpu import NDBuffer
from zarr.core.sync import sync

from pyvolume.calls.call import Call
from pyvolume.calls.holds import Lanes
from pyvolume.errors import AnswerError, PyVolumeError
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.model.scales import Level, Scales
from pyvolume.model.tiles import copy_tiled
from pyvolume.stores.arrays import box_of_chunks
from pyvolume.stores.base import HELD_BYTES, StoreTraits, at_once
from pyvolume.stores.locks import process_locks
from pyvolume.zarr.chunks import chunks_of, fill_value_of, names_of
from pyvolume.zarr.client import Client
from pyvolume.zarr.fetched import fetched_chunks_of
from pyvolume.zarr.ngff.placing import levels
from pyvolume.zarr.nodes import Node, metadata_of, open_node
from pyvolume.zarr.opening import Opening
from pyvolume.zarr.stale import Stale

_log = logging.getLogger(__name__)

LAST = 1 << 62
"""Behind the last voxel of any array."""

AT_ONCE = 2
"""Pieces of a transfer at once where zarr decodes: the requests of each go side by side, see `pyvolume.zarr.client`."""

REMOTE_AT_ONCE = 7
"""Pieces of a transfer at once over a network, of many chunks each: more threads take the processor from each other."""


class ZarrStore:
    """One array of zarr: a level of an image, or an array alone.

    Parameters
    ----------
    client : Client
        Asks for the chunks.
    node : Node
        The array, and the image that it belongs to.
    opening : Opening
        How the array is opened again.
    immutable : bool
        Whether the voxels never change.
    owns_client : bool
        Whether `close` closes the client.
    """

    def __init__(
        self, client: Client, node: Node, opening: Opening, *, immutable: bool = False, owns_client: bool = False
    ) -> None:
        self.client = client
        self.opening = opening
        self.address = opening.url_of(node.path)
        self._take(node)
        self._immutable = immutable
        self._owns_client = owns_client
        self._dims = self._metadata.dims
        self._stale = self._stale_of(node)
        self._warned: list[str] = []
        self.traits = self._traits()

    def _traits(self) -> StoreTraits:
        """Return what the array can do.

        Where the first voxel does not lie on the grid of the chunks through voxel 0, boxes of any shape are written,
        and each write locks the chunks that it touches.
        """
        cells, chunks = self._in_volume(self._disk_grid), self._in_volume(self.array.chunks)
        start = self._metadata.bounds.start
        self._is_on_grid = not any(first % cell for first, cell in zip(start, cells, strict=True))
        ones = (1,) * len(self._dims)
        nbytes = int(np.prod(cells)) * self._metadata.dtype.itemsize
        traits = StoreTraits(
            write_grid=cells if self._is_on_grid else ones,
            chunks=cells,
            read_cells=chunks if self._chunks and self._is_on_grid else (),
            preferred_concurrency=at_once() if self._chunks else self._pieces_at_once(nbytes),
            request_chunks=chunks if self._is_on_grid and not self._chunks else (),
            writable=self.opening.mode == "r+",
            immutable=self._immutable,
        )
        is_in_large_shards = self._is_on_grid and self.array.shards is not None and nbytes > traits.piece_bytes[1]
        return dataclasses.replace(
            traits,
            read_grid=chunks if is_in_large_shards else ones,
            max_write_bytes=max(traits.max_write_bytes, nbytes),
        )

    def _pieces_at_once(self, nbytes: int) -> int:
        """Return how many pieces of a transfer run at once, at most: a write has such a cell in memory for each."""
        if self.lanes is None:
            return AT_ONCE if self._fetched is None else at_once()
        return min(self.lanes.reads.count, REMOTE_AT_ONCE, max(AT_ONCE, HELD_BYTES // max(1, nbytes)))

    @property
    def lanes(self) -> Lanes | None:
        """The slots of the requests of the client; None where there is no server."""
        return self.client.lanes

    def _stale_of(self, node: Node) -> Stale:
        """Return what notes that coarser levels are older."""
        return Stale(self.client, node)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return _reopened, (self.opening, self.node.path, self._immutable)

    @property
    def mode(self) -> Literal["r", "r+"]:
        """Whether the array was opened for writing."""
        return self.opening.mode

    @property
    def scales(self) -> Scales[ZarrStore]:
        """The levels of the image."""
        if self.node.image is None:
            return Scales((Level((1,) * len(self._dims), lambda: self),))
        image, paths = self.node.levels(self._shape_of)
        pairs = zip(levels(image, self._dims), paths, strict=True)
        return Scales(
            tuple(Level(factors, functools.partial(self._at, path)) for factors, path in pairs), self.node.level
        )

    def _at(self, path: str) -> ZarrStore:
        other = ZarrStore(self.client, self._opened(path), self.opening, immutable=self._immutable)
        other._warned = self._warned
        return other

    def _opened(self, path: str) -> Node:
        return open_node(self.client, path, self.mode, self.opening.call())

    def _shape_of(self, path: str) -> tuple[int, ...]:
        return tuple(self._opened(path).array.shape)

    def _in_volume(self, lengths: Sequence[int]) -> tuple[int, ...]:
        """Return lengths along the axes of the array for those of the volume."""
        by_axis = dict(zip(self.node.axes, lengths, strict=True))
        return tuple(by_axis.get(dim, 1) for dim in self._dims)

    def _take(self, node: Node) -> None:
        self.node = node
        self.array = node.array
        self._metadata = metadata_of(node)
        self._name_of = names_of(node.path, node.array)
        self._chunks = chunks_of(self.client, node.path, node.array)
        self._fetched = fetched_chunks_of(self.client, node.path, node.array)

    def read_metadata(self, call: Call) -> VoxelsMetadata:
        self._take(open_node(self.client, self.node.path, self.mode, call))
        return self._metadata

    def read_box(self, box: Box, out: NDArray[Any], call: Call) -> None:
        view, key = self._view(out), self._key(box)
        action = f"read voxels {box} of {self.address}"
        chunks = self._chunks or self._fetched
        if chunks is not None:
            chunks.read(key, view, call, action)
            return
        try:
            if view.dtype == self.array.dtype:
                self._read(key, call, action, NDBuffer.from_numpy_array(view))
            else:  # another byte order
                copy_tiled(view, np.asarray(self._read(key, call, action)))
        except (PyVolumeError, OSError, MemoryError):
            raise
        except Exception as error:  # each codec has its own
            chunk = self._broken(key, call, action)
            raise AnswerError(f"{action}: the chunk {chunk} cannot be decoded: {error}") from error

    def _read(self, key: tuple[slice, ...], call: Call, action: str, out: NDBuffer | None = None) -> Any:
        return self.client.do(call, action, lambda: self.array.get_basic_selection(key, out=out))

    def write_box(self, box: Box, voxels: NDArray[Any], call: Call) -> None:
        view, key = self._view(voxels), self._key(box)
        action = f"write voxels {box} of {self.address}"
        self._stale.mark(Box(*zip(*((each.start, each.stop) for each in key), strict=True)), call)
        if self._chunks is not None and self._is_on_grid:
            self._chunks.write(key, view, call, action)
            return
        hold, locks = threading.Lock(), process_locks()
        try:
            with hold:
                if not self._is_on_grid:  # zarr reads, completes and writes the chunks that a key fills in part
                    locks.take(f"chunks of {self.address}", box_of_chunks(key, self._disk_grid), hold, call)
                present = view.astype(self.array.dtype, copy=False)
                self.client.do(call, action, lambda: self.array.set_basic_selection(key, present))
        finally:
            locks.give_back(hold)

    def _broken(self, key: tuple[slice, ...], call: Call, action: str) -> str:
        """Return the first chunk of a key that cannot be read alone."""
        for at in self._cells(key):
            part = tuple(
                slice(max(i * n, each.start), min(i * n + n, each.stop))
                for i, n, each in zip(at, self._disk_grid, key, strict=True)
            )
            try:
                self._read(part, call, action)
            except PyVolumeError:
                raise
            except Exception:
                return f"{self.client.address}/{self._name_of(at)}"
        return "of these voxels"

    @property
    def _disk_grid(self) -> tuple[int, ...]:
        return self.array.shards or self.array.chunks

    def _cells(self, key: tuple[slice, ...]) -> Iterator[tuple[int, ...]]:
        """Iterate over the numbers of the cells that a key touches, along the axes of the array."""
        grid = zip(key, self._disk_grid, strict=True)
        return itertools.product(*(range(each.start // n, -(-each.stop // n)) for each, n in grid))

    def chunks_stored(self, box: Box, call: Call) -> NDArray[np.bool_]:
        """Return for each chunk that a box touches whether it is stored; the others hold the fill value."""
        key = self._key(box)
        cells = list(self._cells(key))
        keys = list(map(self._name_of, cells))
        action = f"look for the chunks of {box} of {self.address}"
        found = self.client.do(call, action, lambda: sync(_all_exist(self.client, keys)))
        grid = zip(key, self._disk_grid, strict=True)
        counts = [-(-each.stop // n) - each.start // n for each, n in grid]
        kept = np.array(found, bool).reshape(counts)
        by_axis = dict(zip(self.node.axes, range(len(counts)), strict=True))
        present = [by_axis[dim] for dim in self._dims if dim in by_axis]
        dropped = [at for at in range(len(counts)) if at not in present]
        ordered = kept.transpose([*present, *dropped]).reshape([counts[at] for at in present])
        return np.expand_dims(ordered, [at for at, dim in enumerate(self._dims) if dim not in by_axis])

    def stale(self, attributes: Mapping[str, Any]) -> list[Box]:
        """Return the boxes of this level, in its own voxels, that are older than those of level 0.

        Parameters
        ----------
        attributes : mapping
            Those of the image: those that were read with the node, or newer ones.
        """
        boxes = self._stale.boxes(attributes)
        factors = self.scales.factors[self.node.level] if boxes else ()
        found = []
        for each in boxes:
            by_axis = dict(zip(self.node.axes, zip(each.start, each.stop, strict=True), strict=True))
            sides = zip(self._dims, self._metadata.bounds.start, factors, strict=True)
            faces = [(first, n, *by_axis.get(dim, (0, 1))) for dim, first, n in sides]
            start = [first + math.floor(low / n) for first, n, low, _ in faces]
            found.append(Box(start, [first + math.ceil(high / n) for first, n, _, high in faces]))
        return [part for box in found if (part := box.intersection(self._metadata.bounds)) is not None]

    def renewed(self, box: Box, call: Call) -> None:
        """Note that this level was made anew from level 0, in a box of its own voxels."""
        bounds, factors = self._metadata.bounds, self.scales.factors[self.node.level]
        sides = zip(self._dims, box.start, box.stop, bounds.start, bounds.stop, factors, strict=True)
        by_dim = {
            # the last voxel stands for all that is left of level 0
            dim: (round((low - first) * n), LAST if high == last else round((high - first) * n))
            for dim, low, high, first, last, n in sides
        }
        start, stop = zip(*(by_dim.get(axis, (0, LAST)) for axis in self.node.axes), strict=True)
        self._stale.renewed(Box(start, stop), call)

    def resize(self, shape: Sequence[int], call: Call) -> None:
        """Change the lengths of the axes of the volume, and of the coarser levels of the image."""
        factors = self.scales.factors if self.node.image else ((1.0,) * len(shape),)
        for level, each in enumerate(factors):
            array = self._opened(self.node.path_of(level)).array if level else self.array
            by_dim = {dim: max(1, int(n // factor)) for dim, n, factor in zip(self._dims, shape, each, strict=True)}
            lengths = tuple(by_dim.get(axis, n) for axis, n in zip(self.node.axes, array.shape, strict=True))
            self._clear_beyond(array, lengths, call)
            self.client.do(call, f"resize {self.address}", functools.partial(array.resize, lengths))

    def _clear_beyond(self, array: Any, lengths: Sequence[int], call: Call) -> None:
        """Fill what is cut from chunks that stay: zarr keeps it, and shows it again in a longer array."""
        for axis, (new, old, cell) in enumerate(zip(lengths, array.shape, array.shards or array.chunks, strict=True)):
            end = min(-(-new // cell) * cell, old)
            if new < end:
                key = tuple(slice(new, end) if at == axis else slice(None) for at in range(array.ndim))
                fill = functools.partial(array.set_basic_selection, key, fill_value_of(array))
                self.client.do(call, f"resize {self.address}", fill)

    def facts(self) -> dict[str, Any]:
        """Return what is special about zarr, as values of JSON."""
        image, metadata = self.node.image, self.array.metadata
        return {
            "format": f"OME-Zarr {image.version}" if image else f"Zarr {metadata.zarr_format}",
            "levels": len(image.datasets) if image else 1,
            "disk_axes": list(self.node.axes),
            "shards": None if self.array.shards is None else list(self._in_volume(self.array.shards)),
            "read_chunks": list(self._in_volume(self.array.chunks)),
            "fill_value": _plain(self.array.fill_value),
            "translation": list(self._metadata.translation) or [0.0] * (len(self._dims) - 1),
        }

    def warn_once(self, message: str) -> None:
        """Log a warning, if this store or one that it has opened has not done so."""
        if not self._warned:
            self._warned.append(message)
            _log.warning("%s", message)

    def identity(self) -> str:
        """Name the array by what its metadata says, and in a folder by the file of its metadata.

        In a bucket a new array in its place with the same metadata is not told.
        """
        for name in ("zarr.json", ".zarray"):
            with contextlib.suppress(OSError):
                found = Path(self.client.address, self.node.path, name).stat()
                return f"{self.node.identity} {found.st_ino} {found.st_size} {found.st_mtime_ns}"
        return self.node.identity

    def close(self) -> None:
        """Close the client, if the store owns it."""
        if self._owns_client:
            self.client.close()

    def _key(self, box: Box) -> tuple[slice, ...]:
        """Return where a box is in the array."""
        by_dim = dict(zip(self._dims, box.slices_from(self._metadata.bounds.start), strict=True))
        return tuple(by_dim.get(axis, slice(0, 1)) for axis in self.node.axes)

    def _view(self, voxels: NDArray[Any]) -> NDArray[Any]:
        """View voxels with the axes of the volume as those of the array."""
        held = [dim for dim in self._dims if dim in self.node.axes]
        kept = voxels[tuple(slice(None) if dim in held else 0 for dim in self._dims)]
        dropped = [axis for axis in self.node.axes if axis not in held]
        whole = kept[(..., *(np.newaxis,) * len(dropped))]
        order = [*held, *dropped]
        return whole.transpose([order.index(axis) for axis in self.node.axes])


async def _all_exist(client: Client, keys: Sequence[str]) -> list[bool]:
    return await asyncio.gather(*(client.store.exists(key) for key in keys))


def _reopened(opening: Opening, path: str, immutable: bool) -> ZarrStore:
    client = opening.client()
    node = open_node(client, path, opening.mode, opening.call())
    return ZarrStore(client, node, opening, immutable=immutable, owns_client=True)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
