"""Workers: processes that write, copy and commit until they are told to stop; they are interrupted, killed and forked.

A worker ends in three steps. SIGTERM ends its loop. Then it waits for a line on standard input, while others look at
what it has written. Then, on a calm server, it writes everything once more: a slot or a lock that was lost would make
it hang.
"""

from __future__ import annotations

import dataclasses
import faulthandler
import functools
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from filelock import FileLock
from real_dvid import ADMIN_TOKEN

import pyvolume
from pyvolume.dvid import Repo
from pyvolume.dvid.versions.graph import Uuid
from pyvolume.errors import PyVolumeError
from tests.torture import ledger
from tests.torture.cells import all_cells, own_cells
from tests.torture.judge import raw_errors

T = TypeVar("T")

POLICY = pyvolume.RetryPolicy(patience=3, interval=0.05, max_interval=0.5, deadline=30)
TIMEOUT = (5, 10)
LATE = 0.3
"""Seconds after a write was given up in which its server may still carry it out."""

CHILD_SECONDS = 60


@dataclasses.dataclass(frozen=True)
class Task:
    """What one worker does.

    Parameters
    ----------
    kind : str
        One of `WORK`.
    name : str
        Of the worker, for its files.
    index, count : int
        Which of several equal workers it is.
    url : str
        The server, behind a `Meddler`.
    uuid : str
        The first version of a repository.
    folder : str
        Where it keeps its ledger and its files.
    seed : int
        Of its choices.
    """

    kind: str
    name: str
    index: int
    count: int
    url: str
    uuid: str
    folder: str
    seed: int

    @property
    def ledger(self) -> Path:
        """The file of its ledger."""
        return Path(self.folder) / f"{self.name}.ledger"


def connect(url: str) -> pyvolume.Connection:
    """Return a connection that gives up soon."""
    auth = pyvolume.dvid.Identity(admin_token=ADMIN_TOKEN)
    return pyvolume.Connection(url, retry=POLICY, timeout=TIMEOUT, auth=auth)


class Worker:
    """What all kinds of work share: a ledger, choices, and the wish to stop."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.ledger = ledger.Ledger(task.ledger)
        self.stopped = threading.Event()
        lines = task.ledger.read_bytes().count(b"\n")
        self.rng = random.Random(f"{task.seed} {lines}")
        self._numbers = itertools.count(lines + 1)
        self.connection = connect(task.url)
        self.repo = Repo(self.connection, Uuid(task.uuid), "torture")

    def number(self) -> int:
        """Return a number that no attempt of this worker has had."""
        return next(self._numbers)

    def attempt(self, action: Callable[[], object], place: Any = None, number: int = 0, value: Any = None) -> bool:
        """Carry out an action that may fail; note how it ended, and whether anything but our own errors came out."""
        if place is not None:
            self.ledger.note("begin", place=place, number=number, value=value)
        try:
            action()
        except PyVolumeError as error:
            self.ledger.note("gave up", error=type(error).__name__, text=str(error)[:300])
            time.sleep(LATE)
            return False
        except Exception:
            self.wrong(f"a raw Python error: {traceback.format_exc()}")
            return False
        if place is None:
            self.ledger.note("did")
        else:
            self.ledger.note("done", place=place, number=number)
        return True

    def wrong(self, what: str) -> None:
        """Note something that must never happen."""
        self.ledger.note("wrong", what=f"{self.task.name}: {what}")

    def until_stopped(self, once: Callable[[], object]) -> None:
        """Repeat until SIGTERM; Ctrl-C ends one repetition only."""
        while not self.stopped.is_set():
            self.until_done(once)

    def until_done(self, action: Callable[[], T]) -> T:
        """Repeat an action until neither our own errors nor Ctrl-C end it."""
        while True:
            try:
                return action()
            except (PyVolumeError, KeyboardInterrupt) as error:
                with suppress(KeyboardInterrupt):
                    self.ledger.note("interrupted" if isinstance(error, KeyboardInterrupt) else "gave up")
                    time.sleep(LATE)

    def pause(self) -> None:
        """Wait until somebody else has looked at what is stored."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.ledger.note("stopped")
        sys.stdin.readline()
        self.ledger.note("resumed")


class CellWriter(Worker):
    """Threads that write and read cells, and children that do so after a fork."""

    THREADS = 2

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.place = task.kind
        if task.kind == "own":
            self.cells = dict(enumerate(own_cells(task.index), 1000 * task.index))
            self.lock = None
        else:
            self.cells = dict(list(enumerate(all_cells()))[task.index :: task.count])
            self.lock = functools.partial(_file_lock, Path(task.folder) / "locks")
        self.known: dict[int, int] = {}
        self.child_cell = max(self.cells)

    def open(self) -> pyvolume.Volume:
        """Open the volume."""
        return pyvolume.dvid.VoxelsAccessor(self.connection, self.task.uuid, self.place, lock=self.lock)

    def run(self) -> None:
        """Write until stopped, then once more when the server is calm."""
        self.volume = self.until_done(self.open)
        mine = [cell for cell in self.cells if cell != self.child_cell]
        shares = [mine[at :: self.THREADS + 1] for at in range(self.THREADS + 1)]
        threads = [threading.Thread(target=self._write_many, args=(share,), daemon=True) for share in shares[1:]]
        for thread in threads:
            thread.start()
        self.ledger.note("ready")
        self.until_stopped(lambda: self._step(shares[0]))
        for thread in threads:
            self.until_done(thread.join)
        self.pause()
        for cell in self.cells:
            if not self.write(cell):
                self.wrong(f"cell {cell} cannot be written on a calm server")

    def _write_many(self, cells: Sequence[int]) -> None:
        rng = random.Random(f"{self.task.seed} {cells[0]}")
        while not self.stopped.is_set():
            self._one(rng, cells)

    def _step(self, cells: Sequence[int]) -> None:
        self._one(self.rng, cells)
        if self.rng.random() < 0.03:
            self.fork()

    def _one(self, rng: random.Random, cells: Sequence[int]) -> None:
        cell = rng.choice(cells)
        if rng.random() < 0.3:
            self.check(cell)
        else:
            self.write(cell)

    def write(self, cell: int) -> bool:
        """Fill a cell with a new value; return whether it was acknowledged."""
        number, box = self.number(), self.cells[cell]
        self.known.pop(cell, None)
        value = number % 65535 + 1
        voxels = np.full(box.shape, value, "uint16")
        acknowledged = self.attempt(lambda: self.volume.write(box, voxels), [self.place, cell], number, value)
        if acknowledged:
            self.known[cell] = value
        return acknowledged

    def check(self, cell: int) -> None:
        """Read a cell, and compare it if its value is certain."""
        value = self.known.get(cell)
        found: list[Any] = []
        is_read = self.attempt(lambda: found.append(self.volume.read(self.cells[cell])))
        if is_read and value is not None and not (found[0] == value).all():
            self.wrong(f"read {np.unique(found[0]).tolist()} where {value} was acknowledged, cell {cell}")

    def fork(self) -> None:
        """Let a child write its own cell and read another one, and wait for it."""
        self.ledger.note("fork", number=self.number())
        child = os.fork()
        if child == 0:
            code = 1
            try:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                self.write(self.child_cell)
                self.check(self.child_cell)
                code = 0
            except KeyboardInterrupt:
                code = 0
            finally:
                os._exit(code)
        self.known.pop(self.child_cell, None)
        end = time.monotonic() + CHILD_SECONDS
        while True:
            try:
                done, status = os.waitpid(child, os.WNOHANG)
                if done:
                    break
                if time.monotonic() > end:
                    os.kill(child, signal.SIGUSR1)
                    time.sleep(1)
                    os.kill(child, signal.SIGKILL)
                    self.wrong("a child hangs after a fork")
                    end = float("inf")
                time.sleep(0.02)
            except KeyboardInterrupt:
                continue
        if os.waitstatus_to_exitcode(status) not in {0, -signal.SIGKILL}:
            self.wrong(f"a child ended with {os.waitstatus_to_exitcode(status)} after a fork")


class KeyWriter(Worker):
    """Values by key."""

    KEYS = 20

    def run(self) -> None:
        """Write and read values until stopped, then each once more."""
        values = self.until_done(lambda: self.repo.version(self.task.uuid).keyvalue("keys"))
        known: dict[str, str] = {}
        self.ledger.note("ready")

        def write(key: str) -> bool:
            number = self.number()
            known.pop(key, None)
            value = f"{key} {number} " + "x" * self.rng.choice([0, 3000, 100_000])
            acknowledged = self.attempt(lambda: values.__setitem__(key, value.encode()), ["keys", key], number, value)
            if acknowledged:
                known[key] = value
            return acknowledged

        def once() -> None:
            key = f"{self.task.index}-{self.rng.randrange(self.KEYS)}"
            if key in known and self.rng.random() < 0.5:
                expected, found = known[key], list[bytes]()
                if self.attempt(lambda: found.append(values[key])) and found[0] != expected.encode():
                    self.wrong(f"read {found[0][:40]!r} where {expected[:40]!r} was acknowledged")
            else:
                write(key)

        self.until_stopped(once)
        self.pause()
        for at in range(self.KEYS):
            if not write(f"{self.task.index}-{at}"):
                self.wrong("a key cannot be written on a calm server")


class Historian(Worker):
    """A chain of versions: log lines, a commit, and the next version or a branch."""

    def run(self) -> None:
        """Grow the graph until stopped."""
        self.ledger.note("ready")
        self.until_stopped(self._step)
        self.pause()
        self.until_done(self._step)

    def _step(self) -> None:
        number = self.number()
        versions = list(self.repo.versions().values())
        version = versions[-1]
        if not version.info().locked:
            self._act(number, "log", lambda: version.add_log([f"line {number}"]), str(version.uuid))
            self._act(number, "commit", lambda: version.commit(), str(version.uuid))
        elif self.rng.random() < 0.5:
            self._act(number, "child", lambda: version.branch(f"b{number}", f"child {number}"))
        else:
            self._act(number, "child", lambda: version.new_version(f"child {number}"))

    def _act(self, number: int, kind: str, action: Callable[[], object], uuid: str = "") -> None:
        """Try once, and note which line, commit or child it was."""
        self.attempt(action, [kind, number, uuid], number, True)


class Copier(Worker):
    """Copies with a journal; the process is killed in the middle, and another one resumes."""

    def run(self) -> None:
        """Copy the source into one volume after the other."""
        source = self.until_done(lambda: self._volume("source"))
        self.ledger.note("ready")
        self.until_stopped(lambda: self._step(source))
        self.pause()

    def _volume(self, name: str) -> pyvolume.dvid.VoxelsAccessor:
        return pyvolume.dvid.VoxelsAccessor(self.connection, self.task.uuid, name)

    def _step(self, source: pyvolume.dvid.VoxelsAccessor) -> None:
        folder = Path(self.task.folder)
        name = f"copy{len(list(folder.glob('copy*.done')))}"
        metadata = source.voxels_metadata
        destination = self.repo.require_volume(name, metadata.shape[1:], metadata.dtype)

        def copy() -> None:
            pyvolume.copy(source, destination, resume=folder / f"{name}.journal")
            (folder / f"{name}.done").touch()

        self.attempt(copy, ["copies", name], 1, True)


class Getter(Worker):
    """``pyvolume get`` into files, interrupted at random moments."""

    SUFFIXES = (".npy", ".h5", ".tif", ".zarr")

    def run(self) -> None:
        """Get the same box into new files."""
        self.ledger.note("ready")
        self.until_stopped(self._step)
        self.pause()

    def _step(self) -> None:
        folder = Path(self.task.folder) / "get" / str(self.number())
        folder.mkdir(parents=True)
        file = folder / f"cut{self.rng.choice(self.SUFFIXES)}"
        url = f"dvid://{self.task.url}/{self.task.uuid}/source[:, 0:128, 0:128, 0:64]"
        process = subprocess.Popen(
            [sys.executable, "-m", "pyvolume.cli", "get", url, str(file)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            _, complaint = process.communicate(timeout=self.rng.uniform(0.5, 12))
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            process.send_signal(signal.SIGINT)
            complaint = self.until_done(lambda: process.communicate(timeout=CHILD_SECONDS))[1]
        self._judge(file, process.returncode, complaint)

    def _judge(self, file: Path, code: int, complaint: str) -> None:
        left = sorted(each.name for each in file.parent.iterdir())
        for error in raw_errors(complaint):  # Ctrl-C while Python starts, or in a `__del__`, is none
            self.wrong(f"get ended with a raw error: {error}")
        if code == 0 and left != [file.name]:
            self.wrong(f"get has ended well and left {left}")
        if code != 0 and left:
            self.wrong(f"get has ended with {code} and left {left}: {complaint[-300:]}")
        self.ledger.note("got" if code == 0 else "got nothing", place=str(file) if code == 0 else None)


def _file_lock(folder: Path, name: str) -> FileLock:
    return FileLock(folder / name, poll_interval=0.005)


WORK: dict[str, Callable[[Task], Any]] = {
    "own": CellWriter,
    "shared": CellWriter,
    "keys": KeyWriter,
    "versions": Historian,
    "copies": Copier,
    "gets": Getter,
}


def main() -> None:
    """Work as the argument says."""
    faulthandler.register(signal.SIGUSR1)
    task = Task(**json.loads(sys.argv[1]))
    worker = WORK[task.kind](task)
    signal.signal(signal.SIGTERM, lambda *_: worker.stopped.set())
    worker.run()
    worker.ledger.note("ended")


if __name__ == "__main__":
    main()
