"""``get``, ``put`` and ``cp``: voxels between volumes and files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

import pyvolume
from pyvolume.calls.progress import Bar
from pyvolume.cli.made import made, note_source, taken
from pyvolume.cli.output import as_json, corners, show
from pyvolume.cli.placed import placed
from pyvolume.cli.streams import STREAM, read_file, written_file
from pyvolume.cli.target import Target, target
from pyvolume.errors import SelectionError
from pyvolume.files import formats
from pyvolume.files.description import Description, describe
from pyvolume.indexing.selection import Selection
from pyvolume.model.units import agree
from pyvolume.transfer.casting import Casting
from pyvolume.volume import transfer_of


def _no_option(context: click.Context, _: click.Parameter, journal: Path | None) -> Path | None:
    """Refuse an option in the place of a file, which would be made."""
    if journal is not None and str(journal).startswith("-"):
        raise click.UsageError(f"--resume: expected the file of a journal and found {str(journal)!r}", context)
    return journal


resume = click.option(
    "--resume",
    callback=_no_option,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="JOURNAL",
    help="A file: a copy that was killed continues with it.",
)
verify = click.option("--verify", is_flag=True, help="Read each piece again from both and compare.")


@click.command(short_help="Read voxels into a file.")
@click.argument("url", type=target)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@as_json
def get(url: Target, file: Path, force: bool, as_json: bool) -> None:
    """Read URL[slices] into FILE; without slices all that is stored, from its first voxel on.

    The suffix of FILE says which format: .npy .npz .h5 .tif .ome.tif .nii.gz .zarr .zarr.zip, or .png .jpg for one
    plane. Where the voxels come from goes into the file (but for .npy, which has no place for it), and `put` brings
    them back there. The file appears when it is complete. A FILE called - is the standard output, as .npy.

    \b
    Examples:
      pyvolume get "dvid://http://localhost:8000/:master/gray[:, 10:110, 20:120]" cut.h5
      pyvolume get "dvid://http://localhost:8000/:master/gray[0, :, :, 64]" plane.png
    """
    if file == STREAM and as_json:
        raise click.UsageError("-: expected voxels on the standard output, or --json", click.get_current_context())
    with written_file(file) as path, url.volume() as volume:
        selection = url.selection_in(volume)
        with Bar(f"get {file.name}", quiet=True) as progress:
            volume.save(path, url.key, mode="w" if force else "w-", progress=progress)
        found = {
            "file": str(file),
            "shape": list(selection.shape),
            "dtype": volume.dtype.name,
        } | describe(volume, selection).to_document()
    if file != STREAM:
        show(found, f"{file}: {selection.shape} {volume.dtype.name} of {selection.box}", as_json=as_json)


@click.command(short_help="Write voxels from a file.")
@click.argument("file", type=click.Path(exists=True, allow_dash=True, path_type=Path))
@click.argument("url", type=target)
@click.option(
    "--casting",
    type=click.Choice(["checked", "safe", "same_kind", "unsafe"]),
    default="checked",
    show_default=True,
    help="Which values may change: none, or by numpy's rules.",
)
@resume
@verify
@as_json
def put(file: Path, url: Target, casting: Casting, *, resume: Path | None, verify: bool, as_json: bool) -> None:
    """Write FILE to URL[slices]. Without slices the voxels go where the file says they come from.

    A file of another program begins at 0; a .npy file needs slices. What the file says of its axes and values is what
    is stored, or it is refused. A warning says if the voxels have another size in the file than in the volume; the
    volume keeps its own. A FILE called - is the standard input, as .npy.

    \b
    Examples:
      pyvolume put cut.h5 dvid://http://localhost:8000/:trial/gray
      pyvolume put scan.nii.gz "dvid://http://localhost:8000/:master/gray[:, 100:228, 50:146, 0:24]"
    """
    if file == STREAM and resume is not None:
        raise click.UsageError("--resume: the standard input cannot be read again", click.get_current_context())
    if url.takes_arrays:
        _refuse_options(resume=resume, verify=verify)
        with read_file(file) as path, formats.read(path) as stored:
            dims = stored.description.axes
            taken(url, stored.array, dims, file.name.partition(".")[0], str(file), as_json=as_json)
        return
    with read_file(file) as path, url.volume("r+", casting=casting) as volume, formats.read(path) as stored:
        _warn_of_sizes(file, stored.description, volume)
        if url.key is not None:
            growable = volume.store.traits.growable
            selection = Selection.for_writing(url.key, volume.shape, growable, volume.dims)
        else:
            selection = _place(file, stored, volume)
        with Bar(f"put {file.name}", quiet=True) as progress:
            if resume is None and not verify:
                transfer = transfer_of(volume, "put")
                transfer.write_from(selection, stored.array, transfer.operation(progress))
            else:
                source = placed(stored, path, selection, volume)
                pyvolume.copy(source, volume, progress=progress, resume=resume, verify=verify)
        address = volume.store.address  # after version=new it has the number
    found = {"file": str(file), "shape": list(stored.array.shape), "box": corners(selection.box), "address": address}
    show(found, f"{file}: {tuple(stored.array.shape)} to {selection.box}", as_json=as_json)


def _place(file: Path, stored: formats.Stored, volume: pyvolume.Volume) -> Selection:
    """Select the voxels of a volume that a file says it has; without a place they begin at 0."""
    key = stored.description.key("".join(volume.dims), stored.array.shape)
    if file == STREAM or not formats.keeps_place(file):
        slices = ", ".join(str(each) if isinstance(each, int) else f"{each.start}:{each.stop}" for each in key)
        raise SelectionError(
            f"put {file}: the file does not say where its voxels belong; give slices, as in URL[{slices}]"
        )
    return Selection.of_coordinates(key, volume.bounds)


def _warn_of_sizes(file: Path, description: Description, volume: pyvolume.Volume) -> None:
    """Say that a file has voxels of another size: nothing changes that of the volume, but it may be the wrong one."""
    found, expected = ((each.resolution, each.units) for each in (description, volume))
    if not agree(*found, *expected):
        told = " and the volume has ".join(_told(sizes, units) for sizes, units in (found, expected))
        click.echo(f"pyvolume: warning: the voxels of {file} have a size of {told}", err=True)


def _told(sizes: Sequence[float], units: Sequence[str]) -> str:
    if len(set(units)) == 1:
        return f"{' × '.join(f'{n:g}' for n in sizes)} {units[0]}"
    return " × ".join(f"{n:g} {unit}".strip() for n, unit in zip(sizes, units, strict=True))


@click.command(short_help="Copy voxels between two volumes.")
@click.argument("src", type=target)
@click.argument("dst", type=target)
@resume
@verify
@click.option("--pyramid", is_flag=True, help="Declare coarser levels of a DST that is created, and fill those of DST.")
@click.option("--history", is_flag=True, help="Bring all versions of SRC into a repository of Icechunk.")
@as_json
def cp(
    src: Target, dst: Target, *, resume: Path | None, verify: bool, pyramid: bool, history: bool, as_json: bool
) -> None:
    """Copy SRC[slices] to the same coordinates of DST; without slices all that is stored.

    A DST in a folder or a bucket is created if it is not there, such as a .zarr: it gets the description of SRC, and
    notes where its voxels come from, with their checksum.

    With --history DST is a volume of Icechunk, which is created if it is missing: each version of SRC becomes a commit.
    A second run brings the versions that are new.

    \b
    Examples:
      pyvolume cp dvid://http://a:8000/:master/gray gray.zarr --pyramid
      pyvolume cp --verify dvid://http://a:8000/:master/gray dvid://http://b:8000/:master/gray
      pyvolume cp --resume log "dvid://http://a:8000/ab/gray[:, :512]" dvid://http://b:8000/cd/gray
      pyvolume cp --history dvid://http://a:8000/:master/gray icechunk:///data/fly:main/gray
    """
    dst.refuse_slices()
    if history:
        if resume is not None or verify or pyramid:
            raise click.UsageError("--history: expected no other option", click.get_current_context())
        _bring(src, dst, as_json=as_json)
        return
    if dst.takes_arrays:
        _refuse_options(resume=resume, verify=verify, pyramid=pyramid)
        with src.volume() as source:
            array = source[src.key] if src.key is not None else source
            taken(dst, array, source.dims, source.name, source.store.address, as_json=as_json)
        return
    with src.volume() as source:
        box = src.selection_in(source).as_box()
        with made(dst, source, box, pyramid=pyramid) as destination:
            with Bar(f"copy {source.name}", quiet=True) as progress:
                nbytes = pyvolume.copy(source, destination, box, progress=progress, resume=resume, verify=verify)
            if pyramid:
                with Bar(f"pyramid of {destination.name}", quiet=True) as progress:
                    pyvolume.build_pyramid(destination, box=box, progress=progress)
            note_source(destination, source, box)
            addresses = {"source": source.store.address, "destination": destination.store.address}
    done = "copied" if nbytes or resume is None else "nothing was left to do, copied before:"
    found = {**addresses, "box": corners(box), "bytes": nbytes}
    show(found, f"{done} {box} to {addresses['destination']}", as_json=as_json)


def _refuse_options(**given: object) -> None:
    """Refuse what a place cannot do that takes whole arrays."""
    names = [name for name, value in given.items() if value]
    if names:
        raise click.UsageError(f"--{names[0]}: an image is made of the whole array", click.get_current_context())


def _bring(src: Target, dst: Target, *, as_json: bool) -> None:
    """Bring all versions of a volume."""
    from pyvolume.icechunk import bring_history  # it imports the library

    src.refuse_slices()
    with src.volume() as source, Bar(f"copy the history of {source.name}", quiet=True) as progress:
        versions = bring_history(source, dst.url, progress=progress)
        found = {"source": source.store.address, "destination": dst.url, "versions": versions}
    show(found, f"{len(versions)} versions of {found['source']} are in {dst.url}", as_json=as_json)
