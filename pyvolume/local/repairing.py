"""What can be put right in a database, with a backup of what was there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pyvolume.errors import MetadataError
from pyvolume.files.values import suffix_of
from pyvolume.local import checking
from pyvolume.local.checking import Problem
from pyvolume.local.commit import read_index, set_aside
from pyvolume.local.index import Index
from pyvolume.local.layout import RESERVED, Root, ScanFolder
from pyvolume.local.locks import LOCK, heal, holder_of, locked
from pyvolume.local.refusals import told
from pyvolume.local.writing import write


def of_root(root: Root) -> list[Problem]:
    """Remove what processes of pyvolume have left that have ended."""
    found = []
    holder = holder_of(root)
    if heal(root):
        found.append(Problem("lock", root.path / LOCK, f"removed the lock of {holder}"))
    return found + [_removed(each) for each in checking.left_in_root(root)]


def of_scan(folder: ScanFolder) -> list[Problem]:
    """Put a scan right."""
    action = f"repair {folder.path}"
    if not any(each.kind != "file" for each in checking.of_scan(folder)):
        return []
    with locked(folder.root, folder.id, action), told(action, folder.path):
        found = [_removed(each) for each in checking.left_in_scan(folder)]
        return [*found, *_metadata(folder), *_index(folder)]


def _removed(path: Path) -> Problem:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    return Problem("left", path, "removed what a killed process has left")


def _metadata(folder: ScanFolder) -> Iterator[Problem]:
    """Set documents aside that cannot be understood."""
    for each in checking.of_scan(folder):
        if each.kind == "metadata" and each.path.exists():
            kept = set_aside(folder.root, each.path)
            yield Problem("metadata", each.path, f"moved to {kept}")
    if not folder.document().exists():
        folder.document().parent.mkdir(exist_ok=True)
        write({}, folder.document(), fsync=folder.root.fsync)
        yield Problem("metadata", folder.document(), "made an empty one")


def _index(folder: ScanFolder) -> Iterator[Problem]:
    """Make an index again that cannot be understood, or put its entries right."""
    try:
        before = read_index(folder)
    except MetadataError:
        before = None
    entries = _made_again(folder) if before is None else _present(folder, before)
    if before is not None and entries == before.filesets and not before.problems:
        return
    kept = ""
    if folder.index.exists():
        kept = f"; the old one is {set_aside(folder.root, folder.index, shutil.copy2)}"
    write(_document(entries), folder.index, fsync=folder.root.fsync)
    what = "made it again from the files" if before is None else "put its entries right"
    yield Problem("index", folder.index, f"{what}{kept}")


def _document(entries: Mapping[str, Mapping[str, str | None]]) -> dict[str, Any]:
    listed = {
        fileset: [{"file": name, "id": file} for file, name in files.items()] for fileset, files in entries.items()
    }
    return {"filesets": [{"files": files, "id": fileset} for fileset, files in listed.items()]}


def _made_again(folder: ScanFolder) -> dict[str, dict[str, str | None]]:
    """Return the files in the folders of a scan, with their names without suffixes as ids."""
    names = sorted(each.name for each in folder.path.iterdir() if each.is_dir() and not each.name.startswith("."))
    found: dict[str, dict[str, str | None]] = {name: {} for name in names if name not in RESERVED}
    for fileset, files in found.items():
        for each in sorted(folder.fileset(fileset).iterdir()):
            if each.is_file() and not each.name.startswith("."):
                files[each.name.removesuffix(suffix_of(each))] = each.name
    return found


def _present(folder: ScanFolder, index: Index) -> dict[str, dict[str, str | None]]:
    """Return the entries with a file; one that was never written gets the only file that has its id as its name."""
    found: dict[str, dict[str, str | None]] = {}
    for fileset, files in index.filesets.items():
        place = folder.fileset(fileset)
        there = {each.name for each in place.iterdir() if each.is_file()} if place.is_dir() else set()
        found[fileset] = {}
        for file, name in files.items():
            free = [each for each in there - set(files.values()) if each.removesuffix(suffix_of(Path(each))) == file]
            if name in there:
                found[fileset][file] = name
            elif name is None and len(free) == 1:
                found[fileset][file] = free[0]
    return found
