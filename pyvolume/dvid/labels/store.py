"""The voxels of one instance of labels in one version, at one scale."""

from __future__ import annotations

import dataclasses
import functools
import math
import threading
from collections.abc import Iterator, Mapping
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from pyvolume.calls.call import Call
from pyvolume.dvid.documents import InstanceDescription
from pyvolume.dvid.instances import Instance
from pyvolume.dvid.labels import blocks, wire
from pyvolume.dvid.labels.frames import Place, frames_of, read_frames
from pyvolume.dvid.labels.numbers import Questions, blocks_below_zero
from pyvolume.dvid.labels.types import can, levels_of, require
from pyvolume.dvid.labels.written import Written
from pyvolume.dvid.options import Options
from pyvolume.dvid.refusals import refusal
from pyvolume.dvid.voxels.store import DvidStore
from pyvolume.errors import RefusedError, SelectionError, StoreError, UnsupportedError
from pyvolume.model import arguments
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.model.scales import Level, Scales
from pyvolume.stores.locks import process_locks
from pyvolume.transport.answer import Answer
from pyvolume.transport.request import Request, Upload

PIECE_BYTES = 4 << 20
"""Decoded bytes of one request: memory of this size is used again and again, larger memory is mapped anew."""

PANICS = {400: "unable to get label block", 500: "nil pointer dereference"}
"""What a labelmap answers for exactly one whole block that is not stored, by the status."""


ALL_LEVELS = Box((0,), (1,))
"""What is locked while the server makes coarser levels."""


class LabelStore(DvidStore):
    """One instance of labels in one version, at one scale.

    Parameters
    ----------
    instance, description, query, throttle, owns_connection
        As for `DvidStore`.
    options : Options
        Compression, and which view is shown.
    unmasked : LabelStore, optional
        The same instance without the mask in `query`.
    written : Written, optional
        What was written through any view of the volume; by default nothing was.
    """

    unmasked: LabelStore | None

    def __init__(
        self,
        instance: Instance,
        description: InstanceDescription,
        options: Options,
        *,
        query: Mapping[str, str],
        throttle: bool,
        owns_connection: bool = False,
        unmasked: LabelStore | None = None,
        written: Written | None = None,
    ) -> None:
        action = f"open {instance.name}"
        if options.supervoxels:
            require(description, "supervoxels", action)
        self.levels = levels_of(description)
        if options.scale:
            require(description, "scales", action)
            self._check_scale(options.scale, query, action)
        if options.compression == "blocks":
            require(description, "blocks", f"{action} with compression 'blocks'")
        if query and options.compression == "blocks":  # the server masks no blocks
            options = dataclasses.replace(options, compression="lz4")
        self.options = options
        self.written = Written() if written is None else written
        self.given = dict(query)
        super().__init__(
            instance,
            description,
            query={**self.given, **options.words},
            throttle=throttle,
            owns_connection=owns_connection,
            unmasked=unmasked,
        )
        self._is_altered = bool(self.given)
        self.traits = dataclasses.replace(
            self.traits,
            read_grid=self._read_grid(),
            piece_bytes=(PIECE_BYTES, PIECE_BYTES),
            writable=not options.scale,
            instead="write to level 0, from which the server makes the others" if options.scale else "",
            faithful=not self.given,
            immutable=self._is_fixed(),
        )

    def _check_scale(self, scale: int, query: Mapping[str, str], action: str) -> None:
        if not 0 <= scale < self.levels:
            raise SelectionError(f"{action}: it has the levels 0 to {self.levels - 1}, and no level {scale}")
        if "roi" in query:
            raise UnsupportedError(f"{action}: the server masks level 0 only, not level {scale}")

    def _read_grid(self) -> tuple[int, ...]:
        if self.options.for_reads == "blocks":
            return (1, *self.description.block_shape)
        return (1, *wire.GOOGLE_BLOCK) if self.options.for_reads == "google" else (1, 1, 1, 1)

    def changed(self, **options: Any) -> LabelStore:
        """Return the store of another view, or with other options; it leaves the connection open."""
        return LabelStore(
            self.instance,
            self.description,
            dataclasses.replace(self.options, **options),
            query=self.given,
            throttle=self.throttle,
            unmasked=None if self.unmasked is None else self.unmasked.changed(**options),
            written=self.written,
        )

    def at_scale(self, scale: SupportsIndex | None) -> LabelStore:
        """Return the store of a level; None is the level of this one.

        Raises
        ------
        SelectionError
            If there is no such level.
        """
        if scale is None:
            return self
        number = arguments.integer(scale, f"open a level of {self.name}", "the level")
        return self if number == self.options.scale else self.changed(scale=number)

    @functools.cached_property
    def completed_from(self) -> LabelStore | None:
        """The store that blocks are completed from, where supervoxels are read as they are stored."""
        whole = self.unmasked or self
        if can(self.description, "supervoxels") and not self.options.supervoxels:
            return whole.changed(supervoxels=True)
        return self.unmasked

    @property
    def scales(self) -> Scales[LabelStore]:
        """The resolution levels, which the server makes."""

        def level(number: int) -> Level[LabelStore]:
            factor = float(1 << number)
            return Level((1.0, factor, factor, factor), lambda: self.changed(scale=number))

        return Scales(tuple(map(level, range(self.levels))), self.options.scale, absolute=True)

    def _placed(self, metadata: VoxelsMetadata) -> VoxelsMetadata:
        """Return the metadata of the level that is shown, from those of the finest one."""
        factor = 1 << self.options.scale
        if factor == 1:
            return metadata
        low, high = metadata.bounds.start, metadata.bounds.stop
        return dataclasses.replace(
            metadata,
            bounds=Box((low[0], *(n // factor for n in low[1:])), (high[0], *(-(-n // factor) for n in high[1:]))),
            resolution=tuple(size * factor for size in metadata.resolution),
            translation=tuple(size * (factor - 1) / 2 for size in metadata.resolution),
        )

    def read_box(self, box: Box, out: NDArray[Any], call: Call) -> None:
        compression = self.options.for_reads
        if compression == "blocks":
            self._read_blocks(box, out, call)
            return
        action = f"read voxels {box} of {self.name}"
        words = self.words if compression == "none" else self.words | {"compression": compression}
        request = Request(action, "GET", self._raw_path(box), words, refusal=refusal)
        try:
            self.connection.exchange(request, lambda answer: wire.receive(answer, out, compression, action), call)
        except RefusedError as error:
            if not self._is_missing_block(box, error):
                raise
            self._read_missing(box, out, call, error)

    def _is_missing_block(self, box: Box, error: RefusedError) -> bool:
        """Whether an error is the one of labelmap for exactly one whole block that is not stored."""
        sides = self.description.block_shape
        is_block = box.shape[1:] == sides and not any(
            low % side for low, side in zip(box.start[1:], sides, strict=True)
        )
        return is_block and self.typename == "labelmap" and PANICS.get(error.status or 0, "\0") in error.detail

    def _read_missing(self, box: Box, out: NDArray[Any], call: Call, error: RefusedError) -> None:
        """Ask in another way for a block over which the server has stumbled; without a frame it is not stored."""
        try:
            self._read_frames(box, out, call, "uncompressed")
        except StoreError:
            raise error from None
        if self.given and out.any():  # somebody has written it just now, and a mask may hide it
            raise error

    def _read_blocks(self, box: Box, out: NDArray[Any], call: Call) -> None:
        self._read_frames(box, out, call, "blocks")

    def _read_frames(self, box: Box, out: NDArray[Any], call: Call, compression: str) -> None:
        """Read whole blocks, of which those come that are stored."""
        action = f"read voxels {box} of {self.name}"
        sides = self.description.block_shape
        first = [low // side for low, side in zip(box.start[1:], sides, strict=True)]
        counts = [size // side for size, side in zip(box.shape[1:], sides, strict=True)]
        most = native_bytes(math.prod(sides))
        size, offset = ("_".join(map(str, each[1:])) for each in (box.shape, box.start))

        def receive(answer: Answer) -> None:
            answer.expect(None, "application/octet-stream")
            out[...] = 0
            for place, data in read_frames(answer, first, counts, most, action):
                at = tuple(slice(n * side, (n + 1) * side) for n, side in zip(place, sides, strict=True))
                _DECODE[compression](data, out[0][at], action)

        request = Request(
            action,
            "GET",
            f"{self.instance.path}/blocks/{size}/{offset}",
            self.words | {"compression": compression},
            refusal=refusal,
        )
        self.connection.exchange(request, receive, call)

    def labels_at(self, points: NDArray[np.int64], questions: Questions, action: str) -> NDArray[np.uint64]:
        """Return the labels of rows of coordinates (x, y, z), at the scale of this store."""
        found = np.empty(len(points), np.uint64)
        is_above = (points >= 0).all(axis=1)
        found[is_above] = questions.ask("labels", points[is_above], action, self.options.words)
        sides = self.description.block_shape
        for cell, inside in blocks_below_zero(points, sides):  # there the server answers with labels of other places
            low = [n * side for n, side in zip(cell, sides, strict=True)]
            voxels = np.empty((1, *sides), self.dtype, order="F")
            high = [n + side for n, side in zip(low, sides, strict=True)]
            self.read_box(Box((0, *low), (1, *high)), voxels, self.connection.new_call())
            found[inside] = voxels[0][tuple((points[inside] - low).T)]
        return found

    def write_box(self, box: Box, voxels: NDArray[Any], call: Call) -> None:
        self._check_levels(box)
        self.written.add(box)
        hold, locks = threading.Lock(), process_locks()
        try:
            with hold:
                if self.levels > 1 and self.typename == "labelarray":  # it loses coarser voxels if several write
                    locks.take(f"levels of {self.traits.voxels}", ALL_LEVELS, hold, call)
                if self.options.ingest:
                    self._ingest(box, voxels, call)
                else:
                    self._post(box, voxels, call, mutate=True)
        finally:
            locks.give_back(hold)

    def _check_levels(self, box: Box) -> None:
        """Refuse a write in which the server fails when it makes the coarser levels, after it has stored the voxels."""
        if self.levels > 1 and min(box.start) < 0:
            raise UnsupportedError(
                f"write voxels {box} of {self.name}: the server makes coarser levels from voxel 0 on only, and this "
                f"volume has {self.levels} levels; write at 0 or above"
            )

    def _ingest(self, box: Box, voxels: NDArray[Any], call: Call) -> None:
        """Write blocks that nobody has written; a lost answer is followed by a write that counts no voxel twice."""
        try:
            if self.options.for_writes == "blocks":
                self._post_blocks(box, voxels, call)
            else:
                self._post(box, voxels, call, mutate=False)
        except StoreError as error:
            if not error.uncertain:
                raise
            self._post(box, voxels, call, mutate=True)

    def _post(self, box: Box, voxels: NDArray[Any], call: Call, *, mutate: bool) -> None:
        action = f"write voxels {box} of {self.name}"
        compression = self.options.for_raw_writes
        upload = wire.upload_of(voxels, self.dtype, compression)
        words = self._words_to_write | ({} if compression == "none" else {"compression": compression})
        words |= {"mutate": "true"} if mutate else {}
        request = Request(action, "POST", self._raw_path(box), words, upload, repeatable=mutate, refusal=refusal)
        self.connection.exchange(request, Answer.read_nothing, call)

    def _post_blocks(self, box: Box, voxels: NDArray[Any], call: Call) -> None:
        """Write native blocks, but for those that are 0, as what is not stored is anyway.

        From blocks that are 0 the server would make coarser ones that are 0, whatever lies beside them.
        """
        action = f"write voxels {box} of {self.name}"
        data = frames_of(self._native_blocks(box, voxels))
        if not data:
            return
        words = self._words_to_write | {"compression": "blocks"}
        words |= {"downres": "true"} if self.options.downres and self.levels > 1 else {}
        words |= {} if self.options.indexing else {"noindexing": "true"}
        path = f"{self.instance.path}/blocks"
        repeatable = not self.options.indexing  # it would count their voxels again
        request = Request(action, "POST", path, words, Upload.of(data), repeatable=repeatable, refusal=refusal)
        self.connection.exchange(request, Answer.read_nothing, call)

    def _native_blocks(self, box: Box, voxels: NDArray[Any]) -> Iterator[tuple[Place, bytes]]:
        """Give the blocks of a box that are not 0, with their coordinates."""
        sides = self.description.block_shape
        first = [low // side for low, side in zip(box.start[1:], sides, strict=True)]
        for at in np.ndindex(*(n // side for n, side in zip(box.shape[1:], sides, strict=True))):
            block = voxels[0][tuple(slice(n * side, (n + 1) * side) for n, side in zip(at, sides, strict=True))]
            if block.any():
                x, y, z = (n + low for n, low in zip(at, first, strict=True))
                yield (x, y, z), wire.deflated(blocks.encode(block.astype(self.dtype, copy=False)))

    @property
    def _words_to_write(self) -> dict[str, str]:
        """The words without those of the view, because supervoxels are written in any view."""
        return {word: value for word, value in self.words.items() if word not in self.options.words}


def _decode_plain(data: bytes, out: NDArray[Any], action: str) -> None:
    if len(data) != out.nbytes:
        raise wire.broken(action, f"a block of {out.nbytes} bytes", data, f"it has {len(data)}")
    out[...] = np.frombuffer(data, out.dtype).reshape(out.shape, order="F")


def _decode_native(data: bytes, out: NDArray[Any], action: str) -> None:
    try:
        blocks.decode(wire.inflated(data, native_bytes(out.size)), out)
    except ValueError as error:
        raise wire.broken(action, "a block of labels", data, error) from None


def native_bytes(voxels: int) -> int:
    """Return how many bytes a native block of so many voxels has at most, compressed or not."""
    return 4096 + 16 * voxels


_DECODE = {"uncompressed": _decode_plain, "blocks": _decode_native}
