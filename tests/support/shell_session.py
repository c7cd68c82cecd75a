"""The shell blocks of a page of the documentation, run in a folder of their own."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from command import run_command

SERVER = "http://localhost:8000"
"""What pages call the server; the commands get another one, and what they print is turned back."""

INTERRUPTED = "^C"
"""The last line of what a command prints that runs until Ctrl-C: it gets that when the lines before have come."""

SPECIAL = set("|&;<>$`*?~")
"""What only a shell understands: other commands run in this process, which is quicker."""

ROOT = Path(__file__).parents[2]


@dataclass
class Session:
    """One terminal: a folder, an environment, and a mock server."""

    folder: Path
    url: str
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, command: str, expected: str) -> str:
        """Run a line, and return what it prints; the present folder is the one of the session."""
        command = command.replace(SERVER, self.url)
        exported = re.fullmatch(r"export (\w+)=(\S+)", command)
        if exported:
            self.environment[exported[1]] = exported[2]
            return ""
        if command.startswith("pyvolume ") and not set(command) & SPECIAL and not expected.endswith(INTERRUPTED):
            _, *arguments = shlex.split(command, comments=True)
            return run_command(*arguments, env=self.environment).printed.replace(self.url, SERVER)
        process = subprocess.Popen(
            ["bash", "-c", f"exec 2>&1; {'exec ' * (expected.endswith(INTERRUPTED))}{command}"],
            cwd=self.folder,
            env=os.environ | self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process as running:
            assert running.stdout is not None
            if not expected.endswith(INTERRUPTED):
                return running.stdout.read().replace(self.url, SERVER)
            lines = [running.stdout.readline() for _ in expected.splitlines()[1:]]
            running.send_signal(signal.SIGINT)
            lines.append(running.stdout.read())
        assert running.returncode == 0, f"{command}: exit code {running.returncode}"
        return "".join([*lines, f"{INTERRUPTED}\n"]).replace(self.url, SERVER)


@contextlib.contextmanager
def session(folder: Path) -> Iterator[Session]:
    """Give a session with a server of its own, in which the command is that of this checkout."""
    from mockserver import MockServer

    script = folder / "bin" / "pyvolume"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m pyvolume.cli "$@"\n', "utf-8")
    script.chmod(0o755)
    path = os.pathsep.join([str(script.parent), str(Path(sys.executable).parent), os.environ["PATH"]])
    with MockServer() as server:
        yield Session(folder, server.url, {"PATH": path, "BROWSER": "true", "TERM": "dumb"})


def commands_of(code: str) -> Iterator[tuple[str, str]]:
    """Give each command of a block with what it prints."""
    for part in re.split(r"^\$ ", code, flags=re.MULTILINE)[1:]:
        command, _, printed = part.partition("\n")
        yield command, printed.rstrip("\n")
