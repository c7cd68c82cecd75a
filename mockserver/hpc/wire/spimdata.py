"""The documents with which BigDataViewer opens a dataset."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from mockserver.hpc.model.datasets import Dataset

MIXED = "mixedLatest"
IDENTITY = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]


@dataclass(frozen=True)
class Setup:
    """One channel and angle, in one version."""

    name: str
    channel: int
    angle: int
    version: int | None


def setups_of(dataset: Dataset, versions: Sequence[int | str] | None) -> list[Setup]:
    """Return the setups of a document; without versions those of BigDataServer."""
    pairs = [(channel, angle) for channel in range(dataset.channels) for angle in range(dataset.angles)]
    if versions is None or len(versions) == 1:
        number = None if versions is None else _number(versions[0])
        return [Setup(f"setup{index}", channel, angle, number) for index, (channel, angle) in enumerate(pairs)]
    return [
        Setup(f"Angle: {angle}, Channel: {channel}, Version: {version}", channel, angle, _number(version))
        for version in versions
        for channel, angle in pairs
    ]


def _number(version: int | str) -> int:
    return version if isinstance(version, int) else -1


def spim_data(dataset: Dataset, loader: str, base_url: str, versions: Sequence[int | str] | None) -> bytes:
    """Return the XML of a dataset; lines end in CR LF."""
    lines = _lines(dataset, loader, base_url, versions)
    return "".join(f"{line}\r\n" for line in ['<?xml version="1.0" encoding="UTF-8"?>', *lines]).encode()


def _lines(dataset: Dataset, loader: str, base_url: str, versions: Sequence[int | str] | None) -> Iterator[str]:
    setups = setups_of(dataset, versions)
    yield '<SpimData version="0.2">'
    yield '  <BasePath type="relative">.</BasePath>'
    yield "  <SequenceDescription>"
    yield f'    <ImageLoader format="{loader}">'
    yield f"      <baseUrl>{escape(base_url)}</baseUrl>"
    yield "    </ImageLoader>"
    yield "    <ViewSetups>"
    for number, setup in enumerate(setups):
        yield from _setup(dataset, number, setup)
    yield from _attributes("illumination", ["0"])
    yield from _attributes("channel", list(map(str, range(dataset.channels))))
    yield from _attributes("tile", ["0"])
    yield from _attributes("angle", list(map(str, range(dataset.angles))))
    if versions is not None:
        names = sorted((_number(version), str(version)) for version in versions)
        yield from _attributes("version", [name for _, name in names], [str(number) for number, _ in names])
    yield "    </ViewSetups>"
    yield from _timepoints(dataset.timepoints)
    if versions is not None and len(versions) > 1:
        yield "    <MissingViews />"
    yield "  </SequenceDescription>"
    yield "  <ViewRegistrations>"
    for timepoint in dataset.timepoints:
        for number, setup in enumerate(setups):
            yield from _registration(dataset, timepoint, number, setup.angle)
    yield "  </ViewRegistrations>"
    yield "</SpimData>"


def _setup(dataset: Dataset, number: int, setup: Setup) -> Iterator[str]:
    row = dataset.row or {}
    yield "      <ViewSetup>"
    yield f"        <id>{number}</id>"
    yield f"        <name>{setup.name}</name>"
    yield f"        <size>{' '.join(map(str, dataset.size))}</size>"
    yield "        <voxelSize>"
    yield f"          <unit>{escape(row['voxelUnit'] or '')}</unit>"
    yield f"          <size>{' '.join(map(str, row['voxelResolution']))}</size>"
    yield "        </voxelSize>"
    yield "        <attributes>"
    yield "          <illumination>0</illumination>"
    yield f"          <channel>{setup.channel}</channel>"
    yield "          <tile>0</tile>"
    yield f"          <angle>{setup.angle}</angle>"
    if setup.version is not None:
        yield f"          <version>{setup.version}</version>"
    yield "        </attributes>"
    yield "      </ViewSetup>"


def _attributes(name: str, labels: Sequence[str], ids: Sequence[str] | None = None) -> Iterator[str]:
    tag = name.capitalize()
    yield f'      <Attributes name="{name}">'
    for number, label in zip(ids or labels, labels, strict=True):
        yield f"        <{tag}>"
        yield f"          <id>{number}</id>"
        yield f"          <name>{label}</name>"
        yield f"        </{tag}>"
    yield "      </Attributes>"


def _timepoints(ids: Sequence[int]) -> Iterator[str]:
    if list(ids) == list(range(ids[0], ids[-1] + 1)):
        yield '    <Timepoints type="range">'
        yield f"      <first>{ids[0]}</first>"
        yield f"      <last>{ids[-1]}</last>"
    else:
        yield '    <Timepoints type="list">'
        for each in ids:
            yield "      <Timepoint>"
            yield f"        <id>{each}</id>"
            yield "      </Timepoint>"
    yield "    </Timepoints>"


def _registration(dataset: Dataset, timepoint: int, number: int, angle: int) -> Iterator[str]:
    given = dataset.created.get("transformations")
    matrix = given[angle] if given else IDENTITY
    yield f'    <ViewRegistration timepoint="{timepoint}" setup="{number}">'
    yield '      <ViewTransform type="affine">'
    yield f"        <affine>{' '.join(str(float(each)) for each in matrix)}</affine>"
    yield "      </ViewTransform>"
    yield "    </ViewRegistration>"


def list_of(uuid: str, base_url: str, versions: Sequence[int | str]) -> bytes:
    """Return the list of a dataset's versions for a viewer, indented by tabs."""
    entries = {
        f"dataset:{uuid}, version:{version}": {
            "id": f"dataset:{uuid}, version:{version}",
            "description": "NotImplemented",
            "datasetUrl": f"{base_url}/{version}/",
            "thumbnailUrl": f"{base_url}/{version}/png",
        }
        for version in versions
    }
    return json.dumps(entries, indent="\t").encode()


def init_of(dataset: Dataset) -> dict[str, Any]:
    """Return what BigDataServer says of the levels and sizes of a dataset."""
    setups = range(dataset.channels * dataset.angles)
    mipmaps = {
        "resolutions": [list(map(float, level.factors)) for level in dataset.levels],
        "transforms": [_transform(level.factors) for level in dataset.levels],
        "subdivisions": [list(level.block_shape) for level in dataset.levels],
        "maxLevel": len(dataset.levels) - 1,
    }
    existence = [
        [
            {"timepointId": timepoint, "setupId": setup, "level": index},
            {"dimensions": list(level.size(dataset.size)), "exists": True},
        ]
        for index, level in enumerate(dataset.levels)
        for timepoint in dataset.timepoints
        for setup in setups
    ]
    return {
        "uuid": dataset.uuid,
        "maxNumTimepoints": len(dataset.timepoints),
        "maxNumSetups": len(setups),
        "maxNumLevels": len(dataset.levels),
        "perSetupMipmapInfo": {str(setup): mipmaps for setup in setups},
        "dimsAndExistence": existence,
        "dataType": dataset.dtype.upper(),
    }


def _transform(factors: Sequence[int]) -> list[float]:
    x, y, z = (float(n) for n in factors)
    return [x, 0.0, 0.0, (x - 1) / 2, 0.0, y, 0.0, (y - 1) / 2, 0.0, 0.0, z, (z - 1) / 2]
