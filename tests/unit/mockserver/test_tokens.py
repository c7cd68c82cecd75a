"""The server checks tokens only with ``auth="token"``, and makes those that it accepts."""

from __future__ import annotations

import pytest
from plain_client import talking_to

from mockserver import MockServer


def test_a_server_makes_the_tokens_that_it_accepts() -> None:
    with MockServer({}, auth="token") as server, talking_to(server) as client:
        path = f"/api/node/{server.uuid}/status"
        statuses = []
        for lifetime in (60.0, -60.0):
            headers = {"Authorization": f"Bearer {server.token(lifetime=lifetime)}"}
            client.connection.request("GET", path, headers=headers)
            answer = client.connection.getresponse()
            answer.read()
            statuses.append(answer.status)
    assert statuses == [200, 400]


def test_there_are_two_kinds_of_auth() -> None:
    with pytest.raises(ValueError, match="'none' or 'token'"):
        MockServer(auth="dsg")
