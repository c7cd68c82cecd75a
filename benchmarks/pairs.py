"""``python -m benchmarks.pairs OLD NEW``: two trees of the source code beside each other, as ratios of one run."""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

ROUNDS = 21
SIDES = ("old", "old again", "new", "new again")

SERVER = """
from mockserver import MockServer
with MockServer(admin_token="pairs") as server:
    print(server.url, flush=True)
    input()
"""


def main() -> None:
    """Run all actions and print their ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pairs", description=__doc__)
    parser.add_argument("old", type=Path, help="a tree of the source code, e.g. a git worktree of an old commit")
    parser.add_argument("new", type=Path, help="another one, which has the names of the old one")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each action is measured ({ROUNDS})")
    parser.add_argument("--actions", nargs="+", metavar="NAME", help="a part of the actions")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        places = (options.old, options.old, options.new, options.new)
        clients = {side: stack.enter_context(_client(tree)) for side, tree in zip(SIDES, places, strict=True)}
        known = {side: _line(client).split() for side, client in clients.items()}["new"]
        print(f"{'action':12} {'old, ms':>10} {'new / old':>10} {'old / old':>10}")
        for action in options.actions or known:
            print(_row(action, _measured(action, clients, options.rounds)), flush=True)


def _measured(action: str, clients: dict[str, subprocess.Popen[str]], rounds: int) -> dict[str, list[float]]:
    """Let the clients take turns in random order; the first round warms up."""
    seconds: dict[str, list[float]] = {side: [] for side in SIDES}
    for number in range(rounds + 1):
        for side in random.sample(SIDES, len(SIDES)):
            _tell(clients[side], action)
            taken = float(_line(clients[side]))
            if number:
                seconds[side].append(taken)
    return seconds


def _row(action: str, seconds: dict[str, list[float]]) -> str:
    rounds = list(zip(*(seconds[side] for side in SIDES), strict=True))
    ratio = statistics.median((c + d) / (a + b) for a, b, c, d in rounds)
    spread = statistics.median(b / a for a, b, _, _ in rounds)
    typical = statistics.median((a + b) / 2 for a, b, _, _ in rounds)
    return f"{action:12} {1e3 * typical:10.1f} {ratio:10.3f} {spread:10.3f}"


@contextlib.contextmanager
def _client(tree: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a mock server and a client with the code of a tree."""
    with (
        _python(tree, "-c", SERVER) as server,
        _python(tree, str(Path(__file__).resolve()), "--serve", _line(server)) as client,
    ):
        yield client


@contextlib.contextmanager
def _python(tree: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run Python in a tree of the source code; it ends when its input is closed."""
    surroundings = os.environ | {"PYTHONPATH": str(tree.resolve()), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=surroundings, cwd=tree
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit("a client or its server has ended; its error is above")
    return line.strip()


def serve(url: str) -> None:
    """Do the actions whose names come on the standard input, and print the seconds of each."""
    actions = actions_on(url)
    print(*actions, flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        actions[line.strip()]()
        print(time.perf_counter() - began, flush=True)


def actions_on(url: str) -> dict[str, Callable[[], object]]:
    """Make volumes on a server, and return the actions by name."""
    from pyvolume import Connection
    from pyvolume.dvid import Identity, Server

    repo = Server(Connection(url, auth=Identity(admin_token="pairs"))).create_repo("pairs")
    random_voxels = np.random.default_rng(0)
    cube = np.asfortranarray(random_voxels.integers(0, 255, (1, 512, 512, 512), dtype="uint8"))
    source = repo.create_volume("source", (512, 512, 512), "uint8")
    source[...] = cube
    target = repo.create_volume("target", (512, 512, 512), "uint8")
    out = np.empty_like(cube)
    in_c_order = np.ascontiguousarray(cube[:, :256, :256, :256])
    corners = random_voxels.integers(0, 448, (200, 3)).tolist()

    def part(size: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        return np.asfortranarray(cube[:, :size, :size, :size])

    small, odd, aligned = part(64), part(100), part(128)

    def read_64() -> None:
        for x, y, z in corners:
            source[:, x : x + 64, y : y + 64, z : z + 64]

    def repeated(times: int, action: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            for _ in range(times):
                action()

        return run

    def write(start: Sequence[int], voxels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Callable[[], None]:
        box = tuple(slice(a, a + n) for a, n in zip((0, *start), voxels.shape, strict=True))
        return lambda: target.__setitem__(box, voxels)

    return {
        "read-512": lambda: source[...],
        "into-512": lambda: source.read(source.bounds, out),
        "write-512": write((0, 0, 0), cube),
        "post-C": write((0, 0, 0), in_c_order),
        "read-64": read_64,
        "write-64": repeated(100, write((64, 0, 0), small)),
        "read-100": repeated(60, lambda: source[:, 13:113, 29:129, 37:137]),
        "write-100": repeated(10, write((13, 29, 37), odd)),
        "write-128": repeated(40, write((0, 0, 128), aligned)),
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2])
    else:
        main()
