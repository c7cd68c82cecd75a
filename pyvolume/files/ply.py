"""``.ply``: the vertices and faces of a mesh, or a cloud of points; text or binary."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from pyvolume.errors import MetadataError, UnsupportedError
from pyvolume.model.arguments import brief

TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4",
    "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4",
    "float32": "f4", "float64": "f8",
}  # fmt: skip
"""The types of the format, and numpy's names for them."""

NAMES = {"i1": "char", "u1": "uchar", "i2": "short", "u2": "ushort", "i4": "int", "u4": "uint", "f4": "float",
         "f8": "double"}  # fmt: skip
"""The type that is written for each of numpy's."""

ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}

PLACE = ("x", "y", "z")

LONGEST_HEADER = 1000
"""Lines of the longest header that is read."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """Vertices, and the faces between them.

    Parameters
    ----------
    vertices : ndarray
        The coordinates x, y and z of n vertices, of shape (n, 3).
    faces : ndarray of int, optional
        The numbers of the k vertices of each of m faces, of shape (m, k). A cloud of points has none.
    properties : mapping of ndarray, optional
        Other values of the vertices by their names, such as ``"red"`` or ``"nx"``: n numbers each.
    """

    vertices: NDArray[Any]
    faces: NDArray[Any] = field(default_factory=lambda: np.empty((0, 3), "int32"))
    properties: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        vertices, faces = np.asarray(self.vertices), np.asarray(self.faces)
        if vertices.ndim != 2 or vertices.shape[1] != 3 or vertices.dtype.kind not in "fiu":
            raise UnsupportedError(f"mesh: expected vertices of shape (n, 3) and found {brief(vertices)}")
        if faces.ndim != 2 or faces.dtype.kind not in "iu":
            raise UnsupportedError(f"mesh: expected faces of integers, of shape (m, k), and found {brief(faces)}")
        if faces.size and not 0 <= faces.min() <= faces.max() < len(vertices):
            raise UnsupportedError(f"mesh: expected faces between {len(vertices)} vertices and found {faces.max()}")
        wrong = [name for name, each in self.properties.items() if np.shape(each) != (len(vertices),)]
        if wrong:
            raise UnsupportedError(f"mesh: expected {len(vertices)} values of the property {wrong[0]!r}")
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "faces", faces)


@dataclass
class _Element:
    """A kind of thing in a file: its number, and the types of its values; a list has the type of its length too."""

    name: str
    count: int
    values: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    @property
    def lists(self) -> list[str]:
        return [name for name, types in self.values.items() if len(types) > 1]


def read_value(path: Path) -> Mesh:
    """Return the mesh in a file."""
    with path.open("rb") as file:
        order, elements = _header(file, f"read {path}")
        body = file.read()
    reader = _Text(body) if not order else _Binary(body, order)
    found = {each.name: reader.read(each, f"read {path}") for each in elements}
    vertices = found.get("vertex", {})
    if not all(axis in vertices for axis in PLACE):
        raise UnsupportedError(f"read {path}: expected vertices with x, y and z and found {list(vertices)}")
    faces = found.get("face", {})
    corners = next((faces[name] for name in ("vertex_indices", "vertex_index") if name in faces), None)
    others = {name: values for name, values in vertices.items() if name not in PLACE}
    place = np.stack([vertices[axis] for axis in PLACE], axis=1)
    return Mesh(place, properties=others) if corners is None else Mesh(place, corners, others)


def _header(file: BinaryIO, action: str) -> tuple[str, list[_Element]]:
    """Read the lines up to the voxels: the byte order, and what follows."""
    if file.readline().strip() != b"ply":
        raise MetadataError(f"{action}: expected a PLY file")
    order, elements = None, list[_Element]()
    for _ in range(LONGEST_HEADER):
        words = file.readline(1000).decode("ascii", "replace").split()
        if words[:1] == ["end_header"]:
            break
        if words[:1] == ["format"] and len(words) == 3:
            order = ORDERS.get(words[1])
        elif not _is_understood(words, elements):
            raise MetadataError(f"{action}: expected a line of a PLY header and found {brief(' '.join(words))}")
    if order is None:
        raise MetadataError(f"{action}: expected the format of a PLY file, one of {', '.join(ORDERS)}")
    return order, elements


def _is_understood(words: list[str], elements: list[_Element]) -> bool:
    """Note what a line of the header says, and return whether it says something."""
    match words:
        case ["element", name, count] if count.isdecimal():
            elements.append(_Element(name, int(count)))
        case ["property", "list", first, second, name] if elements and {first, second} <= TYPES.keys():
            elements[-1].values[name] = (TYPES[first], TYPES[second])
        case ["property", kind, name] if elements and kind in TYPES:
            elements[-1].values[name] = (TYPES[kind],)
        case ["comment" | "obj_info", *_]:
            pass
        case _:
            return False
    return True


class _Binary:
    """The values after a header, as bytes."""

    def __init__(self, body: bytes, order: str) -> None:
        self._body, self._order, self._at = body, order, 0

    def read(self, element: _Element, action: str) -> dict[str, NDArray[Any]]:
        """Return the values of all things of one kind; lists must have one length."""
        fields: list[Any] = []
        for name, types in element.values.items():
            kinds = [self._order + each for each in types]
            if len(types) > 1:
                length = self._length(fields, kinds[0], element, action)
                fields += [(f"{name} length", kinds[0]), (name, kinds[1], (length,))]
            else:
                fields.append((name, kinds[0]))
        table = self._take(np.dtype(fields), element.count, action)
        for name in element.lists:
            lengths = table[f"{name} length"]
            if len(lengths) and (lengths != lengths[0]).any():
                raise UnsupportedError(f"{action}: expected faces of one number of vertices, and found several")
        self._at += table.nbytes
        return {name: np.ascontiguousarray(table[name]).astype(types[-1]) for name, types in element.values.items()}

    def _length(self, before: list[Any], kind: str, element: _Element, action: str) -> int:
        """Return the length of the first list, which follows other values."""
        if not element.count:
            return 0
        table = np.frombuffer(self._some(np.dtype([*before, ("n", kind)]), 1, action), np.dtype([*before, ("n", kind)]))
        return int(table["n"][0])

    def _take(self, dtype: np.dtype[Any], count: int, action: str) -> Any:
        return np.frombuffer(self._some(dtype, count, action), dtype, count) if dtype.itemsize else np.empty(0, dtype)

    def _some(self, dtype: np.dtype[Any], count: int, action: str) -> bytes:
        needed = dtype.itemsize * count
        found = self._body[self._at : self._at + needed]
        if len(found) != needed:
            raise MetadataError(f"{action}: expected {needed} bytes and found {len(found)}, the file is cut short")
        return found


class _Text:
    """The values after a header, as lines."""

    def __init__(self, body: bytes) -> None:
        self._lines, self._at = body.decode("ascii", "replace").splitlines(), 0

    def read(self, element: _Element, action: str) -> dict[str, NDArray[Any]]:
        """Return the values of all things of one kind; lists must have one length."""
        rows = [each.split() for each in self._lines[self._at : self._at + element.count]]
        if len(rows) != element.count:
            raise MetadataError(
                f"{action}: expected {element.count} lines and found {len(rows)}, the file is cut short"
            )
        self._at += element.count
        columns: dict[str, list[Any]] = {name: [] for name in element.values}
        for row in rows:
            at = 0
            for name, types in element.values.items():
                count = int(row[at]) if len(types) > 1 else 0
                columns[name].append(row[at + 1 : at + 1 + count] if len(types) > 1 else row[at])
                at += 1 + count
            if at != len(row):
                raise MetadataError(f"{action}: expected {at} values in a line and found {len(row)}")
        for name in element.lists:
            if len({len(each) for each in columns[name]}) > 1:
                raise UnsupportedError(f"{action}: expected faces of one number of vertices, and found several")
        found = {name: np.array(columns[name]) for name in element.values}
        return {
            name: each.astype(element.values[name][-1]) if each.size else np.empty((0, 3)[: each.ndim + 1], "i4")
            for name, each in found.items()
        }


def write_value(path: Path, mesh: Mesh) -> None:
    """Write a mesh, in binary form."""
    if not isinstance(mesh, Mesh):
        raise UnsupportedError(f"write {path.name}: expected a Mesh and found {brief(mesh)}")
    columns = dict(zip(PLACE, mesh.vertices.T, strict=True)) | {
        name: np.asarray(each) for name, each in mesh.properties.items()
    }
    kinds = {name: _kind(each) for name, each in columns.items()}
    vertices = np.empty(len(mesh.vertices), [(name, f"<{kind}") for name, kind in kinds.items()])
    for name, each in columns.items():
        vertices[name] = each
    faces = np.empty(len(mesh.faces), [("n", "u1"), ("corners", "<i4", (mesh.faces.shape[1],))])
    faces["n"], faces["corners"] = mesh.faces.shape[1], mesh.faces
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(vertices)}"]
    header += [f"property {NAMES[kind]} {name}" for name, kind in kinds.items()]
    if len(faces):
        header += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
    with path.open("wb") as file:
        file.write("\n".join([*header, "end_header", ""]).encode("ascii"))
        file.write(vertices.tobytes())
        file.write(faces.tobytes() if len(faces) else b"")


def _kind(values: NDArray[Any]) -> str:
    """Return the type of the format for the values of a column; integers of 64 bits become floats."""
    kind = values.dtype.str[1:]
    return kind if kind in NAMES else "f8"
