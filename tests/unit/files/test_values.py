"""Files as values: what is written is read back, by other programs too; nothing is pickled."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray
from PIL import Image

from pyvolume.errors import MetadataError, UnsupportedError
from pyvolume.files import formats, values
from pyvolume.files.ply import Mesh

VOXELS = np.arange(4 * 5 * 6, dtype="uint16").reshape(4, 5, 6)
PICTURE = (VOXELS[0] % 251).astype("uint8")


def written(folder: Path, suffix: str, value: Any) -> Path:
    path = folder / f"value.{suffix}"
    values.write(path, value, "write")
    return path


@pytest.mark.parametrize("suffix", ["npy", "tif", "h5", "zarr.zip"])
def test_an_array_is_read_as_it_was_written(tmp_path: Path, suffix: str) -> None:
    path = written(tmp_path, suffix, VOXELS)
    np.testing.assert_array_equal(values.read(path), VOXELS, strict=True)
    with pytest.raises(UnsupportedError, match="nothing says what the axes are"), formats.read(path, axes=""):
        pass
    with formats.read(path, axes="zyx") as stored:
        order = [stored.description.axes.index(axis) for axis in "zyx"]
        np.testing.assert_array_equal(np.asarray(stored.array[...]).transpose(order), VOXELS, strict=True)
    with pytest.raises(MetadataError, match="expected 3 different letters"), formats.read(path, axes="zy"):
        pass


def others(path: Path) -> NDArray[Any]:
    """Read an array without pyvolume."""
    name = path.name.partition(".")[2]
    if name == "npz":
        return np.asarray(np.load(path)["arr_0"])
    if name == "tif":
        return np.asarray(tifffile.imread(path))
    if name == "h5":
        with h5py.File(path) as file:
            return np.asarray(file["voxels"])
    with zarr.storage.ZipStore(path, mode="r") as store:
        return np.asarray(zarr.open_array(store, mode="r")[...])


@pytest.mark.parametrize("suffix", ["npz", "tif", "h5", "zarr.zip"])
def test_other_programs_read_arrays(tmp_path: Path, suffix: str) -> None:
    np.testing.assert_array_equal(others(written(tmp_path, suffix, VOXELS)), VOXELS, strict=True)


def test_arrays_have_names(tmp_path: Path) -> None:
    path = written(tmp_path, "npz", {"leaf": VOXELS, "stem": VOXELS[0]})
    found = values.read(path)
    assert list(found) == ["leaf", "stem"]
    np.testing.assert_array_equal(found["leaf"], VOXELS, strict=True)
    with formats.read(path, axes="xyz", array="leaf") as stored:
        np.testing.assert_array_equal(stored.array[...], VOXELS, strict=True)
    with (
        pytest.raises(UnsupportedError, match=r"one called 'voxels', and found \['leaf', 'stem'\]"),
        formats.read(path),
    ):
        pass


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3), (4, 5, 4)])
def test_a_picture_is_rows_of_pixels(tmp_path: Path, shape: tuple[int, ...]) -> None:
    pixels = np.arange(np.prod(shape), dtype="uint8").reshape(shape)
    path = written(tmp_path, "png", pixels)
    np.testing.assert_array_equal(values.read(path), pixels, strict=True)
    with Image.open(path) as picture:
        np.testing.assert_array_equal(np.asarray(picture), pixels, strict=True)


def test_pictures_of_other_programs(tmp_path: Path) -> None:
    Image.fromarray(PICTURE).convert("P").save(tmp_path / "palette.png")
    np.testing.assert_array_equal(values.read(tmp_path / "palette.png"), np.stack([PICTURE] * 3, axis=-1), strict=True)
    path = written(tmp_path, "png", VOXELS[0])
    np.testing.assert_array_equal(values.read(path), VOXELS[0], strict=True)
    path = written(tmp_path, "jpg", np.full((8, 9, 3), 90, "uint8"))
    np.testing.assert_array_equal(values.read(path), np.full((8, 9, 3), 90, "uint8"), strict=True)


@pytest.mark.parametrize(
    ("suffix", "value"),
    [
        ("json", {"a": [1, None, "é"]}),
        ("toml", {"table": {"n": 1, "list": [1.5]}}),
        ("txt", "two\r\nlines é"),
        ("csv", [{"a": "1", "b": 'with, "quotes"'}, {"a": "", "b": "x\ny"}]),
    ],
)
def test_documents_are_read_as_they_were_written(tmp_path: Path, suffix: str, value: Any) -> None:
    assert values.read(written(tmp_path, suffix, value)) == value


def test_values_of_numpy_go_into_json(tmp_path: Path) -> None:
    path = written(tmp_path, "json", {"n": np.float32(0.5), "each": np.arange(2)})
    assert json.loads(path.read_text()) == {"n": 0.5, "each": [0, 1]}
    assert tomllib.loads(written(tmp_path, "toml", {"a": 1}).read_text()) == {"a": 1}


TRIANGLES = np.array([[0, 1, 2], [1, 2, 3]], "int32")
MESH = Mesh(np.arange(12, dtype="float32").reshape(4, 3) / 8, TRIANGLES, {"red": np.arange(4, dtype="uint8")})

ASCII = """ply
format ascii 1.0
comment made by hand
element vertex 4
property float x
property float y
property float z
property uchar red
element face 2
property list uchar int vertex_index
end_header
0 0.125 0.25 0
0.375 0.5 0.625 1
0.75 0.875 1.0 2
1.125 1.25 1.375 3
3 0 1 2
3 1 2 3
"""


def big_endian() -> bytes:
    header = ASCII.partition("end_header\n")[0].replace("ascii", "binary_big_endian") + "end_header\n"
    vertices = np.empty(4, ">f4,>f4,>f4,u1")
    for name, column in zip("0123", [*MESH.vertices.T, MESH.properties["red"]], strict=True):
        vertices[f"f{name}"] = column
    faces = np.array([(3, row) for row in TRIANGLES], [("n", "u1"), ("corners", ">i4", (3,))])
    return header.encode() + vertices.tobytes() + faces.tobytes()


def same(found: Mesh, expected: Mesh) -> None:
    np.testing.assert_array_equal(found.vertices, expected.vertices, strict=True)
    np.testing.assert_array_equal(found.faces, expected.faces, strict=True)
    assert list(found.properties) == list(expected.properties)
    for name, each in expected.properties.items():
        np.testing.assert_array_equal(found.properties[name], each, strict=True)


def test_a_mesh_is_read_in_each_form(tmp_path: Path) -> None:
    same(values.read(written(tmp_path, "ply", MESH)), MESH)
    same(values.read(written(tmp_path, "ply", ASCII.encode())), MESH)
    same(values.read(written(tmp_path, "ply", big_endian())), MESH)


def test_a_cloud_of_points_has_no_faces(tmp_path: Path) -> None:
    cloud = Mesh(np.random.default_rng(0).normal(size=(7, 3)))
    same(values.read(written(tmp_path, "ply", cloud)), cloud)
    assert values.suffix_for(cloud, None, "write") == ".ply"


BROKEN: list[tuple[str, bytes, type[Exception], str]] = [
    ("ply", b"", MetadataError, "expected a PLY file"),
    (
        "ply",
        ASCII.replace("float x", "half x").encode(),
        MetadataError,
        "a line of a PLY header and found 'property half",
    ),
    ("ply", ASCII.replace("3 1 2 3", "4 1 2 3 0").encode(), UnsupportedError, "faces of one number of vertices"),
    ("ply", ASCII.replace("3 1 2 3", "3 1 2 9").encode(), UnsupportedError, "faces between 4 vertices and found 9"),
    ("ply", ASCII.replace("0.375 0.5", "0.375").encode(), MetadataError, "ply: expected"),
    ("ply", big_endian()[:-1], MetadataError, "the file is cut short"),
    ("ply", ASCII.replace("face 2", "face 999999999999").encode(), MetadataError, "the file is cut short"),
    ("json", b"{", MetadataError, "expected a file as its suffix says"),
    ("toml", b"a", MetadataError, "expected a file as its suffix says"),
    ("txt", b"\xff", MetadataError, "expected a file as its suffix says"),
    ("npy", b"no", MetadataError, "expected a file as its suffix says"),
    ("npz", b"no", MetadataError, "expected a file as its suffix says"),
    ("h5", b"no", MetadataError, "expected an HDF5 file"),
    ("tif", b"no", MetadataError, "expected a file as its suffix says"),
    ("zarr.zip", b"no", MetadataError, "expected a file as its suffix says"),
    ("png", b"no", MetadataError, "expected a file as its suffix says"),
]


@pytest.mark.parametrize(("suffix", "data", "error", "message"), BROKEN)
def test_a_broken_file_is_one_sentence(
    tmp_path: Path, suffix: str, data: bytes, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        values.read(written(tmp_path, suffix, data))


@pytest.mark.parametrize(
    ("suffix", "value"),
    [
        ("npy", np.array([{}])),
        ("npz", {"a": np.array([{}])}),
        ("h5", np.array([{}])),
        ("tif", np.zeros((0, 3))),
        ("png", np.zeros((3, 3))),
        ("jpg", np.zeros((3, 3, 4), "uint8")),
        ("json", {"a": float("nan")}),
        ("json", {"a": {1}}),
        ("toml", {"a": None}),
        ("txt", 5),
        ("csv", [{"a": 1}, {"b": 1}]),
        ("ply", VOXELS),
    ],
)
def test_what_a_format_cannot_hold_is_refused(tmp_path: Path, suffix: str, value: Any) -> None:
    with pytest.raises(UnsupportedError, match="expected"):
        written(tmp_path, suffix, value)


def test_the_format_follows_from_the_value() -> None:
    cases = [
        (VOXELS, ".npz"),
        ({"a": VOXELS}, ".npz"),
        ("a", ".txt"),
        ({"a": 1}, ".json"),
        ([1], ".json"),
        ({}, ".json"),
    ]
    assert [values.suffix_for(value, None, "write") for value, _ in cases] == [suffix for _, suffix in cases]
    assert values.suffix_for(b"", "tar.gz", "write") == ".tar.gz"
    with pytest.raises(UnsupportedError, match="expected a format for bytes"):
        values.suffix_for(b"", None, "write")
    for name in ("../x", "a/b", "", "."):
        with pytest.raises(UnsupportedError, match="there is no format"):
            values.suffix_for(b"", name, "write")
    with pytest.raises(UnsupportedError, match="there is no format 'tiiff'; did you mean 'tiff'"):
        values.suffix_for(VOXELS, "tiiff", "write")


def test_a_zarr_in_a_zip_keeps_what_a_folder_keeps(tmp_path: Path) -> None:
    import pyvolume

    volume = pyvolume.from_array(VOXELS[None], dims="cxyz")
    volume.save(tmp_path / "cut.zarr.zip", np.s_[:, 1:, ::2])
    with pyvolume.open(tmp_path / "cut.zarr.zip") as cut:
        np.testing.assert_array_equal(cut.read(cut.bounds), VOXELS[None, 1:, ::2], strict=True)
    with zarr.storage.ZipStore(tmp_path / "cut.zarr.zip", mode="r") as store:
        assert "ome" in dict(zarr.open_group(store, mode="r").attrs)
