"""``serve`` and ``demo``: the mock server by hand, and the demonstration."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import click


@click.command(short_help="Run the mock server.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one.")
@click.option("--folder", type=click.Path(file_okay=False), help="Keep volumes there between runs.")
@click.option(
    "--throttle-slots", type=click.IntRange(min=1), default=1, show_default=True, help="Throttled operations at a time."
)
def serve(port: int, folder: str | None, throttle_slots: int) -> None:
    """Run a mock of a DVID server on this machine until Ctrl-C; its url is printed. It is as strict as the real one.

    If DVID_ADMIN_TOKEN is set, that token is needed to create repositories.

    \b
    Example:
      pyvolume serve --folder volumes
    """
    from mockserver import MockServer

    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    admin_token = os.environ.get("DVID_ADMIN_TOKEN") or None
    with MockServer(port=port, folder=folder, admin_token=admin_token, throttle_slots=throttle_slots) as server:
        click.echo(server.url)
        stopped.wait()


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
