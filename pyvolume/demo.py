"""The demonstration, ``python -m pyvolume.demo``: a real volume on a server, under numpy's syntax.

It uploads an MRI scan, slices it, writes a box, meets a busy server, compares every voxel with numpy and draws a
sheet of slices.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import pyvolume
from pyvolume.display.planes import cut, shades
from pyvolume.dvid import VoxelsAccessor, general, voxels
from pyvolume.errors import PyVolumeError
from pyvolume.model.extras import require
from pyvolume.stores.tokens import token_for, why_withheld

if TYPE_CHECKING:
    from PIL import Image

    from mockserver import MockServer

ADMIN_TOKEN = "DVID_ADMIN_TOKEN"
"""The variable of the environment with the admin token of a server."""

NAME = "mri"
BLOCK_SHAPE = (32, 32, 8)
"""Divides the scan, so that the stored extents are those of the scan."""

CUT = {"x": 64, "y": 45, "z": 12}
"""Where the planes of the sheet cross."""

PLANES = (("x", "y", "z"), ("x", "z", "y"), ("y", "z", "x"))
"""The axes to the right and upwards of each plane of the sheet, and the axis across it."""

BOX = np.s_[0, 40:90, 30:60, 6:19]
"""What is written; no face of it lies between two blocks."""

EXAMPLES = (np.s_[0, :, :, 12], np.s_[0, 64], np.s_[0, 20:100:2, ::-1, -12], np.s_[..., [3, 5, 8]])

SCALE = 4
"""Pixels of the sheet for one voxel in x and y."""

MARGIN = 24
LINE = 30
BACKGROUND, FOREGROUND, DIMMED = (16, 17, 20), (236, 236, 232), (168, 172, 180)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration and return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options.url, options.output)
    except ImportError as error:
        print(error, file=sys.stderr)
    except PyVolumeError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pyvolume.demo", description="A real volume, sliced on a server.")
    parser.add_argument(
        "--url",
        help="a DVID server to use instead of the bundled one; a new repository is made there, which nothing can "
        "delete over HTTP; DVID_ADMIN_TOKEN goes to the server of PYVOLUME_URL or PYVOLUME_TOKEN_HOST only",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("demo-output"), metavar="DIR", help="where the sheet goes (%(default)s)"
    )
    return parser


def _run(url: str | None, output: Path) -> int:
    scan, voxel_size = _load_scan()
    with _serving(url) as (address, server):
        token = None if url is None else token_for(address, ADMIN_TOKEN)
        policy = pyvolume.RetryPolicy(interval=0.5, on_wait=_tell_wait)
        identity = pyvolume.dvid.Identity(admin_token=token)
        with pyvolume.Connection(address, retry=policy, auth=identity) as connection:
            volume = _upload(connection, scan, voxel_size)
            before = _slice(volume)
            expected = _write(volume, scan)
            _be_patient(volume, server)
            differing = _verify(volume, expected, server)
            after = _planes(volume)
    path = output / "slices.png"
    _say(f"7. The picture\n   {_draw(before, after, voxel_size, path)}")
    return 1 if differing else 0


def _say(text: str) -> None:
    print(text, flush=True)


def _load_scan() -> tuple[NDArray[np.uint16], tuple[float, ...]]:
    """Return the scan, channel first in Fortran order, and the size of its voxels in millimetres."""
    nibabel = require("nibabel", extra="demo", action="the demonstration")
    require("PIL.Image", extra="demo", action="the demonstration")  # not after the upload
    path = resources.files("nibabel") / "tests/data/example4d.nii.gz"
    image: Any = nibabel.load(str(path))
    scan = np.asarray(image.dataobj[..., 0])
    size = tuple(round(float(mm), 2) for mm in image.header.get_zooms()[:3])
    return np.asfortranarray(scan[np.newaxis], dtype=np.uint16), size


@contextlib.contextmanager
def _serving(url: str | None) -> Iterator[tuple[str, MockServer | None]]:
    """Give the address of the server, and the bundled server itself if no other was asked for."""
    if url is not None:
        _say(f"1. The server\n   {url}, as you asked")
        if reason := why_withheld(url, ADMIN_TOKEN):
            _say(f"   {reason}")
        yield url, None
        return
    from mockserver import MockServer

    with MockServer() as server:
        _say(f"1. The server\n   a mock of DVID that comes with pyvolume, at {server.url}")
        yield server.url, server


def _upload(connection: pyvolume.Connection, scan: NDArray[np.uint16], voxel_size: tuple[float, ...]) -> VoxelsAccessor:
    alias = f"pyvolume-demo-{uuid.uuid4().hex[:8]}"
    repository = general.create_repo(connection, alias)
    metadata = pyvolume.VoxelsMetadata.of(scan.shape, scan.dtype, resolution=voxel_size, units="millimeters")
    voxels.create_new(connection, repository, NAME, metadata, block_shape=BLOCK_SHAPE)
    volume = VoxelsAccessor(connection, repository, NAME)
    began = time.perf_counter()
    volume[...] = scan
    seconds = time.perf_counter() - began
    x, y, z = scan.shape[1:]
    _say(
        f"\n2. The volume\n"
        f"   a real MRI scan of a human brain, {x} × {y} × {z} voxels of {' × '.join(map(str, voxel_size))} mm\n"
        f"   (the first volume of example4d.nii.gz, which nibabel ships), here as uint16\n"
        f"   uploaded {scan.nbytes / 1024:.0f} KiB in {seconds * 1000:.0f} ms to repository {alias}:\n"
        f"   {volume!r}"
    )
    return volume


def _slice(volume: VoxelsAccessor) -> list[NDArray[Any]]:
    _say("\n3. Slices of it, as of an array")
    for key in EXAMPLES:
        began = time.perf_counter()
        result = volume[key]
        milliseconds = (time.perf_counter() - began) * 1000
        _say(f"   volume[{_written(key)}]".ljust(36) + f"{result.shape!s:18} {milliseconds:5.1f} ms")
    return _planes(volume)


def _written(key: tuple[Any, ...]) -> str:
    """Return a key as a user writes it."""
    return ", ".join(_written_item(item) for item in key)


def _written_item(item: Any) -> str:
    if isinstance(item, slice):
        ends = ["" if end is None else str(end) for end in (item.start, item.stop)]
        return ":".join(ends if item.step is None else [*ends, str(item.step)])
    return "..." if item is Ellipsis else str(item)


def _planes(volume: VoxelsAccessor) -> list[NDArray[Any]]:
    """Return the planes of the sheet."""
    return [cut(volume, right, up, CUT) for right, up, _ in PLANES]


def _write(volume: VoxelsAccessor, scan: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Invert the grey values of the box, on the server and in a copy of the scan; return the copy."""
    peak = scan.max()
    volume[BOX] = peak - volume[BOX]
    expected = scan.copy(order="F")
    expected[BOX] = peak - scan[BOX]
    blocks = "×".join(map(str, BLOCK_SHAPE))
    _say(
        f"\n4. A write that fits no block\n"
        f"   volume[{_written(BOX)}] = {peak} - volume[{_written(BOX)}]\n"
        f"   the server stores whole blocks of {blocks} only: those at the border are read and completed"
    )
    return expected


def _be_patient(volume: VoxelsAccessor, server: MockServer | None) -> None:
    _say("\n5. A busy server")
    if server is None:
        _say(
            "   left out: faults can be injected into the bundled server only; a wait for yours would be told here too"
        )
        return
    from mockserver import Fault

    server.faults.add(Fault("busy", times=2, method="GET", path=".*/raw/.*"))
    _say("   the next two reads are answered with 503: the server is told to be busy")
    voxel = volume[0, 64, 48, 12]
    _say(f"   then volume[0, 64, 48, 12] arrives: {voxel}")


def _tell_wait(wait: pyvolume.RetryWait) -> None:
    _say(f"   retry: attempt {wait.attempt} failed, the next one follows in {wait.seconds:.2f} s")
    _say(f"          ({wait.error})")


def _verify(volume: VoxelsAccessor, expected: NDArray[np.uint16], server: MockServer | None) -> int:
    """Compare every voxel with numpy's; return how many differ."""
    stored = volume.get_ndarray((0, 0, 0, 0), expected.shape)
    differing = int(np.count_nonzero(stored != expected))
    beside = ""
    if server is not None:
        differing += int(np.count_nonzero(server.voxels(NAME) != expected))
        beside = ", in the server's own memory too"
    verdict = "all as numpy has them" if not differing else f"{differing} DIFFER from what numpy has"
    _say(f"\n6. Every voxel\n   {expected.size:,} compared{beside}: {verdict}\n")
    if server is None:
        _say("   The repository stays on your server: nothing can delete it over HTTP.\n")
    return differing


def _draw(before: list[NDArray[Any]], after: list[NDArray[Any]], voxel_size: tuple[float, ...], path: Path) -> Path:
    """Draw the planes before and after in two columns; return where the sheet is."""
    from PIL import Image, ImageDraw, ImageFont

    images = _images(shades([*before, *after]), voxel_size)
    columns = {"before": images[:3], f"after volume[{_written(BOX)}] was inverted": images[3:]}
    width = images[0].width
    height = sum(image.height + LINE for image in images[:3])
    sheet = Image.new("RGB", (2 * width + 3 * MARGIN, height + LINE + 2 * MARGIN), BACKGROUND)
    pen = ImageDraw.Draw(sheet)
    for i, (heading, column) in enumerate(columns.items()):
        left, top = MARGIN + i * (width + MARGIN), MARGIN
        pen.text((left, top), heading, FOREGROUND, ImageFont.load_default(20))
        top += LINE
        for image, (right, up, across) in zip(column, PLANES, strict=True):
            pen.text((left, top + 8), f"{right}{up} at {across} = {CUT[across]}", DIMMED, ImageFont.load_default(15))
            sheet.paste(image, (left, top + LINE))
            top += LINE + image.height
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
    return path.resolve()


def _images(planes: list[NDArray[np.uint8]], voxel_size: tuple[float, ...]) -> list[Image.Image]:
    """Turn pixels into images: the second axis upwards, square in millimetres."""
    from PIL import Image

    scale = {axis: SCALE * mm / voxel_size[0] for axis, mm in zip("xyz", voxel_size, strict=True)}
    images = []
    for plane, (right, up, _) in zip(planes, [*PLANES, *PLANES], strict=True):
        size = round(plane.shape[1] * scale[right]), round(plane.shape[0] * scale[up])
        images.append(Image.fromarray(plane[::-1]).resize(size, Image.Resampling.NEAREST))
    return images


if __name__ == "__main__":
    sys.exit(main())
