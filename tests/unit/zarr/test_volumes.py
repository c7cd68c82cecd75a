"""Volumes of zarr: what is on disk, attributes, levels, chunks that are missing or broken."""

from __future__ import annotations

import functools
import json
import logging
import multiprocessing
import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import ome_zarr.io
import ome_zarr.reader
import pytest
import zarr
from conformance_stores import ramp
from file_server import FileServer
from moto_server import KEYS, make_bucket
from ome_zarr_models import open_ome_zarr

import pyvolume
from pyvolume.errors import (
    AnswerError,
    ExistsError,
    ForbiddenError,
    KeyNotFoundError,
    MetadataError,
    NotFoundError,
    SelectionError,
    UnsupportedError,
)
from pyvolume.zarr import ZarrVolume

ARRAY = ramp((2, 40, 30, 20), "uint16")


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


def made(url: object, *facts: Any, **options: Any) -> ZarrVolume:
    volume = pyvolume.create(str(url), *facts, **options)
    assert isinstance(volume, ZarrVolume)
    return volume


def create(folder: Path, name: str = "cells.zarr", array: Any = ARRAY, **options: Any) -> ZarrVolume:
    given = {"chunks": (1, 16, 16, 16), "resolution": (0.5, 0.5, 2), "units": "micrometers", **options}
    volume = made(folder / name, array.shape, array.dtype, **given)
    volume[...] = array
    return volume


def opened(path: object, **options: Any) -> ZarrVolume:
    volume = pyvolume.open(str(path), **options)
    assert isinstance(volume, ZarrVolume)
    return volume


class TestOnDisk:
    @pytest.mark.parametrize("version", ["0.4", "0.5"])
    def test_models_of_ome_zarr_accept_it(self, tmp_path: Path, version: str) -> None:
        create(tmp_path, format=version, levels=3)
        model: Any = open_ome_zarr(zarr.open_group(str(tmp_path / "cells.zarr"), mode="r"))
        (image,) = (getattr(model, "ome_attributes", None) or model.attributes).multiscales
        assert [axis.name for axis in image.axes] == list("czyx")
        assert len(image.datasets) == 3

    @pytest.mark.parametrize("version", ["0.4", "0.5"])
    def test_ome_zarr_py_reads_it(self, tmp_path: Path, version: str) -> None:
        pyvolume.build_pyramid(create(tmp_path, format=version, levels=2))
        location = ome_zarr.io.parse_url(str(tmp_path / "cells.zarr"))
        (node, *_) = list(ome_zarr.reader.Reader(location)())
        same(np.asarray(node.data[0]), np.einsum("cxyz->czyx", ARRAY))
        assert node.data[1].shape == (2, 20, 15, 20)

    def test_an_array_alone_has_names_of_its_axes(self, tmp_path: Path) -> None:
        create(tmp_path, format="zarr")
        found: Any = zarr.open_array(str(tmp_path / "cells.zarr"), mode="r")
        assert found.metadata.dimension_names == tuple("czyx")
        volume = opened(tmp_path / "cells.zarr")
        assert (volume.resolution, volume.units) == ((0.5, 0.5, 2), ("micrometers",) * 3)

    def test_a_shard_holds_several_chunks(self, tmp_path: Path) -> None:
        volume = create(tmp_path, shards=(1, 32, 32, 32))
        assert volume.chunks == (1, 32, 30, 20)
        assert len(list((tmp_path / "cells.zarr" / "0" / "c").rglob("*"))) < 20
        volume[:, 3:5] = 9
        expected = ARRAY.copy()
        expected[:, 3:5] = 9
        same(opened(tmp_path / "cells.zarr")[...], expected)

    def test_chunks_are_cubes_by_default(self, tmp_path: Path) -> None:
        volume = made(tmp_path / "a.zarr", (2, 200, 200, 200, 3), "uint8")
        assert volume.chunks == (1, 64, 64, 64, 1)
        assert pyvolume.create(tmp_path / "b.zarr", (1, 2000, 2000, 1), "uint8").chunks == (1, 512, 512, 1)

    def test_labels_of_channels_stay(self, tmp_path: Path) -> None:
        create(tmp_path, labels={"c": ["red", "green"]})
        assert opened(tmp_path / "cells.zarr").metadata.labels[0] == ("red", "green")

    def test_an_image_among_labels_is_listed(self, tmp_path: Path) -> None:
        create(tmp_path)
        create(tmp_path, "cells.zarr/labels/nuclei")
        create(tmp_path, "cells.zarr/labels/cells")
        with pyvolume.connect(tmp_path / "cells.zarr" / "labels") as labels:
            assert list(labels) == ["cells", "nuclei"]
            same(labels["nuclei"][...], ARRAY)

    def test_another_origin_is_restored_exactly(self, tmp_path: Path) -> None:
        pyvolume.from_array(ARRAY).save(tmp_path / "cut.zarr", box=((0, 7, 5, 3), (2, 39, 29, 19)))
        volume = opened(tmp_path / "cut.zarr")
        assert volume.bounds == pyvolume.Box((0, 7, 5, 3), (2, 39, 29, 19))
        same(volume.absolute[:, 7:39, 5:29, 3:19], ARRAY[:, 7:39, 5:29, 3:19])
        document = json.loads((tmp_path / "cut.zarr" / "zarr.json").read_text())
        (dataset,) = document["attributes"]["ome"]["multiscales"][0]["datasets"]
        assert dataset["coordinateTransformations"][1]["translation"] == [0, 3, 5, 7]

    def test_writers_of_a_volume_with_another_origin_share_chunks(self, tmp_path: Path) -> None:
        zeros = np.zeros((1, 64, 64, 64), "uint8")
        pyvolume.from_array(zeros).save(tmp_path / "cut.zarr", box=((0, 3, 3, 3), (1, 63, 63, 63)), chunks=32)
        volume = opened(tmp_path / "cut.zarr", mode="r+")
        boxes = [pyvolume.Box((0, x, 3, 3), (1, x + 5, 63, 63)) for x in range(3, 63, 5)]
        volume.write_many((box, np.full(box.shape, box.start[1], "uint8")) for box in boxes)
        for box in boxes:
            assert (volume.read(box) == box.start[1]).all()


class TestTranslation:
    def test_a_translation_of_the_image_moves_coordinates_and_not_the_bounds(self, tmp_path: Path) -> None:
        group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
        group.create_array("0", data=np.zeros((4, 5, 6), "uint8"))
        axes: Any = [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"]
        moves: Any = [{"type": "scale", "scale": [40, 8, 8]}, {"type": "translation", "translation": [400, 80, 16]}]
        scales: Any = [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": moves}]}]
        group.attrs["ome"] = {"version": "0.5", "multiscales": scales}
        volume = opened(tmp_path / "a.zarr")
        assert volume.bounds.start == (0, 0, 0, 0)
        assert list(volume.metadata.translation) == [16, 80, 400]
        assert volume.data.x.values.tolist() == [16, 24, 32, 40, 48, 56]
        volume.save(tmp_path / "cut.zarr", box=((0, 2, 1, 1), (1, 6, 5, 4)))
        assert opened(tmp_path / "cut.zarr").metadata.translation == volume.metadata.translation
        assert opened(tmp_path / "cut.zarr").data.x.values.tolist() == [32, 40, 48, 56]
        copied = made(tmp_path / "b.zarr", like=volume)
        assert copied.metadata.translation == volume.metadata.translation

    def test_a_coarser_level_lies_in_the_middle_of_its_voxels(self, tmp_path: Path) -> None:
        volume = create(tmp_path, levels=2)
        assert list(volume.scale(1).metadata.translation) == [0.25, 0.25, 0]
        assert volume.scale(1).data.x.values[:2].tolist() == [0.25, 1.25]


class TestAttributes:
    def test_they_are_those_of_zarr(self, tmp_path: Path) -> None:
        volume = create(tmp_path)
        volume.attrs.update(stain="DAPI", gains=[1, 2])
        found = zarr.open_group(str(tmp_path / "cells.zarr"), mode="r").attrs
        assert (found["stain"], found["gains"]) == ("DAPI", [1, 2])
        assert dict(opened(tmp_path / "cells.zarr").attrs) == {"stain": "DAPI", "gains": [1, 2]}
        del volume.attrs["gains"]
        assert list(volume.attrs) == ["stain"]
        assert len(volume.scales) == 1

    def test_a_missing_one_names_the_nearest(self, tmp_path: Path) -> None:
        volume = create(tmp_path)
        volume.attrs["stain"] = "DAPI"
        with pytest.raises(KeyNotFoundError, match="stain"):
            volume.attrs["strain"]

    @pytest.mark.parametrize("name", ["ome", "multiscales", "pyvolume"])
    def test_those_of_the_format_are_hidden_and_refused(self, tmp_path: Path, name: str) -> None:
        volume = create(tmp_path)
        assert name not in volume.attrs
        with pytest.raises(MetadataError, match="belongs to the format"):
            volume.attrs[name] = 1

    def test_a_value_that_is_none_of_json_is_refused(self, tmp_path: Path) -> None:
        volume = create(tmp_path)
        with pytest.raises(MetadataError, match="JSON"):
            volume.attrs["a"] = object()

    def test_a_volume_for_reading_keeps_them(self, tmp_path: Path) -> None:
        create(tmp_path)
        with pytest.raises(UnsupportedError, match="mode 'r'"):
            opened(tmp_path / "cells.zarr").attrs["a"] = 1

    def test_threads_that_set_different_ones_lose_none(self, tmp_path: Path) -> None:
        volume = create(tmp_path)
        threads = [threading.Thread(target=volume.attrs.update, args=({f"a{n}": n},)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert dict(volume.attrs) == {f"a{n}": n for n in range(8)}


class TestLevels:
    def test_a_write_makes_coarser_levels_stale(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        volume = create(tmp_path, levels=3)
        pyvolume.build_pyramid(volume)
        assert volume.stale == []
        volume[:, 20:22, 3] = 0
        with caplog.at_level(logging.WARNING):
            volume.scale(1)
            volume.scale(2)
            volume.scale(1)
        assert [record.getMessage().count("level 0 has changed") for record in caplog.records] == [1]
        assert opened(f"{tmp_path}/cells.zarr?level=1").stale == [pyvolume.Box((0, 8, 0, 0), (2, 16, 8, 20))]

    def test_a_box_of_the_pyramid_is_renewed(self, tmp_path: Path) -> None:
        volume = create(tmp_path, levels=3)
        pyvolume.build_pyramid(volume)
        before = volume.scale(1)[...]
        changed = ARRAY.copy()
        changed[:, 20:22, 3] = 0
        volume[:, 20:22, 3] = 0
        for box in volume.stale:
            pyvolume.build_pyramid(volume, box=box)
        assert volume.stale == []
        whole = create(tmp_path, "whole.zarr", changed, levels=3)
        pyvolume.build_pyramid(whole)
        for level in (1, 2):
            same(volume.scale(level)[...], whole.scale(level)[...])
        assert (before != volume.scale(1)[...]).any()

    def test_many_stale_boxes_are_joined(self, tmp_path: Path) -> None:
        zeros = np.zeros((1, 512, 8, 8), "uint8")
        volume = create(tmp_path, array=zeros, chunks=(1, 8, 8, 8), levels=2)
        pyvolume.build_pyramid(volume)
        for x in range(0, 400, 16):
            volume[:, x : x + 8] = 1
        assert len(volume.stale) < 16
        assert functools.reduce(pyvolume.Box.union, volume.stale) == pyvolume.Box((0, 0, 0, 0), (1, 392, 8, 8))

    def test_levels_are_those_of_another_volume(self, tmp_path: Path) -> None:
        first = create(tmp_path, levels=[(1, 1, 1, 1), (1, 2, 2, 1)])
        second = made(tmp_path / "b.zarr", like=first)
        assert second.scales.factors == first.scales.factors
        assert (second.shape, second.dtype, second.chunks) == (first.shape, first.dtype, first.chunks)
        assert (second.resolution, second.units) == (first.resolution, first.units)

    def test_a_level_by_its_number(self, tmp_path: Path) -> None:
        pyvolume.build_pyramid(create(tmp_path, levels=2))
        coarse = opened(f"{tmp_path}/cells.zarr?level=1")
        assert (coarse.shape, coarse.scales.current) == ((2, 20, 15, 20), 1)
        with pytest.raises(NotFoundError, match="levels 0 to 1"):
            pyvolume.open(f"{tmp_path}/cells.zarr?level=2")

    def test_resize_changes_all_levels(self, tmp_path: Path) -> None:
        volume = create(tmp_path, levels=2)
        volume.resize((2, 50, 20, 20))
        assert (volume.shape, volume.scale(1).shape) == ((2, 50, 20, 20), (2, 25, 10, 20))
        same(volume[:, :40], ARRAY[:, :, :20])
        assert not volume[:, 40:].any()

    def test_voxels_beyond_a_shorter_axis_do_not_come_back(self, tmp_path: Path) -> None:
        volume = create(tmp_path)
        volume.resize((2, 35, 30, 20))
        volume.resize((2, 40, 30, 20))
        same(volume[:, :35], ARRAY[:, :35])
        assert not volume[:, 35:].any()

    def test_a_pyramid_that_is_made_is_not_called_stale(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        pyvolume.build_pyramid(create(tmp_path, levels=2))
        assert not caplog.records

    @pytest.mark.parametrize("shape", [(2, 50, 20), (3, 50, 20, 20), (2, 0, 20, 20)])
    def test_resize_refuses_other_shapes(self, tmp_path: Path, shape: tuple[int, ...]) -> None:
        with pytest.raises(SelectionError):
            create(tmp_path).resize(shape)

    def test_a_write_beyond_the_end_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(SelectionError):
            create(tmp_path)[:, 38:50] = 1


class TestChunks:
    def test_exists_has_an_entry_for_each_chunk(self, tmp_path: Path) -> None:
        volume = made(tmp_path / "a.zarr", (2, 40, 30, 20), "uint16", chunks=(1, 16, 16, 16))
        volume[1, 16:32, :16] = 7
        expected = np.zeros((2, 3, 2, 2), bool)
        expected[1, 1, 0] = True
        same(volume.exists(), expected)
        same(volume.exists(((1, 20, 0, 0), (2, 40, 16, 20))), expected[1:, 1:, :1])

    def test_a_missing_chunk_is_the_fill_value(self, tmp_path: Path) -> None:
        volume = made(tmp_path / "a.zarr", (1, 40, 30, 20), "uint16", fill_value=7)
        assert (volume[...] == 7).all()

    @pytest.mark.parametrize("version", ["0.4", "0.5"])
    @pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda _: b"", lambda _: b"nonsense"])
    def test_a_broken_chunk_is_named(self, tmp_path: Path, version: str, damage: Any) -> None:
        volume = create(tmp_path, format=version)
        folder = tmp_path / "cells.zarr" / "0"
        chunk = (folder / "1/0/1/2") if version == "0.4" else (folder / "c/1/0/1/2")
        chunk.write_bytes(damage(chunk.read_bytes()))
        with pytest.raises(AnswerError, match=r"0/(c/)?1/0/1/2 cannot be decoded"):
            volume[...]
        same(volume[0], ARRAY[0])

    def test_a_chunk_without_compression_that_is_cut_short_is_named(self, tmp_path: Path) -> None:
        volume = create(tmp_path, compressors=None)
        chunk = tmp_path / "cells.zarr" / "0" / "c/0/0/0/0"
        chunk.write_bytes(chunk.read_bytes()[:-2])
        with pytest.raises(AnswerError, match="c/0/0/0/0"):
            volume[0, 1, 1, 1]

    def test_an_index_of_a_shard_that_lies_is_found(self, tmp_path: Path) -> None:
        volume = create(tmp_path, shards=(1, 32, 32, 32))
        shard = tmp_path / "cells.zarr" / "0" / "c/0/0/0/0"
        data = bytearray(shard.read_bytes())
        data[-12] ^= 0xFF
        shard.write_bytes(data)
        with pytest.raises(AnswerError, match="c/0/0/0/0"):
            volume[0, :16]


class TestBadInput:
    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(NotFoundError, match=r"no folder .*none\.zarr"):
            pyvolume.open(tmp_path / "none.zarr")

    def test_a_path_that_is_not_in_the_hierarchy(self, tmp_path: Path) -> None:
        create(tmp_path)
        with pytest.raises(NotFoundError, match="labels/none"):
            pyvolume.open(tmp_path / "cells.zarr" / "labels" / "none")

    def test_a_folder_of_something_else(self, tmp_path: Path) -> None:
        (tmp_path / "a.zarr").mkdir()
        (tmp_path / "a.zarr" / "x.txt").write_text("mine")
        with pytest.raises(NotFoundError, match=r"a\.zarr"):
            pyvolume.open(tmp_path / "a.zarr")
        for overwrite in (False, True):
            with pytest.raises(ExistsError, match="not of zarr"):
                pyvolume.create(tmp_path / "a.zarr", (1, 4, 4, 4), "uint8", overwrite=overwrite)
        assert (tmp_path / "a.zarr" / "x.txt").read_text() == "mine"

    def test_no_folder_for_it(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="no folder"):
            pyvolume.create(tmp_path / "none" / "a.zarr", (1, 4, 4, 4), "uint8")

    def test_what_is_there_is_replaced_only_if_asked_for(self, tmp_path: Path) -> None:
        create(tmp_path)
        with pytest.raises(ExistsError, match="overwrite=True"):
            pyvolume.create(tmp_path / "cells.zarr", (1, 4, 4, 4), "uint8")
        same(opened(tmp_path / "cells.zarr")[...], ARRAY)
        new = made(tmp_path / "cells.zarr", (1, 4, 4, 4), "uint8", overwrite=True)
        assert not new[...].any()
        assert new.shape == (1, 4, 4, 4)

    def test_axes_that_ome_zarr_lacks(self, tmp_path: Path) -> None:
        with pytest.raises(UnsupportedError, match='format="zarr"'):
            pyvolume.create(tmp_path / "a.zarr", (1, 4, 4, 4, 2, 2), "uint8", dims="cxyzta")
        assert not (tmp_path / "a.zarr").exists()
        volume = made(tmp_path / "a.zarr", (1, 4, 4, 4, 2, 2), "uint8", dims="cxyzta", format="zarr")
        volume[...] = 3
        assert opened(tmp_path / "a.zarr").dims == tuple("cxyzta")

    @pytest.mark.parametrize(
        "options", [{"format": "0.6"}, {"format": "zarr", "levels": 2}, {"levels": [(1, 2, 2, 2)]}]
    )
    def test_options_that_contradict_each_other(self, tmp_path: Path, options: dict[str, Any]) -> None:
        with pytest.raises((ValueError, UnsupportedError)):
            pyvolume.create(tmp_path / "a.zarr", (1, 4, 4, 4), "uint8", **options)
        assert not (tmp_path / "a.zarr").exists()

    def test_a_dtype_of_no_numbers_leaves_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(UnsupportedError, match="complex64"):
            pyvolume.create(tmp_path / "a.zarr", (1, 4, 4, 4), "complex64")
        assert not list(tmp_path.iterdir())

    def test_a_misspelt_option(self, tmp_path: Path) -> None:
        with pytest.raises(TypeError, match="did you mean 'format'"):
            pyvolume.create(tmp_path / "a.zarr", (1, 4, 4, 4), "uint8", fromat="0.4")

    @pytest.mark.parametrize(
        ("change", "error"),
        [
            (lambda document: document.pop("codecs"), MetadataError),
            (lambda document: document.update(data_type="r8"), (MetadataError, UnsupportedError)),
            (lambda document: document["codecs"].append({"name": "secret.codec"}), UnsupportedError),
            (lambda document: document.update(shape=[2, "a"]), MetadataError),
        ],
    )
    def test_metadata_that_zarr_does_not_understand(self, tmp_path: Path, change: Any, error: Any) -> None:
        create(tmp_path)
        path = tmp_path / "cells.zarr" / "0" / "zarr.json"
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))
        with pytest.raises(error, match=r"cells\.zarr/0"):
            pyvolume.open(tmp_path / "cells.zarr")

    def test_an_unknown_codec_names_a_package(self, tmp_path: Path) -> None:
        create(tmp_path, format="0.4")
        path = tmp_path / "cells.zarr" / "0" / ".zarray"
        path.write_text(json.dumps({**json.loads(path.read_text()), "compressor": {"id": "imagecodecs_jpegxl"}}))
        with pytest.raises(UnsupportedError, match="the package imagecodecs has it"):
            pyvolume.open(tmp_path / "cells.zarr")

    def test_a_dataset_outside_of_the_hierarchy(self, tmp_path: Path) -> None:
        create(tmp_path)
        path = tmp_path / "cells.zarr" / "zarr.json"
        document = json.loads(path.read_text())
        document["attributes"]["ome"]["multiscales"][0]["datasets"][0]["path"] = "../other.zarr/0"
        path.write_text(json.dumps(document))
        with pytest.raises(MetadataError, match="inside"):
            pyvolume.open(tmp_path / "cells.zarr")


class TestGroups:
    @pytest.fixture
    def plate(self, tmp_path: Path) -> Path:
        path = tmp_path / "plate.zarr"
        group = zarr.open_group(str(path), mode="w")
        wells: Any = [
            {"path": "A/1", "rowIndex": 0, "columnIndex": 0},
            {"path": "A/2", "rowIndex": 0, "columnIndex": 1},
        ]
        names: Any = {"columns": [{"name": "1"}, {"name": "2"}], "rows": [{"name": "A"}]}
        group.attrs["ome"] = {"version": "0.5", "plate": {**names, "wells": wells}}
        for well in ("A/1", "A/2"):
            zarr.open_group(str(path), path=well).attrs["ome"] = {"version": "0.5", "well": {"images": [{"path": "0"}]}}
            create(path, f"{well}/0")
        return path

    def test_a_plate_lists_its_wells(self, plate: Path) -> None:
        with pytest.raises(UnsupportedError, match="found 2: 'A/1', 'A/2'"):
            pyvolume.open(plate)
        with pyvolume.connect(plate) as wells:
            assert [(each.name, each.kind) for each in wells.entries()] == [("A/1", "well"), ("A/2", "well")]
            same(wells["A/2/0"][...], ARRAY)
            with pytest.raises(KeyNotFoundError, match="A/2"):
                wells["A/3"]

    def test_a_field_of_a_well(self, plate: Path) -> None:
        same(opened(plate / "A/1/0")[...], ARRAY)
        same(opened(plate / "A/1")[...], ARRAY)  # it is the only one

    def test_the_only_image_of_bioformats2raw_is_opened(self, tmp_path: Path) -> None:
        create(tmp_path)
        group = zarr.open_group(str(tmp_path / "b.zarr"), mode="w")
        group.attrs["ome"] = {"version": "0.5", "bioformats2raw.layout": 3}
        (tmp_path / "cells.zarr").rename(tmp_path / "b.zarr" / "0")
        same(opened(tmp_path / "b.zarr")[...], ARRAY)

    def test_several_images_of_bioformats2raw_are_listed(self, tmp_path: Path) -> None:
        path = tmp_path / "b.zarr"
        zarr.open_group(str(path), mode="w").attrs["ome"] = {"version": "0.5", "bioformats2raw.layout": 3}
        zarr.open_group(str(path), path="OME")
        create(tmp_path, "b.zarr/0")
        create(tmp_path, "b.zarr/1")
        with pytest.raises(UnsupportedError, match="found 2: '0', '1'"):
            pyvolume.open(path)

    def test_a_singleton_axis_that_few_volumes_have_is_left_out(self, tmp_path: Path) -> None:
        group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
        group.create_array("0", data=np.einsum("cxyz->czyx", ARRAY)[None])
        axes = [
            {"name": name, "type": kind}
            for name, kind in zip("tczyx", ["time", "channel", *["space"] * 3], strict=True)
        ]
        scale: Any = [{"type": "scale", "scale": [1, 1, 2, 1, 1]}]
        scales: Any = [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}]
        group.attrs["ome"] = {"version": "0.5", "multiscales": scales}
        volume = opened(tmp_path / "a.zarr", mode="r+")
        assert volume.dims == tuple("cxyz")
        same(volume[...], ARRAY)
        volume[0, 5] = 9
        assert (opened(tmp_path / "a.zarr/0")[0, 5] == 9).all()

    def test_an_array_is_no_group(self, tmp_path: Path) -> None:
        create(tmp_path)
        with pytest.raises(UnsupportedError, match=r"pyvolume\.open"):
            pyvolume.connect(tmp_path / "cells.zarr" / "0")


class TestElsewhere:
    def test_a_volume_behind_a_web_server(self, tmp_path: Path) -> None:
        create(tmp_path, levels=2)
        with FileServer(tmp_path) as server, pyvolume.open(f"{server.url}/cells.zarr") as volume:
            same(volume[...], ARRAY)
            assert len(volume.scales) == 2
            assert volume.store.address == f"{server.url}/cells.zarr/0"
            with pyvolume.trace() as counted:
                volume[0, :16, :16, :16]
            assert (counted.requests, counted.bytes_fetched > 0) == (1, True)

    def test_a_crop_reads_the_chunks_around_it_only(self, tmp_path: Path) -> None:
        create(tmp_path)
        with FileServer(tmp_path) as server, pyvolume.open(f"{server.url}/cells.zarr") as volume:
            server.asked.clear()
            volume[1, 10:20, 3, :2]
            assert sorted(each.path for each in server.asked) == [
                "/cells.zarr/0/c/1/0/0/0",
                "/cells.zarr/0/c/1/0/0/1",
            ]

    def test_a_volume_behind_a_web_server_is_not_written(self, tmp_path: Path) -> None:
        create(tmp_path)
        with FileServer(tmp_path) as server, pytest.raises(UnsupportedError, match="only be read"):
            pyvolume.open(f"{server.url}/cells.zarr", "r+")

    def test_a_chunk_without_rights_is_an_error_that_names_it(self, tmp_path: Path) -> None:
        create(tmp_path)
        with FileServer(tmp_path) as server:
            server.behaviour = lambda asked: 403 if asked.path.endswith("c/1/0/0/0") else None
            with pytest.raises(ForbiddenError, match=r"c/1/0/0/0.*missing=\(404, 403\)"):
                opened(f"{server.url}/cells.zarr")[...]
            volume = opened(f"{server.url}/cells.zarr", missing=(404, 403))
            assert not volume[1, :16, :16, :16].any()
            same(volume[0], ARRAY[0])

    def test_a_busy_server_is_asked_again(self, tmp_path: Path) -> None:
        create(tmp_path)
        with FileServer(tmp_path) as server, pyvolume.open(f"{server.url}/cells.zarr") as volume:
            answers = iter([503, 503])
            server.behaviour = lambda _: next(answers, None)
            with pyvolume.trace() as counted:
                same(volume[...], ARRAY)
            assert counted.retries == 2

    def test_a_bucket(self, moto_url: str, tmp_path: Path) -> None:
        make_bucket(moto_url, "volumes")
        place: dict[str, Any] = {"endpoint": moto_url, "credentials": KEYS, "region": "us-east-1"}
        volume = made("s3://volumes/cells.zarr", ARRAY.shape, ARRAY.dtype, levels=2, **place)
        volume[...] = ARRAY
        pyvolume.build_pyramid(volume)
        same(opened("s3://volumes/cells.zarr", **place)[...], ARRAY)
        assert volume.store.address == f"s3+{moto_url}/volumes/cells.zarr/0"
        data = pickle.dumps(volume)
        assert KEYS["secret_access_key"].encode() not in data
        volume.attrs["stain"] = "DAPI"
        assert dict(volume.attrs) == {"stain": "DAPI"}
        with pytest.raises(ExistsError):
            pyvolume.create("s3://volumes/cells.zarr", (1, 4, 4, 4), "uint8", **place)
        replaced = made("s3://volumes/cells.zarr", (1, 4, 4, 4), "uint8", overwrite=True, **place)
        assert len(replaced.scales) == 1


class TestProcesses:
    def test_a_volume_travels_by_its_address(self, tmp_path: Path) -> None:
        volume = create(tmp_path, levels=2)
        copied = pickle.loads(pickle.dumps(volume.scale(1)))
        assert (copied.store.address, len(copied.scales)) == (volume.scale(1).store.address, 2)
        assert pickle.loads(pickle.dumps(volume)) == volume

    def test_a_volume_in_a_folder_survives_a_fork(self, tmp_path: Path) -> None:
        volume = create(tmp_path)
        volume[...]
        with multiprocessing.get_context("fork").Pool(1) as pool:
            same(pool.apply(np.asarray, (volume,)), ARRAY)
            same(pool.apply(_read, (str(tmp_path / "cells.zarr"),)), ARRAY)

    def test_two_handles_of_one_process_share_the_locks_of_chunks(self, tmp_path: Path) -> None:
        create(tmp_path, array=np.zeros((1, 64, 64, 64), "uint8"), chunks=(1, 64, 64, 64))
        handles = [opened(tmp_path / "cells.zarr", mode="r+") for _ in range(4)]

        def write(number: int) -> None:
            for x in range(number, 64, 4):
                handles[number][:, x] = x + 1

        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        same(handles[0][0, :, 5, 5], np.arange(1, 65, dtype="uint8"))


def _read(path: str) -> Any:
    return np.asarray(pyvolume.open(path)[...])
