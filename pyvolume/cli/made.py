"""Made: the volume that a copy goes to, which is created if it is not there."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pyvolume
from pyvolume.calls.progress import Bar, set_options
from pyvolume.cli.output import show
from pyvolume.cli.target import Target, committed
from pyvolume.errors import NotFoundError
from pyvolume.model.box import Box
from pyvolume.stores import registry
from pyvolume.stores.catalogue import Sourced, Versioned


@contextlib.contextmanager
def made(target: Target, source: pyvolume.Volume, box: Box, *, pyramid: bool) -> Iterator[pyvolume.Volume]:
    """Give the volume that voxels are copied to; create it for a box of the source, where copies create volumes.

    Raises
    ------
    NotFoundError
        If it is not there, and copies create none.
    """
    with contextlib.ExitStack() as stack:
        try:
            volume = stack.enter_context(target.volume("r+"))
        except NotFoundError:
            _, driver = registry.find(target.url)
            if not driver.made_by_copies:
                raise
            metadata = dataclasses.replace(source.metadata, bounds=box)
            options: dict[str, Any] = registry.accepted(driver.create, {"levels": "auto"}) if pyramid else {}
            created = cast("pyvolume.Volume", registry.create_url(target.url, metadata, options))
            volume = stack.enter_context(committed(created))
        yield volume


def taken(target: Target, array: Any, dims: Sequence[str], name: str, source: str, *, as_json: bool) -> None:
    """Store a whole array where volumes are not written in parts, and print where it is."""
    with target.place() as place, Bar(f"upload {name}", quiet=True) as progress, set_options(progress=progress):
        volume = place.take_array(array, name=name, dims=dims)
        found = {"source": source, "shape": list(volume.shape), "destination": volume.store.address}
        volume.close()
    show(found, f"{source} is {found['destination']}", as_json=as_json)


def note_source(volume: pyvolume.Volume, source: pyvolume.Volume, box: Box) -> None:
    """Let a volume keep where a box of it comes from, with the checksum of what is stored there now."""
    if not isinstance(volume, Sourced):
        return
    with Bar(f"checksum of {volume.name}", quiet=True) as progress:
        digest = volume.checksum(box=box, progress=progress)
    facts = {"version": source.version_name} if isinstance(source, Versioned) else {}
    volume.note_source({
        "address": source.store.address,
        **facts,
        "box": [list(box.start), list(box.stop)],
        "time": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "sha256": digest,
    })
