"""From a url to what holds volumes, and the server of urls that name none."""

from __future__ import annotations

import contextvars
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyvolume
from mockserver import DataStoreServer, MockServer
from pyvolume.dvid import Server
from pyvolume.errors import AddressError, ClosedError, PyVolumeError, UnsupportedError
from pyvolume.hpc import DataStore
from pyvolume.stores import registry

GRAY = {"gray": np.full((1, 8, 8, 8), 3, "uint8")}


class TestConnect:
    @pytest.mark.parametrize("form", ["{}", "dvid://{}", "{}/"])
    def test_dvid_is_a_server(self, form: str) -> None:
        with MockServer() as mock:
            server = pyvolume.connect(form.format(mock.url), kind=Server, user="me")
            assert list(server.repos) == []
            server.close()
            with pytest.raises(ClosedError):
                server.info()

    def test_nothing_is_asked_before_it_is_used(self) -> None:
        with MockServer() as mock, pyvolume.connect(mock.url):
            assert list(mock.requests) == []

    def test_a_datastore_gets_the_token(self) -> None:
        with DataStoreServer() as mock, pyvolume.connect(f"hpc://{mock.url}", kind=DataStore, token="sesame") as store:
            store.create_dataset((16, 16, 16), "uint8")
            assert mock.requests[0].headers["Authorization"] == "Bearer sesame"

    @pytest.mark.parametrize(
        ("url", "call"),
        [
            ("dvid://http://localhost:8000/:master/gray", "pyvolume.open('dvid://http://localhost:8000/:master/gray')"),
            ("http://localhost:8000/api/node/ab12/gray/raw", "pyvolume.open('dvid://http://localhost:8000/ab12/gray')"),
            ("localhost:8000/fly:main", "pyvolume.dvid.Server('http://localhost:8000').repos[...].version('fly:main')"),
            ("hpc://localhost:9080/ab12?level=1", "pyvolume.hpc.DataStore('localhost:9080').dataset('ab12')"),
            ("cells.npy", "pyvolume.open('cells.npy')"),
        ],
    )
    def test_anything_else_is_refused_with_the_call_that_opens_it(self, url: str, call: str) -> None:
        with pytest.raises(AddressError) as caught:
            pyvolume.connect(url)
        assert str(caught.value).endswith(f"use {call}")

    def test_a_server_of_another_kind_is_refused(self) -> None:
        with pytest.raises(AddressError, match="DataStore"):
            pyvolume.connect("localhost:8000", kind=DataStore)

    def test_a_misspelt_option_is_named(self) -> None:
        with pytest.raises(TypeError, match="did you mean 'token'"):
            pyvolume.connect("localhost:8000", tokem="sesame")

    @pytest.mark.parametrize("url", [None, 3, np.zeros(3)])
    def test_a_wrong_type_is_refused(self, url: Any) -> None:
        with pytest.raises(TypeError, match="url or a path"):
            pyvolume.connect(url)

    def test_a_protocol_without_servers_is_told(self) -> None:
        with pytest.raises(UnsupportedError, match="volumes only"):
            registry.Driver.connect(registry.load("file"), "x")


class TestDefaultServer:
    def test_a_rest_is_completed(self) -> None:
        with MockServer(GRAY) as mock, pyvolume.default_server(f"dvid://{mock.url}/"):
            assert int(pyvolume.open(":master/gray")[0, 1, 2, 3]) == 3

    def test_a_url_and_a_file_are_taken_as_they_are(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        np.save("cells.npy", GRAY["gray"])
        with MockServer(GRAY) as mock, pyvolume.default_server("dvid://http://127.0.0.1:1"):
            assert pyvolume.open("cells.npy").store.address.startswith("file:")
            assert pyvolume.open(f"{mock.url}/:master/gray").store.address.startswith(f"dvid://{mock.url}/")
            with pytest.raises(AddressError, match="there is no folder"):
                pyvolume.connect(tmp_path / "nothing")

    def test_it_ends_with_the_block_and_belongs_to_its_context(self) -> None:
        outside = contextvars.copy_context()
        with pyvolume.default_server("localhost:8000"):
            with pyvolume.default_server("localhost:8001"), pytest.raises(PyVolumeError, match="localhost:8001"):
                pyvolume.open("fly:main")
            with pytest.raises(PyVolumeError, match="localhost:8000"):
                pyvolume.open("fly:main")
            with pytest.raises(AddressError, match="suffixes"):
                outside.run(pyvolume.open, "fly:main")
        with pytest.raises(AddressError, match="suffixes"):
            pyvolume.open("fly:main")

    def test_what_is_no_server_is_refused(self) -> None:
        with pytest.raises(AddressError, match="expected"), pyvolume.default_server("nonsense"):
            pass

    def test_a_folder_can_be_the_default(self, tmp_path: Path) -> None:
        (tmp_path / "brain").mkdir()
        with pyvolume.default_server(tmp_path), pyvolume.connect("brain") as folder:
            assert folder.path == Path(os.fspath(tmp_path)) / "brain"
