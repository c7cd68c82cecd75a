"""``diff``: where two volumes hold other voxels."""

from __future__ import annotations

import sys

import click

from pyvolume.calls.progress import Bar
from pyvolume.cli.exit_codes import DIFFERENT
from pyvolume.cli.output import as_json, corners, show
from pyvolume.cli.target import Target, target
from pyvolume.comparing import Difference, compare


@click.command(short_help="Say where two volumes differ.")
@click.argument("a", type=target)
@click.argument("b", type=target)
@click.option("--blocks", is_flag=True, help="List the blocks that differ too.")
@as_json
def diff(a: Target, b: Target, blocks: bool, as_json: bool) -> None:
    """Compare the voxels of A[slices] with those of B at the same coordinates; without slices all that either has.

    Exit codes, as those of diff(1): 0 if nothing differs, 1 if something differs, 2 to 6 for an error.

    \b
    Examples:
      pyvolume diff dvid://http://localhost:8000/:master/gray dvid://http://localhost:8000/:trial/gray
      pyvolume diff --blocks "dvid://http://a:8000/ab12/gray[:, :512]" dvid://http://b:8000/cd34/gray
    """
    b.refuse_slices()
    with a.volume() as left, b.volume() as right:
        box = None if a.key is None else a.selection_in(left).as_box()
        with Bar(f"diff {left.name}", quiet=True) as progress:
            found = compare(left, right, box, progress=progress)
    listed = [corners(each) | {"voxels": int(count)} for each, count in zip(found, found.counts, strict=True)]
    document = {
        "box": corners(found.box),
        "voxels": found.voxel_count,
        "blocks": listed,
        "bounds": None if found.bounds is None else corners(found.bounds),
    }
    show(document, _lines(found, with_blocks=blocks), as_json=as_json)
    if found:
        sys.exit(DIFFERENT)


def _lines(found: Difference, *, with_blocks: bool) -> str:
    if not found:
        return f"no difference in {found.box}"
    plural = "s" if len(found) > 1 else ""
    blocks = f"{len(found)} block{plural}"
    first = f"{found.voxel_count} of {found.box.size} voxels differ, in {blocks}, within {found.bounds}"
    listed = (f"  {box}: {count}" for box, count in zip(found, found.counts, strict=True))
    return "\n".join([first, *listed] if with_blocks else [first])
