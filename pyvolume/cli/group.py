"""The command itself: its options, and what becomes of errors."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

import click
from click.shell_completion import add_completion_class

from pyvolume.cli import WITHHELD
from pyvolume.cli.exit_codes import exit_code, sentence
from pyvolume.cli.output import ended_quietly
from pyvolume.cli.signals import Ended, came
from pyvolume.cli.suggesting import Suggesting
from pyvolume.errors import ForbiddenError, NotFoundError
from pyvolume.stores import registry

COMMANDS = {
    "cp": "pyvolume.cli.commands.move",
    "create": "pyvolume.cli.commands.create",
    "demo": "pyvolume.cli.commands.serve",
    "diff": "pyvolume.cli.commands.compare",
    "get": "pyvolume.cli.commands.move",
    "info": "pyvolume.cli.commands.look",
    "ls": "pyvolume.cli.commands.look",
    "put": "pyvolume.cli.commands.move",
    "serve": "pyvolume.cli.commands.serve",
    "view": "pyvolume.cli.commands.view",
}
"""The module of each command for all protocols; imported when it is used. Drivers add their own."""


COMPLETE = "_PYVOLUME_COMPLETE"
"""The variable with which a shell asks for completions."""


class Commands(Suggesting):
    """Commands by name; an error is one line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click calls it so
        return sorted({*COMMANDS, *registry.own_commands()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        module = COMMANDS.get(cmd_name) or registry.own_commands().get(cmd_name)
        if module is None:
            return None
        command: click.Command = getattr(importlib.import_module(module), cmd_name)
        return command

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """Write which urls each driver opens."""
        with formatter.section("Volumes, by driver"):
            formatter.write_dl([(name, driver.forms) for name, driver in registry.importable()])

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the arguments, and print help."""
        with ended_quietly():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            with ended_quietly():
                return super().invoke(ctx)
        except (ForbiddenError, NotFoundError) as error:
            for reason in dict.fromkeys(ctx.meta.get(WITHHELD, [])):
                error.add_note(reason)
            raise

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> NoReturn:
        """Run, and end the process."""
        if COMPLETE in os.environ:
            from pyvolume.cli.completion import Bash  # only a shell that completes needs it

            add_completion_class(Bash)
        extra["standalone_mode"] = False
        try:
            status = super().main(args, *rest, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            sys.exit(2)
        except click.UsageError as error:
            way_out = f" (see {error.ctx.command_path} --help)" if error.ctx is not None else ""
            click.echo(f"pyvolume: {error.format_message()}{way_out}", err=True)
            sys.exit(2)
        except (click.Abort, KeyboardInterrupt):
            _stop(signal.SIGINT)
        except Ended as ended:
            _stop(ended.number)
        except Exception as error:
            _fail(error, shows_traceback="--debug" in (sys.argv[1:] if args is None else args))
        sys.exit(status if isinstance(status, int) else 0)


def _fail(error: Exception, *, shows_traceback: bool) -> NoReturn:
    """Say an error, and end the process."""
    if (number := came()) is not None:
        _stop(number)
    if shows_traceback:
        traceback.print_exception(error)
    click.echo(f"pyvolume: {sentence(error)}", err=True)
    sys.exit(exit_code(error))


def _stop(number: signal.Signals) -> NoReturn:
    """End the process as one that a signal ends."""
    with contextlib.suppress(OSError):  # the terminal may be closed
        name = "interrupted" if number == signal.SIGINT else f"ended by {number.name}"
        click.echo(f"pyvolume: {name}", err=True)
    sys.exit(128 + number)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="pyvolume-sdk", prog_name="pyvolume")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=60,
    metavar="SECONDS",
    show_default=True,
    help="How long to wait for a server that is busy.",
)
@click.pass_context
def pyvolume(context: click.Context, debug: bool, patience: float) -> None:  # noqa: ARG001
    """Volumes on servers, by slices.

    \b
    URL is one of
      dvid://http://HOST:PORT/VERSION/NAME    a volume
      dvid://http://HOST:PORT/VERSION         a version
      http://HOST:PORT                        a server
    where VERSION is a uuid, the beginning of one, a tag, or a branch as in
    ":master" or "brain:dev". Slices can follow a volume, as numpy writes
    them: quote them for the shell.

    \b
      pyvolume get "dvid://http://localhost:8000/:master/gray[:, 10:110, 20:120]" cut.npy

    With PYVOLUME_URL=http://HOST:PORT in the environment that part can be left
    out: ":master/gray". PYVOLUME_TOKEN is sent as bearer token, and
    DVID_ADMIN_TOKEN where repositories are created: to that server, and to
    the one of PYVOLUME_TOKEN_HOST, and to no other.

    Exit codes: 0 done, 1 volumes differ (diff), 2 wrong usage, 3 busy for
    too long, 4 not found, 5 refused, 6 failed otherwise.
    """
    context.obj = patience
