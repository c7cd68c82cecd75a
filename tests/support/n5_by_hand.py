"""Folders of N5 made without pyvolume: blocks, images of BigDataViewer, versions as an HPC DataStore writes them."""

from __future__ import annotations

import bz2
import gzip
import itertools
import json
import lzma
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

COMPRESSIONS: Mapping[str, tuple[dict[str, Any], Callable[[bytes], bytes]]] = {
    "raw": ({"type": "raw"}, bytes),
    "gzip": ({"type": "gzip", "useZlib": False, "level": -1}, gzip.compress),
    "zlib": ({"type": "gzip", "useZlib": True, "level": -1}, zlib.compress),
    "bzip2": ({"type": "bzip2", "blockSize": 9}, bz2.compress),
    "xz": ({"type": "xz", "preset": 6}, lzma.compress),
}
"""The attribute, and the function, of those that Python has."""

XML = """<?xml version="1.0" encoding="UTF-8"?>
<SpimData version="0.2">
  <BasePath type="relative">{base}</BasePath>
  <SequenceDescription>
    <ImageLoader format="bdv.n5" version="1.0"><n5 type="relative">{n5}</n5></ImageLoader>
    <ViewSetups>{setups}
      <Attributes name="channel"><Channel><id>0</id><name>0</name></Channel></Attributes>
    </ViewSetups>
    <Timepoints type="list">{times}</Timepoints>
    <MissingViews />
  </SequenceDescription>
  <ViewRegistrations><ViewRegistration timepoint="0" setup="0">
    <ViewTransform type="affine"><affine>1 0 0 0 0 1 0 0 0 0 1 0</affine></ViewTransform>
  </ViewRegistration></ViewRegistrations>
</SpimData>
"""

SETUP = """
      <ViewSetup><id>{id}</id><name>setup{id}</name><size>{size}</size>
        <voxelSize><unit>um</unit><size>0.4 0.4 1.6</size></voxelSize>
        <attributes><illumination>0</illumination><channel>{channel}</channel><tile>{tile}</tile>
          <angle>{angle}</angle></attributes>
      </ViewSetup>"""

Views = Mapping[tuple[int, int, int], NDArray[Any]]
"""Arrays of x, y and z by channel, angle and the id of the time point."""


def block(voxels: NDArray[Any], compress: Callable[[bytes], bytes] = bytes) -> bytes:
    """Encode a block, its axes in the order of N5."""
    head = struct.pack(f">HH{voxels.ndim}I", 0, voxels.ndim, *voxels.shape)
    return head + compress(voxels.astype(voxels.dtype.newbyteorder(">")).tobytes(order="F"))


def write_dataset(
    folder: Path,
    array: NDArray[Any],
    blocks: Sequence[int],
    compression: str = "gzip",
    *,
    skip: Iterable[tuple[int, ...]] = (),
    **attributes: Any,
) -> None:
    """Write an array in the order of N5; the blocks at the edge are truncated."""
    folder.mkdir(parents=True, exist_ok=True)
    said, compress = COMPRESSIONS[compression]
    document = {
        "dimensions": list(array.shape), "blockSize": list(blocks), "dataType": array.dtype.name, "compression": said,
    }  # fmt: skip
    write_json(folder, document | attributes)
    counts = [range(-(-n // step)) for n, step in zip(array.shape, blocks, strict=True)]
    for index in itertools.product(*counts):
        if index in skip:
            continue
        place = tuple(slice(n * step, (n + 1) * step) for n, step in zip(index, blocks, strict=True))
        path = folder.joinpath(*map(str, index))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(block(array[place], compress))


def write_json(folder: Path, document: Mapping[str, Any]) -> None:
    """Write the attributes of a group or a dataset."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "attributes.json").write_text(json.dumps(document, separators=(",", ":")))


def write_image(
    xml: Path,
    views: Views,
    *,
    levels: Sequence[Sequence[int]] = ((1, 1, 1),),
    blocks: Sequence[int] = (16, 16, 16),
    compression: str = "gzip",
    n5: str = "export.n5",
    base: str = ".",
    skip: Callable[..., bool] = lambda *_: False,
    tiles: Mapping[tuple[int, int], int] | None = None,
) -> None:
    """Write an XML file of BigDataViewer and the N5 folder beside it.

    Parameters
    ----------
    skip : callable
        Whether a block is left out, by channel, angle, time point, level and index.
    tiles : mapping, optional
        The tile of a setup, by channel and angle.
    """
    angles = 1 + max(angle for _, angle, _ in views)
    times = sorted({time for _, _, time in views})
    setups = sorted({(channel * angles + angle, channel, angle) for channel, angle, _ in views})
    first = next(iter(views.values()))
    xml.parent.mkdir(parents=True, exist_ok=True)
    size = " ".join(map(str, first.shape))
    shown = "".join(
        SETUP.format(id=number, size=size, channel=channel, angle=angle, tile=(tiles or {}).get((channel, angle), 0))
        for number, channel, angle in setups
    )
    listed = "".join(f"<Timepoint><id>{time}</id></Timepoint>" for time in times)
    xml.write_text(XML.format(base=base, n5=n5, setups=shown, times=listed))
    container = xml.parent / base / n5
    write_json(container, {"n5": "2.2.1"})
    for number, channel, angle in setups:
        setup = container / f"setup{number}"
        write_json(setup, {"dataType": first.dtype.name, "downsamplingFactors": [list(each) for each in levels]})
        for time in times:
            array = views.get((channel, angle, time))
            if array is None:
                continue
            write_json(setup / f"timepoint{time}", {"multiScale": True, "resolution": [0.4, 0.4, 1.6]})
            for level, factors in enumerate(levels):
                coarse = reduced(array, factors)
                counts = [range(-(-n // step)) for n, step in zip(coarse.shape, blocks, strict=True)]
                left_out = [each for each in itertools.product(*counts) if skip(channel, angle, time, level, each)]
                write_dataset(
                    setup / f"timepoint{time}" / f"s{level}", coarse, blocks, compression, skip=left_out,
                    downsamplingFactors=list(factors),
                )  # fmt: skip


def reduced(array: NDArray[Any], factors: Sequence[int]) -> NDArray[Any]:
    """Take every nth voxel; a level has the size that the DataStore gives it."""
    size = [max(1, n // factor) for n, factor in zip(array.shape, factors, strict=True)]
    return array[tuple(slice(None, None, factor) for factor in factors)][tuple(map(slice, size))]


def write_version(dataset: Path, version: int, views: Views, **options: Any) -> None:
    """Write a version of a dataset as an HPC DataStore lays it out."""
    write_image(dataset / str(version) / "export.xml", views, base="export.n5", n5=".", **options)
