"""``create``: repositories and volumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import pyvolume
from pyvolume.cli.dvid.place import Place, place
from pyvolume.cli.output import as_json, show
from pyvolume.dvid.address import Address
from pyvolume.dvid.creating import creation_document
from pyvolume.dvid.versions.graph import Uuid
from pyvolume.dvid.versions.lookup import resolve
from pyvolume.dvid.voxels.creation import create_new
from pyvolume.errors import ExistsError, MetadataError, UnsupportedError
from pyvolume.files import formats
from pyvolume.model.metadata import VoxelsMetadata


def whole_numbers(text: str) -> tuple[int, ...]:
    """Read integers with commas between them: one for all axes, or one per axis."""
    return tuple(int(each) for each in _per_axis(text))


def real_numbers(text: str) -> tuple[float, ...]:
    """Read numbers with commas between them: one for all axes, or one per axis."""
    return tuple(float(each) for each in _per_axis(text))


def dtype_name(text: str) -> str:
    """Read the name of a dtype."""
    try:
        return VoxelsMetadata.of((1, 1, 1, 1), text).dtype.name
    except MetadataError as error:
        raise click.BadParameter(str(error)) from None


def _per_axis(text: str) -> tuple[str, ...]:
    parts = tuple(text.split(","))
    if len(parts) not in {1, 3}:
        raise click.BadParameter(f"expected one number, or three with commas between them, not {text!r}")
    return parts * 3 if len(parts) == 1 else parts


@click.command(short_help="Create a repository, or a volume in a version.")
@click.argument("url", type=place)
@click.argument("name", required=False)
@click.option("--repo", metavar="ALIAS", help="Create a repository of this alias first; URL is a server.")
@click.option("--duplicate-alias", is_flag=True, help="Also if a repository of this alias is there.")
@click.option("--description", default="", metavar="TEXT", help="Of the repository.")
@click.option(
    "--like",
    type=click.Path(exists=True, path_type=Path),
    metavar="FILE",
    help="Take shape, dtype, resolution and units of a file, where they are not given.",
)
@click.option(
    "--shape",
    type=whole_numbers,
    metavar="X,Y,Z",
    help="Voxels of each axis; with a --dtype only, the volume grows from nothing.",
)
@click.option(
    "--dtype",
    type=dtype_name,
    metavar="NAME",
    help="Such as uint8, uint16, uint32, uint64, float32; uint8 if not given.",
)
@click.option("--channels", type=int, metavar="N", help="4 of uint8 make a colour volume; 1 if not given.")
@click.option(
    "--resolution", type=real_numbers, metavar="X,Y,Z", help="Size of a voxel; one number for all axes, or three."
)
@click.option("--units", metavar="NAME", help="Of the resolution, such as nanometers.")
@click.option(
    "--block-shape",
    type=whole_numbers,
    metavar="X,Y,Z",
    default="64,64,64",
    help="Of the blocks on the server.",
    show_default=True,
)
@click.option(
    "--type", "typename", metavar="NAME", help="labelmap for labels, of uint64; by default the one of the dtype."
)
@click.option("--levels", type=int, default=1, metavar="N", help="Resolution levels of labels.", show_default=True)
@click.option("--compression", metavar="NAME", help="Of the blocks: none, lz4, snappy, gzip, gzip:1 to 9, or jpeg.")
@as_json
def create(url: Place, name: str | None, repo: str | None, as_json: bool, **options: Any) -> None:
    """Create a volume called NAME in a version; or a repository; or both.

    A server may want its admin token for repositories, from the variable DVID_ADMIN_TOKEN. Nothing can be deleted
    over HTTP.

    \b
    Examples:
      pyvolume create http://localhost:8000 --repo fly
      pyvolume create dvid://http://localhost:8000/:master gray \\
          --shape 512,512,200 --dtype uint8 --resolution 8,8,40 --units nanometers
      pyvolume create dvid://http://localhost:8000/:master bodies \\
          --shape 512,512,200 --dtype uint64 --type labelmap --levels 3
      pyvolume create http://localhost:8000 --repo mouse scan --like scan.nii.gz
    """
    if url.address.name or bool(repo) == bool(url.address.version) or not (repo or name):
        raise click.UsageError("expected a version and a NAME, or a server and --repo", click.get_current_context())
    if name and not any(options[each] for each in ("shape", "dtype", "like")):
        raise click.UsageError(
            f"{name}: expected a --shape, a --dtype, or a file to be --like", click.get_current_context()
        )
    metadata = None if name is None else _metadata(options)
    wishes = {each: options[each] for each in ("block_shape", "compression", "typename", "levels")}
    if metadata is not None and name is not None:
        creation_document(metadata, name, **wishes)  # refuses before there is a repository, which stays for ever
    with url.connected() as connection:
        uuid = resolve(connection, url.address.version) if repo is None else _new_repo(connection, repo, options)
        if metadata is not None and name is not None:
            create_new(connection, uuid, name, metadata, **wishes)
    show_made(Address(url.address.server, uuid, name or ""), as_json=as_json)


def show_made(made: Address, *, as_json: bool) -> None:
    """Print where something new is."""
    document = {"url": str(made), "version": made.version, "name": made.name or None}
    show(document, str(made), as_json=as_json)


def _new_repo(connection: pyvolume.Connection, alias: str, options: dict[str, Any]) -> Uuid:
    server = pyvolume.dvid.Server(connection)
    try:
        return server.create_repo(alias, options["description"], duplicate_alias=options["duplicate_alias"]).root_uuid
    except ExistsError as error:
        way_out = f" (in a shell: {alias}:master in place of --repo, or --duplicate-alias)"
        raise ExistsError(f"{error}{way_out}", **vars(error)) from error


def _metadata(options: dict[str, Any]) -> VoxelsMetadata:
    found: dict[str, Any] = {"shape": (0, 0, 0), "dtype": "uint8", "channels": 1, "resolution": 1.0, "units": ""}
    if options["like"] is not None:
        found |= _of_file(options["like"])
    found |= {name: options[name] for name in found if options[name] is not None}
    shape = (found["channels"], *found["shape"])
    return VoxelsMetadata.of(shape, found["dtype"], resolution=found["resolution"], units=found["units"])


def _of_file(path: Path) -> dict[str, Any]:
    with formats.read(path) as stored:
        description = stored.description
        key = description.key("cxyz", stored.array.shape)
        found: dict[str, Any] = {"dtype": stored.array.dtype.name}
    ends = [each.stop if isinstance(each, slice) else each + 1 for each in key]
    if min(ends) < 1 or description.step not in {(), (1,) * 4}:
        raise UnsupportedError(f"create like {path}: it is not a box of voxels from 0 on; give a --shape")
    found |= {"channels": ends[0], "shape": tuple(ends[1:])}
    if description.resolution:
        found |= {"resolution": description.resolution, "units": description.units}
    return found
