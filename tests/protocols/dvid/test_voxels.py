"""What only a store of DVID's kind has: instances, versions, documents, refusals."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest
import requests
from conformance_stores import DvidBackend, ramp

import pyvolume
from pyvolume import VoxelsMetadata
from pyvolume.dvid import general, voxels
from pyvolume.errors import (
    AddressError,
    AlignmentError,
    ExistsError,
    ForbiddenError,
    LockedError,
    MetadataError,
    NotFoundError,
    RefusedError,
    SelectionError,
    UnsupportedError,
)

SHAPE = (1, 32, 32, 32)


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


def post(dvid: DvidBackend, path: str, document: Any) -> Any:
    """Ask the server for something that pyvolume does not do yet."""
    answer = requests.post(dvid.connection.url + path, json=document, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json() if answer.content else None


def default(shape: tuple[int, ...] = (1, 0, 0, 0), dtype: str = "uint8", dims: str = "cxyz") -> VoxelsMetadata:
    return VoxelsMetadata.of(shape, dtype, dims=dims, units="microns")


@pytest.fixture
def fresh_repo(dvid: DvidBackend) -> str:
    return general.create_repo(dvid.connection, "fresh", duplicate_alias=True)


@pytest.mark.parametrize("form", ["dvid://{url}/{uuid}/{name}", "{url}/api/node/{uuid}/{name}"])
def test_both_forms_of_a_url_open_the_volume(dvid: DvidBackend, form: str) -> None:
    array = ramp(SHAPE)
    made = dvid.new(array)
    with pyvolume.open(form.format(url=dvid.connection.url, uuid=made.uuid[:12], name=made.name)) as volume:
        same(volume[...], array)


def test_the_address_opens_the_same_volume(dvid: DvidBackend) -> None:
    made = dvid.new(ramp(SHAPE))
    with pyvolume.open(made.store.address, connection=dvid.connection) as volume:
        assert volume.store.address == made.store.address


def test_an_accessor_says_what_it_is(dvid: DvidBackend) -> None:
    volume = dvid.new(ramp((4, 32, 32, 32)))
    facts = (volume.typename, volume.block_shape, volume.uuid, volume.resolution, volume.units, volume.axiskeys)
    assert facts == ("rgba8blk", (16, 16, 16), dvid.uuid, (4.0, 4.0, 40.0), ("nanometers",) * 3, "cxyz")


def test_a_new_volume_is_empty(dvid: DvidBackend, fresh_repo: str) -> None:
    voxels.create_new(dvid.connection, fresh_repo, "empty", default((4, 0, 0, 0)))
    volume = pyvolume.dvid.VoxelsAccessor(dvid.connection, fresh_repo, "empty")
    assert (volume.shape, volume.bounds.size) == ((4, 0, 0, 0), 0)


def test_units_may_be_empty(dvid: DvidBackend, fresh_repo: str) -> None:
    metadata = VoxelsMetadata.of((1, 0, 0, 0), "uint8")
    voxels.create_new(dvid.connection, fresh_repo, "without", metadata)
    assert pyvolume.dvid.VoxelsAccessor(dvid.connection, fresh_repo, "without").units == ("", "", "")


def test_a_declared_shape_outlasts_the_first_write(dvid: DvidBackend, fresh_repo: str) -> None:
    voxels.create_new(dvid.connection, fresh_repo, "declared", default((1, 300, 200, 100)))
    volume = pyvolume.dvid.VoxelsAccessor(dvid.connection, fresh_repo, "declared")
    volume[:, 0:64, 0:64, 0:64] = 1
    assert volume.shape == (1, 300, 200, 100)


def test_a_volume_grows_to_the_box_here_and_to_whole_blocks_elsewhere(dvid: DvidBackend) -> None:
    volume = dvid.new(ramp(SHAPE))
    volume.post_ndarray((0, 30, 0, 0), (1, 70, 1, 1), np.ones((1, 40, 1, 1), "uint8"))
    assert volume.shape == (1, 70, 32, 32)
    assert volume.at(volume.uuid).shape == (1, 80, 32, 32)
    volume.refresh()
    assert volume.shape == (1, 80, 32, 32)


def test_an_empty_volume_asks_for_post_ndarray(dvid: DvidBackend, fresh_repo: str) -> None:
    voxels.create_new(dvid.connection, fresh_repo, "empty", default())
    volume = pyvolume.dvid.VoxelsAccessor(dvid.connection, fresh_repo, "empty")
    with pytest.raises(pyvolume.errors.VoxelsMismatchError, match="post_ndarray"):
        volume[...] = ramp(SHAPE)


def test_an_empty_write_leaves_the_extents_alone(dvid: DvidBackend) -> None:
    volume = dvid.new(ramp(SHAPE))
    volume[:, 5:5] = np.ones((1, 0, 32, 32), "uint8")
    volume.refresh()
    assert volume.shape == SHAPE


@pytest.mark.parametrize(
    ("dtype", "channels", "typename"),
    [("uint8", 1, "uint8blk"), ("uint8", 4, "rgba8blk"), ("uint16", 1, "uint16blk"), ("uint32", 1, "uint32blk"),
     ("uint64", 1, "uint64blk"), ("float32", 1, "float32blk")],
)  # fmt: skip
def test_the_type_follows_from_dtype_and_channels(
    dvid: DvidBackend, fresh_repo: str, dtype: str, channels: int, typename: str
) -> None:
    voxels.create_new(dvid.connection, fresh_repo, "made", default((channels, 0, 0, 0), dtype))
    assert pyvolume.dvid.VoxelsAccessor(dvid.connection, fresh_repo, "made").typename == typename


@pytest.mark.parametrize(
    ("metadata", "name", "error"),
    [
        (default(dtype="int16"), "v", UnsupportedError),
        (default(dtype="float64"), "v", UnsupportedError),
        (default((3, 0, 0, 0)), "v", UnsupportedError),
        (default((1, 0, 0), dims="cxy"), "v", UnsupportedError),
        (default(dims="czyx"), "v", UnsupportedError),
        (default(), "a/b", MetadataError),
        (default(), "note", MetadataError),
        (default(), "", MetadataError),
        (default((1, 2**31 + 1, 1, 1)), "v", SelectionError),
    ],
)
def test_what_the_server_could_not_serve_is_not_created(
    dvid: DvidBackend, fresh_repo: str, metadata: VoxelsMetadata, name: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        voxels.create_new(dvid.connection, fresh_repo, name, metadata)
    assert not general.get_repos_info(dvid.connection)[fresh_repo]["DataInstances"]


def test_a_name_that_is_taken_is_refused(dvid: DvidBackend) -> None:
    made = dvid.new(ramp(SHAPE))
    with pytest.raises(ExistsError, match="the name is taken"):
        voxels.create_new(dvid.connection, made.uuid, made.name, default())


def test_coordinates_beyond_32_bits_are_refused_before_asking(dvid: DvidBackend) -> None:
    with pytest.raises(SelectionError, match="outside"):
        dvid.new(ramp(SHAPE)).get_ndarray((0, 2**31, 0, 0), (1, 2**31 + 1, 1, 1))


def test_an_unknown_version_is_not_found(dvid: DvidBackend) -> None:
    with pytest.raises(NotFoundError, match="no version"):
        pyvolume.open(f"dvid://{dvid.connection.url}/zzz/gray", connection=dvid.connection)


def test_an_unknown_instance_is_not_found(dvid: DvidBackend) -> None:
    with pytest.raises(NotFoundError, match="no volume"):
        pyvolume.open(f"dvid://{dvid.connection.url}/{dvid.uuid}/nothing", connection=dvid.connection)


def test_a_connection_to_another_server_is_refused(dvid: DvidBackend) -> None:
    with pytest.raises(AddressError, match="connection goes to"):
        pyvolume.open(f"dvid://http://localhost:1/{dvid.uuid}/gray", connection=dvid.connection)


def test_a_repository_wants_the_admin_token(dvid: DvidBackend) -> None:
    if dvid.admin_token is None:
        pytest.skip("this server asks for no admin token")
    with (
        pyvolume.Connection(dvid.connection.url) as without,
        pytest.raises(ForbiddenError, match="admin_token"),
    ):
        general.create_repo(without, "nobody")


def test_a_repository_is_listed_under_its_uuid(dvid: DvidBackend) -> None:
    uuid = general.create_repo(dvid.connection, "an alias", "a description", root="12345678" * 4, duplicate_alias=True)
    repo = general.get_repos_info(dvid.connection)[uuid]
    assert (uuid, repo["Alias"], repo["Description"]) == ("12345678" * 4, "an alias", "a description")


def test_the_server_says_what_it_is(dvid: DvidBackend) -> None:
    assert "DVID Version" in general.get_server_info(dvid.connection)


def test_types_in_use_are_listed(dvid: DvidBackend) -> None:
    dvid.new(ramp(SHAPE))
    assert "uint8blk" in general.get_server_types(dvid.connection)


def test_an_instance_without_voxels_is_unsupported(dvid: DvidBackend, fresh_repo: str) -> None:
    kind = {"typename": "keyvalue", "dataname": "keys"}
    answer = requests.post(f"{dvid.connection.url}/api/repo/{fresh_repo}/instance", json=kind, timeout=30)
    if answer.status_code != 200:
        pytest.skip("this server has no keyvalue instances")
    with pytest.raises(UnsupportedError, match="keyvalue instance holds no voxels"):
        pyvolume.dvid.VoxelsAccessor(dvid.connection, fresh_repo, "keys")


class TestVersions:
    """Versions are looked up once, and a committed one refuses writes."""

    @pytest.fixture
    def story(self, dvid: DvidBackend, fresh_repo: str) -> dict[str, str]:
        """Make root -> child on master, and dev beside it; each of them holds its number everywhere."""
        voxels.create_new(dvid.connection, fresh_repo, "gray", default(), block_shape=(32, 32, 32))
        path = f"/api/node/{fresh_repo}"
        self.fill(dvid, fresh_repo, 1)
        post(dvid, f"{path}/commit", {"note": "done"})
        child = post(dvid, f"{path}/newversion", {"note": "next"})["child"]
        dev = post(dvid, f"{path}/branch", {"branch": "dev"})["child"]
        self.fill(dvid, child, 2)
        self.fill(dvid, dev, 3)
        return {"root": fresh_repo, "child": child, "dev": dev}

    def fill(self, dvid: DvidBackend, uuid: str, value: int) -> None:
        volume = pyvolume.dvid.VoxelsAccessor(dvid.connection, uuid, "gray")
        volume.post_ndarray((0, 0, 0, 0), SHAPE, np.full(SHAPE, value, "uint8"))

    @pytest.mark.parametrize(
        ("ref", "version"),
        [("{root}", "root"), ("{prefix}", "root"), ("{prefix}:master", "child"), ("{prefix}:master~1", "root"),
         ("{prefix}:dev", "dev"), ("{prefix}:dev~1", "root"), ("{prefix}:", "root"), ("{child}", "child")],
    )  # fmt: skip
    def test_every_form_is_resolved_to_the_full_uuid(
        self, dvid: DvidBackend, story: dict[str, str], ref: str, version: str
    ) -> None:
        text = ref.format(prefix=story["root"][:12], **story)
        assert pyvolume.dvid.VoxelsAccessor(dvid.connection, text, "gray").uuid == story[version]

    def test_a_tag_is_a_version(self, dvid: DvidBackend, story: dict[str, str]) -> None:
        name = f"release-{story['root'][:8]}"
        post(dvid, f"/api/node/{story['root']}/tag", {"tag": name})
        assert pyvolume.dvid.VoxelsAccessor(dvid.connection, name, "gray")[0, 0, 0, 0] == 1

    def test_too_far_back_is_not_found(self, dvid: DvidBackend, story: dict[str, str]) -> None:
        with pytest.raises(NotFoundError, match="out of range"):
            pyvolume.dvid.VoxelsAccessor(dvid.connection, f"{story['root'][:12]}:master~9", "gray")

    def test_a_handle_stays_when_the_branch_moves(self, dvid: DvidBackend, story: dict[str, str]) -> None:
        volume = pyvolume.dvid.VoxelsAccessor(dvid.connection, f"{story['root'][:12]}:master", "gray")
        post(dvid, f"/api/node/{story['child']}/commit", {"note": "done"})
        self.fill(dvid, post(dvid, f"/api/node/{story['child']}/newversion", {})["child"], 9)
        assert volume[0, 0, 0, 0] == 2

    def test_versions_do_not_touch_each_other(self, dvid: DvidBackend, story: dict[str, str]) -> None:
        values = [pyvolume.dvid.VoxelsAccessor(dvid.connection, uuid, "gray")[0, 5, 5, 5] for uuid in story.values()]
        assert values == [1, 2, 3]

    @pytest.mark.parametrize("shape", [(1, 32, 32, 32), (1, 256, 256, 256)])
    def test_a_committed_version_refuses_writes_by_name(
        self, dvid: DvidBackend, story: dict[str, str], shape: tuple[int, ...]
    ) -> None:
        volume = pyvolume.dvid.VoxelsAccessor(dvid.connection, story["root"], "gray")
        with pytest.raises(LockedError, match="newversion") as caught:
            volume.post_ndarray((0, 0, 0, 0), shape, np.zeros(shape, "uint8"))
        assert caught.value.version == story["root"]
        assert volume[0, 0, 0, 0] == 1

    def test_the_admin_token_does_not_open_a_committed_version(self, dvid: DvidBackend, story: dict[str, str]) -> None:
        volume = pyvolume.dvid.VoxelsAccessor(dvid.connection, story["root"], "gray")
        with pytest.raises(LockedError):
            volume[...] = 0


def test_a_lossy_instance_merges_nothing(dvid: DvidBackend, fresh_repo: str) -> None:
    voxels.create_new(dvid.connection, fresh_repo, "lossy", default(), block_shape=(32, 32, 32), compression="jpeg")
    volume = pyvolume.dvid.VoxelsAccessor(dvid.connection, fresh_repo, "lossy")
    volume.post_ndarray((0, 0, 0, 0), SHAPE, np.full(SHAPE, 7, "uint8"))
    with pytest.raises(AlignmentError, match="not what is stored"):
        volume[:, 1:3] = 0


def test_query_arguments_forbid_merging(dvid: DvidBackend) -> None:
    made = dvid.new(ramp(SHAPE))
    volume = pyvolume.dvid.VoxelsAccessor(dvid.connection, made.uuid, made.name, {"scale": "0"})
    with pytest.raises(AlignmentError, match="not what is stored"):
        volume[:, 1:3] = 0


def test_a_throttled_volume_reads_and_writes(dvid: DvidBackend) -> None:
    made = dvid.new(ramp(SHAPE))
    volume = pyvolume.dvid.VoxelsAccessor(dvid.connection, made.uuid, made.name, throttle=True)
    volume[:, 3:9] = 4
    assert volume[0, 3, 0, 0] == 4


def test_pydvids_functions_move_a_box(dvid: DvidBackend) -> None:
    made = dvid.new(ramp(SHAPE))
    array = ramp((1, 8, 9, 10), seed=4)
    voxels.post_ndarray(dvid.connection, made.uuid, made.name, (0, 1, 2, 3), (1, 9, 11, 13), array)
    same(voxels.get_ndarray(dvid.connection, made.uuid, made.name, (0, 1, 2, 3), (1, 9, 11, 13)), array)


def test_metadata_is_that_of_the_server(dvid: DvidBackend) -> None:
    made = dvid.new(ramp(SHAPE, "uint16"))
    labels = {"c": ["uint16"]}
    expected = VoxelsMetadata.of((1, 32, 32, 32), "<u2", resolution=(4, 4, 40), units="nanometers", labels=labels)
    assert voxels.get_metadata(dvid.connection, made.uuid, made.name) == expected == made.metadata


def test_metadata_has_the_names_of_pydvid_too(dvid: DvidBackend) -> None:
    volume = dvid.new(ramp(SHAPE))
    found = voxels.get_metadata(dvid.connection, volume.uuid, volume.name)
    assert (found.axiskeys, volume.voxels_metadata.axiskeys, volume.axiskeys) == ("cxyz",) * 3


def test_metadata_of_pydvid_equals_the_neutral_one() -> None:
    made = voxels.VoxelsMetadata.create_default_metadata((1, 5, 6, 7), "uint8", "cxyz", 2.0, "nm")
    neutral = VoxelsMetadata.of((1, 5, 6, 7), "uint8", resolution=2, units="nm")
    assert made == neutral
    assert neutral == made
    assert len({made, neutral, pickle.loads(pickle.dumps(made))}) == 1
    assert pickle.loads(pickle.dumps(made)).axiskeys == "cxyz"


def test_a_pickled_accessor_carries_no_token(dvid: DvidBackend) -> None:
    made = dvid.new(ramp(SHAPE))
    auth = pyvolume.dvid.Identity(token="a-secret", admin_token="another-secret")
    with pyvolume.Connection(dvid.connection.url, auth=auth) as connection:
        data = pickle.dumps(pyvolume.dvid.VoxelsAccessor(connection, made.uuid, made.name))
    assert b"-secret" not in data


@pytest.mark.parametrize("resolution", [float("inf"), float("nan"), 0, -1.0])
def test_a_resolution_that_would_break_the_server_is_not_sent(
    dvid: DvidBackend, fresh_repo: str, resolution: float
) -> None:
    metadata = dataclasses.replace(default(), resolution=(1.0, resolution, 1.0))
    with pytest.raises(MetadataError, match="finite and above 0"):
        voxels.create_new(dvid.connection, fresh_repo, "broken", metadata)


def test_throttling_by_a_query_argument_does_not_forbid_merging(dvid: DvidBackend) -> None:
    made = dvid.new(ramp(SHAPE))
    volume = pyvolume.dvid.VoxelsAccessor(dvid.connection, made.uuid, made.name, {"throttle": "on"})
    volume[:, 1:3] = 0
    assert volume[0, 1, 0, 0] == 0


def test_an_error_names_the_box(dvid: DvidBackend) -> None:
    made = dvid.new(ramp(SHAPE))
    volume = pyvolume.dvid.VoxelsAccessor(dvid.connection, made.uuid, made.name, {"roi": "nowhere"})
    with pytest.raises(RefusedError, match=r"read voxels \(0:1, 1:2, 0:32, 0:32\) of volume"):
        volume[:, 1:2]


@pytest.mark.parametrize(
    ("dtype", "blocks", "error"),
    [("uint16", (32, 32, 32), UnsupportedError), ("float32", (32, 32, 32), UnsupportedError),
     ("uint8", (128, 32, 32), MetadataError), ("uint8", (60, 32, 32), MetadataError)],
)  # fmt: skip
def test_jpeg_that_the_server_would_take_and_spoil(
    dvid: DvidBackend, fresh_repo: str, dtype: str, blocks: tuple[int, ...], error: type[Exception]
) -> None:
    metadata = pyvolume.VoxelsMetadata.of((1, 0, 0, 0), dtype)
    with pytest.raises(error, match="JPEG"):
        voxels.create_new(dvid.connection, fresh_repo, "lossy", metadata, block_shape=blocks, compression="jpeg")
    assert not general.get_repos_info(dvid.connection)[fresh_repo]["DataInstances"]


@pytest.mark.parametrize("blocks", [(120, 16, 8), (64, 64, 64)])
def test_jpeg_is_about_what_was_written(dvid: DvidBackend, fresh_repo: str, blocks: tuple[int, ...]) -> None:
    voxels.create_new(dvid.connection, fresh_repo, "lossy", default(), block_shape=blocks, compression="jpeg")
    volume = pyvolume.dvid.VoxelsAccessor(dvid.connection, fresh_repo, "lossy")
    smooth = np.broadcast_to(np.linspace(0, 250, blocks[0]).astype("uint8")[None, :, None, None], (1, *blocks))
    volume.post_ndarray((0,) * 4, smooth.shape, smooth)
    assert np.abs(volume[...].astype(int) - smooth).max() < 8
