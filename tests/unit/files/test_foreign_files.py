"""What a file of another program says is what is read, or it is refused: one line of `CASES` for each saying.

The files are made by the libraries of the formats, never by pyvolume. `VOXELS` is the oracle: x, y, z.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import png
import pytest
import tifffile
import zarr
from numpy.typing import NDArray
from PIL import Image

import pyvolume
from pyvolume.errors import MetadataError, PyVolumeError, UnsupportedError
from pyvolume.files import formats

Nifti: Any = nibabel.Nifti1Image  # has no types

VOXELS = np.arange(5 * 6 * 7, dtype="uint16").reshape(5, 6, 7)
ZYX = VOXELS.T
PLANE = VOXELS[:, :, 0].astype("uint8")
NM = ("nanometers",) * 3
UM = ("micrometers",) * 3
ONES = (1.0,) * 3


@dataclass(frozen=True)
class Read:
    """What a file holds, once it is read: voxels, their axes, and the size of a voxel behind the channel."""

    voxels: NDArray[Any]
    axes: str = "xyz"
    resolution: tuple[float, ...] = ()
    units: tuple[str, ...] = ()


Make = Callable[[Path], object]
Expected = Read | type[PyVolumeError]


def npy(array: NDArray[Any]) -> Make:
    return lambda path: np.save(path, array)


def npz(**arrays: Any) -> Make:
    return lambda path: np.savez(path, **arrays)


def nifti(
    array: NDArray[Any] = VOXELS,
    affine: Any = None,
    *,
    unit: str | None = "mm",
    scaling: tuple[float, float] | None = None,
) -> Make:
    def make(path: Path) -> None:
        image = Nifti(array, np.eye(4) if affine is None else np.array(affine, float))
        image.header.set_xyzt_units(unit)
        if scaling is not None:
            image.header.set_slope_inter(*scaling)
        nibabel.save(image, path)

    return make


def nifti_without_orientation(path: Path) -> None:
    image = Nifti(VOXELS, None)
    image.header.set_zooms((2, 2, 3))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)


def hdf5(array: NDArray[Any] = VOXELS, *, labels: Sequence[str] = (), scales: str = "", **attributes: Any) -> Make:
    def make(path: Path) -> None:
        with h5py.File(path, "w") as file:
            dataset = file.create_dataset("data", data=array)
            dataset.attrs.update(attributes)
            for at, label in enumerate(labels):
                dataset.dims[at].label = label
            for at, name in enumerate(scales):
                file[name] = np.arange(array.shape[at])
                file[name].make_scale(name)
                dataset.dims[at].attach_scale(file[name])

    return make


def virtual(*sources: str, **datasets: str) -> Make:
    """Write a virtual dataset of several files, and those files that are given, each with a dataset of a name."""

    def make(path: Path) -> None:
        layout = h5py.VirtualLayout((len(sources), *VOXELS.shape), VOXELS.dtype)
        for at, name in enumerate(sources):
            layout[at] = h5py.VirtualSource(f"{name}.h5", "data", VOXELS.shape)
        for name, dataset in datasets.items():
            with h5py.File(path.with_name(f"{name}.h5"), "w") as file:
                file[dataset] = VOXELS
        with h5py.File(path, "w") as file:
            file.create_virtual_dataset("data", layout, fillvalue=7)

    return make


def external(path: Path) -> None:
    """Write a dataset whose voxels are in another file, which is too short."""
    path.with_name("raw").write_bytes(bytes(9))
    with h5py.File(path, "w") as file:
        place = [(str(path.with_name("raw")), 0, h5py.h5f.UNLIMITED)]
        file.create_dataset("data", VOXELS.shape, VOXELS.dtype, external=place)


def zarr_array(array: NDArray[Any] = VOXELS, names: Sequence[str | None] | None = None, **attributes: Any) -> Make:
    return lambda path: zarr.create_array(str(path), data=array, dimension_names=names, attributes=attributes)


def ome_zarr(
    axes: Any, array: NDArray[Any], scales: Sequence[Sequence[float]] = (), *, version: str = "0.4", inside: str = "0"
) -> Make:
    """Write a group with one array; the last scale is that of all arrays."""

    def make(path: Path) -> None:
        group = zarr.open_group(str(path), mode="w", zarr_format=3 if version == "0.5" else 2)
        group.create_array(inside, data=array)
        changes = [[{"type": "scale", "scale": list(scale)}] for scale in scales]
        dataset = {"path": inside} | ({"coordinateTransformations": changes[0]} if changes else {})
        image: dict[str, Any] = {"version": version, "datasets": [dataset]}
        image |= {"coordinateTransformations": changes[1]} if len(changes) > 1 else {}
        image |= {} if axes is None else {"axes": axes}
        group.attrs.update({"ome": {"multiscales": [image]}} if version == "0.5" else {"multiscales": [image]})

    return make


def space(axes: str, unit: str = "nanometer") -> list[dict[str, str]]:
    return [{"name": axis, "type": "space", "unit": unit} if axis in "xyz" else {"name": axis} for axis in axes]


def tiff(array: NDArray[Any] = ZYX, **options: Any) -> Make:
    return lambda path: tifffile.imwrite(path, array, **options)


def imagej(unit: str, **properties: Any) -> Make:
    metadata = {"axes": "ZYX", "spacing": 1.5, "unit": unit, **properties}
    return tiff(imagej=True, resolution=(4, 2), metadata=metadata)


def appended(*arrays: NDArray[Any], **options: Any) -> Make:
    def make(path: Path) -> None:
        for array in arrays:
            tifffile.imwrite(path, array, append=path.exists(), **options)

    return make


def ome_tiff(*arrays: NDArray[Any], **metadata: Any) -> Make:
    def make(path: Path) -> None:
        with tifffile.TiffWriter(path, ome=True) as writer:
            for array in arrays:
                writer.write(array, metadata={"axes": "ZYX", **metadata})

    return make


def ome_set(path: Path) -> None:
    """Write the first file of an OME-TIFF in two files."""
    data = "".join(
        f'<TiffData IFD="0" FirstZ="{z}" PlaneCount="1"><UUID FileName="{name}">urn:uuid:{z}</UUID></TiffData>'
        for z, name in enumerate((path.name, "gone.ome.tif"))
    )
    pixels = '<Pixels ID="P" DimensionOrder="XYZCT" Type="uint16" SizeX="5" SizeY="6" SizeZ="2" SizeC="1" SizeT="1">'
    schema = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
    channel = '<Channel ID="C" SamplesPerPixel="1"/>'
    text = f'<OME xmlns="{schema}" UUID="urn:uuid:0"><Image ID="I">{pixels}{channel}{data}</Pixels></Image></OME>'
    tifffile.imwrite(path, ZYX[0], description=text, metadata=None)


def cut(make: Make, keep: float) -> Make:
    """Cut the end of a file off."""

    def make_and_cut(path: Path) -> None:
        make(path)
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * keep)])

    return make_and_cut


def picture(array: Any, mode: str = "", **options: Any) -> Make:
    def make(path: Path) -> None:
        image = Image.fromarray(np.asarray(array))
        (image.convert(mode) if mode else image).save(path, **options)

    return make


def turned(orientation: int, array: NDArray[Any] = PLANE.T) -> Make:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return picture(array, exif=exif)


def gray(bits: int) -> Make:
    """Write a picture whose values have so many bits, by a library that changes none."""

    def make(path: Path) -> None:
        with path.open("wb") as file:
            rows = (PLANE.T.astype(int) % 2**bits).tolist()
            png.Writer(*PLANE.shape, greyscale=True, bitdepth=bits).write(file, rows)

    return make


def colours(bits: int, *, alpha: bool) -> Make:
    def make(path: Path) -> None:
        with path.open("wb") as file:
            rows = np.zeros((4, 4 * (3 + alpha)), int).tolist()
            png.Writer(4, 4, greyscale=False, alpha=alpha, bitdepth=bits).write(file, rows)

    return make


FRAMES = [Image.fromarray(PLANE.T + n) for n in range(3)]
LAS = np.diag([-2.0, 2, 3, 1])
ASR = [[0, 0, 2, 0], [2, 0, 0, 0], [0, 3, 0, 0], [0, 0, 0, 1]]
TILTED = [[2, 0.1, 0, 5], [-0.1, 2, 0, 6], [0, 0, 3, 7], [0, 0, 0, 1]]
FLOAT = VOXELS.astype("float32") / 2
HALF = VOXELS[::-1][np.newaxis]
MM = ("millimeters",) * 3
IMAGEJ = "ImageJ=1.54f\nimages=7\nslices=7\nunit=µm\nspacing=1.5\n"
COLOURS = np.arange(5 * 6 * 4, dtype="uint8").reshape(6, 5, 4)
TCZYX = ZYX[None, None]

CASES: dict[str, tuple[str, Make, Expected]] = {
    # arrays without names have the axes x, y, z; channels come first
    "npy: a volume": ("a.npy", npy(VOXELS), Read(VOXELS)),
    "npy: a line": ("a.npy", npy(VOXELS[:, 0, 0]), Read(VOXELS[:, 0, 0], "x")),
    "npy: a point": ("a.npy", npy(VOXELS[1, 0, 0, ...]), Read(VOXELS[1:2, 0, 0], "x")),
    "npy: channels": ("a.npy", npy(VOXELS[None]), Read(VOXELS[None], "cxyz")),
    "npy: six axes": ("a.npy", npy(VOXELS[None, None, None]), MetadataError),
    "npy: text": ("a.npy", npy(np.array(["a"])), UnsupportedError),
    "npy: complex": ("a.npy", npy(VOXELS.astype(complex)), UnsupportedError),
    "npy: records": ("a.npy", npy(np.zeros((2, 2), "u1,u1")), UnsupportedError),
    "npy: cut short": ("a.npy", cut(npy(VOXELS), 0.5), MetadataError),
    "npz: one array": ("a.npz", npz(any=VOXELS), Read(VOXELS)),
    "npz: voxels and others": ("a.npz", npz(voxels=VOXELS, more=VOXELS), Read(VOXELS)),
    "npz: several arrays": ("a.npz", npz(a=VOXELS, b=VOXELS), UnsupportedError),
    "npz: names of axes": ("a.npz", npz(voxels=ZYX, axes=list("zyx")), Read(VOXELS)),
    "npz: cut short": ("a.npz", cut(npz(any=VOXELS), 0.5), MetadataError),
    # HDF5: labels, scales, attributes; several datasets; missing sources
    "hdf5: no names": ("a.h5", hdf5(), Read(VOXELS)),
    "hdf5: labels": ("a.h5", hdf5(ZYX, labels="zyx"), Read(VOXELS)),
    "hdf5: labels of channels": (
        "a.h5",
        hdf5(ZYX[..., None], labels=["Z", "Y", "X", "Channel"]),
        Read(VOXELS[None], "cxyz"),
    ),
    "hdf5: scales of netCDF": ("a.h5", hdf5(ZYX, scales="zyx"), Read(VOXELS)),
    "hdf5: _ARRAY_DIMENSIONS": ("a.h5", hdf5(ZYX, _ARRAY_DIMENSIONS=list("zyx")), Read(VOXELS)),
    "hdf5: letters": ("a.h5", hdf5(ZYX, axes="zyx"), Read(VOXELS)),
    "hdf5: tags of vigra": (
        "a.h5",
        hdf5(TCZYX, axistags=json.dumps({"axes": [{"key": key} for key in "tczyx"]})),
        Read(VOXELS[None], "cxyz"),
    ),
    "hdf5: a plane": ("a.h5", hdf5(ZYX[:, 0], labels="zx"), Read(VOXELS[:, 0], "xz")),
    "hdf5: unknown labels": ("a.h5", hdf5(labels=["depth", "row", "column"]), UnsupportedError),
    "hdf5: some labels": ("a.h5", hdf5(labels=["z", "", ""]), UnsupportedError),
    "hdf5: labels twice": ("a.h5", hdf5(labels="zzx"), MetadataError),
    "hdf5: two sayings": ("a.h5", hdf5(labels="zyx", axes="xyz"), MetadataError),
    "hdf5: times": ("a.h5", hdf5(labels="tyx"), Read(VOXELS.transpose(2, 1, 0), "xyt")),
    "hdf5: text": ("a.h5", hdf5(np.array([b"a"])), UnsupportedError),
    "hdf5: a virtual dataset": ("a.h5", virtual("p", "q", p="data", q="data"), Read(np.stack([VOXELS] * 2), "cxyz")),
    "hdf5: a source is missing": ("a.h5", virtual("p", "q", p="data"), MetadataError),
    "hdf5: a source lacks the dataset": ("a.h5", virtual("p", "q", p="data", q="other"), MetadataError),
    "hdf5: voxels in another file": ("a.h5", external, UnsupportedError),
    "hdf5: cut short": ("a.h5", cut(hdf5(), 0.7), MetadataError),
    # zarr: names of both versions, OME
    "zarr: no names": ("a.zarr", zarr_array(), Read(VOXELS)),
    "zarr: dimension_names": ("a.zarr", zarr_array(ZYX, "zyx"), Read(VOXELS)),
    "zarr: names that say nothing": ("a.zarr", zarr_array(VOXELS, ["dim_0", "dim_1", None]), Read(VOXELS)),
    "zarr: unknown names": ("a.zarr", zarr_array(VOXELS, ["lat", "lon", "z"]), UnsupportedError),
    "zarr: _ARRAY_DIMENSIONS": ("a.zarr", zarr_array(ZYX, _ARRAY_DIMENSIONS=list("zyx")), Read(VOXELS)),
    "zarr: two sayings": ("a.zarr", zarr_array(ZYX, "zyx", _ARRAY_DIMENSIONS=list("xyz")), MetadataError),
    "zarr: ome 0.4": ("a.zarr", ome_zarr(space("zyx"), ZYX, [(40, 8, 8)]), Read(VOXELS, "xyz", (8, 8, 40), NM)),
    "zarr: ome 0.5": (
        "a.zarr",
        ome_zarr(space("zyx"), ZYX, [(40, 8, 8)], version="0.5"),
        Read(VOXELS, "xyz", (8, 8, 40), NM),
    ),
    "zarr: ome, by name": ("a.zarr/0", ome_zarr(space("zyx"), ZYX, [(40, 8, 8)]), Read(VOXELS, "xyz", (8, 8, 40), NM)),
    "zarr: ome, deep": (
        "a.zarr/s/0",
        ome_zarr(space("zyx"), ZYX, [(40, 8, 8)], inside="s/0"),
        Read(VOXELS, "xyz", (8, 8, 40), NM),
    ),
    "zarr: ome, two scales": (
        "a.zarr",
        ome_zarr(space("tczyx", "micrometer"), TCZYX, [(1, 1, 4, 2, 2), (9, 1, 0.5, 0.5, 0.25)]),
        Read(VOXELS[None], "cxyz", (0.5, 1.0, 2.0), UM),
    ),
    "zarr: ome 0.3": ("a.zarr", ome_zarr(list("zyx"), ZYX, version="0.3"), Read(VOXELS)),
    "zarr: ome 0.1": ("a.zarr", ome_zarr(None, TCZYX, version="0.1"), Read(VOXELS[None], "cxyz")),
    "zarr: ome, broken": ("a.zarr", ome_zarr([{"type": "space"}], ZYX, [(1,)]), MetadataError),
    "zarr: ome, another number of axes": ("a.zarr", ome_zarr(space("yx"), ZYX, [(1, 1)]), MetadataError),
    # NIfTI: scaling, orientation, units
    "nifti: as it is": ("a.nii.gz", nifti(), Read(VOXELS[None], "cxyz", ONES, MM)),
    "nifti: capitals": ("A.NII.GZ", nifti(), Read(VOXELS[None], "cxyz", ONES, MM)),
    "nifti: slope": (
        "a.nii",
        nifti(VOXELS.astype("int16"), scaling=(0.5, -3)),
        Read(VOXELS[None] * 0.5 - 3, "cxyz", ONES, MM),
    ),
    "nifti: left, anterior, superior": ("a.nii.gz", nifti(affine=LAS), Read(HALF, "cxyz", (2, 2, 3), MM)),
    "nifti: anterior, superior, right": (
        "a.nii",
        nifti(affine=ASR),
        Read(VOXELS.transpose(2, 0, 1)[None], "cxyz", (2, 2, 3), MM),
    ),
    "nifti: tilted": ("a.nii", nifti(affine=TILTED), Read(VOXELS[None], "cxyz", (2.0025, 2.0025, 3), MM)),
    "nifti: no orientation": ("a.nii", nifti_without_orientation, Read(VOXELS[None], "cxyz", (2, 2, 3), MM)),
    "nifti: a plane": ("a.nii", nifti(VOXELS[..., 0], LAS), Read(HALF[..., :1], "cxyz", (2, 2, 3), MM)),
    "nifti: microns": ("a.nii", nifti(unit="micron"), Read(VOXELS[None], "cxyz", ONES, UM)),
    "nifti: no unit": ("a.nii", nifti(unit=None), Read(VOXELS[None], "cxyz", ONES, ("",) * 3)),
    "nifti: times": ("a.nii", nifti(np.stack([VOXELS] * 2, 3)), UnsupportedError),
    "nifti: colours": (
        "a.nii",
        nifti(np.zeros((2, 2, 2), "u1,u1,u1").astype([(n, "u1") for n in "RGB"])),
        UnsupportedError,
    ),
    "nifti: cut short": ("a.nii", cut(nifti(), 0.8), MetadataError),
    "nifti: compressed and cut short": ("a.nii.gz", cut(nifti(), 0.8), MetadataError),
    # TIFF: calibration in every form, several images, pages that are missing, turned rows
    "tiff: planes": ("a.tif", tiff(), Read(VOXELS[None], "cxyz")),
    "tiff: capitals": ("A.TIF", tiff(), Read(VOXELS[None], "cxyz")),
    "tiff: compressed": ("a.tif", tiff(compression="zlib"), Read(VOXELS[None], "cxyz")),
    "tiff: big endian": ("a.tif", tiff(byteorder=">"), Read(VOXELS[None], "cxyz")),
    "tiff: channels": (
        "a.tif",
        tiff(np.stack([ZYX] * 2, 1), imagej=True, metadata={"axes": "ZCYX"}),
        Read(np.stack([VOXELS] * 2), "cxyz"),
    ),
    "tiff: samples": ("a.tif", tiff(COLOURS, photometric="rgb"), Read(COLOURS.T[..., None], "cxyz")),
    "tiff: pages": ("a.tif", appended(*ZYX, metadata=None), Read(VOXELS[None], "cxyz")),
    "tiff: bilevel": ("a.tif", picture(PLANE.T > 9), Read(PLANE[None, ..., None] > 9, "cxyz")),
    "tiff: per centimetre": (
        "a.tif",
        tiff(resolution=(2, 4), resolutionunit="CENTIMETER"),
        Read(VOXELS[None], "cxyz", (0.5, 0.25, 1), ("centimeters", "centimeters", "")),
    ),
    "tiff: per inch, for printing": ("a.tif", tiff(resolution=(72, 72)), Read(VOXELS[None], "cxyz")),
    **{
        f"tiff: imagej in {unit!a}": ("a.tif", imagej(unit), Read(VOXELS[None], "cxyz", (0.25, 0.5, 1.5), UM))
        for unit in ("um", "micron", "microns", "\\u00B5m", "micrometre")
    },
    "tiff: imagej in a micro sign": (
        "a.tif",
        tiff(description=IMAGEJ.encode(), metadata=None, resolution=(4, 2)),
        Read(VOXELS[None], "cxyz", (0.25, 0.5, 1.5), UM),
    ),
    "tiff: imagej in pixels": ("a.tif", imagej("pixel"), Read(VOXELS[None], "cxyz")),
    "tiff: imagej in inches": ("a.tif", imagej("inch"), Read(VOXELS[None], "cxyz", (0.25, 0.5, 1.5), ("inch",) * 3)),
    "tiff: imagej, one unit of z": (
        "a.tif",
        imagej("nm", zunit="um"),
        Read(VOXELS[None], "cxyz", (0.25, 0.5, 1.5), ("nanometers", "nanometers", "micrometers")),
    ),
    "tiff: imagej, times": (
        "a.tif",
        tiff(imagej=True, metadata={"axes": "TYX"}),
        Read(VOXELS[None, :, :, None], "cxyzt"),
    ),
    "tiff: imagej, times and their distance": (
        "a.tif",
        tiff(imagej=True, resolution=(4, 2), metadata={"axes": "TYX", "unit": "um", "finterval": 90.0}),
        Read(VOXELS[None, :, :, None], "cxyzt", (0.25, 0.5, 1.0, 90.0), (*UM, "s")),
    ),
    "tiff: ome, times and their distance": (
        "a.ome.tif",
        ome_tiff(ZYX, axes="TYX", TimeIncrement=1.5, TimeIncrementUnit="min", PhysicalSizeX=2.0),
        Read(VOXELS[None, :, :, None], "cxyzt", (2.0, 1.0, 1.0, 1.5), ("micrometers", "", "", "min")),
    ),
    "tiff: ome": (
        "a.ome.tif",
        ome_tiff(ZYX, PhysicalSizeX=8.0, PhysicalSizeXUnit="nm", PhysicalSizeZ=0.5),
        Read(VOXELS[None], "cxyz", (8, 1, 0.5), ("nanometers", "", "micrometers")),
    ),
    **{
        f"tiff: ome in {unit!a}": (
            "a.ome.tif",
            ome_tiff(ZYX, PhysicalSizeX=8.0, PhysicalSizeXUnit=unit),
            Read(VOXELS[None], "cxyz", (8, 1, 1), (word, "", "")),
        )
        for unit, word in (("µm", "micrometers"), ("Å", "angstroms"), ("cm", "centimeters"), ("pixel", "pixel"))
    },
    "tiff: ome with two images": ("a.ome.tif", ome_tiff(ZYX, ZYX[:2]), UnsupportedError),
    "tiff: ome, a file of the set is missing": ("a.ome.tif", ome_set, MetadataError),
    "tiff: appended stacks": ("a.tif", appended(ZYX, ZYX), UnsupportedError),
    "tiff: appended pages of another shape": ("a.tif", appended(ZYX[0], ZYX[0, :3], metadata=None), UnsupportedError),
    "tiff: turned": ("a.tif", tiff(ZYX[0], extratags=[(274, 3, 1, 3, True)]), UnsupportedError),
    "tiff: palette": ("a.tif", picture(PLANE.T, "P"), UnsupportedError),
    "tiff: cut short": ("a.tif", cut(tiff(), 0.8), MetadataError),
    "tiff: a stack cut short": ("a.tif", cut(tiff(imagej=True, metadata={"axes": "ZYX"}), 0.8), MetadataError),
    "tiff: compressed and cut short": ("a.tif", cut(tiff(compression="zlib"), 0.8), MetadataError),
    "tiff: pages cut short": ("a.tif", cut(appended(*ZYX, metadata=None), 0.8), MetadataError),
    # pictures: bits, frames, turned ones
    "png: 8 bits": ("a.png", gray(8), Read(PLANE, "xy")),
    "png: 16 bits": ("a.png", gray(16), Read(PLANE.astype("uint16"), "xy")),
    "png: capitals": ("A.PNG", gray(8), Read(PLANE, "xy")),
    "png: 4 bits": ("a.png", gray(4), UnsupportedError),
    "png: 2 bits": ("a.png", gray(2), UnsupportedError),
    "png: 1 bit": ("a.png", gray(1), UnsupportedError),
    "png: four channels": ("a.png", picture(COLOURS), Read(COLOURS.T, "cxy")),
    "png: four channels of 16 bits": ("a.png", colours(16, alpha=True), UnsupportedError),
    "png: three channels": ("a.png", picture(COLOURS[..., :3]), Read(COLOURS[..., :3].T, "cxy")),
    "png: three channels of 16 bits": ("a.png", colours(16, alpha=False), UnsupportedError),
    "png: gray and alpha": ("a.png", picture(PLANE.T, "LA"), UnsupportedError),
    "png: palette": ("a.png", picture(PLANE.T, "P"), UnsupportedError),
    "png: animated": (
        "a.png",
        lambda path: FRAMES[0].save(path, save_all=True, append_images=FRAMES[1:]),
        UnsupportedError,
    ),
    "png: turned by 180 degrees": ("a.png", turned(3), Read(PLANE[::-1, ::-1], "xy")),
    "png: turned by 90 degrees": ("a.png", turned(6), Read(PLANE.T[::-1], "xy")),
    "png: cut short": ("a.png", cut(gray(8), 0.7), MetadataError),
    "png: another format": ("a.png", lambda path: Image.fromarray(PLANE).save(path, "gif"), MetadataError),
    "jpeg: gray": ("a.jpg", picture(np.full((6, 5), 90, "uint8")), Read(np.full((5, 6), 90, "uint8"), "xy")),
    "jpeg: colours": ("a.jpg", picture(np.full((6, 5, 3), 90, "uint8")), Read(np.full((3, 5, 6), 90, "uint8"), "cxy")),
    "jpeg: cyan, magenta, yellow, key": ("a.jpg", picture(COLOURS[..., :3], "CMYK"), UnsupportedError),
    "jpeg: several": (
        "a.jpg",
        lambda path: FRAMES[0].save(path, "mpo", save_all=True, append_images=FRAMES[1:]),
        UnsupportedError,
    ),
    "jpeg: cut short": ("a.jpg", cut(picture(np.tile(PLANE, (20, 20))), 0.7), MetadataError),
}


@pytest.mark.parametrize(("name", "make", "expected"), CASES.values(), ids=CASES)
def test_what_a_file_says_is_read_or_refused(
    name: str, make: Make, expected: Expected, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    make(tmp_path / Path(name).parts[0])
    if isinstance(expected, Read):
        with formats.read(path) as stored:
            assert stored.description.axes == expected.axes
            np.testing.assert_array_equal(np.asarray(stored.array[...]), expected.voxels)
            assert stored.array.dtype.newbyteorder("=") == expected.voxels.dtype
            np.testing.assert_allclose(stored.description.resolution, expected.resolution, rtol=1e-6)
            assert stored.description.units == expected.units
    else:
        with pytest.raises(expected), formats.read(path) as stored:
            np.asarray(stored.array[...])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("name", "make", "expected"), CASES.values(), ids=CASES)
def test_opening_a_file_agrees(name: str, make: Make, expected: Expected, tmp_path: Path) -> None:
    path = tmp_path / name
    make(tmp_path / Path(name).parts[0])
    if isinstance(expected, Read):
        with pyvolume.open(path) as volume:
            held = [axis for axis in volume.dims if axis in expected.axes]
            found = volume[...].reshape([volume.shape[volume.dims.index(axis)] for axis in held])
            np.testing.assert_array_equal(found, expected.voxels)
            if expected.resolution:
                np.testing.assert_allclose(volume.resolution, expected.resolution, rtol=1e-6)
                assert volume.units == expected.units
    else:
        with pytest.raises(expected), pyvolume.open(path) as volume:
            volume[...]


@pytest.mark.parametrize(("name", "make"), [("a.h5", hdf5(ZYX, labels="zyx")), ("a.zarr", zarr_array(ZYX, "zyx"))])
def test_axes_of_another_order_are_changed_in_place(name: str, make: Make, tmp_path: Path) -> None:
    make(tmp_path / name)
    with pyvolume.open(tmp_path / name, "r+") as volume:
        volume[0, 1:3, ::2, 4] = 9
    expected = VOXELS.copy()
    expected[1:3, ::2, 4] = 9
    opened: Any = h5py.File(tmp_path / name)["data"] if name == "a.h5" else zarr.open(str(tmp_path / name))
    np.testing.assert_array_equal(opened[...], expected.T)
    if name == "a.h5":
        opened.file.close()


def test_a_broken_hdf5_file_says_what_can_break_it(tmp_path: Path) -> None:
    path = tmp_path / "cut.h5"
    with h5py.File(path, "w") as file:
        file["voxels"] = np.ones((1, 8, 8, 8), "uint8")
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(MetadataError, match=r"a process that is killed .*\.zarr and \.npy stay readable"):
        pyvolume.open(str(path))
