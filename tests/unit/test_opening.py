"""From a url or an array to a volume: forms, and what is wrong with others."""

from __future__ import annotations

import importlib
import socket
from typing import Any

import numpy as np
import pytest

import pyvolume
from pyvolume import Connection, RetryPolicy, Volume
from pyvolume.errors import AddressError, MetadataError, TransportError
from pyvolume.opening import DRIVERS, parse_url


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("dvid://http://localhost:8000/ab12/gray", ("dvid", "http://localhost:8000", "ab12", "gray")),
        ("dvid://https://example.org/:master/gray", ("dvid", "https://example.org", ":master", "gray")),
        ("dvid://https://example.org/ab:dev/gray", ("dvid", "https://example.org", "ab:dev", "gray")),
        ("dvid://http://host/:master~1/gray", ("dvid", "http://host", ":master~1", "gray")),
        ("dvid://http://host/behind/a/proxy/ab/gray", ("dvid", "http://host/behind/a/proxy", "ab", "gray")),
        ("http://host:8000/api/node/ab12/gray", ("dvid", "http://host:8000", "ab12", "gray")),
        ("https://host/api/node/ab%3Adev/gr%C3%A4y", ("dvid", "https://host", "ab:dev", "gräy")),
        ("http://host/proxy/api/node/ab/gray", ("dvid", "http://host/proxy", "ab", "gray")),
    ],
)
def test_every_form_of_a_url_names_server_version_and_instance(url: str, parts: tuple[str, ...]) -> None:
    assert parse_url(url) == parts


@pytest.mark.parametrize(
    "url",
    [
        "",
        "gray",
        "localhost:8000/ab12/gray",
        "/home/me/gray.nii",
        "http://",
        "http://localhost:8000",
        "http://localhost:8000/ab12/gray",
        "http://localhost:8000/api/node/ab12",
        "http://localhost:8000/api/node/ab12/",
        "http://localhost:8000/api/node//gray",
        "http://localhost:8000/api/node/ab12/gray/raw",
        "dvid://",
        "dvid://localhost:8000/ab12/gray",
        "dvid://http://localhost:8000/ab12/gray/",
        "dvid://http://localhost:8000//gray",
    ],
)
def test_a_url_of_another_form_is_refused_with_the_forms(url: str) -> None:
    with pytest.raises(
        AddressError, match="expected 'dvid://http://host:port/UUID/NAME' or 'http://host:port/api/node/"
    ):
        pyvolume.open(url)


@pytest.mark.parametrize(
    "url", ["s3://http://host/ab/gray", "n5://here/gray", "file:///tmp/gray", "DVID2://http://h/u/n"]
)
def test_an_unknown_scheme_is_refused_with_the_known_ones(url: str) -> None:
    with pytest.raises(AddressError, match=f"one of the schemes dvid and found '{url.partition(':')[0]}'"):
        pyvolume.open(url)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("dvid://ftp://host/ab/gray", "expected http or https and found 'ftp'"),
        ("dvid://http://host:port/ab/gray", "malformed url"),
        ("dvid://http:///ab/gray", "expected 'host:port' or a url"),
        ("dvid://http://me:secret@host/ab/gray", "a url holds no user and password"),
    ],
)
def test_a_bad_server_is_refused_as_an_address_is(url: str, message: str) -> None:
    with pytest.raises(AddressError, match=message) as raised:
        pyvolume.open(url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("option", ["thorttle", "time_out", "admin_token", "cast"])
def test_a_misspelt_option_is_a_type_error(option: str) -> None:
    options: dict[str, Any] = {option: None}
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{option}'"):
        pyvolume.open("dvid://http://localhost:8000/ab/gray", **options)


@pytest.mark.parametrize(
    ("option", "value"), [("retry", RetryPolicy()), ("timeout", 5), ("user", "me"), ("token", "t0ken")]
)
def test_an_option_of_the_connection_along_with_one_is_a_type_error(option: str, value: Any) -> None:
    options: dict[str, Any] = {option: value}
    with pytest.raises(TypeError, match=f"open: {option} belong to the connection, which is given"):
        pyvolume.open("dvid://http://localhost:8000/ab/gray", connection=Connection("localhost:8000"), **options)


def test_a_connection_to_another_server_is_refused_with_both() -> None:
    with pytest.raises(
        AddressError, match="the connection goes to http://localhost:8000, the url to http://other:8000"
    ):
        pyvolume.open("dvid://http://other:8000/ab/gray", connection=Connection("localhost:8000"))


def test_a_server_that_is_not_there_is_a_transport_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(TransportError, match=r"cannot connect to http://\S+, is the server running"):
        pyvolume.open(f"dvid://http://127.0.0.1:{port}/ab/gray")


@pytest.mark.parametrize("scheme", DRIVERS)
def test_every_scheme_names_a_kind_of_volume(scheme: str) -> None:
    module, _, name = DRIVERS[scheme].partition(":")
    assert issubclass(getattr(importlib.import_module(module), name), Volume)


def test_schemes_are_sorted() -> None:
    assert list(DRIVERS) == sorted(DRIVERS)


class TestFromArray:
    def test_axes_are_called_as_far_as_there_are_any(self) -> None:
        assert [pyvolume.from_array(np.zeros((1,) * n)).axiskeys for n in range(2, 7)] == [
            "cx", "cxy", "cxyz", "cxyzt", "cxyztu"
        ]  # fmt: skip

    def test_axes_may_be_called_otherwise(self) -> None:
        assert pyvolume.from_array(np.zeros((1, 3, 4)), "czt").axiskeys == "czt"

    def test_lists_are_arrays_too(self) -> None:
        volume = pyvolume.from_array([[1, 2], [3, 4]])
        assert (volume.shape, int(volume[1, 0])) == ((2, 2), 3)

    @pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float16", "float64", ">u2"])
    def test_the_dtype_is_that_of_the_array(self, dtype: str) -> None:
        assert pyvolume.from_array(np.zeros((1, 3), dtype)).dtype == np.dtype(dtype)

    @pytest.mark.parametrize(
        ("array", "found"),
        [
            (np.zeros(3), "float64 on 1"),
            (np.float64(3), "float64 on 0"),
            (np.zeros((1,) * 7), "float64 on 7"),
            (np.zeros((1, 3), complex), "complex128 on 2"),
            (np.zeros((1, 3), object), "object on 2"),
            (np.zeros((1, 3), "datetime64[s]"), r"datetime64\[s\] on 2"),
            ([["a", "b"]], "<U1 on 2"),
        ],
        ids=["1-D", "0-D", "7-D", "complex", "object", "datetime", "text"],
    )
    def test_an_array_that_is_no_volume_is_refused(self, array: Any, found: str) -> None:
        with pytest.raises(MetadataError, match=f"expected numbers on two to 6 axes, channel first, and found {found}"):
            pyvolume.from_array(array)

    @pytest.mark.parametrize("axiskeys", ["xyz", "cxyz", "cxx", ""])
    def test_axis_keys_that_do_not_fit_are_refused(self, axiskeys: str) -> None:
        with pytest.raises(MetadataError, match="axiskeys must be 3 different letters, channel first"):
            pyvolume.from_array(np.zeros((1, 3, 4)), axiskeys)

    @pytest.mark.parametrize("blocks", [(), (2,), (2, 2, 2), (2, 0), (2, -2)])
    def test_blocks_that_do_not_fit_are_refused(self, blocks: tuple[int, ...]) -> None:
        with pytest.raises(MetadataError, match="block_shape must be 2 positive integers, one per axis behind"):
            pyvolume.from_array(np.zeros((1, 3, 4)), block_shape=blocks)

    def test_an_array_without_channels_is_refused(self) -> None:
        with pytest.raises(MetadataError, match="at least one channel, not 0"):
            pyvolume.from_array(np.zeros((0, 3, 4)))


@pytest.mark.parametrize(
    "url",
    [
        "http://me:secret@host/wrong",
        "dvid://me:secret@host/ab/gray",
        "dvid://http://me:secret@host",
        "dvid://http://me:secret@host/ab/gray",
        "dvid://http://host/ab/gray?token=secret",
        "http://host/api/node/ab/gray?token=secret",
    ],
)
def test_a_url_with_a_secret_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(AddressError) as caught:
        pyvolume.open(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["dvid://http://host:8000/gray", "dvid://http://u/n", "dvid://https://host/"])
def test_a_url_without_a_version_is_refused(url: str) -> None:
    with pytest.raises(AddressError, match="UUID/NAME"):
        parse_url(url)


@pytest.mark.parametrize("blocks", [(2.0, 2.5), 4, ("a", 2), (2,), (0, 2), ()])
def test_blocks_that_are_none_are_refused(blocks: Any) -> None:
    with pytest.raises(MetadataError, match="block_shape must be 2 positive integers"):
        pyvolume.from_array(np.zeros((1, 4, 4)), block_shape=blocks)
