"""Processes that write into a folder database until they are killed, or all at the same time.

    python local_writers.py kill FOLDER ROUNDS SEED     a process in each round, which is killed
    python local_writers.py many FOLDER WRITERS COUNT   writers that add files to one fileset
    python local_writers.py full FOLDER BYTES           a writer whose files cannot be larger

pyvolume is imported once; the processes are made by fork.
"""

from __future__ import annotations

import itertools
import os
import random
import resource
import signal
import sys
import time
from pathlib import Path

from pyvolume.local import LocalStore

TEXT = "voxels " * 3000
"""What each file holds."""


def write_forever(folder: Path, out: int) -> None:
    """Make scans, filesets and files, one by one and in batches, replace and remove some; tell of each commit."""
    store = LocalStore(folder, "w-", patience=30)
    for number in itertools.count():
        scan = store.create(f"scan_{number}", {"number": number})
        os.write(out, b".")
        images = scan.create("images", {"channels": number})
        for file in range(20):
            images.put(f"shot_{file}", TEXT, metadata={"number": file})
            os.write(out, b".")
        with scan.batch():
            for file in range(20, 30):
                images.put(f"shot_{file}", TEXT, metadata={"number": file})
            del images["shot_3"]
        os.write(out, b".")
        images.put("shot_4", TEXT.encode(), format="json", metadata={"number": 4}, overwrite=True)
        os.write(out, b".")


def killed(folder: Path, rounds: int, seed: int) -> None:
    """Kill a writer in each round, some milliseconds after some commits."""
    chance = random.Random(seed)
    for number in range(rounds):
        readable, writable = os.pipe()
        writer = os.fork()
        if not writer:
            os.close(readable)
            write_forever(folder / f"round_{number}", writable)
        os.close(writable)
        for _ in range(chance.randrange(1, 60)):
            os.read(readable, 1)
        time.sleep(chance.random() / 50)
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
        os.close(readable)


def added(folder: Path, writer: int, count: int) -> None:
    """Add files, each third of them in a batch of two."""
    scan = LocalStore(folder, "r+", patience=300, fsync=False)["fern"]
    images = scan["images"]
    for number in range(0, count, 2):
        if number % 6:
            for each in (number, number + 1):
                images.put(f"{writer}_{each}", "text", metadata={"number": each})
        else:
            with scan.batch():
                for each in (number, number + 1):
                    images.put(f"{writer}_{each}", "text", metadata={"number": each})


def full(folder: Path, limit: int) -> None:
    """Write with a limit for the size of files; print what happens."""
    sys.dont_write_bytecode = True  # Python would keep the first part of a compiled module
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    images = LocalStore(folder, "r+")["fern"]["images"]
    for write in (
        lambda: images.put("large", bytes(limit + 1), format="raw"),
        lambda: images.put("small", "text"),
        lambda: images.set_metadata("text", "x" * limit),
    ):
        try:
            write()
            sys.stdout.write("done\n")
        except OSError as error:
            sys.stdout.write(f"{type(error).__name__} {error.errno} {error}\n")


def main() -> None:
    """Do what the arguments say."""
    action, folder, *numbers = sys.argv[1:]
    first, *others = map(int, numbers)
    if action == "kill":
        killed(Path(folder), first, *others)
    elif action == "full":
        full(Path(folder), first)
    else:
        together(Path(folder), first, *others)


def together(folder: Path, writers: int, count: int) -> None:
    """Let several processes add files at the same time; fail if one of them does."""
    pids = []
    for writer in range(writers):
        pid = os.fork()
        if not pid:
            added(folder, writer, count)
            os._exit(0)
        pids.append(pid)
    sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids))


if __name__ == "__main__":
    main()
