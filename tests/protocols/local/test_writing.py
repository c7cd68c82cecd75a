"""What is written keeps the rules that all generations of programs can read; everything else stays as it is."""

from __future__ import annotations

import contextlib
import json
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fsdb_by_hand
import numpy as np
import pytest
from fsdb_by_hand import INDEX, change_index, contents, text_of

from pyvolume.errors import (
    AddressError,
    ExistsError,
    KeyNotFoundError,
    MetadataError,
    NotFoundError,
    UnsupportedError,
)
from pyvolume.local import Fileset, LocalStore, Scan


def document(path: Path) -> Any:
    """Return a document, whose style is that of all programs."""
    text = path.read_text("ascii")
    assert text == text_of(json.loads(text))
    return json.loads(text)


@pytest.fixture
def scan(store: LocalStore) -> Scan:
    return store.create("fern", {"species": "fern"})


@pytest.fixture
def raw(scan: Scan) -> Fileset:
    return scan.create("raw")


@pytest.fixture
def old(golden: Path) -> Scan:
    """Give a scan that another program has made, for writing."""
    return LocalStore(golden.parent, "r+", patience=0, fsync=False)["fern_0042"]


def test_a_new_database_is_a_marker(store: LocalStore) -> None:
    assert {each.name: each.stat().st_size for each in store.path.iterdir()} == {"romidb": 0}


def test_a_new_scan_has_an_index_and_metadata(store: LocalStore) -> None:
    store.create("fern")
    assert contents(store.path) == {
        "fern/files.json": b'{\n    "filesets": []\n}',
        "fern/metadata/metadata.json": b"{}",
        "romidb": b"",
    }


def test_a_file_is_data_metadata_and_an_entry(store: LocalStore, scan: Scan, raw: Fileset) -> None:
    raw.put("shot", "text", metadata={"n": np.float32(0.5), "each": np.arange(2), "name": "é", "none": None})
    assert contents(store.path) == {
        "fern/files.json": text_of({
            "filesets": [{"files": [{"file": "shot.txt", "id": "shot"}], "id": "raw"}]
        }).encode(),
        "fern/metadata/metadata.json": b'{\n    "species": "fern"\n}',
        "fern/metadata/raw/shot.json": text_of({"each": [0, 1], "n": 0.5, "name": "é", "none": None}).encode(),
        "fern/raw/shot.txt": b"text",
        "romidb": b"",
    }
    assert b"\\u00e9" in (scan.path / "metadata/raw/shot.json").read_bytes()


def test_an_empty_fileset_has_a_list_and_a_folder(scan: Scan, raw: Fileset) -> None:
    assert document(scan.path / "files.json") == {"filesets": [{"files": [], "id": "raw"}]}
    assert raw.path.is_dir()
    assert not (scan.path / "metadata/raw.json").exists()


def test_what_others_have_written_stays(old: Scan) -> None:
    change_index(old.path, lambda sets: sets[1].update(colour="green"))
    (old.path / "images/not listed.dat").write_text("mine")
    root = old.path.parent
    before = contents(root)
    old["images"].put("new", "text")
    after = contents(root)
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"fern_0042/files.json", "fern_0042/images/new.txt"}
    assert before.keys() <= after.keys()
    expected = json.loads(text_of(INDEX))
    expected["filesets"][0]["files"].append({"file": "new.txt", "id": "new"})
    expected["filesets"][1]["colour"] = "green"
    assert document(old.path / "files.json") == expected


def test_entries_that_are_wrong_stay_in_the_index(old: Scan) -> None:
    def change(filesets: Any) -> None:
        filesets[0]["files"][0].update(file=None)
        filesets[0]["files"].append({"file": "../x", "id": "planted"})
        filesets.append({"id": "no list"})
        filesets.append({"id": "../evil", "files": []})

    change_index(old.path, change)
    expected = document(old.path / "files.json")
    old["images"].put("new", "text")
    expected["filesets"][0]["files"].append({"file": "new.txt", "id": "new"})
    expected["filesets"][2]["files"] = []
    assert document(old.path / "files.json") == expected


def test_metadata_replace_keys_and_keep_the_others(old: Scan) -> None:
    shot = old["images"]["shot_000"]
    shot.set_metadata({"pose": {"x": 1}, "flag": True})
    shot.set_metadata("flag", None)
    assert '"angle": NaN' in (old.path / "metadata/images/shot_000.json").read_text()
    assert {**shot.get_metadata(), "angle": 0} == {"angle": 0, "pose": {"x": 1}, "flag": None}


def test_copies_of_metadata_go_in_and_out(scan: Scan) -> None:
    given = {"list": [1]}
    scan.set_metadata(given)
    given["list"].append(2)
    scan.get_metadata()["list"].append(3)
    assert scan.get_metadata() == {"species": "fern", "list": [1]}


NESTED: list[Any] = []
NESTED.append(NESTED)


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        np.float32("inf"),
        {1, 2},
        b"bytes",
        1j,
        {3: 4},
        {None: 4},
        [object()],
        np.array([np.nan]),
        np.datetime64("2026-01-01", "ns"),
        np.timedelta64(5, "ns"),
        NESTED,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_lacks_is_refused_before_anything_is_written(store: LocalStore, raw: Fileset, value: Any) -> None:
    before = contents(store.path)
    for write in (
        lambda: raw.scan.set_metadata("a", value),
        lambda: raw.put("shot", "text", metadata={"a": value}),
        lambda: raw.scan.create("other", {"a": value}),
        lambda: store.create("other", {"a": value}),
    ):
        with pytest.raises(MetadataError, match=r"expected (a value of JSON|keys of text) at \$.a|nested too deeply"):
            write()
    assert contents(store.path) == before


@pytest.mark.parametrize(
    "name", ["a/b", "..", ".hidden", "", "metadata", "webcache", "é", "a b", "a\n", "a" * 201, "-a"]
)
def test_an_id_that_others_cannot_use_is_refused(store: LocalStore, raw: Fileset, name: str) -> None:
    for create in (store.create, raw.scan.create, lambda name: raw.put(name, "text")):
        with pytest.raises(AddressError, match="expected an id of up to 200 letters, digits"):
            create(name)


def test_names_of_other_things_are_no_ids(store: LocalStore, scan: Scan) -> None:
    for name in ("romidb", "lock", "users.json", "Groups.json"):
        with pytest.raises(ExistsError):
            store.create(name)
    with pytest.raises(AddressError, match="no name of a document"):
        scan.create("raw.json")
    assert (list(store), list(scan)) == (["fern"], [])


def test_an_id_that_is_taken_is_refused_in_any_case(store: LocalStore, raw: Fileset) -> None:
    raw.put("shot", "text")
    for create, name in ((store.create, "Fern"), (raw.scan.create, "RAW"), (lambda name: raw.put(name, "x"), "SHOT")):
        for each in (name, name.lower()):
            with pytest.raises(ExistsError):
                create(each)
    assert raw["shot"].read() == "text"


def test_overwriting_replaces_data_and_keeps_metadata(raw: Fileset) -> None:
    raw.put("other", "x")
    raw.put("shot", "text", metadata={"n": 1})
    raw.put("third", "x")
    file = raw.put("shot", np.zeros((2, 3)), axes="xy", overwrite=True)
    assert (file.name, file.get_metadata("n")) == ("shot.npz", None)
    file.set_metadata("n", 2)
    raw.put("shot", {"a": 1}, overwrite=True)
    assert raw["shot"].get_metadata() == {"n": 2}  # the axes were those of other data
    assert list(raw) == ["other", "shot", "third"]
    assert sorted(each.name for each in raw.path.iterdir()) == ["other.txt", "shot.json", "third.txt"]


def test_a_file_that_is_not_listed_is_kept(store: LocalStore, raw: Fileset) -> None:
    (raw.path / "shot.txt").write_text("of somebody")
    raw.put("shot", "text")
    kept = [each.read_text() for each in (store.path / ".pyvolume/backup").rglob("shot.txt")]
    assert (raw["shot"].read(), kept) == ("text", ["of somebody"])


def test_a_removed_file_takes_its_metadata_along(store: LocalStore, raw: Fileset) -> None:
    raw.put("shot", "text", metadata={"n": 1})
    raw.put("other", "text")
    del raw["shot"]
    assert list(raw) == ["other"]
    assert raw.put("shot", "new").get_metadata() == {}
    del raw.scan["raw"]
    assert list(raw.scan) == []
    assert [name for name in contents(store.path) if "raw" in name] == []
    with pytest.raises(KeyNotFoundError):
        del raw.scan["raw"]
    del store["fern"]
    assert (list(store), contents(store.path)) == ([], {"romidb": b""})


def test_a_scan_that_has_gone_is_not_found(store: LocalStore, raw: Fileset) -> None:
    del store["fern"]
    for use in (lambda: list(raw), lambda: raw.put("shot", "text"), lambda: raw.scan.set_metadata("a", 1)):
        with pytest.raises(NotFoundError, match="there is no scan 'fern'"):
            use()
    assert contents(store.path) == {"romidb": b""}


def test_metadata_that_older_programs_leave_do_not_come_back(old: Scan) -> None:
    change_index(old.path, lambda sets: sets[0]["files"].pop())
    (old.path / "images/shot_000.txt").unlink()
    assert old["images"].put("shot_000", "new").get_metadata() == {}


def test_the_images_repeat_what_plantdb_takes_from_them(scan: Scan) -> None:
    scan.set_metadata({"object": {"plant": "fern"}, "hardware": "x", "other": 1})
    images = scan.create("images", {"channels": 3})
    assert images.get_metadata() == {"channels": 3, "object": {"plant": "fern"}, "hardware": "x"}
    scan.set_metadata({"object": {"plant": "moss"}, "acquisition_date": "today"})
    assert images.get_metadata() == {
        "channels": 3, "object": {"plant": "moss"}, "hardware": "x", "acquisition_date": "today"
    }  # fmt: skip
    images.set_metadata({"hardware": "x", "channels": 4})
    with pytest.raises(MetadataError, match="'object' of the fileset 'images' repeats that of the scan"):
        images.set_metadata("object", "fern")


def test_images_without_metadata_repeat_nothing(scan: Scan) -> None:
    scan.create("images")
    scan.set_metadata("object", "fern")
    assert not (scan.path / "metadata/images.json").exists()


def test_a_batch_writes_the_index_once(scan: Scan) -> None:
    before = (scan.path / "files.json").stat().st_ino
    with scan.batch() as batch:
        raw = batch.create("raw", {"a": 1})
        for number in range(5):
            raw.put(f"shot_{number}", str(number), metadata={"n": number})
        scan.set_metadata("count", 5)
        assert (list(scan), list(raw), "shot_1" in raw) == ([], [], False)
        assert (scan.path / "files.json").stat().st_ino == before
    assert [file.read() for file in scan["raw"].values()] == list("01234")
    assert [file.get_metadata("n") for file in scan["raw"].values()] == list(range(5))
    assert (scan.get_metadata("count"), scan["raw"].get_metadata()) == (5, {"a": 1})


def test_a_batch_that_fails_changes_nothing(scan: Scan, raw: Fileset) -> None:
    raw.put("taken", "text")
    before = contents(scan.path)

    def interrupted() -> None:
        with scan.batch():
            raw.put("shot", "text")
            del raw["taken"]
            raise ZeroDivisionError

    def twice() -> None:
        with scan.batch():
            raw.put("shot", "text")
            raw.put("shot", "text")

    def nested() -> None:
        with scan.batch(), scan.batch():
            pass

    for batch, error in ((interrupted, ZeroDivisionError), (twice, ExistsError), (nested, UnsupportedError)):
        with pytest.raises(error):
            batch()
    assert contents(scan.path) == before


def test_the_steps_of_a_batch_follow_each_other(scan: Scan, raw: Fileset) -> None:
    raw.put("a", "old", metadata={"n": 1})
    with scan.batch():
        del raw["a"]
        raw.put("b", "new")
        del scan["raw"]
        again = scan.create("raw")
        again.put("a", "new")
    assert {file.id: (file.read(), file.get_metadata()) for file in again.values()} == {"a": ("new", {})}
    assert [each.name for each in again.path.iterdir()] == ["a.txt"]


def test_the_last_data_of_a_batch_stay(store: LocalStore, scan: Scan, raw: Fileset) -> None:
    with scan.batch():
        raw.put("a", {"old": 1})
        raw.put("a", "new", overwrite=True)
        raw.put("b", {"old": 1})
        raw.put("b", "new", overwrite=True)
        del raw["b"]
    assert [each.name for each in raw.path.iterdir()] == ["a.txt"]
    assert (raw["a"].read(), store.check()) == ("new", [])


def test_nothing_is_left_of_a_fileset_that_was_not_made(store: LocalStore, scan: Scan, raw: Fileset) -> None:
    def interrupted() -> None:
        with scan.batch():
            scan.create("other").put("a", "text")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    with scan.batch():
        scan.create("other").put("a", "text")
        del scan["other"]
    del scan["raw"]
    with pytest.raises(KeyNotFoundError):
        raw.add("a", raw.path / "part", ".txt", None, overwrite=False)
    assert (sorted(each.name for each in scan.path.iterdir()), store.check()) == (["files.json", "metadata"], [])


def test_a_fileset_is_removed_while_somebody_puts_a_file_into_it(scan: Scan) -> None:
    store = LocalStore(scan.path.parent, "r+", patience=300, fsync=False)
    scan = store["fern"]
    raw = scan.create("raw")
    other = threading.Event()

    def put() -> None:
        while not other.is_set():
            with contextlib.suppress(KeyNotFoundError, NotFoundError):
                raw.put("b", "text", overwrite=True)

    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(put) for _ in range(2)]
        try:
            for _ in range(30):
                del scan["raw"]
                scan.create("raw")
        finally:
            other.set()
        for each in waiting:
            each.result()
    assert [each for each in store.check() if each.kind != "lock"] == []


def test_handles_travel_to_other_processes(store: LocalStore, raw: Fileset) -> None:
    file = raw.put("a", "text")
    for each in (store, raw.scan, raw, file):
        assert pickle.loads(pickle.dumps(each)) == each
    with raw.scan.batch(), pytest.raises(UnsupportedError, match="a batch is open"):
        pickle.dumps(file)


@pytest.mark.parametrize(("suffix", "value"), [("png", [[0.5]]), ("ply", [1]), ("json", np.zeros(2, "M8[ns]"))])
def test_a_value_that_the_format_lacks_is_told_with_the_file(raw: Fileset, suffix: str, value: Any) -> None:
    with pytest.raises(UnsupportedError, match=r"^write .*/fern/raw/shot: expected (?!.*\.pyvolume-)"):
        raw.put("shot", value, format=suffix)
    assert list(raw.path.iterdir()) == []


def test_a_file_is_imported_with_its_suffix(raw: Fileset, tmp_path: Path) -> None:
    for name in ("photo.JPG", "image.ome.tif", "archive.tar.gz"):
        (tmp_path / name).write_bytes(b"data")
        raw.import_file(tmp_path / name, metadata={"from": name})
    raw.import_file(tmp_path / "photo.JPG", "second")
    assert {file.id: file.name for file in raw.values()} == {
        "photo": "photo.JPG",
        "image": "image.ome.tif",
        "archive.tar": "archive.tar.gz",
        "second": "second.JPG",
    }
    with pytest.raises(NotFoundError, match="there is no file"):
        raw.import_file(tmp_path / "none.txt")
    assert raw["photo"].get_metadata() == {"from": "photo.JPG"}


def test_a_database_that_is_read_refuses_changes(golden: Path) -> None:
    before = contents(golden.parent)
    store = LocalStore(golden.parent)
    images = store["fern_0042"]["images"]
    for change in (
        lambda: store.create("a"),
        lambda: images.scan.create("a"),
        lambda: images.put("a", "text"),
        lambda: images.set_metadata("a", 1),
        lambda: images.scan.batch().__enter__(),
        lambda: store.__delitem__("fern_0042"),
        lambda: images.__delitem__("shot_000"),
        store.repair,
        store.break_lock,
    ):
        with pytest.raises(UnsupportedError, match=r"mode='r'; mode='r\+' allows changes"):
            change()
    assert contents(golden.parent) == before


def test_a_new_database_replaces_nothing(golden: Path, tmp_path: Path) -> None:
    with pytest.raises(ExistsError, match="expected an empty folder"):
        LocalStore(golden.parent, "w-")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ExistsError, match="a file is there"):
        LocalStore(tmp_path / "file", "w-")
    with pytest.raises(ValueError, match="mode is 'r' or 'r\\+' or 'w-', not 'w'"):
        LocalStore(tmp_path / "new", "w")  # type: ignore[arg-type]


def test_a_scan_of_older_programs_becomes_visible_for_plantdb(tmp_path: Path) -> None:
    path = fsdb_by_hand.write_2021(tmp_path / "db")
    (path / "metadata/metadata.json").unlink()
    scan = LocalStore(tmp_path / "db", "r+", fsync=False)["fern_0042"]
    scan["images"].put("new", "text")
    assert document(path / "metadata/metadata.json") == {}


def test_a_fileset_called_metadata_is_left_alone(old: Scan) -> None:
    change_index(old.path, lambda sets: sets.append({"id": "metadata", "files": []}))
    for change in (lambda: old["metadata"].put("a", "x"), lambda: old.__delitem__("metadata")):
        with pytest.raises(AddressError, match="'metadata' has a meaning of its own"):
            change()
    assert (old.path / "metadata/metadata.json").exists()
