"""Progress: who asked for it is told how far a transfer has come; nobody else sees anything."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from watched_store import WatchedStore

import pyvolume
from pyvolume import TransferStatus
from pyvolume.calls.progress import Bar, Reporter
from pyvolume.errors import StoreError

SHAPE = (1, 6, 5, 12)
PLANE = 30
ARRAY = np.arange(360, dtype="uint8").reshape(SHAPE)


def volume_of(concurrency: int = 1, blocks: tuple[int, ...] | None = None) -> pyvolume.Volume:
    """Make a volume that is moved in 12 pieces."""
    store = WatchedStore(ARRAY, blocks, max_read_bytes=PLANE, max_write_bytes=PLANE, preferred_concurrency=concurrency)
    return store.volume()


def read(volume: pyvolume.Volume, progress: Any = None) -> None:
    volume.get_ndarray((0, 0, 0, 0), SHAPE, progress=progress)


def write(volume: pyvolume.Volume, progress: Any = None) -> None:
    volume.post_ndarray((0, 0, 0, 0), SHAPE, ARRAY, progress=progress)


both = pytest.mark.parametrize("operate", [read, write])
Operate = Callable[..., None]


@both
@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_function_sees_growing_numbers_up_to_the_total(operate: Operate, concurrency: int) -> None:
    seen: list[TransferStatus] = []
    operate(volume_of(concurrency), seen.append)
    assert [status.bytes_done for status in seen] == list(range(PLANE, 12 * PLANE + 1, PLANE))
    assert {status.bytes_total for status in seen} == {360}


@pytest.mark.parametrize(
    "key", [np.s_[0, ::2, ::-2, ::3], np.s_[0, [1, 1, 5], 3, [2, 2, 7]], np.s_[:, 1:5, 1:, 1:7]], ids=str
)
@pytest.mark.parametrize("blocks", [(1, 1, 1), (4, 2, 3)])
def test_steps_and_points_and_merged_blocks_count_the_voxels_asked_for(key: Any, blocks: tuple[int, ...]) -> None:
    seen: list[TransferStatus] = []
    with pyvolume.set_options(progress=seen.append):
        volume_of(blocks=blocks)[key]
        volume_of(blocks=blocks)[key] = 1
    total = ARRAY[key].size
    finished = [status for status in seen if status.bytes_done == status.bytes_total]
    assert [(status.bytes_done, status.bytes_total) for status in finished] == [(total, total)] * 2


def test_one_thread_at_a_time_is_told() -> None:
    inside = threading.Lock()

    def tell(_: TransferStatus) -> None:
        assert inside.acquire(blocking=False)
        inside.release()

    read(volume_of(8), tell)


def test_what_the_function_raises_ends_the_transfer() -> None:
    def tell(status: TransferStatus) -> None:
        if status.bytes_done == 3 * PLANE:
            raise ValueError("seen enough")

    with pytest.raises(ValueError, match="seen enough"):
        read(volume_of(), tell)


def test_an_empty_transfer_tells_nothing() -> None:
    seen: list[TransferStatus] = []
    with pyvolume.set_options(progress=seen.append):
        volume_of()[:, 3:3]
    assert seen == []


class TestOptions:
    def test_they_hold_for_everything_inside_the_block(self) -> None:
        seen: list[TransferStatus] = []
        volume = volume_of()
        with pyvolume.set_options(progress=seen.append):
            volume[0, 0]
            volume[0, 0] = 1
            read(volume)
        volume[...]
        assert [status.bytes_total for status in seen] == [60] * 2 + [60] * 2 + [360] * 12

    def test_inner_ones_win_and_outer_ones_come_back(self) -> None:
        outer: list[TransferStatus] = []
        inner: list[TransferStatus] = []
        volume = pyvolume.from_array(ARRAY)
        with pyvolume.set_options(progress=outer.append):
            volume[...]
            with pyvolume.set_options(progress=inner.append):
                volume[...]
            with pyvolume.set_options(progress=False):
                volume[...]
            volume[...]
        assert (len(outer), len(inner)) == (2, 1)

    def test_they_come_back_after_an_error(self) -> None:
        seen: list[TransferStatus] = []
        with pytest.raises(KeyError), pyvolume.set_options(progress=seen.append):
            raise KeyError
        pyvolume.from_array(ARRAY)[...]
        assert seen == []

    @pytest.mark.parametrize("said", [False, print])
    def test_what_an_operation_is_told_itself_wins(self, said: Any, capsys: pytest.CaptureFixture[str]) -> None:
        seen: list[TransferStatus] = []
        with pyvolume.set_options(progress=seen.append):
            read(volume_of(), said)
        assert seen == []
        assert capsys.readouterr().out.count("TransferStatus(bytes_done=") == (0 if said is False else 12)


class TestBars:
    @pytest.fixture
    def shown(self, capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
        """Give what has been written to stderr since it was asked for last."""
        pytest.importorskip("tqdm", reason="tqdm comes with the extra 'progress'")
        return lambda: capsys.readouterr().err

    @both
    def test_true_shows_a_bar(self, operate: Operate, shown: Callable[[], str]) -> None:
        operate(volume_of(), True)
        assert re.search(rf"{operate.__name__}: 100%.* 360/360 ", shown())

    def test_options_show_a_bar(self, shown: Callable[[], str]) -> None:
        with pyvolume.set_options(progress=True):
            volume_of(8)[...]
        assert "360/360" in shown()

    def test_a_bar_tells_of_retries(self, shown: Callable[[], str]) -> None:
        with Reporter(True, "read", 100) as reporter:
            reporter.moved(100, 7)
        assert "retries=7" in shown()

    def test_a_quiet_bar_shows_nothing_where_there_is_no_terminal(self, shown: Callable[[], str]) -> None:
        with Bar("copy", quiet=True) as bar:
            bar(TransferStatus(50, 100, 0))
        assert shown() == ""

    def test_a_bar_is_closed_after_an_error(self, shown: Callable[[], str]) -> None:
        volume = volume_of()
        store: Any = volume.store

        def fail(method: str, box: pyvolume.Box) -> None:
            if len(store.asked) == 3:
                raise StoreError("the line broke")

        store.before = fail
        with pytest.raises(StoreError):
            read(volume, True)
        assert shown().endswith("\n")

    def test_without_tqdm_it_says_which_extra_is_needed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("tqdm", "tqdm.auto"):
            monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(ImportError, match=r"pyvolume-sdk\[progress\]"):
            read(volume_of(), True)

    def test_without_tqdm_nothing_is_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("tqdm", "tqdm.auto"):
            monkeypatch.setitem(sys.modules, name, None)
        volume = volume_of()
        with pytest.raises(ImportError):
            read(volume, True)
        store: Any = volume.store
        assert store.asked == []


@both
@pytest.mark.parametrize("progress", [None, False])
def test_nothing_is_printed_by_default(operate: Operate, progress: Any, capfd: pytest.CaptureFixture[str]) -> None:
    operate(volume_of(8), progress)
    assert capfd.readouterr() == ("", "")
