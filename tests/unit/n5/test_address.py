"""Addresses of N5: what a url or a path names."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyvolume.errors import AddressError
from pyvolume.n5.address import canonical, checked, parse, recognises


@pytest.mark.parametrize(
    "url",
    [
        "n5:///data/raw", "N5://data", "cells.n5", "cells.n5/volumes/raw", "/data/cells.N5/raw?level=1", "a/b.xml",
        "file:///data/cells.n5/raw", "dataset.xml?timepoint=3",
    ],
)  # fmt: skip
def test_urls_of_n5_are_recognised(url: str) -> None:
    assert recognises(url)


@pytest.mark.parametrize("url", ["hpc://host/x.n5", "http://host/x.n5", "cells.zarr", "n5/raw", "x.n5.h5", "xml"])
def test_other_urls_are_not(url: str) -> None:
    assert not recognises(url)


def test_a_query_chooses_version_level_and_views() -> None:
    found = parse("n5:///data/a%20b?version=mixedLatest&level=2,2,1&timepoint=7&angle=0&tile=3")
    assert found.path == Path("/data/a b")
    assert (found.version, found.level) == ("mixedLatest", (2, 2, 1))
    assert found.chosen == {"timepoint": 7, "angle": 0, "tile": 3}


def test_a_relative_path_begins_at_the_present_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse("x.n5/raw").path == tmp_path / "x.n5" / "raw"
    assert parse("n5://x.n5/raw").path == tmp_path / "x.n5" / "raw"
    assert parse("../y.n5/raw").path == tmp_path.parent / "y.n5" / "raw"


def test_a_question_mark_can_be_in_the_name_of_a_folder() -> None:
    assert parse("what?.n5/raw").path.parent.name == "what?.n5"
    assert parse("n5:///what%3F/raw?level=1").path == Path("/what?/raw")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("n5://", "expected n5:///PATH"),
        ("n5:///a%00b", "expected n5:///PATH"),
        ("x.n5/../../etc/raw", "inside x.n5 and found '/../../etc/raw'"),
        ("n5:///data/x.n5/%2e%2e/raw", "inside /data/x.n5"),
        ("x.n5/raw?version=new", "'latest'|latest or mixedLatest"),
        ("x.n5/raw?version=-1", "a version in a folder is a number"),
        ("x.n5/raw?level=1.5", "a level is its factors"),
        ("x.n5/raw?level=" + "9" * 5000, "a level is its factors"),
        ("x.n5/raw?timepoint=-3", "timepoint is a number"),
        ("x.n5/raw?chanel=0", "did you mean 'channel'|'channel'"),
        ("x.n5/raw?channel=0&channel=1", "'channel' several times"),
        ("x.n5/raw[:, 3]", "without slices"),
    ],
)
def test_a_malformed_url_is_one_sentence(url: str, message: str) -> None:
    with pytest.raises(AddressError, match=message) as caught:
        parse(url)
    assert "\n" not in str(caught.value)


def test_the_canonical_url_is_understood_again() -> None:
    path = Path("/data/a b?/50%.n5/räw")
    assert parse(canonical(path)).path == path
    assert parse(canonical(path, {"level": "2,2,1"})).level == (2, 2, 1)


@pytest.mark.parametrize("path", ["..", "a/../../b", "a/..", "\\..\\b", "C:\\b", "a\0b"])
def test_a_path_that_leaves_its_folder_is_refused(path: str) -> None:
    with pytest.raises(AddressError, match="inside /data"):
        checked(path, "/data")


def test_needless_slashes_and_dots_are_left_out() -> None:
    assert checked("./export.n5//./", "/data") == "export.n5"
