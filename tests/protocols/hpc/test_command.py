"""The command on the DataStore: what a Fiji macro does in one line is one line here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Run, run_command
from conformance_stores import ramp
from numpy.typing import NDArray

import pyvolume
from mockserver import DataStoreServer, MockServer
from pyvolume.cli.completion import complete_url
from pyvolume.files import formats
from pyvolume.hpc import Dataset, DataStore

pytest.importorskip("click", reason="click comes with the extra 'cli'")
pytest.importorskip("rich", reason="rich comes with the extra 'cli'")
tifffile = pytest.importorskip("tifffile", reason="tifffile comes with the extra 'files'")

SIZE = (10, 9, 5)


def same(found: object, expected: object) -> None:
    np.testing.assert_array_equal(found, expected, strict=True)


@pytest.fixture
def run(store: DataStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in an empty folder; PYVOLUME_URL names the server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYVOLUME_URL", f"hpc://{store.connection.url}")
    for name in ("PYVOLUME_TOKEN", "DVID_ADMIN_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return run_command


@pytest.fixture
def array() -> NDArray[Any]:
    return ramp((2, *SIZE, 3), "uint16")


@pytest.fixture
def movie(store: DataStore, array: NDArray[Any]) -> Iterator[Dataset]:
    """Give a full dataset with one angle."""
    made = store.create_dataset(
        SIZE, "uint16", timepoints=[20, 25, 33], channels=2, levels=[((1, 1, 1), (4, 4, 4)), ((2, 2, 1), (4, 4, 4))],
        resolution=(0.4, 0.4, 1.6), unit="um", time_resolution=(90.0, "s"), label="movie",
    )  # fmt: skip
    made.volume(angle=0)[...] = array
    made.volume(angle=0, level=1)[...] = array[:, ::2, :8:2]
    yield made
    store.delete(made.uuid)


@pytest.fixture
def url(movie: Dataset) -> str:
    return f"hpc://{movie.connection.url}/{movie.uuid}"


def done(run: Run, *arguments: str) -> str:
    found = run(*arguments)
    assert found.code == 0, found.err
    return found.out


class TestGet:
    def test_a_part_of_a_level_is_one_line(self, run: Run, url: str, array: NDArray[Any]) -> None:
        said = done(run, "get", f"{url}?level=2,2,1&timepoint=25[0, 0:5, 0:4, 0:5]", "out.tif")
        assert said == "out.tif: (5, 4, 5, 1) uint16 of (0:1, 0:5, 0:4, 0:5, 0:1)\n"
        expected = array[0, ::2, :8:2, :, 1]
        np.testing.assert_array_equal(tifffile.imread("out.tif"), expected.T)
        with formats.read(Path("out.tif")) as stored:
            np.testing.assert_array_equal(stored.array[..., 0], expected)

    def test_a_named_angle_leaves_no_axis(self, run: Run, url: str, array: NDArray[Any]) -> None:
        said = done(run, "get", f"{url}?timepoint=25&angle=0[1, 2:9, 0:4, 3]", "plane.png")
        assert said == "plane.png: (7, 4) uint16 of (1:2, 2:9, 0:4, 3:4)\n"

    def test_a_relative_url(self, run: Run, movie: Dataset) -> None:
        assert "cxyza".replace("", " ").split() == run("info", f"{movie.uuid}?timepoint=20", "--json").document["dims"]

    def test_a_time_series_becomes_an_ome_tiff(self, run: Run, url: str, array: NDArray[Any]) -> None:
        done(run, "get", url, "movie.ome.tif")
        with tifffile.TiffFile("movie.ome.tif") as file:
            assert file.series[0].axes == "TZCYX"
            same(file.asarray(), array.transpose(4, 3, 0, 2, 1))
            text = file.ome_metadata
        assert 'PhysicalSizeZ="1.6" PhysicalSizeZUnit="µm"' in text
        assert 'TimeIncrement="90.0" TimeIncrementUnit="s"' in text

    def test_several_angles_do_not_fit_into_a_tiff(self, run: Run, dataset: Dataset) -> None:
        found = run("get", f"{dataset.uuid}?timepoint=20", "out.tif")
        assert (found.code, "expected no axes but t, z, c, y, x and found a" in found.err) == (5, True)
        assert not Path("out.tif").exists()


class TestPut:
    @pytest.mark.parametrize("suffix", ["ome.tif", "tif", "h5", "zarr", "npz"])
    def test_a_time_series_comes_back(
        self, run: Run, url: str, movie: Dataset, array: NDArray[Any], suffix: str
    ) -> None:
        done(run, "get", f"{url}?angle=0", f"movie.{suffix}")
        movie.volume()[...] = 0
        assert run("put", f"movie.{suffix}", f"{url}?angle=0").err == ""
        same(movie.volume(angle=0)[...], array)

    def test_into_a_new_version(self, run: Run, url: str, movie: Dataset) -> None:
        done(run, "get", f"{url}?timepoint=25&angle=0[0, 2:5, 2:5, 1:3]", "cut.h5")
        put = run("put", "cut.h5", f"{url}?version=new&timepoint=33&angle=0", "--json").document
        assert put["address"] == f"{url}?version=1&level=1,1,1&timepoint=33&angle=0"
        assert movie.versions == (0, 1)

    def test_into_slices(self, run: Run, url: str, movie: Dataset) -> None:
        np.save("ones.npy", np.ones((3, 3, 2), "uint16"))
        done(run, "put", "ones.npy", f"{url}[0, 2:5, 2:5, 1:3, 2, 0]")
        assert movie.volume()[0, 2:5, 2:5, 1:3, 2, 0].all()

    def test_a_part_with_other_axes_needs_slices(self, run: Run, url: str) -> None:
        done(run, "get", f"{url}?timepoint=25&angle=0", "cut.h5")
        found = run("put", "cut.h5", url)
        assert (found.code, "found 'cxyz'; give slices" in found.err) == (6, True)

    def test_a_version_that_cannot_be_written(self, run: Run, url: str) -> None:
        np.save("ones.npy", np.ones((1,) * 6, "uint16"))
        found = run("put", "ones.npy", f"{url}?version=mixedLatest[0:1, 0:1, 0:1, 0:1, 0:1, 0:1]")
        assert (found.code, "read-only" in found.err) == (5, True)


class TestCopies:
    @pytest.fixture
    def dvid(self) -> Iterator[MockServer]:
        with MockServer({"gray": np.zeros((1, *SIZE), "uint16"), "movie": np.zeros((2, *SIZE, 3), "uint16")}) as server:
            yield server

    def test_one_time_there_and_back(
        self, run: Run, url: str, movie: Dataset, array: NDArray[Any], dvid: MockServer
    ) -> None:
        there = f"dvid://{dvid.url}/:master/gray"
        done(run, "cp", "--verify", f"{url}?timepoint=25&angle=0&channel=1", there)
        same(dvid.voxels("gray")[:, :10, :9, :5], array[1:, ..., 1])
        done(run, "cp", "--verify", there, f"{url}?timepoint=33&angle=0&channel=0")
        same(movie.volume(channel=0, timepoint=33, angle=0)[...], array[1:, ..., 1])

    def test_a_time_series_there_and_back(
        self, run: Run, url: str, movie: Dataset, array: NDArray[Any], dvid: MockServer
    ) -> None:
        there = f"dvid://{dvid.url}/:master/movie"
        done(run, "cp", "--resume", "log", f"{url}?angle=0", there)
        same(dvid.voxels("movie"), array)
        assert "nothing was left to do" in done(run, "cp", "--resume", "log", f"{url}?angle=0", there)
        done(run, "cp", there, f"{url}?version=new&angle=0")
        same(movie.volume(1, angle=0)[...], array)
        assert run("diff", there, f"{url}?version=1&angle=0").code == 0

    def test_two_datasets(self, run: Run, url: str, movie: Dataset, array: NDArray[Any]) -> None:
        done(run, "cp", f"{url}?level=0[:, :, :, :, 0:1]", f"{url}?version=new&level=1,1,1")
        same(movie.volume(1, angle=0)[..., 0], array[..., 0])
        assert not movie.volume(1, angle=0)[..., 1:].any()


class TestErrors:
    def test_info(self, run: Run, url: str) -> None:
        found = run("info", f"{url}?timepoint=20&angle=0", "--json").document
        assert found["address"] == f"{url}?version=0&level=1,1,1&timepoint=20&angle=0"
        assert (found["dims"], found["stop"]) == (["c", "x", "y", "z"], [2, 10, 9, 5])
        assert found["units"] == ["um"] * 3

    def test_info_says_what_a_url_can_choose(self, run: Run, url: str) -> None:
        found = run("info", f"{url}?level=1", "--json").document
        assert (found["version"], found["versions"], found["timepoints"]) == (0, [0], [20, 25, 33])
        assert found["levels"] == [[1, 1, 1], [2, 2, 1]]
        assert "levels      [1, 1, 1], [2, 2, 1]" in done(run, "info", url)

    @pytest.mark.parametrize(
        ("arguments", "code", "says"),
        [
            (["info", "{server}"], 2, "found that of a server; use pyvolume.hpc.DataStore("),
            (["ls", "{server}"], 5, "this protocol has volumes only, and no lists of them"),
            (["ls", "{url}"], 5, "this protocol has volumes only, and no lists of them"),
            (["info", "{server}/nope"], 4, "no such dataset"),
            (["info", "{url}?timepoint=21"], 4, "no time point 21; there are 20, 25, 33"),
            (["info", "{url}?version=7"], 4, "no version 7; there are 0"),
            (["info", "{url}?version=new"], 5, "mode 'r' does not allow"),
            (["info", "{url}?lvel=1"], 2, "a query has no word 'lvel'; did you mean 'level'?"),
            (["get", "{url}?timepoint=25[0, 0:5", "a.h5"], 2, "expected a ']' at the end"),
            (["get", "{url}?timepoint=25[0, 0:5, x]", "a.h5"], 2, "stopped at >>>x"),
            (["tree", "{url}"], 2, "expected a url of DVID"),
            (["commit", "{server}"], 2, "expected a url of DVID"),
        ],
    )  # fmt: skip
    def test_wrong_urls_are_one_sentence(self, run: Run, url: str, arguments: list[str], code: int, says: str) -> None:
        found = run(*(each.format(url=url, server=url.rpartition("/")[0]) for each in arguments))
        assert (found.code, found.err.count("\n"), found.out) == (code, 1, "")
        assert says in found.err


@pytest.mark.parametrize("end", ["", "/", "/ab", "/ab?level=", "/ab?level=1,1,1&t", "/ab[0, "])
def test_completion_leaves_urls_of_the_datastore_alone(run: Run, store: DataStore, end: str) -> None:
    typed = f"hpc://{store.connection.url}{end}"
    assert [(each.type, each.value) for each in complete_url(None, None, typed)] == [("file", typed)]  # type: ignore[arg-type]


@pytest.mark.parametrize("place", ["", "/{uuid}?level=0"])
def test_a_token_goes_to_the_server_of_the_variable(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    volume = {"a": np.zeros((1, 8, 8, 8), "uint8")}
    with DataStoreServer(volume, token="sesame") as server:
        uuid = server.uuids["a"]
        monkeypatch.setenv("PYVOLUME_TOKEN", "sesame")
        monkeypatch.setenv("PYVOLUME_URL", f"hpc://{server.url}{place.format(uuid=uuid)}")
        assert run_command("info", f"hpc://{server.url}/{uuid}").code == 0
        monkeypatch.setenv("PYVOLUME_URL", "hpc://http://elsewhere:9080")
        refused = run_command("info", f"hpc://{server.url}/{uuid}")
        assert (refused.code, "PYVOLUME_TOKEN was not sent" in refused.err) == (5, True)
        assert "sesame" not in refused.err


def test_a_volume_is_shown_in_the_browser(movie: Dataset) -> None:
    with movie.volume(timepoint=25, angle=0).view(browser=False) as viewer:
        assert viewer.url.startswith("http://127.0.0.1:")


def test_python_does_the_same_in_one_line(url: str, array: NDArray[Any]) -> None:
    same(pyvolume.open(f"{url}?level=2,2,1&timepoint=25&angle=0")[0, 0:5, 0:4, 0:5], array[0, ::2, :8:2, :, 1])
