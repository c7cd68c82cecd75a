"""From a url or an array to a volume: forms, and what is wrong with others."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyvolume
from mockserver import MockServer
from pyvolume import Connection, RetryPolicy
from pyvolume.dvid import VoxelsAccessor
from pyvolume.errors import AddressError, MetadataError, TransportError, UnsupportedError

HOST = "http://localhost:8000"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "gray",
        "/home/me/gray",
        "http://",
        "dvid://",
        "http://localhost:8000/api/node//gray",
        "dvid://http://localhost:8000//gray",
        "http://localhost:8000/api/node/ab12/gray/raw",
    ],
)
def test_a_url_that_names_nothing_is_refused_with_the_forms(url: str) -> None:
    with pytest.raises(AddressError, match="/VERSION/NAME"):
        pyvolume.open(url)


@pytest.mark.parametrize(
    ("url", "call"),
    [
        (HOST, f"pyvolume.dvid.Server('{HOST}')"),
        ("localhost:8000", f"pyvolume.dvid.Server('{HOST}')"),
        (f"{HOST}/api/repos/info", f"pyvolume.dvid.Server('{HOST}')"),
        (f"dvid://{HOST}/ab12", ".version('ab12')"),
        (f"{HOST}/api/repo/ab12/info", ".version('ab12')"),
        (f"{HOST}/api/node/ab12", ".version('ab12')"),
        (f"{HOST}/api/node/ab12/brain/roi", ".version('ab12').roi('brain')"),
        (f"{HOST}/api/node/ab12/notes/key/wh%C3%B6", ".version('ab12').keyvalue('notes')['whö']"),
        (f"{HOST}/api/node/ab12/gray/raw/0_1_2/1_1_1/0_0_0", f"dvid://{HOST}/ab12/gray"),
        (f"dvid://{HOST}/ab12/gray[0, :]", "slice"),
    ],
)
def test_a_url_of_something_else_is_refused_with_the_call_for_it(url: str, call: str) -> None:
    with pytest.raises(AddressError) as caught:
        pyvolume.open(url)
    assert call in str(caught.value)


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("dvid:/http://localhost:8000/ab/gray", "dvid://http://localhost:8000/ab/gray"),
        ("dvid:/localhost:8000/ab/cut.h5", "dvid://localhost:8000/ab/cut.h5"),
        ("HTTP:/localhost:8000/ab/gray", "HTTP://localhost:8000/ab/gray"),
    ],
)
def test_a_url_with_one_slash_is_refused_with_two(url: str, wanted: str) -> None:
    with pytest.raises(AddressError, match="slash") as caught:
        pyvolume.open(url)
    assert repr(wanted) in str(caught.value)


@pytest.mark.parametrize("url", ["s3://http://host/ab/gray", "n6://here/gray", "DVID2://http://h/u/n"])
def test_an_unknown_scheme_is_refused_with_the_known_ones(url: str) -> None:
    with pytest.raises(AddressError, match="dvid"):
        pyvolume.open(url)


@pytest.mark.parametrize(
    "url",
    [
        "dvid://ftp://host/ab/gray",
        "dvid://http://host:port/ab/gray",
        "dvid://http:///ab/gray",
        "dvid://http://me:secret@host/ab/gray",
    ],
)
def test_a_bad_server_is_refused_as_an_address_is(url: str) -> None:
    with pytest.raises(AddressError) as raised:
        pyvolume.open(url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("option", "nearest"),
    [("thorttle", "throttle"), ("time_out", "timeout"), ("parital_blocks", "partial_blocks"), ("moode", "mode")],
)
def test_a_misspelt_option_is_a_type_error_that_suggests_the_nearest(option: str, nearest: str) -> None:
    options: dict[str, Any] = {option: None}
    with pytest.raises(TypeError, match=f"'{nearest}'"):
        pyvolume.open("dvid://http://localhost:8000/ab/gray", **options)


def test_an_option_unlike_all_others_is_a_type_error_that_lists_them() -> None:
    options: dict[str, Any] = {"xyzzy": 1}
    with pytest.raises(TypeError, match="throttle"):
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


def test_a_volume_is_opened_for_reading_only() -> None:
    with MockServer({"gray": np.zeros((1, 64, 64, 64), "uint8")}) as server:
        with pyvolume.open(f"dvid://{server.url}/:master/gray") as volume, pytest.raises(UnsupportedError):
            volume[:, :64] = 1
        with pyvolume.open(f"dvid://{server.url}/:master/gray", "r+") as volume:
            volume[...] = 1


@pytest.mark.parametrize(
    "form",
    [
        "dvid://{url}/{uuid}/gray",
        "dvid://{url}/{uuid}/gray/",
        "dvid://{host}/:master/gray",
        "{host}/:master/gray",
        "{url}/:master/gray",
        "{url}/api/node/{uuid}/gray",
        "{url}/api/node/{uuid}/gray?u=me&app=browser",
        "{url}/api/node/{uuid}/gray?throttle=on",
    ],
)
def test_every_form_of_a_url_opens_the_volume(form: str) -> None:
    with MockServer({"gray": np.full((1, 64, 64, 64), 7, "uint8")}) as server:
        host = server.url.removeprefix("http://")
        with pyvolume.open(form.format(url=server.url, host=host, uuid=server.uuid)) as volume:
            assert int(volume[0, 1, 2, 3]) == 7


def test_a_connection_is_closed_with_the_volume_if_it_was_made_for_it() -> None:
    with MockServer({"gray": np.zeros((1, 64, 64, 64), "uint8")}) as server, Connection(server.url) as connection:
        url = f"dvid://{server.url}/:master/gray"
        made, given = pyvolume.open(url), pyvolume.open(url, connection=connection)
        made.close()
        given.close()
        assert int(given[0, 0, 0, 0]) == 0
        with pytest.raises(ValueError, match="closed"):
            made[0, 0, 0, 0]


class TestFromArray:
    def test_axes_are_called_as_far_as_there_are_any(self) -> None:
        assert ["".join(pyvolume.from_array(np.zeros((1,) * n)).dims) for n in (2, 4, 5, 6)] == [
            "cx", "cxyz", "cxyzt", "cxyztu"
        ]  # fmt: skip

    def test_an_array_of_three_axes_must_say_whether_it_has_a_channel(self) -> None:
        array = np.arange(24).reshape(4, 3, 2)
        with pytest.raises(MetadataError, match="channel"):
            pyvolume.from_array(array)
        volume = pyvolume.from_array(array, dims="xyz")
        volume[0, 1] = 7
        assert (volume.shape, "".join(volume.dims)) == ((1, 4, 3, 2), "cxyz")
        assert (array[1] == 7).all()
        assert pyvolume.from_array(array, dims="cxy").shape == (4, 3, 2)
        assert pyvolume.from_array(array[0], dims="xy").shape == (1, 3, 2)

    def test_axes_may_be_called_otherwise(self) -> None:
        assert pyvolume.from_array(np.zeros((1, 3, 4)), "czt").dims == ("c", "z", "t")

    def test_lists_are_arrays_too(self) -> None:
        volume = pyvolume.from_array([[1, 2], [3, 4]], "cx")
        assert (volume.shape, int(volume[1, 0])) == ((2, 2), 3)

    @pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float16", "float64", ">u2"])
    def test_the_dtype_is_that_of_the_array(self, dtype: str) -> None:
        assert pyvolume.from_array(np.zeros((1, 3), dtype), "cx").dtype == np.dtype(dtype)

    @pytest.mark.parametrize(
        ("array", "found"),
        [
            (np.zeros(3), "float64 on 1"),
            (np.float64(3), "float64 on 0"),
            (np.zeros((1,) * 7), "float64 on 7"),
            (np.zeros((1, 1, 1, 3), complex), "complex128 on 4"),
            (np.zeros((1, 1, 1, 3), object), "object on 4"),
            (np.zeros((1, 1, 1, 3), "datetime64[s]"), r"datetime64\[s\] on 4"),
            ([[[["a", "b"]]]], "<U1 on 4"),
        ],
        ids=["1-D", "0-D", "7-D", "complex", "object", "datetime", "text"],
    )
    def test_an_array_that_is_no_volume_is_refused(self, array: Any, found: str) -> None:
        with pytest.raises(MetadataError, match=f"expected numbers on two to 6 axes, channel first, and found {found}"):
            pyvolume.from_array(array)

    @pytest.mark.parametrize("dims", ["xcy", "cxyz", "cxx", "", "xx", "xyzt"])
    def test_dims_that_do_not_fit_are_refused(self, dims: str) -> None:
        with pytest.raises(MetadataError, match="dims"):
            pyvolume.from_array(np.zeros((1, 3, 4)), dims)

    @pytest.mark.parametrize("blocks", [(), (2,), (2, 2, 2), (2, 0), (2, -2)])
    def test_blocks_that_do_not_fit_are_refused(self, blocks: tuple[int, ...]) -> None:
        with pytest.raises(MetadataError, match="block_shape must be 2 positive integers, one per axis behind"):
            pyvolume.from_array(np.zeros((1, 3, 4)), "cxy", block_shape=blocks)

    def test_an_array_without_channels_is_refused(self) -> None:
        with pytest.raises(MetadataError, match="at least one channel, not 0"):
            pyvolume.from_array(np.zeros((0, 3, 4, 5)))


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


@pytest.mark.parametrize("blocks", [(2.0, 2.5), 4, ("a", 2), (2,), (0, 2), ()])
def test_blocks_that_are_none_are_refused(blocks: Any) -> None:
    with pytest.raises(MetadataError, match="block_shape must be 2 positive integers"):
        pyvolume.from_array(np.zeros((1, 4, 4)), "cxy", block_shape=blocks)


def test_the_address_of_a_masked_volume_opens_it_with_the_mask() -> None:
    with MockServer({"gray": np.full((1, 64, 64, 64), 7, "uint8")}) as server, pyvolume.dvid.Server(server.url) as dvid:
        repo = dvid.repos[server.uuid]
        plain = repo.version().volume("gray")
        region = repo.create_roi("brain", block_shape=plain.block_shape)
        address = plain.masked(region).store.address
        with pyvolume.open(address) as volume:
            assert (volume.store.address, int(volume[0, 1, 2, 3])) == (address, 0)
        with pytest.raises(ValueError, match="closed"):
            volume[0, 1, 2, 3]


@pytest.mark.parametrize("url", [None, np.zeros((1, 2, 3)), 5])
def test_what_is_no_url_and_no_path_is_a_wrong_type(url: Any) -> None:
    with pytest.raises(TypeError, match="from_array"):
        pyvolume.open(url)


class TestKind:
    """The class that a caller expects, which a type checker then knows."""

    def test_a_volume_of_that_class_is_returned(self, tmp_path: Path) -> None:
        with (
            MockServer({"gray": np.zeros((1, 8, 8, 8), "uint8")}) as server,
            pyvolume.open(f"dvid://{server.url}/:master/gray", kind=VoxelsAccessor) as volume,
        ):
            assert volume.version.uuid == server.uuid
        np.save(tmp_path / "cut.npy", np.zeros((1, 4, 4, 4)))
        assert pyvolume.open(tmp_path / "cut.npy", kind=pyvolume.Volume).shape == (1, 4, 4, 4)

    def test_a_volume_of_another_class_is_closed_and_refused(self, tmp_path: Path) -> None:
        h5py = pytest.importorskip("h5py", reason="h5py comes with the extra 'files'")
        with h5py.File(tmp_path / "cut.h5", "w") as file:
            file["voxels"] = np.zeros((1, 4, 4, 4), "uint8")
        with pytest.raises(AddressError, match="VoxelsAccessor"):
            pyvolume.open(tmp_path / "cut.h5", "r+", kind=VoxelsAccessor)
        h5py.File(tmp_path / "cut.h5", "w").close()
