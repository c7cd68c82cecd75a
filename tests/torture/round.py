"""One round: a server, workers on it, kills and interrupts for some time, then silence and a count."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pyvolume import Box
from pyvolume.dvid import Server
from tests.torture import judge, ledger
from tests.torture.cells import BLOCK, SHAPE, all_cells, own_cells
from tests.torture.meddler import Meddler
from tests.torture.servers import Kind, Mortal
from tests.torture.workers import Task, connect

SOURCE = (384, 256, 512)
"""Voxels of the volume that is copied: three pieces of 16 MiB."""

WRITERS = 2
SILENCE = 90
"""Seconds without a line in a ledger after which a worker hangs."""

SLOW = {"copies", "gets"}
"""They are interrupted less often, or they would never end well."""

TEAM = (("own", WRITERS), ("shared", WRITERS), ("keys", 1), ("versions", 1), ("copies", 1), ("gets", 1))


@dataclasses.dataclass
class Outcome:
    """What a round has found.

    Attributes
    ----------
    losses : dict
        Sentences by kind of loss.
    counts : Counter
        How often something happened.
    """

    losses: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    counts: Counter[str] = dataclasses.field(default_factory=Counter)

    def add(self, kind: str, *sentences: str) -> None:
        """Count losses of one kind."""
        self.losses.setdefault(kind, []).extend(sentences)


class Hand:
    """A worker, as its tormentor sees it."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.task.ledger.touch()
        self._begin()

    def _begin(self) -> None:
        self._seen = self.task.ledger.stat().st_size
        self._begun = self._seen
        self._moved = time.monotonic()
        with self.stderr.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.torture.workers", json.dumps(dataclasses.asdict(self.task))],
                stdin=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )

    @property
    def stderr(self) -> Path:
        """What it has printed to standard error."""
        return self.task.ledger.with_suffix(".stderr")

    def has_said(self, event: str) -> bool:
        """Whether a line of its ledger says so, since it was started."""
        with self.task.ledger.open("rb") as file:
            file.seek(self._begun)
            return f'"event": "{event}"'.encode() in file.read()

    def is_silent(self) -> bool:
        """Whether it has written nothing for too long."""
        size = self.task.ledger.stat().st_size
        if size != self._seen:
            self._seen, self._moved = size, time.monotonic()
        return time.monotonic() - self._moved > SILENCE

    def kill_and_replace(self) -> None:
        """Kill it with SIGKILL, and start another one that goes on."""
        self.kill()
        self._begin()

    def kill(self) -> None:
        """Kill it and its children with SIGKILL."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def await_event(self, event: str) -> bool:
        """Wait until it has said something; return whether it did so before it hung or died."""
        while not self.has_said(event):
            if self.is_silent() or self.process.poll() is not None:
                return self.has_said(event)
            time.sleep(0.05)
        return True

    def end_of_errors(self) -> str:
        """Return the end of its standard error, after it was asked for the state of its threads."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGUSR1)
            time.sleep(1)
        return self.stderr.read_text(errors="replace")[-3000:]


def play(kind: Kind, folder: Path, seed: int, seconds: float) -> Outcome:
    """Run one round in an empty folder."""
    outcome, rng = Outcome(), random.Random(seed)
    server = Mortal(kind, folder, seed)
    hands: list[Hand] = []
    try:
        with Meddler(server.port, random.Random(seed)) as meddler:
            stage = _Stage.build(server.url)
            hands = [Hand(task) for task in _tasks(stage, meddler.url, folder, seed)]
            for hand in hands:
                hand.await_event("ready")
            server.torment()
            _torment(server, hands, rng, seconds, outcome)
            meddler.calm = True
            server.restart()
            _stop(hands, outcome)
            _judge(stage, hands, outcome)
            _finish(hands, outcome)
            if not outcome.losses:
                _judge(stage, hands, outcome)
            _count(hands, outcome)
    finally:
        for hand in hands:
            hand.kill()
        server.kill()
    return outcome


@dataclasses.dataclass(frozen=True)
class _Stage:
    """What a round plays on."""

    url: str
    volumes: str
    history: str
    source: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]

    @classmethod
    def build(cls, url: str) -> _Stage:
        with connect(url) as connection:
            server = Server(connection)
            repo, history = server.create_repo("torture"), server.create_repo("history")
            for name in ("own", "shared"):
                repo.create_volume(name, SHAPE, "uint16", block_shape=(BLOCK,) * 3)
            repo.create_keyvalue("keys")
            source = np.random.default_rng(0).integers(0, 256, (1, *SOURCE), "uint8")
            repo.create_volume("source", SOURCE, "uint8", block_shape=(BLOCK * 2,) * 3)[...] = source
            return cls(url, str(repo.root_uuid), str(history.root_uuid), source)


def _tasks(stage: _Stage, url: str, folder: Path, seed: int) -> Iterator[Task]:
    (folder / "locks").mkdir()
    for kind, count in TEAM:
        for index in range(count):
            uuid = stage.history if kind == "versions" else stage.volumes
            yield Task(kind, f"{kind}{index}", index, count, url, uuid, str(folder), seed)


def _torment(server: Mortal, hands: list[Hand], rng: random.Random, seconds: float, outcome: Outcome) -> None:
    """Interrupt and kill workers, and the server, at random moments."""
    end = time.monotonic() + seconds
    next_kill = time.monotonic() + rng.uniform(3, 12)
    while time.monotonic() < end:
        time.sleep(rng.uniform(0, 0.3))
        hand = rng.choice(hands)
        if hand.process.poll() is not None:
            outcome.add("worker died", f"{hand.task.name}: {hand.end_of_errors()}")
            hand.kill_and_replace()
        elif not hand.has_said("ready") or (hand.task.kind in SLOW and rng.random() < 0.7):
            continue
        elif rng.random() < (0.3 if hand.task.kind == "copies" else 0.02):
            outcome.counts["kill -9 of a worker"] += 1
            hand.kill_and_replace()
        else:
            outcome.counts["Ctrl-C"] += 1
            hand.process.send_signal(signal.SIGINT)
        for each in hands:
            if each.is_silent():
                outcome.add("hang", f"{each.task.name}: {each.end_of_errors()}")
                each.kill_and_replace()
        if time.monotonic() > next_kill:
            outcome.counts["kill -9 of the server"] += 1
            server.restart()
            server.torment()
            next_kill = time.monotonic() + rng.uniform(3, 12)


def _stop(hands: list[Hand], outcome: Outcome) -> None:
    for hand in hands:
        hand.await_event("ready")
        hand.process.send_signal(signal.SIGTERM)
    for hand in hands:
        if not hand.await_event("stopped"):
            outcome.add("hang", f"{hand.task.name} does not stop: {hand.end_of_errors()}")


def _finish(hands: list[Hand], outcome: Outcome) -> None:
    for hand in hands:
        with contextlib.suppress(OSError):
            assert hand.process.stdin is not None
            hand.process.stdin.write(b"go on\n")
            hand.process.stdin.close()
    for hand in hands:
        if not hand.await_event("ended"):
            outcome.add("slot or lock left", f"{hand.task.name} does not end: {hand.end_of_errors()}")
    for hand in hands:
        with contextlib.suppress(subprocess.TimeoutExpired):
            if hand.process.wait(SILENCE) != 0:
                outcome.add("worker died", f"{hand.task.name}: {hand.end_of_errors()}")


def _judge(stage: _Stage, hands: list[Hand], outcome: Outcome) -> None:
    """Read everything back, from the server itself."""
    accounts = [ledger.read([hand.task.ledger]) for hand in hands]
    fates: dict[str, dict[ledger.Place, ledger.Fate]] = {}
    for account in accounts:
        outcome.add("found by a worker", *account.complaints)
        for place, fate in account.fates.items():
            fates.setdefault(place[0], {})[place] = fate
    with connect(stage.url) as connection:
        server = Server(connection)
        repo = server.repos[stage.volumes]
        version = repo.version(stage.volumes)
        for name, cells in _cells().items():
            outcome.add("voxels", *judge.losses_of_cells(version.volume(name)[...], cells, fates.get(name, {})))
        keys = version.keyvalue("keys")
        stored = {key: keys[key] for _, key in fates.get("keys", {}) if key in keys}
        outcome.add("keys", *judge.losses_of_keys(stored, fates.get("keys", {})))
        history = {place: fate for kind in ("log", "commit", "child") for place, fate in fates.get(kind, {}).items()}
        outcome.add("history", *judge.losses_of_history(server.repos[stage.history], history))
        complete = [name for (_, name), fate in fates.get("copies", {}).items() if fate.possible == {True}]
        outcome.add("copies", *judge.losses_of_copies(repo, stage.source, complete))
    files = [Path(file) for hand in hands for file in _files(hand.task.ledger)]
    outcome.add("files", *judge.losses_of_files(files, stage.source[:, 0:128, 0:128, 0:64]))
    outcome.add("leftovers", *judge.leftovers(hands[0].task.ledger.parent))
    for hand in hands:
        outcome.add("raw errors", *judge.raw_errors(hand.stderr.read_text(errors="replace")))
    outcome.losses = {kind: found for kind, found in outcome.losses.items() if found}


def _count(hands: list[Hand], outcome: Outcome) -> None:
    for hand in hands:
        for event, count in ledger.read([hand.task.ledger]).counts.items():
            outcome.counts[f"{hand.task.kind}: {event}"] += count


def _cells() -> dict[str, dict[int, Box]]:
    own = {1000 * index + at: box for index in range(WRITERS) for at, box in enumerate(own_cells(index))}
    return {"own": own, "shared": dict(enumerate(all_cells()))}


def _files(path: Path) -> Iterator[str]:
    for line in path.read_bytes().splitlines():
        facts = json.loads(line)
        if facts["event"] == "got":
            yield facts["place"]
