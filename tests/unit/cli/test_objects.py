"""The commands for differences, keys and regions, against the mock server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Run
from numpy.typing import NDArray

import pyvolume
from mockserver import MockServer

GRAY = ":master/gray"


class TestDiff:
    def test_two_versions_are_compared(self, run: Run, server: MockServer) -> None:
        run("commit", ":master", "--next")
        with pyvolume.open(f"dvid://{server.url}/:master/gray", "r+") as volume:
            volume[0, 3, 4, 5:7] ^= 1
        found = run("diff", ":master~1/gray", GRAY, "--json").document
        assert found["voxels"] == 2
        assert found["bounds"] == {"start": [0, 3, 4, 5], "stop": [1, 4, 5, 7]}
        assert [block["voxels"] for block in found["blocks"]] == [2]
        listed = run("diff", ":master~1/gray", GRAY, "--blocks").out.splitlines()
        assert listed[0].startswith("2 of 65536 voxels differ, in 1 block, within (0:1, 3:4, 4:5, 5:7)")
        assert listed[1].endswith(": 2")

    def test_slices_say_what_is_compared(self, run: Run, voxels: NDArray[Any]) -> None:
        found = run("diff", f"{GRAY}[:, 10:20, 3]", ":master/other", "--json").document
        assert found["voxels"] == np.count_nonzero(voxels[:, 10:20, 3])
        assert found["box"] == {"start": [0, 10, 3, 0], "stop": [1, 20, 4, 32]}

    def test_a_script_sees_a_difference(self, run: Run) -> None:
        assert run("diff", GRAY, ":master/other").code == 1
        assert run("diff", GRAY, ":master/other", "--json").code == 1
        assert run("diff", GRAY, GRAY).code == 0

    @pytest.mark.parametrize(
        "other", [":master/nothing", ":master/gray[0]", "http://127.0.0.1:1/ab/gray", "broken.npy"]
    )
    def test_no_error_looks_like_a_difference(self, run: Run, other: str) -> None:
        Path("broken.npy").write_bytes(b"nonsense")
        assert run("diff", GRAY, other).code > 1


class TestKeys:
    @pytest.fixture(autouse=True)
    def notes(self, run: Run) -> None:
        assert run("keys", "create", ":master", "notes").code == 0

    def test_values_come_back(self, run: Run) -> None:
        run("keys", "put", ":master/notes", "who", "-", input="Ada")
        Path("blob").write_bytes(bytes(range(256)))
        run("keys", "put", ":master/notes", "blob", "blob")
        assert run("keys", "ls", ":master/notes", "--json").document == ["blob", "who"]
        assert run("keys", "get", ":master/notes", "who").out == "Ada"
        assert run("keys", "get", ":master/notes", "blob", "copy").code == 0
        assert Path("copy").read_bytes() == bytes(range(256))

    def test_a_large_value_flows_through(self, run: Run) -> None:
        value = np.random.default_rng(0).bytes((3 << 20) + 1)
        assert run("keys", "put", ":master/notes", "blob", "-", input=value).code == 0
        assert run("keys", "get", ":master/notes", "blob", "copy").code == 0
        assert Path("copy").read_bytes() == value

    def test_a_file_is_not_replaced_by_accident(self, run: Run) -> None:
        run("keys", "put", ":master/notes", "who", "-", input="Ada")
        Path("copy").write_text("precious")
        assert run("keys", "get", ":master/notes", "who", "copy").code == 5
        assert run("keys", "get", ":master/notes", "who", "copy", "--force").code == 0
        assert Path("copy").read_text() == "Ada"

    def test_a_key_is_deleted(self, run: Run) -> None:
        run("keys", "put", ":master/notes", "who", "-", input="Ada")
        assert run("keys", "rm", ":master/notes", "who").code == 0
        assert run("keys", "rm", ":master/notes", "who").code == 4

    def test_a_missing_key_leaves_no_file(self, run: Run) -> None:
        assert run("keys", "get", ":master/notes", "nobody", "copy").code == 4
        assert list(Path().iterdir()) == []

    def test_a_volume_has_no_keys(self, run: Run) -> None:
        assert run("keys", "ls", GRAY).code == 5


class TestRoi:
    SPANS = ([0, 0, 0, 1], [0, 1, 1, 1])

    @pytest.fixture(autouse=True)
    def brain(self, run: Run) -> None:
        assert run("roi", "create", ":master", "brain", "--block-shape", "16").code == 0

    def test_spans_come_back(self, run: Run) -> None:
        Path("spans.json").write_text(json.dumps(self.SPANS))
        assert run("roi", "put", "spans.json", ":master/brain").code == 0
        assert run("roi", "get", ":master/brain").document == [*self.SPANS]
        found = run("roi", "info", ":master/brain", "--json").document
        assert (found["block_count"], found["voxels"], found["stop"]) == (3, 3 * 16**3, [32, 32, 16])

    def test_a_mask_becomes_a_region(self, run: Run) -> None:
        mask = np.zeros((1, 32, 32, 16), "uint8")
        mask[:, :, :16] = mask[:, 16:] = 1
        np.save("mask.npy", mask)
        assert run("roi", "put", "mask.npy", ":master/brain").code == 0
        assert run("roi", "get", ":master/brain").document == [*self.SPANS]

    def test_half_a_block_needs_a_decision(self, run: Run) -> None:
        np.save("mask.npy", np.ones((20, 16, 16), "uint8"))
        assert run("roi", "put", "mask.npy", ":master/brain").code == 6
        assert run("roi", "put", "mask.npy", ":master/brain", "--partial", "include").code == 0
        assert run("roi", "get", ":master/brain").document == [[0, 0, 0, 1]]

    def test_a_broken_file_changes_nothing(self, run: Run) -> None:
        Path("spans.json").write_text("[[0, 0")
        assert run("roi", "put", "spans.json", ":master/brain").code == 6


@pytest.mark.parametrize("command", ["keys create", "roi create"])
def test_what_is_made_is_said_in_json(run: Run, server: MockServer, command: str) -> None:
    made = run(*command.split(), ":master", "made", "--json").document
    assert made == {"url": f"dvid://{server.url}/{server.uuid}/made", "version": server.uuid, "name": "made"}


def test_a_region_is_json_in_any_case(run: Run) -> None:
    run("roi", "create", ":master", "made")
    assert run("roi", "get", ":master/made", "--json").document == []


@pytest.mark.parametrize("command", ["diff", "keys get", "keys put", "keys ls", "keys rm", "roi get", "roi put"])
def test_each_command_has_an_example(run: Run, command: str) -> None:
    help_text = run(*command.split(), "--help").out
    assert f"pyvolume {command}" in help_text.partition("Example")[2]
