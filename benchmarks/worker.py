"""A process for each contender, driven over a pipe: none sees the memory or the threads of another."""

from __future__ import annotations

import gc
import multiprocessing
import resource
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks import congestion
from benchmarks.actions import Work
from benchmarks.contenders.base import CannotDo, Contender, Place
from benchmarks.entrants import ENTRANTS
from benchmarks.memory import Peak
from benchmarks.rows import Row

PATIENCE = 120
"""Seconds for one answer of a worker."""

PROBES = 20
"""How many of many small actions tell how long one takes, and how many requests it makes."""

WARM_SECONDS = 10.0
"""How long a contender uses a line before it is measured there."""

SAMPLE_SECONDS = 1.5
"""A sample of many small actions is cut short here."""


class Failed(Exception):  # noqa: N818 - an outcome
    """A contender did not do what was asked; the text says why."""


class Worker:
    """The near end of a process.

    Parameters
    ----------
    name : str
        Of the contender.
    root : Path
        Where the noise is.
    """

    def __init__(self, name: str, root: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, far = context.Pipe()
        self._process = context.Process(target=_serve, args=(far, name, root), daemon=True)
        self._process.start()
        far.close()

    def ask(self, verb: str, *arguments: object) -> Any:
        """Let the contender do something.

        Raises
        ------
        CannotDo, Failed
            With its reason.
        """
        if not self._process.is_alive():
            raise Failed("its process has ended")
        self._pipe.send((verb, arguments))
        if not self._pipe.poll(PATIENCE):
            self.close()
            raise Failed(f"took more than {PATIENCE} s")
        try:
            kind, value = self._pipe.recv()
        except EOFError:
            raise Failed("its process has ended") from None
        if kind == "done":
            return value
        raise (CannotDo if kind == "cannot" else Failed)(value)

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.join()


def _serve(pipe: Connection, name: str, root: Path) -> None:
    if congestion.can_pin():
        congestion.pin_urllib3()
    bench = _Bench(name, root)
    while True:
        try:
            verb, arguments = pipe.recv()
        except EOFError:
            return
        try:
            answer = ("done", getattr(bench, verb)(*arguments))
        except CannotDo as reason:
            answer = ("cannot", str(reason))
        except Exception as error:
            answer = ("failed", f"{type(error).__name__}: {' '.join(str(error).split())[:160]}")
        pipe.send(answer)


class _Bench:
    """The far end: one contender at one row."""

    def __init__(self, name: str, root: Path) -> None:
        self._make = ENTRANTS[name].make
        self._root = root
        self._contender: Contender | None = None
        self._work: Work | None = None
        self._repeats = 1

    def prepare(self, row: Row, place: Place) -> None:
        """Open the volume, do the work once and check it."""
        self.release()
        self._contender = self._make(place)
        self._work = Work(row, self._contender, self._root)
        self._work.check()
        if congestion.can_pin():
            congestion.pin_open()

    def warm_up(self) -> None:
        """Do it for some seconds."""
        work, end = self._ready(), time.perf_counter() + WARM_SECONDS
        while time.perf_counter() < end:
            work.once()

    def probe(self) -> int:
        """Do some of it without the clock being read elsewhere; return how often it was done."""
        work = self._ready()
        count, began = min(PROBES, work.repeats), time.perf_counter()
        for _ in range(count):
            work.once()
        each = (time.perf_counter() - began) / count
        self._repeats = max(1, min(work.repeats, int(SAMPLE_SECONDS / each)))
        return count

    def sample(self) -> tuple[float, float]:
        """Return the seconds of the clock and of the processor for doing it once."""
        work = self._ready()
        with work.surroundings():
            began, processor = time.perf_counter(), _processor_seconds()
            for _ in range(self._repeats):
                work.once()
            wall, used = time.perf_counter() - began, _processor_seconds() - processor
        return wall / self._repeats, used / self._repeats

    def peak(self, row: Row, place: Place) -> float:
        """Return the peak of memory as a multiple of the box; what was held before does not count."""
        self._contender = self._make(place)
        self._contender.read((0, 0, 0), (64, 64, 64))
        work = Work(row, self._contender, self._root)
        peak = Peak()
        result = work.once()
        found = peak.nbytes / row.nbytes
        del result
        return found

    def release(self) -> None:
        """Give back arrays and connections."""
        if self._contender is not None:
            self._contender.close()
        self._contender = self._work = None
        gc.collect()

    def _ready(self) -> Work:
        assert self._work is not None
        return self._work


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
