"""Urls of DVID: every form, and what each names."""

from __future__ import annotations

import pytest

from pyvolume.dvid.address import Address, parse, recognises
from pyvolume.errors import AddressError

HOST = "http://localhost:8000"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"dvid://{HOST}/ab12/gray", Address(HOST, "ab12", "gray")),
        (f"dvid://{HOST}/ab12/gray/", Address(HOST, "ab12", "gray")),
        ("dvid://localhost:8000/ab12/gray", Address(HOST, "ab12", "gray")),
        ("localhost:8000/ab12/gray", Address(HOST, "ab12", "gray")),
        (f"{HOST}/ab12/gray", Address(HOST, "ab12", "gray")),
        ("DVID://HTTP://localhost:8000/ab12/gray", Address(HOST, "ab12", "gray")),
        ("dvid://https://example.org/:master/gray", Address("https://example.org", ":master", "gray")),
        ("dvid://http://host/:master~1/gray", Address("http://host", ":master~1", "gray")),
        ("dvid://http://host/behind/a/proxy/ab/gray", Address("http://host/behind/a/proxy", "ab", "gray")),
        (f"{HOST}/api/node/ab12/gray", Address(HOST, "ab12", "gray")),
        (f"{HOST}/api/node/ab12/gray?throttle=on", Address(HOST, "ab12", "gray", throttle=True)),
        (f"dvid://{HOST}/ab12/gray?roi=brain", Address(HOST, "ab12", "gray", roi="brain")),
        (f"{HOST}/api/node/ab12/gray?throttle=off&u=me", Address(HOST, "ab12", "gray")),
        ("https://host/api/node/ab%3Adev/gr%C3%A4y", Address("https://host", "ab:dev", "gräy")),
        ("http://host/proxy/api/node/ab/gray", Address("http://host/proxy", "ab", "gray")),
        ("http://host/api/api/node/ab/gray", Address("http://host/api", "ab", "gray")),
        (f"{HOST}/api/node/ab12/notes/key/who", Address(HOST, "ab12", "notes", "key/who")),
        (f"{HOST}/api/repo/ab12/info", Address(HOST, "ab12")),
        (f"{HOST}/api/repos/info", Address(HOST)),
        ("http://host/proxy/api/server/info", Address("http://host/proxy")),
        (f"dvid://{HOST}", Address(HOST)),
        ("dvid://http://[::1]:8000/ab12/gray", Address("http://[::1]:8000", "ab12", "gray")),
        ("dvid://http://[::1]:8000", Address("http://[::1]:8000")),
        ("[::1]:8000/ab12/gray", Address("http://[::1]:8000", "ab12", "gray")),
        ("[::FFFF:127.0.0.1]:8000/", Address("http://[::ffff:127.0.0.1]:8000")),
        ("dvid://[::1]:8000/ab12", Address("http://[::1]:8000", "ab12")),
        ("dvid://HTTP://Example.org:80/ab12/gray", Address("http://example.org", "ab12", "gray")),
    ],
)
def test_every_form_names_server_version_and_instance(url: str, expected: Address) -> None:
    assert recognises(url)
    assert parse(url) == expected


@pytest.mark.parametrize("name", ["gray", "gr ay", "Grau·ß"])
def test_the_text_of_an_address_names_the_same(name: str) -> None:
    address = Address(HOST, "ab:dev", name)
    assert parse(str(address)) == address


@pytest.mark.parametrize(
    "url",
    [
        "dvid://",
        f"dvid://{HOST}//gray",
        f"dvid://{HOST}/ab12/gray//",
        f"dvid://{HOST}//",
        f"dvid://{HOST}/ab12/..",
        f"dvid://{HOST}/ab12/.",
        f"dvid://{HOST}/%2E%2E/gray",
        f"dvid://{HOST}/a/../ab12/gray",
        f"{HOST}/api/node/ab12/../gray",
        f"{HOST}/api/node/ab12/gray/./key",
        f"{HOST}/api/node//gray",
        f"{HOST}/ab12/gray#there",
        f"{HOST}/ab12/gray[0, 1:2]",
        f"{HOST}/ab12/gray?compression=jpeg",
        f"{HOST}/ab12/gray?roi=nose&roi=mouth",
        "dvid://ftp://host/ab/gray",
    ],
)
def test_what_is_no_url_of_dvid_is_refused(url: str) -> None:
    with pytest.raises(AddressError):
        parse(url)


@pytest.mark.parametrize(
    "text", ["", "gray", "[::1]", "[0, 1]:8000", ":master/gray", "/home/me/cut.h5", "cut.h5", "s3://bucket/gray"]
)
def test_other_texts_are_not_recognised(text: str) -> None:
    assert not recognises(text)
