"""The types of instances that hold labels: what each of them can do."""

from __future__ import annotations

from collections.abc import Mapping

from pyvolume.dvid.documents import InstanceDescription
from pyvolume.errors import UnsupportedError

NEWEST = "labelmap"
"""The type that can do everything."""

ABILITIES: Mapping[str, frozenset[str]] = {
    "labelblk": frozenset(),
    "labelarray": frozenset({"blocks", "bodies", "max_label", "scales"}),
    "labelmap": frozenset(
        {
            "blocks", "bodies", "cleave", "extents", "mapping", "max_label", "merge", "next_labels", "renumber",
            "scales", "sizes", "split_supervoxel", "supervoxels", "wait_indexed",
        }
    ),
}  # fmt: skip
"""What each type can do besides reading and writing voxels and asking for the labels of points."""

OF_INDEX = frozenset({
    "bodies",
    "cleave",
    "max_label",
    "merge",
    "next_labels",
    "renumber",
    "sizes",
    "split_supervoxel",
    "wait_indexed",
})
"""What needs the index of bodies, which an instance can lack."""


def can(description: InstanceDescription, ability: str) -> bool:
    """Whether an instance can do something."""
    is_indexed = description.extended.get("IndexedLabels", True)
    return ability in ABILITIES[description.typename] and (is_indexed or ability not in OF_INDEX)


def require(description: InstanceDescription, ability: str, action: str) -> None:
    """Refuse what an instance cannot do, before any request.

    Raises
    ------
    UnsupportedError
        It names the type that can.
    """
    if can(description, ability):
        return
    typename = description.typename
    lack = f"{typename} has no {ability}" if ability not in ABILITIES[typename] else "this one has no index of bodies"
    raise UnsupportedError(f"{action}: expected an instance of type {NEWEST} with an index, and {lack}")


def levels_of(description: InstanceDescription) -> int:
    """Return how many resolution levels an instance has, the finest one included."""
    return 1 + int(description.extended.get("MaxDownresLevel") or 0) if can(description, "scales") else 1
