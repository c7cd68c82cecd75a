"""Lists of images and datasets: complete, in order, and found by name."""

from __future__ import annotations

import numpy as np
import pytest
from conformance_stores import ramp
from mikro_by_hand import fresh, uploaded

from mockserver import MikroServer
from pyvolume.errors import ExistsError, MetadataError
from pyvolume.mikro import Image, Mikro
from pyvolume.mikro.lists import PAGE


def test_lists_are_complete_and_in_order(own: Mikro, mock: MikroServer) -> None:
    first = uploaded(own, tags=["one"])
    for number in range(102):
        _twin(own, first, f"twin {number}")
    listed = own.images
    ids = [int(each.id) for each in listed]
    assert ids == sorted(ids)
    assert listed.count() == len(ids) == len(mock.images) == 103
    assert (listed[0].id, listed[-1].name, [each.name for each in listed[1:3]]) == (
        first.id, "twin 101", ["twin 0", "twin 1"],
    )  # fmt: skip
    assert [each.name for each in listed.find(name="WIN 10").find(search="twin")] == ["twin 10", "twin 100", "twin 101"]
    assert [each.id for each in listed.find(tags=["one"], owner="1")] == [first.id]
    assert [listed.__contains__(each) for each in (first.id, "999")] == [True, False]
    assert first.id not in {each.id for each in listed.find(name="twin")}
    with pytest.raises(IndexError, match="no image at place 200"):
        listed[200]


def test_a_list_is_complete_while_images_are_added(own: Mikro, mock: MikroServer) -> None:
    first = uploaded(own)
    for number in range(PAGE + 4):
        _twin(own, first, f"old {number}")
    old = {str(each) for each in mock.images}
    seen = []
    for number, entry in enumerate(own.images):
        seen.append(entry.id)
        if number % 20 == 0:
            _twin(own, first, f"new {number}")
    assert seen == sorted(set(seen), key=int)
    assert old <= set(seen)


@pytest.mark.parametrize("name", ['it\'s "quoted"', "{braces} $x \\ \n\t", "Zelle Ä 细胞 🔬", "n" * 1000, " ", "1"])
def test_names_come_back_and_are_found(mikro: Mikro, name: str) -> None:
    image = mikro.from_xarray(ramp((8, 9)), name, dims="xy")
    assert mikro.image(image.id).name == name
    if len(name) > 1:
        assert image.id in {each.id for each in mikro.images.find(name=name)}


def _twin(mikro: Mikro, image: Image, name: str) -> None:
    """Make another image of the same array."""
    from pyvolume.mikro.creating import created

    created(mikro.connection, image.store.store_id, name, {})


def test_an_id_is_a_text_or_a_number(own: Mikro) -> None:
    folder = own.create_dataset("folder")
    image = own.from_xarray(np.zeros((8, 9)), "a", dims="xy", dataset=int(folder.id))
    assert [each.id for each in own.images.find(dataset=int(folder.id))] == [image.id]
    own.create_dataset("other").put(int(image.id))
    assert not own.images.find(dataset=folder)
    for wrong in (lambda: own.images.find(dataset=1.5), lambda: folder.put(None)):
        with pytest.raises(TypeError, match="the id of one"):
            wrong()
    with pytest.raises(MetadataError, match="a list of tags"):
        own.images.find(tags="fly")


def test_datasets_are_listed(mikro: Mikro) -> None:
    parent = mikro.create_dataset(fresh("parent"))
    child = mikro.create_dataset("child", parent)
    assert mikro.dataset(int(child.id)).parent == parent.id
    assert {parent, child} <= set(mikro.datasets)
    image = uploaded(mikro)
    child.put(image)
    assert mikro.image(image.id).dataset == child
    with pytest.raises(ExistsError, match=r"the name is taken$"):
        mikro.create_dataset("child", parent)


def test_the_generation_is_asked_once(own: Mikro, mock: MikroServer) -> None:
    assert (own.connect().generation, own.connect().generation) == (2, 2)
    assert len(mock.requests) == 1
