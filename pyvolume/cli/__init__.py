"""The command ``pyvolume``: one module for each group of commands, imported when the command runs."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command, or say which extra it needs."""
    try:
        from pyvolume.cli.group import pyvolume
    except ImportError as error:
        if error.name not in {"click", "rich"}:
            raise
        sys.exit(f'The command needs {error.name}: pip install "pyvolume-sdk[cli]"')
    pyvolume(prog_name="pyvolume")
