"""Edits of bodies: merge, cleave, split of a supervoxel, new numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mockserver.dvid.model.blocks import Block
from mockserver.dvid.model.labels import pyramid
from mockserver.dvid.model.labels.index import Changed, Index
from mockserver.dvid.model.labels.storing import Target
from mockserver.dvid.wire.geometry import Point
from mockserver.dvid.wire.labels.frames import show
from mockserver.dvid.wire.labels.sparse import Run
from mockserver.http.messages import Declined, Refused


def merge(target: Target, into: int, labels: Sequence[int], changed: Changed) -> None:
    """Merge bodies into another one.

    Raises
    ------
    Refused
        If one of the bodies does not exist.
    """
    parts = {}
    for label in dict.fromkeys(labels):
        index = _body(target, label)
        if index is None:
            raise Refused(f"can't merge non-existent label {label}")
        if index.size == 0:
            raise Refused(f"can't merge label {label} with no voxels")
        parts[label] = index
    whole = _body(target, into)
    if whole is None:
        raise Refused(f"can't merge into a non-existent label {into}")
    moved = [supervoxel for index in parts.values() for supervoxel in index.supervoxels]
    _map(target, moved, into)
    for label, index in parts.items():
        if label == into:
            raise Refused(f"supervoxel {min(index.supervoxels)} already in index for target label {into}")
        whole = whole.plus(index, changed)
    _put(target, into, whole)
    target.labels.bodies.put(target.lineage[0], {}, without=parts)


def renumber(target: Target, old: int, new: int, changed: Changed) -> None:
    """Give a body another label.

    Raises
    ------
    Refused
        If there is no such body.
    """
    index = _body(target, old)
    if index is None:
        raise Refused(f"can't renumber non-existent body with label {old}")
    if target.labels.mapping.get(target.lineage, new) is None:
        _map(target, [new], 0)
    _map(target, list(index.supervoxels), new)
    _put(target, new, Index(index.blocks, changed))
    target.labels.bodies.put(target.lineage[0], {}, without=[old])


def cleave(target: Target, label: int, new: int, supervoxels: Sequence[int], changed: Changed) -> None:
    """Move supervoxels of a body into a new one.

    Raises
    ------
    Refused
        If they are not in the body, or if none would be left.
    """
    index = _body(target, label)
    if index is None:
        raise Refused(f"cannot cleave non-existent label {label}")
    left = set(index.supervoxels)
    for supervoxel in supervoxels:
        ghost = target.labels.mapping.get(target.lineage, supervoxel) == label
        if supervoxel not in left and not ghost:
            words = f"cannot cleave supervoxel {supervoxel}, which does not exist in label {label}"
            raise Refused(f"{words} ({target.labels.base.name})")
        left.discard(supervoxel)
    if not left:
        raise Refused(f"cannot cleave all supervoxels from the label {label}")
    rest, away = index.cleft(supervoxels, changed)
    _put(target, new, away)
    _put(target, label, rest)
    if supervoxels:
        _map(target, supervoxels, new)
        _map(target, [new], 0)


@dataclass(frozen=True)
class Split:
    """A supervoxel, some of its voxels, and the new supervoxels; 0 for the next new number."""

    supervoxel: int
    runs: Sequence[Run]
    split: int
    remain: int


def check_split(target: Target, wanted: Split) -> tuple[int, Index]:
    """Return the body of a supervoxel, and its index.

    Raises
    ------
    Refused
        If the supervoxel cannot be split.
    """
    supervoxel, size = wanted.supervoxel, sum(run[3] for run in wanted.runs)
    if any(run[3] < 0 for run in wanted.runs):
        raise Declined(501, "this mock server knows no runs of negative length")
    if size == 0:
        raise Refused(f"split on supervoxel {supervoxel} has zero voxels in split sparse volume")
    label = target.labels.mapped(target.lineage, supervoxel)
    if label == 0:
        words = f"cannot get label for supervoxel {supervoxel}"
        raise Refused(f"{words}, which has been split and doesn't exist anymore")
    index = _body(target, label)
    if index is None:
        name = target.labels.base.name
        raise Refused(f'unable to split supervoxel {supervoxel} for data "{name}": missing label index {label}')
    whole = index.supervoxels.get(supervoxel, 0)
    if size >= whole:
        words = f"split on supervoxel {supervoxel} was given split volume"
        raise Refused(f"{words} of {size} >= {whole} of supervoxel")
    return label, index


def split(target: Target, wanted: Split, label: int, index: Index, changed: Changed, *, downres: bool) -> None:
    """Replace a supervoxel by two new ones; the numbers are given.

    Raises
    ------
    Refused
        If runs are outside the supervoxel; nothing changes then.
    """
    marked = _marked(target, wanted)
    blocks = {cell: dict(counts) for cell, counts in index.blocks.items()}
    cells = [cell for cell, counts in blocks.items() if wanted.supervoxel in counts]
    for cell in cells:
        _split_counts(wanted, marked.get(cell, []), blocks[cell])
    written = {cell: _split_block(target, wanted, cell, marked.get(cell, [])) for cell in cells}
    problems = [problem for cell in cells if (problem := _mismatch(wanted, cell, written[cell], blocks[cell]))]
    if problems:
        raise Refused(f"supervoxel split of {wanted.supervoxel}: {len(problems)} errors, last one: {problems[-1]}")
    for cell, block in written.items():
        target.put(0, cell, block)
    _map(target, [wanted.split, wanted.remain], label)
    _map(target, [wanted.supervoxel], 0)
    _put(target, label, Index(blocks, changed))
    if downres:
        pyramid.build(target.lineage, target.labels.pyramid(), written)


def _split_counts(wanted: Split, runs: list[Run], counts: dict[int, int]) -> None:
    """Replace a supervoxel in the index of a block by two."""
    before = counts.pop(wanted.supervoxel)
    count = sum(length for *_, length in runs)
    if count > before:
        words = f"tried to split {count} voxels from supervoxel {wanted.supervoxel}"
        raise Refused(f"{words}, but label index only has {before} voxels")
    if runs:
        counts[wanted.split] = count
    if count < before or not runs:
        counts[wanted.remain] = before - count


def _split_block(target: Target, wanted: Split, cell: Point, runs: list[Run]) -> Block:
    stored = target.labels.voxels.block(target.lineage, cell)
    assert stored is not None, "an index names stored blocks"
    block = stored.copy(order="F")
    for x, y, z, length in runs:
        row = block[0, x : x + length, y, z]
        row[row == wanted.supervoxel] = wanted.split
    block[block == wanted.supervoxel] = wanted.remain
    return block


def _mismatch(wanted: Split, cell: Point, block: Block, counts: Mapping[int, int]) -> str:
    """Return where a block and its index differ after a split; empty if they do not."""
    new = (wanted.split, wanted.remain)
    found, expected = [int((block == key).sum()) for key in new], [counts.get(key, 0) for key in new]
    if found == expected:
        return ""
    ours, index = (f"{split} split, {remain} remain" for split, remain in (found, expected))
    words = f"ran supervoxel {wanted.supervoxel} split on block {show(cell)}"
    return f"{words}: got {ours} voxels, different from label index {index}"


def _marked(target: Target, wanted: Split) -> dict[Point, list[Run]]:
    """Return the runs in each block, relative to the block."""
    found: dict[Point, list[Run]] = {}
    sx, sy, sz = target.labels.block_size
    for x, y, z, length in wanted.runs:
        at, end = x, x + length
        while at < end:
            stop = min(end, (at // sx + 1) * sx)
            found.setdefault((at // sx, y // sy, z // sz), []).append((at % sx, y % sy, z % sz, stop - at))
            at = stop
    return found


def _body(target: Target, label: int) -> Index | None:
    return target.labels.body(target.lineage, label)


def _map(target: Target, supervoxels: Sequence[int], label: int) -> None:
    target.labels.mapping.put(target.lineage[0], dict.fromkeys(supervoxels, label))


def _put(target: Target, label: int, index: Index) -> None:
    target.labels.bodies.put(target.lineage[0], {label: index})
    target.labels.numbers.note(target.lineage, label)
