"""``python -m benchmarks.fsdb``: a scan of 2000 files in a folder database, by pyvolume and by Python alone."""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.turns import compared
from pyvolume.local import Fileset, LocalStore

ROUNDS, BATCHES = 31, 3
FILES = 2000
TEXT = "pixels of a photo " * 100


def main() -> None:
    """Measure everything and print the ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fsdb", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often the index is read ({ROUNDS})")
    options = parser.parse_args()
    print(f"{f'a scan of {FILES} files':34} {'Python, ms':>12} {'pyvolume, ms':>15} {'ratio':>6}")
    with tempfile.TemporaryDirectory() as folder:
        store = LocalStore(Path(folder) / "db", "w-")
        fast = LocalStore(store.path, "r+", fsync=False)
        numbers = itertools.count()

        def add(target: LocalStore) -> None:
            _add(target.create(f"scan_{next(numbers)}").create("images"))

        def write() -> None:
            _write(Path(folder) / f"plain_{next(numbers)}")

        _compare("add in a batch", write, lambda: add(store), BATCHES)
        _compare("add in a batch, fsync=False", write, lambda: add(fast), BATCHES)
        index = next(iter(store.values())).path / "files.json"
        _compare("open, by its index", lambda: json.loads(index.read_text()), lambda: _open(index), options.rounds)


def _add(images: Fileset) -> None:
    """Add files with metadata, and check that the index was written once."""
    before = images.scan.path.joinpath("files.json").stat().st_ino
    with images.scan.batch():
        for number in range(FILES):
            images.put(f"shot_{number}", TEXT, metadata={"angle": number})
        if images.scan.path.joinpath("files.json").stat().st_ino != before:
            raise SystemExit("the index was written before the end of the batch")


def _write(folder: Path) -> None:
    """Write the same files, neither safely nor under a lock."""
    for name in ("images", "metadata/images"):
        (folder / name).mkdir(parents=True)
    files = []
    for number in range(FILES):
        (folder / f"images/shot_{number}.txt").write_text(TEXT)
        (folder / f"metadata/images/shot_{number}.json").write_text(json.dumps({"angle": number}, indent=4))
        files.append({"file": f"shot_{number}.txt", "id": f"shot_{number}"})
    (folder / "files.json").write_text(json.dumps({"filesets": [{"files": files, "id": "images"}]}, indent=4))


def _open(index: Path) -> None:
    images = LocalStore(index.parent.parent)[index.parent.name]["images"]
    if len(list(images)) != FILES:
        raise SystemExit("the scan has not the files that were added")


def _compare(name: str, first: Callable[[], object], second: Callable[[], object], rounds: int) -> None:
    found = compared(first, second, rounds)
    milliseconds = [seconds * 1e3 for seconds in (found.first, found.second)]
    print(f"{name:34} {milliseconds[0]:12.1f} {milliseconds[1]:15.1f} {1 / found.ratio:6.2f}", flush=True)


if __name__ == "__main__":
    main()
