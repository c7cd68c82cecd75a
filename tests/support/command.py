"""The command, run in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Done:
    """What a command has left: its exit code, and what it printed; `printed` is both, as a terminal shows it."""

    code: int
    out: str
    err: str
    printed: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Done]


def run_command(*arguments: str, **options: Any) -> Done:
    """Run the command with these arguments, and return what it has left."""
    from click.testing import CliRunner

    from pyvolume.cli.group import pyvolume

    result = CliRunner().invoke(pyvolume, arguments, prog_name="pyvolume", **options)
    return Done(result.exit_code, result.stdout, result.stderr, result.output)
