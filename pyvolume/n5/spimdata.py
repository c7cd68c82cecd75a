"""The XML files of BigDataViewer: which views there are, and where their voxels are."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from pyvolume.errors import AddressError, MetadataError, UnsupportedError
from pyvolume.model.arguments import brief
from pyvolume.n5.address import checked

LARGEST_XML = 128 << 20
"""Bytes of the largest XML file that is read: it has a matrix for each view."""

DEEPEST = 64
"""Elements of an XML file that lie in each other."""

MOST_TIMEPOINTS = 1_000_000

LARGEST_ID = 2**31 - 1

ATTRIBUTES = ("channel", "angle", "tile", "illumination")
"""What tells setups from each other."""

_ELSEWHERE = {
    "bdv.hpc-datastore": "; open the server, as in hpc://http://HOST:PORT/DATASET",
    "bdv.remote": "; open the server, as in hpc://http://HOST:PORT/DATASET",
    "bdv.hdf5": "; open a dataset of the HDF5 file with h5py, which pyvolume.copy takes",
}
"""What opens the voxels of other loaders."""

_UNUSED = (["ViewRegistrations"], ["ViewInterestPoints"], ["BoundingBoxes"])
"""Parts of a file with several elements for each view."""


@dataclass(frozen=True, slots=True)
class Setup:
    """A view setup: what was seen in each time point in the same way.

    Parameters
    ----------
    number : int
        Its id.
    size : tuple of int
        Voxels along x, y and z in full resolution, empty if the file does not say it.
    resolution : tuple of float
        Size of a voxel along x, y and z.
    unit : str
        Of the resolution.
    ids : mapping of int
        The ids of its channel, angle, tile and illumination, 0 where nothing is said.
    """

    number: int
    size: tuple[int, ...]
    resolution: tuple[float, ...]
    unit: str
    ids: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class SpimData:
    """What an XML file says.

    Parameters
    ----------
    folder : str
        The container with the voxels, in the folder of the XML file.
    setups : tuple of Setup
        Sorted by their ids.
    timepoints : tuple of int
        The ids of the time points, sorted.
    names : mapping of str
        The names of channels, by their ids.
    """

    folder: str
    setups: tuple[Setup, ...]
    timepoints: tuple[int, ...]
    names: Mapping[int, str]


def parse(data: bytes, path: str) -> SpimData:
    """Read an XML file of BigDataViewer.

    Raises
    ------
    MetadataError
        If it is no XML, has a document type (which could define entities), or misses what is needed.
    UnsupportedError
        If the voxels are not in N5.
    AddressError
        If they are outside the folder of the file.
    """
    action = f"open {path}"
    root = _tree(data, action)
    if root.tag != "SpimData":
        raise MetadataError(f"{action}: expected the XML of BigDataViewer and found an element {brief(root.tag)}")
    sequence = root.find("SequenceDescription")
    setups = [] if sequence is None else sequence.findall("ViewSetups/ViewSetup")
    if sequence is None or not setups:
        raise MetadataError(f"{action}: expected view setups and found none")
    read = [_setup(each, action) for each in setups]
    if len({each.number for each in read}) < len(read):
        raise MetadataError(f"{action}: a setup is there twice")
    return SpimData(
        _folder(root, sequence, path),
        tuple(sorted(read, key=lambda setup: setup.number)),
        _timepoints(sequence.find("Timepoints"), action),
        _names(sequence, action),
    )


def _tree(data: bytes, action: str) -> Element:
    """Parse XML without entities, which could grow without end or name other files."""
    parser, tree = expat.ParserCreate(), _Tree(action)
    parser.StartElementHandler = tree.begin
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.hold
    parser.StartDoctypeDeclHandler = tree.refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise MetadataError(f"{action}: expected XML and found something broken: {error}") from None
    return tree.root


class _Tree:
    """Builds the elements of an XML file, without those that are not used."""

    def __init__(self, action: str) -> None:
        self._action = action
        self._builder = TreeBuilder()
        self._path: list[str] = []

    @property
    def root(self) -> Element:
        return self._builder.close()

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name)
        if len(self._path) > DEEPEST:
            raise MetadataError(f"{self._action}: the elements are nested too deeply")
        if self._path[1:2] not in _UNUSED:
            self._builder.start(name, attributes)

    def end(self, name: str) -> None:
        if self._path[1:2] not in _UNUSED:
            self._builder.end(name)
        self._path.pop()

    def hold(self, text: str) -> None:
        if self._path[1:2] not in _UNUSED:
            self._builder.data(text)

    def refuse(self, *_: object) -> None:
        raise MetadataError(f"{self._action}: expected XML without a document type, and found one")


def _folder(root: Element, sequence: Element, path: str) -> str:
    """Return the container of the voxels, in the folder of the XML file."""
    loader = sequence.find("ImageLoader")
    kind = "" if loader is None else loader.get("format", "")
    if loader is None or kind != "bdv.n5":
        way_out = _ELSEWHERE.get(kind, "")
        raise UnsupportedError(
            f"open {path}: expected voxels in N5, an ImageLoader of the format bdv.n5, and found {brief(kind)}{way_out}"
        )
    parts = []
    for element in (root.find("BasePath"), loader.find("n5")):
        text = "." if element is None else _text(element)
        is_relative = element is None or element.get("type", "relative") == "relative"
        if not is_relative or text.startswith(("/", "\\")):
            raise AddressError(
                f"open {path}: expected voxels in the folder of the file and found {brief(text)}; open a dataset "
                "there by its own path, as in n5:///PATH/setup0/timepoint0/s0"
            )
        parts.append(text)
    return checked("/".join(parts), path.rpartition("/")[0])


def _setup(element: Element, action: str) -> Setup:
    voxel = element.find("voxelSize")
    said = element.find("size")
    size = [] if said is None else _text(said).split()
    lengths = [] if voxel is None else _text(voxel.find("size")).split()
    unit = "" if voxel is None else _text(voxel.find("unit"))
    ids = {name: _number(element.find(f"attributes/{name}"), name, action, 0) for name in ATTRIBUTES}
    numbers = tuple(_length(each, action) for each in lengths) or (1.0,) * 3
    sizes = tuple(_integer(each, "a size", action) for each in size)
    if len(numbers) != 3 or len(sizes) not in {0, 3}:
        raise MetadataError(f"{action}: expected a size along x, y and z and found {brief(size)}, {brief(lengths)}")
    return Setup(_number(element.find("id"), "id", action), sizes, numbers, unit, ids)


def _timepoints(element: Element | None, action: str) -> tuple[int, ...]:
    """Return the ids of the time points: a range, a list, or a pattern such as ``0-8:2, 20``."""
    kind = None if element is None else element.get("type")
    if element is None:
        return (0,)
    if kind == "range":
        first, last = (_number(element.find(name), name, action) for name in ("first", "last"))
        parts = [range(first, last + 1)]
    elif kind == "list":
        listed = (_number(each, "id", action) for each in element.iterfind("Timepoint/id"))
        parts = [range(each, each + 1) for each in listed]
    elif kind == "pattern":
        parts = list(_pattern(_text(element.find("integerpattern")), action))
    else:
        raise MetadataError(f"{action}: expected time points as range, list or pattern and found {brief(kind)}")
    if sum(map(len, parts)) > MOST_TIMEPOINTS:
        raise MetadataError(f"{action}: expected up to {MOST_TIMEPOINTS} time points and found more")
    found = tuple(sorted({each for part in parts for each in part}))
    if not found:
        raise MetadataError(f"{action}: expected time points and found none")
    return found


def _pattern(text: str, action: str) -> Iterator[range]:
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d{1,10})(?:-(\d{1,10})(?::(\d{1,10}))?)?\s*", part, re.ASCII)
        if found is None or found[3] == "0":
            raise MetadataError(f"{action}: expected time points as in 0-8:2, 20 and found {brief(text)}")
        first = int(found[1])
        yield range(first, int(found[2] or first) + 1, int(found[3] or 1))


def _names(sequence: Element, action: str) -> dict[int, str]:
    found = {}
    for each in sequence.iterfind("ViewSetups/Attributes[@name='channel']/Channel"):
        found[_number(each.find("id"), "id", action)] = _text(each.find("name"))
    return found


def _text(element: Element | None) -> str:
    return "" if element is None else (element.text or "").strip()


def _number(element: Element | None, name: str, action: str, default: int | None = None) -> int:
    if element is None and default is not None:
        return default
    return _integer(_text(element), name, action)


def _integer(text: str, name: str, action: str) -> int:
    if not re.fullmatch(r"\d{1,10}", text, re.ASCII) or int(text) > LARGEST_ID:
        raise MetadataError(f"{action}: expected {name} as a number up to {LARGEST_ID} and found {brief(text)}")
    return int(text)


def _length(text: str, action: str) -> float:
    try:
        length = float(text)
    except ValueError:
        raise MetadataError(f"{action}: expected the size of a voxel and found {brief(text)}") from None
    return length if math.isfinite(length) and length > 0 else 1.0
