"""Files as volumes: axes, places and sizes come from the metadata; voxels are written in place."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fsdb_by_hand import VOXELS, npz, write_2026

import pyvolume
from pyvolume.errors import AddressError, ExistsError, KeyNotFoundError, MetadataError, UnsupportedError
from pyvolume.local import Fileset, LocalStore

STACK = np.arange(4 * 5 * 6, dtype="uint16").reshape(4, 5, 6)
NM = ("nanometers",) * 3


@pytest.fixture
def raw(store: LocalStore) -> Fileset:
    return store.create("fern").create("raw")


@pytest.fixture
def romi(tmp_path: Path) -> LocalStore:
    write_2026(tmp_path / "romi")
    return LocalStore(tmp_path / "romi", "r+", fsync=False)


def test_voxels_of_romi_have_the_axes_x_y_z(romi: LocalStore) -> None:
    with romi["fern_0042"]["Voxels_1__0123456789"]["Voxels"].volume() as volume:
        assert volume.dims == ("c", "x", "y", "z")
        assert volume.resolution == (0.5,) * 3
        assert volume.metadata.translation == (-1.0, 0.0, 2.0)
        np.testing.assert_array_equal(volume[0], VOXELS, strict=True)


def test_a_tiff_of_romi_is_stored_along_x(romi: LocalStore) -> None:
    voxels = romi["fern_0042"]["Voxels_1__0123456789"]
    file = voxels.put("Voxels", VOXELS, format="tiff", overwrite=True)
    with file.volume() as volume:
        np.testing.assert_array_equal(volume[0], VOXELS, strict=True)
        assert volume.resolution == (0.5,) * 3


def test_recorded_axes_go_together_with_a_place(raw: Fileset) -> None:
    place = {"voxel_size": 2, "origin": [1, 2, 3], "pyvolume": "of somebody"}
    for axes, expected in ((None, STACK), ("zyx", STACK.T)):
        file = raw.put("stack", STACK, axes=axes, metadata=place, overwrite=True)
        with file.volume() as volume:
            assert (volume.resolution, volume.metadata.translation) == ((2.0,) * 3, (1.0, 2.0, 3.0))
            np.testing.assert_array_equal(volume[0], expected, strict=True)


def test_a_label_is_chosen_by_its_name(romi: LocalStore) -> None:
    file = romi["fern_0042"]["Voxels_1__0123456789"]["Voxels"]
    file.path.write_bytes(npz(leaf=VOXELS, stem=VOXELS[::-1]))
    with pyvolume.open(f"fsdb://{file.fileset.path}/Voxels?array=stem") as volume:
        np.testing.assert_array_equal(volume[0], VOXELS[::-1], strict=True)
    with pytest.raises(UnsupportedError, match=r"found \['leaf', 'stem'\]; array= chooses one"):
        file.volume()


@pytest.mark.parametrize("values", [{"voxel_size": "big"}, {"origin": [1, 2]}, {"voxel_size": None}])
def test_a_place_that_is_none_is_one_sentence(romi: LocalStore, values: dict[str, Any]) -> None:
    file = romi["fern_0042"]["Voxels_1__0123456789"]["Voxels"]
    file.set_metadata(values)
    with pytest.raises(MetadataError, match=r"Voxels.json: expected voxel_size and origin as numbers"):
        file.volume()


@pytest.mark.parametrize("suffix", ["npy", "npz", "tif", "h5", "zarr.zip"])
def test_axes_that_nobody_has_recorded_have_to_be_given(raw: Fileset, suffix: str) -> None:
    file = raw.put("stack", STACK, format=suffix)
    with pytest.raises(UnsupportedError, match=r"raw/stack.*: nothing says what the axes are; .* axes='zyx'"):
        file.volume()
    with file.volume(axes="zyx") as volume:
        np.testing.assert_array_equal(volume[0], STACK.T, strict=True)
        assert volume.store.address == f"fsdb://{raw.path}/stack?axes=zyx"
    with pyvolume.open(f"{raw.path}/stack?axes=xyz") as volume:
        np.testing.assert_array_equal(volume[0, 1:3], STACK[1:3], strict=True)
    with raw.put("stack", STACK, format=suffix, axes="zyx", overwrite=True).volume() as volume:
        np.testing.assert_array_equal(volume[0, :, 2], STACK.T[:, 2], strict=True)


def test_axes_that_cannot_be_are_refused(raw: Fileset) -> None:
    file = raw.put("stack", STACK, axes="zyx")
    for axes in ("zy", "zyxc"):
        with pytest.raises(MetadataError, match="expected 3 different letters"):
            file.volume(axes=axes)
    for axes in ("zzy", "z y", ""):
        with pytest.raises(AddressError, match="different letters"):
            raw.put("other", STACK, axes=axes)
    with pytest.raises(UnsupportedError, match="leave no choice of axes="):
        raw.put("plane", np.zeros((3, 4), "uint8"), format="png").volume(axes="yx")


@pytest.mark.parametrize("axes", ["", "ZYX", "z y", "zyé", "zzy"])
def test_axes_that_are_no_letters_are_refused(raw: Fileset, axes: str) -> None:
    file = raw.put("stack", STACK)
    for attempt in (
        lambda: file.volume(axes=axes),
        lambda: raw.put("other", STACK, axes=axes),
        lambda: pyvolume.open(f"fsdb://{raw.path}/stack", axes=axes),
        lambda: pyvolume.open(f"fsdb://{raw.path}/stack?axes={axes or 'Z'}"),
    ):
        with pytest.raises(AddressError, match="expected axes as different letters, as in 'zyx', and found"):
            attempt()


def test_axes_and_names_of_arrays_are_texts(raw: Fileset) -> None:
    file = raw.put("stack", STACK)
    with pytest.raises(TypeError, match=r"open .*stack.npz: expected axes as text and found 5"):
        file.volume(axes=5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"open .*stack.npz: expected array as text and found b'a'"):
        file.volume(axes="zyx", array=b"a")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"write .*/new: expected a Volume and found 'gray'"):
        raw.scan.pull("gray", "raw", "new")  # type: ignore[arg-type]


def test_voxels_are_written_in_place(raw: Fileset) -> None:
    for suffix in ("npy", "h5"):
        file = raw.scan.pull(pyvolume.from_array(STACK[None]), "raw", suffix, format=suffix)
        with file.volume("r+") as volume:
            volume[0, 1, 2] = 7
        assert "sha256" not in file.get_metadata("pyvolume")
        expected = STACK.copy()
        expected[1, 2] = 7
        with file.volume() as volume:
            np.testing.assert_array_equal(volume[0], expected, strict=True)
    with pytest.raises(UnsupportedError, match=r"fern/raw/npy.npy.*mode='r'; mode='r\+' allows changes"):
        LocalStore(raw.scan.path.parent)["fern"]["raw"]["npy"].volume("r+")
    with pytest.raises(UnsupportedError, match="not changed in place"):
        raw.put("packed", STACK, axes="xyz").volume("r+")


def test_a_volume_is_a_file_for_other_processes(raw: Fileset) -> None:
    file = raw.put("stack", STACK, format="npy", axes="zyx")
    with file.volume() as volume, pickle.loads(pickle.dumps(volume)) as again:
        np.testing.assert_array_equal(again[...], volume[...], strict=True)
        assert again.store.address == volume.store.address
    with file.volume("r+") as volume, pyvolume.open(file.path.as_uri(), "r+") as other:
        assert volume.store.traits.voxels == other.store.traits.voxels  # both lock the same boxes


def test_urls_and_paths_name_a_file_by_its_id_or_its_name(raw: Fileset, monkeypatch: pytest.MonkeyPatch) -> None:
    raw.put("stack", STACK, format="npy", axes="xyz")
    monkeypatch.chdir(raw.scan.path.parent.parent)
    for url in (f"fsdb://{raw.path}/stack", "db/fern/raw/stack", "db/fern/raw/stack.npy", raw.path / "stack"):
        with pyvolume.open(url) as volume:
            assert volume.store.address == f"fsdb://{raw.path}/stack"
    (raw.path / "beside.npy").write_bytes((raw.path / "stack.npy").read_bytes())
    with pyvolume.open("db/fern/raw/beside.npy") as volume:  # not listed: it is a file as any other
        assert volume.store.address.startswith("file://")


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("fsdb:///nowhere/a/b/c", AddressError, "no folder of the path has a file 'romidb'"),
        ("fsdb://", AddressError, "expected a folder database"),
        ("fsdb://DB/fern/raw", AddressError, "use pyvolume.connect"),
        ("fsdb://DB/fern/raw/stack/more", AddressError, "and found 4 names"),
        ("fsdb://DB/fern/raw/none", KeyNotFoundError, "there is no such file"),
        ("fsdb://DB/fern/none/stack", KeyNotFoundError, "there is no such fileset"),
        ("fsdb://DB/none/raw/stack", KeyNotFoundError, "there is no such scan"),
        ("fsdb://DB/fern/raw/stack?axis=zyx", AddressError, "no word 'axis'; did you mean 'axes'"),
        ("fsdb://DB/fern/raw/stack?axes=zzz", AddressError, "expected axes as different letters"),
        ("fsdb://DB/fern/raw/notes", UnsupportedError, "expected one of the suffixes"),
    ],
)
def test_a_url_that_names_no_volume_is_one_sentence(
    raw: Fileset, url: str, error: type[Exception], message: str
) -> None:
    raw.put("notes", "text")
    with pytest.raises(error, match=message):
        pyvolume.open(url.replace("DB", str(raw.scan.path.parent)))


def test_a_volume_is_created_with_its_scan_and_fileset(store: LocalStore) -> None:
    url = f"fsdb://{store.path}/new/set/cells"
    with pyvolume.create(url, (1, 4, 5, 6), "uint16", resolution=4, units="nanometers") as volume:
        volume[0] = STACK
    file = store["new"]["set"]["cells"]
    assert file.name == "cells.npy"
    assert (file.get_metadata("voxel_size"), file.get_metadata("origin")) == (4, [0, 0, 0])
    with file.volume() as volume:
        assert (volume.resolution, volume.units) == ((4,) * 3, NM)
        np.testing.assert_array_equal(volume[0], STACK, strict=True)
    with pytest.raises(ExistsError):
        pyvolume.create(url, (1, 4, 5, 6), "uint16")
    assert store.check() == []


def test_a_volume_is_created_in_chunks(store: LocalStore) -> None:
    url = f"fsdb://{store.path}/new/set"
    with pyvolume.create(f"{url}/a", (2, 4, 5, 6), "uint16", chunks=(1, 2, 5, 6), compression="gzip") as volume:
        assert volume.chunks == (1, 2, 5, 6)
        volume[1] = STACK
    with pyvolume.open(f"{url}/a.h5") as volume:
        np.testing.assert_array_equal(volume[:], np.stack([np.zeros_like(STACK), STACK]), strict=True)
    with pytest.raises(UnsupportedError, match=r"a \.npy has no chunks"):
        pyvolume.create(f"{url}/b.npy", (2, 4, 5, 6), "uint16", chunks=(1, 2, 5, 6))
    with pytest.raises(UnsupportedError, match="only files that are changed in place are created"):
        pyvolume.create(f"{url}/b.tif", (2, 4, 5, 6), "uint16")
    assert list(store["new"]["set"]) == ["a"]


def test_a_volume_that_cannot_be_created_leaves_no_scan(store: LocalStore) -> None:
    url = f"fsdb://{store.path}/new/set"
    with pytest.raises(UnsupportedError, match=r"create .*/new/set/a\.npy: a \.npy has no compression"):
        pyvolume.create(f"{url}/a.npy", (2, 4, 5, 6), "uint16", compression="gzip")
    with pytest.raises(UnsupportedError, match="expected a compression and found 'nope'"):
        pyvolume.create(f"{url}/a", (2, 4, 5, 6), "uint16", compression="nope")
    with pytest.raises(AddressError, match="expected an id"):
        pyvolume.create(f"fsdb://{store.path}/new/metadata/a", (2, 4, 5, 6), "uint16")
    assert (list(store), store.check()) == ([], [])


def test_connect_opens_a_database(store: LocalStore, tmp_path: Path) -> None:
    store.create("fern")
    with pyvolume.connect(f"fsdb://{store.path}", kind=LocalStore) as found:
        assert (list(found), found.mode) == (["fern"], "r")
    with pyvolume.connect(store.path, mode="r+") as found:
        assert found == store
    with pyvolume.connect(f"fsdb://{tmp_path}/other", mode="w-") as made:
        assert list(made) == []
    with pytest.raises(AddressError, match=r"found something in it; use connect\(...\)\['fern'\]"):
        pyvolume.connect(f"fsdb://{store.path}/fern")
