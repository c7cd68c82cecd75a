"""Errors of the libraries below, in the words of this package."""

from __future__ import annotations

import http.client

import pytest

from pyvolume.errors import TransportError
from pyvolume.transport.failures import translated


def test_an_error_of_the_network_is_a_transport_error_that_can_pass() -> None:
    with pytest.raises(TransportError) as raised, translated("read"):
        raise http.client.IncompleteRead(b"")
    assert raised.value.retryable


def test_a_transport_error_stays_as_it_is() -> None:
    cancelled = TransportError("call: cancelled")
    with pytest.raises(TransportError) as raised, translated("read"):
        raise cancelled
    assert raised.value is cancelled
