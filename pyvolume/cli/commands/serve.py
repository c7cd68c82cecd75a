"""``serve`` and ``demo``: the mock server by hand, as ``python -m mockserver``, and the demonstration."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command(
    short_help="Run the mock server.", add_help_option=False, context_settings={"ignore_unknown_options": True}
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def serve(arguments: tuple[str, ...]) -> None:
    """Run a mock server; the arguments are those of ``python -m mockserver``."""
    from mockserver.__main__ import main

    main(arguments, "pyvolume serve")


@click.command(short_help="Show what pyvolume does with a real volume.")
@click.option("--url", metavar="SERVER", help="A DVID server to use instead of the bundled mock server.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-output"),
    show_default=True,
    help="Where the picture goes.",
)
def demo(url: str | None, output: Path) -> None:
    """Upload a real MRI scan, slice it, write to it, meet a busy server, and draw a picture.

    With --url a repository is made on that server, which nothing can delete over HTTP.

    \b
    Example:
      pyvolume demo
    """
    from pyvolume.demo import main

    arguments = ["--output", str(output), *(["--url", url] if url else [])]
    sys.exit(main(arguments))
