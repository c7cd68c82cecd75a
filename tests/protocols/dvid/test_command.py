"""The command, on the mock server and on a real DVID."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Run, run_command
from conformance_stores import DvidBackend, ramp
from numpy.typing import NDArray

import pyvolume
from pyvolume.files import formats

pytest.importorskip("click", reason="click comes with the extra 'cli'")
pytest.importorskip("rich", reason="rich comes with the extra 'cli'")

_numbers = itertools.count()


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


@pytest.fixture
def run(dvid: DvidBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYVOLUME_URL", dvid.connection.url)
    monkeypatch.setenv("DVID_ADMIN_TOKEN", dvid.admin_token or "")
    return run_command


@pytest.fixture
def uuid(run: Run, dvid: DvidBackend) -> str:
    """Give a repository with a volume called gray."""
    alias = f"command-{next(_numbers)}"
    made = run(
        "create", dvid.connection.url, "--repo", alias, "gray", "--dtype", "uint16", "--block-shape", "16", "--json"
    )
    uuid: str = made.document["version"]
    return uuid


@pytest.fixture
def voxels() -> NDArray[Any]:
    return ramp((1, 40, 30, 20), "uint16")


def test_a_volume_is_filled_committed_and_branched(run: Run, uuid: str, voxels: NDArray[Any]) -> None:
    np.save("all.npy", voxels)
    assert run("put", "all.npy", f"{uuid}/gray[:, :40, :30, :20]").code == 0
    assert run("commit", uuid, "--note", "raw", "--next").code == 0
    assert run("put", "all.npy", f"{uuid}/gray[:, :40, :30, :20]").code == 5
    branch = run("branch", uuid, "trial", "--json").document["version"]
    assert run("get", f"{uuid}/gray[:, 5:35, ::3]", "cut.h5").code == 0
    assert run("get", f"{uuid}/gray[0, :40, :30, 7]", "plane.png").code == 0
    with formats.read(Path("cut.h5")) as stored:
        same(stored.array[:, :, :10, :20], voxels[:, 5:35, ::3])
    with formats.read(Path("plane.png")) as stored:
        same(np.asarray(stored.array), voxels[0, :, :, 7])
    assert [node["uuid"] for node in run("log", f"{uuid}:trial", "--json").document] == [branch, uuid]
    (nodes,) = run("tree", uuid, "--json").document.values()
    assert [node["branch"] for node in nodes] == ["master", "master", "trial"]


def test_a_cut_goes_into_another_branch(run: Run, uuid: str, voxels: NDArray[Any]) -> None:
    np.save("all.npy", voxels)
    run("put", "all.npy", f"{uuid}/gray[:, 3:43, 2:32, 1:21]")
    run("get", f"{uuid}/gray[:, 10:20, 5:15, 5:15]", "cut.nii.gz")
    assert run("create", uuid, "copy", "--dtype", "uint16", "--block-shape", "16").code == 0
    assert run("put", "cut.nii.gz", f"{uuid}/copy").code == 0
    run("get", f"{uuid}/copy[:, 10:20, 5:15, 5:15]", "again.npz")
    with formats.read(Path("again.npz")) as stored:
        same(stored.array, voxels[:, 7:17, 3:13, 4:14])
    assert run("cp", f"{uuid}/gray", f"{uuid}/copy", "--verify").code == 0
    with pyvolume.open(run("info", f"{uuid}/copy", "--json").document["address"]) as copy:
        same(copy[:, 3:43, 2:32, 1:21], voxels)


def test_a_volume_like_a_file_gives_back_the_file(run: Run, uuid: str, voxels: NDArray[Any]) -> None:
    np.save("all.npy", voxels)
    assert run("create", uuid, "like", "--like", "all.npy", "--block-shape", "16").code == 0
    assert run("put", "all.npy", f"{uuid}/like[...]").code == 0
    assert run("get", f"{uuid}/like", "again.npy").code == 0
    same(np.load("again.npy"), voxels)
    assert run("diff", f"{uuid}/like", "again.npy").code == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["info", "UUID/nothing"], 4),
        (["ls", "zzzz"], 4),
        (["tag", "UUID", "early"], 5),
        (["create", "UUID", "gray"], 2),
        (["create", "UUID", "gray", "--dtype", "uint8"], 5),
    ],
)
def test_a_refusal_has_its_exit_code(run: Run, uuid: str, arguments: list[str], code: int) -> None:
    done = run(*(each.replace("UUID", uuid) for each in arguments))
    assert (done.code, done.err.count("\n")) == (code, 1)


def test_instances_and_repositories_are_listed(run: Run, uuid: str) -> None:
    assert [(each["name"], each["kind"]) for each in run("ls", uuid, "--json").document] == [("gray", "uint16blk")]
    assert uuid in [repo["uuid"] for repo in run("ls", "--json").document]
    assert "DVID Version" in run("info", "--json").document
