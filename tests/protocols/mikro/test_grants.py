"""Grants: they end, are renewed, and are never taken for a missing chunk."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from mikro_by_hand import ARRAY, asked, same, upload

from mockserver import MikroServer, Step
from pyvolume.errors import ForbiddenError, RefusedError, UnsupportedError
from pyvolume.mikro import Mikro
from pyvolume.mikro.grants import Grant, Grants, grant_of


@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "ExpiredToken"])
def test_one_that_ends_among_16_workers_is_renewed_once(own: Mikro, mock: MikroServer, code: Any) -> None:
    mock.expired_code = code
    image = own.image(upload(own).id)
    lock, read = threading.Lock(), [0]

    def ending(block: Any) -> Any:
        with lock:
            read[0] += 1
            if read[0] == 10:
                mock.advance(901)
        return block

    blocks: Any = image.to_dask(chunks=(1, 16, 16, 16, 1))
    lazy = blocks.map_blocks(ending, dtype=image.dtype)
    first = len(mock.requests)
    same(lazy.compute(scheduler="threads", num_workers=16), ARRAY)
    assert asked(mock, first).count("graphql") == 1


@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "ExpiredToken"])
def test_one_that_has_ended_before_is_renewed_once(own: Mikro, mock: MikroServer, code: Any) -> None:
    mock.expired_code = code
    image = own.image(upload(own).id)
    image[0, 0, 0, 0]
    mock.advance(901)
    first = len(mock.requests)
    assert int(image.data.max().compute(scheduler="threads", num_workers=16)) == ARRAY.max()
    assert asked(mock, first).count("graphql") == 1


def new_grant(seconds: float, began: float) -> Grant:
    document = {
        "accessKey": "a", "secretKey": "b", "sessionToken": "c", "bucket": "zarr", "key": "k", "expiresIn": seconds,
    }  # fmt: skip
    return grant_of(document, began, "read")


@pytest.mark.parametrize(("seconds", "left"), [(3600, 3570), (900, 870), (100, 90), (10, 9), (0, 0)])
def test_one_is_renewed_before_it_ends(seconds: int, left: int) -> None:
    assert new_grant(seconds, 1000.0).end == 1000.0 + left
    assert Grants(pytest.fail, new_grant(seconds, time.monotonic() - left + 60)).present[1] is not None
    assert Grants(pytest.fail, new_grant(seconds, time.monotonic() - left)).present[1] is None


def test_one_thread_renews_and_the_others_wait() -> None:
    begun = threading.Event()
    calls = []

    def renew() -> Grant:
        calls.append(threading.get_ident())
        begun.wait(10)
        return new_grant(900, time.monotonic())

    grants = Grants(renew, new_grant(900, time.monotonic()))
    with ThreadPoolExecutor(16) as pool:
        waiting = [pool.submit(grants.renewed, 1) for _ in range(16)]
        begun.set()
        assert {each.result()[0] for each in waiting} == {2}
    assert len(calls) == 1


def test_what_the_catalogue_refuses_is_told_to_all_that_wait() -> None:
    together, calls = threading.Barrier(8, timeout=10), list[int]()

    def renew() -> Grant:
        calls.append(1)
        time.sleep(0.1)
        raise ForbiddenError("no")

    grants = Grants(renew, new_grant(900, time.monotonic()))

    def ask() -> None:
        together.wait()
        grants.renewed(1)

    with ThreadPoolExecutor(8) as pool:
        errors = [each.exception() for each in [pool.submit(ask) for _ in range(8)]]
    assert {type(each) for each in errors} == {ForbiddenError}
    assert len(calls) == 1
    with pytest.raises(ForbiddenError):
        grants.renewed(1)
    assert len(calls) == 2


def test_an_upload_whose_keys_have_ended_is_refused_before_a_byte_moves() -> None:
    with MikroServer(seconds=0) as mock, Mikro(mock.url, token="test", store=mock.store_url) as mikro:
        with pytest.raises(UnsupportedError, match="cannot be renewed; nothing was written"):
            upload(mikro)
        assert mock.objects == {}


def test_an_upload_that_cannot_last_is_refused_before_a_byte_moves(own: Mikro, mock: MikroServer) -> None:
    with pytest.raises(UnsupportedError, match=r"1.068 MiB take 1120 s at 1000 B a second.*bandwidth="):
        upload(own, bandwidth=1000)
    assert (mock.objects, mock.images) == ({}, {})


def test_an_upload_whose_grant_ends_makes_no_image(own: Mikro, mock: MikroServer) -> None:
    with pytest.raises(ForbiddenError, match=r"upload an image.*cannot be renewed; no image was made"):
        upload(own, progress=lambda _status: mock.revoke())
    assert mock.images == {}


@pytest.mark.parametrize("lists", [True, False])
def test_a_chunk_that_is_missing_is_the_fill_value(own: Mikro, mock: MikroServer, lists: bool) -> None:
    image = upload(own)
    mock.delete(next(key for key in mock.objects if key.endswith("c/0/0/0/1/2")))
    mock.lists = lists
    expected = ARRAY.copy()
    expected[0, 64:96, 32:64, :32] = 0
    first = len(mock.requests)
    same(image[...], expected)
    assert asked(mock, first).count("graphql") == (0 if lists else 1)


def test_one_that_has_ended_is_no_missing_chunk(hasty: Mikro, mock: MikroServer) -> None:
    image = upload(hasty)
    mock.revoke()
    mock.steps.add(Step("fail", "requestZarrAccess", message="the token service is down"))
    with pytest.raises(RefusedError, match=r"renew the access to image 1.*token service is down"):
        image.max()
    same(image[...], ARRAY)


def test_permanent_keys_are_sent_without_a_session_token() -> None:
    with (
        MikroServer(grants="plain") as mock,
        Mikro(mock.url, token="test", store=mock.store_url) as mikro,
    ):
        same(upload(mikro, bandwidth=1)[...], ARRAY)
        signed = [each.headers for each in mock.requests if each.path != "/graphql"]
        assert signed
        assert not [headers for headers in signed if "x-amz-security-token" in map(str.lower, headers)]
