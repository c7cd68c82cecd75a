"""What other programs have written is read as they would, but for what is dangerous or broken."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsdb_by_hand
import numpy as np
import pytest
from fsdb_by_hand import VOXELS, change_index, contents, spoil

from pyvolume.errors import AddressError, KeyNotFoundError, MetadataError, NotFoundError, UnsupportedError
from pyvolume.local import LocalStore, Scan


@pytest.fixture
def scan(golden: Path) -> Scan:
    return LocalStore(golden.parent)["fern_0042"]


def test_ids_are_in_the_order_of_the_index(scan: Scan) -> None:
    assert list(scan) == ["images", "Voxels_1__0123456789"]
    assert list(scan["images"]) == ["shot_001", "shot_000"]
    assert (len(scan), len(scan["images"])) == (2, 2)


def test_values_and_metadata_are_read(scan: Scan) -> None:
    shot = scan["images"]["shot_000"]
    assert (shot.read(), shot.bytes(), shot.name) == ("first", b"first", "shot_000.txt")
    assert shot.get_metadata("pose") == [1, 2.5]
    assert math.isnan(shot.get_metadata("angle"))
    assert (shot.get_metadata("none"), shot.get_metadata("none", 7)) == (None, 7)
    assert scan["images"]["shot_001"].get_metadata() == {}
    assert scan.measures == {"angles": [137], "internodes": [2.5]}
    np.testing.assert_array_equal(scan["Voxels_1__0123456789"]["Voxels"].read()["arr_0"], VOXELS, strict=True)


def test_reading_changes_nothing_and_takes_no_lock(golden: Path) -> None:
    before = contents(golden.parent)
    store = LocalStore(golden.parent)
    assert [file.bytes() for scan in store.values() for fileset in scan.values() for file in fileset.values()]
    assert store.check() == []
    assert contents(golden.parent) == before
    assert not (golden.parent / ".pyvolume").exists()


def test_a_query_finds_parts_of_metadata(store: LocalStore) -> None:
    for name, plant in {"a": {"species": "fern", "age": 3}, "b": {"species": "fern"}, "c": None}.items():
        store.create(name, metadata=None if plant is None else {"plant": plant})
    assert [scan.id for scan in store.find({"plant": {"species": "fern"}})] == ["a", "b"]
    assert [scan.id for scan in store.find({"plant": {"age": 3}})] == ["a"]
    assert store.find({"none": None}) == []
    assert [scan.id for scan in store.find({})] == ["a", "b", "c"]


def test_a_query_takes_the_values_that_metadata_take(store: LocalStore) -> None:
    raw = store.create("fern", {"pose": (1, 2)}).create("raw", {"pose": np.arange(3)})
    raw.put("a", "text", metadata={"angle": np.float32(0.1)})
    assert store.find({"pose": (1, 2)}) == [raw.scan]
    assert raw.scan.find({"pose": np.arange(3)}) == [raw]
    assert raw.find({"angle": np.float32(0.1)}) == [raw["a"]]
    with pytest.raises(TypeError, match="expected metadata as a mapping and found 'fern'"):
        store.find("fern")  # type: ignore[arg-type]


def test_what_is_missing_is_named_with_the_nearest(scan: Scan) -> None:
    with pytest.raises(KeyNotFoundError, match=r"fern_0042/image: there is no such fileset; did you mean 'images'"):
        scan["image"]
    with pytest.raises(KeyError, match=r"fern_0042/images/shot_0: there is no such file"):
        scan["images"]["shot_0"]
    with pytest.raises(KeyNotFoundError, match=r"golden/fern: there is no such scan"):
        LocalStore(scan.path.parent)["fern"]
    assert "shot_0" not in scan["images"]


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "a\\b", "../fern_0042", "a\0b"])
def test_an_id_that_leaves_its_folder_is_refused(scan: Scan, name: str) -> None:
    for place in (scan, scan["images"], LocalStore(scan.path.parent)):
        with pytest.raises(AddressError, match="an id that can be a name in a folder"):
            place[name]


def test_a_folder_without_a_marker_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(AddressError, match=r"expected a folder database, and the folder has no file 'romidb'"):
        LocalStore(tmp_path)
    with pytest.raises(AddressError, match=r"nothing: there is no such folder"):
        LocalStore(tmp_path / "nothing", "r+")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"filesets": [{"id": "ima', "expected a JSON document"),
        ("", "expected a JSON document"),
        ("[]", "expected a JSON object"),
        ("{}", r"a list at \$.filesets"),
        ('{"filesets": [3]}', r"a fileset at \$.filesets\[0\]"),
        ('{"filesets": [{"id": "a", "files": {}}]}', r"a list at \$.filesets\[0\].files"),
        ('{"filesets": [{"id": "a", "files": [1]}]}', r"a file at \$.filesets\[0\].files\[0\]"),
        ("[" * 100_000, "expected a JSON document"),
    ],
)
def test_a_broken_index_is_an_error_of_its_scan_only(tmp_path: Path, text: str, message: str) -> None:
    path = fsdb_by_hand.write_2026(tmp_path)
    (tmp_path / "other" / "metadata").mkdir(parents=True)
    (tmp_path / "other" / "files.json").write_text('{"filesets": []}')
    spoil(path / "files.json", text)
    store = LocalStore(tmp_path)
    assert list(store) == ["fern_0042", "other"]
    assert list(store["other"]) == []
    with pytest.raises(MetadataError, match=rf"fern_0042/files.json: .*{message}"):
        list(store["fern_0042"])
    assert [each.kind for each in store.check()] == ["index", "metadata"]


@pytest.mark.parametrize("text", ['{"object": {', "[]", "null", '"text"', "\xff"])
def test_metadata_that_cannot_be_read_are_an_error_and_stay(golden: Path, text: str) -> None:
    place = golden / "metadata/metadata.json"
    spoil(place, text)
    scan = LocalStore(golden.parent, "r+", fsync=False)["fern_0042"]
    for use in (scan.get_metadata, lambda: scan.set_metadata("a", 1)):
        with pytest.raises(MetadataError, match=r"metadata/metadata.json: expected a JSON"):
            use()
    assert place.read_text("latin-1") == text


ENTRIES: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "missing": (lambda sets: sets[0]["files"][1].update(file="gone.txt"), NotFoundError, "lists .*gone.txt"),
    "null": (lambda sets: sets[0]["files"][1].update(file=None), NotFoundError, "was never written"),
    "no name": (lambda sets: sets[0]["files"][1].pop("file"), NotFoundError, "was never written"),
    "outside": (lambda sets: sets[0]["files"][1].update(file="../scan.toml"), AddressError, "a file in the fileset"),
    "absolute": (lambda sets: sets[0]["files"][1].update(file="/etc/passwd"), AddressError, "a file in the fileset"),
}


@pytest.mark.parametrize("case", ENTRIES)
def test_an_entry_that_is_wrong_is_an_error_of_its_file_only(golden: Path, case: str) -> None:
    change, error, message = ENTRIES[case]
    change_index(golden, change)
    store = LocalStore(golden.parent)
    images = store["fern_0042"]["images"]
    assert list(images) == ["shot_001", "shot_000"]
    assert images["shot_001"].read() == "second"
    with pytest.raises(error, match=message):
        images["shot_000"].read()
    assert "entry" in [each.kind for each in store.check()]


def test_a_link_out_of_the_fileset_is_refused(golden: Path) -> None:
    (golden / "images/shot_000.txt").unlink()
    (golden / "images/shot_000.txt").symlink_to(golden / "scan.toml")
    with pytest.raises(AddressError, match=r"shot_000.txt is a link to .*scan.toml"):
        LocalStore(golden.parent)["fern_0042"]["images"]["shot_000"].bytes()


def test_duplicates_and_strange_entries_hide_nothing(golden: Path) -> None:
    def change(filesets: Any) -> None:
        filesets[0]["files"].append({"file": "other.txt", "id": "shot_000"})
        filesets[0]["files"].append({"file": "x.txt", "id": "../x"})
        filesets[0]["files"].append({"file": "x.txt", "id": 5})
        filesets.append({"id": "images", "files": [{"file": "more.txt", "id": "more"}]})
        filesets.append({"id": "../evil", "files": []})
        filesets.append({"id": "empty"})

    change_index(golden, change)
    (golden / "images/other.txt").write_text("last")
    scan = LocalStore(golden.parent)["fern_0042"]
    assert list(scan) == ["images", "Voxels_1__0123456789", "empty"]
    assert list(scan["images"]) == ["shot_001", "shot_000", "more"]
    assert scan["images"]["shot_000"].read() == "last"
    assert len(scan.index().problems) == 6


@pytest.mark.parametrize("name", ["\ud800", "x" * 256, "é" * 128, "x" * 252], ids=ascii)
def test_a_name_that_no_folder_can_have_is_a_problem_of_its_entry_only(golden: Path, name: str) -> None:
    def change(filesets: Any) -> None:
        filesets[0]["files"].append({"file": "shot_000.txt", "id": name})
        filesets[0]["files"].append({"file": f"{name}.txt", "id": "other"})
        filesets.append({"id": name, "files": []})

    change_index(golden, change)
    store = LocalStore(golden.parent, "r+", fsync=False)
    assert name not in store
    assert {file.id for file in store["fern_0042"]["images"].find({})} >= {"shot_000", "shot_001"}
    assert any(each.kind == "entry" for each in store.check())
    store.repair()
    assert list(store["fern_0042"]["images"])[:2] == ["shot_001", "shot_000"]
    store["fern_0042"]["images"].put("new", "text")
    with pytest.raises((AddressError, KeyNotFoundError)):
        store[name]


def test_a_database_with_a_path_that_is_too_long_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"open /.*xxx: .*too long"):
        LocalStore(tmp_path / ("x" * 300))


def test_a_value_of_pickle_is_never_loaded(golden: Path) -> None:
    place = golden / "Voxels_1__0123456789/Voxels.npz"
    place.write_bytes(fsdb_by_hand.npz(arr_0=np.array([{}], object)))
    file = LocalStore(golden.parent)["fern_0042"]["Voxels_1__0123456789"]["Voxels"]
    with pytest.raises(MetadataError, match="allow_pickle=False"):
        file.read()


def test_an_unknown_suffix_has_bytes_and_no_value(store: LocalStore) -> None:
    file = store.create("a").create("b").put("weights", b"\0\1", format="pt")
    assert (file.name, file.bytes()) == ("weights.pt", b"\0\1")
    with pytest.raises(UnsupportedError, match=r"weights.pt: expected one of the suffixes"):
        file.read()


def test_a_folder_in_the_place_of_a_file_is_refused(golden: Path) -> None:
    (golden / "images/shot_000.txt").unlink()
    (golden / "images/shot_000.txt").mkdir()
    with pytest.raises(AddressError, match="is a folder"):
        LocalStore(golden.parent)["fern_0042"]["images"]["shot_000"].path.read_bytes()


def test_an_index_that_changes_is_read_again(golden: Path) -> None:
    images = LocalStore(golden.parent)["fern_0042"]["images"]
    assert len(images) == 2
    change_index(golden, lambda sets: sets[0]["files"].pop())
    assert list(images) == ["shot_001"]
    assert json.loads((golden / "files.json").read_text())["filesets"][0]["id"] == "images"


def test_a_document_that_another_program_is_writing_is_read_again(
    golden: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, whole = golden / "files.json", (golden / "files.json").read_text()
    place.write_text(whole[:100])
    monkeypatch.setattr(time, "sleep", lambda _: place.write_text(whole))
    assert list(LocalStore(golden.parent)["fern_0042"]) == ["images", "Voxels_1__0123456789"]
