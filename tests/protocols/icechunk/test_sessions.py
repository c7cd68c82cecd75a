"""Sessions: what is written and not committed, and who else writes."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance_stores import ramp

import pyvolume
from pyvolume.errors import ConflictError, SelectionError, UnsupportedError
from pyvolume.icechunk import IcechunkVolume

SHAPE = (1, 32, 32, 32)
CHUNKS = (1, 16, 16, 16)
SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"icechunk://{tmp_path}/brain:main/gray"
    pyvolume.create(url, SHAPE, "uint8", chunks=CHUNKS).close()
    return url


def opened(url: str, mode: Any = "r+", **options: Any) -> IcechunkVolume:
    volume: IcechunkVolume = pyvolume.open(url, mode, kind=IcechunkVolume, **options)
    return volume


@pytest.fixture
def volume(url: str) -> Iterator[IcechunkVolume]:
    volume = opened(url)
    yield volume
    volume.close(discard=True)


def stored(url: str) -> Any:
    with pyvolume.open(url) as volume:
        return volume[...]


def fail_after_writing(volume: IcechunkVolume) -> None:
    with volume:
        volume[...] = 1
        _ = 1 // 0


class TestClosing:
    def test_what_is_not_committed_is_not_lost(self, url: str, volume: IcechunkVolume) -> None:
        volume[0, :16, 0, 0] = 1
        with pytest.raises(UnsupportedError, match="1 chunks of /gray/0 on main are not committed"):
            volume.close()
        assert int(volume[0, 0, 0, 0]) == 1
        volume.commit("later")
        volume.close()
        assert int(stored(url)[0, 0, 0, 0]) == 1

    def test_it_is_committed_where_that_is_said(self, url: str, volume: IcechunkVolume) -> None:
        volume[...] = 1
        volume.close(commit="at the end")
        assert stored(url).min() == 1

    def test_it_is_discarded_where_that_is_said(self, url: str, volume: IcechunkVolume) -> None:
        volume[...] = 1
        volume.close(discard=True)
        assert stored(url).max() == 0

    def test_both_are_refused(self, url: str, volume: IcechunkVolume) -> None:
        with pytest.raises(TypeError, match="both"):
            volume.close(commit="a", discard=True)
        with pytest.raises(TypeError, match="both"):
            opened(url, commit="a", discard=True)

    def test_a_block_commits_what_it_was_opened_for(self, url: str) -> None:
        with opened(url, commit="in a block") as volume:
            volume[...] = 1
        with pyvolume.open(url, kind=IcechunkVolume) as read:
            assert read.version.info().note == "in a block"

    def test_a_block_without_a_change_commits_nothing(self, url: str) -> None:
        before = len(opened(url, "r").versions())
        with opened(url, commit="nothing"):
            pass
        assert len(opened(url, "r").versions()) == before

    @pytest.mark.parametrize("said", [{}, {"commit": "said"}])
    def test_an_error_in_a_block_commits_nothing_and_loses_nothing(self, url: str, said: dict[str, str]) -> None:
        volume = opened(url, **said)
        with pytest.raises(ZeroDivisionError) as caught:
            fail_after_writing(volume)
        assert "8 chunks of /gray/0 on main are not committed, and gray was left open" in caught.value.__notes__[0]
        assert stored(url).max() == 0
        volume.close(commit="after all")
        assert stored(url).min() == 1

    def test_an_error_discards_where_that_was_said(self, url: str) -> None:
        with pytest.raises(ZeroDivisionError) as caught:
            fail_after_writing(opened(url, discard=True))
        assert not hasattr(caught.value, "__notes__")
        assert stored(url).max() == 0

    def test_a_session_on_another_branch_counts(self, url: str, volume: IcechunkVolume) -> None:
        volume.version.branch("dev")
        other = volume.at("dev")
        other[...] = 1
        for each in (other, volume):
            with pytest.raises(UnsupportedError, match="on dev are not committed"):
                each.close()
        other.close(commit="on dev")
        volume.close()

    def test_it_can_be_closed_twice(self, volume: IcechunkVolume) -> None:
        volume.close()
        volume.close()


class TestDiscarding:
    def test_the_voxels_are_those_before(self, volume: IcechunkVolume) -> None:
        volume[...] = 1
        states = [volume.is_committed]
        volume.discard()
        states.append(volume.is_committed)
        assert states == [False, True]
        assert int(volume[...].max()) == 0

    def test_what_is_only_read_has_nothing_to_commit(self, url: str) -> None:
        with opened(url, "r") as volume:
            for attempt in (volume.commit, volume.discard, volume.fork):
                with pytest.raises(UnsupportedError, match="mode"):
                    attempt()


class TestConflicts:
    def test_commits_of_different_chunks_are_joined(self, url: str, volume: IcechunkVolume) -> None:
        with opened(url) as other:
            volume[0, :16], other[0, 16:] = 1, 2
            volume.commit("ones")
            other.commit("twos")
            np.testing.assert_array_equal(other[0, :, 0, 0], [1] * 16 + [2] * 16)

    def test_commits_of_one_chunk_name_it(self, url: str, volume: IcechunkVolume) -> None:
        other = opened(url)
        volume[0, :16, :16, :16], other[0, :16, :20, :16] = 1, 2
        theirs = volume.commit("ones")
        with pytest.raises(ConflictError, match=r"changed the chunks /gray/0 \(0, 0, 0, 0\) too") as caught:
            other.commit("twos")
        assert caught.value.chunks == (("/gray/0", (0, 0, 0, 0)),)
        assert caught.value.version == theirs
        assert int(other[0, 0, 0, 0]) == 2
        other.discard()
        assert opened(url).version_name == theirs
        other.close()

    def test_after_a_conflict_one_discards_and_writes_again(self, url: str, volume: IcechunkVolume) -> None:
        with opened(url) as other:
            volume[...], other[0, :8, :16, :16] = 1, 2
            theirs = volume.commit("ones")
            with pytest.raises(ConflictError):
                other.commit("twos")
            other.discard()
            assert (int(other[0, 0, 0, 0]), other.version_name) == (1, theirs)
            other[0, :8, :16, :16] = 2
            other.commit("twos")
            assert [int(other[0, x, 0, 0]) for x in (0, 8)] == [2, 1]

    def test_a_conflict_travels(self, url: str, volume: IcechunkVolume) -> None:
        other = opened(url)
        volume[...], other[...] = 1, 2
        volume.commit()
        with pytest.raises(ConflictError) as caught:
            other.close(commit="twos")
        again = pickle.loads(pickle.dumps(caught.value))
        assert (again.chunks, str(again)) == (caught.value.chunks, str(caught.value))
        other.close(discard=True)

    def test_attributes_of_both_are_a_conflict(self, url: str, volume: IcechunkVolume) -> None:
        other = opened(url)
        volume.attrs["a"], other.attrs["b"] = 1, 2
        volume.commit()
        with pytest.raises(ConflictError, match="attributes or the shape of /gray"):
            other.commit()
        other.close(discard=True)

    def test_an_empty_commit_of_both_is_none(self, url: str, volume: IcechunkVolume) -> None:
        with opened(url) as other:
            assert volume.commit("one") != other.commit("two")

    def test_threads_that_commit_all_the_time_lose_nothing(self, url: str) -> None:
        expected = np.zeros(SHAPE, "uint8")

        def work(at: tuple[int, int]) -> None:
            x, y = at
            with opened(url) as volume:
                for value in range(1, 6):
                    volume[0, x : x + 16, y : y + 16] = value
                    volume.commit(f"{at} {value}")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, [(x, y) for x in (0, 16) for y in (0, 16)]))
        expected[...] = 5
        np.testing.assert_array_equal(stored(url), expected)
        assert len(opened(url, "r").versions()) == 2 + 20

    def test_a_commit_waits_for_writes_of_other_threads(self, volume: IcechunkVolume, url: str) -> None:
        stop = threading.Event()

        def write() -> int:
            value = 0
            while not stop.is_set():
                value = value % 250 + 1
                volume[...] = value
            return value

        with ThreadPoolExecutor(1) as pool:
            last = pool.submit(write)
            for _ in range(5):
                volume.commit()
                (found,) = np.unique(volume.at(volume.version_name)[...])
                assert 0 <= found <= 250
            stop.set()
        volume.commit("the last")
        assert np.unique(stored(url)).tolist() == [last.result()]


def commit_often(url: str, x: int, count: int) -> int:
    """Commit in another process, several times."""
    with opened(url) as volume:
        for value in range(1, count + 1):
            volume[0, x : x + 16] = value
            volume.commit(f"{x} {value}")
    return count


def written(volume: IcechunkVolume, x: int, value: int) -> IcechunkVolume:
    """Write in another process."""
    volume[0, x : x + 16] = value
    return volume


class TestProcesses:
    def test_two_that_commit_lose_nothing(self, url: str) -> None:
        with ProcessPoolExecutor(2, mp_context=SPAWN) as pool:
            counts = [each.result() for each in [pool.submit(commit_often, url, x, 15) for x in (0, 16)]]
        assert len(opened(url, "r").versions()) == 2 + sum(counts)
        np.testing.assert_array_equal(stored(url)[0, :, 0, 0], [15] * 32)

    def test_a_snapshot_travels(self, url: str, volume: IcechunkVolume) -> None:
        volume[...] = ramp(SHAPE)
        volume.commit()
        read = opened(url, "r")
        volume[...] = 0
        volume.commit()
        again = pickle.loads(pickle.dumps(read))
        assert again.version_name == read.version_name
        np.testing.assert_array_equal(again[...], ramp(SHAPE))

    def test_a_session_does_not_travel(self, volume: IcechunkVolume) -> None:
        with pytest.raises(UnsupportedError, match=r"volume\.fork\(\)"):
            pickle.dumps(volume)

    def test_forks_write_for_it(self, url: str, volume: IcechunkVolume) -> None:
        with ProcessPoolExecutor(2, mp_context=SPAWN) as pool:
            tasks = [pool.submit(written, volume.fork(), x, x + 1) for x in (0, 16)]
            forks = [task.result() for task in tasks]
        assert stored(url).max() == int(volume[...].max()) == 0
        volume.merge(*forks)
        volume.commit("by forks")
        np.testing.assert_array_equal(stored(url)[0, :, 0, 0], [1] * 16 + [17] * 16)

    def test_a_fork_is_merged_after_another_commit(self, url: str, volume: IcechunkVolume) -> None:
        early = volume.fork()
        volume[0, :16] = 1
        volume.commit()
        volume.merge(written(pickle.loads(pickle.dumps(early)), 16, 2))
        volume.commit()
        np.testing.assert_array_equal(stored(url)[0, :, 0, 0], [1] * 16 + [2] * 16)

    def test_forks_that_wrote_one_chunk_conflict(self, url: str, volume: IcechunkVolume) -> None:
        first, second = (pickle.loads(pickle.dumps(volume.fork())) for _ in range(2))
        first[0, :3] = 1
        second[0, 3:] = 2  # a part of the same chunk
        volume.merge(first)
        with pytest.raises(ConflictError, match="chunks") as caught:
            volume.merge(second)
        assert {number[-1] for _, number in caught.value.chunks} == {0}  # x comes last on disk
        volume.commit()
        assert stored(url)[0, :3].min() == 1
        assert stored(url)[0, 3:].max() == 0

    @pytest.mark.parametrize("is_committed", [False, True])
    def test_a_fork_conflicts_with_its_session(self, url: str, volume: IcechunkVolume, is_committed: bool) -> None:
        fork = pickle.loads(pickle.dumps(volume.fork()))
        fork[0, :3] = 1
        volume[0, 3:] = 2
        if is_committed:
            volume.commit()
        with pytest.raises(ConflictError, match="fork again"):
            volume.merge(fork)
        volume.commit()
        assert stored(url)[0, 3:].min() == 2

    def test_a_fork_begins_with_what_is_committed(self, volume: IcechunkVolume) -> None:
        volume[...] = 1
        with pytest.raises(UnsupportedError, match="commit or discard"):
            volume.fork()

    def test_a_fork_belongs_to_its_session(self, url: str, volume: IcechunkVolume) -> None:
        with opened(url) as other, pytest.raises(UnsupportedError, match="another session"):
            other.merge(volume.fork())
        fork = volume.fork()
        with pytest.raises(UnsupportedError, match="by the session"):
            fork.commit()
        with pytest.raises(UnsupportedError, match="expected a fork"):
            volume.merge(volume)

    def test_a_copy_on_a_cluster_comes_back(
        self, url: str, volume: IcechunkVolume, cluster: Any, tmp_path: Path
    ) -> None:
        source = pyvolume.create(tmp_path / "source.zarr", SHAPE, "uint8", chunks=CHUNKS)
        source[...] = ramp(SHAPE)
        assert pyvolume.copy(source, volume, client=cluster) == ramp(SHAPE).nbytes
        assert stored(url).max() == 0
        volume.commit("copied")
        np.testing.assert_array_equal(stored(url), ramp(SHAPE))

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
    def test_a_process_made_by_fork_says_so_at_once(self, url: str, volume: IcechunkVolume) -> None:
        def work() -> int:
            for attempt in (
                lambda: volume[...],
                lambda: volume.__setitem__(..., 1),
                volume.commit,
                lambda: opened(url),
            ):
                try:
                    attempt()
                except UnsupportedError as error:
                    if "spawn" in str(error) and "forkserver" in str(error):
                        continue
                return 2
            volume.close()
            return 0

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            process = os.fork()
        if process == 0:
            status = 1
            try:
                signal.alarm(20)
                status = work()
            finally:
                os._exit(status)
        assert os.waitpid(process, 0)[1] == 0


COPYING = """
import sys, time
import numpy as np
import pyvolume
from pyvolume.copying import run

source, url, journal = sys.argv[1:]
run.CHECKPOINT_BYTES = 4 * 16**3
run.PIECES = 10**6
with pyvolume.open(source) as src, pyvolume.open(url, "r+") as dst:
    import dataclasses
    dst.store.traits = dataclasses.replace(dst.store.traits, piece_bytes=(16**3, 16**3))
    def slowly(status):
        print(status.bytes_done, flush=True)
        time.sleep(0.05)
    print(pyvolume.copy(src, dst, resume=journal, concurrency=1, progress=slowly))
"""


class TestJournals:
    def test_only_what_is_committed_counts(self, url: str, tmp_path: Path) -> None:
        source, journal = tmp_path / "source.zarr", tmp_path / "journal"
        with pyvolume.create(source, SHAPE, "uint8", chunks=CHUNKS) as made:
            made[...] = ramp(SHAPE)
        command = [sys.executable, "-c", COPYING, str(source), url, str(journal)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for line in child.stdout:
                if int(line) >= 6 * 16**3:
                    child.kill()
        noted = [line for line in journal.read_text().splitlines() if '"checksum"' in line]
        kept = int(np.count_nonzero(np.any(stored(url).reshape(2, 16, 2, 16, 2, 16), axis=(1, 3, 5))))
        assert 0 < len(noted) <= kept < 8
        for left in (ramp(SHAPE).nbytes - len(noted) * 16**3, 0):
            said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
            assert int(said.splitlines()[-1]) == left
            np.testing.assert_array_equal(stored(url), ramp(SHAPE))

    def test_a_copy_with_a_journal_is_committed(self, url: str, tmp_path: Path) -> None:
        source = pyvolume.create(tmp_path / "source.zarr", SHAPE, "uint8", chunks=CHUNKS)
        source[...] = 5
        with opened(url) as volume:
            pyvolume.copy(source, volume, resume=tmp_path / "journal")
        assert stored(url).min() == 5
        with opened(url) as volume:
            assert pyvolume.copy(source, volume, resume=tmp_path / "journal") == 0

    def test_a_copy_without_one_is_not(self, url: str, volume: IcechunkVolume) -> None:
        pyvolume.copy(np.full(SHAPE, 5, "uint8"), volume)
        assert not volume.is_committed
        assert stored(url).max() == 0

    def test_a_change_of_others_is_found(self, url: str, volume: IcechunkVolume, tmp_path: Path) -> None:
        source = pyvolume.create(tmp_path / "source.zarr", SHAPE, "uint8", chunks=CHUNKS)
        source[...] = 5
        pyvolume.copy(source, volume, resume=tmp_path / "journal")
        volume[0, 0, 0, 0] = 6
        volume.commit()
        with opened(url) as again, pytest.raises(ValueError, match="other voxels"):
            pyvolume.copy(source, again, resume=tmp_path / "journal")


class TestLimits:
    def test_a_deadline_ends_the_wait_for_the_lock(self, url: str, tmp_path: Path) -> None:
        from pyvolume.calls.call import Call
        from pyvolume.icechunk.locks import locked

        impatient = opened(url, retry=pyvolume.RetryPolicy(deadline=0.3))
        impatient[...] = 1
        with locked(tmp_path / "brain", Call(pyvolume.RetryPolicy()), "hold"):
            began = time.monotonic()
            with pytest.raises(ConnectionError, match="deadline"):
                impatient.commit()
            assert time.monotonic() - began < 10
        assert not impatient.is_committed
        impatient.close(discard=True)

    def test_a_box_outside_is_refused(self, volume: IcechunkVolume) -> None:
        with pytest.raises((SelectionError, UnsupportedError)):
            volume.write(pyvolume.Box((0, 30, 0, 0), (1, 40, 4, 4)), np.zeros((1, 10, 4, 4), "uint8"))
