"""DVID's documents and refusals: what they say of a volume, and which error they become."""

from __future__ import annotations

import contextlib
import copy
import functools
import math
import operator
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from pyvolume import Box, VoxelsMetadata, errors
from pyvolume.dvid.address import check_name, segment
from pyvolume.dvid.creating import creation_document, typename_for
from pyvolume.dvid.documents import (
    block_shape,
    check_voxels,
    instance_description,
    voxels_metadata,
)
from pyvolume.dvid.extents import check_coordinates
from pyvolume.dvid.refusals import refusal
from pyvolume.dvid.schemas import SCHEMAS
from pyvolume.errors import (
    AmbiguousError,
    BusyError,
    ExistsError,
    ForbiddenError,
    LockedError,
    MetadataError,
    NotFoundError,
    RefusedError,
    SelectionError,
    TooLargeError,
    UnsupportedError,
)
from pyvolume.transport.request import Request

UUID = "fd55094871494184913794dcf0a03857"
RESERVED = ("note", "log", "branch", "commit", "newversion")


def axis(label: str, size: int, offset: int, resolution: float = 8) -> dict[str, Any]:
    return {"Label": label, "Resolution": resolution, "Units": "nanometers", "Size": size, "Offset": offset}


def metadata_document(axes: list[dict[str, Any]], values: list[tuple[str, str]], blocks: list[int]) -> dict[str, Any]:
    """Make the answer of ``/metadata``, with the fields that pyvolume does not look at."""
    return {
        "Axes": axes,
        "Properties": {
            "Values": [{"DataType": kind, "Label": label} for kind, label in values],
            "Interpolable": True,
            "BlockSize": blocks,
            "VoxelSize": [8] * len(axes),
            "VoxelUnits": ["nanometers"] * len(axes),
            "MinPoint": None,
            "MaxPoint": None,
            "Background": 0,
        },
    }


GRAY = metadata_document(
    [axis("X", 32, 0), axis("Y", 64, 32), axis("Z", 32, -64, 40)], [("uint16", "uint16")], [32, 32, 16]
)
EMPTY = metadata_document([axis(label, 0, 0) for label in "XYZ"], [("uint8", "uint8")], [32, 32, 32])
RGBA = metadata_document(
    [axis(label, 64, 0) for label in "XYZ"],
    [("uint8", "red"), ("uint8", "green"), ("uint8", "blue"), ("uint8", "alpha")],
    [32, 32, 32],
)


def info_document(typename: str, values: Any, compression: str = "LZ4 compression, level -1") -> dict[str, Any]:
    return {"Base": {"TypeName": typename, "Compression": compression}, "Extended": {"Values": values}}


GRAY_VALUES = [{"DataType": "uint8", "Label": "uint8"}]


class TestMetadata:
    def test_size_and_offset_are_the_bounds_behind_the_channel(self) -> None:
        assert voxels_metadata(GRAY, "gray").bounds == Box((0, 0, 32, -64), (1, 32, 96, -32))

    def test_resolution_and_units_are_one_per_axis(self) -> None:
        metadata = voxels_metadata(GRAY, "gray")
        assert (metadata.resolution, metadata.units) == ((8.0, 8.0, 40.0), ("nanometers",) * 3)

    @pytest.mark.parametrize("kind", ["uint8", "uint16", "uint32", "uint64", "float32"])
    def test_voxels_are_little_endian(self, kind: str) -> None:
        document = metadata_document([axis("X", 4, 0)], [(kind, "")], [4])
        assert voxels_metadata(document, "gray").dtype == np.dtype(kind).newbyteorder("<")

    def test_an_empty_volume_has_channels_and_no_voxels(self) -> None:
        metadata = voxels_metadata(EMPTY, "gray")
        assert (metadata.shape, metadata.bounds.size) == ((1, 0, 0, 0), 0)

    def test_rgba_has_four_channels_and_three_axes(self) -> None:
        metadata = voxels_metadata(RGBA, "rgba")
        assert (metadata.shape, metadata.dims, metadata.labels) == (
            (4, 64, 64, 64),
            tuple("cxyz"),
            (("red", "green", "blue", "alpha"), None, None, None),
        )

    @pytest.mark.parametrize(
        ("path", "values"),
        [
            ("$.Properties.BlockSize[1]", [0, -1, 2**31, 2**62, 10**30, 32.0, "32", None]),
            ("$.Axes[0].Resolution", [0, -1.5, math.nan, math.inf, -math.inf, 1e300, 10**400, "8", None]),
            ("$.Axes[2].Offset", [2**31, -(2**31) - 1, 10**30, 0.0, math.nan, "0"]),
            ("$.Axes[2].Size", [2**62, 64.0, True]),
            ("$.Properties.MaxPoint[0]", [2**31, 1.0, "1"]),
            ("$.Properties.MinPoint[2]", [-(2**62), None]),
        ],
    )
    def test_absurd_numbers_are_refused_with_their_path(self, path: str, values: list[Any]) -> None:
        names: list[Any] = [int(name) if name.isdigit() else name for name in re.findall(r"\w+", path)]
        for value in values:
            document = copy.deepcopy(GRAY)
            document["Properties"] |= {"MinPoint": [0, 0, 0], "MaxPoint": [1, 1, 1]}
            functools.reduce(operator.getitem, names[:-1], document)[names[-1]] = value
            with pytest.raises(MetadataError) as caught:
                SCHEMAS.validate("dvid-metadata-1", document, "open gray")
            assert caught.value.path == path

    def test_many_axes_are_refused(self) -> None:
        document = metadata_document([axis(chr(945 + i), 2, 0) for i in range(70)], [("uint8", "")], [32] * 70)
        with pytest.raises(MetadataError, match=r"breaks dvid-metadata-1 at \$\.Axes"):
            SCHEMAS.validate("dvid-metadata-1", document, "open gray")

    def test_a_block_that_no_machine_holds_is_refused(self) -> None:
        document = metadata_document([axis(label, 0, 0) for label in "XYZ"], [("uint8", "")], [2**30] * 3)
        with pytest.raises(MetadataError, match="a block has at most 2147483648 voxels") as caught:
            block_shape(document, "gray")
        assert caught.value.path == "$.Properties.BlockSize"

    def test_an_axis_that_ends_beyond_the_coordinates_is_refused(self) -> None:
        document = metadata_document([axis("X", 2**31 - 1, 2)], [("uint8", "")], [32])
        with pytest.raises(MetadataError, match="the axis 0 ends at 2147483649") as caught:
            voxels_metadata(document, "gray")
        assert caught.value.path == "$.Axes[0].Size"

    @pytest.mark.parametrize(
        "kind", ["f4,f4", "(3,)u1", "3u1", "O", "S5", "M8", "u1" * 1000, "(2147483648,)u1", "", ">u2"]
    )
    def test_a_type_that_numpy_would_take_for_more_than_a_number_is_refused(self, kind: str) -> None:
        with pytest.raises(UnsupportedError, match="numpy has no voxels of type") as caught:
            voxels_metadata(metadata_document([axis("X", 4, 0)], [(kind, "")], [4]), "gray")
        assert len(str(caught.value)) < 200

    @pytest.mark.parametrize("labels", ["X", "XY", "XYZT", "XYZTU"])
    def test_any_number_of_axes_is_read(self, labels: str) -> None:
        document = metadata_document([axis(label, 6, -2) for label in labels], [("uint8", "")], [4] * len(labels))
        metadata = voxels_metadata(document, "gray")
        assert (metadata.dims, metadata.bounds.shape) == (("c", *labels.lower()), (1,) + (6,) * len(labels))

    def test_fields_that_nobody_knows_pass(self) -> None:
        document = copy.deepcopy(GRAY)
        document["Axes"][0]["Colour"] = document["Properties"]["Secret"] = document["New"] = 1
        SCHEMAS.validate("dvid-metadata-1", document, "open gray")
        assert voxels_metadata(document, "gray") == voxels_metadata(GRAY, "gray")

    @pytest.mark.parametrize("labels", [("X", "x"), ("X", "C"), ("XY", ""), ("X", "Width")])
    def test_labels_of_axes_that_are_no_different_letters_are_refused(self, labels: tuple[str, ...]) -> None:
        document = metadata_document([axis(label, 4, 0) for label in labels], [("uint8", "")], [4, 4])
        with pytest.raises(MetadataError, match="axes"):
            voxels_metadata(document, "gray")

    def test_channels_of_several_dtypes_are_not_supported(self) -> None:
        document = metadata_document([axis("X", 4, 0)], [("uint8", "a"), ("float32", "b")], [4])
        with pytest.raises(UnsupportedError, match=r"one dtype, not \['float32', 'uint8'\]"):
            voxels_metadata(document, "gray")

    @pytest.mark.parametrize("kind", ["uint24", "object", "complex64", "datetime64", ""])
    def test_voxels_without_a_numeric_dtype_are_not_supported(self, kind: str) -> None:
        document = metadata_document([axis("X", 4, 0)], [(kind, "")], [4])
        with pytest.raises(UnsupportedError, match=f"open gray: numpy has no voxels of type '{kind}'"):
            voxels_metadata(document, "gray")

    def test_block_shape_has_an_entry_per_axis(self) -> None:
        assert block_shape(GRAY, "gray") == (32, 32, 16)

    @pytest.mark.parametrize("blocks", [[32, 32], [32, 32, 32, 32]])
    def test_a_block_of_other_axes_than_the_volume_is_refused_with_its_path(self, blocks: list[int]) -> None:
        document = metadata_document([axis(label, 64, 0) for label in "XYZ"], [("uint8", "")], blocks)
        with pytest.raises(MetadataError, match=f"a block of {len(blocks)} axes in a volume of 3") as raised:
            block_shape(document, "gray")
        assert raised.value.path == "$.Properties.BlockSize"


class TestInfo:
    @pytest.mark.parametrize(
        ("compression", "lossy"),
        [
            ("LZ4 compression, level -1", False),
            ("No compression, level -1", False),
            ("gzip compression, level 6", False),
            ("JPEG compression, level -1", True),
        ],
    )
    def test_jpeg_is_lossy(self, compression: str, lossy: bool) -> None:
        assert instance_description(info_document("uint8blk", GRAY_VALUES, compression), GRAY, "gray").lossy == lossy

    def test_typename_is_that_of_the_server(self) -> None:
        assert instance_description(info_document("uint8blk", GRAY_VALUES), GRAY, "gray").typename == "uint8blk"

    @pytest.mark.parametrize("typename", ["labelblk", "labelarray", "labelmap"])
    def test_labels_are_voxels(self, typename: str) -> None:
        info = info_document(typename, [{"DataType": "uint64"}])
        check_voxels(info, "seg")
        assert instance_description(info, GRAY, "seg").holds_labels

    @pytest.mark.parametrize(
        "document",
        [
            info_document("multichan16", None),
            {"Base": {"TypeName": "keyvalue"}, "Extended": {}},
            {"Base": {"TypeName": "roi"}, "Extended": {"BlockSize": [32, 32, 32]}},
            {"Base": {"TypeName": "imagetile"}, "Extended": None},
            {"Base": {"TypeName": "annotation"}},
        ],
        ids=lambda document: document["Base"]["TypeName"],
    )
    def test_instances_without_voxels_are_not_read(self, document: dict[str, Any]) -> None:
        with pytest.raises(UnsupportedError, match=f"a {document['Base']['TypeName']} instance holds no voxels"):
            check_voxels(document, "other")


def described(shape: tuple[int, ...], dtype: str, dims: str = "cxyz", units: Any = "nm") -> VoxelsMetadata:
    return VoxelsMetadata.of(shape, dtype, dims=dims, resolution=(8.0, 8.0, 40.0)[: len(shape) - 1], units=units)


class TestCreation:
    @pytest.mark.parametrize(
        ("dtype", "channels", "typename"),
        [
            ("uint8", 1, "uint8blk"),
            ("uint8", 4, "rgba8blk"),
            ("uint16", 1, "uint16blk"),
            ("uint32", 1, "uint32blk"),
            ("uint64", 1, "uint64blk"),
            ("float32", 1, "float32blk"),
            (">u2", 1, "uint16blk"),
        ],
    )
    def test_the_type_follows_from_dtype_and_channels(self, dtype: str, channels: int, typename: str) -> None:
        assert typename_for(described((channels, 0, 0, 0), dtype)) == typename

    @pytest.mark.parametrize(
        ("dtype", "channels"), [("int8", 1), ("float64", 1), ("bool", 1), ("uint8", 3), ("uint16", 4)]
    )
    def test_where_there_is_no_type_the_possible_ones_are_named(self, dtype: str, channels: int) -> None:
        possible = "uint8 × 1, uint8 × 4, uint16 × 1, uint32 × 1, uint64 × 1, float32 × 1"
        with pytest.raises(
            UnsupportedError, match=f"no instance type for {dtype} × {channels} .*; it stores {possible}"
        ):
            typename_for(described((channels, 0, 0, 0), dtype))

    @pytest.mark.parametrize("dims", ["cx", "cxy", "czyx", "cxyt"])
    def test_other_axes_than_xyz_cannot_be_created(self, dims: str) -> None:
        with pytest.raises(UnsupportedError, match=f"DVID stores the axes 'cxyz', not '{dims}'"):
            typename_for(described((1, *(0,) * (len(dims) - 1)), "uint8", dims))

    def test_the_document_holds_texts_one_per_axis(self) -> None:
        metadata = described((4, 0, 0, 0), "uint8", units=["nm", "nm", "um"])
        assert creation_document(metadata, "rgba", (64, 64, 32), "gzip:6") == {
            "typename": "rgba8blk",
            "dataname": "rgba",
            "BlockSize": "64,64,32",
            "VoxelSize": "8.0,8.0,40.0",
            "VoxelUnits": "nm,nm,um",
            "Compression": "gzip:6",
        }

    @pytest.mark.parametrize("compression", [None, "none", "lz4", "snappy", "gzip", "gzip:9", "jpeg"])
    def test_the_document_keeps_its_schema(self, compression: str | None) -> None:
        document = creation_document(described((1, 0, 0, 0), "uint8"), "gray", (64, 64, 64), compression)
        SCHEMAS.validate("dvid-create-instance-1", document, "create gray")
        assert document.get("Compression") == compression

    @pytest.mark.parametrize("compression", ["jpeg:80", "zip", ""])
    def test_a_compression_that_the_server_refuses_breaks_the_schema(self, compression: str) -> None:
        document = creation_document(described((1, 0, 0, 0), "uint8"), "gray", (64, 64, 64), compression)
        with pytest.raises(MetadataError, match=r"breaks dvid-create-instance-1 at \$\.Compression"):
            SCHEMAS.validate("dvid-create-instance-1", document, "create gray")

    @pytest.mark.parametrize("blocks", [(64, 64), (64,) * 4, (64, 0, 64), (64, 64, -64), ()])
    def test_blocks_that_the_server_would_not_survive_are_refused(self, blocks: tuple[int, ...]) -> None:
        with pytest.raises(MetadataError, match="block_shape must be three positive integers"):
            creation_document(described((1, 0, 0, 0), "uint8"), "gray", blocks, None)

    def test_blocks_that_could_not_be_opened_are_refused(self) -> None:
        with pytest.raises(MetadataError, match="a block has at most 2147483648 voxels"):
            creation_document(described((1, 0, 0, 0), "uint8"), "gray", (2048,) * 3, None)

    def test_a_resolution_that_the_server_would_round_to_0_is_refused(self) -> None:
        metadata = VoxelsMetadata.of((1, 0, 0, 0), "uint8", resolution=1e-50)
        with pytest.raises(MetadataError, match="a resolution is finite and above 0"):
            creation_document(metadata, "gray", (64, 64, 64), None)

    @pytest.mark.parametrize("units", ["a,b", ["nm", "n,m", "nm"]])
    def test_units_that_would_become_another_number_of_units_are_refused(self, units: Any) -> None:
        with pytest.raises(MetadataError, match="a unit must hold no comma"):
            creation_document(described((1, 0, 0, 0), "uint8", units=units), "gray", (64, 64, 64), None)

    @pytest.mark.parametrize(
        "name",
        ["", "a/b", "a b", "a\tb", "a\\b", "a?b", "a#b", "a%2Fb", "a:b", ".", "..", "\n", *RESERVED],
    )
    def test_names_that_cannot_be_reached_are_refused(self, name: str) -> None:
        with pytest.raises(MetadataError, match="create volume: expected a name without spaces, slashes"):
            check_name(name)

    @pytest.mark.parametrize("name", ["gray", "gray-8.5_nm", "Grau·ß", "notes", "status", "tag", "a~1"])
    def test_other_names_are_taken_as_they_are(self, name: str) -> None:
        check_name(name)
        assert creation_document(described((1, 0, 0, 0), "uint8"), name, (64,) * 3, None)["dataname"] == name


LOWEST, HIGHEST = -(2**31), 2**31 - 1


@pytest.mark.parametrize(
    ("low", "high", "fits"),
    [
        (0, 64, True),
        (LOWEST, LOWEST + 64, True),
        (HIGHEST - 63, HIGHEST + 1, True),
        (LOWEST - 1, LOWEST + 63, False),
        (HIGHEST, HIGHEST + 2, False),
        (2**40, 2**40 + 1, False),
        (-10, HIGHEST + 1, False),  # a size beyond 32 bits
    ],
)
def test_coordinates_and_sizes_are_32_bit(low: int, high: int, fits: bool) -> None:
    refusal_expected = contextlib.nullcontext() if fits else pytest.raises(SelectionError, match="32-bit integers")
    with refusal_expected:
        check_coordinates("read voxels of gray", Box((0, low), (1, high)))


def test_coordinates_beyond_32_bits_are_named() -> None:
    with pytest.raises(
        SelectionError, match=r"read voxels of gray: coordinates of DVID are 32-bit .*, 5:2147483650 is"
    ):
        check_coordinates("read voxels of gray", Box((0, 5), (1, 2**31 + 2)))


def refused(status: int, text: str, headers: Mapping[str, str] | None = None) -> RefusedError:
    """Turn an answer into an error, as the connection does: the text without the line breaks around it."""
    return refusal(Request("read voxels of gray", "GET", "/"), status, headers or {}, text.strip())


PATH = f"(/api/node/{UUID}/gray/raw/0_1_2/64_64_64/0_0_0)."


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (400, f"could not find UUID with partial match to zzz {PATH}", NotFoundError),
        (400, f"more than one UUID matches fd {PATH}", AmbiguousError),
        (400, f"bad UUID specification: a:b:c {PATH}", NotFoundError),
        (400, f'parent 9 is out of range for branch "master" {PATH}', NotFoundError),
        (400, f"invalid data instance name {PATH}", NotFoundError),
        (400, f'Can\'t get ROI with name "nope": invalid data instance name {PATH}', NotFoundError),
        (404, "404 page not found\n", NotFoundError),
        (400, f'Cannot do POST on endpoint "raw" of locked node {UUID} {PATH}\n', LockedError),
        (400, f"Cannot do post on locked node {UUID} {PATH}\n", LockedError),
        (400, f"New data instance cannot be created on locked node {UUID} {PATH}", LockedError),
        (
            400,
            f"Requested payload (8000000000 bytes) exceeds this DVID server's set limit (3221225472) {PATH}",
            TooLargeError,
        ),
        (
            400,
            "Creating a repo requires admin privileges (admintoken or DSG admin) on a server that is not read-only "
            "(/api/repos).",
            ForbiddenError,
        ),
        (400, f"Server in read-only mode and will only accept GET and HEAD requestcs {PATH}", ForbiddenError),
        (400, f"JWT required via Authorization in request header {PATH}", ForbiddenError),
        (400, f"error parsing JWT: token contains an invalid number of segments {PATH}", ForbiddenError),
        (401, "unauthorized", ForbiddenError),
        (403, "forbidden", ForbiddenError),
        (429, 'User "evil" is blocked: too many requests\n', ForbiddenError),
        (503, "Server already running 1 throttled operations (max = 1)\n\n", BusyError),
        (503, "DVID server is unavailable.\n", BusyError),
        (502, "", BusyError),
        (504, "<html>Gateway Timeout</html>", BusyError),
        (500, "Panic detected on request abc:\nindex out of range\nIP: 127.0.0.1, URL: /api\n\n", RefusedError),
        (400, 'Bad API call (/api/node/ab/g/x) for data "g".  See API help at http://h/api/help/roi', RefusedError),
        (400, f"cannot store voxels in non-block aligned geometry (0,0,1) -> (31,31,32) {PATH}", RefusedError),
        (400, "voxels data was 5 bytes, expected 8 bytes for 3d volume (2,2,2) at offset (0,0,0)", RefusedError),
        (400, f"DVID does not permit 2d mutations, only 3d block-aligned stores {PATH}", RefusedError),
        (400, f"Illegal geometry requested: 3d volume (0,10,10) at offset (0,0,0) {PATH}", RefusedError),
        (400, f'strconv.ParseInt: parsing "2147483648": value out of range {PATH}', RefusedError),
        (400, f"Unknown data shape specification (0_1_2_3) {PATH}", RefusedError),
        (400, f'Data named "g" already exists in repo (root {UUID}) (/api/repo/ab/instance).', ExistsError),
        (400, 'Data type "x" is not supported by current DVID server (/api/repo/ab/instance).', RefusedError),
        (400, 'cannot use reserved name "note" (/api/repo/ab/instance).', RefusedError),
        (400, "UUID already exists in datastore (/api/repos).", ExistsError),
    ],
)  # fmt: skip
def test_a_refusal_becomes_the_error_that_it_means(status: int, text: str, kind: type[RefusedError]) -> None:
    assert type(refused(status, text)) is kind


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(400, False), (401, False), (404, False), (429, False), (500, False), (502, True), (503, True), (504, True)],
)
def test_only_a_busy_server_is_asked_again(status: int, retryable: bool) -> None:
    assert refused(status, "some text").retryable == retryable


@pytest.mark.parametrize(
    ("status", "text", "unstarted"),
    [
        (503, "Server already running 1 throttled operations (max = 1)\n\n", True),
        (503, "DVID server is unavailable.\n", True),
        (503, "<html>DVID server is unavailable.</html>", False),
        (503, "", False),
        (502, "DVID server is unavailable.\n", False),
    ],
)
def test_only_dvid_itself_says_that_it_has_not_begun(status: int, text: str, unstarted: bool) -> None:
    error = refused(status, text)
    assert isinstance(error, errors.BusyError)
    assert error.unstarted == unstarted


def test_facts_of_a_refusal_are_attributes() -> None:
    text = f"invalid data instance name {PATH}"
    error = refused(400, text)
    assert (error.action, error.status, error.reason, error.detail) == (
        "read voxels of gray",
        400,
        "invalid data instance name",
        text,
    )


def test_the_message_of_a_refusal_has_no_path_in_brackets() -> None:
    error = refused(400, f"invalid data instance name {PATH}")
    assert str(error) == "read voxels of gray: no such instance in this repository (invalid data instance name)"


def test_an_unknown_refusal_repeats_what_the_server_said() -> None:
    error = refused(400, f"something new {PATH}")
    assert str(error) == "read voxels of gray: the server answered 400: something new"


def test_a_locked_version_is_named_with_the_way_to_a_child() -> None:
    error = refused(400, f'Cannot do POST on endpoint "raw" of locked node {UUID} {PATH}')
    assert isinstance(error, LockedError)
    assert error.version == UUID
    assert f"POST /api/node/{UUID}/newversion" in str(error)


def test_a_missing_admin_token_names_the_option() -> None:
    text = "Creating a repo requires admin privileges (admintoken or DSG admin) on a server that is not read-only"
    assert "admin_token" in str(refused(400, f"{text} (/api/repos)."))


@pytest.mark.parametrize(
    ("headers", "retry_after"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "Wed, 21 Oct 2026"}, None),
        ({"Retry-After": "\xb2"}, None),
        ({"Retry-After": "-1"}, None),
    ],
)
def test_retry_after_is_read_in_seconds(headers: dict[str, str], retry_after: float | None) -> None:
    error = refused(503, "busy", headers)
    assert isinstance(error, errors.BusyError)
    assert error.retry_after == retry_after


@pytest.mark.parametrize(
    ("text", "encoded"),
    [("ab:dev", "ab:dev"), (":master~1", ":master~1"), ("a/b", "a%2Fb"), ("ß ?#", "%C3%9F%20%3F%23")],
)
def test_a_segment_of_a_path_keeps_what_names_versions(text: str, encoded: str) -> None:
    assert segment(text) == encoded


def test_an_unlocked_node_is_not_a_locked_version() -> None:
    error = refusal(
        Request("branch", "POST", "/branch"), 400, {}, "can't branch an unlocked node (/api/node/ab/branch)."
    )
    assert type(error) is RefusedError
