"""The command ``pyvolume``: one module for each group of commands, imported when the command runs."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

from pyvolume.cli.signals import end_by_exceptions, end_undisturbed
from pyvolume.model.extras import missing

FAILED = 6
"""The exit code of any error without a code of its own; 1 says that two volumes differ."""

WITHHELD = "pyvolume.withheld"
"""Where a command keeps the reasons why it did not send tokens: a key of the `meta` of its context."""


def main() -> None:
    """Run the command, or say which extra it needs."""
    end_by_exceptions()
    _replace_closed_streams()
    try:
        from pyvolume.cli.group import pyvolume
    except ImportError as error:
        if error.name not in {"click", "rich", "tqdm"}:
            raise
        sys.stderr.write(f"{missing(error.name, extra='cli', action='The command')}\n")
        sys.exit(FAILED)
    except KeyboardInterrupt:
        sys.stderr.write("pyvolume: interrupted\n")
        sys.exit(130)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name may have characters that a code page lacks
            stream.reconfigure(errors="backslashreplace")
    try:
        pyvolume(prog_name="pyvolume")
    finally:
        end_undisturbed()


def _replace_closed_streams() -> None:
    """Drop what would be printed to a stream that is closed, as by ``>&-``; Python has no object for it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - until the end
