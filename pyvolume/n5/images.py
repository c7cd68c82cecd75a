"""Images of BigDataViewer: an XML file, the container with its voxels, and which setups a volume shows."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyvolume.errors import AddressError, AmbiguousError, MetadataError, NotFoundError
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.n5.client import Client, inside
from pyvolume.n5.documents import DatasetInfo, dataset_info, dtype_of
from pyvolume.n5.schemas import SCHEMAS
from pyvolume.n5.spimdata import ATTRIBUTES, LARGEST_XML, Setup, SpimData, parse
from pyvolume.n5.versions import XML, shown_versions

DIMS = ("c", "x", "y", "z", "t", "a")
"""The axes of an image."""

SHOWN = 12
"""Setups that a message lists."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image, before anything of it is chosen.

    Parameters
    ----------
    client : Client
        Of the folder that holds everything.
    path : Path
        Of the XML file, or of the folder of a DataStore's dataset.
    xml : str
        The XML file, in the folder of the client.
    version : int or "mixedLatest", optional
        Which version of a DataStore's dataset it is.
    containers : tuple of str
        The folders with the voxels; a block is taken from the first one that has it.
    data : SpimData
        What the XML says.
    """

    client: Client
    path: Path
    xml: str
    version: int | str | None
    containers: tuple[str, ...]
    data: SpimData


def image_of_xml(path: Path) -> Image:
    """Open the image that an XML file describes.

    Raises
    ------
    AddressError
        If there is no such file, or the voxels are outside its folder.
    MetadataError, UnsupportedError
        As for `parse`.
    """
    client = Client(path.parent)
    data = _data(client, path.name)
    if data is None:
        raise AddressError(f"open: there is no file {path}")
    return Image(client, path, path.name, None, (data.folder,), data)


def image_of_version(folder: Path, version: int | str) -> Image:
    """Open a version of a DataStore's dataset.

    Raises
    ------
    NotFoundError
        If there is no such version.
    MetadataError, UnsupportedError
        As for `parse`.
    """
    client = Client(folder)
    shown = shown_versions(client, version)
    xml = f"{shown[0]}/{XML}"
    data = _data(client, xml)
    if data is None:
        raise client.gone(xml)
    containers = tuple(inside(str(number), data.folder) for number in shown)
    return Image(client, folder, xml, version if version == "mixedLatest" else shown[0], containers, data)


def _data(client: Client, xml: str) -> SpimData | None:
    text = client.document(xml, LARGEST_XML)
    return None if text is None else parse(text, client.full(xml))


@dataclass(frozen=True, slots=True)
class Choice:
    """What a volume shows of an image.

    Parameters
    ----------
    words : mapping of int
        What was chosen, by the words of a query.
    channels, angles, timepoints : tuple of int
        The ids along the axes.
    setups : mapping
        The setup of each channel and angle.
    dims : tuple of str
        The axes of the volume: a time point or an angle that was chosen has none.
    """

    words: Mapping[str, int]
    channels: tuple[int, ...]
    angles: tuple[int, ...]
    timepoints: tuple[int, ...]
    setups: Mapping[tuple[int, int], Setup]
    dims: tuple[str, ...]


def choice_of(image: Image, words: Mapping[str, int]) -> Choice:
    """Choose the setups and time points of a volume.

    Raises
    ------
    NotFoundError
        If there is no such id.
    AmbiguousError
        If several setups are left for one channel and angle: other tiles or illuminations.
    MetadataError
        If the setups have different sizes.
    """
    left = list(image.data.setups)
    for word in ("setup", *ATTRIBUTES):
        if word in words:
            left = _with_id(image, left, word, words[word])
    times = image.data.timepoints
    if "timepoint" in words:
        if words["timepoint"] not in times:
            raise _not_found(image, "timepoint", words["timepoint"], times)
        times = (words["timepoint"],)
    setups: dict[tuple[int, int], Setup] = {}
    for each in left:
        twin = setups.setdefault((each.ids["channel"], each.ids["angle"]), each)
        if twin is not each:
            raise _ambiguous(image, left, twin, each)
    if len({each.size for each in left}) > 1:
        raise MetadataError(
            f"open {image.path}: expected setups of one size and found {_listed(left)}; choose one of them: ?setup="
        )
    dropped = {dim for dim, word in (("t", "timepoint"), ("a", "angle")) if word in words}
    return Choice(
        words,
        tuple(sorted({channel for channel, _ in setups})),
        tuple(sorted({angle for _, angle in setups})),
        times,
        setups,
        tuple(dim for dim in DIMS if dim not in dropped),
    )


def _with_id(image: Image, setups: Sequence[Setup], word: str, wanted: int) -> list[Setup]:
    def found(setup: Setup) -> int:
        return setup.number if word == "setup" else setup.ids[word]

    left = [each for each in setups if found(each) == wanted]
    if not left:
        raise _not_found(image, word, wanted, sorted({found(each) for each in setups}))
    return left


def _not_found(image: Image, word: str, wanted: int, known: Sequence[int]) -> NotFoundError:
    shown = ", ".join(map(str, known[:SHOWN])) + (", …" if len(known) > SHOWN else "")
    name = "time point" if word == "timepoint" else word
    return NotFoundError(f"open {image.path}: no {name} {wanted}; there are {shown}", action=f"open {image.path}")


def _ambiguous(image: Image, setups: Sequence[Setup], one: Setup, other: Setup) -> AmbiguousError:
    differing = [word for word in ATTRIBUTES if one.ids[word] != other.ids[word]] or ["setup"]
    candidates = tuple(f"setup={each.number}" for each in setups)
    return AmbiguousError(
        f"open {image.path}: several setups show the channel {one.ids['channel']} and the angle {one.ids['angle']}: "
        f"{_listed(setups)}; choose one: ?{differing[0]}=",
        action=f"open {image.path}",
        candidates=candidates,
    )


def _listed(setups: Sequence[Setup]) -> str:
    shown = [
        f"setup {each.number} ({', '.join(f'{word} {each.ids[word]}' for word in ATTRIBUTES)}, "
        f"{'×'.join(map(str, each.size)) or 'no size'})"
        for each in setups[:SHOWN]
    ]
    return "; ".join(shown) + ("; …" if len(setups) > SHOWN else "")


def factors_of(image: Image, choice: Choice) -> tuple[tuple[int, ...], ...]:
    """Return the factors of the levels, in which all setups must agree.

    Raises
    ------
    MetadataError
        If a setup has no attributes, or others than the first one.
    """
    found = []
    for setup in choice.setups.values():
        path = f"{image.containers[0]}/setup{setup.number}"
        attributes = image.client.attributes(path)
        if attributes is None:
            raise MetadataError(f"open {image.client.full(path)}: expected the attributes of a setup and found none")
        action = f"open {image.client.full(path)}"
        SCHEMAS.validate("n5-setup-1", attributes, action)
        levels = tuple(map(tuple, attributes["downsamplingFactors"]))
        found.append((dtype_of(attributes["dataType"], action), levels))
    if len(set(found)) > 1:
        raise MetadataError(
            f"open {image.path}: expected setups with one dataType and the same levels; choose one of "
            f"{_listed(list(choice.setups.values()))}: ?setup="
        )
    return found[0][1]


def view_path(setup: Setup, timepoint: int, level: int) -> str:
    """Return the path of the dataset of a view, in its container."""
    return f"setup{setup.number}/timepoint{timepoint}/s{level}"


def view_info(image: Image, setup: Setup, timepoint: int, level: int) -> DatasetInfo | None:
    """Read the attributes of the dataset of a view, None if the view is missing."""
    path = f"{image.containers[0]}/{view_path(setup, timepoint, level)}"
    attributes = image.client.attributes(path)
    return None if attributes is None else dataset_info(attributes, image.client.full(path))


def first_info(image: Image, choice: Choice, level: int) -> DatasetInfo:
    """Return what the first view that is there says of its dataset.

    Raises
    ------
    NotFoundError
        If no view is there.
    """
    for timepoint, setup in itertools.product(choice.timepoints, choice.setups.values()):
        found = view_info(image, setup, timepoint, level)
        if found is not None:
            return found
    action = f"open {image.path}"
    raise NotFoundError(f"{action}: none of the views is in {image.client.full(image.containers[0])}", action=action)


def metadata_of(image: Image, choice: Choice, info: DatasetInfo, factors: Sequence[float]) -> VoxelsMetadata:
    """Return what a volume of a level is."""
    setup = next(iter(choice.setups.values()))
    sizes: dict[str, Any] = dict(zip("xyz", info.size, strict=True))
    lengths = {"c": len(choice.channels), **sizes, "t": len(choice.timepoints), "a": len(choice.angles)}
    lengths_of_voxel = zip("xyz", setup.resolution, factors, strict=True)
    resolution = {"t": 1.0, "a": 1.0, **{dim: size * factor for dim, size, factor in lengths_of_voxel}}
    units = {"t": "", "a": "", **dict.fromkeys("xyz", setup.unit)}
    labels = {
        "c": [_channel_name(image, each) for each in choice.channels],
        "t": [str(each) for each in choice.timepoints],
    }
    behind = choice.dims[1:]
    return VoxelsMetadata.of(
        [lengths[dim] for dim in choice.dims],
        info.form.dtype,
        dims=choice.dims,
        resolution=[resolution[dim] for dim in behind],
        units=[units[dim] for dim in behind],
        labels={dim: each for dim, each in labels.items() if dim in choice.dims},
    )


def _channel_name(image: Image, channel: int) -> str:
    name = image.data.names.get(channel, "")
    return name if name and name != str(channel) else f"channel-{channel}"
