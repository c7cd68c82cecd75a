"""Links to Neuroglancer: a volume in a link, and a link of a volume."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

import pyvolume
from mockserver import MockServer
from pyvolume.display.neuroglancer import NeuroglancerVolume, link_of, url_of
from pyvolume.errors import AddressError

URL = "dvid://http://localhost:8000/ab12/gray"


def link(state: object) -> str:
    return f"https://example.org/viewer/#!{quote(json.dumps(state))}"


@pytest.mark.parametrize(
    "source", [URL, [URL], {"url": URL}, [{"url": URL, "transform": {}}], ["precomputed://gs://x", URL]]
)
def test_the_only_layer_on_dvid_is_found(source: Any) -> None:
    layers = [{"name": "mesh", "source": "precomputed://gs://bucket"}, {"name": "gray", "source": source}]
    assert url_of(link({"layers": layers})) == URL


def test_the_selected_layer_is_taken_of_several() -> None:
    layers = [{"name": "a", "source": URL}, {"name": "b", "source": f"{URL}2"}]
    assert url_of(link({"layers": layers, "selectedLayer": {"layer": "b", "visible": True}})) == f"{URL}2"


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ({"layers": [{"name": "a", "source": URL}, {"name": "b", "source": URL}]}, "a, b"),
        ({"layers": []}, "none"),
        ({}, "none"),
        ([], "expected the state"),
        ({"layers": [3]}, "expected the state"),
        ({"layers": 3}, "expected the state"),
        ({"layers": [], "selectedLayer": [1]}, "expected the state"),
    ],
)
def test_what_is_not_clear_is_refused(state: object, found: str) -> None:
    with pytest.raises(AddressError, match=found):
        url_of(link(state))


@pytest.mark.parametrize("state", ["{", "[" * 100_000, "1" * 5000], ids=["open", "deep", "a long number"])
def test_a_broken_link_is_refused(state: str) -> None:
    with pytest.raises(AddressError, match="expected the state of Neuroglancer"):
        url_of(f"https://example.org/#!{state}")


def test_a_volume_is_opened_by_a_link() -> None:
    with MockServer({"gray": np.ones((1, 1, 1, 1), "uint8")}) as server:
        with pyvolume.open(f"dvid://{server.url}/{server.uuid}/gray") as volume:
            assert isinstance(volume, NeuroglancerVolume)
            made = link_of(volume, "gray")
        with pyvolume.open(made) as volume:
            assert volume.shape == (1, 1, 1, 1)
