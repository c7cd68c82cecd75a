"""The command on images of Mikro."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Run, run_command
from conformance_stores import ramp
from mikro_servers import Server
from numpy.typing import NDArray

import pyvolume
from pyvolume.mikro import Mikro

pytest.importorskip("click", reason="click comes with the extra 'cli'")
pytest.importorskip("rich", reason="rich comes with the extra 'cli'")


@pytest.fixture
def array() -> NDArray[Any]:
    return ramp((1, 20, 30, 7), "uint16")


@pytest.fixture
def run(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYVOLUME_TOKEN", server.token)
    monkeypatch.setenv("PYVOLUME_TOKEN_HOST", server.url)
    return run_command


def test_files_become_images_and_back(run: Run, server: Server, mikro: Mikro, array: NDArray[Any]) -> None:
    url = f"mikro://{server.url}?store={server.store_url}"
    np.save("cells.npy", array)
    pyvolume.from_array(array).save("cells.h5")
    done = run("put", "cells.h5", url, "--json")
    assert done.code == 0, done.err
    address = done.document["destination"]
    assert run("info", address, "--json").document["name"] == "cells"
    assert "cells" in {each["name"] for each in run("ls", url, "--json").document}
    assert run("info", url, "--json").document["generation"] == 2
    assert run("get", f"{address}&t=0", "back.npy").code == 0
    np.testing.assert_array_equal(np.load("back.npy"), array, strict=True)
    assert run("cp", f"{address}&t=0", "copy.zarr").code == 0
    np.testing.assert_array_equal(pyvolume.open("copy.zarr")[...], array, strict=True)
    done = run("cp", "copy.zarr", url, "--json")
    assert done.code == 0, done.err
    copied = done.document["destination"].partition("?")[0].rpartition("/")[2]
    np.testing.assert_array_equal(mikro.image(copied)[..., 0], array, strict=True)


def test_an_image_is_made_of_the_whole_array(run: Run, server: Server, array: NDArray[Any]) -> None:
    url = f"mikro://{server.url}?store={server.store_url}"
    pyvolume.from_array(array).save("cells.h5")
    done = run("put", "cells.h5", url, "--verify")
    assert (done.code, "an image is made of the whole array" in done.err) == (2, True)
