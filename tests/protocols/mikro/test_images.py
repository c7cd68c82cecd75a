"""Images: an array with a name in one line, and the same array back."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from conformance_stores import ramp
from mikro_servers import Server, lowest

import pyvolume
from mockserver import MikroServer
from pyvolume.errors import (
    AddressError,
    ExistsError,
    ForbiddenError,
    MetadataError,
    NotFoundError,
    UnsupportedError,
)
from pyvolume.mikro import Image, Mikro
from pyvolume.mikro.lists import PAGE

xr: Any = pytest.importorskip("xarray", reason="xarray comes with the extra 'xarray'")
dask: Any = pytest.importorskip("dask.array", reason="dask comes with the extra 'dask'")


def fresh(name: str = "image") -> str:
    return f"{name}-{uuid4().hex[:8]}"


def uploaded(mikro: Mikro, shape: tuple[int, ...] = (20, 30), **options: object) -> Image:
    dims = options.pop("dims", "cxyzt"[1 : len(shape) + 1])
    return mikro.from_xarray(ramp(shape, "uint16"), fresh(), dims=dims, **options)  # type: ignore[arg-type]


def test_an_array_of_xarray_comes_back_with_its_own_axes(mikro: Mikro) -> None:
    given = xr.DataArray(
        ramp((7, 30, 20, 2), "uint16"),
        {"x": ("x", np.arange(20) * 0.5, {"units": "micrometers"}), "c": ["dapi", "gfp"]},
        ("z", "y", "x", "c"),
        fresh(),
        {"stain": "dapi", "gain": np.float32(1.5)},
    )
    image = mikro.from_xarray(given)
    assert image.shape == (2, 20, 30, 7, 1)
    np.testing.assert_array_equal(image[..., 0], given.values.transpose(3, 2, 1, 0), strict=True)
    xr.testing.assert_equal(image.data.load(), given)
    assert image.data.name == given.name
    assert {name: image.attrs[name] for name in ("stain", "gain")} == {"stain": "dapi", "gain": 1.5}
    assert image.resolution == (0.5, 1.0, 1.0, 1.0)


def test_what_the_catalogue_says_comes_back(mikro: Mikro) -> None:
    dataset = mikro.create_dataset(fresh("folder"))
    image = mikro.from_xarray(
        ramp((2, 30, 20, 3), "uint8"), "two stains: 'a' \"b\" {c}\n✓", dims="cyxz", channels=["dapi", "gfp"],
        resolution={"x": 0.4, "y": 0.5, "z": 1.6}, tags=["fly", "day-3"], dataset=dataset,
    )  # fmt: skip
    again = mikro.image(int(image.id))
    assert (again.name, again.tags, again.channels) == (
        "two stains: 'a' \"b\" {c}\n✓", ("day-3", "fly"), ("dapi", "gfp"),
    )  # fmt: skip
    assert again.resolution == (0.4, 0.5, 1.6, 1.0)
    assert again.units[:3] == ("micrometers",) * 3
    assert again.metadata.labels[0] == ("dapi", "gfp")
    assert (again.dataset, again.created.tzinfo is None, bool(again.creator)) == (dataset, False, True)
    assert list(again.data.coords["z"].values) == [0.0, 1.6, 3.2]
    assert [each.id for each in dataset.images] == [image.id]


def test_sizes_in_other_units_keep_their_unit(mikro: Mikro) -> None:
    coords = {dim: (dim, np.arange(8) * 4.0, {"units": "nm"}) for dim in "xy"}
    image = mikro.from_xarray(xr.DataArray(ramp((8, 8)), coords, ("x", "y"), fresh()))
    assert mikro.image(image.id).resolution[:2] == (4.0, 4.0)
    assert mikro.image(image.id).units[:2] == ("nm", "nm")


INTEGERS = [f"{sign}int{n}" for sign in ("", "u") for n in (8, 16, 32, 64)]
FLOATS = ["float16", "float32", "float64", "complex64", "complex128"]


@pytest.mark.parametrize("dtype", ["bool", *INTEGERS, *FLOATS, ">u2", ">c8"])
def test_all_types_come_back(mikro: Mikro, dtype: str) -> None:
    array = ramp((65, 7, 17), "uint8").astype(dtype)
    if array.dtype.kind in "fc":
        array.flat[:4] = [np.nan, np.inf, -np.inf, -0.0]
    if array.dtype.kind == "c":
        array.imag[1, 1, :4] = [-np.inf, np.nan, -0.0, 1.5]
    image = mikro.from_xarray(array, fresh(), dims="xyz")
    assert image.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(image[0, ..., 0], array.astype(image.dtype), strict=True)
    assert image[0, ..., 0].astype(array.dtype).tobytes() == array.tobytes()


def test_an_array_of_dask_is_uploaded_block_by_block(mikro: Mikro) -> None:
    array = ramp((150, 70, 70), "uint8")
    told: list[int] = []
    image = mikro.from_xarray(
        dask.from_array(array, chunks=(40, 33, 70)),
        fresh(),
        dims="zyx",
        progress=lambda status: told.append(status.bytes_done),
    )
    np.testing.assert_array_equal(image[0, ..., 0], array.transpose(2, 1, 0), strict=True)
    assert (told[-1], len(told) > 1) == (array.nbytes, True)


def test_few_blocks_of_dask_are_in_memory_at_once(own: Mikro) -> None:
    sizes = {"made": 0, "written": 0, "most": 0}
    lock = threading.Lock()

    def make(block: Any) -> Any:
        with lock:
            sizes["made"] += block.nbytes
            sizes["most"] = max(sizes["most"], sizes["made"] - sizes["written"])
        return block + 1

    def note(status: pyvolume.TransferStatus) -> None:
        sizes["written"] = status.bytes_done

    zeros = dask.zeros((64 * 40, 64, 64), chunks=64, dtype="uint8")
    image = own.from_xarray(zeros.map_blocks(make, dtype="uint8"), "long", dims="zyx", progress=note)
    assert (image.min(), sizes["written"]) == (1, zeros.nbytes)
    assert sizes["most"] < zeros.nbytes / 2


def test_another_volume_is_uploaded(mikro: Mikro) -> None:
    source = pyvolume.from_array(ramp((2, 20, 30, 9)))
    image = pyvolume.from_xarray(source, mikro, name=fresh(), dims="cxyz", chunks=(16, 16, 4))
    np.testing.assert_array_equal(image[..., 0], source[...], strict=True)
    assert image.store.traits.chunks == (1, 16, 16, 4, 1)


def test_a_url_is_enough(server: Server) -> None:
    url = f"mikro://{server.url}?store={server.store_url}"
    array = ramp((9, 8))
    with pyvolume.from_xarray(array, url, name=fresh(), dims="yx", token=server.token) as image:
        assert isinstance(image, Image)
        address = image.store.address
    assert address.startswith(f"mikro://{server.url}/")
    with pyvolume.open(address, token=server.token, kind=Image) as again:
        np.testing.assert_array_equal(again[0, :, :, 0, 0], array.T, strict=True)
    with pytest.raises(UnsupportedError, match="derive"):
        pyvolume.open(address, "r+", token=server.token)
    with pytest.raises(AddressError, match="object store"):
        pyvolume.open(f"mikro://{server.url}/1")
    with pytest.raises(AddressError, match="expected the id of an image"):
        pyvolume.open(url)


def test_one_time_point_is_a_volume_of_four_axes(server: Server, mikro: Mikro) -> None:
    array = ramp((3, 20, 30), "uint16")
    image = mikro.from_xarray(array, fresh(), dims="tyx")
    with pyvolume.open(f"{image.store.address}&t=2", token=server.token) as volume:
        assert volume.dims == ("c", "x", "y", "z")
        np.testing.assert_array_equal(volume[0, :, :, 0], array[2].T, strict=True)
        with pytest.raises(UnsupportedError, match="no axis t"):
            volume.at_time(0)  # type: ignore[attr-defined]
    with pytest.raises(NotFoundError, match="no time point 3"):
        pyvolume.open(f"{image.store.address}&t=3", token=server.token)
    at_end = image.at_time(2)
    assert at_end.store.address == f"{image.store.address}&t=2"
    np.testing.assert_array_equal(at_end[0, :, :, 0], array[2].T, strict=True)
    np.testing.assert_array_equal(at_end.data.values[0, ..., 0], array[2].T, strict=True)
    with pytest.raises(NotFoundError, match="no time point 3"):
        image.at_time(3)


def test_default_chunks_hold_no_padding(mikro: Mikro) -> None:
    assert uploaded(mikro, (80, 20, 30)).store.traits.chunks == (1, 64, 20, 30, 1)
    assert uploaded(mikro, (600, 20, 3)).store.traits.chunks == (1, 512, 20, 1, 1)


def test_a_write_names_what_to_do_instead(mikro: Mikro) -> None:
    image = uploaded(mikro)
    with pytest.raises(UnsupportedError, match="derive"):
        image[0] = 1
    with pytest.raises(UnsupportedError, match="derive"):
        image.attrs["a"] = 1


def test_an_image_is_derived(mikro: Mikro) -> None:
    image = uploaded(mikro, (20, 30))
    derived = image.derive(image[...] // 2, fresh("half"), tags=["half"])
    assert (derived.derived_from, derived.tags) == ((image.id,), ("half",))
    np.testing.assert_array_equal(derived[...], image[...] // 2, strict=True)


def test_an_image_is_renamed_tagged_and_deleted(mikro: Mikro) -> None:
    image = uploaded(mikro, tags=["a"])
    name = fresh("renamed")
    image.update(name=name, tags=["b"])
    assert (image.name, image.tags) == (name, ("a", "b"))
    assert mikro.image(image.id).name == name
    assert "stay in the object store" in image.delete()
    with pytest.raises(NotFoundError, match="there is none with this id"):
        mikro.image(image.id)


def test_lists_are_complete_and_in_order(own: Mikro, mock: MikroServer) -> None:
    first = uploaded(own, tags=["one"])
    for number in range(102):
        _twin(own, first, f"twin {number}")
    listed = own.images
    ids = [int(each.id) for each in listed]
    assert ids == sorted(ids)
    assert listed.count() == len(ids) == len(mock.images) == 103
    assert (listed[0].id, listed[-1].name, [each.name for each in listed[1:3]]) == (
        first.id, "twin 101", ["twin 0", "twin 1"],
    )  # fmt: skip
    assert [each.name for each in listed.find(name="WIN 10").find(search="twin")] == ["twin 10", "twin 100", "twin 101"]
    assert [each.id for each in listed.find(tags=["one"], owner="1")] == [first.id]
    assert [listed.__contains__(each) for each in (first.id, "999")] == [True, False]
    assert first.id not in {each.id for each in listed.find(name="twin")}
    with pytest.raises(IndexError, match="no image at place 200"):
        listed[200]


def test_a_list_is_complete_while_images_are_added(own: Mikro, mock: MikroServer) -> None:
    first = uploaded(own)
    for number in range(PAGE + 4):
        _twin(own, first, f"old {number}")
    old = {str(each) for each in mock.images}
    seen = []
    for number, entry in enumerate(own.images):
        seen.append(entry.id)
        if number % 20 == 0:
            _twin(own, first, f"new {number}")
    assert seen == sorted(set(seen), key=int)
    assert old <= set(seen)


@pytest.mark.parametrize("name", ['it\'s "quoted"', "{braces} $x \\ \n\t", "Zelle Ä 细胞 🔬", "n" * 1000, " ", "1"])
def test_names_come_back_and_are_found(mikro: Mikro, name: str) -> None:
    image = mikro.from_xarray(ramp((8, 9)), name, dims="xy")
    assert mikro.image(image.id).name == name
    if len(name) > 1:
        assert image.id in {each.id for each in mikro.images.find(name=name)}


def _twin(mikro: Mikro, image: Image, name: str) -> None:
    """Make another image of the same array."""
    from pyvolume.mikro.creating import created

    created(mikro.connection, image.store.store_id, name, {})


def test_an_origin_that_is_deleted_is_told_before_a_byte_moves(own: Mikro, mock: MikroServer) -> None:
    image = uploaded(own)
    image.delete()
    with pytest.raises(NotFoundError, match="there is none with this id"):
        image.derive(image[...], "derived")
    assert (mock.images, len({key.partition("/")[0] for key in mock.objects})) == ({}, 1)


def test_an_id_is_a_text_or_a_number(own: Mikro) -> None:
    folder = own.create_dataset("folder")
    image = own.from_xarray(np.zeros((8, 9)), "a", dims="xy", dataset=int(folder.id))
    assert [each.id for each in own.images.find(dataset=int(folder.id))] == [image.id]
    own.create_dataset("other").put(int(image.id))
    assert not own.images.find(dataset=folder)
    for wrong in (lambda: own.images.find(dataset=1.5), lambda: folder.put(None)):
        with pytest.raises(TypeError, match="the id of one"):
            wrong()
    with pytest.raises(MetadataError, match="a list of tags"):
        own.images.find(tags="fly")


def test_datasets_are_listed(mikro: Mikro) -> None:
    parent = mikro.create_dataset(fresh("parent"))
    child = mikro.create_dataset("child", parent)
    assert mikro.dataset(int(child.id)).parent == parent.id
    assert {parent, child} <= set(mikro.datasets)
    image = uploaded(mikro)
    child.put(image)
    assert mikro.image(image.id).dataset == child
    with pytest.raises(ExistsError, match=r"the name is taken$"):
        mikro.create_dataset("child", parent)


def test_the_generation_is_asked_once(own: Mikro, mock: MikroServer) -> None:
    assert (own.connect().generation, own.connect().generation) == (2, 2)
    assert len(mock.requests) == 1


def test_a_token_stays_in_its_process(mikro: Mikro) -> None:
    data = pickle.dumps(uploaded(mikro))
    with pytest.raises(ForbiddenError, match="pickle_secrets"):
        pickle.loads(data).min()


def test_images_travel_with_an_auth_that_does(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_TOKEN", server.token)
    with server.open(token=None, auth=pyvolume.Bearer.of_variable("LAB_TOKEN")) as mikro:
        image = uploaded(mikro)
        data = pickle.dumps(image)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert pool.apply(lowest, [pickle.loads(data)]) == int(image.min())


FORK = """
import os, signal, sys, warnings
warnings.simplefilter("ignore")
from pyvolume.errors import UnsupportedError
from pyvolume.mikro import Mikro

image = Mikro(sys.argv[1], token="test", store=sys.argv[2]).image(sys.argv[3])
image.max()
child = os.fork()
if not child:
    signal.alarm(20)
    try:
        image.min()
    except UnsupportedError as error:
        print(error, flush=True)
    os._exit(0)
print(os.waitpid(child, 0)[1], int(image.max()))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_after_a_fork_an_image_says_what_to_do(own: Mikro, mock: MikroServer) -> None:
    image = uploaded(own)
    arguments = [sys.executable, "-c", FORK, mock.url, mock.store_url, image.id]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=True)
    said, left = done.stdout.splitlines()
    assert "obstore does not work in a process made by fork" in said
    assert left == f"0 {image[...].max()}"


def test_lazy_data_works_inside_a_running_loop(mikro: Mikro) -> None:
    image = uploaded(mikro, (20, 30, 16))

    async def highest() -> int:
        return int(image.data.max())

    assert asyncio.run(highest()) == int(image[...].max())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dims": "xz"}, "expected the axes x and y"),
        ({"dims": "xy", "name": "n" * 1001}, "1 to 1000 characters"),
        ({"dims": "xy", "name": ""}, "1 to 1000 characters"),
        ({"dims": "xy", "tags": ["Cell Type"]}, "would not come back as given; 'cell-type' does"),
        ({"dims": "xy", "tags": "fly"}, "a list of tags"),
        ({"dims": "xy", "channels": ["a", "b"]}, "expected 1 channels and found 2"),
        ({"dims": "xy", "resolution": {"t": 1}}, "along x, y and z"),
        ({"dims": "xy", "chunks": (4, 4)}, "expected chunks along x, y and z"),
        ({"dims": "xy", "chunks": 4}, "expected chunks along x, y and z"),
        ({"dims": "xy", "chunks": "big"}, "expected chunks along x, y and z"),
        ({"dims": "xy", "tags": None}, "a list of tags"),
    ],
)
def test_what_the_server_would_change_is_refused(
    own: Mikro, mock: MikroServer, options: dict[str, object], message: str
) -> None:
    given = {"name": "a", **options}
    with pytest.raises(MetadataError, match=message):
        own.from_xarray(np.zeros((8, 9)), **given)  # type: ignore[arg-type]
    assert [each for each in mock.requests if each.path != "/graphql"] == []
    assert mock.images == {}


@pytest.mark.parametrize("dtype", ["datetime64[s]", "timedelta64[s]", "S3", "U3", "V3", "O"])
def test_what_is_no_number_is_refused(own: Mikro, mock: MikroServer, dtype: str) -> None:
    with pytest.raises(UnsupportedError, match="numbers"):
        own.from_xarray(np.zeros((8, 9), dtype), "a", dims="xy")
    assert (mock.objects, mock.images) == ({}, {})


def test_the_largest_of_complex_numbers_is_that_of_numpy(own: Mikro) -> None:
    array = ramp((9, 8), "float32") + 1j * ramp((9, 8), "float32", seed=1)
    image = own.from_xarray(array, "waves", dims="xy")
    assert (image.max(), image.data.max().compute().item()) == (array.max(), array.max())
