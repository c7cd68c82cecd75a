"""Locks: other programs are waited for, and only the lock of a process of ours that has ended is removed."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pyvolume.errors import BusyTimeoutError
from pyvolume.local import LocalStore
from pyvolume.local.layout import Root
from pyvolume.local.locks import locked
from pyvolume.local.processes import host, is_gone, started


def test_an_empty_lock_is_a_session_that_only_a_user_can_end(store: LocalStore) -> None:
    lock = store.path / "lock"
    lock.touch()
    os.utime(lock, (0, lock.stat().st_mtime - 100))
    with pytest.raises(BusyTimeoutError, match=r"lock is held by a session of romidata .* for 100 s.*break_lock\(\)"):
        store.create("fern")
    assert [each.kind for each in store.check()] == ["lock"]
    assert store.repair() == []
    assert lock.exists()
    assert store.break_lock().startswith("a session of romidata")
    assert store.break_lock() == ""
    store.create("fern")
    assert not lock.exists()


def test_a_lock_that_is_a_link_to_nothing_is_one(store: LocalStore) -> None:
    (store.path / "lock").symlink_to("nowhere")
    with pytest.raises(BusyTimeoutError, match="a session of romidata or plantdb"):
        store.create("fern")
    assert [each.kind for each in store.check()] == ["lock"]
    assert "a session" in store.break_lock()
    store.create("fern")


def test_a_lock_that_is_a_folder_is_named(store: LocalStore) -> None:
    (store.path / "lock").mkdir()
    with pytest.raises(BusyTimeoutError, match="a session of romidata or plantdb"):
        store.create("fern")
    assert [each.kind for each in store.check()] == ["lock"]
    with pytest.raises(OSError, match=r"break the lock of /.*/db: /.*/db/lock: "):
        store.break_lock()


def test_a_session_that_ends_in_time_is_waited_for(store: LocalStore) -> None:
    lock = store.path / "lock"
    lock.touch()
    patient = LocalStore(store.path, "r+", patience=60, fsync=False)
    begun = threading.Thread(target=patient.create, args=("fern",))
    begun.start()
    lock.unlink()
    begun.join()
    assert list(store) == ["fern"]


def ended_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


@pytest.mark.parametrize(
    ("facts", "is_healed"),
    [
        ({}, True),
        ({"host": "another"}, False),
        ({"pid": os.getpid(), "start": started(os.getpid())}, False),
        ({"pid": os.getpid(), "start": "1"}, True),
        ({"program": "other"}, False),
    ],
    ids=["ended", "another machine", "this process", "another process with its number", "another program"],
)
def test_a_lock_is_removed_only_if_its_process_has_ended(
    store: LocalStore, facts: dict[str, object], is_healed: bool
) -> None:
    lock = store.path / "lock"
    lock.write_text(json.dumps({"program": "pyvolume", "host": host(), "pid": ended_process(), "start": ""} | facts))
    if is_healed:
        store.create("fern")
        assert not lock.exists()
    else:
        with pytest.raises(BusyTimeoutError):
            store.create("fern")
        assert lock.exists()


def test_the_lock_tells_whose_it_is(store: LocalStore) -> None:
    root = Root(store.path, writable=True, patience=0, fsync=False)
    with locked(root, "fern", "test"):
        facts = json.loads((store.path / "lock").read_text())
        with pytest.raises(BusyTimeoutError, match=r"locks/fern.lock"):
            store.create("fern")
        with pytest.raises(BusyTimeoutError, match=rf"held by process {os.getpid()} of pyvolume on ") as caught:
            store.create("moss")
    assert (facts["pid"], facts["host"], facts["start"]) == (os.getpid(), host(), started(os.getpid()))
    assert caught.value.detail.startswith(f"process {os.getpid()}")
    assert [each.name for each in (store.path / ".pyvolume").iterdir()] == []
    store.create("fern")


def test_a_lock_that_somebody_has_broken_is_not_removed_for_the_next(store: LocalStore) -> None:
    root = Root(store.path, writable=True, patience=0, fsync=False)
    with locked(root, "fern", "test"):
        store.break_lock()
        (store.path / "lock").touch()
    assert (store.path / "lock").exists()


def test_the_lock_of_plantdb_for_a_scan_is_waited_for(store: LocalStore) -> None:
    scan = store.create("fern")
    with (store.path / ".locks/fern.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        with pytest.raises(BusyTimeoutError, match=r"another program holds .*\.locks/fern\.lock"):
            scan.set_metadata("a", 1)
        store.create("moss")
    scan.set_metadata("a", 1)


def test_a_lock_that_plantdb_has_removed_holds_nobody_off(store: LocalStore) -> None:
    scan = store.create("fern")
    place = store.path / ".locks/fern.lock"
    with place.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        place.unlink()
        scan.set_metadata("a", 1)
    assert scan.get_metadata("a") == 1


def test_threads_lose_nothing(store: LocalStore) -> None:
    store.create("fern").create("raw")
    patient = LocalStore(store.path, "r+", patience=60, fsync=False)

    def add(thread: int) -> None:
        raw = patient["fern"]["raw"]
        for number in range(10):
            raw.put(f"{thread}_{number}", "text")

    threads = [threading.Thread(target=add, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store["fern"]["raw"]) == 40
    assert store.check() == []


def test_a_process_is_known_by_its_start() -> None:
    assert not is_gone(os.getpid(), started(os.getpid()))
    assert is_gone(os.getpid(), "1")
    assert is_gone(ended_process(), "")
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert is_gone(process.pid, started(process.pid))  # it has ended, and nobody has asked how


def test_nothing_is_left_when_the_lock_is_not_free(store: LocalStore) -> None:
    raw = store.create("fern").create("raw")
    (store.path / "lock").touch()
    with pytest.raises(BusyTimeoutError):
        raw.put("shot", "text")
    assert [each.name for each in Path(raw.path).iterdir()] == []
