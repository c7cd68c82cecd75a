"""What a test computes on a cluster of dask.distributed."""

from __future__ import annotations

from typing import Any

PATIENCE = 60.0
"""Seconds until the scheduler is asked what it does."""


def result_of(cluster: Any, lazy: Any) -> Any:
    """Return what is computed on a cluster.

    distributed can lose a graph on its way: seen once, its scheduler had no task while the client waited for the
    result, and the event loops of all processes were idle. A graph that the scheduler does not have is sent again.
    """
    while True:
        future = cluster.compute(lazy)
        try:
            return future.result(timeout=PATIENCE)
        except TimeoutError:
            if cluster.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)):
                raise
