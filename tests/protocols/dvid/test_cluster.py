"""A cluster reads and writes volumes of DVID, also if a worker is killed."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
from conformance_stores import DvidBackend, in_pieces, ramp
from on_cluster import result_of

import pyvolume
from pyvolume import Box

ARRAY = ramp((1, 96, 64, 64), "uint16")
BLOCK_BYTES = 2 * 16**3
BOX = Box((0, 5, 0, 7), (1, 90, 60, 64))


def test_a_maximum_is_computed_by_the_workers(dvid: DvidBackend, cluster: Any) -> None:
    assert result_of(cluster, dvid.new(ARRAY).to_dask("64 kiB").max()) == ARRAY.max()


def test_a_copy_arrives_although_a_worker_is_killed(dvid: DvidBackend, tmp_path: Path, cluster: Any) -> None:
    killed: list[int] = []
    source, journal = dvid.new(ARRAY), tmp_path / "journal"
    destination = in_pieces(dvid.new(np.zeros((1, 16, 16, 16), "uint16")), 4 * BLOCK_BYTES)

    def kill(status: pyvolume.TransferStatus) -> None:
        if status.bytes_done * 4 > status.bytes_total and not killed:
            killed.append(next(iter(cluster.run(os.getpid).values())))
            os.kill(killed[0], signal.SIGKILL)

    pyvolume.copy(source, destination, BOX, client=cluster, resume=journal, progress=kill)
    inside = BOX.slices_from((0,) * 4)
    np.testing.assert_array_equal(destination.read(BOX), ARRAY[inside], strict=True)
    boxes = [Box(*json.loads(line)["box"]) for line in journal.read_bytes().splitlines()[1:]]
    assert len(killed) == 1
    assert len(boxes) == len(set(boxes)) > 8
    assert sum(box.size for box in boxes) == BOX.size
    cluster.wait_for_workers(2)
