"""Folder databases whose writers are killed, work at the same time, or find a full or a read-only disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import local_writers
import pytest
from fsdb_by_hand import contents

from pyvolume.errors import ForbiddenError
from pyvolume.local import LocalStore

ROUNDS = int(os.environ.get("PYVOLUME_KILLS", "8"))
WRITERS, COUNT = 4, int(os.environ.get("PYVOLUME_ADDITIONS", "80")) // 4


def run(*arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, local_writers.__file__, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def check_complete(folder: Path) -> None:
    """Check that each file of a database is complete or absent, as a reader sees it that knows nothing of locks."""
    for scan in (each for each in folder.iterdir() if each.is_dir() and not each.name.startswith(".")):
        index = json.loads((scan / "files.json").read_text("ascii"))
        assert json.loads((scan / "metadata/metadata.json").read_text("ascii"))["number"] >= 0
        unlisted = 0
        for fileset in index["filesets"]:
            place = scan / fileset["id"]
            assert json.loads((scan / "metadata/images.json").read_text("ascii"))["channels"] >= 0
            for entry in fileset["files"]:
                assert (place / entry["file"]).read_text("ascii") == local_writers.TEXT
                number = json.loads((scan / "metadata/images" / f"{entry['id']}.json").read_text("ascii"))["number"]
                assert entry["id"] == f"shot_{number}"
            names = {entry["file"] for entry in fileset["files"]}
            unlisted += sum(each.name not in names and not each.name.startswith(".") for each in place.iterdir())
        assert unlisted <= 11  # a batch of 10, and the file that it removes


def test_a_writer_that_is_killed_leaves_a_whole_database(tmp_path: Path) -> None:
    run("kill", tmp_path, ROUNDS, 0)
    for number in range(ROUNDS):
        folder = tmp_path / f"round_{number}"
        check_complete(folder)
        store = LocalStore(folder, "r+", patience=0, fsync=False)
        assert {each.kind for each in store.check()} <= {"left", "file", "lock"}
        store.repair()
        assert {each.kind for each in store.check()} <= {"file"}
        for scan in store.values():
            scan.set_metadata("again", True)
            if "images" in scan:
                scan["images"].put("shot_0", local_writers.TEXT, metadata={"number": 0}, overwrite=True)
        check_complete(folder)


def test_writers_lose_nothing(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "db", "w-", fsync=False)
    images = store.create("fern").create("images")
    run("many", store.path, WRITERS, COUNT)
    assert {each.id: each.get_metadata("number") for each in images.values()} == {
        f"{writer}_{number}": number for writer in range(WRITERS) for number in range(COUNT)
    }
    assert store.check() == []


def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "db", "w-", fsync=False)
    scan = store.create("fern")
    with scan.batch():
        images = scan.create("images")
        for number in range(50):
            images.put(f"shot_{number}", "text")
    before = contents(store.path)
    lines = run("full", store.path, 4096).splitlines()
    assert [line.partition(":")[0].split()[0] for line in lines] == ["OSError"] * 3
    assert all(str(store.path) in line for line in lines)
    assert contents(store.path) == before
    assert store.check() == []
    images.put("small", "text")


@pytest.fixture
def read_only() -> Iterator[Path]:
    """Give a database in which this user, who is not root, may not write."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "db"
        LocalStore(path, "w-").create("fern").create("images").put("shot", "text")
        places = [path, *(each for each in path.rglob("*") if each.is_dir())]
        for each in places:
            each.chmod(0o555)
        Path(folder).chmod(0o555)
        if is_root := os.geteuid() == 0:
            os.seteuid(65534)
        try:
            yield path
        finally:
            if is_root:
                os.seteuid(0)
            for each in (Path(folder), *places):
                each.chmod(0o755)


def test_a_medium_that_is_read_only_is_read(read_only: Path) -> None:
    before = contents(read_only)
    store = LocalStore(read_only)
    assert store["fern"]["images"]["shot"].read() == "text"
    assert store.check() == []
    with pytest.raises(ForbiddenError, match=rf"open {read_only}: the folder is read only; mode='r' reads it"):
        LocalStore(read_only, "r+")
    with pytest.raises(ForbiddenError, match=r"create .*/other: .*Permission denied"):
        LocalStore(read_only.parent / "other", "w-")
    assert contents(read_only) == before


def test_a_folder_that_nobody_may_look_into_hides_no_scan(read_only: Path) -> None:
    if is_root := os.geteuid() == 65534:
        os.seteuid(0)
    (read_only).chmod(0o755)
    (read_only / "lost+found").mkdir(mode=0)
    if is_root:
        os.seteuid(65534)
    store = LocalStore(read_only)
    assert (list(store), "lost+found" in store) == (["fern"], False)
    assert [(each.kind, each.path.name) for each in store.check()] == [("file", "lost+found")]
    with pytest.raises(ForbiddenError, match=r"open /.*/lost\+found: .*Permission denied"):
        store["lost+found"]


def test_a_scan_that_cannot_be_removed_leaves_no_trash(read_only: Path) -> None:
    if is_root := os.geteuid() == 65534:
        os.seteuid(0)
    for each in (read_only / ".pyvolume", read_only / ".locks", read_only):
        each.chmod(0o1777)
    (read_only / ".locks/fern.lock").chmod(0o666)
    if is_root:
        os.seteuid(65534)
    store = LocalStore(read_only, "r+", patience=0)
    with pytest.raises(ForbiddenError, match=r"delete .*/fern: "):
        del store["fern"]
    assert (list(store), list((read_only / ".pyvolume/trash").iterdir())) == (["fern"], [])


def test_a_scan_that_is_read_only_is_one_sentence(read_only: Path) -> None:
    read_only.stat()
    if os.geteuid() == 65534:
        os.seteuid(0)
    for each in (read_only, read_only / ".pyvolume", read_only / ".locks"):
        each.chmod(0o777)
    (read_only / ".locks/fern.lock").chmod(0o666)
    if os.getuid() == 0:
        os.seteuid(65534)
    store = LocalStore(read_only, "r+", patience=0)
    with pytest.raises(ForbiddenError, match=r"write .*/fern/images/new: .*Permission denied"):
        store["fern"]["images"].put("new", "text")
    with pytest.raises(ForbiddenError, match=r"set metadata of .*/fern: .*metadata.*Permission denied"):
        store["fern"].set_metadata("a", 1)
    assert not (read_only / "lock").exists()
