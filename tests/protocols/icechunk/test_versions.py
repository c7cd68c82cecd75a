"""Versions, branches and tags of a repository of Icechunk, with the words of DVID."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import pyvolume
from pyvolume.errors import (
    AddressError,
    AmbiguousError,
    ExistsError,
    KeyNotFoundError,
    LockedError,
    MetadataError,
    NotFoundError,
    RefusedError,
    UnsupportedError,
)
from pyvolume.icechunk import IcechunkVolume, Repo
from pyvolume.stores.catalogue import Attributed, Creating, Historic, Versioned

SHAPE = (1, 32, 32, 32)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"icechunk://{tmp_path}/brain"


@pytest.fixture
def volume(url: str) -> Iterator[IcechunkVolume]:
    """Give a volume in a session, of ones that are committed."""
    with pyvolume.create(f"{url}:main/gray", SHAPE, "uint8", chunks=(1, 16, 16, 16), resolution=8, units="nm") as made:
        assert isinstance(made, IcechunkVolume)
        made[...] = 1
        made.commit("ones")
        yield made


@pytest.fixture
def repo(url: str, volume: IcechunkVolume) -> Iterator[Repo]:
    with pyvolume.connect(url, kind=Repo) as repo:
        yield repo


def first_voxel(volume: pyvolume.Volume) -> int:
    return int(volume[0, 0, 0, 0])


class TestHandles:
    def test_a_volume_has_the_optional_protocols(self, volume: IcechunkVolume, repo: Repo) -> None:
        assert isinstance(volume, Versioned)
        assert isinstance(volume, Historic)
        assert isinstance(volume, Attributed)
        assert isinstance(repo, Creating)

    def test_a_volume_that_is_read_never_drifts(self, url: str, volume: IcechunkVolume) -> None:
        with pyvolume.open(f"{url}:main/gray") as read:
            volume[...] = 2
            volume.commit("twos")
            assert (first_voxel(read), first_voxel(volume)) == (1, 2)
            assert read.store.traits.immutable

    def test_a_session_sees_nothing_of_others(self, url: str, volume: IcechunkVolume) -> None:
        with pyvolume.open(f"{url}:main/gray", "r+") as other:
            volume[...] = 2
            volume.commit("twos")
            assert first_voxel(other) == 1

    def test_the_address_of_a_snapshot_opens_it_again(self, url: str, volume: IcechunkVolume) -> None:
        with pyvolume.open(f"{url}:main/gray") as read:
            volume[...] = 2
            volume.commit()
            with pyvolume.open(read.store.address) as again:
                assert first_voxel(again) == 1
                assert again.store.address == read.store.address

    def test_the_address_of_a_session_is_of_itself_alone(self, url: str, volume: IcechunkVolume) -> None:
        with pyvolume.open(f"{url}:main/gray", "r+") as other:
            assert other.store.address != volume.store.address
            assert f"{url}:main/gray" in other.store.address
            with pytest.raises(AddressError, match="nobody else can open"):
                pyvolume.open(other.store.address)

    @pytest.mark.parametrize("ref", ["main", ":main", "main~1", "v1"])
    def test_a_name_of_a_version_opens_it(self, url: str, volume: IcechunkVolume, ref: str) -> None:
        volume.version.tag("v1")
        volume[...] = 2
        volume.commit("twos")
        expected = 2 if ref.endswith("main") else 1
        with pyvolume.open(f"{url}:{ref}/gray") as read:
            assert first_voxel(read) == expected
            assert first_voxel(volume.at(ref)) == expected

    def test_the_beginning_of_an_id_opens_it(self, url: str, volume: IcechunkVolume) -> None:
        with pyvolume.open(f"{url}:{volume.version_name[:8].lower()}/gray", kind=IcechunkVolume) as read:
            assert read.version_name == volume.version_name

    def test_an_unknown_version_suggests_a_similar_one(self, url: str, volume: IcechunkVolume) -> None:
        with pytest.raises(NotFoundError, match="did you mean 'main'"):
            pyvolume.open(f"{url}:mainn/gray")
        with pytest.raises(NotFoundError, match="did you mean 'main'"):
            volume.at("mainn")

    def test_an_unknown_volume_suggests_a_similar_one(self, url: str, volume: IcechunkVolume) -> None:
        with pytest.raises(NotFoundError, match="did you mean 'gray'"):
            pyvolume.open(f"{url}:main/grey")

    def test_only_a_branch_is_written(self, url: str, volume: IcechunkVolume) -> None:
        with pytest.raises(LockedError, match="is no branch") as caught:
            pyvolume.open(f"{url}:{volume.version_name}/gray", "r+")
        assert caught.value.version == volume.version_name

    def test_versions_have_labels(self, volume: IcechunkVolume) -> None:
        labels = volume.version_labels()
        assert list(labels)[-1] == volume.version_name
        assert labels[volume.version_name] == f"{volume.version_name[:8]} main ones"
        assert list(volume.versions()) == list(labels)

    def test_attributes_belong_to_a_version(self, url: str, volume: IcechunkVolume) -> None:
        volume.attrs["stain"] = "nissl"
        with pyvolume.open(f"{url}:main/gray") as before:
            volume.commit("a stain")
            with pyvolume.open(f"{url}:main/gray") as after:
                assert (dict(before.attrs), dict(after.attrs)) == ({}, {"stain": "nissl"})  # type: ignore[attr-defined]

    def test_versions_are_compared(self, volume: IcechunkVolume) -> None:
        volume[0, 3, 4, 5] = 9
        volume.commit("nine")
        assert pyvolume.compare(volume.at("main~1"), volume.at("main")).counts.sum() == 1

    def test_dask_reads_another_version(self, volume: IcechunkVolume) -> None:
        volume[...] = 2
        volume.commit("twos")
        assert int(volume.to_dask(version="main~1").max().compute()) == 1

    def test_a_volume_says_what_it_is(self, volume: IcechunkVolume) -> None:
        facts = volume.describe()
        assert (facts["state"], facts["version"], facts["format"]) == (
            "open on main", volume.version_name, "OME-Zarr 0.5",
        )  # fmt: skip


class TestVersions:
    def test_a_version_is_committed_once(self, volume: IcechunkVolume) -> None:
        version = volume.version
        volume[...] = 2
        version.commit("twos", log=["a line"])
        info = version.info()
        assert (info.note, info.log, info.branch) == ("twos", ("a line",), "main")
        with pytest.raises(LockedError, match="committed already"):
            version.commit()

    def test_a_script_for_dvid_runs(self, volume: IcechunkVolume) -> None:
        first = volume.version
        first.commit("raw data", log=["scanned on a Monday"])
        fixed = first.new_version("without the stripes")
        fixed.volume("gray")[:, :, :, 10:20] = 2
        trial = first.branch("trial", "a bold idea")
        volume.at(trial)[:, 16:] = 3
        for each in (fixed, trial):
            each.commit()
        found = [
            (v.info().branch, v.info().note, np.unique(v.volume("gray")[...]).tolist()) for v in (first, fixed, trial)
        ]
        assert found == [
            ("main", "raw data", [1]), ("main", "without the stripes", [1, 2]), ("trial", "a bold idea", [1, 3]),
        ]  # fmt: skip

    def test_a_version_knows_its_relatives(self, repo: Repo) -> None:
        version = repo.version()
        (parent,) = version.parents
        assert parent == repo.version("main~1")
        assert parent.children() == (version,)
        assert list(version.ancestors()) == [parent, *parent.ancestors()]

    def test_an_open_version_comes_after_the_one_before(self, repo: Repo) -> None:
        version = repo.version()
        following = version.new_version()
        assert following.is_open
        assert following.parents == (version,)
        assert next(following.ancestors()) == version

    def test_the_note_can_be_set_before_the_commit(self, repo: Repo) -> None:
        version = repo.open_version()
        version.set_note("a note")
        version.add_log(["one", "two"])
        version.commit()
        assert (version.info().note, version.info().log) == ("a note", ("one", "two"))

    def test_a_commit_without_a_change_is_a_version(self, repo: Repo) -> None:
        before, version = repo.version(), repo.open_version()
        version.commit("nothing new")
        assert version.parents == (before,)
        assert repo.version() == version

    def test_a_version_has_one_next_version_on_its_branch(self, repo: Repo) -> None:
        first = repo.version()
        first.new_version().commit("second")
        with pytest.raises(ExistsError, match="branch\\(name\\)"):
            first.new_version()

    def test_an_open_version_has_no_children(self, repo: Repo) -> None:
        version = repo.open_version()
        version["gray"][0, 0, 0, 0] = 5
        attempts: list[Callable[[], object]] = [
            version.new_version, lambda: version.branch("dev"), lambda: version.tag("v1"),
        ]  # fmt: skip
        for attempt in attempts:
            with pytest.raises(RefusedError, match="commit it first"):
                attempt()
        version.discard()

    def test_a_committed_version_is_only_read(self, repo: Repo) -> None:
        assert repo.version().volume("gray").mode == "r"
        with pytest.raises(LockedError, match="committed already"):
            repo.version().volume("gray", "r+")

    def test_a_branch_is_made_once(self, repo: Repo) -> None:
        made = repo.version().branch("dev")
        assert list(repo.branches()) == ["dev", "main"]
        with pytest.raises(ExistsError, match="branch of this name"):
            repo.version().branch("dev")
        assert made.is_open

    def test_a_tag_stays(self, repo: Repo, volume: IcechunkVolume) -> None:
        tagged = repo.version().tag("v1")
        volume[...] = 2
        volume.commit()
        assert repo.tags() == {"v1": tagged}
        assert repo.version("v1") == tagged != repo.version()
        with pytest.raises(ExistsError, match="tag of this name"):
            repo.version().tag("v1")

    def test_a_branch_and_a_tag_of_one_name_are_ambiguous(self, repo: Repo) -> None:
        repo.version("main~1").tag("dev")
        repo.version().branch("dev")
        with pytest.raises(AmbiguousError, match="':dev' means the branch"):
            repo.version("dev")
        assert repo.version(":dev") == repo.version()

    @pytest.mark.parametrize("name", ["", "a b", "a/b", "a:b", "a~1", ".."])
    def test_a_name_that_could_not_be_looked_up_is_refused(self, repo: Repo, name: str) -> None:
        for attempt in (repo.version().branch, repo.version().tag):
            with pytest.raises(MetadataError, match="without spaces"):
                attempt(name)

    def test_a_version_lists_its_volumes(self, repo: Repo) -> None:
        version = repo.version()
        assert list(version) == version.volumes() == ["gray"]
        assert "gray" in version
        assert "grey" not in version
        with pytest.raises(KeyNotFoundError, match="did you mean 'gray'"):
            version["grey"]
        assert list(repo.version("main~2")) == []


class TestRepo:
    def test_it_shows_the_volumes_of_a_version(self, url: str, repo: Repo) -> None:
        assert list(repo) == ["gray"]
        assert "gray" in repo
        assert first_voxel(repo["gray"]) == 1
        with pyvolume.connect(f"{url}:main~1") as before:
            assert first_voxel(before["gray"]) == 0

    def test_it_lists_what_is_there(self, url: str, repo: Repo) -> None:
        repo.version().tag("v1")
        entries = {entry.name: (entry.kind, entry.url) for entry in repo.entries()}
        assert entries == {
            "gray": ("image", f"{url}:main/gray"), "main": ("branch", f"{url}:main"), "v1": ("tag", f"{url}:v1"),
        }  # fmt: skip
        assert repo.describe() == {"address": url, "versions": 3, "branches": ["main"], "tags": ["v1"]}

    def test_it_has_a_log(self, repo: Repo) -> None:
        assert [node.note for node in repo.log()] == ["ones", "create gray", "Repository initialized"]
        assert [node.note for node in repo.log("main~1")] == ["create gray", "Repository initialized"]

    def test_volumes_are_created_there(self, repo: Repo) -> None:
        metadata = pyvolume.VoxelsMetadata.of((1, 40, 30, 20), "uint16", resolution=4)
        made = repo.create_described("labels/cells", metadata, (8, 8, 8))
        assert (made.shape, made.chunks, made.is_committed) == ((1, 40, 30, 20), (1, 8, 8, 8), True)
        assert repo.log()[0].note == "create labels/cells"

    def test_volumes_are_created_in_an_open_version(self, repo: Repo) -> None:
        version = repo.open_version(note="two volumes")
        metadata = pyvolume.VoxelsMetadata.of((1, 8, 8, 8), "uint8")
        for name in ("a", "b"):
            version.create_described(name, metadata)[...] = 7
        assert "a" not in repo
        version.commit()
        assert list(repo) == ["a", "b", "gray"]

    def test_it_does_not_lose_what_is_not_committed(self, url: str, volume: IcechunkVolume) -> None:
        repo = pyvolume.connect(url)
        version = repo.open_version()
        version["gray"][...] = 5
        with pytest.raises(UnsupportedError, match="8 chunks of /gray/0 on main are not committed"):
            repo.close()
        repo.close(commit="fives")
        assert first_voxel(volume.at("main")) == 5

    def test_a_volume_is_no_repository(self, url: str, volume: IcechunkVolume) -> None:
        with pytest.raises(AddressError, match=r"pyvolume\.open"):
            pyvolume.connect(f"{url}:main/gray")
        with pytest.raises(AddressError, match=r"pyvolume\.connect"):
            pyvolume.open(url)


class TestCreate:
    def test_a_repository_is_made_with_its_branch(self, url: str) -> None:
        with pyvolume.create(f"{url}:dev/gray", SHAPE, "uint8"):
            pass
        with pyvolume.connect(url) as repo:
            assert list(repo.branches()) == ["dev", "main"]
            assert (list(repo), list(repo.version("dev"))) == ([], ["gray"])

    def test_a_second_volume_joins_it(self, url: str, volume: IcechunkVolume) -> None:
        with pyvolume.create(f"{url}:main/more/cells", SHAPE, "uint64", format="zarr") as cells:
            cells[...] = 1 << 40
            cells.commit()  # type: ignore[attr-defined]
        with pyvolume.open(f"{url}:main/more/cells") as read:
            assert first_voxel(read) == 1 << 40

    def test_what_is_there_is_not_replaced(self, url: str, volume: IcechunkVolume) -> None:
        with pytest.raises(ExistsError, match="overwrite=True"):
            pyvolume.create(f"{url}:main/gray", SHAPE, "uint8")
        with pyvolume.create(f"{url}:main/gray", (1, 8, 8, 8), "uint16", overwrite=True) as new:
            assert first_voxel(new) == 0
        assert volume.at("main~1").dtype == "uint8"

    def test_a_repository_has_no_other_branch(self, url: str, volume: IcechunkVolume) -> None:
        with pytest.raises(NotFoundError, match="did you mean 'main'"):
            pyvolume.create(f"{url}:mainn/cells", SHAPE, "uint8")

    def test_a_folder_of_something_else_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("mine")
        with pytest.raises(ExistsError, match="not of Icechunk"):
            pyvolume.create(f"icechunk://{tmp_path}:main/gray", SHAPE, "uint8")

    def test_zarr_v2_is_refused(self, url: str) -> None:
        with pytest.raises(UnsupportedError, match=r"format='0\.5'"):
            pyvolume.create(f"{url}:main/gray", SHAPE, "uint8", format="0.4")

    def test_what_cannot_be_created_makes_no_repository(self, tmp_path: Path) -> None:
        with pytest.raises(UnsupportedError, match='format="zarr"'):
            pyvolume.create(f"icechunk://{tmp_path}/new:main/gray", (1, 2, 2, 2, 2, 2), "uint8", dims="cxyztu")
        assert not (tmp_path / "new").exists()

    def test_a_pyramid_is_filled(self, url: str) -> None:
        with pyvolume.create(f"{url}:main/gray", SHAPE, "uint8", levels=2) as made:
            made[...] = 3
            pyvolume.build_pyramid(made)
            assert isinstance(made, IcechunkVolume)
            made.commit("a pyramid")
            assert first_voxel(made.at("main").scale(1)) == 3
