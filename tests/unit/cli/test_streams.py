"""``put`` that resumes and verifies, and voxels through the standard streams."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Run
from numpy.typing import NDArray

import pyvolume
from mockserver import MockServer

pytest.importorskip("click", reason="click comes with the extra 'cli'")
pytest.importorskip("rich", reason="rich comes with the extra 'cli'")

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "pyvolume.cli"]
GRAY, OTHER = ":master/gray", ":master/other"


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


def stored(server: MockServer, name: str = "other") -> NDArray[Any]:
    with pyvolume.open(f"dvid://{server.url}/:master/{name}") as volume:
        return np.asarray(volume[...])


class TestResumeAndVerify:
    @pytest.fixture(params=["--resume journal", "--verify", "--verify --resume journal"])
    def options(self, request: pytest.FixtureRequest) -> list[str]:
        options: list[str] = request.param.split()
        return options

    @pytest.mark.parametrize("suffix", [".npy", ".h5", ".tif", ".nii.gz", ".zarr"])
    def test_a_box_arrives(
        self, run: Run, server: MockServer, voxels: NDArray[Any], options: list[str], suffix: str
    ) -> None:
        box = f"{GRAY}[:, 3:40, 5:30, 7:32]"
        assert run("get", box, f"cut{suffix}").code == 0
        assert run("put", *options, f"cut{suffix}", f"{OTHER}[:, 3:40, 5:30, 7:32]").code == 0
        expected = np.zeros_like(voxels)
        expected[:, 3:40, 5:30, 7:32] = voxels[:, 3:40, 5:30, 7:32]
        same(stored(server), expected)

    def test_a_box_arrives_at_the_place_in_the_file(
        self, run: Run, server: MockServer, voxels: NDArray[Any], options: list[str]
    ) -> None:
        run("get", f"{GRAY}[0, 3:40, 5:30, 7]", "cut.h5")
        assert run("put", *options, "cut.h5", OTHER).code == 0
        expected = np.zeros_like(voxels)
        expected[0, 3:40, 5:30, 7] = voxels[0, 3:40, 5:30, 7]
        same(stored(server), expected)

    def test_one_voxel_arrives(self, run: Run, server: MockServer, voxels: NDArray[Any], options: list[str]) -> None:
        run("get", f"{GRAY}[0, 3, 5, 7]", "point.npy")
        assert run("put", *options, "point.npy", f"{OTHER}[0, 3, 5, 7]").code == 0
        assert stored(server)[0, 3, 5, 7] == voxels[0, 3, 5, 7]

    @pytest.mark.parametrize("key", ["[:, ::2, :4, :4]", "[:, [1, 5], :4, :4]"])
    def test_only_boxes_can_be_resumed(self, run: Run, options: list[str], key: str) -> None:
        np.save("a.npy", np.zeros((1, 32 if "::2" in key else 2, 4, 4), "uint16"))
        done = run("put", *options, "a.npy", f"{OTHER}{key}")
        assert (done.code, done.err.count("\n")) == (2, 1)

    def test_an_array_of_another_shape_is_refused(self, run: Run, server: MockServer, options: list[str]) -> None:
        np.save("a.npy", np.ones((1, 4, 4, 1), "uint16"))
        assert run("put", *options, "a.npy", f"{OTHER}[:, :4, :4, :4]").code != 0
        assert not stored(server).any()

    def test_an_option_is_no_journal(self, run: Run) -> None:
        done = run("put", "--resume", "--verify", "cut.h5", OTHER)
        assert done.code == 2
        assert "expected the file of a journal and found '--verify'" in done.err
        assert not Path("--verify").exists()

    def test_what_is_finished_is_not_sent_again(self, run: Run, server: MockServer) -> None:
        run("get", GRAY, "cut.h5")
        assert run("put", "--resume", "journal", "cut.h5", OTHER).code == 0
        before = len(server.requests)
        assert run("put", "--resume", "journal", "cut.h5", OTHER).code == 0
        assert [each.method for each in server.requests[before:] if "/raw/" in each.path] == []

    def test_a_journal_of_another_file_is_refused(self, run: Run, server: MockServer) -> None:
        run("get", GRAY, "cut.h5")
        run("get", GRAY, "cut.npz")
        run("put", "--resume", "journal", "cut.h5", OTHER)
        assert run("put", "--resume", "journal", "cut.npz", OTHER).code == 6

    def test_what_the_volume_lost_since_is_found_and_sent_again(
        self, run: Run, server: MockServer, voxels: NDArray[Any]
    ) -> None:
        run("get", GRAY, "cut.h5")
        run("put", "--resume", "journal", "cut.h5", OTHER)
        with pyvolume.open(f"dvid://{server.url}/{OTHER}", "r+") as volume:
            volume[:, 5, 5, 5] = 0
        assert run("put", "--resume", "journal", "--verify", "cut.h5", OTHER).code == 0
        same(stored(server), voxels)


class TestStreams:
    def shell(self, server: MockServer, folder: Path, line: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        words = line.replace("pyvolume", " ".join(COMMAND))
        environment = os.environ | {"PYVOLUME_URL": server.url, "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            ["sh", "-c", words], cwd=folder, env=environment, capture_output=True, check=False, **options
        )

    def test_voxels_go_to_the_standard_output(
        self, server: MockServer, run: Run, tmp_path: Path, voxels: NDArray[Any]
    ) -> None:
        done = self.shell(server, tmp_path, f"pyvolume get '{GRAY}[0, 1:9, :, 3]' -")
        assert (done.returncode, done.stderr) == (0, b"")
        same(np.load(io.BytesIO(done.stdout)), voxels[0, 1:9, :, 3])
        assert list(tmp_path.iterdir()) == []

    def test_voxels_come_from_the_standard_input(
        self, server: MockServer, run: Run, tmp_path: Path, voxels: NDArray[Any]
    ) -> None:
        done = self.shell(server, tmp_path, f"pyvolume get '{GRAY}' - | pyvolume put --verify - '{OTHER}[...]'")
        assert (done.returncode, done.stderr) == (0, b"")
        same(stored(server), voxels)

    def test_the_standard_input_needs_a_place(self, server: MockServer, run: Run, tmp_path: Path) -> None:
        done = self.shell(server, tmp_path, f"pyvolume get '{GRAY}' - | pyvolume put - {OTHER}")
        assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
        assert b"slices" in done.stderr

    def test_what_is_no_array_is_one_line(self, server: MockServer, run: Run, tmp_path: Path) -> None:
        for content in (b"", b"nonsense"):
            done = self.shell(server, tmp_path, f"pyvolume put - '{OTHER}[...]'", input=content)
            assert (done.returncode, done.stderr.count(b"\n"), done.stdout) == (6, 1, b"")
        assert not stored(server).any()

    def test_nothing_is_printed_if_the_volume_is_not_there(self, server: MockServer, run: Run, tmp_path: Path) -> None:
        done = self.shell(server, tmp_path, "pyvolume get :master/grey -")
        assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (4, b"", 1)

    @pytest.mark.parametrize(
        "arguments", [["get", "--json", GRAY, "-"], ["put", "--resume", "journal", "-", f"{OTHER}[...]"]]
    )
    def test_what_a_stream_cannot_do_is_refused(self, run: Run, arguments: list[str]) -> None:
        done = run(*arguments)
        assert (done.code, done.err.count("\n"), done.out) == (2, 1, "")
