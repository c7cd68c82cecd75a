"""Judge: compares what is stored with what was acknowledged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import pyvolume
from pyvolume import Box
from pyvolume.dvid import Repo
from tests.torture.ledger import Fate, Place


def losses_of_cells(volume: NDArray[Any], cells: Mapping[int, Box], fates: Mapping[Place, Fate]) -> list[str]:
    """Return a sentence for each cell that holds what was not written last.

    Parameters
    ----------
    volume : ndarray
        All voxels, from 0.
    cells : mapping
        The box of each cell.
    fates : mapping
        What each cell may hold.
    """
    found = []
    for (name, cell), fate in fates.items():
        box = cells[cell]
        held = Counter(volume[box.slices_from((0,) * 4)].ravel().tolist())
        wrong = {value: count for value, count in held.items() if value not in fate.possible}
        if wrong:
            found.append(
                f"cell {cell} of {name} at {box}: {wrong} voxels by value where {sorted(fate.possible)} was possible"
            )
    return found


def losses_of_keys(stored: Mapping[str, bytes], fates: Mapping[Place, Fate]) -> list[str]:
    """Return a sentence for each key whose value was not written last."""
    found = []
    for (_, key), fate in fates.items():
        value = stored.get(key, b"").decode()
        if (value or 0) not in fate.possible:
            found.append(f"key {key}: {value[:40]!r} where {[str(each)[:40] for each in fate.possible]} was possible")
    return found


def losses_of_history(repo: Repo, fates: Mapping[Place, Fate]) -> list[str]:
    """Return a sentence for each log line, commit and child that is not there, or is there twice."""
    nodes = {str(uuid): node for uuid, node in repo.info().graph.nodes.items()}
    notes = Counter(node.note for node in nodes.values())
    found = []
    for (kind, number, uuid), fate in fates.items():
        certain = fate.possible == {True}
        if kind == "commit":
            count = int(nodes[uuid].locked)
        elif kind == "child":
            count = notes[f"child {number}"]
        else:
            count = sum(line.endswith(f"line {number}") for line in nodes[uuid].log)
        if count > 1 or (certain and count != 1):
            found.append(
                f"{kind} {number} is there {count} times, {'acknowledged' if certain else 'without an answer'}"
            )
    return found


def losses_of_copies(repo: Repo, source: NDArray[Any], names: Iterable[str]) -> list[str]:
    """Return a sentence for each copy that was said to be complete and is not."""
    found = []
    for name in names:
        wrong = int((repo.version(repo.root_uuid).volume(name)[...] != source).sum())
        if wrong:
            found.append(f"{name} is said to be complete, and {wrong} voxels differ")
    return found


def losses_of_files(files: Iterable[Path], expected: NDArray[Any]) -> list[str]:
    """Return a sentence for each file that does not hold the voxels."""
    found = []
    for file in files:
        with pyvolume.open(str(file)) as volume:
            if not np.array_equal(volume[...], expected):
                found.append(f"{file} does not hold the voxels of the server")
    return found


def leftovers(folder: Path) -> list[str]:
    """Return a sentence for each file of a copy beside its journal and the mark of its end."""
    return [f"{file} was left" for file in folder.glob("*copy*") if file.suffix not in {".journal", ".done"}]


def raw_errors(printed: str) -> list[str]:
    """Return each traceback on a standard error that is not about Ctrl-C."""
    found = printed.split("Traceback (most recent call last):\n")[1:]
    return [
        each[:2000] for each in found if not any(line.startswith("KeyboardInterrupt") for line in each.splitlines())
    ]
