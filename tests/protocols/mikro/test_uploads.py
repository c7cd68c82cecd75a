"""Uploads that fail: no image or a whole one, and nothing half-made without a word."""

from __future__ import annotations

from typing import Any

import pytest
from mikro_by_hand import ARRAY, same, upload

from mockserver import Fault, MikroServer, Step
from pyvolume.errors import NotFoundError, RefusedError, StoreError, TransportError
from pyvolume.mikro import Mikro
from pyvolume.mikro.creating import created


@pytest.mark.parametrize(
    "fault",
    [
        Step("fail", "requestZarrUpload"),
        Fault("reset", method="PUT", path=".*/c/0/0/1/1/1", times=None),
        Fault("reset", method="PUT", path=".*/zarr.json", times=None),
        Step("fail", "finishZarrUpload"),
        Step("fail", "fromArrayLike"),
    ],
    ids=["request", "chunk", "metadata", "finish", "create"],
)
def test_a_crash_leaves_no_image(hasty: Mikro, mock: MikroServer, fault: Any) -> None:
    (mock.faults if isinstance(fault, Fault) else mock.steps).add(fault)
    with pytest.raises(StoreError):
        upload(hasty)
    assert mock.images == {}
    mock.faults.clear()
    same(upload(hasty)[...], ARRAY)


def test_a_lost_answer_to_a_create_makes_no_second_image(hasty: Mikro, mock: MikroServer) -> None:
    mock.steps.add(Step("lose", "fromArrayLike"))
    image = upload(hasty, resolution=1.5)
    assert (mock.images, image.resolution[0]) == ({1: "faulty"}, 1.5)


def test_a_lost_request_to_create_is_told(hasty: Mikro, mock: MikroServer) -> None:
    hasty.connect()
    image = upload(hasty)
    mock.faults.add(Fault("reset", path="/graphql"))
    with pytest.raises(TransportError, match=r"no image of this upload is in the catalogue.*look for 'a'") as caught:
        created(hasty.connection, image.store.store_id + "9", "a", {})
    assert (caught.value.uncertain, len(mock.images)) == (True, 1)


def test_an_image_that_could_not_be_looked_up_is_told(hasty: Mikro, mock: MikroServer) -> None:
    mock.steps.add(Step("lose", "fromArrayLike"), Step("fail", "images", times=9))
    with pytest.raises(TransportError, match="could not be looked up whether an image 'faulty' was made"):
        upload(hasty)


@pytest.mark.parametrize("kind", ["break", "lose"])
def test_a_half_made_image_is_told(hasty: Mikro, mock: MikroServer, kind: Any) -> None:
    origin = upload(hasty, name="origin")
    mock.steps.add(Step(kind, "fromArrayLike"))
    store_id = origin.store.store_id
    given = {"derivedViews": [{"originImage": "999"}]}
    with pytest.raises(RefusedError, match=r"image \d was made all the same: .*delete it"):
        created(hasty.connection, store_id, "half", given)


def test_a_dataset_that_is_none_is_refused_before(hasty: Mikro, mock: MikroServer) -> None:
    with pytest.raises(NotFoundError, match="there is none with this id"):
        upload(hasty, dataset="77")
    assert mock.objects == {}
