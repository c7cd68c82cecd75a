"""What a mask or an index array asks of a server."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import pyvolume
from mockserver import MockServer

LABELS = np.zeros((1, 256, 256, 256), "uint8")
LABELS[0, 3:9, 5:8, 2:4] = LABELS[0, 240:250, 250:255, 200:203] = 5
LABELS[0, 100, 100, 100] = 7


def sizes_while(server: MockServer, volume: pyvolume.Volume, key: Any) -> tuple[NDArray[Any], list[list[int]]]:
    """Read, and return the sizes of the boxes that the server was asked for."""
    before = len(server.requests)
    result = volume[key]
    return result, sorted(
        [int(n) for n in request.path.split("/")[7].split("_")] for request in server.requests[before:]
    )


@pytest.mark.parametrize(
    ("key", "sizes"),
    [
        (LABELS == 5, [[6, 3, 2], [10, 5, 3]]),
        (np.s_[0, LABELS[0] == 7], [[1, 1, 1]]),
        (np.s_[:, LABELS[0] == 9], []),
        (np.nonzero(LABELS == 5), [[6, 3, 2], [10, 5, 3]]),
        (np.s_[0, [[3, 8], [4, 5]], [[5], [7]], 0], [[6, 3, 1]]),
        (np.s_[False], []),
    ],
    ids=["two places", "one voxel", "none", "nonzero", "arrays of two axes", "false"],
)
def test_only_the_boxes_of_the_selected_voxels_are_fetched(key: Any, sizes: list[list[int]]) -> None:
    with MockServer({"labels": LABELS}) as server:
        volume = pyvolume.open(f"dvid://{server.url}/:master/labels")
        result, found = sizes_while(server, volume, key)
        np.testing.assert_array_equal(result, LABELS[key], strict=True)
        assert found == sizes


def test_an_assignment_to_a_mask_changes_its_voxels_alone() -> None:
    with MockServer({"labels": LABELS.copy()}) as server:
        volume = pyvolume.open(f"dvid://{server.url}/:master/labels", mode="r+")
        expected = LABELS.copy()
        expected[LABELS == 5] = np.arange(np.count_nonzero(LABELS == 5)) % 250
        volume[LABELS == 5] = np.arange(np.count_nonzero(LABELS == 5)) % 250
        np.testing.assert_array_equal(volume[...], expected)
