"""The command on images of Mikro."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
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


@pytest.mark.parametrize("query", ["", "&t=0"])
def test_an_image_is_looked_at(server: Server, mikro: Mikro, query: str) -> None:
    image = mikro.from_xarray(ramp((2, 20, 30, 7), "uint16"), "looked at", dims="txyz")
    arguments = ["view", f"{image.store.address}{query}", "--no-browser"]
    command = [sys.executable, "-c", "from pyvolume.cli import main; main()", *arguments]
    variables = {"PYVOLUME_TOKEN": server.token, "PYVOLUME_TOKEN_HOST": server.url}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | variables) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            with urllib.request.urlopen(f"{url}volume") as answer:
                document = json.load(answer)
            with urllib.request.urlopen(f"{url}plane?axis=z&at=3&most=64") as answer:
                pixels = np.frombuffer(answer.read(), "<u2")
        finally:
            process.terminate()
    assert (document["address"], document["stop"]) == (f"{image.store.address}&t=0", [20, 30, 7])
    np.testing.assert_array_equal(pixels.reshape(30, 20).T, image[0, :, :, 3, 0])


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("info", "{server}/99999999?store={store}"), 4, "there is none with this id"),
        (("info", "{server}/1"), 2, "object store"),
        (("info", "{server}/1?store=http://127.0.0.1:1"), 6, "does store= name the object store"),
        (("ls", "{server}/1?store={store}"), 2, "expected a server"),
        (("get", "{server}/1?store={store}&t=99", "x.npy"), 4, "no time point 99"),
        (("get", "{server}/1?stores={store}", "x.npy"), 2, "store"),
    ],
)
def test_what_cannot_be_is_one_line(
    run: Run, server: Server, mikro: Mikro, arguments: tuple[str, ...], code: int, words: str
) -> None:
    names = {"server": f"mikro://{server.url}", "store": server.store_url}
    image = mikro.from_xarray(ramp((9, 8)), "there", dims="xy")
    filled = [each.format(**names).replace("/1?", f"/{image.id}?") for each in arguments]
    done = run("--patience", "0", *filled)
    assert (done.code, done.err.count("\n"), words in done.err) == (code, 1, True), done.err


def test_an_image_is_made_of_the_whole_array(run: Run, server: Server, array: NDArray[Any]) -> None:
    url = f"mikro://{server.url}?store={server.store_url}"
    pyvolume.from_array(array).save("cells.h5")
    done = run("put", "cells.h5", url, "--verify")
    assert (done.code, "an image is made of the whole array" in done.err) == (2, True)
