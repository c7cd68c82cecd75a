"""The command in a shell: code pages, pipes that end early, and completion."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pyvolume
from mockserver import MockServer

pytest.importorskip("click", reason="click comes with the extra 'cli'")
pytest.importorskip("rich", reason="rich comes with the extra 'cli'")

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "pyvolume.cli"]


class TestCodePages:
    @pytest.mark.parametrize(
        ("encoding", "shown"),
        [("utf-8", "μ-brain"), ("cp1252", r"\u03bc-brain"), ("latin-1", r"\u03bc-brain")],
    )
    @pytest.mark.parametrize("command", ["ls", "tree"])
    def test_what_a_code_page_lacks_is_escaped(
        self, server: MockServer, encoding: str, shown: str, command: str
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
@pytest.mark.parametrize("arguments", [["ls", "URL"], ["ls", "--json", "URL"], ["--help"], ["ls", "--help"]])
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
