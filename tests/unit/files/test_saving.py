"""`Volume.save`: the file that the command would write, whole or not at all."""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import run_command
from conformance_stores import ramp
from watched_store import WatchedStore

import pyvolume
from mockserver import DataStoreServer, Fault, MockServer
from pyvolume.errors import ExistsError, ForbiddenError, SelectionError, UnsupportedError

h5py = pytest.importorskip("h5py", reason="h5py comes with the extra 'files'")
tifffile = pytest.importorskip("tifffile", reason="tifffile comes with the extra 'files'")
zarr = pytest.importorskip("zarr", reason="zarr comes with the extra 'files'")

ARRAY = ramp((1, 40, 30, 20))
SUFFIXES = ["npy", "npz", "h5", "zarr", "zarr.zip", "tif", "nii", "nii.gz", "ome.tif"]
"""The last one has a number in it that is drawn."""

PICTURES = ["png", "jpg"]


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


def content(path: Path) -> dict[str, bytes]:
    """Return the bytes of all files in a folder."""
    return {str(each.relative_to(path)): each.read_bytes() for each in path.rglob("*") if each.is_file()}


@pytest.fixture
def server() -> Iterator[MockServer]:
    with MockServer({"gray": ARRAY}) as server:
        yield server


@pytest.fixture
def gray(server: MockServer) -> Iterator[pyvolume.Volume]:
    with pyvolume.open(f"dvid://{server.url}/{server.uuid}/gray") as volume:
        yield volume


class TestContent:
    @pytest.mark.parametrize("suffix", [*SUFFIXES[:-1], *PICTURES])
    def test_is_byte_for_byte_that_of_the_command(
        self, gray: pyvolume.Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
    ) -> None:
        monkeypatch.setattr("time.time", lambda: 1e9)  # gzip writes it
        slices = "[0, 3:17, 2:19, 5]" if suffix in PICTURES else "[:, 3:17, ::2]"
        for folder in ("command", "save"):
            (tmp_path / folder).mkdir()
        done = run_command("get", f"{gray.store.address}{slices}", str(tmp_path / "command" / f"cut.{suffix}"))
        assert done.code == 0, done.err
        key = np.s_[0, 3:17, 2:19, 5] if suffix in PICTURES else np.s_[:, 3:17, ::2]
        gray.save(tmp_path / "save" / f"cut.{suffix}", key)
        assert content(tmp_path / "save") == content(tmp_path / "command") != {}

    def test_a_zip_does_not_tell_when_it_was_written(self, gray: pyvolume.Volume, tmp_path: Path) -> None:
        gray.save(tmp_path / "cut.zarr.zip")
        with zipfile.ZipFile(tmp_path / "cut.zarr.zip") as archive:
            assert {each.date_time for each in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_opens_at_the_place_of_the_box(self, gray: pyvolume.Volume, tmp_path: Path, suffix: str) -> None:
        box = pyvolume.Box((0, 3, 4, 5), (1, 20, 21, 15))
        gray.save(tmp_path / f"cut.{suffix}", box=box)
        with pyvolume.open(tmp_path / f"cut.{suffix}") as cut:
            place = cut.bounds if suffix == "npy" else box
            same(cut.read(place), ARRAY[box.slices_from((0, 0, 0, 0))])

    def test_is_all_that_is_stored_without_a_key_and_a_box(self, tmp_path: Path) -> None:
        volume = pyvolume.from_array(np.zeros((1, 4, 4, 4), "uint8"), growable=True)
        volume.write(((0, -2, 0, 0), (1, 4, 4, 4)), ramp((1, 6, 4, 4)))
        volume.save(tmp_path / "all.npy")
        same(np.load(tmp_path / "all.npy"), ramp((1, 6, 4, 4)))

    def test_a_time_series_becomes_an_ome_tiff_with_progress(self, tmp_path: Path) -> None:
        movie, seen = ramp((2, 8, 8, 8, 3, 1), "uint16"), list[pyvolume.TransferStatus]()
        with DataStoreServer() as server, pyvolume.hpc.DataStore(server.url) as store:
            dataset = store.create_dataset(
                (8, 8, 8), "uint16", channels=2, timepoints=[0, 1, 2], levels=[((1, 1, 1), (4, 4, 4))]
            )
            volume = dataset.volume()
            volume[...] = movie
            volume.save(tmp_path / "movie.ome.tif", progress=seen.append)
        with tifffile.TiffFile(tmp_path / "movie.ome.tif") as file:
            assert file.series[0].axes == "TZCYX"
            same(file.asarray(), movie[..., 0].transpose(4, 3, 0, 2, 1))
        assert (seen[-1].bytes_done, seen[-1].bytes_total) == (movie.nbytes, movie.nbytes)

    def test_names_the_axes_of_a_list_as_numpy_orders_them(self, tmp_path: Path) -> None:
        pyvolume.from_array(ARRAY).save(tmp_path / "cut.npz", np.s_[0, :, [5, 3], 2])
        with np.load(tmp_path / "cut.npz") as cut:
            same(cut["voxels"], ARRAY[0, :, [5, 3], 2])
            assert str(cut["axes"]) == "yx"

    @pytest.mark.parametrize("key", [np.s_[0, [0, 1], [5, 3]], np.s_[0, None], ARRAY > 200, np.s_[0, [[1, 2], [3, 4]]]])
    def test_has_axes_of_the_volume_only(self, tmp_path: Path, key: Any) -> None:
        with pytest.raises(SelectionError, match="save: expected a key whose array has axes of the volume"):
            pyvolume.from_array(ARRAY).save(tmp_path / "cut.npz", key)

    def test_is_told_as_a_list_arrives(self, tmp_path: Path) -> None:
        seen = list[pyvolume.TransferStatus]()
        pyvolume.from_array(ARRAY).save(tmp_path / "cut.h5", np.s_[:, [7, 3]], progress=seen.append)
        assert seen[-1].bytes_done == ARRAY[:, [7, 3]].nbytes


class TestMode:
    def test_a_file_that_is_there_stays(self, tmp_path: Path) -> None:
        (tmp_path / "cut.npy").write_text("precious")
        with pytest.raises(ExistsError, match=r"cut\.npy: it exists; mode='w' replaces it"):
            pyvolume.from_array(ARRAY).save(tmp_path / "cut.npy")
        assert (tmp_path / "cut.npy").read_text() == "precious"

    def test_w_replaces_it(self, tmp_path: Path) -> None:
        (tmp_path / "cut.npy").write_text("old")
        pyvolume.from_array(ARRAY).save(tmp_path / "cut.npy", mode="w")
        same(np.load(tmp_path / "cut.npy"), ARRAY)

    def test_a_failure_keeps_the_old_file(self, server: MockServer, gray: pyvolume.Volume, tmp_path: Path) -> None:
        (tmp_path / "cut.npy").write_text("old")
        server.faults.add(Fault("error", status=403, path=".*/raw/.*"))
        with pytest.raises(ForbiddenError):
            gray.save(tmp_path / "cut.npy", mode="w")
        assert content(tmp_path) == {"cut.npy": b"old"}

    def test_another_word_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="mode is 'w-' or 'w', not 'a'"):
            pyvolume.from_array(ARRAY).save(tmp_path / "cut.npy", mode="a")  # type: ignore[arg-type]


class TestOptions:
    @pytest.mark.parametrize("chunks", [8, (1, 8, 8, 8), [1, 8, 8, 8]])
    def test_a_dataset_of_hdf5(self, tmp_path: Path, chunks: Any) -> None:
        volume = pyvolume.from_array(ARRAY)
        volume.save(tmp_path / "cut.h5", dataset="raw/gray", chunks=chunks, compression="gzip")
        with h5py.File(tmp_path / "cut.h5") as file:
            found = file["raw/gray"]
            assert (found.chunks, found.compression) == ((1, 8, 8, 8), "gzip")
            same(found[...], ARRAY)

    def test_a_file_with_a_dataset_of_another_name_is_opened(self, tmp_path: Path) -> None:
        pyvolume.from_array(ARRAY).save(tmp_path / "cut.h5", dataset="raw/gray")
        with pyvolume.open(tmp_path / "cut.h5") as cut:
            same(cut[...], ARRAY)

    def test_an_image_of_zarr(self, tmp_path: Path) -> None:
        pyvolume.from_array(ARRAY).save(tmp_path / "cut.zarr", chunks=(1, 4, 8, 16), compressors=None)
        found = zarr.open_array(str(tmp_path / "cut.zarr"), path="0", mode="r")
        assert (found.chunks, found.compressors) == ((1, 16, 8, 4), ())
        same(np.asarray(found[...]), np.einsum("cxyz->czyx", ARRAY))

    def test_an_array_of_zarr_alone(self, tmp_path: Path) -> None:
        pyvolume.from_array(ARRAY).save(tmp_path / "cut.zarr", format="zarr")
        found = zarr.open_array(str(tmp_path / "cut.zarr"), mode="r")
        same(np.asarray(found[...]), np.einsum("cxyz->czyx", ARRAY))

    def test_formats_have_methods_that_name_their_options(self, tmp_path: Path) -> None:
        volume = pyvolume.from_array(ARRAY)
        volume.to_zarr(tmp_path / "cut.zarr", np.s_[:, 3:9], chunks=4, format="0.4")
        volume.to_h5(tmp_path / "cut.h5", box=((0, 3, 0, 0), (1, 9, 30, 20)), dataset="raw", compression="gzip")
        volume.to_tiff(tmp_path / "cut.ome.tif", np.s_[:, 3:9])
        for name in ("cut.zarr", "cut.h5", "cut.ome.tif"):
            with pyvolume.open(tmp_path / name) as cut:
                same(cut.read(cut.bounds), ARRAY[:, 3:9])
        with h5py.File(tmp_path / "cut.h5") as file:
            assert file["raw"].compression == "gzip"
        for method, name in (("to_zarr", "a.h5"), ("to_h5", "a.tif"), ("to_tiff", "a.zarr")):
            with pytest.raises(UnsupportedError, match="expected a path that ends with"):
                getattr(volume, method)(tmp_path / name)

    def test_axes_that_ome_zarr_lacks_become_an_array_alone(self, tmp_path: Path) -> None:
        angles = ramp((1, 4, 4, 4, 2, 2))
        pyvolume.from_array(angles, dims="cxyzta").save(tmp_path / "cut.zarr")
        with pyvolume.open(tmp_path / "cut.zarr") as cut:
            assert cut.dims == tuple("cxyzta")
            same(cut[...], angles)
        with pytest.raises(UnsupportedError, match='format="zarr"'):
            pyvolume.from_array(angles, dims="cxyzta").save(tmp_path / "ome.zarr", format="0.5")
        assert not (tmp_path / "ome.zarr").exists()

    @pytest.mark.parametrize(
        ("name", "option", "told"),
        [
            ("cut.h5", "compresion", r"\.h5 has no option 'compresion'; did you mean 'compression'\?"),
            ("cut.npy", "boxx", r"\.npy has no option 'boxx'; did you mean 'box'\?"),
            ("cut.nii.gz", "chunks", r"\.nii\.gz has no option 'chunks'; there are key, box, mode, progress"),
        ],
    )
    def test_one_that_the_format_lacks_names_the_nearest(
        self, tmp_path: Path, name: str, option: str, told: str
    ) -> None:
        options: dict[str, Any] = {option: 1}
        with pytest.raises(TypeError, match=told):
            pyvolume.from_array(ARRAY).save(tmp_path / name, **options)
        assert list(tmp_path.iterdir()) == []

    def test_chunks_have_one_length_for_each_axis(self, tmp_path: Path) -> None:
        with pytest.raises(SelectionError, match=r"expected 3 lengths for chunks of \(40, 30, 20\) and found \[8, 8\]"):
            pyvolume.from_array(ARRAY).save(tmp_path / "cut.h5", 0, chunks=(8, 8))
        assert list(tmp_path.iterdir()) == []


class TestRefusals:
    """Before any voxel is read."""

    @pytest.mark.parametrize(
        ("name", "key", "error"),
        [
            ("cut.doc", None, UnsupportedError),
            ("cut.npy", np.s_[:, 5:5], SelectionError),
            ("cut.npy", np.s_[1], SelectionError),
            ("cut.png", np.s_[0], UnsupportedError),
        ],
    )
    def test_ask_nothing_and_leave_nothing(self, tmp_path: Path, name: str, key: Any, error: type[Exception]) -> None:
        store = WatchedStore(ARRAY)
        with pytest.raises(error):
            store.volume().save(tmp_path / name, key)
        assert (store.asked, list(tmp_path.iterdir())) == ([], [])

    def test_a_key_and_a_box_are_too_much(self, tmp_path: Path) -> None:
        with pytest.raises(TypeError, match="save: expected a key or a box, and found both"):
            pyvolume.from_array(ARRAY).save(tmp_path / "cut.npy", 0, box=((0, 0, 0, 0), (1, 1, 1, 1)))


class TestAsyncio:
    def test_it_is_awaited(self, gray: pyvolume.Volume, tmp_path: Path) -> None:
        asyncio.run(pyvolume.aio.AsyncVolume(gray).save(tmp_path / "cut.h5", np.s_[:, 3:9], dataset="a"))
        with h5py.File(tmp_path / "cut.h5") as file:
            same(file["a"][...], ARRAY[:, 3:9])

    def test_a_cancelled_task_leaves_no_file(self, server: MockServer, gray: pyvolume.Volume, tmp_path: Path) -> None:
        async def main() -> None:
            task = asyncio.create_task(pyvolume.aio.AsyncVolume(gray).save(tmp_path / "cut.h5"))
            async with asyncio.timeout(60):
                while server.faults.unfired:
                    await asyncio.sleep(0.001)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        server.faults.add(Fault("stall", path=".*/raw/.*"))
        asyncio.run(main())
        assert list(tmp_path.iterdir()) == []
