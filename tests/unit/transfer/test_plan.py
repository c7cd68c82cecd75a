"""Plans: what is selected is moved once, in pieces under the caps and on the grid; numpy says what is selected."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keys import keys
from numpy.typing import NDArray
from plans import MIB, boxes, grids, is_one_cell, on_grid, painted, traits_of

import pyvolume
from pyvolume import Box, VoxelsMetadata
from pyvolume.calls.holds import Slots
from pyvolume.indexing.points import Listed
from pyvolume.indexing.selection import Scattered, Selection
from pyvolume.stores.base import StoreTraits
from pyvolume.transfer.grid import aligned
from pyvolume.transfer.plan import MERGE_WHOLE_BYTES, Plan, plan_read, plan_write

EXAMPLES = settings(max_examples=80)


def metadata_of(bounds: Box, itemsize: int) -> VoxelsMetadata:
    """Describe a volume of voxels of any size: with heavy ones, few of them are enough for many pieces."""
    described = VoxelsMetadata.of((1,) * bounds.ndim, "u1")
    return dataclasses.replace(described, bounds=bounds, dtype=np.dtype((np.void, itemsize)))


@dataclass(frozen=True)
class Case:
    """What is to be planned; `mask` says which voxels of `window` are selected."""

    selection: Selection
    window: Box
    mask: NDArray[np.bool_]
    voxels: int
    traits: StoreTraits
    metadata: VoxelsMetadata
    concurrency: int

    def plan_of(self, write: bool) -> Plan:
        make = plan_write if write else plan_read
        return make(self.selection, self.traits, self.metadata, self.concurrency)

    def whole(self, grid: tuple[int, ...]) -> Box:
        return aligned(self.selection.box, grid, self.traits, self.metadata.bounds)

    def counted(self, plan: Plan) -> NDArray[Any]:
        """Count for each voxel of the window in how many pieces it is; what lies beyond the window is cut off."""
        counts = np.zeros(self.window.shape, int)
        for step in plan.steps:
            inside = step.box.intersection(self.window)
            if inside is not None:
                counts[inside.slices_from(self.window.start)] += 1
        return counts


def moved(selection: Selection, offset: tuple[int, ...]) -> Selection:
    """Select the same voxels elsewhere, also at negative coordinates."""
    shifts = iter(offset)

    def shifted(item: Any) -> Any:
        if item is None or item is Ellipsis or item is Scattered.BOOLEAN:
            return item
        by = next(shifts)
        if item is Scattered.AXIS:
            return item
        return range(item.start + by, item.stop + by, item.step) if isinstance(item, range) else item + by

    points = selection.points
    if isinstance(points, Listed):
        places = {axis: (dim, each + offset[axis]) for axis, (dim, each) in points.coordinates.items()}
        points = dataclasses.replace(points, coordinates=places)
    elif points is not None:
        shifted_by = zip(points.origin, offset[points.axis :], strict=False)
        points = dataclasses.replace(points, origin=tuple(first + by for first, by in shifted_by))
    box = selection.box
    start = tuple(a + by for a, by in zip(box.start, offset, strict=True))
    stop = tuple(b + by for b, by in zip(box.stop, offset, strict=True))
    return Selection(Box(start, stop), tuple(shifted(item) for item in selection.where), points)


@st.composite
def cases(draw: st.DrawFn, *, only_boxes: bool = False) -> Case:
    """Draw a key or a box, what its store can do, the store's bounds, and voxels that may be heavy."""
    ndim = draw(st.integers(2, 4))
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=ndim, max_size=ndim)))
    key = draw(st.tuples(*map(plain_slices, shape)) if only_boxes else keys(shape))
    mask = np.zeros(shape, bool)
    mask[key] = True
    offset = tuple(draw(st.lists(st.integers(-9, 9), min_size=ndim, max_size=ndim)))
    window = Box(offset, tuple(low + n for low, n in zip(offset, shape, strict=True)))
    growable = tuple(draw(st.lists(st.booleans(), min_size=ndim, max_size=ndim)))
    # an axis that cannot grow holds all that can be selected; one that can may lie anywhere
    bounds = [
        (low, high) if free else (min(low, begin), max(high, end))
        for low, high, begin, end, free in zip(*_corners(draw(boxes(ndim))), *_corners(window), growable, strict=True)
    ]
    itemsize = draw(st.sampled_from([1, 4, 64 << 10, MIB, 4 * MIB]))
    cells = st.integers(1, 60)
    traits = traits_of(
        draw(grids(ndim)),
        growable=growable,
        most_read=itemsize * draw(cells),
        most_write=itemsize * draw(cells),
        read_grid=draw(grids(ndim)),
    )
    metadata = metadata_of(Box(tuple(low for low, _ in bounds), tuple(high for _, high in bounds)), itemsize)
    selection = moved(Selection.for_reading(key, shape), offset)
    return Case(selection, window, mask, math.prod(selection.shape), traits, metadata, draw(st.integers(1, 8)))


def _corners(box: Box) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return box.start, box.stop


def plain_slices(size: int) -> st.SearchStrategy[slice]:
    """Draw slices without a step, of at least one voxel."""
    return st.integers(0, size - 1).flatmap(
        lambda low: st.builds(slice, st.just(low), st.integers(low + 1, size), st.sampled_from([None, 1]))
    )


both = pytest.mark.parametrize("write", [False, True], ids=["read", "write"])


@both
@EXAMPLES
@given(case=cases())
def test_every_selected_voxel_is_moved_once(case: Case, write: bool) -> None:
    counts = case.counted(case.plan_of(write))
    assert (counts <= 1).all()
    assert (counts[case.mask] == 1).all()


@both
@EXAMPLES
@given(case=cases())
def test_no_piece_is_without_a_selected_voxel(case: Case, write: bool) -> None:
    pieces = [step.box.intersection(case.window) for step in case.plan_of(write).steps]
    assert all(piece is not None and case.mask[piece.slices_from(case.window.start)].any() for piece in pieces)


@both
@EXAMPLES
@given(case=cases(only_boxes=True))
def test_a_box_is_covered_once_with_the_blocks_around_it(case: Case, write: bool) -> None:
    whole = case.whole(case.traits.write_grid if write else case.traits.read_grid)
    np.testing.assert_array_equal(painted([step.box for step in case.plan_of(write).steps], whole), 1)


@both
@EXAMPLES
@given(case=cases())
def test_pieces_are_on_the_grid_of_the_store(case: Case, write: bool) -> None:
    grid = case.traits.write_grid if write else case.traits.read_grid
    bounds = case.metadata.bounds
    assert all(on_grid(step.box, grid, case.traits, bounds) for step in case.plan_of(write).steps)


@both
@EXAMPLES
@given(case=cases())
def test_pieces_stay_under_the_cap_unless_a_single_block(case: Case, write: bool) -> None:
    itemsize, traits = case.metadata.dtype.itemsize, case.traits
    grid, cap = (traits.write_grid, traits.max_write_bytes) if write else (traits.read_grid, traits.max_read_bytes)
    over = [step.box for step in case.plan_of(write).steps if step.box.size * itemsize > cap]
    assert all(is_one_cell(piece, grid) for piece in over)


@EXAMPLES
@given(cases())
def test_merged_pieces_stay_under_the_cap_of_reads_as_well(case: Case) -> None:
    itemsize, traits = case.metadata.dtype.itemsize, case.traits
    merged = [step.box for step in case.plan_of(write=True).steps if step.merged]
    over = [piece for piece in merged if piece.size * itemsize > traits.max_read_bytes]
    assert all(is_one_cell(piece, traits.write_grid) for piece in over)


@EXAMPLES
@given(cases())
def test_what_is_sent_without_merging_is_selected_as_a_whole(case: Case) -> None:
    straight = [step.box for step in case.plan_of(write=True).steps if not step.merged]
    assert all(case.window.contains(piece) for piece in straight)
    assert all(case.mask[piece.slices_from(case.window.start)].all() for piece in straight)


@EXAMPLES
@given(cases(only_boxes=True))
def test_of_a_large_box_only_border_blocks_are_merged(case: Case) -> None:
    whole = case.whole(case.traits.write_grid)
    heavy = metadata_of(case.metadata.bounds, MERGE_WHOLE_BYTES // whole.size + 1)
    plan = plan_write(case.selection, case.traits, heavy, case.concurrency)
    assert not any(case.selection.box.contains(step.box) for step in plan.steps if step.merged)


@both
@EXAMPLES
@given(case=cases())
def test_a_plan_is_the_sequence_of_its_requests(case: Case, write: bool) -> None:
    plan = case.plan_of(write)
    expected = [
        (method, step.box)
        for step in plan.steps
        for method in ("read", "write")
        if (method == "write" if write else method == "read") or step.merged
    ]
    assert [(request.action, request.box) for request in plan] == expected
    assert (len(plan), plan.requests) == (len(expected), tuple(plan))


@both
@EXAMPLES
@given(case=cases())
def test_the_bytes_of_a_plan_are_those_of_its_requests(case: Case, write: bool) -> None:
    plan, itemsize = case.plan_of(write), case.metadata.dtype.itemsize
    assert all(request.nbytes == request.box.size * itemsize for request in plan)
    assert plan.nbytes == sum(request.nbytes for request in plan)
    assert plan.bytes_wanted == case.voxels * itemsize
    assert plan.merged_bytes == (sum(request.nbytes for request in plan if request.action == "read") if write else 0)


@both
@pytest.mark.parametrize("key", [np.s_[:, 3:3], np.s_[:, []], np.s_[..., ::-1, 9:]], ids=str)
def test_nothing_is_planned_where_nothing_is_selected(key: Any, write: bool) -> None:
    plan = pyvolume.from_array(np.zeros((1, 8, 8), "uint16"), "cxy").plan(key, write=write)
    assert (len(plan), list(plan), plan.nbytes, plan.bytes_wanted, plan.peak_bytes) == (0, [], 0, 0, 0)


def planes(mebibytes: int, concurrency: int, *, cap: int = 256 * MIB, write: bool = False) -> Plan:
    """Plan to move a box of so many planes of 1 MiB."""
    box = Box((0, 0, 0, 0), (1, 1024, 1024, mebibytes))
    traits = traits_of((1, 1, 1, 1), most_read=cap, most_write=cap)
    make = plan_write if write else plan_read
    return make(Selection.of_box(box), traits, metadata_of(box, 1), concurrency)


@both
@pytest.mark.parametrize(
    ("mebibytes", "concurrency", "pieces"),
    [
        (1, 4, 1),
        (32, 4, 1),  # alone: on a fast line more requests gain nothing
        (33, 4, 3),  # of 16 MiB at most, because a quarter would be too small
        (64, 4, 4),
        (128, 4, 4),  # of 32 MiB, one for each worker
        (256, 4, 4),
        (257, 4, 5),  # of 64 MiB at most, because a quarter would be too large
        (4096, 4, 64),
        (4096, 1, 64),
        (128, 1, 2),
        (128, 8, 8),
        (128, 64, 64),  # of 2 MiB: who wants many at once has a line that limits each
        (16, 64, 16),
        (2, 64, 1),
    ],
)
def test_a_piece_is_what_each_worker_has_to_do_within_limits(
    mebibytes: int, concurrency: int, pieces: int, write: bool
) -> None:
    assert len(planes(mebibytes, concurrency, write=write)) == pieces


@both
@EXAMPLES
@given(mebibytes=st.integers(1, 5000), concurrency=st.integers(1, 32), cap=st.integers(1, 300))
def test_piece_sizes_are_bytes_over_workers_within_limits(
    mebibytes: int, concurrency: int, cap: int, write: bool
) -> None:
    sizes = [request.nbytes for request in planes(mebibytes, concurrency, cap=cap * MIB, write=write)]
    total, lowest, highest = mebibytes * MIB, min(16 * MIB, 64 * MIB // concurrency), 64 * MIB
    alone = total <= 2 * lowest
    limit = min(cap * MIB, total if alone else min(max(-(-total // concurrency), lowest), highest))
    assert max(sizes) <= limit
    assert len(sizes) == -(-mebibytes // (limit // MIB))
    assert max(sizes) - min(sizes) <= len(sizes) * MIB  # none is a mere remainder, as far as planes allow


def test_a_piece_is_not_thinner_than_the_blocks_that_are_stored() -> None:
    box, blocks = Box((0, 0, 0, 0), (1, 1024, 1024, 64)), (1, 64, 64, 64)
    plan = plan_read(Selection.of_box(box), traits_of(blocks, read_grid=(1, 1, 1, 1)), metadata_of(box, 1), 4)
    assert {request.box.shape for request in plan} == {(1, 1024, 256, 64)}


def test_pieces_of_a_large_read_lie_one_behind_the_other_in_memory() -> None:
    stops = [request.box.stop[3] for request in planes(256, 4)]
    assert stops == [64, 128, 192, 256]


@both
@pytest.mark.parametrize(
    ("planes", "expected"),
    [
        (64, 7),  # a piece of 4 MiB has 64 chunks
        (1024, 16),  # four chunks
        (2048, 32),
        (4096, 32),  # one chunk: more of them are too much memory
        (8192, 16),
        (32768, 7),
    ],
    ids=str,
)
def test_pieces_of_few_chunks_fill_the_slots(planes: int, expected: int, write: bool) -> None:
    chunk = (1, 32, 32, planes)
    box = Box((0, 0, 0, 0), (1, 1024, 1024, 32768))
    traits = dataclasses.replace(traits_of(chunk), request_chunks=chunk, preferred_concurrency=7)
    make = plan_write if write else plan_read
    for slots, most in ((Slots(64, is_learnt=True), expected), (None, 7)):
        plan = make(Selection.of_box(box), traits, metadata_of(box, 1), traits.concurrency, slots)
        assert plan.concurrency == most
        assert f"{most} at once" in repr(plan)


@pytest.mark.parametrize("planes", [16, 128, 2048])
def test_no_chunk_is_requested_for_two_pieces(planes: int) -> None:
    chunk, box = (1, 128, 128, planes), Box((0, 0, 0, 0), (1, 256, 384, 2 * planes))
    traits = dataclasses.replace(traits_of(chunk, read_grid=(1,) * 4), request_chunks=chunk, preferred_concurrency=7)
    plan = plan_read(Selection.of_box(box), traits, metadata_of(box, 1), traits.concurrency, Slots(64, is_learnt=True))
    assert all(n % cell == 0 for request in plan for n, cell in zip(request.box.shape, chunk, strict=True))
    assert len(plan) == 12 or planes < 2048


def test_a_thin_piece_touches_many_chunks() -> None:
    chunk, box = (1, 64, 64, 64), Box((0, 0, 0, 5), (1, 256, 256, 6))
    traits = dataclasses.replace(traits_of(chunk, read_grid=(1,) * 4), request_chunks=chunk, preferred_concurrency=2)
    slots = Slots(64, is_learnt=True)
    plan = plan_read(Selection.of_box(box), traits, metadata_of(box, 1), traits.concurrency, slots)
    assert plan.concurrency == 64 // 16


def growing_traits() -> StoreTraits:
    return traits_of((1, 64, 64), growable=(False, True, True))


def test_a_small_unaligned_box_is_merged_in_one_piece() -> None:
    box, bounds = Box((0, 1, 1), (1, 1000, 1000)), Box((0, 0, 0), (1, 0, 0))
    plan = plan_write(Selection.of_box(box), growing_traits(), metadata_of(bounds, 1), 4)
    assert [(step.box, step.merged) for step in plan.steps] == [(Box((0, 0, 0), (1, 1024, 1024)), True)]


def test_a_large_unaligned_box_is_sent_straight_but_for_its_borders() -> None:
    box, bounds = Box((0, 0, 10), (1, 8192, 4096)), Box((0, 0, 0), (1, 0, 0))
    plan = plan_write(Selection.of_box(box), growing_traits(), metadata_of(bounds, 1), 4)
    assert [(step.box, step.merged) for step in plan.steps] == [
        (Box((0, 0, 64), (1, 8192, 4096)), False),
        (Box((0, 0, 0), (1, 8192, 64)), True),
    ]


class TestRepr:
    def test_a_read_tells_what_it_costs(self) -> None:
        volume = pyvolume.from_array(np.broadcast_to(np.uint16(0), (1, 1024, 1024, 64)))
        assert repr(volume.plan(...)) == (
            "<Plan to read 128 MiB with 2 requests of together 128 MiB, 1 at once, peak memory 128 MiB>"
        )

    def test_a_write_tells_what_is_merged(self) -> None:
        volume = pyvolume.from_array(np.zeros((1, 64, 64, 64), "uint8"), block_shape=(64, 64, 64))
        assert repr(volume.plan(np.s_[:, :32], write=True)) == (
            "<Plan to write 128 KiB with 2 requests of together 512 KiB, 256 KiB of it merged, 1 at once, "
            "peak memory 256 KiB>"
        )

    @pytest.mark.parametrize(
        ("shape", "readable"),
        [((1, 1), "1 B"), ((1, 1023), "1023 B"), ((1, 1536), "1.5 KiB"), ((1, 10**6), "976.6 KiB"),
         ((1, 1 << 40), "1 TiB")],
    )  # fmt: skip
    def test_bytes_are_readable(self, shape: tuple[int, ...], readable: str) -> None:
        volume = pyvolume.from_array(np.broadcast_to(np.uint8(0), shape))
        assert f"<Plan to read {readable} with" in repr(volume.plan(np.s_[:, :]))


class TestPeak:
    def test_of_a_box_it_is_the_result(self) -> None:
        assert planes(1024, 4).peak_bytes == 1024 * MIB

    def test_of_what_is_cropped_it_is_the_result_and_a_piece_for_each_worker(self) -> None:
        volume = pyvolume.from_array(np.broadcast_to(np.uint8(0), (1, 4096, 4096, 64)))
        plan = volume.plan(np.s_[0, ::64, ::64, ::8])
        assert plan.peak_bytes == 64 * 64 * 8 + 4033 * 4033  # a plane between the outermost voxels

    def test_of_a_straight_write_it_is_a_slab_for_each_worker(self) -> None:
        assert planes(1024, 4, write=True).peak_bytes == 16 * MIB

    def test_of_a_merged_write_it_is_a_piece_for_each_worker(self) -> None:
        volume = pyvolume.from_array(np.broadcast_to(np.uint8(0), (1, 256, 256, 128)), block_shape=(64, 64, 64))
        assert volume.plan(np.s_[:, 1:, 1:, 1:], write=True).peak_bytes == 256 * 256 * 128
