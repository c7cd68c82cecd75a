"""The command, against the mock server: what it does, what it prints, what it exits with."""

from __future__ import annotations

import errno
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from command import Run
from conformance_stores import ramp
from numpy.typing import NDArray

import pyvolume
from mockserver import Fault, MockServer
from pyvolume.files import formats
from pyvolume.stores import registry

ROOT = Path(__file__).parents[3]
GRAY = ":master/gray"


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


def words(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


class TestLooking:
    def test_ls_lists_repositories(self, run: Run, server: MockServer) -> None:
        (found,) = run("ls", "--json").document
        assert (found["uuid"], found["versions"], found["instances"]) == (server.uuid, 1, ["gray", "other"])
        assert server.uuid in run("ls").out

    def test_ls_asks_once_however_many_repositories_there_are(self, run: Run, server: MockServer) -> None:
        for alias in ("a", "b", "c"):
            pyvolume.dvid.Server(server.url).create_repo(alias)
        asked = len(server.requests)
        assert len(run("ls", "--json").document) == 4
        assert len(server.requests) - asked == 1

    def test_ls_lists_instances(self, run: Run) -> None:
        assert words(run("ls", ":master").out) == [["name", "kind"], ["gray", "uint16blk"], ["other", "uint16blk"]]

    def test_info_says_what_a_volume_is(self, run: Run, server: MockServer) -> None:
        found = run("info", "--json", GRAY).document
        assert found["address"] == f"dvid://{server.url}/{server.uuid}/gray"
        assert (found["dtype"], found["start"], found["stop"]) == ("uint16", [0, 0, 0, 0], [1, 64, 32, 32])
        assert ["dtype", "uint16"] in words(run("info", GRAY).out)

    def test_info_says_what_a_version_is(self, run: Run, server: MockServer) -> None:
        found = run("info", ":master", "--json").document
        assert (found["uuid"], found["state"]) == (server.uuid, "open")

    def test_info_says_what_a_server_is(self, run: Run, server: MockServer) -> None:
        assert "DVID Version" in run("info", server.url, "--json").document

    def test_tree_draws_branches_and_merges(self, run: Run, server: MockServer) -> None:
        root = pyvolume.dvid.Server(server.url).repos[server.uuid].root
        root.commit("raw")
        next_one, trial = root.new_version("next"), root.branch("trial")
        next_one.commit()
        trial.commit()
        merged = next_one.merge([trial], "both")
        drawn = run("tree").out
        assert f"{merged.uuid[:8]}  master  open  both + {trial.uuid[:8]}" in drawn
        assert drawn.count(merged.uuid[:8]) == 1
        assert len(run("tree", ":trial", "--json").document[server.uuid]) == 4

    def test_log_shows_the_history(self, run: Run, server: MockServer) -> None:
        run("commit", ":master", "--note", "raw", "--log", "a line", "--next")
        newest, first = run("log", ":master/gray", "--json").document
        assert (newest["state"], first["note"], first["uuid"]) == ("open", "raw", server.uuid)
        assert "a line" in run("log", ":master").out


class TestVersions:
    def test_a_version_is_committed_and_branched(self, run: Run, server: MockServer) -> None:
        assert run("commit", ":master", "--json").document == {"committed": server.uuid}
        made = run("branch", ":master", "trial", "--note", "bold", "--json").document
        repo = pyvolume.dvid.Server(server.url).repos[server.uuid]
        assert repo.version(":trial").uuid == made["version"]
        assert repo.version(":trial").info().note == "bold"

    def test_a_committed_branch_is_continued(self, run: Run, server: MockServer) -> None:
        run("commit", ":master", "-m", "raw")
        made = run("new", ":master", "-m", "by hand", "--json").document
        repo = pyvolume.dvid.Server(server.url).repos[server.uuid]
        assert (made["branch"], made["version"]) == ("master", repo.version(":master").uuid)
        notes = [node.note for node in repo.info().graph.nodes.values()]
        assert notes == ["raw", "by hand"]
        np.save("a.npy", np.ones((1, 8, 8, 8), "uint16"))
        assert run("put", "a.npy", f"{GRAY}[:, :8, :8, :8]").code == 0

    def test_only_the_end_of_a_branch_is_continued(self, run: Run) -> None:
        assert run("new", ":master").code == 5
        run("commit", ":master", "--next")
        done = run("new", ":master~1")
        assert (done.code, done.err.count("\n")) == (5, 1)

    def test_a_version_gets_a_name(self, run: Run, server: MockServer) -> None:
        run("commit", ":master")
        assert run("tag", ":master", "raw-2026").code == 0
        assert pyvolume.dvid.Server(server.url).repos[server.uuid].version("raw-2026").parents[0].uuid == server.uuid

    @pytest.mark.parametrize("command", [["commit"], ["new"], ["branch", "trial"], ["tag", "raw"]])
    def test_nothing_is_changed_without_a_version(self, run: Run, server: MockServer, command: list[str]) -> None:
        assert run(command[0], server.url, *command[1:]).code == 2

    def test_what_is_committed_stays(self, run: Run) -> None:
        run("commit", ":master")
        done = run("commit", ":master")
        assert done.code == 5
        assert "committed already" in done.err
        assert "(in a shell: pyvolume new, pyvolume branch)" in done.err


class TestCreate:
    def test_a_volume(self, run: Run, server: MockServer) -> None:
        options = ["--shape", "10,20,30", "--dtype", "float32", "--resolution", "8,8,40", "--units", "nanometers"]
        made = run("create", ":master", "new", *options, "--block-shape", "16", "--json").document
        with pyvolume.open(made["url"]) as volume:
            assert (volume.shape, volume.dtype.name) == ((1, 10, 20, 30), "float32")
            assert (volume.resolution, volume.units[0]) == ((8, 8, 40), "nanometers")
            assert volume.store.traits.write_grid == (1, 16, 16, 16)

    @pytest.mark.parametrize("place", [":master", "--repo fly"])
    def test_a_volume_of_unknown_shape_and_dtype_is_refused(self, run: Run, server: MockServer, place: str) -> None:
        done = run("create", *(place.split() if place == ":master" else [server.url, *place.split()]), "new")
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert "--dtype" in done.err
        assert "fly" not in pyvolume.dvid.Server(server.url).repos
        assert list(pyvolume.dvid.Server(server.url).repos[server.uuid]) == ["gray", "other"]

    def test_a_misspelt_dtype_is_wrong_usage(self, run: Run, server: MockServer) -> None:
        done = run("create", server.url, "--repo", "fly", "new", "--dtype", "uint46")
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert "'uint64'" in done.err
        assert "fly" not in pyvolume.dvid.Server(server.url).repos

    def test_a_second_repository_of_an_alias_is_made_on_request(self, run: Run, server: MockServer) -> None:
        assert run("create", server.url, "--repo", "fly").code == 0
        refused = run("create", server.url, "--repo", "fly")
        assert (refused.code, refused.err.count("\n")) == (5, 1)
        assert "--duplicate-alias" in refused.err
        assert run("create", server.url, "--repo", "fly", "--duplicate-alias").code == 0

    def test_a_repository_and_a_volume_in_it(self, run: Run, server: MockServer) -> None:
        made = run("create", server.url, "--repo", "fly", "gray", "--dtype", "uint8", "--json").document
        assert pyvolume.dvid.Server(server.url).repos["fly"].info().instances == {"gray": "uint8blk"}
        assert made["url"].startswith(f"dvid://{server.url}/{made['version']}")

    def test_a_volume_like_a_file(self, run: Run) -> None:
        run("get", f"{GRAY}[:, 10:20, 3:, :]", "cut.h5")
        made = run("create", ":master", "like", "--like", "cut.h5", "--units", "microns", "--json").document
        with pyvolume.open(made["url"]) as volume:
            assert (volume.shape, volume.dtype.name, volume.units[0]) == ((1, 20, 32, 32), "uint16", "microns")

    def test_a_volume_that_cannot_be_leaves_no_repository(self, run: Run, server: MockServer) -> None:
        done = run("create", server.url, "--repo", "fly", "gray", "--dtype", "int16")
        assert done.code == 5
        assert len(run("ls", "--json").document) == 1

    @pytest.mark.parametrize(
        "arguments",
        [
            ["", "new"],
            [":master"],
            [GRAY, "new"],
            [":master", "new", "--repo", "fly"],
            [":master", "n", "--shape", "1,2"],
        ],
    )
    def test_half_a_wish_is_wrong_usage(self, run: Run, arguments: list[str]) -> None:
        assert run("create", *arguments).code == 2

    def test_the_admin_token_comes_from_the_environment(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        with MockServer(admin_token="open sesame") as strict:
            refused = run("create", strict.url, "--repo", "fly")
            assert (refused.code, "DVID_ADMIN_TOKEN" in refused.err) == (5, True)
            monkeypatch.setenv("DVID_ADMIN_TOKEN", "open sesame")
            monkeypatch.setenv("PYVOLUME_URL", strict.url)
            done = run("create", strict.url, "--repo", "fly")
        assert done.code == 0
        assert "sesame" not in done.out + done.err


class TestCreateInFolders:
    def test_a_volume(self, run: Run) -> None:
        options = ["--shape", "1,40,30,20", "--dtype", "uint16", "--resolution", "8,8,40", "--units", "nanometers"]
        made = run("create", "new.zarr", *options, "--chunks", "1,16,16,16", "-o", "levels=2", "--json").document
        with pyvolume.open(made["url"]) as volume:
            assert (volume.shape, volume.dtype.name, volume.chunks) == ((1, 40, 30, 20), "uint16", (1, 16, 16, 16))
            assert (volume.resolution, volume.units[0], len(volume.scales)) == ((8, 8, 40), "nanometers", 2)

    def test_a_volume_like_another(self, run: Run) -> None:
        assert run("create", "new.zarr", "--like", GRAY, "--format", "0.4", "--resolution", "2").code == 0
        made, gray = run("info", "new.zarr", "--json").document, run("info", GRAY, "--json").document
        for name in ("dtype", "dims", "start", "stop", "units"):
            assert made[name] == gray[name]
        assert (made["resolution"], made["format"]) == ([2, 2, 2], "OME-Zarr 0.4")

    def test_a_volume_of_icechunk_is_committed(self, run: Run, tmp_path: Path) -> None:
        url = f"icechunk://{tmp_path}/brain:main/gray"
        assert run("create", url, "--shape", "1,8,8,8", "--dtype", "uint8").out == f"{url}\n"
        with pyvolume.open(url) as volume:
            assert volume.shape == (1, 8, 8, 8)

    def test_what_is_there_is_replaced_on_request(self, run: Run) -> None:
        options = ["--shape", "1,8,8,8", "--dtype", "uint8"]
        assert run("create", "new.zarr", *options).code == 0
        refused = run("create", "new.zarr", *options)
        assert (refused.code, refused.err.count("\n")) == (5, 1)
        assert run("create", "new.zarr", *options, "--overwrite").code == 0

    @pytest.mark.parametrize(
        "options",
        [[], ["--shape", "a", "--dtype", "uint8"], ["--shape", "1,8,8,8", "--dtype", "uint8", "-o", "levels"],
         ["--shape", "1,8,8,8", "--dtype", "uint8", "-o", "level=2"], ["--shape", "1,8,8,8", "--dtype", "unit8"]],
    )  # fmt: skip
    def test_half_a_wish_is_one_line_and_creates_nothing(self, run: Run, options: list[str]) -> None:
        done = run("create", "new.zarr", *options)
        assert done.code != 0
        assert done.err.count("\n") == 1
        assert not Path("new.zarr").exists()


class TestGet:
    @pytest.mark.parametrize(
        ("slices", "key"),
        [
            ("", np.s_[...]),
            ("[:, 10:50, 5:20]", np.s_[:, 10:50, 5:20]),
            ("[0, :, :, 12]", np.s_[0, :, :, 12]),
            ("[..., -1]", np.s_[..., -1]),
            ("[0, 60:3:-7, ::5, 3:4]", np.s_[0, 60:3:-7, ::5, 3:4]),
            ("[0, [5, 3, 3], :, 7]", np.s_[0, [5, 3, 3], :, 7]),
        ],
    )
    @pytest.mark.parametrize("suffix", ["npy", "h5"])
    def test_a_file_holds_what_numpy_would_give(
        self, run: Run, voxels: NDArray[Any], suffix: str, slices: str, key: Any
    ) -> None:
        assert run("get", GRAY + slices, f"cut.{suffix}").code == 0
        path = f"cut.{suffix}"
        library: dict[str, Any] = {"npy": np.load, "h5": lambda path: h5py.File(path)["voxels"]}
        same(np.asarray(library[suffix](path)[...]), voxels[key])

    def test_the_file_says_where_the_voxels_come_from(self, run: Run, server: MockServer) -> None:
        run("get", f"{GRAY}[0, 10:50, 5, ::2]", "cut.npz")
        with formats.read(Path("cut.npz")) as stored:
            described = stored.description
        assert (described.axes, described.offset, described.step) == ("xz", (0, 10, 5, 0), (1, 1, 1, 2))
        assert described.version == server.uuid

    def test_a_volume_below_0_is_read_from_its_first_voxel_on(self, run: Run, server: MockServer) -> None:
        with pyvolume.open(f"dvid://{server.url}/{server.uuid}/other", "r+") as volume:
            volume.post_ndarray((0, -32, 0, 0), (1, 0, 32, 32), ramp((1, 32, 32, 32), "uint16"))
        run("get", ":master/other", "all.h5")
        with formats.read(Path("all.h5")) as stored:
            assert stored.array.shape == (1, 96, 32, 32)
            assert stored.description.offset == (0, -32, 0, 0)

    def test_nothing_is_left_when_the_server_fails(self, run: Run, server: MockServer) -> None:
        server.faults.add(Fault("error", status=403, path=".*/raw/.*"))
        assert run("get", GRAY, "all.h5").code == 5
        assert list(Path().iterdir()) == []

    def test_a_file_is_not_replaced_by_accident(self, run: Run) -> None:
        Path("cut.npy").write_text("precious")
        assert run("get", GRAY, "cut.npy").code == 5
        assert Path("cut.npy").read_text() == "precious"
        assert run("get", GRAY, "cut.npy", "--force").code == 0

    def test_no_voxel_is_no_file(self, run: Run) -> None:
        assert run("get", f"{GRAY}[0, 1, 2, 3:3]", "voxel.npy").code == 2

    @pytest.mark.parametrize("slices", ["[10:20, 10:20, 10:20]", "[5, 6, 7]"])
    def test_a_forgotten_channel_is_named(self, run: Run, slices: str) -> None:
        done = run("get", GRAY + slices, "cut.npy")
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert "channel" in done.err
        assert list(Path().iterdir()) == []

    def test_a_full_disk_is_one_line(self, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        def refuse(*_: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
        done = run("get", GRAY, "cut.npy")
        assert (done.code, done.err) == (6, "pyvolume: write cut.npy: No space left on device\n")
        assert list(tmp_path.iterdir()) == []


class TestPut:
    @pytest.mark.parametrize("suffix", ["npz", "h5", "tif", "ome.tif", "nii.gz", "zarr"])
    def test_voxels_go_where_they_came_from(
        self, run: Run, server: MockServer, voxels: NDArray[Any], suffix: str
    ) -> None:
        run("get", f"{GRAY}[:, 10:50, 5:20]", f"cut.{suffix}")
        assert run("put", f"cut.{suffix}", ":master/other").code == 0
        expected = np.zeros_like(voxels)
        expected[:, 10:50, 5:20] = voxels[:, 10:50, 5:20]
        same(server.voxels("other"), expected)

    def test_a_plane_goes_back_through_a_picture(self, run: Run, server: MockServer, voxels: NDArray[Any]) -> None:
        run("get", f"{GRAY}[:, 10:50, :, 12:13]", "plane.png")
        run("put", "plane.png", ":master/other")
        expected = np.zeros_like(voxels)
        expected[:, 10:50, :, 12] = voxels[:, 10:50, :, 12]
        same(server.voxels("other"), expected)

    def test_steps_go_back(self, run: Run, server: MockServer, voxels: NDArray[Any]) -> None:
        run("get", f"{GRAY}[0, 60:3:-7, ::5, 3]", "cut.h5")
        run("put", "cut.h5", ":master/other")
        expected = np.zeros_like(voxels)
        expected[0, 60:3:-7, ::5, 3] = voxels[0, 60:3:-7, ::5, 3]
        same(server.voxels("other"), expected)

    @pytest.mark.parametrize("suffix", ["h5", "tif", "ome.tif", "nii.gz", "png"])
    def test_one_plane_of_x_goes_back(self, run: Run, server: MockServer, voxels: NDArray[Any], suffix: str) -> None:
        run("get", f"{GRAY}[:, 7, 8:20]", f"plane.{suffix}")
        assert run("put", f"plane.{suffix}", ":master/other").code == 0
        expected = np.zeros_like(voxels)
        expected[:, 7, 8:20] = voxels[:, 7, 8:20]
        same(server.voxels("other"), expected)

    def test_what_a_list_has_taken_needs_slices(self, run: Run, server: MockServer, voxels: NDArray[Any]) -> None:
        run("get", f"{GRAY}[..., [5, 9]]", "some.h5")
        assert run("put", "some.h5", ":master/other").code == 6
        assert not server.voxels("other").any()
        assert run("put", "some.h5", ":master/other[..., [5, 9]]").code == 0
        same(server.voxels("other")[..., [5, 9]], voxels[..., [5, 9]])

    def test_another_size_of_the_voxels_is_told(self, run: Run) -> None:
        run("get", GRAY, "all.h5")
        run("create", ":master", "large", "--dtype", "uint16", "--resolution", "1,1,2", "--units", "millimeters")
        done = run("put", "all.h5", ":master/large", "--json")
        assert done.code == 0
        assert done.err.startswith("pyvolume: warning: the voxels of all.h5 have a size of ")
        assert done.err.count("\n") == 1
        run("get", ":master/large", "large.nii.gz")
        assert run("put", "large.nii.gz", ":master/large").err == ""

    def test_slices_say_another_place(self, run: Run, server: MockServer, voxels: NDArray[Any]) -> None:
        np.save("part.npy", voxels[0, :5, :6, 3])
        assert run("put", "part.npy", ":master/other[0, 20:25, 10:16, 31]").code == 0
        same(server.voxels("other")[0, 20:25, 10:16, 31], voxels[0, :5, :6, 3])

    def test_the_volume_grows(self, run: Run, server: MockServer, voxels: NDArray[Any]) -> None:
        np.save("all.npy", voxels)
        assert run("put", "all.npy", ":master/other[:, 64:128]").code == 0
        same(server.voxels("other")[:, 64:128], voxels)

    @pytest.mark.parametrize(("slices", "code"), [("[:, :6]", 6), ("[0, 0]", 6), ("", 2)])
    def test_another_shape_is_refused(self, run: Run, server: MockServer, slices: str, code: int) -> None:
        np.save("part.npy", np.ones((7, 1, 1, 1), "uint16"))
        assert run("put", "part.npy", f":master/other{slices}").code == code
        assert not server.voxels("other").any()

    def test_values_change_only_if_that_is_said(self, run: Run, server: MockServer) -> None:
        np.savez("part.npz", np.full((1, 2, 2, 2), -1))
        assert run("put", "part.npz", ":master/other").code == 6
        assert run("put", "part.npz", ":master/other", "--casting", "unsafe").code == 0
        assert server.voxels("other")[0, 1, 1, 1] == 65535

    def test_a_committed_version_is_refused(self, run: Run) -> None:
        run("get", GRAY, "all.h5")
        run("commit", ":master")
        assert run("put", "all.h5", ":master/other").code == 5


class TestCp:
    def test_a_volume_is_copied(self, run: Run, server: MockServer, voxels: NDArray[Any]) -> None:
        assert run("cp", GRAY, ":master/other", "--verify").code == 0
        same(server.voxels("other"), voxels)

    def test_a_box_is_copied(self, run: Run, server: MockServer, voxels: NDArray[Any]) -> None:
        run("cp", f"{GRAY}[:, 10:20, 3]", ":master/other", "--json")
        expected = np.zeros_like(voxels)
        expected[:, 10:20, 3] = voxels[:, 10:20, 3]
        same(server.voxels("other"), expected)

    def test_a_copy_continues(self, run: Run, server: MockServer, voxels: NDArray[Any]) -> None:
        server.faults.add(Fault("error", method="POST", status=403))
        assert run("cp", GRAY, ":master/other", "--resume", "journal").code == 5
        done = run("cp", GRAY, ":master/other", "--resume", "journal")
        assert (done.code, "nothing" in done.out) == (0, False)
        same(server.voxels("other"), voxels)

    def test_a_finished_copy_says_that_nothing_was_left(self, run: Run) -> None:
        run("cp", GRAY, ":master/other", "--resume", "journal")
        assert "nothing" in run("cp", GRAY, ":master/other", "--resume", "journal").out
        assert '"bytes": 0' in run("cp", GRAY, ":master/other", "--resume", "journal", "--json").out

    def test_a_step_is_refused(self, run: Run) -> None:
        assert run("cp", f"{GRAY}[:, ::2]", ":master/other").code == 2


class TestErrors:
    """Each is one line on stderr, and an exit code."""

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [
            (["nonsense"], 2),
            (["get", GRAY], 2),
            (["get", f"{GRAY}[0, x]", "a.npy"], 2),
            (["get", f"{GRAY}[0, 99]", "a.npy"], 2),
            (["get", ":master", "a.npy"], 2),
            (["get", GRAY, "a.doc"], 5),
            (["get", ":nobranch/gray", "a.npy"], 4),
            (["get", ":master/nothing", "a.npy"], 4),
            (["put", "missing.npy", GRAY], 2),
            (["info", "http://127.0.0.1:1/"], 6),
            (["branch", ":master", "early"], 5),
            (["ls", "--nonsense"], 2),
        ],
    )
    def test_what_goes_wrong_has_its_code(self, run: Run, arguments: list[str], code: int) -> None:
        done = run(*arguments)
        assert done.code == code
        assert done.err.startswith("pyvolume: ")
        assert done.err.count("\n") == 1
        assert done.out == ""

    @pytest.mark.parametrize(
        ("arguments", "code", "meant"),
        [
            (["inof"], 2, "'info'"),
            (["keys", "gte"], 2, "'get'"),
            (["roi", "craete"], 2, "'create'"),
            (["ls", "--jsn"], 2, "--json"),
            (["info", ":master/grey"], 4, "'gray'"),
            (["ls", ":master/grey"], 4, "'gray'"),
            (["info", "master"], 4, "':master'"),
            (["tree", ":mastre"], 4, "':master'"),
        ],
    )
    def test_a_misspelt_name_is_answered_with_the_nearest(
        self, run: Run, arguments: list[str], code: int, meant: str
    ) -> None:
        done = run(*arguments)
        assert (done.code, done.err.count("\n")) == (code, 1)
        assert meant in done.err

    def test_a_server_that_stays_busy_has_a_code_of_its_own(self, run: Run, server: MockServer) -> None:
        server.faults.add(Fault("busy", times=100))
        done = run("--patience", "0", "ls")
        assert done.code == 3

    def test_a_broken_file_is_one_line(self, run: Run) -> None:
        Path("broken.h5").write_bytes(b"nonsense")
        done = run("put", "broken.h5", GRAY)
        assert (done.code, done.err.count("\n")) == (6, 1)

    def test_debug_shows_the_traceback(self, run: Run) -> None:
        done = run("--debug", "get", ":nobranch/gray", "a.npy")
        assert done.code == 4
        assert "Traceback" in done.err

    def test_a_token_is_sent_and_never_shown(
        self, run: Run, server: MockServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PYVOLUME_TOKEN", "open-sesame")
        server.faults.add(Fault("error", status=403, path=".*/info"))
        done = run("--debug", "info", GRAY)
        assert server.requests[-1].headers["Authorization"] == "Bearer open-sesame"
        assert "sesame" not in done.out + done.err

    def test_a_token_that_no_header_holds_is_not_shown(
        self, run: Run, server: MockServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PYVOLUME_TOKEN", "open\nsesame")
        done = run("--debug", "info", GRAY)
        assert done.code == 6
        assert "sesame" not in done.out + done.err
        monkeypatch.setenv("PYVOLUME_TOKEN", "open-sesame\r\n")  # of a file from Windows
        assert run("info", GRAY).code == 0

    def test_what_a_server_says_cannot_command_the_terminal(self, run: Run, server: MockServer) -> None:
        run("commit", ":master", "--note", "raw\x1b]0;owned\x07")
        server.faults.add(Fault("error", status=403, text="no\x1b[2J", path=".*/gray/info"))
        said = [run("tree").out, run("log", ":master").out, run("info", ":master").out, run("info", GRAY).err]
        assert not any(character in "".join(said) for character in "\x1b\x07")
        assert r"raw\x1b]0;owned\x07" in said[0]

    def test_without_a_command_there_is_help(self, run: Run) -> None:
        for arguments in ([], ["keys"]):
            done = run(*arguments)
            assert done.code == 2
            assert done.err.startswith("Usage: pyvolume")

    def test_a_missing_library_is_a_sentence(self) -> None:
        code = "import sys; sys.modules['click'] = None; from pyvolume.cli import main; main()"
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (6, 'The command needs click: pip install "pyvolume-sdk[cli]"\n')

    def test_a_missing_format_names_the_extra(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delitem(sys.modules, "pyvolume.files.hdf5", raising=False)
        monkeypatch.setitem(sys.modules, "h5py", None)
        done = run("get", GRAY, "a.h5")
        assert done.code == 6
        assert 'pip install "pyvolume-sdk[files]"' in done.err


def test_the_server_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pyvolume.cli", "serve", "--port", "0", "--folder", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with pyvolume.dvid.Server(url) as server:
            assert "DVID Version" in server.info()
        process.send_signal(signal.SIGINT)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--help"], 0), (["--nonsense"], 2), (["--auth", "token"], 2), (["--kind", "hpc", "--port", "-1"], 2)],
)
def test_serve_is_the_mock_server(arguments: list[str], code: int) -> None:
    said = []
    for module in (["pyvolume.cli", "serve"], ["mockserver"]):
        command = [sys.executable, "-m", *module, *arguments]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "90"}
        )
        assert done.returncode == code
        said.append((done.stdout + done.stderr).replace("python -m mockserver", "pyvolume serve"))
    assert said[0].split() == said[1].split()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_nothing_is_left_when_it_is_stopped(
    tmp_path: Path, server: MockServer, number: signal.Signals, code: int
) -> None:
    server.faults.add(Fault("stall", path=".*/raw/.*", times=None))
    url = f"dvid://{server.url}/:master/gray"
    command = [sys.executable, "-m", "pyvolume.cli", "get", url, str(tmp_path / "all.h5")]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 30
        while not list(tmp_path.glob(".*/all.*")) and time.monotonic() < deadline:
            select.select([], [], [], 0.02)  # nothing tells that another process has made a file
        process.send_signal(number)
        assert process.wait(30) == code
    assert list(tmp_path.iterdir()) == []


class TestHelp:
    """Help is worth reading: a summary, what the arguments are, an example."""

    def test_the_command_lists_its_commands(self, run: Run) -> None:
        listed = run("--help").out
        assert "Read voxels into a file." in listed
        assert "PYVOLUME_URL" in listed

    def test_the_command_says_the_urls_of_every_driver(self, run: Run) -> None:
        listed = "".join(run("--help").out.split())
        assert all("".join(driver.forms.split()) in listed for _, driver in registry.importable())

    @pytest.mark.parametrize(
        "command",
        [
            "branch",
            "commit",
            "cp",
            "create",
            "demo",
            "get",
            "info",
            "log",
            "ls",
            "new",
            "put",
            "serve",
            "tag",
            "tree",
            "view",
        ],
    )
    def test_each_command_has_an_example(self, run: Run, command: str) -> None:
        help_text = run(command, "--help").out
        assert f"pyvolume {command}" in help_text.partition("Example")[2]
        assert max(map(len, help_text.splitlines())) <= 100

    def test_a_shell_completes(self, run: Run) -> None:
        done = run("", env={"_PYVOLUME_COMPLETE": "bash_complete", "COMP_LINE": "pyvolume c"})
        assert done.out.split() == ["plain,commit", "plain,cp", "plain,create"]
