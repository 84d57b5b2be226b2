"""P-Asserted-Identity, P-Served-User, Privacy and P-Charging-Vector as texts and values."""

from __future__ import annotations

import pytest

from abserver.sip.errors import SipSyntaxError
from abserver.sip.message import Headers
from abserver.sip.trusted_fields import (
    ChargingVector,
    Privacy,
    ServedUser,
    SessionCase,
    asserted_identities,
    read_privacy,
)


def test_identities_are_read_with_and_without_brackets_rfc3325_9_1() -> None:
    value = '"Cullen, J." <sip:fluffy@example.com>, tel:+14085264000,sips:f@example.com'
    assert asserted_identities(value) == ["sip:fluffy@example.com", "tel:+14085264000", "sips:f@example.com"]


@pytest.mark.parametrize("row", ["<>", "alice", '"A <sip:a@example.com>', "<sip:a@example.com>,"])
def test_an_identity_that_is_no_address_is_a_syntax_error(row: str) -> None:
    with pytest.raises(SipSyntaxError):
        asserted_identities(row)


@pytest.mark.parametrize(
    ("row", "case"),
    [
        ("<sip:user@example.com>; sescase=orig; regstate=reg", SessionCase.ORIGINATING),
        ("<sip:user@example.com>;SESCASE=Term;regstate=unreg", SessionCase.TERMINATING),
        ("<sip:user@example.com>;orig-cdiv", None),
        ("sip:user@example.com;sescase=later", None),
    ],
)
def test_the_served_user_comes_with_a_session_case_rfc5502(row: str, case: SessionCase | None) -> None:
    assert ServedUser.of(Headers([("P-Served-User", row)])) == ServedUser("sip:user@example.com", case)


def test_there_may_be_no_served_user() -> None:
    assert ServedUser.of(Headers()) is None


@pytest.mark.parametrize(
    ("rows", "asked", "unknown"),
    [
        (["id"], Privacy.ID, []),
        (["header;user ; critical"], Privacy.HEADER | Privacy.USER | Privacy.CRITICAL, []),
        (["ID, session", "history"], Privacy.ID | Privacy.SESSION | Privacy.HISTORY, []),
        (["none"], Privacy.NONE, []),
        (["id;none;critical;shoe-size"], Privacy.NONE, []),
        (["shoe-size;critical"], Privacy.CRITICAL, ["shoe-size"]),
    ],
)
def test_privacy_values_are_read_rfc3323_4_2(rows: list[str], asked: Privacy, unknown: list[str]) -> None:
    found, others = read_privacy(rows)
    assert (found, list(others)) == (asked, unknown)


@pytest.mark.parametrize("row", ["", "id;;user", "id user", "i@d"])
def test_privacy_that_is_no_list_of_tokens_is_a_syntax_error(row: str) -> None:
    with pytest.raises(SipSyntaxError):
        read_privacy([row])


FULL = 'icid-value="Ay=02";icid-generated-at=192.0.6.8;orig-ioi=home1.example;term-ioi=home2.example'


@pytest.mark.parametrize("text", [FULL, "icid-value=1234bc9876e"])
def test_a_charging_vector_is_written_as_it_was_read_rfc7315_5_6(text: str) -> None:
    vector = ChargingVector.of(Headers([("P-Charging-Vector", text)]))
    assert str(vector) == text


@pytest.mark.parametrize("text", ["orig-ioi=home1.example", "icid-value", "icid-value=a;icid-value=b", "<>"])
def test_a_charging_vector_without_an_identity_is_none_rfc7315_5_6(text: str) -> None:
    assert ChargingVector.of(Headers([("P-Charging-Vector", text)])) is None


def test_a_response_names_both_networks_and_a_request_of_ours_only_ours_rfc7315_4_6_2() -> None:
    text = f'{FULL};related-icid=zz;transit-ioi="a.1"'
    vector = ChargingVector.of(Headers([("P-Charging-Vector", text)]))
    assert vector is not None
    head = 'icid-value="Ay=02";icid-generated-at=192.0.6.8'
    assert str(vector.answered_by("ours.example")) == f"{head};orig-ioi=home1.example;term-ioi=ours.example"
    assert str(vector.answered_by(None)) == f"{head};orig-ioi=home1.example"
    assert str(vector.continued_by("ours.example")) == f"{head};orig-ioi=ours.example"
    assert str(vector.continued_by(None)) == head


def test_there_may_be_no_charging_vector() -> None:
    assert ChargingVector.of(Headers()) is None
