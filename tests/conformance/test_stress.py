"""Many threads that write next to each other, into the same blocks: nothing is lost, numpy says what must be there."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from conformance_stores import Backend, DvidBackend, ramp
from numpy.typing import NDArray

import pyvolume
from pyvolume import Box

SHAPE = (1, 40, 48, 33)
WHOLE_BLOCKS = (1, 48, 48, 32)
THREADS = 8


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


def in_threads(work: Callable[[int], object], number: int = THREADS) -> None:
    """Let threads begin together, and raise what they raise."""
    together = threading.Barrier(number, timeout=20)

    def begin(n: int) -> object:
        together.wait()
        return work(n)

    with ThreadPoolExecutor(number) as pool:
        list(pool.map(begin, range(number)))


def interleaved_boxes(rng: np.random.Generator) -> list[Box]:
    """Cut the volume into boxes whose faces lie anywhere, in random order."""
    faces = [
        [0, *sorted(rng.choice(np.arange(1, size), min(3, size - 1), replace=False).tolist()), size] for size in SHAPE
    ]
    sides = [list(itertools.pairwise(each)) for each in faces]
    boxes = [Box(tuple(a for a, _ in each), tuple(b for _, b in each)) for each in itertools.product(*sides)]
    return [boxes[i] for i in rng.permutation(len(boxes))]


def assign(volume: pyvolume.Volume, box: Box, values: NDArray[Any]) -> None:
    volume[box.slices_from((0,) * 4)] = values


def assign_mirrored(volume: pyvolume.Volume, box: Box, values: NDArray[Any]) -> None:
    c, x, y, z = box.slices_from((0,) * 4)
    volume.absolute[c, slice(x.stop - 1, x.start - 1, -1), y, z] = values[:, ::-1]


def assign_every_other(volume: pyvolume.Volume, box: Box, values: NDArray[Any]) -> None:
    c, x, y, z = box.slices_from((0,) * 4)
    for first in (0, 1):
        volume[c, x, y, z.start + first : z.stop : 2] = values[..., first::2]


def assign_by_index(volume: pyvolume.Volume, box: Box, values: NDArray[Any]) -> None:
    c, x, y, z = box.slices_from((0,) * 4)
    volume[c, x, np.arange(y.start, y.stop), z] = values


def post(volume: pyvolume.Volume, box: Box, values: NDArray[Any]) -> None:
    volume.post_ndarray(box.start, box.stop, values)


def post_many(volume: pyvolume.Volume, box: Box, values: NDArray[Any]) -> None:
    halves = box.split(3, max(1, box.shape[3] // 2), box.start[3])
    volume.write_many((half, values[half.slices_from(box.start)]) for half in halves)


WAYS_TO_WRITE = [assign, assign_mirrored, assign_every_other, assign_by_index, post, post_many]


def test_interleaved_unaligned_writes_of_many_threads_lose_nothing(backend: Backend) -> None:
    rng = np.random.default_rng(0)
    expected = ramp(SHAPE, "uint16")
    volume = backend.new(np.zeros_like(expected))
    boxes = interleaved_boxes(rng)
    ways = [WAYS_TO_WRITE[i] for i in rng.integers(0, len(WAYS_TO_WRITE), len(boxes))]

    def write(thread: int) -> None:
        for box, way in list(zip(boxes, ways, strict=True))[thread::THREADS]:
            way(volume, box, expected[box.slices_from((0,) * 4)])

    in_threads(write)
    same(volume[tuple(map(slice, SHAPE))], expected)


def test_steps_that_mesh_lose_nothing(backend: Backend) -> None:
    expected = ramp(WHOLE_BLOCKS, "uint16")
    volume = backend.new(np.zeros_like(expected))
    in_threads(lambda n: volume.__setitem__(np.s_[:, n::THREADS, 1:, ::-1], expected[:, n::THREADS, 1:, ::-1]))
    expected[:, :, 0] = 0
    same(volume[...], expected)


def test_of_writes_to_one_place_one_wins_as_a_whole(backend: Backend) -> None:
    volume = backend.new(np.zeros(SHAPE, "uint16"))
    in_threads(lambda n: volume.__setitem__(np.s_[:, 3:39, 5:47, 1:30], n + 1))
    found = volume[:, 3:39, 5:47, 1:30]
    same(found, np.full_like(found, found[0, 0, 0, 0]))


def test_a_volume_that_grows_on_all_sides_loses_nothing(growing: Backend) -> None:
    volume = growing.new(np.zeros((1, 16, 16, 16), "uint8"))
    corners: Sequence[tuple[int, ...]] = list(itertools.product((-20, 20), repeat=3))

    def write(n: int) -> None:
        start = (0, *corners[n])
        volume.post_ndarray(start, tuple(low + size for low, size in zip(start, (1, 7, 7, 7), strict=True)),
                            np.full((1, 7, 7, 7), n + 1, "uint8"))  # fmt: skip

    in_threads(write)
    volume.refresh()
    expected = np.zeros((1, 47, 47, 47), "uint8")
    for n, (x, y, z) in enumerate(corners):
        expected[:, x + 20 : x + 27, y + 20 : y + 27, z + 20 : z + 27] = n + 1
    same(volume.get_ndarray((0, -20, -20, -20), (1, 27, 27, 27)), expected)


def test_readers_see_each_voxel_as_it_was_or_as_it_is(backend: Backend) -> None:
    volume = backend.new(np.full(WHOLE_BLOCKS, 1, "uint8"))

    def work(n: int) -> None:
        if n == 0:
            volume[:, 1:39, 1:47, 1:31] = 2
            return
        assert np.isin(volume[...], (1, 2)).all()
        assert np.isin(volume[0, ::3, [1, 40, 2], ::-2], (1, 2)).all()

    in_threads(work)


def test_volumes_that_share_a_connection_lose_nothing(dvid: DvidBackend) -> None:
    expected = np.zeros((1, 64, 32, 16), "uint8")
    made = dvid.new(expected)
    volumes = [pyvolume.dvid.VoxelsAccessor(dvid.connection, made.uuid, made.name) for _ in range(THREADS)]
    for n in range(THREADS):
        expected[:, n::THREADS] = n + 1
    in_threads(lambda n: volumes[n].__setitem__(np.s_[:, n::THREADS], n + 1))
    same(made[...], expected)
