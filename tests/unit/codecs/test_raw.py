"""Voxels on the wire: the bytes of an array in Fortran order; `tobytes("F")` is the oracle."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pyvolume.codecs.raw import SEND_BYTES, decode_into, encode, flat_bytes
from pyvolume.model.slabs import SLAB_BYTES, slabs

LARGE = (2, 100, 70, 330)
"""More than one slab of bytes that are sent."""

SMALL = (2, 50, 70, 90)
"""More than one scratch buffer of two bytes each that are received."""


def noise(shape: tuple[int, ...], dtype: str = "uint8") -> NDArray[Any]:
    return np.random.default_rng(0).integers(0, 200, shape).astype(dtype)


def sent(voxels: NDArray[Any], dtype: Any) -> bytes:
    # a chunk is valid until the next one is asked for
    return b"".join([bytes(chunk) for chunk in encode(voxels, np.dtype(dtype))])


class Wire:
    """A body that is received, in memory."""

    def __init__(self, data: bytes) -> None:
        self._stream = io.BytesIO(data)

    def read_into(self, view: memoryview) -> None:
        assert self._stream.readinto(view) == len(view)

    def rest(self) -> bytes:
        return self._stream.read()


small_shapes = st.lists(st.integers(1, 6), min_size=1, max_size=5).map(tuple)


@given(small_shapes, st.integers(1, 60))
def test_slabs_one_after_the_other_are_the_array_in_fortran_order(shape: tuple[int, ...], most: int) -> None:
    voxels = np.arange(np.prod(shape)).reshape(shape)
    parts = [voxels[slab].ravel("F") for slab in slabs(shape, most)]
    np.testing.assert_array_equal(np.concatenate(parts), voxels.ravel("F"))


@given(small_shapes, st.integers(1, 60))
def test_a_slab_holds_no_more_voxels_than_allowed(shape: tuple[int, ...], most: int) -> None:
    voxels = np.empty(shape)
    assert max(voxels[slab].size for slab in slabs(shape, most)) <= most


def read_only(voxels: NDArray[Any]) -> NDArray[Any]:
    voxels.flags.writeable = False
    return voxels


LAYOUTS: dict[str, Callable[[], NDArray[Any]]] = {
    "fortran": lambda: np.asfortranarray(noise(LARGE)),
    "c": lambda: noise(LARGE),
    "sliced": lambda: noise((3, 105, 141, 330))[1:, 5:, 1::2],
    "reversed": lambda: noise(LARGE)[:, ::-1, :, ::-1],
    "transposed": lambda: noise(LARGE[::-1]).T,
    "moved": lambda: np.moveaxis(noise((*LARGE[1:], LARGE[0])), -1, 0),
    "broadcast": lambda: np.broadcast_to(noise((100, 1, 330)), LARGE),
    "scalar": lambda: np.broadcast_to(np.uint8(7), LARGE),
    "read-only": lambda: read_only(noise(LARGE)),
    "one voxel": lambda: noise((1, 1, 1, 1)),
    "one plane": lambda: noise(LARGE)[:, 3:4],
}


@pytest.mark.parametrize("dtype", ["uint8", "<u2"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_sent_in_fortran_order(layout: str, dtype: str) -> None:
    voxels = LAYOUTS[layout]()
    assert sent(voxels, dtype) == voxels.astype(dtype).tobytes("F")


@pytest.mark.parametrize(
    ("source", "target"),
    [("int64", "uint8"), ("float64", "<f4"), ("uint8", "<u8"), (">u2", "<u2"), ("bool", "uint8"), ("uint8", "bool")],
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_other_dtypes_are_cast_on_the_way(source: str, target: str, order: Any) -> None:
    voxels = noise((2, 9, 8, 7), source).copy(order)
    assert sent(voxels, target) == voxels.astype(target).tobytes("F")


@given(small_shapes, st.data())
def test_strided_views_of_any_number_of_axes_are_sent_in_fortran_order(
    shape: tuple[int, ...], data: st.DataObject
) -> None:
    steps = [data.draw(st.sampled_from([1, 2, -1])) for _ in shape]
    around = noise(tuple(n * abs(step) for n, step in zip(shape, steps, strict=True)), "uint16")
    voxels = around.transpose(data.draw(st.permutations(range(len(shape)))))[::-1]
    assert sent(voxels, "uint16") == voxels.tobytes("F")


@pytest.mark.parametrize("voxels", [np.asfortranarray(noise(LARGE)), noise(LARGE[::-1]).T], ids=["fortran", "c.T"])
def test_fortran_ordered_voxels_are_sent_from_their_own_memory(voxels: NDArray[Any]) -> None:
    assert all(np.shares_memory(np.frombuffer(chunk, np.uint8), voxels) for chunk in encode(voxels, np.dtype("uint8")))


@pytest.mark.parametrize("order", ["C", "F"])
def test_chunks_are_flat_bytes_of_limited_size(order: Any) -> None:
    voxels = noise(LARGE, "uint16").copy(order)
    forms = {(c.format, c.ndim, c.nbytes <= SEND_BYTES) for c in encode(voxels, np.dtype("uint16"))}
    assert forms == {("B", 1, True)}


def test_transposing_takes_one_slab_of_memory() -> None:
    voxels = np.zeros((1, 4, SLAB_BYTES // 4, 8), np.uint8)
    tracemalloc.start()
    try:
        for _ in encode(voxels, voxels.dtype):
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.1 * SLAB_BYTES


def test_flat_bytes_is_a_view_that_can_be_written_to() -> None:
    voxels = np.zeros((1, 2, 3), "<u2", order="F")
    flat_bytes(voxels)[2] = 7
    assert voxels[0, 1, 0] == 7


PLACES: dict[str, Callable[[], NDArray[Any]]] = {
    "fortran": lambda: np.empty(SMALL, "<u2", order="F"),
    "c": lambda: np.empty(SMALL, "<u2"),
    "slice": lambda: np.empty((3, 55, 141, 90), "<u2", order="F")[1:, 5:, 1::2],
    "reversed": lambda: np.empty(SMALL, "<u2")[:, ::-1, :, ::-1],
    "one row": lambda: np.empty((2, 1, 1, 300), "<u2")[:1],
}


@pytest.mark.parametrize("place", PLACES)
def test_voxels_arrive_in_every_kind_of_place(place: str) -> None:
    out = PLACES[place]()
    voxels = noise(out.shape, "<u2")
    decode_into(Wire(voxels.tobytes("F")), out)
    np.testing.assert_array_equal(out, voxels)


def test_voxels_around_a_slice_are_left_alone() -> None:
    around = np.zeros((1, 6, 6), np.uint8)
    decode_into(Wire(b"\1" * 4), around[:, 1:3, 1:3])
    assert around.sum() == 4


@pytest.mark.parametrize("place", PLACES)
def test_no_byte_is_taken_beyond_the_voxels(place: str) -> None:
    out = PLACES[place]()
    wire = Wire(bytes(out.nbytes) + b"behind")
    decode_into(wire, out)
    assert wire.rest() == b"behind"


def test_a_fortran_ordered_place_is_filled_without_a_copy() -> None:
    views: list[memoryview] = []

    class Spy:
        def read_into(self, view: memoryview) -> None:
            views.append(view)

    out = np.empty((2, 3, 4), "<f4", order="F")
    decode_into(Spy(), out)
    assert [np.shares_memory(np.frombuffer(view, np.uint8), out) for view in views] == [True]


@given(small_shapes, st.sampled_from(["u1", "<u4", "<f4", ">u2", "?"]), st.sampled_from("CF"))
def test_what_is_encoded_is_decoded(shape: tuple[int, ...], dtype: str, order: Any) -> None:
    voxels = noise(shape, dtype)
    out = np.empty(shape, dtype, order=order)
    decode_into(Wire(sent(voxels, dtype)), out)
    np.testing.assert_array_equal(out, voxels, strict=True)
