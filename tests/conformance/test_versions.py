"""Versions: the same words on DVID and on Icechunk, with the same results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conformance_stores import SIDE, VersionedBackend

import pyvolume
from pyvolume.errors import ExistsError, LockedError, MetadataError, NotFoundError, RefusedError, UnsupportedError
from pyvolume.stores.catalogue import Attributed, Historic, Versioned

SHAPE = (1, SIDE, SIDE, SIDE)
PART = np.s_[:, :5, 3:20, 7:9]


@pytest.fixture
def root(versioned: VersionedBackend) -> Any:
    """Give a committed version in which "gray" is 1 everywhere."""
    version = versioned.new_version()
    version.volume("gray")[...] = 1
    version.commit("ones")
    return version


def values(version: Any) -> list[int]:
    found: list[int] = np.unique(version.volume("gray")[...]).tolist()
    return found


class TestHistory:
    def test_a_script_gives_the_same_history(self, versioned: VersionedBackend) -> None:
        first = versioned.new_version()
        first.volume("gray")[...] = 1
        first.commit("raw data", log=["scanned on a Monday"])
        fixed = first.new_version("without the stripes")
        fixed.volume("gray")[:, :, :, 10:20] = 2
        trial = first.branch("trial", "a bold idea")
        first.volume("gray").at(trial)[:, 16:] = 3
        for each in (fixed, trial):
            each.commit()
        found = [(v.info().branch, v.info().note, values(v)) for v in (first, fixed, trial)]
        assert found == [
            (versioned.main, "raw data", [1]),
            (versioned.main, "without the stripes", [1, 2]),
            ("trial", "a bold idea", [1, 3]),
        ]
        assert first.info().log[-1].endswith("scanned on a Monday")

    def test_versions_know_their_relatives(self, root: Any) -> None:
        child, dev = root.new_version(), root.branch("dev")
        assert (child.parents, dev.parents) == ((root,), (root,))
        assert next(child.ancestors()) == root
        child.commit()
        dev.commit()
        assert {each.uuid for each in root.children()} == {child.uuid, dev.uuid}

    def test_a_note_is_given_when_a_version_is_made_or_committed(self, root: Any) -> None:
        child = root.new_version("made so")
        child.commit()
        grandchild = child.new_version("made so")
        grandchild.commit("committed so")
        assert (child.info().note, grandchild.info().note) == ("made so", "committed so")

    def test_a_note_and_lines_are_added_to_an_open_version(self, root: Any) -> None:
        child = root.new_version()
        child.set_note("a note")
        child.add_log(["one", "two"])
        child.commit(log=["three"])
        assert child.info().note == "a note"
        assert [line.split()[-1] for line in child.info().log[-3:]] == ["one", "two", "three"]

    def test_a_commit_without_a_change_is_a_version(self, root: Any) -> None:
        child = root.new_version()
        child.commit("nothing new")
        assert child.parents == (root,)
        assert values(child) == [1]

    def test_lineage_and_labels_tell_of_every_version(self, versioned: VersionedBackend, root: Any) -> None:
        child = root.new_version("second")
        child.commit()
        volume = child.volume("gray")
        labels = volume.version_labels()
        assert labels[child.uuid] == f"{child.uuid[:8]} {versioned.main} second"
        assert list(labels) == list(volume.lineage())
        assert {root.uuid, child.uuid} <= set(labels)
        assert volume.lineage()[child.uuid].parents == (root.uuid,)
        assert volume.lineage()[root.uuid].locked


class TestVolumes:
    def test_a_volume_has_the_optional_protocols(self, root: Any) -> None:
        volume = root.volume("gray")
        assert isinstance(volume, Versioned)
        assert isinstance(volume, Historic)
        assert isinstance(volume, Attributed)
        assert volume.at(root).version_name == root.uuid
        assert volume.version_name == root.uuid

    def test_a_handle_never_drifts(self, root: Any) -> None:
        volume = root.volume("gray")
        child = root.new_version()
        child.volume("gray")[PART] = 9
        child.commit()
        assert values(root) == [1]
        np.testing.assert_array_equal(volume[PART], 1)
        np.testing.assert_array_equal(volume.at(child)[PART], 9)

    def test_a_committed_version_is_immutable_and_refuses_writes(self, root: Any) -> None:
        volume = root.volume("gray")
        assert volume.store.traits.immutable
        with pytest.raises((LockedError, UnsupportedError)):
            volume[PART] = 2
        assert values(root) == [1]

    def test_what_was_written_is_read_before_the_commit(self, root: Any) -> None:
        child = root.new_version()
        volume = child.volume("gray")
        assert not volume.store.traits.immutable
        volume[PART] = 2
        np.testing.assert_array_equal(volume[PART], 2)
        child.commit()
        np.testing.assert_array_equal(root.volume("gray").at(child.uuid)[PART], 2)

    def test_a_branch_sees_nothing_of_another(self, root: Any) -> None:
        child, dev = root.new_version(), root.branch("dev")
        child.volume("gray")[PART] = 2
        dev.volume("gray")[PART] = 3
        child.commit()
        dev.commit()
        assert (values(child), values(dev)) == ([1, 2], [1, 3])

    @pytest.mark.parametrize("form", ["uuid", "prefix", "branch", "behind"])
    def test_a_word_names_a_version(self, versioned: VersionedBackend, root: Any, form: str) -> None:
        child = root.new_version()
        child.volume("gray")[PART] = 2
        child.commit()
        ref, expected = {
            "uuid": (root.uuid, root),
            "prefix": (root.uuid[:12], root),
            "branch": (f":{versioned.main}", child),
            "behind": (f":{versioned.main}~1", root),
        }[form]
        assert child.volume("gray").at(ref).version_name == expected.uuid

    def test_a_tag_names_a_version(self, versioned: VersionedBackend, root: Any) -> None:
        tagged = root.tag(name := versioned.fresh("tag"))
        child = root.new_version()
        child.volume("gray")[PART] = 2
        child.commit()
        assert values(tagged) == [1]
        assert np.unique(child.volume("gray").at(name)[...]) == 1

    def test_an_unknown_version_is_not_found(self, root: Any) -> None:
        with pytest.raises(NotFoundError, match="nothing"):
            root.volume("gray").at(":nothing")

    def test_versions_are_compared(self, root: Any) -> None:
        child = root.new_version()
        child.volume("gray")[PART] = 2
        child.commit()
        difference = pyvolume.compare(root.volume("gray"), child.volume("gray"))
        assert difference.counts.sum() == 5 * 17 * 2

    def test_dask_reads_another_version(self, root: Any) -> None:
        pytest.importorskip("dask")
        child = root.new_version()
        child.volume("gray")[...] = 2
        child.commit()
        assert int(child.volume("gray").to_dask(version=root.uuid).max().compute()) == 1

    def test_attributes_belong_to_a_version(self, root: Any) -> None:
        child = root.new_version()
        child.volume("gray").attrs["stain"] = "nissl"
        child.commit()
        assert dict(child.volume("gray").attrs)["stain"] == "nissl"


class TestRefusals:
    def test_a_version_is_committed_once(self, root: Any) -> None:
        with pytest.raises(LockedError, match="committed already"):
            root.commit()

    def test_a_version_has_one_next_version_on_its_branch(self, root: Any) -> None:
        root.new_version().commit("second")
        with pytest.raises(ExistsError, match="branch"):
            root.new_version()

    def test_an_open_version_has_no_children(self, root: Any) -> None:
        child = root.new_version()
        child.volume("gray")[PART] = 2
        attempts: list[Callable[[], object]] = [child.new_version, lambda: child.branch("dev")]
        for attempt in attempts:
            with pytest.raises(RefusedError):
                attempt()
        child.commit()

    def test_a_branch_is_made_once(self, root: Any) -> None:
        root.branch("dev").commit()
        with pytest.raises(ExistsError):
            root.branch("dev")

    @pytest.mark.parametrize("name", ["", "a b", "a/b", "a:b", "a~1"])
    def test_a_name_that_could_not_be_looked_up_is_refused(self, root: Any, name: str) -> None:
        for attempt in (root.branch, root.tag):
            with pytest.raises(MetadataError):
                attempt(name)

    def test_a_version_lists_its_volumes(self, root: Any) -> None:
        assert root.volumes() == ["gray"]
        assert "gray" in root
        with pytest.raises(KeyError, match="gray"):
            root["grey"]
