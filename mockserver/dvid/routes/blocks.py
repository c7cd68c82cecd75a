"""The block endpoints of a voxel instance: blocks, subvolblocks, specificblocks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from mockserver.dvid.model.changes import Changes, Where
from mockserver.dvid.model.frames import check_compression, frames, stored_blocks
from mockserver.dvid.model.place import Place
from mockserver.dvid.model.volumes import Volume
from mockserver.dvid.wire.geometry import Box, Point, parse_box, parse_integer, show, wrapped
from mockserver.dvid.wire.octets import as_bytes, repeated
from mockserver.http.messages import Answer, Bytes, Panic, Refused, Request, octets


def check_words(words: Sequence[str]) -> None:
    """Raise `Panic` where the real server crashes: if size or offset is missing."""
    if len(words) < 2:
        index = 4 + len(words)
        raise Panic(f"runtime error: index out of range [{index}] with length {index}")


def subvolume_blocks(request: Request, place: Place[Volume], words: Sequence[str]) -> Answer:
    """Send the stored blocks of an aligned box, one frame each."""
    size, offset, *_ = words
    box = parse_box(offset, size)
    grid = place.instance.block_size
    if not box.aligned_to(grid):
        corners = f"{show(box.start)} -> {show(box.last)}"
        raise Refused(f"cannot use labels via 'block' endpoint in non-block aligned geometry {corners}")
    if request.method != "GET":
        raise Refused("DVID does not accept the post action on the 'blocks' endpoint")
    compression = request.query.get("compression", "")
    check_compression(compression)
    if (
        compression == "jpeg"
        and place.instance.jpeg_width is None
        and any(True for _ in stored_blocks(place, place.instance.voxels.stored_cells(place.lineage, box)))
    ):
        stored_as = place.instance.base.compression.partition(",")[0]
        raise Refused(f"can't encode JPEG: expected internal block data to be JPEG, was {stored_as} instead")
    return octets(frames(place, place.instance.voxels.stored_cells(place.lineage, box), compression), None)


def specific_blocks(request: Request, place: Place[Volume], _: Sequence[str]) -> Answer:
    """Send the stored blocks of a list, one frame each."""
    if request.method != "GET":
        raise Refused("DVID does not accept the post action on the 'specificblocks' endpoint")
    compression = request.query.get("compression", "")
    check_compression(compression)
    listed = request.query.get("blocks", "")
    numbers = listed.split(",") if listed else []
    if len(numbers) % 3:
        raise Refused("block query string should be three coordinates per block")
    values = [wrapped(parse_integer(word, function="Atoi", bits=64), 32) for word in numbers]
    cells = list(zip(values[::3], values[1::3], values[2::3], strict=True))
    unfit = compression == "jpeg" and place.instance.jpeg_width is None
    if unfit or request.query.get("prefetch") in {"on", "true"}:
        cells = []
    return octets(frames(place, cells, compression), None)


def read_span(place: Place[Volume], words: Sequence[str]) -> Answer:
    """Send a row of blocks along x; a block that is not stored is sent as background."""
    cell, span = _parse_span(words)
    size = place.instance.voxels.voxel_bytes * math.prod(place.instance.block_size)
    if wrapped(size * span, 32) != size * span or span < 0:
        raise Panic("runtime error: makeslice: len out of range")

    def rows() -> Iterator[Bytes]:
        lineage = place.lineage
        for x in range(cell[0], cell[0] + span):
            block = place.instance.voxels.block(lineage, (x, *cell[1:]))
            if block is None:
                yield from repeated(place.instance.background, size)
            else:
                yield as_bytes(block)

    return octets(rows(), size * span)


def write_span(request: Request, place: Place[Volume], words: Sequence[str], changes: Changes) -> Answer:
    """Store a row of blocks along x; the extents do not change."""
    cell, span = _parse_span(words)
    instance = place.instance
    if instance.voxels.voxel_bytes != 1:
        raise Panic(
            f"POST blocks to {instance.kind.type.name}: a real server stores short blocks, whose reading kills it"
        )
    grid = instance.block_size
    size = math.prod(grid)
    place.repository.count_mutation()
    data = request.body.read(size * max(span, 0))
    if len(data) < size * span or span <= 0:
        raise Refused("block data ceased before all block data read")
    blocks = np.frombuffer(data, np.uint8).reshape((*grid, span), order="F")
    row = np.concatenate([blocks[..., i] for i in range(span)]).reshape((-1, *grid[1:]), order="F")
    wire = as_bytes(np.asfortranarray(row))
    box = Box(tuple(c * g for c, g in zip(cell, grid, strict=True)), row.shape)
    given = 0

    def fill(view: memoryview) -> None:
        nonlocal given
        view[:] = wire[given : given + len(view)]
        given += len(view)

    changes.write(Where(place.version.uuid, instance.base.name, box.start, box.shape, grow=False), fill)
    return Answer()


def _parse_span(words: Sequence[str]) -> tuple[Point, int]:
    if len(words) < 2:
        raise Refused('"blocks" must be followed by block-coord/span-x')
    numbers = words[0].split("_")
    if len(numbers) != 3:
        raise Refused(f'cannot convert "{words[0]}" into a ChunkPoint3d')
    cell = tuple(parse_integer(number.strip()) for number in numbers)
    return cell, parse_integer(words[1], function="Atoi", bits=64)
