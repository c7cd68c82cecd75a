"""Datasets of N5: read, written, created, listed."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from n5_by_hand import block, write_dataset, write_json
from numpy.typing import NDArray

import pyvolume
from pyvolume.calls.call import Call
from pyvolume.errors import (
    AddressError,
    AmbiguousError,
    AnswerError,
    ExistsError,
    ForbiddenError,
    KeyNotFoundError,
    MetadataError,
    NotFoundError,
    TransportError,
    UnsupportedError,
)
from pyvolume.n5 import Container, N5Volume
from pyvolume.n5.blocks import Blocks
from pyvolume.n5.client import Client
from pyvolume.n5.driver import DRIVER
from pyvolume.n5.store import DatasetStore

SHAPE = (11, 9, 7)
ARRAY = np.arange(11 * 9 * 7, dtype="uint16").reshape(SHAPE)


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_json(tmp_path / "x.n5", {"n5": "2.2.1"})
    write_dataset(tmp_path / "x.n5" / "volumes" / "raw", ARRAY, (4, 4, 4), skip=[(1, 0, 0)])
    return tmp_path / "x.n5" / "volumes" / "raw"


def made(path: Path, shape: tuple[int, ...] = (1, *SHAPE), dtype: str = "uint16", **options: Any) -> N5Volume:
    metadata = pyvolume.VoxelsMetadata.of(shape, dtype)
    return DRIVER.create(str(path), metadata, **{"chunks": (1, *(4,) * (len(shape) - 1)), **options})


def test_a_block_that_is_not_stored_reads_as_zeros(path: Path) -> None:
    expected = ARRAY.copy()
    expected[4:8, :4, :4] = 0
    volume = pyvolume.open(path, kind=N5Volume)
    same(volume[0], expected)
    found = volume.exists()
    assert (found.shape, int(found.sum())) == ((1, 3, 3, 2), 17)
    assert not found[0, 1, 0, 0]
    same(volume.exists(((0, 4, 0, 0), (1, 9, 1, 1))), np.array([False, True]).reshape(1, 2, 1, 1))


def test_what_such_a_block_means_can_be_chosen(path: Path) -> None:
    assert pyvolume.open(path, fill_value=7)[0, 5, 0, 0] == 7
    strict = pyvolume.open(path, "r+", missing="raise")
    with pytest.raises(NotFoundError, match=r"read the block .*/raw/1/0/0: it is not stored"):
        strict[0]
    strict[0, 5, 0, 0] = 3  # the block is completed with zeros
    same(strict[0, 4:7, 0, 0], np.array([0, 3, 0], "uint16"))


def test_blocks_of_other_sizes_are_cropped_and_completed(path: Path) -> None:
    (path / "2" / "2" / "1").write_bytes(block(np.full((4, 4, 4), 5, "uint16"), gzip.compress))
    (path / "0" / "0" / "0").write_bytes(block(np.full((2, 4, 4), 6, "uint16"), gzip.compress))
    volume = pyvolume.open(path)
    same(volume[0, 8:, 8:, 4:], np.full((3, 1, 3), 5, "uint16"))
    same(volume[0, 1:4, 1, 1], np.array([6, 0, 0], "uint16"))


def test_blocks_at_the_edge_are_written_truncated(tmp_path: Path) -> None:
    volume = made(tmp_path / "x.n5" / "raw", compression="raw")
    volume[0] = ARRAY
    assert (tmp_path / "x.n5" / "raw" / "2" / "2" / "1").read_bytes() == block(ARRAY[8:, 8:, 4:])
    assert (tmp_path / "x.n5" / "raw" / "0" / "1" / "0").read_bytes() == block(ARRAY[:4, 4:8, :4])


def test_nothing_but_blocks_and_attributes_is_left(tmp_path: Path) -> None:
    volume = made(tmp_path / "x.n5" / "raw")
    volume[...] = 3
    volume[0, 1:3] = 4
    names = {each.name for each in tmp_path.rglob("*") if each.is_file()}
    assert names <= {"attributes.json", "0", "1", "2"}


def test_requests_and_bytes_are_counted(path: Path) -> None:
    with pyvolume.trace() as counted:
        pyvolume.open(path)[0, :8, :4, :4]
    assert (counted.requests, counted.bytes_used) == (3, 8 * 4 * 4 * 2)  # two blocks, and a look whether all is gone
    assert counted.bytes_fetched == (path / "0" / "0" / "0").stat().st_size


def test_a_deadline_ends_a_read_between_two_blocks(path: Path) -> None:
    volume = pyvolume.open(path, retry=pyvolume.RetryPolicy(deadline=1e-9))
    with pytest.raises(TransportError, match="deadline"):
        volume[...]


def test_a_dataset_that_is_gone_is_an_error_and_is_not_made_again(path: Path) -> None:
    volume = pyvolume.open(path, "r+")
    path.rename(path.with_name("other"))
    with pytest.raises(NotFoundError, match="no such dataset any more"):
        volume[...]
    with pytest.raises(NotFoundError, match="no such dataset any more"):
        volume[...] = 0
    assert not path.exists()


def test_a_volume_travels_by_its_path(path: Path) -> None:
    volume = pyvolume.open(path, "r+")
    again = pickle.loads(pickle.dumps(volume))
    again[0, 0, 0, 0] = 77
    assert volume[0, 0, 0, 0] == 77
    assert again == volume
    assert volume.store.address == f"n5://{path}"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_process_made_by_fork_reads_and_writes(tmp_path: Path) -> None:
    volume = made(tmp_path / "x.n5" / "raw", compression="blosc")
    volume[0] = ARRAY
    store = volume.store
    assert isinstance(store, DatasetStore)
    client = store.client
    held, going = threading.Event(), threading.Event()

    def hold() -> None:
        with client.working(Call(pyvolume.RetryPolicy())):
            held.set()
            going.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    process = os.fork()
    if process == 0:
        status = 1
        try:
            signal.alarm(20)
            volume[0, :4] = volume[0, 4:8]
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(process, 0)[1] == 0
    going.set()
    thread.join()
    same(volume[0, :4], ARRAY[4:8])


def test_volumes_on_two_paths_to_one_folder_lock_the_same_blocks(path: Path, tmp_path: Path) -> None:
    (tmp_path / "link.n5").symlink_to(tmp_path / "x.n5")
    names = {pyvolume.open(each).store.traits.voxels for each in (path, tmp_path / "link.n5" / "volumes" / "raw")}
    assert len(names) == 1


def test_levels_of_a_group_are_scales(tmp_path: Path) -> None:
    image = tmp_path / "x.n5" / "raw"
    write_json(image, {"resolution": [4, 4, 40], "units": ["nm"] * 3})
    for level, factors in enumerate([(1, 1, 1), (2, 2, 1), (4, 4, 2)]):
        coarse = ARRAY[:: factors[0], :: factors[1], :: factors[2]]
        write_dataset(image / f"s{level}", coarse, (4, 4, 4))
        if level == 2:  # 3 of 9 voxels can be a third or a fourth of them
            attributes = json.loads((image / "s2" / "attributes.json").read_text())
            write_json(image / "s2", attributes | {"downsamplingFactors": factors})
    volume = pyvolume.open(image, "r+")
    assert list(volume.scales.factors) == [(1, 1, 1, 1), (1, 2, 2, 1), (1, 4, 4, 2)]
    same(volume.scale(1)[0], ARRAY[::2, ::2])
    assert volume.scale(1).resolution == (8, 8, 40)
    for url in (f"n5://{image}?level=2", f"{image}?level=4,4,2", f"{image}/s2"):
        assert pyvolume.open(url).store.address == f"n5://{image}/s2"
    with pytest.raises(NotFoundError, match=r"no level 3; the levels are 0 \(1,1,1\), 1 \(2,2,1\), 2 \(4,4,2\)"):
        pyvolume.open(f"{image}?level=3")


@pytest.mark.parametrize(
    "compression", ["raw", "gzip", {"type": "xz", "preset": 1}, {"type": "blosc", "cname": "zstd"}]
)
def test_what_is_created_has_all_facts(tmp_path: Path, compression: Any) -> None:
    metadata = pyvolume.VoxelsMetadata.of(
        (2, 5, 6, 7, 3), "float32", resolution=(4, 4, 40, 2.5), units=("nanometers",) * 3 + ("seconds",),
        labels={"c": ["red", "green"], "t": ["a", "b", "c"]},
    )  # fmt: skip
    volume = DRIVER.create(str(tmp_path / "deep" / "x.n5" / "a" / "b"), metadata, compression=compression)
    assert volume.metadata == metadata
    assert volume.chunks == (1, 5, 6, 7, 1)
    assert json.loads((tmp_path / "deep" / "x.n5" / "attributes.json").read_text()) == {"n5": "2.0.0"}
    attributes = json.loads((tmp_path / "deep" / "x.n5" / "a" / "b" / "attributes.json").read_text())
    assert (attributes["dimensions"], attributes["blockSize"]) == ([5, 6, 7, 2, 3], [64, 64, 64, 1, 1])
    assert attributes["pixelResolution"] == {"dimensions": [4, 4, 40], "unit": "nm"}
    assert attributes["units"] == ["nm", "nm", "nm", "", "s"]
    values = np.random.default_rng(0).normal(size=volume.shape).astype("float32")
    volume[...] = values
    same(pyvolume.open(tmp_path / "deep" / "x.n5" / "a" / "b")[...], values)


def test_a_dataset_can_be_its_own_container(tmp_path: Path) -> None:
    volume = DRIVER.create(f"n5://{tmp_path}/alone", pyvolume.VoxelsMetadata.of((1, 8, 8), "uint8"))
    assert json.loads((tmp_path / "alone" / "attributes.json").read_text())["n5"] == "2.0.0"
    volume[...] = 5
    assert pyvolume.open(f"n5://{tmp_path}/alone")[0, 7, 7] == 5


def test_a_container_is_found_by_what_it_says(tmp_path: Path) -> None:
    write_json(tmp_path / "cells", {"n5": "4.0.0", "pixelResolution": {"dimensions": [4, 4, 40], "unit": "nm"}})
    write_dataset(tmp_path / "cells" / "raw", ARRAY, (4, 4, 4))
    assert pyvolume.open(f"n5://{tmp_path}/cells/raw").resolution == (4, 4, 40)


def test_what_is_there_is_replaced_only_if_it_is_a_dataset(tmp_path: Path, path: Path) -> None:
    with pytest.raises(ExistsError, match="overwrite=True replaces it"):
        made(path)
    assert int(made(path, overwrite=True)[...].max()) == 0
    assert sorted(each.name for each in path.parent.iterdir()) == ["raw"]
    for other in (tmp_path / "x.n5" / "volumes", tmp_path / "x.n5"):
        with pytest.raises(ExistsError, match="something else than a dataset"):
            made(other, overwrite=True)
    (tmp_path / "file.n5").write_text("mine")
    with pytest.raises(ExistsError, match="something else than a dataset"):
        made(tmp_path / "file.n5", overwrite=True)
    with pytest.raises(AddressError, match="which holds no others"):
        made(path / "inside")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"chunks": (1, 4, 4)}, MetadataError, "chunks along the axes 'cxyz'"),
        ({"chunks": (1, 4, 4, 0)}, ValueError, "at least 1"),
        ({"chunks": (1, 2**20, 2**20, 4)}, MetadataError, "blocks of up to 2 GiB"),
        ({"compression": "jpeg"}, UnsupportedError, "n5-jpeg"),
        ({"compression": {"type": "gzip", "level": 12}}, MetadataError, "level"),
        ({"dtype": "bool"}, UnsupportedError, "a dataType of numbers"),
        ({"dtype": "complex64"}, UnsupportedError, "a dataType of numbers"),
    ],
)
def test_what_n5_cannot_have_is_refused_and_leaves_nothing(
    tmp_path: Path, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        made(tmp_path / "x.n5" / "raw", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_query_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(AddressError, match="without a query"):
        DRIVER.create(f"n5://{tmp_path}/x?channel=1", pyvolume.VoxelsMetadata.of((1, 8, 8), "uint8"))


def test_a_container_lists_its_datasets(path: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / "x.n5" / "labels", ARRAY.astype("uint64"), (4, 4, 4))
    write_json(tmp_path / "x.n5" / "wrong", {"dimensions": [1], "dataType": "uint8", "blockSize": "no"})
    with pyvolume.connect(tmp_path / "x.n5", kind=Container) as container:
        assert list(container) == ["labels", "volumes/raw", "wrong"]
        assert (len(container), "labels" in container, "volumes" in container) == (3, True, False)
        same(container["labels"][0], ARRAY.astype("uint64"))
        kinds = [(each.name, each.kind, each.facts["shape"]) for each in container.entries()]
        assert kinds == [
            ("labels", "uint64", [11, 9, 7]), ("volumes/raw", "uint16", [11, 9, 7]), ("wrong", "broken", ""),
        ]  # fmt: skip
        assert container.describe() == {"path": str(tmp_path / "x.n5"), "datasets": 3}
        with pytest.raises(KeyNotFoundError, match="'labels'"):
            container["lables"]
        with pytest.raises(AddressError, match="inside"):
            container["../x.n5/labels"]


def test_links_in_a_circle_end(path: Path, tmp_path: Path) -> None:
    (tmp_path / "x.n5" / "volumes" / "loop").symlink_to(tmp_path / "x.n5" / "volumes")
    assert {each.rpartition("/")[2] for each in Container(tmp_path / "x.n5")} == {"raw"}


class Growing(Client):
    """Finds a file at first as it was while somebody wrote it."""

    seen = 0

    def get(self, path: str, memory: memoryview, call: Call) -> memoryview | None:
        data = super().get(path, memory, call)
        self.seen += 1
        return data if data is None or self.seen % 2 == 0 else data[:-9]


def test_a_block_that_is_just_being_written_is_read_again(path: Path) -> None:
    volume = pyvolume.open(path, kind=N5Volume)
    store = volume.store
    assert isinstance(store, DatasetStore)
    blocks = Blocks(Growing(store.client.folder), (store.path,), store.path, store.info)
    out = np.zeros((4, 4, 4), "uint16", order="F")
    blocks.read((4, 4, 0), (8, 8, 4), out, Call(pyvolume.RetryPolicy()))
    same(out, ARRAY[4:8, 4:8, :4])


def test_a_group_of_several_names_them(path: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / "x.n5" / "labels", ARRAY, (4, 4, 4))
    with pytest.raises(AmbiguousError, match=r"a group with labels, volumes/raw; name one") as caught:
        pyvolume.open(tmp_path / "x.n5")
    assert caught.value.candidates == ("labels", "volumes/raw")


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("none.n5/raw", NotFoundError, "there is no .*none.n5/raw"),
        ("empty.n5", AddressError, "no dataset of N5"),
        ("x.n5/volumes/raw?channel=0", AddressError, "has no channel to choose"),
        ("x.n5/volumes/raw?version=3", AddressError, "has no version to choose"),
        ("x.n5/volumes/raw?level=1", NotFoundError, "no level 1"),
        ("x.n5/volumes/raw/0/0", AddressError, "no dataset of N5"),
        ("x.n5/volumes/raw/0/0/0", AddressError, "expected a folder"),
        ("none.xml", AddressError, "there is no file"),
    ],
)
def test_what_is_no_volume_is_one_sentence(
    path: Path, tmp_path: Path, url: str, error: type[Exception], message: str
) -> None:
    (tmp_path / "empty.n5").mkdir()
    with pytest.raises(error, match=message):
        pyvolume.open(tmp_path / url)


def test_describe_says_the_compression(path: Path) -> None:
    assert pyvolume.open(path).describe()["compression"] == "gzip"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the administrator may do anything")
def test_what_the_user_may_not_do_is_a_forbidden_error(path: Path) -> None:
    volume = pyvolume.open(path, "r+")
    (path / "0" / "0" / "0").chmod(0)
    with pytest.raises(ForbiddenError, match=r"read .*/raw/0/0/0: "):
        volume[...]


def test_what_is_no_file_in_place_of_a_block_is_an_error(path: Path) -> None:
    (path / "0" / "0" / "0").unlink()
    (path / "0" / "0" / "0").mkdir()
    with pytest.raises((AnswerError, OSError), match="/raw/0/0/0"):
        pyvolume.open(path)[...]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with a name")
def test_a_pipe_in_place_of_a_block_keeps_nobody_waiting(path: Path) -> None:
    (path / "0" / "0" / "0").unlink()
    os.mkfifo(path / "0" / "0" / "0")
    with pytest.raises(AnswerError, match="/raw/0/0/0: expected a file"):
        pyvolume.open(path)[...]


def test_a_file_that_is_much_larger_than_a_block_is_not_read(path: Path) -> None:
    with (path / "0" / "0" / "0").open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(AnswerError, match=r"/raw/0/0/0: expected up to .* found 1 TiB"):
        pyvolume.open(path)[...]


def test_another_dataset_at_the_same_path_is_noticed(path: Path) -> None:
    volume = pyvolume.open(path)
    write_dataset(path, ARRAY.astype("uint8"), (4, 4, 4))
    with pytest.raises(MetadataError, match="open it again"):
        volume.refresh()


def test_the_last_of_several_writers_wins_as_a_whole(tmp_path: Path) -> None:
    """A reader never sees a half of a block, because a block gets its name when it is complete."""
    volume = made(tmp_path / "x.n5" / "raw", (1, 64, 64, 64), chunks=(1, 64, 64, 64), compression="raw")
    volume[...] = 0
    stopped, seen = threading.Event(), list[NDArray[Any]]()

    def read() -> None:
        while not stopped.is_set():
            seen.append(np.unique(volume[...]))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 30):
        volume[...] = number
    stopped.set()
    reader.join()
    assert {each.size for each in seen} <= {1}
