"""``roi``: regions of whole blocks."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

import click
import numpy as np

from pyvolume.cli.dvid.create import show_made, whole_numbers
from pyvolume.cli.dvid.place import Place, place
from pyvolume.cli.output import as_json, pairs, show
from pyvolume.cli.suggesting import Suggesting
from pyvolume.dvid.address import Address
from pyvolume.dvid.roi.region import Roi, create_new
from pyvolume.errors import MetadataError
from pyvolume.files import formats


@click.group(cls=Suggesting, short_help="Read and write regions of interest.")
def roi() -> None:
    """Read and write regions of whole blocks; URL names one, as in dvid://http://HOST:PORT/VERSION/NAME."""


def _opened(url: Place) -> AbstractContextManager[Roi]:
    return url.opened(Roi, "roi: expected a region")


@roi.command(short_help="Create an empty region.")
@click.argument("url", type=place)
@click.argument("name")
@click.option(
    "--block-shape",
    type=whole_numbers,
    metavar="X,Y,Z",
    default="64,64,64",
    show_default=True,
    help="Shape of its blocks; the volumes that it masks must have the same.",
)
@as_json
def create(url: Place, name: str, block_shape: tuple[int, ...], as_json: bool) -> None:
    """Create an empty region called NAME in a version, which must be open.

    \b
    Example:
      pyvolume roi create dvid://http://localhost:8000/:master brain --block-shape 32
    """
    with url.at_version() as version:
        create_new(version.connection, version.uuid, name, block_shape=block_shape)
        show_made(Address(url.address.server, version.uuid, name), as_json=as_json)


@roi.command(short_help="Print the size of a region.")
@click.argument("url", type=place)
@as_json
def info(url: Place, as_json: bool) -> None:
    """Print the size and the bounds of a region.

    \b
    Example:
      pyvolume roi info dvid://http://localhost:8000/:master/brain
    """
    with _opened(url) as region:
        blocks, bounds = len(region.read_blocks()), region.read_bounds()
        found = {
            "block_count": blocks,
            "block_shape": list(region.block_shape),
            "voxels": blocks * int(np.prod(region.block_shape)),
            "start": list(bounds.start[1:]),
            "stop": list(bounds.stop[1:]),
        }
    show(found, pairs(found), as_json=as_json)


@roi.command(short_help="Print the spans of a region.")
@click.argument("url", type=place)
@click.option("--json", is_flag=True, expose_value=False, help="Print JSON, which it does anyway.")
def get(url: Place) -> None:
    """Print a region as JSON: rows of z, y, first x, last x, in blocks.

    \b
    Example:
      pyvolume roi get dvid://http://localhost:8000/:master/brain > brain.json
    """
    with _opened(url) as region:
        click.echo(json.dumps(region.read_spans().tolist()))


@roi.command(short_help="Replace a region.")
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.argument("url", type=place)
@click.option(
    "--partial",
    type=click.Choice(["raise", "include", "exclude"]),
    default="raise",
    show_default=True,
    help="What to do with blocks that a mask covers in part.",
)
def put(file: Path, url: Place, partial: Literal["raise", "include", "exclude"]) -> None:
    """Replace a region by FILE: JSON as `get` prints it, or a mask of voxels in any format of `pyvolume get`.

    Every voxel of a mask that is not 0 belongs to the region; it begins where the file says, or else at 0.

    \b
    Example:
      pyvolume roi put mask.nii.gz dvid://http://localhost:8000/:master/brain --partial include
    """
    with _opened(url) as region:
        if file.suffix == ".json":
            region.set_spans(_spans(file))
            return
        with formats.read(file) as stored:
            description = stored.description
            key = description.key("cxyz", stored.array.shape)
            if description.step not in {(), (1,) * 4}:
                raise MetadataError(f"read {file}: expected a box of voxels and found every {description.step}th")
            start = [each.start if isinstance(each, slice) else each for each in key]
            shape = [each.stop - each.start if isinstance(each, slice) else 1 for each in key]
            region.set_mask(np.asarray(stored.array[...]).reshape(shape), start[1:], partial=partial)


def _spans(file: Path) -> list[list[int]]:
    try:
        rows: list[list[int]] = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise MetadataError(f"read {file}: expected JSON: {error}") from None
    return rows
