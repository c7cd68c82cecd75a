"""An upload to Mikro that is killed at any step: there is no image, or a whole one."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mikro_by_hand import ARRAY, same

import pyvolume
from mockserver import MikroServer
from pyvolume.mikro import Mikro

UPLOADER = """
import os, signal, sys
sys.path.insert(0, sys.argv[3])
from mikro_by_hand import ARRAY, upload
from pyvolume import Bearer
from pyvolume.mikro import Mikro

step, number, asked = sys.argv[4], int(sys.argv[5]), [0]

def end():
    os.kill(os.getpid(), signal.SIGKILL)

def token():
    asked[0] += 1
    if step == "catalogue" and asked[0] == number:
        end()
    return "test", 0.0  # asked for each request

def progress(status):
    if step == "voxels" and status.bytes_done * 100 >= number * ARRAY.nbytes:
        end()

with Mikro(sys.argv[1], auth=Bearer(token), store=sys.argv[2]) as mikro:
    upload(mikro, progress=progress)
print(asked[0])
"""


def run(mock: MikroServer, step: str, number: int) -> subprocess.CompletedProcess[str]:
    support = str(Path(__file__).parents[1] / "support")
    command = [sys.executable, "-c", UPLOADER, mock.url, mock.store_url, support, step, str(number)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="processes are not killed here")
@pytest.mark.parametrize(
    ("step", "number", "images"),
    [
        ("catalogue", 2, {}),
        ("voxels", 1, {}),
        ("voxels", 100, {}),
        ("catalogue", 3, {}),
        ("catalogue", 4, {}),
        ("catalogue", 5, {1: "faulty"}),
        ("never", 0, {1: "faulty"}),
    ],
)
def test_a_kill_leaves_no_image_or_a_whole_one(step: str, number: int, images: dict[int, str]) -> None:
    with MikroServer() as mock:
        done = run(mock, step, number)
        assert (done.returncode, done.stdout) == ((0, "5\n") if step == "never" else (-signal.SIGKILL, "")), done.stderr
        assert mock.images == images
        with Mikro(mock.url, token="test", store=mock.store_url) as mikro:
            for entry in mikro.images:
                same(mikro.image(entry.id)[...], ARRAY)
            again = pyvolume.from_xarray(ARRAY, mikro, name="again", dims="cxyzt")
            same(again[...], ARRAY)
        assert list(mock.images.values()) == [*images.values(), "again"]
