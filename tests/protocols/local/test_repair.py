"""Check and repair: everything that is wrong is named; what is put right is kept as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fsdb_by_hand import change_index, contents, spoil

from pyvolume.local import LocalStore
from pyvolume.local.writing import temporary


@pytest.fixture
def broken(golden: Path) -> LocalStore:
    """Give a database in which other programs were killed."""

    def change(filesets: Any) -> None:
        filesets[0]["files"] += [
            {"file": None, "id": "written"},
            {"file": None, "id": "never"},
            {"file": "gone.txt", "id": "gone"},
            {"file": "shot_000.txt", "id": "shot_000"},
        ]

    change_index(golden, change)
    (golden / "images/written.png").write_bytes(b"data")
    (golden / "images/mine.dat").write_text("mine")
    spoil(golden / "metadata/images/shot_000.json", '{"angle": ')
    return LocalStore(golden.parent, "r+", patience=0, fsync=False)


def test_everything_that_is_wrong_is_named(broken: LocalStore) -> None:
    path = broken.path / "fern_0042"
    found = {(each.kind, each.path.relative_to(path).as_posix()) for each in broken.check()}
    assert found == {
        ("entry", "files.json"),
        ("entry", "images/gone.txt"),
        ("file", "images/mine.dat"),
        ("file", "images/written.png"),
        ("metadata", "metadata/images/shot_000.json"),
    }
    assert "the file 'never' was never written" in " ".join(map(str, broken.check()))


def test_a_repair_keeps_what_is_there(broken: LocalStore) -> None:
    path = broken.path / "fern_0042"
    before = contents(path)
    done = broken.repair()
    assert [each.kind for each in done] == ["metadata", "index"]
    images = broken["fern_0042"]["images"]
    assert {file.id: file.name for file in images.values()} == {
        "shot_001": "shot_001.txt", "shot_000": "shot_000.txt", "written": "written.png"
    }  # fmt: skip
    assert [(each.kind, each.path.name) for each in broken.check()] == [("file", "mine.dat")]
    kept = {each.name: each.read_bytes() for each in (broken.path / ".pyvolume/backup").rglob("*.json")}
    assert kept == {"files.json": before["files.json"], "shot_000.json": b'{"angle": '}
    assert broken.repair() == []


def test_an_index_is_made_again_from_the_files(golden: Path) -> None:
    spoil(golden / "files.json", '{"filesets": [{"id": "ima')
    store = LocalStore(golden.parent, "r+", patience=0, fsync=False)
    assert [each.kind for each in store.repair()] == ["index"]
    assert {name: list(files) for name, files in store["fern_0042"].items()} == {
        "Voxels_1__0123456789": ["Voxels"], "images": ["shot_000", "shot_001"]
    }  # fmt: skip
    assert store["fern_0042"]["images"]["shot_000"].get_metadata("pose") == [1, 2.5]
    assert store.check() == []


def test_a_scan_without_an_index_or_metadata_gets_both(golden: Path) -> None:
    (golden / "files.json").unlink()
    (golden / "metadata/metadata.json").unlink()
    store = LocalStore(golden.parent, "r+", patience=0, fsync=False)
    assert sorted(each.kind for each in store.repair()) == ["index", "metadata"]
    assert json.loads((golden / "metadata/metadata.json").read_text()) == {}
    assert store.check() == []


def test_what_killed_processes_have_left_is_removed(golden: Path) -> None:
    def left(folder: Path) -> Path:
        place = temporary(folder)
        number = place.name.split("-")
        return place.with_name("-".join([*number[:2], "999999999", number[3]]))

    store = LocalStore(golden.parent, "r+", patience=0, fsync=False)
    kept = temporary(golden / "images", ".npy")
    kept.touch()  # a process is at work
    places = [left(golden / "images"), left(golden / "metadata/images"), left(golden), left(store.path / ".pyvolume")]
    for place in places:
        place.parent.mkdir(exist_ok=True)
        place.touch()
    staging = left(store.path / ".pyvolume/staging") / "fern" / "metadata"
    staging.mkdir(parents=True)
    assert [each.kind for each in store.check()] == ["left"] * 5
    assert [each.kind for each in store.repair()] == ["left"] * 5
    assert store.check() == []
    assert kept.exists()
    assert [each for each in [*places, staging] if each.exists()] == []
