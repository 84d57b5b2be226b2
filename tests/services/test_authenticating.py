"""Who sends a SIP request: digest answers, trusted words, and everything that is neither."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from abserver.domain.identity import ANONYMOUS, Identities, parse_aor
from abserver.events.digest_answers import DigestAnswers
from abserver.services.authenticating import OFFERED, Authenticator
from abserver.services.trusting import TrustedPeers
from abserver.sip.errors import SipSyntaxError
from abserver.sip.message import Headers, Request, Response
from abserver.sip.transport import Address, Flow, Transport
from tests.support.documents import BOB
from tests.support.virtual_time import FakeClock
from xcap.core.digest import Algorithm, Challenge, Nonces
from xcap.ports import Credential
from xcap.storage.memory import MemoryCredentialStore

PROXY = Flow(Transport.UDP, Address("192.0.2.1", 5060), Address("10.9.0.1", 5060))
PHONE = Flow(Transport.UDP, Address("192.0.2.1", 5060), Address("198.51.100.7", 5060))
PROXY_V6 = Flow(Transport.UDP, Address("2001:db8::1", 5060), Address("2001:db8:9::1", 5060))
NAMES = Identities(
    {parse_aor("tel:+15550199"): parse_aor(BOB), parse_aor("sip:robert@example.com"): parse_aor(BOB)},
    domains=["example.com", "example.org"],
)


class Bench:
    """An authenticator with one user, Bob, and a clock that it may sleep on."""

    def __init__(self, *, realm: str | None = None, offered: tuple[Algorithm, ...] = OFFERED) -> None:
        self.clock = FakeClock()
        self.users = MemoryCredentialStore()
        self.authenticator = Authenticator(
            self.users,
            Nonces(b"a secret of the tests"),
            self.clock,
            domains=["example.com", "example.org"],
            realm=realm,
            trusts=TrustedPeers([ip_network("10.9.0.0/16"), ip_network("2001:db8:9::/48")], ["proxy.example.net"]),
            identities=NAMES,
            sleep=self.sleep,
            offered=offered,
        )
        self.realm = realm or "example.com"

    async def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)

    async def with_bob(self) -> Bench:
        await self.users.put(Credential.of(BOB, self.realm, "secret"))
        return self

    async def challenged(self, request: Request, flow: Flow = PHONE) -> Response:
        response = await self.authenticator.identify(request, flow)
        assert isinstance(response, Response)
        assert response.status == 401
        return response


def subscribe(sender: str = BOB, **fields: str) -> Request:
    headers = Headers(
        [
            ("Via", "SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKx"),
            ("From", f"<{sender}>;tag=b"),
            ("To", "<sip:ann@example.com>"),
            ("Call-ID", "c1"),
            ("CSeq", "1 SUBSCRIBE"),
            *((name.replace("_", "-"), value) for name, value in fields.items()),
        ]
    )
    return Request("SUBSCRIBE", "sip:ann@example.com", headers)


def challenges_of(response: Response) -> list[Challenge]:
    return [each for row in response.headers.get_all("WWW-Authenticate") for each in Challenge.parse_all(row)]


def answered(challenge: Response, *, user: str = "bob", password: str = "secret", sender: str = BOB) -> Request:
    answers = DigestAnswers(user, password, lambda: "cnonce")
    assert answers.learn(challenge)
    request = subscribe(sender)
    answers.sign(request)
    return request


async def test_a_request_without_credentials_is_challenged_with_both_algorithms_rfc8760_2_3() -> None:
    challenge = await (await Bench().with_bob()).challenged(subscribe())
    challenges = challenges_of(challenge)
    assert {each.algorithm for each in challenges} == {Algorithm.MD5, Algorithm.SHA256}
    assert {each.realm for each in challenges} == {"example.com"}
    assert not any(each.stale for each in challenges)


@pytest.mark.parametrize("algorithm", [Algorithm.MD5, Algorithm.SHA256])
async def test_the_right_password_makes_the_identity_rfc8760(algorithm: Algorithm) -> None:
    bench = await Bench(offered=(algorithm,)).with_bob()
    request = answered(await bench.challenged(subscribe()))
    assert await bench.authenticator.identify(request, PHONE) == BOB


@pytest.mark.parametrize("user", ["bob", "bob@example.com", "sip:bob@example.com"])
async def test_a_user_may_spell_the_name_with_or_without_domain(user: str) -> None:
    bench = await Bench().with_bob()
    request = answered(await bench.challenged(subscribe()), user=user)
    assert await bench.authenticator.identify(request, PHONE) == BOB


async def test_an_unknown_user_and_a_wrong_password_cannot_be_told_apart() -> None:
    bench = await Bench().with_bob()
    facts = []
    for user, password in (("bob", "wrong"), ("nobody", "secret")):
        before = bench.clock.now()
        sender = f"sip:{user}@example.com"
        refused = await bench.challenged(
            answered(await bench.challenged(subscribe()), user=user, password=password, sender=sender)
        )
        facts.append((refused.reason, len(refused.headers), bench.clock.now() - before))
        assert not any(each.stale for each in challenges_of(refused))
    assert facts[0] == facts[1]


async def test_an_old_nonce_is_stale_and_the_password_is_not_asked_again_rfc7616_3_3() -> None:
    bench = await Bench().with_bob()
    request = answered(await bench.challenged(subscribe()))
    bench.clock.advance(10_000)
    refused = await bench.challenged(request)
    assert all(each.stale for each in challenges_of(refused))
    assert await bench.authenticator.identify(answered(refused), PHONE) == BOB


async def test_a_replayed_answer_is_not_taken_twice_rfc7616_5_12() -> None:
    bench = await Bench().with_bob()
    request = answered(await bench.challenged(subscribe()))
    assert await bench.authenticator.identify(request, PHONE) == BOB
    await bench.challenged(request)


async def test_from_is_a_claim_and_never_an_identity() -> None:
    bench = await Bench().with_bob()
    request = answered(await bench.challenged(subscribe()), sender="sip:carol@example.com")
    assert await bench.authenticator.identify(request, PHONE) == BOB


async def test_the_realm_is_the_users_own_domain_if_it_is_ours() -> None:
    bench = Bench()
    for sender, realm in (
        ("sip:x@example.org", "example.org"),
        ("sip:x@elsewhere.net", "example.com"),
        ("tel:+15550100", "example.com"),
    ):
        challenge = await bench.challenged(subscribe(sender))
        assert challenges_of(challenge)[0].realm == realm


async def test_a_configured_realm_holds_for_all() -> None:
    bench = await Bench(realm="ACME").with_bob()
    request = answered(await bench.challenged(subscribe()))
    assert await bench.authenticator.identify(request, PHONE) == BOB


async def test_credentials_for_another_realm_are_not_looked_at_rfc3261_22_3() -> None:
    bench = await Bench().with_bob()
    await bench.challenged(
        subscribe(Authorization='Digest username="bob", realm="else", nonce="n", uri="u", response="r"')
    )


async def test_malformed_credentials_get_400() -> None:
    response = await Bench().authenticator.identify(subscribe(Authorization="Digest ???"), PHONE)
    assert isinstance(response, Response)
    assert response.status == 400


@pytest.mark.parametrize("flow", [PROXY, PROXY_V6])
async def test_a_trusted_peers_word_counts_rfc3325_9_1(flow: Flow) -> None:
    request = subscribe(P_Asserted_Identity='<tel:+15550100>, "Bob" <sip:bob@EXAMPLE.com;user=phone>')
    assert await Bench().authenticator.identify(request, flow) == BOB


async def test_nobody_elses_word_counts_rfc3325_9_1() -> None:
    request = subscribe(P_Asserted_Identity=f"<{BOB}>")
    await Bench().challenged(request)
    bench = Bench()
    bench.authenticator = Authenticator(bench.users, Nonces(b"another secret"), bench.clock, domains=["example.com"])
    await bench.challenged(request, PROXY)


async def test_identities_may_stand_in_rows_of_their_own_rfc3261_7_3_1() -> None:
    request = subscribe(P_Asserted_Identity="<tel:+15550100>")
    for row in ("", f"<{BOB}>"):
        request.headers.add("P-Asserted-Identity", row)
    assert await Bench().authenticator.identify(request, PROXY) == BOB


@pytest.mark.parametrize(
    ("value", "identity"),
    [
        ("<tel:+1-555-0100>", "tel:+15550100"),
        ("<tel:+15550199>", BOB),
        ("<tel:+15550199>, <sip:carol@example.com>", "sip:carol@example.com"),
        ("<sip:+1-555-0199@example.com;user=phone>", BOB),
        ("<sips:robert@example.com>, <tel:+15550100>", BOB),
    ],
)
async def test_a_number_is_whoever_it_belongs_to_and_a_sip_identity_beside_it_goes_first(
    value: str, identity: str
) -> None:
    """RFC 3325 §9.1, RFC 3966 §4, RFC 3261 §19.1.6."""
    bench = Bench()
    assert await bench.authenticator.identify(subscribe(P_Asserted_Identity=value), PROXY) == identity


@pytest.mark.parametrize(
    "fields",
    [
        {"P_Asserted_Identity": "<sip:anonymous@anonymous.invalid>"},
        {"P_Asserted_Identity": "<sip:unavailable@unknown.invalid>"},
        {"sender": '"Anonymous" <sip:anonymous@Anonymous.INVALID'},
    ],
)
async def test_nobody_to_a_trusted_peer_is_nobody_to_us_rfc3323_4_1_1_3(fields: dict[str, str]) -> None:
    fields = {name: value.partition("<")[2] if name == "sender" else value for name, value in fields.items()}
    request = subscribe(**fields)
    assert await Bench().authenticator.identify(request, PROXY) == ANONYMOUS
    await Bench().challenged(request)


async def test_a_trusted_peer_that_asserts_nobody_is_asked_for_a_password() -> None:
    await Bench().challenged(subscribe(), PROXY)
    await Bench().challenged(subscribe("tel:+15550100"), PROXY)


async def test_an_anonymous_from_does_not_keep_a_user_from_logging_in_rfc3323_4_1_1_3() -> None:
    bench = await Bench().with_bob()
    nobody = "sip:anonymous@anonymous.invalid"
    challenge = await bench.challenged(subscribe(nobody))
    assert await bench.authenticator.identify(answered(challenge, sender=nobody), PROXY) == BOB


async def test_the_served_user_of_the_originating_case_is_the_sender_rfc5502() -> None:
    served = {"P_Served_User": "<sip:robert@example.com>;sescase=orig;regstate=reg"}
    bench = Bench()
    both = subscribe(P_Asserted_Identity="<sip:carol@example.com>", **served)
    assert await bench.authenticator.identify(both, PROXY) == BOB
    assert await bench.authenticator.identify(subscribe(**served), PROXY) == BOB
    await bench.challenged(both)


async def test_the_served_user_of_the_terminating_case_is_not_the_sender_rfc5502() -> None:
    request = subscribe(P_Served_User="<sip:ann@example.com>;sescase=term")
    await Bench().challenged(request, PROXY)


async def test_a_preferred_identity_is_nobodys_identity_rfc3325_6() -> None:
    for flow in (PHONE, PROXY):
        await Bench().challenged(subscribe(P_Preferred_Identity=f"<{BOB}>"), flow)


@pytest.mark.parametrize(
    ("uri", "flow", "recorded", "trusted"),
    [
        ("sip:10.9.7.7;lr", PHONE, True, True),
        ("sip:10.8.7.7;lr", PROXY, True, False),
        ("sip:bob@10.9.0.1:5070", PROXY, False, True),
        ("sip:bob@198.51.100.7", PHONE, False, False),
        ("sip:[2001:db8:9::5]:5060;lr", PHONE, True, True),
        ("sip:scscf.ims.example.com;lr", PROXY, True, True),
        ("sip:scscf.ims.example.com;lr", PHONE, True, False),
        ("sip:bob@phone.example.com", PROXY, False, False),
    ],
)
async def test_a_next_hop_is_trusted_by_its_address_or_as_part_of_a_trusted_path(
    uri: str, flow: Flow, recorded: bool, trusted: bool
) -> None:
    assert Bench().authenticator.trusts_next_hop(uri, flow, recorded=recorded) is trusted


async def test_where_nobody_is_trusted_no_next_hop_is() -> None:
    bench = Bench()
    alone = Authenticator(bench.users, Nonces(b"another secret"), bench.clock, domains=["example.com"])
    assert not alone.trusts_next_hop("sip:10.9.7.7;lr", PROXY, recorded=True)


@pytest.mark.parametrize(("name", "counts"), [("proxy.example.net", True), ("example.net", False)])
async def test_the_word_counts_of_who_has_proven_a_trusted_name(name: str, counts: bool) -> None:
    """RFC 5922 §7.4: from whatever address."""
    flow = Flow(Transport.TLS, PHONE.local, PHONE.remote, 7, frozenset({name, "other.example.net"}))
    identity = await Bench().authenticator.identify(subscribe(P_Asserted_Identity=f"<{BOB}>"), flow)
    assert (identity == BOB) is counts


@pytest.mark.parametrize("transport", [Transport.WS, Transport.WSS])
async def test_nobodys_word_counts_by_websocket(transport: Transport) -> None:
    """RFC 7118: the trusted address would be that of an HTTP proxy, behind which anybody may be."""
    proxy = Flow(transport, Address("192.0.2.1", 80), PROXY.remote, 7)
    await Bench().challenged(subscribe(P_Asserted_Identity=f"<{BOB}>"), proxy)


async def test_an_asserted_identity_that_is_no_address_gets_400() -> None:
    with pytest.raises(SipSyntaxError):
        await Bench().authenticator.identify(subscribe(P_Asserted_Identity="<sip:example.com>"), PROXY)


async def test_who_fails_too_often_is_told_when_to_come_back_and_the_others_are_not_held() -> None:
    bench = await Bench().with_bob()
    statuses = []
    for _ in range(100):
        challenge = await bench.challenged(subscribe())
        response = await bench.authenticator.identify(answered(challenge, password="guess"), PHONE)
        assert isinstance(response, Response)
        statuses.append(response.status)
        if response.status != 401:
            assert int(response.headers.get("Retry-After") or "0") > 0
            break
    assert statuses[-1] == 500
    assert len(statuses) < 100


@pytest.mark.parametrize(
    ("offered", "told"),
    [
        ((Algorithm.MD5, Algorithm.SHA256), ["SHA-256", "MD5"]),
        ((Algorithm.MD5, Algorithm.SHA512_256, Algorithm.SHA256), ["SHA-512-256", "SHA-256", "MD5"]),
        ((Algorithm.SHA256,), ["SHA-256"]),
    ],
)
async def test_who_reads_the_last_challenge_gets_md5_there_if_it_is_offered_rfc8760_2_3(
    offered: tuple[Algorithm, ...], told: list[str]
) -> None:
    """JsSIP and SIP.js (docs/user-agents.md)."""
    response = await Bench(offered=offered).challenged(subscribe(User_Agent="JsSIP 3.13.8"))
    challenges = [each for row in response.headers.get_all("WWW-Authenticate") for each in Challenge.parse_all(row)]
    assert [each.algorithm.value for each in challenges] == told


@pytest.mark.parametrize(
    ("offered", "told"),
    [
        ((Algorithm.SHA256, Algorithm.MD5), ["MD5"]),
        ((Algorithm.SHA512_256, Algorithm.SHA256), ["SHA-512-256", "SHA-256"]),
    ],
)
async def test_who_stumbles_over_other_algorithms_is_shown_md5_alone_if_it_is_offered(
    offered: tuple[Algorithm, ...], told: list[str]
) -> None:
    """baresip 1.0 (docs/user-agents.md)."""
    response = await Bench(offered=offered).challenged(subscribe(User_Agent="baresip v1.0.0 (x86_64/linux)"))
    challenges = [each for row in response.headers.get_all("WWW-Authenticate") for each in Challenge.parse_all(row)]
    assert [each.algorithm.value for each in challenges] == told
