"""Folder databases made without pyvolume, as the programs of 2021 and of 2026 leave them."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

VOXELS = np.arange(5 * 4 * 3, dtype="uint8").reshape(5, 4, 3)
"""The voxels of the scan, along x, y and z."""

INDEX = {
    "filesets": [
        {
            "files": [{"file": "shot_001.txt", "id": "shot_001"}, {"file": "shot_000.txt", "id": "shot_000"}],
            "id": "images",
        },
        {"files": [{"file": "Voxels.npz", "id": "Voxels"}], "id": "Voxels_1__0123456789"},
    ]
}

DOCUMENTS_2021 = {
    "files.json": INDEX,
    "metadata/metadata.json": {"object": {"plant": "coléus"}},
    "metadata/images/shot_000.json": {"angle": float("nan"), "pose": [1, 2.5]},
    "metadata/Voxels_1__0123456789/Voxels.json": {"origin": [-1.0, 0.0, 2.0], "voxel_size": 0.5},
    "measures.json": {"angles": [137], "internodes": [2.5]},
}

DOCUMENTS_2026 = DOCUMENTS_2021 | {
    "metadata/metadata.json": {"created": "2026-03-01T10:00:00", "object": {"plant": "fern"}, "owner": "guest"},
    "metadata/images.json": {"created": "2026-03-01T10:00:01", "object": {"plant": "fern"}},
}

TEXTS = {
    "images/shot_000.txt": "first",
    "images/shot_001.txt": "second",
    "scan.toml": "[ScanPath]\nkind = 'circle'\n",
    "webcache/thumb.txt": "made by a server",
}


def text_of(document: object) -> str:
    """Return a document in the style of all programs: ASCII, sorted keys, four spaces, no newline at the end."""
    return json.dumps(document, indent=4, sort_keys=True)


def npz(**arrays: Any) -> bytes:
    """Return the bytes of a file of arrays."""
    made = io.BytesIO()
    np.savez_compressed(made, **arrays)
    return made.getvalue()


def write_2021(root: Path) -> Path:
    """Make a database of romidata, with one scan; return its folder."""
    _write(root, {"romidb": ""})
    _write_scan(root / "fern_0042", DOCUMENTS_2021)
    return root / "fern_0042"


def write_2026(root: Path) -> Path:
    """Make a database of plantdb 0.15, with one scan; return its folder."""
    _write(root, {"romidb": "", "users.json": "{}", "groups.json": "{}", ".locks/fern_0042.info": "{}"})
    _write_scan(root / "fern_0042", DOCUMENTS_2026)
    return root / "fern_0042"


def _write_scan(scan: Path, documents: dict[str, Any]) -> None:
    _write(scan, TEXTS | {name: text_of(each) for name, each in documents.items()})
    (scan / "Voxels_1__0123456789").mkdir()
    (scan / "Voxels_1__0123456789/Voxels.npz").write_bytes(npz(arr_0=VOXELS))


def _write(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "ascii")


def spoil(path: Path, text: str) -> None:
    """Write what a program has left there that was killed an hour ago."""
    path.write_text(text, "latin-1")
    os.utime(path, (path.stat().st_mtime - 3600,) * 2)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files below a folder, but for those of pyvolume and of locks."""
    found = (each for each in sorted(folder.rglob("*")) if each.is_file())
    names = {each.relative_to(folder).as_posix(): each for each in found}
    own = (".pyvolume/", ".locks/")
    return {
        name: each.read_bytes() for name, each in names.items() if not name.startswith(own) or name.endswith("info")
    }


def change_index(scan: Path, change: Any) -> None:
    """Change the index of a scan as another program does."""
    document = json.loads((scan / "files.json").read_text("ascii"))
    change(document["filesets"])
    (scan / "files.json").write_text(text_of(document), "ascii")


Opened = dict[str, dict[str, list[str]]]
"""The ids of files, by fileset and scan."""


def opened_2021(root: Path) -> Opened:
    """Open a database as romidata does: a folder with an index is a scan."""
    assert (root / "romidb").exists()
    assert not (root / "lock").exists()
    scans = sorted(each for each in root.iterdir() if (each / "files.json").is_file())
    return {scan.name: _opened(scan) for scan in scans}


def opened_2026(root: Path) -> Opened:
    """Open a database as plantdb 0.15 does: a folder with metadata is a scan, which must have an index."""
    scans = sorted(each for each in root.iterdir() if each.name[0] != "." and (each / "metadata").is_dir())
    return {scan.name: _opened(scan) for scan in scans}


def _opened(scan: Path) -> dict[str, list[str]]:
    """Open a scan; a file that is missing hides it from the older programs."""
    index = json.loads((scan / "files.json").read_text("ascii"))
    found: dict[str, list[str]] = {}
    for fileset in index["filesets"]:
        for entry in fileset["files"]:
            assert (scan / fileset["id"] / entry["file"]).is_file()
        found[fileset["id"]] = [entry["id"] for entry in fileset["files"]]
    for document in (scan / "metadata").rglob("*.json"):
        assert isinstance(json.loads(document.read_text("ascii")), dict)
    assert (scan / "metadata/metadata.json").is_file()
    return found


SCHEMA = {
    "type": "object",
    "required": ["filesets"],
    "additionalProperties": False,
    "properties": {
        "filesets": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "files"],
                "additionalProperties": False,
                "properties": {
                    "id": {"type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9_.-]*$"},
                    "files": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["id", "file"],
                            "additionalProperties": False,
                            "properties": {
                                "id": {"type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9_.-]*$"},
                                "file": {"type": "string", "pattern": r"^[^/\\]+$"},
                            },
                        },
                    },
                },
            },
        }
    },
}
"""What every program reads as an index."""
