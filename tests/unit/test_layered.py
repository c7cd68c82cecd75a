"""The reader of napari: what it accepts, what npe2 makes of it, and which requests it sends; napari is not needed."""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance_stores import ramp

import pyvolume
from mockserver import DataStoreServer, Fault, MockServer
from pyvolume.errors import AddressError, ForbiddenError, NotFoundError, UnsupportedError
from pyvolume.files import formats
from pyvolume.files.description import Description
from pyvolume.hpc import DataStore
from pyvolume.layered import get_reader, read_layers
from pyvolume.stores import registry

npe2 = pytest.importorskip("npe2", reason="npe2 comes with the extra 'napari'")
pytest.importorskip("dask", reason="dask comes with the extra 'napari'")

PLUGIN = "pyvolume-sdk"
GRAY = ramp((1, 128, 64, 96), "uint16")
LABELS = ramp((1, 64, 64, 64), "uint64")


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with MockServer({"gray": GRAY, "labels": LABELS}) as server:
        yield server


@pytest.fixture(scope="module")
def manager() -> Any:
    manager = npe2.PluginManager.instance()
    manager.discover()
    return manager


def stored(path: Path, voxels: Any) -> Path:
    """Write voxels with the axes x, y, z to a file that says where they lie."""
    description = Description("xyz", "cxyz", (0, 10, 0, 0), (1,) * 4, (8.0, 8.0, 40.0), ("nanometers",) * 3)
    with formats.create(path, voxels.shape, voxels.dtype, description) as target:
        target[...] = voxels
    return path


def test_the_manifest_is_valid_and_names_the_reader() -> None:
    manifest = npe2.PluginManifest.from_distribution(PLUGIN)
    assert manifest.name == PLUGIN
    manifest.validate_imports()
    (reader,) = manifest.contributions.readers
    (command,) = manifest.contributions.commands
    assert (reader.command, command.python_name) == (command.id, "pyvolume.layered:get_reader")


def test_the_manifest_names_the_urls_of_all_protocols_and_suffixes_that_are_known() -> None:
    (reader,) = npe2.PluginManifest.from_distribution(PLUGIN).contributions.readers
    urls = {pattern for pattern in reader.filename_patterns if "://" in pattern}
    assert urls == {f"{name}://*" for name in registry.DRIVERS if name != "file"}
    assert {pattern.lstrip("*") for pattern in set(reader.filename_patterns) - urls} <= {*formats.FORMATS, ".n5"}


@pytest.mark.parametrize(
    ("path", "is_ours"),
    [
        ("dvid://http://localhost:8000/:master/gray", True),
        ("hpc://http://localhost:9080/1a2b", True),
        ("scan.NII.gz", True),
        ("cut.h5", True),
        ("cut.ome.tif", True),
        ("cut.tif", False),
        ("picture.png", False),
        ("http://localhost:8000/gray", False),
    ],
)
def test_npe2_finds_the_reader_for_its_urls_and_files_only(manager: Any, path: str, is_ours: bool) -> None:
    found = [reader.plugin_name for reader in manager.iter_compatible_readers([path])]
    assert (PLUGIN in found) is is_ours


@pytest.mark.parametrize(
    "path", ["http://localhost/gray", "cut.txt", "cut", "ftp://host/a", ["a.h5", "b.h5"], None, b"a.h5", "."]
)
def test_what_is_no_volume_is_left_to_other_readers(path: Any) -> None:
    assert get_reader(path) is None


def test_of_folders_only_those_of_zarr_are_accepted(tmp_path: Path) -> None:
    for name in ("cut.h5", "cut.zarr"):
        (tmp_path / name).mkdir()
    assert get_reader(str(tmp_path)) is None
    assert get_reader(str(tmp_path / "cut.h5")) is None
    assert get_reader(str(tmp_path / "cut.zarr")) is read_layers
    assert get_reader(str(tmp_path / "cut.zarr" / "0")) is read_layers


def test_npe2_reads_a_url(manager: Any, server: MockServer) -> None:
    ((data, options, kind),) = npe2.read([f"dvid://{server.url}/:master/gray"], stack=False)
    assert kind == "image"
    assert (options["name"], options["scale"], options["units"]) == ("gray", [8.0] * 3, ["nm"] * 3)
    assert options["metadata"] == {"url": f"dvid://{server.url}/{server.uuid}/gray", "version": server.uuid}
    np.testing.assert_array_equal(data, GRAY[0].T, strict=True)


def test_labels_of_a_server_are_labels(server: MockServer) -> None:
    ((data, _, kind),) = read_layers(f"dvid://{server.url}/:master/labels")
    assert kind == "labels"
    np.testing.assert_array_equal(data, LABELS[0].T, strict=True)


@pytest.mark.parametrize("name", ["cut.zarr", "cut.h5", "cut.nii.gz", "cut.ome.tif"])
def test_npe2_reads_a_file(manager: Any, tmp_path: Path, name: str) -> None:
    pytest.importorskip("zarr", reason="zarr comes with the extra 'files'")
    voxels = ramp((12, 10, 8), "uint8")
    path = stored(tmp_path / name, voxels)
    ((data, options, kind),) = npe2.read([str(path)], stack=False, plugin_name=PLUGIN)
    assert (kind, options["name"], options["scale"]) == ("image", name, [40.0, 8.0, 8.0])
    assert options["translate"] == [0.0, 0.0, 80.0]
    np.testing.assert_array_equal(data, voxels.T, strict=True)


def test_opening_reads_no_voxel_and_a_plane_reads_its_blocks_only(server: MockServer) -> None:
    before = len(server.requests)
    ((data, _, _),) = read_layers(f"dvid://{server.url}/:master/gray")
    assert [each.path for each in server.requests[before:] if "/raw/" in each.path] == []
    before = len(server.requests)
    np.testing.assert_array_equal(data[40, :50], GRAY[0, :, :50, 40].T)
    (request,) = server.requests[before:]
    assert "/raw/0_1_2/128_64_32/0_0_32" in request.path


def test_resolution_levels_are_one_layer() -> None:
    levels = [((1, 1, 1), (16, 16, 16)), ((2, 2, 1), (16, 16, 16)), ((4, 4, 2), (16, 16, 16))]
    with DataStoreServer() as server, DataStore(server.url) as store:
        volume = store.create_dataset((64, 48, 16), "uint8", levels=levels, channels=2, timepoints=2).volume()
        volume[...] = ramp(volume.shape, "uint8")
        pyvolume.build_pyramid(volume)
        before = len(server.requests)
        ((data, options, kind),) = read_layers(volume.store.address)
        assert [each.path for each in server.requests[before:] if each.method != "GET"] == []
        assert [array.shape for array in data] == [(2, 2, 1, 16, 48, 64), (2, 2, 1, 16, 24, 32), (2, 2, 1, 8, 12, 16)]
        assert (kind, options["multiscale"], options["channel_axis"]) == ("image", True, 0)
        assert options["metadata"] == {"url": volume.store.address, "version": "0"}
        for level, array in enumerate(data):
            expected = np.einsum("cxyzta->ctazyx", volume.scale(level)[...])
            np.testing.assert_array_equal(array, expected, strict=True)


def test_a_url_of_a_coarser_level_begins_there() -> None:
    levels = [((1, 1, 1), (16, 16, 16)), ((2, 2, 1), (16, 16, 16)), ((4, 4, 2), (16, 16, 16))]
    with DataStoreServer() as server, DataStore(server.url) as store:
        volume = store.create_dataset((64, 48, 16), "uint8", levels=levels, resolution=(0.5, 0.5, 2)).volume()
        ((data, options, _),) = read_layers(volume.scale(1).store.address)
        assert [array.shape for array in data] == [(1, 1, 16, 24, 32), (1, 1, 8, 12, 16)]
        assert options["scale"][-3:] == [2.0, 1.0, 1.0]


def test_levels_of_a_zarr_are_one_layer(manager: Any, tmp_path: Path) -> None:
    zarr: Any = pytest.importorskip("zarr", reason="zarr comes with the extra 'files'")
    voxels = ramp((8, 24, 16), "uint16")
    path = tmp_path / "image.zarr"
    group = zarr.open_group(str(path), mode="w")
    axes = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "zyx"]
    datasets = []
    for level in range(3):
        group.create_array(str(level), data=voxels[:, :: 2**level, :: 2**level])
        scale = [2.0, 0.5 * 2**level, 0.5 * 2**level]
        datasets.append({"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": scale}]})
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    ((data, options, kind),) = npe2.read([str(path)], stack=False, plugin_name=PLUGIN)
    assert (kind, options["name"], options["multiscale"]) == ("image", "image.zarr", True)
    assert (options["scale"], options["units"]) == ([2.0, 0.5, 0.5], ["µm"] * 3)
    for level, array in enumerate(data):
        np.testing.assert_array_equal(array, voxels[:, :: 2**level, :: 2**level], strict=True)


def test_a_layer_reads_after_the_volume_is_collected(server: MockServer) -> None:
    ((data, _, _),) = read_layers(f"dvid://{server.url}/:master/gray")
    gc.collect()
    np.testing.assert_array_equal(data[3, 4], GRAY[0, :, 4, 3])


def test_a_volume_that_cannot_be_shown_is_closed(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="h5py comes with the extra 'files'")
    path = tmp_path / "line.h5"
    with h5py.File(path, "w") as file:
        file["line"] = np.arange(5, dtype="uint8")
    with pytest.raises(UnsupportedError, match="expected a plane of voxels") as found:
        read_layers(str(path))
    assert found.traceback  # it holds the volume
    h5py.File(path, "r+").close()  # refused while the file is open for reading


@pytest.mark.parametrize(
    ("rest", "error", "message"),
    [
        ("", AddressError, "expected the url of a volume, .* and found that of a server"),
        ("/:master", AddressError, "expected the url of a volume, .* and found that of a version"),
        ("/:master/other", NotFoundError, "no volume 'other' in repository"),
    ],
)
def test_a_url_of_something_else_is_one_sentence(
    manager: Any, server: MockServer, rest: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as found:
        npe2.read([f"dvid://{server.url}{rest}"], stack=False)
    assert "\n" not in str(found.value)


def test_a_missing_file_is_one_sentence(manager: Any, tmp_path: Path) -> None:
    path = tmp_path / "cut.h5"
    with pytest.raises(AddressError, match=re.escape(f"open: there is no file {path}")):
        npe2.read([str(path)], stack=False, plugin_name=PLUGIN)


def test_a_busy_server_is_asked_again(server: MockServer) -> None:
    ((data, _, _),) = read_layers(f"dvid://{server.url}/:master/gray")
    server.faults.add(Fault("busy", path=".*/raw/.*", times=1))
    np.testing.assert_array_equal(data[3, 4], GRAY[0, :, 4, 3])


def test_a_refusal_reaches_napari(server: MockServer) -> None:
    server.faults.add(Fault("error", status=403, path=".*/info.*"))
    with pytest.raises(ForbiddenError):
        read_layers(f"dvid://{server.url}/:master/gray")
    server.faults.clear()


@pytest.mark.parametrize("is_named", [True, False])
def test_a_token_goes_to_a_server_of_the_environment_only(
    server: MockServer, monkeypatch: pytest.MonkeyPatch, is_named: bool
) -> None:
    monkeypatch.setenv("PYVOLUME_TOKEN", "open-sesame")
    monkeypatch.setenv("DVID_ADMIN_TOKEN", "shut-sesame")
    monkeypatch.setenv("PYVOLUME_TOKEN_HOST", server.url if is_named else "http://localhost:1")
    before = len(server.requests)
    read_layers(f"dvid://{server.url}/:master/gray")
    sent = "".join(f"{request.path} {request.headers}" for request in server.requests[before:])
    assert ("open-sesame" in sent, "shut-sesame" in sent) == (is_named, False)


def test_a_missing_library_names_the_extra(server: MockServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dask", None)
    with pytest.raises(ImportError, match=r'a layer of napari needs dask: pip install "pyvolume-sdk\[napari\]"'):
        read_layers(f"dvid://{server.url}/:master/gray")
