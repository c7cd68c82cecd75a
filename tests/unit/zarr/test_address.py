"""Which urls are those of zarr, and what they name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyvolume.errors import AddressError
from pyvolume.stores import registry
from pyvolume.zarr.address import Address, parse, recognises


@pytest.mark.parametrize(
    "url",
    [
        "cells.zarr",
        "cells.ome.zarr/",
        "data/cells.ZARR/labels/nuclei",
        "file:///data/cells.zarr",
        "file:/data/cells.zarr",
        "zarr:///data/cells",
        "zarr://s3://bucket/cells",
        "s3://bucket/cells.zarr/0",
        "gs://bucket/cells.zarr",
        "az://bucket/cells.zarr",
        "https://host/cells.zarr?level=1",
        "http://host:8000/a/plate.zarr/A/1/0",
    ],
)
def test_a_url_of_zarr_is_recognised(url: str) -> None:
    assert recognises(url)
    assert registry.find(url)[0] == "zarr"


@pytest.mark.parametrize(
    "url",
    [
        "cells.h5",
        "cells.zarrow",
        ".zarr",
        "dvid://http://host/:master/x.zarr",
        "hpc://http://host/x.zarr",
        "http://host:8000/:master/gray",
        "file:///data/cells.h5",
        "s3://bucket/cells",
    ],
)
def test_other_urls_are_not(url: str) -> None:
    assert not recognises(url)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("/d/cells.zarr", Address("/d/cells.zarr")),
        ("/d/cells.zarr/", Address("/d/cells.zarr")),
        ("/d/cells.zarr?level=2", Address("/d/cells.zarr", "", 2)),
        ("/d/cells.zarr/labels/nuclei?level=0", Address("/d/cells.zarr", "labels/nuclei", 0)),
        ("file:///d/a%20b.zarr/0", Address("/d/a b.zarr", "0")),
        ("zarr:///d/cells", Address("/d/cells")),
        ("zarr:///d/cells?level=1", Address("/d/cells", "", 1)),
        ("https://host/d/cells.zarr/0", Address("https://host/d/cells.zarr", "0")),
        ("s3://bucket/d/cells.zarr", Address("s3://bucket/d/cells.zarr")),
        ("zarr://S3://bucket/d/cells/", Address("s3://bucket/d/cells")),
        ("s3+http://host:9000/bucket/cells.zarr/0", Address("s3+http://host:9000/bucket/cells.zarr", "0")),
    ],
)
def test_a_url_names_a_hierarchy_and_a_path_in_it(url: str, address: Address) -> None:
    assert parse(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "/d/cells.zarr/0",
        "zarr:///d/cells",
        "https://host/d/cells.zarr/0",
        "s3://bucket/cells.zarr",
        "zarr://s3://bucket/cells",
        "s3+http://host:9000/bucket/cells.zarr/0",
    ],
)
def test_the_url_of_an_address_opens_it_again(url: str) -> None:
    assert parse(parse(url).url) == parse(url)


def test_a_relative_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse("a/cells.zarr/1") == Address((tmp_path / "a/cells.zarr").as_posix(), "1")


def test_groups_around_a_folder_with_another_name_belong_to_the_hierarchy(tmp_path: Path) -> None:
    (tmp_path / "cells" / "0").mkdir(parents=True)
    (tmp_path / "cells" / "zarr.json").write_text("{}")
    assert parse(f"zarr://{tmp_path}/cells/0") == Address((tmp_path / "cells").as_posix(), "0")


@pytest.mark.parametrize(
    "url",
    [
        "https://host/cells.zarr/../other",
        "s3://bucket/cells.zarr/a/../../b",
        "cells.zarr?level=x",
        "zarr://ftp://host/cells.zarr",
        "https://user:secret@host/cells.zarr",
        "https:///cells.zarr",
        "s3://bucket/cells.zarr?versionId=3",
    ],
)
def test_a_malformed_url_is_refused(url: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse(url)
    assert "secret" not in str(caught.value)


def test_a_path_does_not_leave_its_hierarchy() -> None:
    with pytest.raises(AddressError, match="inside"):
        parse("/d/cells.zarr").at("../other")
