"""What a merge has lost: methods of `Version`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyvolume.comparing import compare
from pyvolume.errors import UnsupportedError
from pyvolume.model.box import Box

if TYPE_CHECKING:
    from pyvolume.dvid.version import Version

__all__ = ["lost_blocks", "lost_keys"]


def lost_blocks(self: Version, name: str) -> dict[Version, list[Box]]:
    """Find the blocks of a volume that this merge has lost, because several of its parents had written them.

    They read as 0 here. As DVID does not tell which version has written a block, the voxels are compared: this version
    with each parent, and each parent with what they stem from where that differs. So ask before writing to it.

    Parameters
    ----------
    name : str
        Of the volume.

    Returns
    -------
    dict
        For each parent that has lost something the boxes of the blocks, from which they can be written again.

    Raises
    ------
    UnsupportedError
        If this version has not several parents.
    NotFoundError, StoreError
        As for `volume` and `compare`.
    """
    parents, before = _origin(self)
    merged, then = self.volume(name, mode="r"), before.volume(name, mode="r")
    sides = {parent: parent.volume(name, mode="r") for parent in parents}
    everywhere = _around([volume.bounds for volume in (merged, *sides.values())])
    missing = {parent: compare(side, merged, everywhere) for parent, side in sides.items()}
    common = set.intersection(*map(set, missing.values()))
    lost = {}
    for parent, difference in missing.items():
        if difference.bounds is not None:
            near = difference.bounds.aligned_to(difference.blocks).intersection(everywhere)
            changed = common | set(compare(then, sides[parent], near))
            lost[parent] = [box for box in difference if box in changed]
    return {parent: boxes for parent, boxes in lost.items() if boxes}


def lost_keys(self: Version, name: str) -> dict[Version, list[str]]:
    """Find the keys of a `KeyValue` that this merge has lost, because several of its parents had written them.

    Keys are listed, and the values of those read that are missing here.

    Parameters
    ----------
    name : str
        Of the instance; ``"pyvolume-attrs"`` is that of attributes.

    Returns
    -------
    dict
        For each parent that has lost something the keys, sorted.

    Raises
    ------
    UnsupportedError
        If this version has not several parents.
    NotFoundError, StoreError
        As for `keyvalue`.
    """
    parents, before = _origin(self)
    merged = set(self.keyvalue(name))
    sides = {parent: parent.keyvalue(name) for parent in parents}
    missing = {parent: set(side) - merged for parent, side in sides.items()}
    common = set.intersection(*missing.values())
    then = before.keyvalue(name).get_many(set.union(*missing.values()))
    lost = {}
    for parent, keys in missing.items():
        now = sides[parent].get_many(keys)
        lost[parent] = sorted(key for key in keys if key in common or now[key] != then.get(key))
    return {parent: keys for parent, keys in lost.items() if keys}


def _origin(version: Version) -> tuple[tuple[Version, ...], Version]:
    """Return the parents of a merge, and the newest version that all of them stem from."""
    parents = version.parents
    if len(parents) < 2:
        raise UnsupportedError(f"find what {version!r} has lost: expected a merge and found {len(parents)} parents")
    lines = [[parent, *parent.ancestors()] for parent in parents]
    return parents, next(each for each in lines[0] if all(each in line for line in lines))


def _around(boxes: list[Box]) -> Box:
    """Return the smallest box around those that are not empty."""
    full = [box for box in boxes if box.size] or boxes[:1]
    starts, stops = zip(*(box.start for box in full), strict=True), zip(*(box.stop for box in full), strict=True)
    return Box(tuple(map(min, starts)), tuple(map(max, stops)))
