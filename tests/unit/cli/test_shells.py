"""The command in a shell: code pages, pipes that end early, and completion."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import relay
from command import Run
from numpy.typing import NDArray

import pyvolume
from mockserver import Fault, MockServer

pytest.importorskip("click", reason="click comes with the extra 'cli'")
pytest.importorskip("rich", reason="rich comes with the extra 'cli'")

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "pyvolume.cli"]


class TestCodePages:
    @pytest.mark.parametrize(
        ("command", "encoding", "shown"),
        [("ls", "utf-8", "μ-brain"), ("ls", "latin-1", r"\u03bc-brain"), ("tree", "cp1252", r"\u03bc-brain")],
    )
    def test_what_a_code_page_lacks_is_escaped(
        self, server: MockServer, command: str, encoding: str, shown: str
    ) -> None:
        pyvolume.dvid.Server(server.url).create_repo("μ-brain")
        done = subprocess.run(
            [*COMMAND, command, server.url],
            cwd=ROOT,
            env=os.environ | {"PYTHONIOENCODING": encoding},
            capture_output=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert shown in done.stdout.decode(encoding)

    def test_an_error_is_escaped_as_well(self, server: MockServer) -> None:
        done = subprocess.run(
            [*COMMAND, "info", f"dvid://{server.url}/:master/μ"],
            cwd=ROOT,
            env=os.environ | {"PYTHONIOENCODING": "cp1252"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr.count("\n")) == (4, 1)
        assert r"\u03bc" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGPIPE")
@pytest.mark.parametrize("arguments", [["ls", "URL"], ["ls", "--json", "URL"], ["ls", "--help"]])
def test_a_reader_that_has_gone_ends_it_quietly(server: MockServer, arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as output:
        done = subprocess.run(
            [*COMMAND, *(each.replace("URL", server.url) for each in arguments)],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(os.name == "nt", reason="a shell of Windows closes no stream")
@pytest.mark.parametrize(
    ("arguments", "closed", "status"),
    [("ls URL", ">&-", 0), ("info nothing", ">&- 2>&-", 2), ("put - URL", "<&-", 6), ("--help", ">&-", 0)],
)
def test_a_stream_that_is_closed_is_quiet(server: MockServer, arguments: str, closed: str, status: int) -> None:
    command = f"{shlex.join(COMMAND)} {arguments.replace('URL', f'dvid://{server.url}/:master/gray')} {closed}"
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "NoneType" not in done.stderr
    assert (done.returncode, done.stdout) == (status, "")


class TestCompletion:
    @pytest.fixture
    def url(self, server: MockServer, monkeypatch: pytest.MonkeyPatch) -> str:
        """Give a server with two repositories, one with a branch and a tag; PYVOLUME_URL names it."""
        repo = pyvolume.dvid.Server(server.url).create_repo("fly")
        repo.create_volume("scan", None, "uint8")
        repo.root.commit()
        repo.root.branch("trial")
        repo.root.tag("raw-2026")
        monkeypatch.setenv("PYVOLUME_URL", server.url)
        return server.url

    def complete(self, *words: str) -> list[str]:
        """Complete the last word; a file for the shell to find is left out."""
        from click.shell_completion import ShellComplete

        from pyvolume.cli.group import COMPLETE, pyvolume

        found = ShellComplete(pyvolume, {}, "pyvolume", COMPLETE).get_completions(list(words[:-1]), words[-1])
        return [each.value for each in found if each.type == "plain"]

    def test_commands(self) -> None:
        assert self.complete("co") == ["commit"]
        assert self.complete("keys", "g") == ["get"]

    @pytest.mark.parametrize(
        ("typed", "names"),
        [
            ("fl", ["fly", "fly:master", "fly:trial"]),
            ("fly:t", ["fly:trial"]),
            ("ra", ["raw-2026"]),
            ("fly/", ["fly/scan"]),
            ("fly:trial/s", ["fly:trial/scan"]),
            ("URL/fly:t", ["URL/fly:trial"]),
            ("dvid://URL/fly/sc", ["dvid://URL/fly/scan"]),
            ("dvid://URL/nothing/", []),
            ("http://", []),
            ("fly/scan/", []),
            ("fly/scan[", []),
            ("cut.h5", []),
        ],
    )
    def test_versions_and_instances(self, url: str, typed: str, names: list[str]) -> None:
        expected = [name.replace("URL", url) for name in names]
        for command in (["info"], ["commit"], ["cp", "fly/scan"], ["create"]):
            assert self.complete(*command, typed.replace("URL", url)) == expected

    def test_the_only_repository_needs_no_name(self, server: MockServer) -> None:
        assert self.complete("info", f"{server.url}/:") == [f"{server.url}/:master"]

    @pytest.mark.parametrize("server_url", ["http://127.0.0.1:1", "http://10.255.255.1:8000", "http://no.such.host"])
    def test_a_server_that_is_not_there_is_quick_and_quiet(
        self, monkeypatch: pytest.MonkeyPatch, server_url: str, capfd: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("PYVOLUME_URL", server_url)
        began = time.monotonic()
        assert self.complete("info", "fly/") == []
        assert time.monotonic() - began < 5
        assert capfd.readouterr() == ("", "")

    def test_a_busy_server_is_asked_once(self, server: MockServer) -> None:
        server.faults.add(Fault("busy", times=None))
        before = len(server.requests)
        assert self.complete("info", f"{server.url}/") == []
        assert len(server.requests) - before == 1

    @pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
    @pytest.mark.parametrize(
        ("line", "reply"),
        [
            ("pyvolume info fly:t", "trial"),
            ("pyvolume info fly:trial/", "trial/scan"),
            ("pyvolume info 'fly:t", "fly:trial"),
            ("pyvolume --debug com", "commit"),
        ],
    )
    def test_bash_gets_what_stands_behind_the_last_colon(self, url: str, tmp_path: Path, line: str, reply: str) -> None:
        script = tmp_path / "pyvolume"
        script.write_text(f'#!/bin/sh\ncd {shlex.quote(str(ROOT))} && exec {shlex.join(COMMAND)} "$@"\n', "utf-8")
        script.chmod(0o755)
        shell = (
            'eval "$(_PYVOLUME_COMPLETE=bash_source pyvolume)"; '
            f"COMP_LINE={shlex.quote(line)}; COMP_POINT=${{#COMP_LINE}}; COMP_WORDBREAKS=$' \\t\\n:='; "
            '_pyvolume_completion pyvolume; printf "%s\\n" "${COMPREPLY[@]}"'
        )
        environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(
            ["bash", "--norc", "-c", shell], env=environment, capture_output=True, text=True, check=False
        )
        assert (done.stdout, done.stderr) == (f"{reply}\n", "")


class TestIPv6:
    @pytest.fixture
    def host(self, server: MockServer, run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
        reason = relay.why_missing()
        if reason:
            pytest.skip(reason)
        monkeypatch.delenv("PYVOLUME_URL")
        with relay.relayed(int(server.url.rpartition(":")[2])) as host:
            yield host

    @pytest.mark.parametrize("scheme", ["", "http://", "dvid://", "dvid://http://"])
    def test_commands_reach_the_server(self, run: Run, host: str, scheme: str, voxels: NDArray[Any]) -> None:
        server = f"{scheme}{host}"
        assert run("ls", server, "--json").code == 0
        assert run("info", f"{server}/:master", "--json").document["state"] == "open"
        assert run("get", f"{server}/:master/gray[0, 1:9, :, 3]", "cut.npy").code == 0
        np.testing.assert_array_equal(np.load("cut.npy"), voxels[0, 1:9, :, 3], strict=True)
        assert run("put", "cut.npy", f"{server}/:master/other[0, 1:9, :, 3]").code == 0
        assert run("diff", f"{server}/:master/gray[0, 1:9, :, 3]", f"{server}/:master/other").code == 0
        assert run("cp", f"{server}/:master/gray", f"{server}/:master/other").code == 0
        assert run("create", f"{server}/:master", "new", "--dtype", "uint8").code == 0
        assert run("keys", "create", f"{server}/:master", "notes").code == 0
        assert run("keys", "ls", f"{server}/:master/notes").code == 0
        assert run("commit", f"{server}/:master").code == 0
        assert run("new", f"{server}/:master").code == 0
        assert run("tree", server).code == 0
        assert run("log", f"{server}/:master").code == 0

    def test_the_environment_names_the_server(self, run: Run, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYVOLUME_URL", host)
        assert run("info", ":master/gray", "--json").document["dtype"] == "uint16"
        assert run("create", host, "--repo", "fly").code == 0

    def test_a_name_that_is_not_there_is_not_found(self, run: Run, host: str) -> None:
        done = run("info", f"{host}/:master/grey")
        assert (done.code, "'gray'" in done.err) == (4, True)
