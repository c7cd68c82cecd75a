"""``view``: a page with three planes of a volume."""

from __future__ import annotations

import contextlib
import signal
from queue import Empty, SimpleQueue

import click
from rich.text import Text

from pyvolume.calls.call import LONGEST_WAIT
from pyvolume.cli.output import as_json, show
from pyvolume.cli.target import Target, target
from pyvolume.display.neuroglancer import NeuroglancerVolume, link_of
from pyvolume.display.viewer.server import Viewer


@click.command(short_help="Look at a volume in the browser.")
@click.argument("url", type=target)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Of the page; a free one if not given.")
@click.option("--no-browser", is_flag=True, help="Only print where the page is; until Ctrl-C.")
@as_json
def view(url: Target, port: int, no_browser: bool, as_json: bool) -> None:
    """Show three planes of a volume in the browser, until its page is closed, or Ctrl-C.

    There is a slider per axis, zoom and pan, contrast, the lists of versions and of resolution levels, and the voxel
    under the pointer. Labels have a colour each.

    The page comes from this process and is for you only: its address holds a secret. A link for Neuroglancer is
    printed as well; that page asks the volume's server itself, which must allow it (CORS).

    \b
    Example:
      pyvolume view dvid://http://localhost:8000/:master/gray
    """
    url.refuse_slices()
    stopped: SimpleQueue[None] = SimpleQueue()

    def stop(*_: object) -> None:
        stopped.put(None)  # an Event has a lock, which the code that a signal interrupts can hold

    with url.volume() as volume:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        with Viewer(volume, port=port, left=None if no_browser else stop) as viewer:
            link = link_of(volume, volume.name) if isinstance(volume, NeuroglancerVolume) else None
            text = f"{viewer.url}\nNeuroglancer: {link}" if link else viewer.url
            show({"url": viewer.url, "neuroglancer": link}, Text(text), as_json=as_json)
            if not no_browser:
                viewer.open_browser()
            _wait_for(stopped)


def _wait_for(stopped: SimpleQueue[None]) -> None:
    while True:
        with contextlib.suppress(Empty):
            stopped.get(timeout=LONGEST_WAIT)
            return
