"""Comparing URIs (RFC 3261 §19.1.4): the RFC's own examples, and what they leave out."""

from __future__ import annotations

import pytest

from abserver.sip.equivalence import equivalent


@pytest.mark.rfc("3261", "19.1.4", "equivalent URIs")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;security=off"),
        ("SIP:a@[2001:DB8::1]", "sip:a@[2001:db8::1]"),
        ("mailto:carol@chicago.com", "mailto:carol@chicago.com"),
        ("sip:a%2fb@c", "sip:a%2Fb@c"),
        ("sip:a@b;p", "sip:a@b;p"),
    ],
)
def test_equivalent_rfc3261_19_1_4(one: str, other: str) -> None:
    assert equivalent(one, other)
    assert equivalent(other, one)


@pytest.mark.rfc("3261", "19.1.4", "equivalent URIs")
@pytest.mark.rfc("3261", "19.1.4", "headers count")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:a@b", "sips:a@b"),
        ("sip:a@b", "sip:b"),
        ("sip:a@b", "sip:a:secret@b"),
        ("sip:a@b;user=phone", "sip:a@b"),
        ("sip:a@b;ttl=1", "sip:a@b"),
        ("sip:a@b;method=INVITE", "sip:a@b"),
        ("sip:a@b;maddr=c", "sip:a@b"),
        ("sip:a%40b@c", "sip:a%41b@c"),
        ("sip:a%25b@c", "sip:a%2525b@c"),
        ("mailto:carol@chicago.com", "mailto:Carol@chicago.com"),
        ("mailto:carol@chicago.com", "sip:carol@chicago.com"),
    ],
)
def test_not_equivalent_rfc3261_19_1_4(one: str, other: str) -> None:
    assert not equivalent(one, other)
    assert not equivalent(other, one)
