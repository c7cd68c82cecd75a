"""The background in which written labels are counted; it can be held, to let the counts lag behind."""

from __future__ import annotations

import threading
from collections.abc import Callable

Job = Callable[[], None]


class Indexing:
    """Runs jobs at once, or later if it is held.

    Parameters
    ----------
    lock : lock
        Held while a job runs.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._jobs: list[Job] = []
        self._held = False

    @property
    def waiting(self) -> int:
        """How many writes are not counted yet."""
        return len(self._jobs)

    def hold(self) -> None:
        """Let later writes wait for `release`."""
        self._held = True

    def release(self) -> None:
        """Count all writes that wait, in their order, and later ones at once."""
        with self._lock:
            self._held = False
            jobs, self._jobs = self._jobs, []
            for job in jobs:
                job()

    def do(self, job: Job) -> None:
        """Run a job, or let it wait."""
        if self._held:
            self._jobs.append(job)
        else:
            job()
