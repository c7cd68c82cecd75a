"""Urls of repositories of Icechunk, of versions in them, and of volumes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyvolume.errors import AddressError
from pyvolume.icechunk.address import Address, parse, recognises


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("icechunk:///data/brain", Address("/data/brain")),
        ("icechunk:///data/brain/", Address("/data/brain")),
        ("icechunk:///data/brain:main", Address("/data/brain", "main")),
        ("icechunk:///data/brain:main/gray", Address("/data/brain", "main", "gray")),
        ("icechunk:///data/brain:main~2/a//b/", Address("/data/brain", "main~2", "a/b")),
        ("icechunk:///data/brain:v1/gray?level=2", Address("/data/brain", "v1", "gray", 2)),
        ("icechunk:///data/a:b/brain:dev/gray", Address("/data/a:b/brain", "dev", "gray")),
        ("ICECHUNK+S3://bucket/prefix:dev/gray", Address("s3://bucket/prefix", "dev", "gray")),
        ("icechunk:///data/brain::dev/gray", Address("/data/brain", ":dev", "gray")),
        ("icechunk+gs://bucket/a/b", Address("gs://bucket/a/b")),
        ("icechunk+s3+http://host:9000/bucket/p", Address("s3+http://host:9000/bucket/p")),
        ("icechunk+s3+http://host:9000/bucket/p:main/g", Address("s3+http://host:9000/bucket/p", "main", "g")),
    ],
)
def test_a_url_is_understood(url: str, expected: Address) -> None:
    assert recognises(url)
    assert parse(url) == expected


def test_a_relative_path_is_one_of_the_present_folder() -> None:
    assert parse("icechunk://brain:main/gray") == Address(f"{Path.cwd().as_posix()}/brain", "main", "gray")


@pytest.mark.parametrize(
    "url",
    [
        "icechunk:///data/brain:main/gray",
        "icechunk:///data/brain",
        "icechunk+s3://bucket/prefix:dev/gray",
        "icechunk+s3+http://host:9000/bucket/p:main/g",
    ],
)
def test_the_url_of_an_address_is_the_one_that_was_given(url: str) -> None:
    assert parse(url).url == url


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("icechunk+https://host/brain:main/gray", "expected icechunk://FOLDER"),
        ("zarr:///data/brain", "expected icechunk://FOLDER"),
        ("icechunk:///data/brain:main/../gray", "inside"),
        ("icechunk:///data/brain:", "the name of a version"),
        ("icechunk:///data/brain:main/gray?level=x", "with a number"),
        ("icechunk:///data/brain?level=1", "expected icechunk://FOLDER"),
        ("icechunk:///data/brain:main/gray?base=A&session=B", "nobody else can open"),
        ("icechunk://", "expected icechunk://FOLDER"),
        ("icechunk+s3://user:pass@bucket/p:main/gray", "expected icechunk://FOLDER"),
    ],
)
def test_a_malformed_url_is_one_sentence(url: str, sentence: str) -> None:
    with pytest.raises(AddressError, match=sentence):
        parse(url)


@pytest.mark.parametrize("url", ["zarr:///data/brain", "/data/icechunk", "https://icechunk://x", "icechunk"])
def test_other_urls_are_of_others(url: str) -> None:
    assert not recognises(url)
