"""Asserted and intended identities: believed by the address of the peer, and by nothing else."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest

from tests.services.xcap.conftest import ALICE, BOB, PASSWORD, ROOT, Server
from tests.services.xcap.test_xcap_http import PATH, alice, client
from xcap.client import DigestAuth
from xcap.http import AuthenticationRules
from xcap.http.identity import asserted, intended
from xcap.http.message import Head

if TYPE_CHECKING:
    import httpx

PROXY = "192.0.2.9"
STRANGER = "198.51.100.1"
TEL = "tel:+15550100"
ASSERTED = ("X-3GPP-Asserted-Identity", "X-XCAP-Asserted-Identity")
INTENDED = "X-3GPP-Intended-Identity"


@pytest.fixture
def proxied(server: Server) -> Server:
    """A server that trusts PROXY."""
    server.rules = AuthenticationRules(domains=("example.com",), trusted_peers=(ip_network("192.0.2.0/24"),))
    return server


async def status(
    server: Server, fields: dict[str, str], *, peer: str = PROXY, path: str = PATH, auth: httpx.Auth | None = None
) -> int:
    """Of a GET of Alice's document, of which there is none: 404 is who may read it, 403 who may not."""
    async with client(server, peer=peer, auth=auth) as http:
        return (await http.get(path, headers=fields)).status_code


class TestFromATrustedPeer:
    @pytest.mark.parametrize("field", ASSERTED)
    @pytest.mark.parametrize(
        "value",
        [
            ALICE,
            f'"{ALICE}"',
            f"<{ALICE}>",
            f'"Alice, of the \\"example\\"" <{ALICE}>',
            f"Alice <{ALICE}>",
            f'"{TEL}", "{ALICE}"',
            f"{TEL} , <{ALICE}>",
            "SIP:alice@Example.COM",
        ],
    )
    async def test_each_field_is_believed_in_every_spelling(self, proxied: Server, field: str, value: str) -> None:
        assert await status(proxied, {field: value}) == 404
        assert await status(proxied, {field: value.replace("lice@", "nne@").replace("LICE@", "nne@")}) == 403

    async def test_where_both_fields_stand_both_count(self, proxied: Server) -> None:
        first, second = ASSERTED
        assert await status(proxied, {first: f"{TEL}, {ALICE}", second: f'"{ALICE}"'}) == 404
        assert await status(proxied, {first: f"{TEL}, {ALICE}", second: TEL}) == 403

    async def test_a_contradiction_is_refused_even_if_one_field_would_do(self, proxied: Server) -> None:
        first, second = ASSERTED
        async with client(proxied, peer=PROXY) as http:
            answer = await http.get(PATH, headers={first: ALICE, second: BOB})
        assert (answer.status_code, answer.text) == (403, "the asserted identities contradict each other\n")

    async def test_the_intended_identity_chooses_among_the_asserted(self, proxied: Server) -> None:
        both = {ASSERTED[0]: f"{BOB}, {ALICE}"}
        assert await status(proxied, both) == 404
        assert await status(proxied, {**both, INTENDED: f'"{ALICE}"'}) == 404
        assert await status(proxied, {**both, INTENDED: BOB}) == 403

    async def test_an_intended_identity_that_was_not_asserted_is_refused(self, proxied: Server) -> None:
        assert await status(proxied, {ASSERTED[0]: ALICE, INTENDED: BOB}) == 403

    async def test_an_intended_identity_alone_is_no_identity(self, proxied: Server) -> None:
        assert await status(proxied, {INTENDED: ALICE}) == 401

    async def test_an_empty_assertion_is_none(self, proxied: Server) -> None:
        assert await status(proxied, {ASSERTED[0]: ' "" , <>'}) == 401

    async def test_who_logs_in_through_it_is_asked_as_anywhere(self, proxied: Server) -> None:
        assert await status(proxied, {}, auth=alice()) == 404

    async def test_an_asserted_telephone_number_is_a_user_too(self, proxied: Server) -> None:
        path = f"{ROOT}/notes/users/tel%3A%2B15550100/index"
        assert await status(proxied, {ASSERTED[0]: f'"{TEL}"'}, path=path) == 404


class TestFromAnyoneElse:
    @pytest.mark.parametrize("field", ASSERTED)
    async def test_the_fields_mean_nothing(self, proxied: Server, field: str) -> None:
        forwarded = {"X-Forwarded-For": PROXY, "Forwarded": f"for={PROXY}", "X-Real-IP": PROXY}
        assert await status(proxied, {field: ALICE, **forwarded}, peer=STRANGER) == 401

    async def test_the_fields_do_not_make_one_user_another(self, proxied: Server) -> None:
        bob = DigestAuth("bob@example.com", PASSWORD)
        assert await status(proxied, {ASSERTED[0]: ALICE}, peer=STRANGER, auth=bob) == 403

    async def test_contradictions_in_them_are_not_even_looked_at(self, proxied: Server) -> None:
        fields = dict(zip(ASSERTED, (ALICE, BOB), strict=True))
        assert await status(proxied, fields, peer=STRANGER, auth=alice()) == 404

    @pytest.mark.parametrize(
        ("wish", "expected"), [(ALICE, 404), (f'"{ALICE}"', 404), ("sip:alice@EXAMPLE.com", 404), (BOB, 403)]
    )
    async def test_the_intended_identity_has_to_be_the_one_that_logged_in(
        self, proxied: Server, wish: str, expected: int
    ) -> None:
        assert await status(proxied, {INTENDED: wish}, peer=STRANGER, auth=alice()) == expected

    async def test_two_intended_identities_are_one_too_many(self, proxied: Server) -> None:
        assert await status(proxied, {INTENDED: f"{ALICE}, {BOB}"}, peer=STRANGER, auth=alice()) == 400


def test_identities_keep_their_order_over_several_lines() -> None:
    lines = [b'"a" , sip:b@X;y=1', b"", b"<sip:c@d,e>, tel:+1"]
    head = Head("GET", b"/", b"", {b"x-xcap-asserted-identity": lines}, None)
    assert asserted(head) == ("a", "sip:b@x;y=1", "sip:c@d,e", "tel:+1")
    assert intended(head) is None
