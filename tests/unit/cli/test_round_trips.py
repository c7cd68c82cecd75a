"""Whatever `get` writes, `put` takes back to the same voxels and the same place, in every format; or it is refused."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Run, run_command
from conformance_stores import ramp
from numpy.typing import NDArray

import pyvolume
from mockserver import MockServer
from pyvolume import Box

SHAPE = (32, 32, 32)
SUFFIXES = ["npz", "h5", "zarr", "tif", "ome.tif", "nii", "nii.gz", "png"]
KEYS: dict[str, Any] = {
    "all": np.s_[...],
    "box": np.s_[:, 3:17, 2:19, 5:11],
    "thin box": np.s_[:, 3:4, 2:19, 5:11],
    "plane of x, y": np.s_[:, 3:17, 2:19, 5],
    "plane of x, z": np.s_[:, 3:17, 2, 5:11],
    "plane of y, z": np.s_[:, 3, 2:19, 5:11],
    "plane of one row": np.s_[:, 3:17, 2:3, 5],
    "line": np.s_[:, 3, 2:19, 5],
    "point": np.s_[:, 3, 2, 5],
    "reversed": np.s_[:, ::-1, 2:19, 11:5:-1],
    "reversed plane": np.s_[:, 17:3:-1, ::-1, 5],
    "stepped": np.s_[:, 3:17:3, ::2, 5:11],
    "reversed and stepped": np.s_[:, 17:3:-4, 2:19, ::-5],
    "stepped plane": np.s_[:, 17:3:-4, ::3, 5],
}
PLANES = {name for name in KEYS if "plane" in name} | {"thin box"}
"""What a picture can hold."""

PLACED = [name for name in KEYS if "stepped" not in name]
"""What a volume can hold at its coordinates."""

PICTURES = {"tif", "ome.tif", "png"}
"""What stores channels in another way where there are four."""

CHANNELS = {1: "1 channel", 4: "4 channels"}


def cases(names: Sequence[str]) -> list[Any]:
    """Return each format with each key: pictures with one channel and with four, the others with either in turn."""
    pairs = itertools.product(enumerate(SUFFIXES), enumerate(names))
    return [
        pytest.param(channels, suffix, name, id=f"{CHANNELS[channels]}-{suffix}-{name}")
        for (i, suffix), (j, name) in pairs
        for channels in (CHANNELS if suffix in PICTURES else [list(CHANNELS)[(i + j) % 2]])
    ]


@pytest.fixture(scope="module", params=CHANNELS, ids=CHANNELS.get)
def voxels(request: pytest.FixtureRequest) -> NDArray[Any]:
    return ramp((request.param, *SHAPE), "uint8")


@pytest.fixture(scope="module")
def shared(voxels: NDArray[Any]) -> Iterator[tuple[MockServer, pyvolume.Volume]]:
    """Give a server for all tests, and its instance "target"."""
    with (
        MockServer({"source": voxels, "target": np.zeros_like(voxels)}) as server,
        pyvolume.open(f"dvid://{server.url}/:master/target", mode="r+") as target,
    ):
        yield server, target


@pytest.fixture
def server(
    shared: tuple[MockServer, pyvolume.Volume], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MockServer]:
    """Give the server with an empty target, and an empty folder to work in."""
    server, target = shared
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYVOLUME_URL", server.url)
    yield server
    target[...] = 0


@pytest.fixture
def run() -> Run:
    return run_command


def text_of(key: Any) -> str:
    """Return a key as the command takes it; `...` is left out."""
    return "" if key is Ellipsis else f"[{', '.join(map(_part, key))}]"


def _part(item: int | slice) -> str:
    if isinstance(item, int):
        return str(item)
    return ":".join("" if n is None else str(n) for n in (item.start, item.stop, item.step))


def only(voxels: NDArray[Any], key: Any) -> NDArray[Any]:
    """Return an array with zeros but for the voxels of a key."""
    expected = np.zeros_like(voxels)
    expected[key] = voxels[key]
    return expected


@pytest.mark.parametrize(("voxels", "suffix", "name"), cases(list(KEYS)), indirect=["voxels"])
def test_voxels_come_back_to_their_place(
    run: Run, server: MockServer, voxels: NDArray[Any], suffix: str, name: str
) -> None:
    key = KEYS[name]
    asked = len(server.requests)
    done = run("get", f":master/source{text_of(key)}", f"cut.{suffix}")
    if suffix == "png" and name not in PLANES:
        assert done.code == 5
        assert list(Path().iterdir()) == []
        assert not any("/raw/" in request.path for request in list(server.requests)[asked:])
        return
    assert done.code == 0, done.err
    done = run("put", f"cut.{suffix}", ":master/target")
    assert (done.code, done.err) == (0, "")
    np.testing.assert_array_equal(server.voxels("target"), only(voxels, key), strict=True)


@pytest.mark.parametrize("name", KEYS)
def test_an_array_without_a_place_needs_slices(run: Run, server: MockServer, voxels: NDArray[Any], name: str) -> None:
    assert run("get", f":master/source{text_of(KEYS[name])}", "cut.npy").code == 0
    refused = run("put", "cut.npy", ":master/target")
    assert refused.code == 2
    assert not server.voxels("target").any()
    slices = text_of(KEYS[name]) or "[...]"
    assert run("put", "cut.npy", f":master/target{slices}").code == 0
    np.testing.assert_array_equal(server.voxels("target"), only(voxels, KEYS[name]), strict=True)


def test_the_slices_of_the_refusal_can_be_used(run: Run, server: MockServer, voxels: NDArray[Any]) -> None:
    np.save("part.npy", voxels[0, :4, :5, :6])
    refused = run("put", "part.npy", ":master/target").err
    run("put", "part.npy", f":master/target{refused[refused.index('[') :].strip()}")
    np.testing.assert_array_equal(server.voxels("target"), only(voxels, np.s_[0, :4, :5, :6]), strict=True)


@pytest.mark.parametrize(("voxels", "suffix", "name"), cases(PLACED), indirect=["voxels"])
def test_a_file_opens_at_the_same_place(
    run: Run, server: MockServer, voxels: NDArray[Any], suffix: str, name: str
) -> None:
    if run("get", f":master/source{text_of(KEYS[name])}", f"cut.{suffix}").code == 0:
        with pyvolume.open(f"cut.{suffix}") as volume:
            box = volume.bounds
            found = volume.get_ndarray(box.start, box.stop)
        np.testing.assert_array_equal(found, voxels[box.slices_from((0,) * 4)], strict=True)
        assert box.size == voxels[KEYS[name]].size
    else:
        assert suffix == "png"
        assert name not in PLANES


NAMES = ["CUT.NPZ", "CUT.NPY", "CUT.H5", "CUT.Zarr", "CUT.TIF", "CUT.OME.TIF", "CUT.NII.GZ", "cut.hdf5", "cut.tiff"]


@pytest.mark.parametrize("name", NAMES)
def test_a_suffix_can_be_in_capitals_or_a_longer_one(
    run: Run, server: MockServer, voxels: NDArray[Any], name: str
) -> None:
    assert run("get", ":master/source[:, :4, :5, :6]", name).code == 0
    assert [path.name for path in Path().iterdir()] == [name]
    assert run("put", name, ":master/target[:, :4, :5, :6]").code == 0
    np.testing.assert_array_equal(server.voxels("target"), only(voxels, np.s_[:, :4, :5, :6]), strict=True)


@pytest.mark.parametrize("suffix", ["npy", *SUFFIXES])
def test_a_name_can_be_as_long_as_names_can_be(run: Run, server: MockServer, suffix: str) -> None:
    name = f"{'ü' * ((254 - len(suffix)) // 2)}.{suffix}"
    assert run("get", ":master/source[:, :4, :5, 6]", name).code == 0
    assert run("put", name, ":master/target[:, :4, :5, 6]").code == 0


@pytest.mark.parametrize("folder", ["data.zarr", ".zarr"])
@pytest.mark.parametrize("suffix", ["npy", *SUFFIXES])
def test_a_folder_of_zarr_can_hold_other_files(
    run: Run, server: MockServer, voxels: NDArray[Any], folder: str, suffix: str
) -> None:
    Path(folder).mkdir()
    assert run("get", ":master/source[:, :4, :5, 6]", f"{folder}/cut.{suffix}").code == 0
    assert run("put", f"{folder}/cut.{suffix}", ":master/target[:, :4, :5, 6]").code == 0
    np.testing.assert_array_equal(server.voxels("target"), only(voxels, np.s_[:, :4, :5, 6]), strict=True)


@pytest.mark.parametrize(
    ("name", "key"), [("w.nii", "0, :40000, :2"), ("w.nii.gz", "0, :40000, 0"), ("w.jpg", "0, :70000, :2, 0")]
)
def test_the_limit_of_a_format_is_known_before_voxels_are_fetched(
    run: Run, name: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with MockServer() as server, pyvolume.dvid.Server(server.url) as client:
        repo = client.create_repo("wide")
        repo.create_volume("wide", (70144, 2, 1), "uint8", block_shape=(512, 1, 1))
        done = run("get", f"{server.url}/{repo.root_uuid}/wide[{key}]", name)
        assert done.code == 5
        assert not any("/raw/" in request.path for request in server.requests)
    assert list(tmp_path.iterdir()) == []


def test_a_large_picture_comes_back(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 100)
    monkeypatch.chdir(tmp_path)
    plane = ramp((1, 30, 40, 1), "uint8")
    with MockServer({"g": plane}) as server:
        assert run("get", f"{server.url}/:master/g[..., 0]", "large.png").code == 0
    with pyvolume.open("large.png") as volume:
        assert volume.bounds == Box((0, 0, 0, 0), (1, 30, 40, 1))
        np.testing.assert_array_equal(volume[...], plane, strict=True)
