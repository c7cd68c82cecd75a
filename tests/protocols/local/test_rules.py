"""After any changes all generations of programs open the database, and see the same in it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from fsdb_by_hand import SCHEMA, contents, opened_2021, opened_2026, text_of
from jsonschema import Draft202012Validator

from pyvolume.local import LocalStore, Scan


def change(scan: Scan, chance: random.Random) -> None:
    """Make one change of any kind."""
    filesets = [scan[name] for name in scan]
    some = chance.choice(filesets) if filesets else scan.create("first")
    ids = list(some)
    name = f"n{chance.randrange(12)}"
    match chance.randrange(8):
        case 0 if name not in scan:
            scan.create(name, {"object": "fern"} if chance.random() < 0.5 else None)
        case 1 if len(filesets) > 1:
            del scan[chance.choice(filesets[1:]).id]
        case 2 if ids:
            del some[chance.choice(ids)]
        case 3 if ids:
            some[chance.choice(ids)].set_metadata("angle", chance.random())
        case 4:
            scan.set_metadata({"object": {"plant": name}, "hardware": np.arange(2)})
        case 5:
            some.put(name, {"a": 1}, metadata={"é": name}, overwrite=True)
        case _:
            some.put(name, name, overwrite=True)


@pytest.mark.parametrize("seed", range(4))
def test_all_programs_see_the_same(golden: Path, seed: int) -> None:
    root, chance = golden.parent, random.Random(seed)
    before = contents(root)
    store = LocalStore(root, "r+", patience=0, fsync=False)
    store.create("moss", {"species": "moss"})
    for step in range(30):
        scan = store[chance.choice(["fern_0042", "moss"])]
        if step % 3:
            change(scan, chance)
        else:
            with scan.batch():
                scan.set_metadata("step", step)
                change(scan, chance)
    seen = {name: {each.id: list(each) for each in scan.values()} for name, scan in store.items()}
    assert opened_2021(root) == opened_2026(root) == seen
    assert store.check() == []
    for path in root.rglob("*/files.json"):
        document = json.loads(path.read_text("ascii"))
        Draft202012Validator(SCHEMA).validate(document)
        assert path.read_text("ascii") == text_of(document)
    after = contents(root)
    for name in (
        "users.json",
        "groups.json",
        ".locks/fern_0042.info",
        "fern_0042/scan.toml",
        "fern_0042/measures.json",
    ):
        assert after.get(name) == before.get(name)
    for scan in store.values():
        if (scan.path / "metadata/images.json").exists():
            kept, images = scan.get_metadata(), scan["images"].get_metadata()
            assert {key: kept.get(key) for key in images.keys() & {"object", "hardware"}}.items() <= kept.items()
