"""Zarr in other processes: folders survive a fork, obstore does not and says so, and pickled clients work."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from file_server import FileServer
from zarr_clients import stored

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0

CODE = """
import multiprocessing, os, signal, sys, time, warnings
warnings.simplefilter("ignore")
from pyvolume.errors import PyVolumeError
from pyvolume.zarr.opening import open_client
from zarr_clients import VOXELS, array_of, read

def work(client):
    signal.alarm(20)
    began = time.monotonic()
    try:
        said = str((read(client, array_of(client)) == VOXELS).all())
    except PyVolumeError as error:
        said = str(error)
    print(said, time.monotonic() - began < 2, flush=True)

if __name__ == "__main__":
    way, use, address = sys.argv[1:]
    client = open_client(address)
    if use == "used":
        work(client)
    if way == "fork":
        child = os.fork()
        if not child:
            work(client)
            client.close()
            os._exit(0)
        print(os.waitpid(child, 0)[1])
    else:
        process = multiprocessing.get_context(way).Process(target=work, args=(client,))
        process.start()
        process.join()
        print(process.exitcode)
    work(client)
"""

fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileServer]:
    with FileServer(stored(tmp_path)) as server:
        yield server


def output(tmp_path: Path, *arguments: str) -> list[str]:
    script = tmp_path / "script.py"
    script.write_text(CODE, "utf-8")
    paths = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), *arguments],
        env=os.environ | paths,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.stdout.splitlines()


@fork
def test_a_folder_survives_a_fork(tmp_path: Path) -> None:
    folder = stored(tmp_path) / "bucket" / "x.zarr"
    assert output(tmp_path, "fork", "used", str(folder)) == ["True True", "True True", "0", "True True"]


@fork
def test_a_web_server_after_a_fork_is_one_sentence_at_once(tmp_path: Path, server: FileServer) -> None:
    before, inside, status, after = output(tmp_path, "fork", "used", f"{server.url}/bucket/x.zarr")
    assert (before, status, after) == ("True True", "0", "True True")
    assert inside.startswith(f"{server.url}/bucket/x.zarr: obstore does not work in a process made by fork")
    assert "get_context('spawn') or 'forkserver'" in inside
    assert inside.endswith("True")


@fork
def test_a_web_server_that_was_not_used_before_the_fork_is_read_after_it(tmp_path: Path, server: FileServer) -> None:
    url = f"s3+{server.url}/bucket/x.zarr"
    assert output(tmp_path, "fork", "unused", url) == ["True True", "0", "True True"]


@pytest.mark.parametrize("way", ["spawn", "forkserver"])
def test_a_pickled_client_works_in_a_process_of_its_own(tmp_path: Path, server: FileServer, way: str) -> None:
    if sys.platform == "win32" and way == "forkserver":
        pytest.skip("there is no forkserver here")
    url = f"s3+{server.url}/bucket/x.zarr"
    assert output(tmp_path, way, "used", url) == ["True True", "True True", "0", "True True"]
