"""Versions: the folders of a DataStore's dataset, by the rules of the server."""

from __future__ import annotations

import re
from pathlib import Path

from pyvolume.errors import NotFoundError
from pyvolume.n5.client import Client

XML = "export.xml"
"""What describes a version, in its folder."""

MIXED = "mixedLatest"
"""The version that shows the newest version of each block."""


def versions_of(client: Client) -> tuple[int, ...]:
    """Return the numbers of the versions in a folder, sorted; a file whose name is a number is a label."""
    names = client.folders()
    return tuple(sorted(int(name) for name in names if re.fullmatch(r"0|[1-9]\d{0,9}", name, re.ASCII)))


def is_versioned(folder: Path) -> bool:
    """Whether a folder is that of a DataStore's dataset."""
    client = Client(folder)
    return any(client.has(f"{number}/{XML}") for number in versions_of(client))


def shown_versions(client: Client, version: int | str) -> tuple[int, ...]:
    """Return the versions that a block is looked for in, the first one first.

    Parameters
    ----------
    client : Client
        Of the folder of the dataset.
    version : int or str
        A number shows its own blocks only, and so does ``"latest"``, the highest number. ``"mixedLatest"`` shows of
        each block that of the highest number that has it.

    Raises
    ------
    NotFoundError
        If there is no such version, or a folder without a description has its number.
    """
    action = f"open {client.folder}"
    known = versions_of(client)
    if not known or (isinstance(version, int) and version not in known):
        shown = ", ".join(map(str, known)) or "none"
        raise NotFoundError(f"{action}: no version {version}; there are {shown}", action=action)
    newest = version if isinstance(version, int) else known[-1]
    if not client.has(f"{newest}/{XML}"):
        # a server makes such a folder for a request for a version that does not exist
        raise NotFoundError(
            f"{action}: the folder of version {newest} has no {XML}; delete it on the server, or open another version",
            action=action,
        )
    return known[::-1] if version == MIXED else (newest,)
