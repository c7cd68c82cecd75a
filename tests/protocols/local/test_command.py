"""The command on folder databases: urls, and plain paths in such a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command import run_command
from fsdb_by_hand import VOXELS, write_2026

import pyvolume
from pyvolume.local import LocalStore

pytest.importorskip("rich", reason="the command comes with the extra 'cli'")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder of a database called ``plants``, as the working directory."""
    write_2026(tmp_path / "plants")
    (tmp_path / "plants/broken/metadata").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*arguments: str) -> dict[str, str]:
    return {each["name"]: each["kind"] for each in run_command("ls", "--json", *arguments).document}


def test_ls_lists_each_level(folder: Path) -> None:
    for root in ("plants/", f"fsdb://{folder}/plants", "fsdb://plants"):
        assert names(root) == {"broken": "broken", "fern_0042": "scan"}
    assert names("plants/fern_0042") == {"images": "fileset", "Voxels_1__0123456789": "fileset"}
    assert list(names("plants/fern_0042/images").items()) == [("shot_001", "txt"), ("shot_000", "txt")]
    found = run_command("ls", "plants/fern_0042/images").out.splitlines()[1].split()
    assert found == ["shot_001", "txt", "shot_001.txt", "6"]


def test_info_tells_facts_and_metadata(folder: Path) -> None:
    def info(url: str) -> dict[str, object]:
        return dict(run_command("info", "--json", url).document)

    assert info("plants/")["scans"] == 2
    assert info("plants/fern_0042")["files"] == 3
    assert info("plants/fern_0042/images")["metadata"] == {
        "created": "2026-03-01T10:00:01", "object": {"plant": "fern"}
    }  # fmt: skip
    assert info("plants/fern_0042/images/shot_001")["bytes"] == 6
    assert info("fsdb://plants/fern_0042/Voxels_1__0123456789/Voxels")["resolution"] == [0.5, 0.5, 0.5]


def test_voxels_move_with_get_put_and_cp(folder: Path) -> None:
    voxels = "plants/fern_0042/Voxels_1__0123456789/Voxels"
    assert run_command("get", f"{voxels}[:, 1:3]", "cut.h5").code == 0
    with pyvolume.open("cut.h5") as cut:
        np.testing.assert_array_equal(cut[0, 1:3], VOXELS[1:3], strict=True)
    done = run_command("cp", f"fsdb://{voxels}", "fsdb://plants/new/set/copy")
    assert (done.code, done.err) == (0, "")
    assert run_command("put", "cut.h5", "plants/new/set/copy").code == 0
    with LocalStore("plants")["new"]["set"]["copy"].volume() as copy:
        np.testing.assert_array_equal(copy[0], VOXELS, strict=True)
        assert copy.resolution == (0.5,) * 3


def test_what_is_wrong_is_one_line(folder: Path) -> None:
    for url, message in (
        ("fsdb:///nowhere", "no folder of the path has a file 'romidb'"),
        ("plants/broken", "the index of the scan is missing"),
        ("plants/none", "there is no such scan"),
    ):
        done = run_command("ls", url)
        assert done.code != 0
        assert message in done.err
        assert len(done.err.strip().splitlines()) <= 2
