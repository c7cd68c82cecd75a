"""Arrays without a channel axis, as volumes of the mock server."""

from __future__ import annotations

import numpy as np
import pytest

from mockserver import MockServer


def test_an_array_of_three_axes_must_say_whether_it_has_a_channel() -> None:
    array = np.zeros((4, 8, 8), "uint8")
    with pytest.raises(ValueError, match="channel"):
        MockServer({"gray": array})
    for dims, shape in {"xyz": (1, 4, 8, 8), "cxy": (4, 8, 8)}.items():
        with MockServer({"gray": array, "other": array[np.newaxis]}, dims=dims) as server:
            assert (server.voxels("gray").shape, server.voxels("other").shape) == (shape, (1, 4, 8, 8))
