"""Resolution levels of DVID: instances that are named by convention, found, created and filled."""

from __future__ import annotations

import itertools
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance_stores import DvidBackend, ramp
from numpy.typing import NDArray

import pyvolume
from pyvolume import Box
from pyvolume.dvid import VoxelsAccessor, keyvalue, voxels
from pyvolume.errors import ExistsError, LockedError, SelectionError, UnsupportedError
from pyvolume.layered import read_layers
from pyvolume.transfer.reducing import Method, reduced

NUMBERS = itertools.count()


def new(
    dvid: DvidBackend, shape: tuple[int, ...] = (45, 38, 21), dtype: str = "uint8", **options: Any
) -> VoxelsAccessor:
    """Create an empty volume of one channel in blocks of 16³."""
    return create(dvid, f"scaled{next(NUMBERS)}", shape, dtype, **options)


def create(
    dvid: DvidBackend,
    name: str,
    shape: tuple[int, ...] = (0, 0, 0),
    dtype: str = "uint8",
    resolution: float = 8,
    **options: Any,
) -> VoxelsAccessor:
    metadata = pyvolume.VoxelsMetadata.of((1, *shape), dtype, resolution=resolution, units="nanometers")
    voxels.create_new(dvid.connection, dvid.uuid, name, metadata, block_shape=(16, 16, 16), **options)
    return VoxelsAccessor(dvid.connection, dvid.uuid, name)


def factors_of(volume: pyvolume.Volume) -> list[list[float]]:
    return [list(each) for each in volume.scales.factors]


def halved(finer: NDArray[Any], method: Method = "mean") -> NDArray[Any]:
    """Halve voxels that begin at 0; those at an odd end are repeated."""
    return reduced(np.pad(finer, [(0, 0), *((0, n % 2) for n in finer.shape[1:])], mode="edge"), (1, 2, 2, 2), method)


def test_a_volume_without_levels_has_one(dvid: DvidBackend) -> None:
    volume = new(dvid)
    assert factors_of(volume) == [[1, 1, 1, 1]]
    assert volume.scale(0) is volume


def test_levels_are_found_from_any_of_them(dvid: DvidBackend) -> None:
    volume = new(dvid)
    volume.create_scales(3)
    for level in range(3):
        each = volume.scale(level)
        assert (each.scales.current, len(each.scales)) == (level, 3)
        assert factors_of(each) == [[1, 1, 1, 1], [1, 2, 2, 2], [1, 4, 4, 4]]
        assert each.name == (volume.name if level == 0 else f"{volume.name}_{level}")
        assert each.store.address == VoxelsAccessor(dvid.connection, dvid.uuid, each.name).store.address
        assert each.scale(0).store.address == volume.store.address


def test_a_level_knows_where_its_voxels_lie(dvid: DvidBackend) -> None:
    volume = new(dvid)
    volume.create_scales(3)
    level = volume.scale(2)
    place = [(32.0, 32.0, 32.0), (12.0, 12.0, 12.0)]
    assert [level.resolution, level.metadata.translation] == place
    assert level.shape == (1, 12, 10, 6)
    level.refresh()
    assert [level.resolution, level.metadata.translation] == place
    again = pickle.loads(pickle.dumps(level))
    assert [again.resolution, again.metadata.translation] == place


def test_a_level_with_the_voxel_size_of_the_finest_one_is_found(dvid: DvidBackend) -> None:
    volume = new(dvid)
    create(dvid, f"{volume.name}_1")
    assert len(volume.scales) == 2
    assert volume.scale(1).resolution == (16, 16, 16)


@pytest.mark.parametrize(
    "other", [{"dtype": "uint16"}, {"resolution": 24.0}, {"resolution": 4.0}], ids=["dtype", "three times", "half"]
)
def test_another_volume_of_such_a_name_is_no_level(dvid: DvidBackend, other: dict[str, Any]) -> None:
    volume = new(dvid)
    second = create(dvid, f"{volume.name}_1", **other)
    create(dvid, f"{volume.name}_2", resolution=32)
    assert len(volume.scales) == 1
    assert second.scales.current == 0
    with pytest.raises(ExistsError):
        volume.create_scales(2)


def test_keys_of_such_a_name_are_no_level(dvid: DvidBackend) -> None:
    volume = new(dvid)
    keyvalue.create_new(dvid.connection, dvid.uuid, f"{volume.name}_1")
    assert len(volume.scales) == 1


def test_a_number_without_a_finest_level_means_nothing(dvid: DvidBackend) -> None:
    volume = create(dvid, f"scaled{next(NUMBERS)}_1", (20, 20, 20))
    assert factors_of(volume) == [[1, 1, 1, 1]]
    volume.create_scales(2)
    assert volume.scale(1).name == f"{volume.name}_1"


def test_finding_levels_is_one_request(dvid: DvidBackend) -> None:
    volume = new(dvid)
    with pyvolume.trace() as traced:
        assert len(volume.scales) == 1
    assert traced.requests == 1


@pytest.mark.parametrize("method", ["mean", "label", "mode", "stride"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint64", "float32"])
def test_levels_are_filled(dvid: DvidBackend, method: Method, dtype: str) -> None:
    volume = new(dvid, dtype=dtype)
    volume.create_scales(3)
    volume[...] = (ramp(volume.shape, dtype) // 50).astype(dtype)
    pyvolume.build_pyramid(volume, method=method)
    for level in (1, 2):
        expected = halved(volume.scale(level - 1)[...], method)
        assert expected.any()
        np.testing.assert_array_equal(volume.scale(level)[...], expected, strict=True)


def test_levels_cover_the_finest_one_at_absolute_coordinates(dvid: DvidBackend) -> None:
    volume = new(dvid, (0, 0, 0))
    volume.create_scales(3)
    start = (0, -48, 16, 80)
    array = ramp((1, 80, 48, 32))
    volume.post_ndarray(start, [n + side for n, side in zip(start, array.shape, strict=True)], array)
    pyvolume.build_pyramid(volume)
    whole = np.zeros((1, 128, 64, 128), "uint8")  # from -64 on
    whole[:, 16:96, 16:, 80:112] = array
    first = volume.scale(1)
    assert first.bounds.contains(Box((0, -24, 8, 40), (1, 16, 32, 56)))
    assert volume.scale(2).bounds.contains(Box((0, -12, 4, 20), (1, 4, 16, 28)))
    once = reduced(whole, (1, 2, 2, 2), "mean")
    np.testing.assert_array_equal(first.absolute[:, -32:32, 0:32, 0:64], once)
    np.testing.assert_array_equal(volume.scale(2).absolute[:, -16:16, 0:16, 0:32], reduced(once, (1, 2, 2, 2), "mean"))


def test_odd_ends_do_not_become_darker(dvid: DvidBackend) -> None:
    volume = new(dvid, (33, 17, 5))
    volume.create_scales(2)
    volume[...] = 200
    pyvolume.build_pyramid(volume)
    assert volume.scale(1).shape == (1, 17, 9, 3)
    assert (volume.scale(1)[...] == 200).all()


def test_a_box_of_the_levels_is_renewed(dvid: DvidBackend) -> None:
    volume = new(dvid, (64, 64, 64))
    volume.create_scales(3)
    volume[...] = ramp(volume.shape)
    pyvolume.build_pyramid(volume)
    volume[:, 20:30, 33:50, 7:9] = 255
    volume.scale(1)[0, 0, 0, 0] = 7  # outside of the box
    pyvolume.build_pyramid(volume, box=((0, 20, 33, 7), (1, 30, 50, 9)))
    expected = halved(volume[...])
    expected[0, 0, 0, 0] = 7
    np.testing.assert_array_equal(volume.scale(1)[...], expected)
    np.testing.assert_array_equal(volume.scale(2)[0, 4:9, 7:14, :4], halved(expected)[0, 4:9, 7:14, :4])


def test_an_empty_volume_fills_no_level(dvid: DvidBackend) -> None:
    volume = new(dvid, (0, 0, 0))
    volume.create_scales(3)
    assert pyvolume.build_pyramid(volume) == 0
    assert not volume.scale(1).bounds.size


def test_levels_are_verified_and_continued(dvid: DvidBackend, tmp_path: Path) -> None:
    volume = new(dvid, (64, 50, 40))
    volume.create_scales(3)
    volume[...] = ramp(volume.shape)
    written = pyvolume.build_pyramid(volume, verify=True, resume=tmp_path / "journal")
    assert written == volume.scale(1).nbytes + volume.scale(2).nbytes
    assert pyvolume.build_pyramid(volume, resume=tmp_path / "journal") == 0
    np.testing.assert_array_equal(volume.scale(1)[...], halved(volume[...]))


def test_another_version_has_levels_of_its_own(dvid: DvidBackend) -> None:
    server = pyvolume.dvid.Server(dvid.connection)
    repo = server.create_repo("versions of levels", duplicate_alias=True)
    volume = repo.create_volume("gray", (32, 32, 32), "uint8", block_shape=(16, 16, 16))
    volume.create_scales(2)
    volume[...] = 100
    pyvolume.build_pyramid(volume)
    repo.root.commit("first")
    later = volume.at(repo.root.new_version())
    later[...] = 200
    pyvolume.build_pyramid(later)
    assert (volume.scale(1)[...] == 100).all()
    assert (later.scale(1)[...] == 200).all()
    level = volume.scale(1)
    assert isinstance(level, VoxelsAccessor)
    assert (level.at(later.version)[...] == 200).all()
    assert level.at(later.version).metadata == level.metadata
    with pytest.raises(LockedError):
        volume.create_scales(3)


def test_auto_makes_levels_up_to_256_voxels(dvid: DvidBackend) -> None:
    volume = new(dvid, (1000, 90, 300))
    volume.create_scales()
    assert len(volume.scales) == 3
    volume.create_scales()
    assert len(volume.scales) == 3
    empty = new(dvid, (0, 0, 0))
    empty.create_scales()
    assert len(empty.scales) == 1


def test_levels_that_are_there_are_kept(dvid: DvidBackend) -> None:
    volume = new(dvid)
    volume.create_scales(2)
    volume.scale(1)[...] = 9
    volume.create_scales(4)
    assert len(volume.scales) == 4
    assert (volume.scale(1)[...] == 9).all()


def test_levels_are_unversioned_where_the_volume_is(dvid: DvidBackend) -> None:
    volume = new(dvid, versioned=False)
    volume.create_scales(2)
    level = volume.scale(1)
    assert isinstance(level, VoxelsAccessor)
    assert not level.store.description.versioned


@pytest.mark.parametrize("levels", [[(1, 1, 1, 1), (1, 2, 2, 1)], [(1, 2, 2, 2)], [(1, 1, 1, 1), (1, 3, 3, 3)], [(1,)]])
def test_factors_that_levels_do_not_have_are_refused(dvid: DvidBackend, levels: Any) -> None:
    volume = new(dvid)
    with pytest.raises(UnsupportedError, match="levels=1"):
        volume.create_scales(levels)
    assert len(volume.scales) == 1


@pytest.mark.parametrize("levels", [0, -1])
def test_less_than_one_level_is_refused(dvid: DvidBackend, levels: int) -> None:
    with pytest.raises(ValueError, match="levels"):
        new(dvid).create_scales(levels)


def test_levels_are_made_from_the_finest_one_that_can_be_written(dvid: DvidBackend) -> None:
    volume = new(dvid)
    volume.create_scales(2)
    level = volume.scale(1)
    assert isinstance(level, VoxelsAccessor)
    with pytest.raises(UnsupportedError, match="finest"):
        level.create_scales(3)
    read_only = pyvolume.open(volume.store.address, kind=VoxelsAccessor)
    with pytest.raises(UnsupportedError, match="reading"):
        read_only.create_scales(3)
    read_only.close()
    assert len(volume.scales) == 2


def test_a_masked_volume_has_one_level(dvid: DvidBackend) -> None:
    volume = new(dvid)
    volume.create_scales(2)
    name = f"region{next(NUMBERS)}"
    pyvolume.dvid.roi.create_new(dvid.connection, dvid.uuid, name, block_shape=(16, 16, 16))
    masked = volume.masked(name)
    assert len(masked.scales) == 1
    with pytest.raises(SelectionError):
        masked.scale(1)
    with pytest.raises(UnsupportedError, match="mask"):
        masked.create_scales(3)


def url_of(dvid: DvidBackend) -> str:
    return f"dvid://{dvid.connection.url}/{dvid.uuid}/created{next(NUMBERS)}"


def test_a_volume_is_created_with_its_levels(dvid: DvidBackend) -> None:
    url = url_of(dvid)
    volume = pyvolume.create(url, (1, 45, 38, 21), "uint8", chunks=(1, 16, 16, 16), resolution=8, units="nm", levels=3)
    assert [volume.scale(level).shape for level in range(3)] == [(1, 45, 38, 21), (1, 23, 19, 11), (1, 12, 10, 6)]
    coarsest = volume.scale(2)
    assert isinstance(coarsest, VoxelsAccessor)
    assert coarsest.block_shape == (16, 16, 16)
    like = pyvolume.create(url_of(dvid), like=volume)
    assert like.scales.factors == volume.scales.factors
    one = pyvolume.create(url_of(dvid), like=volume, levels=1)
    assert len(one.scales) == 1
    for each in (volume, like, one):
        each.close()


def test_nothing_is_created_if_the_name_of_a_level_is_taken(dvid: DvidBackend) -> None:
    url = url_of(dvid)
    name = url.rpartition("/")[2]
    create(dvid, f"{name}_2", dtype="uint16")
    with pytest.raises(ExistsError, match=f"{name}_2"):
        pyvolume.create(url, (1, 45, 38, 21), "uint8", levels=3)
    with pytest.raises(pyvolume.errors.NotFoundError):
        pyvolume.open(url)


def test_levels_are_a_layer_of_napari(dvid: DvidBackend) -> None:
    pytest.importorskip("dask", reason="dask comes with the extra 'napari'")
    volume = new(dvid, (64, 64, 64))
    volume.create_scales(3)
    ((data, options, _),) = read_layers(volume.store.address)
    assert [level.shape for level in data] == [(64, 64, 64), (32, 32, 32), (16, 16, 16)]
    assert options["scale"] == [8, 8, 8]
