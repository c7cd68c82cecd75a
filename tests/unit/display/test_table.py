"""The table of a volume."""

from __future__ import annotations

import pytest
from conformance_stores import ramp

import pyvolume
from mockserver import MockServer


def test_the_table_needs_no_request() -> None:
    with (
        MockServer({"gray": ramp((1, 5, 6, 7))}) as server,
        pyvolume.open(f"dvid://{server.url}/:master/gray") as volume,
    ):
        asked = len(server.requests)
        table = volume._repr_html_()
        assert len(server.requests) == asked
    assert "1 × 5 × 6 × 7" in table
    assert "uint8" in table
    assert server.uuid in table


def test_the_table_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    volume = pyvolume.from_array(ramp((1, 5, 6, 7)))
    monkeypatch.setattr(volume.store, "address", "<script>alert(1)</script>")
    assert "<script>" not in volume._repr_html_()
