"""A web page of another site: a browser lets it send requests to this machine, and the mock server refuses them."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mockserver import Fault, MockServer
from pyvolume.errors import ForbiddenError

HEARTBEAT = "/api/heartbeat"
CREATE = json.dumps({"alias": "written by a page"}).encode()


def ask(server: MockServer, headers: dict[str, str], method: str = "GET", path: str = HEARTBEAT) -> tuple[int, str]:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    try:
        connection.putrequest(method, path, skip_host=True)
        for name, value in {"Content-Length": str(len(CREATE)), **headers}.items():
            connection.putheader(name, value)
        connection.endheaders(CREATE)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost:PORT", True),
        ("LOCALHOST:PORT", True),
        ("127.0.0.1:PORT", True),
        ("[::1]:PORT", True),
        ("localhost", True),
        ("localhost:9", True),  # through a tunnel
        ("box.lab:PORT", True),
        ("evil.example:PORT", False),
        ("evil.example", False),
        ("localhost.evil.example:PORT", False),
        ("127.0.0.1.evil.example", False),
        ("127.0.0.2:PORT", False),
        ("0.0.0.0:PORT", False),
        ("[::1].evil.example", False),
    ],
)
def test_another_name_of_this_machine_is_refused(host: str, allowed: bool) -> None:
    with MockServer(allowed_hosts=["Box.lab"]) as server:
        status, text = ask(server, {"Host": host.replace("PORT", server.url.rpartition(":")[2])})
    assert status == (200 if allowed else 403)
    assert allowed or "expected one of 127.0.0.1, [::1], box.lab, localhost and found" in text


@pytest.mark.parametrize(
    ("origin", "cors", "allowed"),
    [
        ("http://localhost:8000", [], True),
        ("http://LOCALHOST:8000", [], True),
        ("http://localhost:8888", [], False),
        ("http://127.0.0.1:8000", [], False),
        ("https://evil.example", [], False),
        ("null", [], False),
        ("https://evil.example", ["https://viewer.example"], False),
        ("https://viewer.example", ["https://viewer.example"], True),
        ("https://neuroglancer-demo.appspot.com", ["*"], True),
    ],
)
def test_a_page_of_another_site_changes_nothing(origin: str, cors: list[str], allowed: bool) -> None:
    with MockServer(cors=cors) as server:
        status, text = ask(server, {"Host": "localhost:8000", "Origin": origin}, "POST", "/api/repos")
        repositories = json.loads(ask(server, {"Host": "localhost"}, "GET", "/api/repos/info")[1])
    aliases = [repository["Alias"] for repository in repositories.values()]
    assert (status, aliases) == ((200, ["written by a page"]) if allowed else (403, []))
    assert allowed or f"web pages of {origin} may not send requests" in text


def test_what_is_refused_is_recorded_and_uses_up_no_fault() -> None:
    with MockServer(faults=[Fault("busy", path=HEARTBEAT)]) as server:
        assert ask(server, {"Host": "evil.example"})[0] == 403
        assert [request.status for request in server.requests] == [403]
        assert [fault.kind for fault in server.faults.unfired] == ["busy"]


def run_server(*arguments: str, **variables: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "mockserver", "--port", "0", *arguments]
    environment = {name: value for name, value in os.environ.items() if name not in {"DVID_ADMIN_TOKEN", "MIKRO_TOKEN"}}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment | variables
    )


@pytest.mark.parametrize("way", ["file", "variable"])
def test_the_admin_token_comes_from_a_file_or_the_environment(tmp_path: Path, way: str) -> None:
    (tmp_path / "token").write_text("sesame\n")
    given: dict[str, Callable[[], Any]] = {
        "file": lambda: run_server("--admin-token-file", str(tmp_path / "token"), "--allowed-host", "box.lab"),
        "variable": lambda: run_server("--allowed-host", "box.lab", DVID_ADMIN_TOKEN="sesame"),
    }
    with given[way]() as process:
        address = process.stdout.readline().strip().removeprefix("http://")
        statuses = []
        for query in ("", "?admintoken=sesame"):
            connection = http.client.HTTPConnection(address, timeout=30)
            connection.request("POST", f"/api/repos{query}", CREATE, {"Host": "box.lab"})
            statuses.append(connection.getresponse().status)
            connection.close()
        process.terminate()
    assert statuses == [400, 200]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--admin-token", "sesame"], "unrecognized arguments"),
        (["--admin-token-file", "/nothing/here"], "No such file"),
        (["--admin-token-file", os.devnull], "expected a token"),
        (["--allowed-host", "http://box.lab"], "expected the name of a host"),
        (["--kind", "zarr"], "invalid choice: 'zarr'"),
        (["--kind", "hpc", "--folder", "x"], "unrecognized arguments"),
        (["--kind", "hpc", "--token-file", os.devnull], "expected a token"),
        (["--kind", "mikro", "--token-file", os.devnull], "expected a token"),
        (["--kind", "mikro", "--grants", "free"], "invalid choice: 'free'"),
        (["--kind", "mikro", "--folder", "x"], "unrecognized arguments"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], says: str) -> None:
    with run_server(*arguments) as process:
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said.count("\n"), says in said) == (2, 1, True)


def test_a_datastore_is_a_kind_of_server(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("sesame\n")
    options = (
        "--strict",
        "--dedicated",
        "--allowed-host",
        "box.lab",
        "--token-file",
        str(tmp_path / "token"),
        "--json",
    )
    with run_server("--kind", "hpc", *options) as process:
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())["url"].removeprefix("http://")
        statuses = []
        for token in ("sesame", "wrong"):
            connection = http.client.HTTPConnection(address, timeout=30)
            headers = {"Host": "box.lab", "Authorization": f"Bearer {token}"}
            connection.request("GET", "/hello", headers=headers)
            statuses.append(connection.getresponse().status)
            connection.close()
        process.terminate()
    assert (statuses, process.returncode) == ([200, 401], 0)


@pytest.mark.parametrize(
    ("way", "grants"), [("file", "scoped"), ("variable", "scoped"), ("neither", "scoped"), ("file", "plain")]
)
def test_a_mikro_is_a_kind_of_server(tmp_path: Path, way: str, grants: str) -> None:
    mikro = pytest.importorskip("pyvolume.mikro.server", reason="a client of Mikro needs the extra 'mikro'")
    (tmp_path / "token").write_text("sesame\n")
    options = ["--kind", "mikro", "--store-port", "0", "--grants", grants, "--json"]
    options += ["--token-file", str(tmp_path / "token")] if way == "file" else []
    variables = {"MIKRO_TOKEN": "sesame"} if way == "variable" else {}
    with run_server(*options, **variables) as process:
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())
        found = mikro.Mikro(address["url"], token="test" if way == "neither" else "sesame", store=address["store_url"])
        with found:
            image = found.from_xarray(np.ones((8, 9)), "cell", dims="xy", bandwidth=1 if grants == "plain" else 1e6)
            assert image[...].sum() == 72
        with pytest.raises(ForbiddenError):
            mikro.Mikro(address["url"], token="wrong", store=address["store_url"]).connect()
        process.terminate()
    assert process.returncode == 0
