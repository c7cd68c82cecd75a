"""An array with names becomes a volume: in the order of the store, with its attributes, lazily where it is lazy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from conformance_stores import DataStoreBackend, DvidBackend, in_pieces, ramp
from watched_store import WatchedStore

import pyvolume
from mockserver import MockServer
from pyvolume.errors import ExistsError, LockedError, MetadataError, VoxelsMismatchError

xr = pytest.importorskip("xarray", reason="xarray comes with the extra 'xarray'")

VOXELS = ramp((40, 30, 1), "uint16")


@pytest.fixture(scope="module")
def repo() -> Iterator[pyvolume.dvid.repo.Repo]:
    with MockServer() as server, pyvolume.dvid.Server(server.url) as dvid:
        yield dvid.create_repo("uploads")


def labelled(**attrs: Any) -> Any:
    """Return an array of xarray with coordinates of all kinds."""
    return xr.DataArray(
        VOXELS,
        {
            "x": ("x", np.arange(40) * 0.5, {"units": "micrometers"}),
            "y": ("y", np.arange(30) * 2.0 + 7, {"units": "micrometers"}),
            "c": ("c", ["red"]),
            "time": np.datetime64("2026-11-29T12:00", "s"),
            "depth": ("x", np.arange(40) ** 2),
        },
        ("x", "y", "c"),
        "Random",
        attrs,
    )


def test_a_labelled_array_becomes_a_volume(dvid: DvidBackend) -> None:
    repo = pyvolume.dvid.Server(dvid.connection).repos[dvid.uuid]
    volume = pyvolume.from_xarray(labelled(sample="cell 3", gain=np.float32(1.5), shifts=np.arange(3)), repo)
    np.testing.assert_array_equal(volume[...], VOXELS.transpose(2, 0, 1)[..., None], strict=True)
    assert (volume.name, volume.shape, volume.resolution) == ("Random", (1, 40, 30, 1), (0.5, 2.0, 1.0))
    assert volume.units == ("micrometers", "micrometers", "")
    assert isinstance(volume, pyvolume.dvid.VoxelsAccessor)
    assert {key: volume.attrs[key] for key in ("sample", "gain", "shifts")} == {
        "sample": "cell 3", "gain": 1.5, "shifts": [0, 1, 2]
    }  # fmt: skip
    assert volume.attrs["xarray"] == {
        "name": "Random",
        "letters": ["x", "y", "c"],
        "dims": ["x", "y", "c"],
        "coords": {
            "x": {"dims": ["x"], "start": 0.0, "step": 0.5, "attrs": {"units": "micrometers"}},
            "y": {"dims": ["y"], "start": 7.0, "step": 2.0, "attrs": {"units": "micrometers"}},
            "c": {"dims": ["c"], "values": ["red"], "attrs": {}},
            "time": {"dims": [], "values": "2026-11-29T12:00:00", "attrs": {}},
            "depth": {"dims": ["x"], "values": [n**2 for n in range(40)], "attrs": {}},
        },
    }


def test_an_array_is_given_back_as_it_was(repo: pyvolume.dvid.repo.Repo) -> None:
    array = labelled(sample="cell 3").rename(x="row", c="channel")
    volume = pyvolume.from_xarray(array, repo, name="restored", dims="xyc")
    found = volume.to_xarray(restore_dims=True)
    assert found.attrs == {**volume.data.attrs, "sample": "cell 3"}
    xr.testing.assert_equal(found, array.assign_coords(time=str(array.time.values)))
    assert (found.name, found.row.attrs) == ("Random", {"units": "micrometers"})
    part = volume.to_xarray(box=((0, 5, 6, 0), (1, 9, 30, 1)), restore_dims=True)
    xr.testing.assert_equal(part, found[5:9, 6:])
    wider = volume.to_xarray(box=((0, -1, 0, 0), (1, 40, 31, 1)), restore_dims=True)
    assert (set(wider.coords), wider.row.values[0]) == ({"row", "y", "channel", "time"}, -0.5)


def test_axes_are_given_back_to_arrays_without_names(repo: pyvolume.dvid.repo.Repo) -> None:
    volume = pyvolume.from_xarray(VOXELS[:, None], repo, name="plain", dims="ytxc")
    found = volume.to_xarray(restore_dims=True, chunks={})
    assert (found.dims, found.chunks) == (("y", "t", "x", "c"), ((40,), (1,), (30,), (1,)))
    np.testing.assert_array_equal(found, VOXELS[:, None], strict=True)
    with pytest.raises(MetadataError, match="the axis 'z' was not in the array, and now has 2 voxels"):
        volume.to_xarray(box=((0, 0, 0, 0), (1, 9, 9, 2)), restore_dims=True)
    volume.attrs["xarray"] = {"dims": "x"}
    with pytest.raises(MetadataError, match=r"needs the attribute 'xarray' .* found {'dims': 'x'}"):
        volume.to_xarray(restore_dims=True)
    with pytest.raises(MetadataError, match="and found None"):
        pyvolume.from_array(VOXELS, "cxy").to_xarray(restore_dims=True)


def test_a_version_can_be_the_target(dvid: DvidBackend) -> None:
    version = pyvolume.dvid.Server(dvid.connection).create_repo("uploads to a branch").root
    version.commit()
    branch = version.branch("uploads")
    volume = pyvolume.from_xarray(VOXELS, branch, name="branched", dims="xyc", chunks=(32, 32, 32))
    assert (volume.uuid, volume.block_shape) == (branch.uuid, (32, 32, 32))
    np.testing.assert_array_equal(volume[0, :40, :30, 0], VOXELS[..., 0], strict=True)
    with pytest.raises(ExistsError):
        pyvolume.from_xarray(VOXELS, branch, name="branched", dims="xyc")
    with pytest.raises(LockedError):
        pyvolume.from_xarray(VOXELS, version, name="late", dims="xyc")


def test_a_data_store_keeps_time_and_angle(hpc_backend: DataStoreBackend) -> None:
    voxels = ramp((3, 20, 30), "float32")
    array = xr.DataArray(voxels, {"t": ("t", [0.0, 1.5, 3.0], {"units": "s"})}, ("t", "y", "x"))
    volume = pyvolume.from_xarray(array, hpc_backend.server, name="Random image", chunks=(16, 16, 1))
    assert (volume.dims, volume.shape, volume.chunks[1:4]) == (tuple("cxyzta"), (1, 30, 20, 1, 3, 1), (16, 16, 1))
    np.testing.assert_array_equal(volume[0, :, :, 0, :, 0], voxels.transpose(2, 1, 0), strict=True)
    assert (volume.resolution[3], volume.units[3]) == (1.5, "s")


def test_a_volume_that_exists_is_written_at_index_0() -> None:
    volume = pyvolume.from_array(np.zeros((2, 40, 30, 3), "uint16"), block_shape=(16, 16, 16))
    assert pyvolume.from_xarray(VOXELS, volume, dims="xyz") is volume
    np.testing.assert_array_equal(volume[0, :, :, 0], VOXELS[..., 0], strict=True)
    assert not volume[1:].any()
    with pytest.raises(VoxelsMismatchError, match="does not fit"):
        pyvolume.from_xarray(np.full((4, 4), 1 << 20), volume, dims="yx")


def test_dims_rename_the_axes_of_a_labelled_array() -> None:
    volume = pyvolume.from_array(np.zeros((1, 40, 30, 1), "uint16"))
    array = xr.DataArray(VOXELS[..., 0], dims=("row", "column"))
    pyvolume.from_xarray(array, volume, dims="xy")
    np.testing.assert_array_equal(volume[0, ..., 0], VOXELS[..., 0], strict=True)
    with pytest.raises(MetadataError, match="expected different 2 letters"):
        pyvolume.from_xarray(array, volume)


@pytest.mark.parametrize("is_labelled", [False, True], ids=["dask", "xarray of dask"])
def test_each_chunk_of_dask_is_computed_once(is_labelled: bool) -> None:
    dask = pytest.importorskip("dask.array", reason="dask comes with the extra 'dask'")
    computed: list[int] = []

    def noted(part: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        computed.append(part.size)
        return part

    voxels = ramp((64, 48, 32))
    lazy = dask.from_array(voxels, chunks=(16, 16, 32)).map_blocks(
        noted, dtype="uint8", meta=np.empty((0, 0, 0), "uint8")
    )
    volume = pyvolume.from_array(np.zeros((1, 32, 48, 64), "uint8"), block_shape=(16, 16, 16))
    array = xr.DataArray(lazy, dims=("z", "y", "x")) if is_labelled else lazy
    pyvolume.from_xarray(array, volume, dims="zyx")
    np.testing.assert_array_equal(volume[0], voxels.T, strict=True)
    assert computed == [16 * 16 * 32] * 12


@pytest.mark.parametrize("dims", ["zcyx", "cxyz"], ids=["xarray", "volume"])
def test_a_volume_is_read_once_and_by_the_part(dims: str) -> None:
    voxels = ramp((2, 30, 20, 16), "uint16")
    source = WatchedStore(voxels)
    target = pyvolume.from_array(np.zeros_like(voxels), block_shape=(8, 8, 8))
    in_pieces(target, voxels.nbytes // 4)
    lazy = pyvolume.Volume(source, source.metadata)
    pyvolume.from_xarray(lazy.data.transpose(*dims) if dims == "zcyx" else lazy, target, dims=dims)
    np.testing.assert_array_equal(target[...], voxels, strict=True)
    assert len(source.asked) > 1
    assert sum(box.size for _, box in source.asked) == voxels.size


@pytest.mark.parametrize(
    ("array", "options", "error", "message"),
    [
        (VOXELS, {"name": "a"}, MetadataError, "expected dims, such as 'xyc'"),
        (VOXELS, {"dims": "xyc"}, TypeError, "a name"),
        (VOXELS, {"dims": "xzc", "name": "a"}, MetadataError, "the axes x and y"),
        (VOXELS, {"dims": "xyt", "name": "two words"}, MetadataError, "a name without spaces"),
        (np.zeros((4, 4, 3)), {"dims": "xyt", "name": "a"}, MetadataError, "expected 't' to be one of c, x, y, z"),
    ],
)
def test_what_cannot_be_stored_is_refused_before_it_is_created(
    repo: pyvolume.dvid.repo.Repo, array: Any, options: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        pyvolume.from_xarray(array, repo, **options)
    assert {"a", "two words"}.isdisjoint(repo)


def test_targets_that_are_none_are_refused() -> None:
    volume = pyvolume.from_array(np.zeros((1, 4, 4)), "cxy")
    with pytest.raises(TypeError, match="this one exists"):
        pyvolume.from_xarray(np.zeros((4, 4)), volume, dims="xy", name="a")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="expected as the target a Volume or what creates volumes"):
        pyvolume.from_xarray(np.zeros((4, 4)), 7, dims="xy")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="a DataStore makes no volume of its url alone"):
        pyvolume.from_xarray(np.zeros((4, 4)), "hpc://localhost:1", dims="xy")
    with pytest.raises(TypeError, match="token belong to a url"):
        pyvolume.from_xarray(np.zeros((4, 4)), volume, dims="xy", token="a")  # type: ignore[call-overload]


def test_units_that_a_data_store_cannot_keep_are_refused(hpc_backend: DataStoreBackend) -> None:
    array = labelled().assign_coords(y=("y", np.arange(30.0), {"units": "nm"}))
    with pytest.raises(MetadataError, match="expected one unit for x, y and z"):
        pyvolume.from_xarray(array, hpc_backend.server)
