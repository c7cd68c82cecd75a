"""Where the attributes of a group hold the metadata of OME-Zarr (NGFF), and the paths in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from pyvolume.errors import MetadataError
from pyvolume.model.arguments import brief


class Source(NamedTuple):
    """Where the metadata of OME-Zarr are: in the attributes themselves, or under ``ome`` since NGFF 0.5."""

    content: Mapping[str, Any]
    where: str

    def document(self, *names: str) -> dict[str, Any]:
        """Return what a schema checks: these entries only, at their place."""
        found = {name: self.content[name] for name in names if name in self.content}
        return {"ome": found} if self.where == "$.ome" else found


def source_of(attributes: Mapping[str, Any], name: str) -> Source:
    """Return the place of an entry, e.g. ``"multiscales"``: under ``ome`` if it is there."""
    ome = attributes.get("ome")
    if isinstance(ome, Mapping) and (name in ome or name not in attributes):
        return Source(ome, "$.ome")
    return Source(attributes, "$")


def path_inside(path: str, where: str, action: str) -> str:
    """Return a path without slashes at its ends.

    Raises
    ------
    MetadataError
        If it is empty, or leaves the group.
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts or ".." in parts or re.search(r"[\\\0]|^[A-Za-z]:", path):
        raise MetadataError(
            f"{action}: expected a path inside the group at {where} and found {brief(path)}", path=where
        )
    return "/".join(parts)
