"""Files of all kinds of store hold what numpy would give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conformance_stores import Backend, ramp

import pyvolume

pytest.importorskip("h5py", reason="h5py comes with the extra 'files'")

ARRAY = ramp((1, 40, 24, 20), "uint16")


@pytest.mark.parametrize("suffix", ["npy", "h5"])
def test_a_file_holds_the_voxels_of_the_key(readable: Backend, tmp_path: Path, suffix: str) -> None:
    readable.new(ARRAY).save(tmp_path / f"cut.{suffix}", np.s_[:, 3:35, ::2])
    with pyvolume.open(tmp_path / f"cut.{suffix}") as cut:
        np.testing.assert_array_equal(cut[...], ARRAY[:, 3:35, ::2], strict=True)
