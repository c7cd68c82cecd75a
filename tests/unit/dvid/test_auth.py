"""Identity: the names and tokens that go with requests to DVID."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

from pyvolume.dvid import Identity
from pyvolume.transport.request import Request

ASK = Request("ask", "GET", "/api/server/info")
CREATE = Request("create", "POST", "/api/repos", privileged=True)
FULL = Identity("anna", "script", "t0ken", "adm1n")
KEPT = Identity(token="t0ken", pickle_secrets=True)


def test_names_are_sent_with_everything() -> None:
    assert FULL.apply(ASK).query == {"u": "anna", "app": "script"}


@pytest.mark.parametrize(("identity", "query"), [(Identity(), {"app": "pyvolume"}), (Identity(app=None), {})])
def test_only_what_is_given_is_sent(identity: Identity, query: dict[str, str]) -> None:
    assert (identity.apply(ASK).query, identity.apply(CREATE).secrets) == (query, {})


def test_the_token_is_a_bearer() -> None:
    assert FULL.apply(ASK).headers == {"Authorization": "Bearer t0ken"}


@pytest.mark.parametrize(("request_", "secrets"), [(ASK, {}), (CREATE, {"admintoken": "adm1n"})])
def test_the_admin_token_goes_with_what_needs_it_only(request_: Request, secrets: dict[str, str]) -> None:
    assert FULL.apply(request_).secrets == secrets


def test_a_token_that_no_header_can_hold_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="printable") as raised:
        Identity(token="secret\n")
    assert "secret" not in str(raised.value)


def test_tokens_are_not_in_the_repr() -> None:
    assert repr(FULL) == "Identity(user='anna', app='script')"


@pytest.mark.parametrize("pickle_secrets", [False, True])
def test_tokens_travel_only_if_asked_for(pickle_secrets: bool) -> None:
    identity = Identity("anna", "script", "t0ken", "adm1n", pickle_secrets=pickle_secrets)
    data = pickle.dumps(identity)
    assert (b"t0ken" in data, b"adm1n" in data) == (pickle_secrets, pickle_secrets)
    assert pickle.loads(data).user == "anna"


@pytest.mark.parametrize(
    ("identity", "left_behind"),
    [(FULL, True), (Identity(admin_token="adm1n"), True), (Identity("anna"), False), (KEPT, False)],
)
def test_an_identity_knows_that_its_tokens_are_elsewhere(identity: Identity, left_behind: bool) -> None:
    once = pickle.loads(pickle.dumps(identity))
    assert (once.left_behind, pickle.loads(pickle.dumps(once)).left_behind) == (left_behind, left_behind)
    assert not identity.left_behind


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_in_the_process_keeps_the_tokens(copied: Callable[[Identity], Identity]) -> None:
    assert copied(FULL) == FULL
