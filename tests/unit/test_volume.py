"""Volume: numpy's syntax over a store; a numpy array as the store, and numpy as the oracle."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from keys import keys, not_growing
from numpy.typing import NDArray

import pyvolume
from pyvolume import Box, RetryPolicy, Volume, VoxelsMetadata
from pyvolume.errors import AlignmentError, SelectionError, UnsupportedError, VoxelsMismatchError
from pyvolume.stores.memory import MemoryStore

SHAPE = (2, 9, 8, 7)


def ramp(shape: tuple[int, ...] = SHAPE, dtype: str = "uint16") -> NDArray[Any]:
    return np.arange(int(np.prod(shape))).astype(dtype).reshape(shape)


def volume_of(array: NDArray[Any] | None = None, **options: Any) -> Volume:
    return pyvolume.from_array(ramp() if array is None else array, **options)


def with_options(array: NDArray[Any], blocks: tuple[int, ...] = (4, 4, 4), **options: Any) -> Volume:
    metadata = VoxelsMetadata.of(array.shape, array.dtype)
    return Volume(MemoryStore(array, metadata, block_shape=blocks, growable=False), metadata, **options)


def empty(**options: Any) -> Volume:
    return pyvolume.from_array(np.zeros((4, 0, 0, 0), "uint8"), growable=True, **options)


class TestDescription:
    def test_attributes_are_those_of_the_array(self) -> None:
        volume, array = volume_of(), ramp()
        names = ("shape", "dtype", "ndim", "size", "nbytes")
        assert [getattr(volume, name) for name in names] == [getattr(array, name) for name in names]

    def test_nbytes_tells_the_cost_before_anything_is_read(self) -> None:
        huge = np.broadcast_to(np.float32(1), (1, 10**5, 10**5, 10**5))
        assert volume_of(huge).nbytes == 4 * 10**15

    def test_bounds_and_minindex_tell_the_stored_box(self) -> None:
        volume = volume_of(growable=True)
        volume.absolute[:, -3:0] = 1
        assert (volume.bounds, volume.minindex, volume.shape) == (
            Box((0, -3, 0, 0), SHAPE),
            (0, -3, 0, 0),
            SHAPE,
        )

    def test_axes_resolution_and_units_are_one_per_axis(self) -> None:
        volume = volume_of()
        assert (volume.dims, volume.resolution, volume.units) == (tuple("cxyz"), (1.0,) * 3, ("",) * 3)

    def test_repr_says_what_the_volume_is(self) -> None:
        volume = volume_of(block_shape=(4, 4, 2))
        assert repr(volume) == (f"<Volume (2, 9, 8, 7) uint16 cxyz, blocks 4×4×2, mode 'r+', {volume.store.address}>")

    @pytest.mark.parametrize(
        ("use", "hint"),
        [
            (lambda volume: len(volume), r"use vol\.shape, or np\.asarray\(vol\) to read it all"),
            (lambda volume: next(iter(volume)), r"read a box of it, as in vol\[:, a:b\]"),
            (lambda volume: list(volume), r"read a box of it, as in vol\[:, a:b\]"),
            (lambda volume: 3 in volume, r"use np\.isin\(np\.asarray\(vol\), \.\.\.\)"),
        ],
        ids=["len", "iter", "list", "in"],
    )  # fmt: skip
    def test_what_would_read_a_volume_by_accident_is_refused_with_a_hint(self, use: Any, hint: str) -> None:
        with pytest.raises(TypeError, match=hint):
            use(volume_of())

    @pytest.mark.parametrize("volume", [volume_of(), empty()], ids=["full", "empty"])
    def test_a_volume_is_true(self, volume: Volume) -> None:
        assert bool(volume)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"mode": "w"}, "mode is 'r' or 'r\\+', not 'w'"),
            ({"partial_blocks": "pad"}, "partial_blocks is 'merge' or 'raise', not 'pad'"),
            ({"casting": "loose"}, "casting is .* not 'loose'"),
        ],
    )
    def test_an_unknown_choice_is_refused_with_the_choices(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            with_options(ramp(), **options)


class TestReading:
    @settings(max_examples=100)
    @given(keys(SHAPE))
    def test_a_result_is_numpys_own(self, key: Any) -> None:
        np.testing.assert_array_equal(volume_of()[key], ramp()[key], strict=True)

    @settings(max_examples=100)
    @given(keys(SHAPE))
    def test_a_result_is_fortran_ordered_and_owns_its_memory(self, key: Any) -> None:
        result = volume_of()[key]
        flags = np.asarray(result).flags
        assert isinstance(result, np.generic) or (flags.f_contiguous and flags.owndata and flags.writeable)

    @pytest.mark.parametrize("key", [(0, 1, 2, 3), (0, -1, -1, -1), (np.int64(1), np.array(2), 3, 4)])
    def test_a_single_voxel_is_a_numpy_scalar(self, key: Any) -> None:
        assert type(volume_of()[key]) is np.uint16

    def test_changing_a_result_does_not_change_the_volume(self) -> None:
        volume = volume_of()
        volume[...][...] = 0
        np.testing.assert_array_equal(volume[...], ramp())

    def test_asarray_reads_it_all(self) -> None:
        np.testing.assert_array_equal(np.asarray(volume_of()), ramp(), strict=True)

    def test_asarray_takes_a_dtype(self) -> None:
        np.testing.assert_array_equal(np.asarray(volume_of(), np.float32), ramp(dtype="float32"), strict=True)

    def test_asarray_without_a_copy_is_refused(self) -> None:
        with pytest.raises(ValueError, match="cannot become an array without a copy"):
            np.asarray(volume_of(), copy=False)

    def test_numpy_functions_take_a_volume(self) -> None:
        assert np.mean(volume_of()) == ramp().mean()

    def test_a_key_beyond_the_volume_is_a_selection_error(self) -> None:
        with pytest.raises(SelectionError, match="index 9 is out of bounds for axis 1 with size 9"):
            volume_of()[0, 9]

    def test_coordinates_beyond_an_array_are_a_selection_error(self) -> None:
        with pytest.raises(SelectionError, match=r"-1:3 is outside the bounds 0:9 of axis 1 \('x'\)"):
            volume_of().absolute[:, -1:3]

    def test_coordinates_beyond_a_growable_array_hold_zeros(self) -> None:
        around = volume_of(growable=True).absolute[:, -2:11, 3, 4]
        np.testing.assert_array_equal(around, np.pad(ramp()[:, :, 3, 4], [(0, 0), (2, 2)]), strict=True)

    def test_the_channel_axis_has_nothing_outside(self) -> None:
        with pytest.raises(SelectionError, match=r"0:3 is outside the bounds 0:2 of axis 0 \('c'\)"):
            volume_of(growable=True).get_ndarray((0, 0, 0, 0), (3, 1, 1, 1))


class TestGetNdarray:
    def test_a_box_is_read_by_its_corners(self) -> None:
        box = volume_of().get_ndarray((0, 1, 2, 3), (1, 5, 7, 6))
        np.testing.assert_array_equal(box, ramp()[:1, 1:5, 2:7, 3:6], strict=True)

    def test_corners_may_be_numpy_integers(self) -> None:
        box = volume_of().get_ndarray(np.array([0, 1, 2, 3]), np.array([1, 5, 7, 6]))  # type: ignore[arg-type]
        assert box.shape == (1, 4, 5, 3)

    @pytest.mark.parametrize("order", ["F", "C"])
    def test_out_is_filled_and_returned(self, order: Any) -> None:
        out = np.zeros((1, 4, 5, 3), "uint16", order=order)
        result = volume_of().get_ndarray((0, 1, 2, 3), (1, 5, 7, 6), out=out)
        assert result is out
        np.testing.assert_array_equal(out, ramp()[:1, 1:5, 2:7, 3:6])

    @pytest.mark.parametrize(
        ("out", "found"),
        [
            (np.zeros((1, 4, 5, 4), "uint16"), r"uint16 of shape \(1, 4, 5, 4\)"),
            (np.zeros((4, 5, 3), "uint16"), r"uint16 of shape \(4, 5, 3\)"),
            (np.zeros((1, 4, 5, 3), "int16"), r"int16 of shape \(1, 4, 5, 3\)"),
            (np.zeros((1, 4, 5, 3), ">u2"), r">u2 of shape \(1, 4, 5, 3\)"),
        ],
        ids=["shape", "axes", "dtype", "byte order"],
    )
    def test_out_of_another_shape_or_dtype_is_refused_with_both(self, out: NDArray[Any], found: str) -> None:
        with pytest.raises(VoxelsMismatchError, match=rf"out must be uint16 of shape \(1, 4, 5, 3\), not {found}"):
            volume_of().get_ndarray((0, 1, 2, 3), (1, 5, 7, 6), out=out)

    @pytest.mark.parametrize(
        ("start", "stop", "message"),
        [
            ((0, 5, 0, 0), (1, 4, 1, 1), "stop is before start on axis 1: 5:4"),
            ((0, 0, 0), (1, 4, 1), "one number for each of the 4 axes 'cxyz' and found 3"),
            ((0, 0, 0, 0), (1, 4, 1), "start has 4 axes and stop has 3"),
            ((0, 0, 0, 0), (1, 4, 1, 1.5), "stop must be one integer per axis"),
            ((0, -1, 0, 0), (1, 4, 1, 1), "-1:4 is outside the bounds 0:9 of axis 1"),
            ((0, 0, 0, 0), (1, 10, 1, 1), "0:10 is outside the bounds 0:9 of axis 1"),
        ],
        ids=["reversed", "axes", "corners", "floats", "below", "above"],
    )
    def test_corners_that_name_no_box_are_refused(self, start: Any, stop: Any, message: str) -> None:
        with pytest.raises(SelectionError, match=message):
            volume_of().get_ndarray(start, stop)

    def test_an_empty_box_is_an_empty_array(self) -> None:
        assert volume_of().get_ndarray((0, 3, 3, 3), (1, 3, 5, 5)).shape == (1, 0, 2, 2)


class TestWriting:
    @settings(max_examples=100)
    @given(st.data())
    def test_an_assignment_is_numpys_own(self, data: st.DataObject) -> None:
        key = not_growing(data.draw(keys(SHAPE)), SHAPE)
        expected, volume = ramp(), volume_of(block_shape=(4, 4, 4))
        target = expected[key].shape
        assume(expected[key].size)
        shape = target[data.draw(st.integers(0, len(target))) :]
        values = 1000 + ramp(tuple(data.draw(st.sampled_from([n, 1])) for n in shape))
        expected[key] = values
        volume[key] = values
        np.testing.assert_array_equal(volume[...], expected)

    @pytest.mark.parametrize("shape", [(1, 3, 2), (1, 1, 3, 2), (3, 1), (2,), (1,), (), (1,) * 7])
    def test_values_are_broadcast_as_numpy_does(self, shape: tuple[int, ...]) -> None:
        expected, volume = ramp(), volume_of()
        values = 1000 + ramp(shape)
        expected[1, 2:5, 3:5, 4] = values
        volume[1, 2:5, 3:5, 4] = values
        np.testing.assert_array_equal(volume[...], expected)

    @pytest.mark.parametrize("shape", [(2, 3), (3, 2, 1), (4,), (2, 3, 2), (0,), (3, 0)])
    def test_values_that_do_not_fit_are_refused_with_both_shapes(self, shape: tuple[int, ...]) -> None:
        message = rf"an array of shape {shape} does not fit what is assigned to, of shape (3, 2)"
        with pytest.raises(VoxelsMismatchError) as raised:
            volume_of()[1, 2:5, 3:5, 4] = np.zeros(shape, "uint16")
        assert message in str(raised.value)

    def test_an_empty_write_of_another_shape_is_refused_too(self) -> None:
        with pytest.raises(VoxelsMismatchError, match=r"an array of shape \(5, 0\) does not fit .*, of shape \(0,\)"):
            volume_of()[0, 0, 0, 3:3] = np.zeros((5, 0), "uint16")

    def test_values_that_do_not_fit_change_nothing(self) -> None:
        volume = volume_of()
        with pytest.raises(VoxelsMismatchError, match="70000 does not fit uint16"):
            volume[0, 0, 0] = [1, 2, 3, 4, 5, 6, 70000]
        np.testing.assert_array_equal(volume[...], ramp())

    def test_values_are_cast_by_the_rule_of_the_volume(self) -> None:
        volume = with_options(ramp(), casting="unsafe")
        volume[0, 0, 0, 0] = np.array(70000)
        assert int(volume[0, 0, 0, 0]) == 70000 % 2**16

    def test_a_list_of_numbers_is_an_array(self) -> None:
        volume = volume_of()
        volume[0, 0, 0] = [7] * 7
        assert volume[0, 0, 0].tolist() == [7] * 7

    def test_growth_shows_in_the_shape(self) -> None:
        volume = volume_of(growable=True)
        volume[:, 20:30] = 1
        assert volume.shape == (2, 30, 8, 7)

    def test_an_array_that_cannot_grow_refuses_a_stop_beyond_its_end(self) -> None:
        volume = volume_of()
        with pytest.raises(SelectionError, match="'x'"):
            volume[:, 5:100] = 3
        np.testing.assert_array_equal(volume[...], ramp())

    @pytest.mark.parametrize("key", [np.s_[:, 3:3], np.s_[:, []], np.s_[0, 5:2], np.s_[:, [False] * 9]], ids=str)
    def test_an_empty_write_does_nothing(self, key: Any) -> None:
        volume = volume_of(growable=True)
        volume[key] = 5
        np.testing.assert_array_equal(volume[...], ramp(), strict=True)

    def test_an_empty_write_does_not_let_a_volume_grow(self) -> None:
        volume = volume_of(growable=True)
        volume.post_ndarray((0, 50, 0, 0), (2, 50, 8, 7), np.zeros((2, 0, 8, 7), "uint16"))
        assert volume.bounds == Box((0, 0, 0, 0), SHAPE)

    @pytest.mark.parametrize("shape", [(4, 5, 6, 7), (4, 1, 1, 1), (1,)])
    def test_everything_of_an_empty_volume_is_an_error_that_names_the_way(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(VoxelsMismatchError, match=r"still empty .*give explicit stops, or use post_ndarray"):
            empty()[...] = np.ones(shape, "uint8")

    @pytest.mark.parametrize("values", [5, np.uint8(5), np.array(5), [], np.ones((4, 0, 1, 1), "uint8")], ids=str)
    def test_a_number_or_nothing_fills_no_voxel_of_an_empty_volume_as_in_numpy(self, values: Any) -> None:
        volume, array = empty(), np.zeros((4, 0, 0, 0), "uint8")
        volume[...] = array[...] = values
        np.testing.assert_array_equal(volume[...], array, strict=True)

    def test_an_empty_volume_grows_by_explicit_stops(self) -> None:
        volume, values = empty(), ramp((4, 5, 6, 7), "uint8")
        volume[:, 10:15, 20:26, 30:37] = values
        assert volume.bounds == Box((0, 10, 20, 30), (4, 15, 26, 37))
        np.testing.assert_array_equal(volume[:, 10:, 20:, 30:], values)

    def test_coordinates_may_be_negative(self) -> None:
        volume = volume_of(growable=True)
        volume.absolute[0, -2, -3, -4] = 9
        assert (int(volume.absolute[0, -2, -3, -4]), volume.minindex) == (9, (0, -2, -3, -4))


class TestPostNdarray:
    def test_a_box_is_written_by_its_corners(self) -> None:
        volume, expected, values = volume_of(), ramp(), 1000 + ramp((1, 4, 5, 3))
        expected[:1, 1:5, 2:7, 3:6] = values
        volume.post_ndarray((0, 1, 2, 3), (1, 5, 7, 6), values)
        np.testing.assert_array_equal(volume[...], expected)

    @pytest.mark.parametrize("shape", [(4, 5, 3), (1, 5, 4, 3), (1, 4, 5, 1), ()])
    def test_another_shape_is_refused_with_both_even_of_as_many_voxels(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(VoxelsMismatchError) as raised:
            volume_of().post_ndarray((0, 1, 2, 3), (1, 5, 7, 6), np.zeros(shape, "uint16"))
        assert f"an array of shape (1, 4, 5, 3) for (0:1, 1:5, 2:7, 3:6) and found {shape}" in str(raised.value)

    @pytest.mark.parametrize(
        ("start", "stop", "message"),
        [
            ((0, 5, 0, 0), (1, 4, 1, 1), "stop is before start on axis 1: 5:4"),
            ((0, 0, 0), (1, 4, 1), "one number for each of the 4 axes"),
            ((0, 6, 0, 0), (1, 10, 1, 1), "6:10 is outside the bounds 0:9 of axis 1"),
        ],
        ids=["reversed", "axes", "outside"],
    )
    def test_corners_that_name_no_box_are_refused(self, start: Any, stop: Any, message: str) -> None:
        with pytest.raises(SelectionError, match=message):
            volume_of().post_ndarray(start, stop, np.zeros((1, 4, 1, 1), "uint16"))


class TestModeAndBlocks:
    @pytest.mark.parametrize(
        "volume", [with_options(ramp(), mode="r"), volume_of(np.broadcast_to(ramp((1, 7)), (2, 7)))]
    )
    def test_what_is_for_reading_only_is_not_written(self, volume: Volume) -> None:
        with pytest.raises(UnsupportedError, match=f"write voxels of {volume.store.address}: opened for reading only"):
            volume[0, 0] = 1

    def test_mode_r_reads(self) -> None:
        np.testing.assert_array_equal(with_options(ramp(), mode="r")[...], ramp())

    def test_partial_blocks_are_refused_where_they_may_not_be_merged(self) -> None:
        volume = with_options(ramp(), partial_blocks="raise")
        with pytest.raises(AlignmentError, match=r"nearest aligned box is \(0:1, 0:8, 4:8, 4:7\)") as raised:
            volume[0, 1:5, 5:8, 4:] = 1
        assert raised.value.nearest == Box((0, 0, 4, 4), (1, 8, 8, 7))

    def test_whole_blocks_and_edges_are_written_also_then(self) -> None:
        volume = with_options(ramp(), partial_blocks="raise")
        volume[0, 4:9, 4:, 4:7] = 1
        assert volume[0, 4:, 4:, 4:].tolist() == np.ones((5, 4, 3)).tolist()

    def test_stepped_writes_are_refused_where_blocks_may_not_be_merged(self) -> None:
        with pytest.raises(AlignmentError, match="the key leaves voxels of them out"):
            with_options(ramp(), partial_blocks="raise")[:, ::2] = 1


class TestLifetime:
    def test_a_pickled_volume_brings_its_voxels_and_its_options(self) -> None:
        volume = with_options(ramp(), mode="r", retry=RetryPolicy(patience=7))
        copy: Volume = pickle.loads(pickle.dumps(volume))
        assert (copy.mode, copy.shape, copy.metadata) == ("r", SHAPE, volume.metadata)
        np.testing.assert_array_equal(copy[...], ramp(), strict=True)

    def test_a_pickled_volume_can_be_written(self) -> None:
        copy: Volume = pickle.loads(pickle.dumps(volume_of(growable=True)))
        copy[0, 20, 0, 0] = 5
        assert int(copy[0, 20, 0, 0]) == 5

    def test_on_wait_does_not_travel_with_a_volume(self) -> None:
        volume = with_options(ramp(), retry=RetryPolicy(on_wait=lambda _: None))
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(volume))[...], ramp())

    def test_a_volume_closes_its_store_at_the_end_of_with(self) -> None:
        closed: list[bool] = []

        class Store(MemoryStore):
            def close(self) -> None:
                closed.append(True)

        metadata = VoxelsMetadata.of(SHAPE, "uint16")
        with Volume(Store(ramp(), metadata, block_shape=(1, 1, 1), growable=False), metadata):
            assert closed == []
        assert closed == [True]

    def test_refresh_asks_the_store_for_the_bounds(self) -> None:
        volume = volume_of(growable=True)
        other = Volume(volume.store, volume.metadata)
        other[:, 20:30] = 1
        volume.refresh()
        assert volume.bounds == other.bounds


def test_a_ragged_list_does_not_fit() -> None:
    with pytest.raises(VoxelsMismatchError, match="expected an array"):
        pyvolume.from_array(np.zeros((1, 2, 3)), "cxy").post_ndarray((0, 0, 0), (1, 2, 3), [[1, 2], [3, 4, 5]])  # type: ignore[arg-type]


@pytest.mark.parametrize("out", [[1], np.broadcast_to(np.zeros(3), (1, 2, 3))], ids=["a list", "read-only"])
def test_out_that_cannot_be_filled_is_refused_at_once(out: Any) -> None:
    with pytest.raises(VoxelsMismatchError, match="out must be"):
        pyvolume.from_array(np.zeros((1, 2, 3)), "cxy").get_ndarray((0, 0, 0), (1, 2, 3), out)


@pytest.mark.parametrize("side", [10**5, 10**30])
def test_a_box_out_of_bounds_is_refused_before_memory_is_allocated(side: int) -> None:
    volume = pyvolume.from_array(np.zeros((1, 4, 4, 4), "uint8"))
    with pytest.raises(SelectionError):
        volume.absolute[:, 0:side, 0:side, 0:side]
    with pytest.raises(SelectionError):
        volume.get_ndarray((0, 0, 0, 0), (1, side, side, side))
