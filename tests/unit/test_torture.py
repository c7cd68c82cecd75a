"""The judge of the torture: what it calls a loss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyvolume import Box
from tests.torture import judge
from tests.torture.ledger import Ledger, read

CELLS = {7: Box((0, 0, 0, 0), (1, 2, 2, 2))}


def write(path: Path, *events: tuple[str, int]) -> Path:
    ledger = Ledger(path)
    for event, number in events:
        ledger.note(event, place=["own", 7], number=number, value=10 * number)
    return path


@pytest.mark.parametrize(
    ("events", "possible"),
    [
        ([("begin", 1), ("done", 1)], {10}),
        ([("begin", 1)], {0, 10}),
        ([("begin", 1), ("done", 1), ("begin", 2)], {10, 20}),
        ([("begin", 1), ("begin", 2), ("done", 2)], {20}),
    ],
)
def test_a_place_holds_the_last_answered_value_or_a_later_one(
    tmp_path: Path, events: list[tuple[str, int]], possible: set[int]
) -> None:
    account = read([write(tmp_path / "ledger", *events)])
    assert account.fates["own", 7].possible == possible


@pytest.mark.parametrize(("held", "losses"), [(10, 0), (0, 1)])
def test_a_lost_voxel_is_a_loss(tmp_path: Path, held: int, losses: int) -> None:
    volume = np.full((1, 4, 4, 4), 10, "uint16")
    volume[0, 1, 1, 1] = held
    fates = read([write(tmp_path / "ledger", ("begin", 1), ("done", 1))]).fates
    assert len(judge.losses_of_cells(volume, CELLS, fates)) == losses


def test_a_traceback_is_a_loss_unless_it_is_about_ctrl_c() -> None:
    head = "Traceback (most recent call last):\n  File x\n"
    assert len(judge.raw_errors(f"{head}KeyboardInterrupt\n{head}ValueError: no\n")) == 1


def test_a_file_of_a_copy_that_is_left_is_a_loss(tmp_path: Path) -> None:
    for name in ("copy0.journal", "copy0.done", "copy0.journal.tmp"):
        (tmp_path / name).touch()
    assert judge.leftovers(tmp_path) == [f"{tmp_path / 'copy0.journal.tmp'} was left"]
