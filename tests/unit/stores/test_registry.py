"""Drivers: how they are found, and what they must be like."""

from __future__ import annotations

import inspect
from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
import pytest

import pyvolume
from pyvolume.errors import AddressError, UnsupportedError
from pyvolume.stores import registry


class SevenDriver(registry.Driver):
    """Opens ``seven://N``: N voxels with the value 7."""

    forms = "seven://N"

    @staticmethod
    def recognises(url: str) -> bool:
        return url.endswith(".seven")

    @staticmethod
    def open(url: str, mode: str, *, partial_blocks: str, casting: str, value: int = 7) -> pyvolume.Volume:
        count = int(url.rpartition("/")[2].removesuffix(".seven"))
        return pyvolume.from_array(np.full((1, count), value, "uint8"))


class GreedyDriver(SevenDriver):
    @staticmethod
    def recognises(url: str) -> bool:
        return False

    @staticmethod
    def open(url: str, mode: str, **options: Any) -> pyvolume.Volume:
        raise AssertionError


DRIVER, GREEDY = SevenDriver(), GreedyDriver()


@pytest.fixture(autouse=True)
def other_package(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint(name, f"{__name__}:{attribute}", registry.GROUP)
        for name, attribute in (("seven", "DRIVER"), ("greedy", "GREEDY"))
    ]
    values = {"seven": DRIVER, "greedy": GREEDY}
    monkeypatch.setattr(EntryPoint, "load", lambda point: values[point.name])
    monkeypatch.setattr(
        registry, "entry_points", lambda group, name=None: [each for each in points if name in {None, each.name}]
    )


@pytest.mark.parametrize("url", ["seven://3", "3.seven"])
def test_a_driver_of_another_package_opens_its_urls(url: str) -> None:
    assert pyvolume.open(url)[0].tolist() == [7, 7, 7]


def test_its_options_are_those_of_its_signature() -> None:
    assert pyvolume.open("seven://2", value=5)[0].tolist() == [5, 5]
    with pytest.raises(TypeError, match="'value'"):
        pyvolume.open("seven://2", valeu=5)


def test_a_driver_that_takes_any_option_is_refused() -> None:
    with pytest.raises(TypeError, match="option"):
        pyvolume.open("greedy://2")


def test_the_message_for_an_unknown_scheme_names_the_drivers() -> None:
    with pytest.raises(AddressError, match="dvid, file, greedy, seven"):
        pyvolume.open("eight://2")


def test_a_driver_without_lists_says_so() -> None:
    driver = registry.load("seven")
    assert driver.names_volume("seven://2")
    with pytest.raises(UnsupportedError):
        driver.catalogue("seven://2")


def test_a_driver_that_lacks_a_library_does_not_disturb_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(point: EntryPoint) -> None:
        raise ImportError("install the library")

    monkeypatch.setattr(EntryPoint, "load", fail)
    assert "tag" in registry.own_commands()
    assert "seven" in caplog.text
    with pytest.raises(ImportError, match="library"):
        pyvolume.open("seven://2")


@pytest.mark.parametrize("name", registry.DRIVERS)
def test_our_drivers_name_their_options(name: str) -> None:
    driver = registry.load(name)
    parameters = inspect.signature(driver.open).parameters
    assert list(parameters)[:2] == ["url", "mode"]
    assert {"partial_blocks", "casting"} <= set(registry.option_names(driver))
