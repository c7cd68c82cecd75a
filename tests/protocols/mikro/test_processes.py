"""Images and their lazy arrays in threads, processes and event loops."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from mikro_by_hand import fresh, uploaded
from mikro_servers import Server, lowest

import pyvolume
from mockserver import MikroServer
from pyvolume.errors import ForbiddenError
from pyvolume.mikro import Mikro

dask: Any = pytest.importorskip("dask", reason="dask comes with the extra 'dask'")


def test_a_token_stays_in_its_process(mikro: Mikro) -> None:
    data = pickle.dumps(uploaded(mikro))
    with pytest.raises(ForbiddenError, match="pickle_secrets"):
        pickle.loads(data).min()


def test_images_travel_with_an_auth_that_does(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_TOKEN", server.token)
    with server.open(token=None, auth=pyvolume.Bearer.of_variable("LAB_TOKEN")) as mikro:
        image = uploaded(mikro)
        data = pickle.dumps(image)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert pool.apply(lowest, [pickle.loads(data)]) == int(image.min())


FORK = """
import os, signal, sys, warnings
warnings.simplefilter("ignore")
from pyvolume.errors import UnsupportedError
from pyvolume.mikro import Mikro

image = Mikro(sys.argv[1], token="test", store=sys.argv[2]).image(sys.argv[3])
image.max()
child = os.fork()
if not child:
    signal.alarm(20)
    try:
        image.min()
    except UnsupportedError as error:
        print(error, flush=True)
    os._exit(0)
print(os.waitpid(child, 0)[1], int(image.max()))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_after_a_fork_an_image_says_what_to_do(own: Mikro, mock: MikroServer) -> None:
    image = uploaded(own)
    arguments = [sys.executable, "-c", FORK, mock.url, mock.store_url, image.id]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=True)
    said, left = done.stdout.splitlines()
    assert "obstore does not work in a process made by fork" in said
    assert left == f"0 {image[...].max()}"


def test_lazy_data_works_inside_a_running_loop(mikro: Mikro) -> None:
    image = uploaded(mikro, (20, 30, 16))

    async def highest() -> int:
        return int(image.data.max())

    assert asyncio.run(highest()) == int(image[...].max())


def test_lazy_data_travels_small_and_outlives_its_keys(
    own: Mikro, mock: MikroServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_TOKEN", "test")
    with Mikro(mock.url, auth=pyvolume.Bearer.of_variable("LAB_TOKEN"), store=mock.store_url) as mikro:
        data = uploaded(mikro, (70, 80, 90)).data
        expected = int(data.max())
        sent = pickle.dumps(data)
        assert b"obstore" not in sent
        assert b"AsyncArray" not in sent
        mock.advance(901)
        with dask.config.set({"multiprocessing.context": "spawn"}):
            assert int(data.max().compute(scheduler="processes", num_workers=2)) == expected
        assert int(pickle.loads(sent).max()) == expected


def test_uploads_and_reads_work_inside_a_running_loop(own: Mikro) -> None:
    async def all_of_it() -> list[int]:
        image = own.from_xarray(np.full((8, 9), 5), fresh(), dims="xy")
        lows = await asyncio.gather(*(asyncio.to_thread(image.min) for _ in range(4)))
        return [int(image[...].max()), *map(int, lows)]

    assert asyncio.run(all_of_it()) == [5] * 5
