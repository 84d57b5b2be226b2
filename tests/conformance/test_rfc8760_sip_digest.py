"""Digest in SIP, section by section: RFC 8760 over RFC 7616, and what RFC 3261 §22 says of it. Server side."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from abserver.events.digest_answers import DigestAnswers
from abserver.services.authenticating import Authenticator
from abserver.services.trusting import TrustedPeers
from abserver.sip.message import Response
from abserver.sip.transport import Address, Flow, Transport
from tests.services.test_authenticating import PHONE, PROXY, Bench, challenges_of, subscribe
from tests.support.documents import BOB
from xcap.core.digest import Algorithm, Challenge, Credentials, Nonces, Qop, authorization, ha1, response_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from abserver.domain.identity import Watcher

BODY = b"<filter-set/>"


class Server:
    """A server with Bob for a user. The client's side is written here: it may do what no client of ours does."""

    def __init__(self, offered: Sequence[Algorithm] = tuple(Algorithm), qops: Sequence[Qop] = (Qop.AUTH,)) -> None:
        self.bench = Bench()
        self.bench.authenticator = Authenticator(
            self.bench.users,
            Nonces(b"a secret of these tests"),
            self.bench.clock,
            domains=["example.com"],
            offered=offered,
            qops=qops,
            sleep=self.bench.sleep,
        )

    async def challenges(self) -> list[Challenge]:
        await self.bench.with_bob()
        return challenges_of(await self.bench.challenged(subscribe()))

    async def answered(self, *values: str, body: bytes = BODY) -> Watcher | Response:
        """The outcome of a request with these Authorization fields."""
        request = subscribe()
        request.body = body
        for value in values:
            request.headers.add("Authorization", value)
        return await self.bench.authenticator.identify(request, PHONE)


def answer(challenge: Challenge, *, nc: int = 1, password: str = "secret", body: bytes = BODY) -> str:
    return authorization(challenge, "bob", password, "SUBSCRIBE", "sip:ann@example.com", body, nc=nc, cnonce="0a4f113b")


def refused(outcome: Watcher | Response) -> bool:
    """By a challenge that does not say `stale`."""
    assert isinstance(outcome, Response), outcome
    return outcome.status == 401 and not any(each.stale for each in challenges_of(outcome))


@pytest.mark.parametrize("offered", list(permutations(Algorithm)))
async def test_2_3_there_is_a_field_for_each_algorithm_in_the_servers_order(offered: Sequence[Algorithm]) -> None:
    """ "The UAS MUST add these header fields to the response in the order in which it would prefer to see them" """
    server = Server(offered)
    await server.bench.with_bob()
    response = await server.bench.challenged(subscribe())
    rows = response.headers.get_all("WWW-Authenticate")
    assert [[each.algorithm for each in Challenge.parse_all(row)] for row in rows] == [[each] for each in offered]
    assert len(set(offered)) == len(rows), "each of these header fields MUST use a different digest algorithm"


@pytest.mark.parametrize("algorithm", Algorithm)
async def test_2_4_the_client_answers_the_one_it_knows(algorithm: Algorithm) -> None:
    server = Server()
    [challenge] = [each for each in await server.challenges() if each.algorithm is algorithm]
    assert await server.answered(answer(challenge)) == BOB


async def test_2_4_an_algorithm_that_was_not_offered_is_no_answer() -> None:
    server = Server((Algorithm.SHA256,))
    [challenge] = await server.challenges()
    assert refused(await server.answered(answer(replace(challenge, algorithm=Algorithm.MD5))))
    assert await server.answered(answer(challenge)) == BOB


@pytest.mark.parametrize("algorithm", Algorithm)
def test_2_2_an_algorithm_is_named_and_hashed_as_registered(algorithm: Algorithm) -> None:
    lengths = {"MD5": 32, "SHA-256": 64, "SHA-512-256": 64}
    assert len(algorithm.digest("")) == lengths[algorithm.value]


async def test_2_6_without_an_algorithm_it_is_md5() -> None:
    """RFC 7616 §3.3: "If this is not present, it is assumed to be "MD5"."""
    server = Server((Algorithm.MD5,))
    [challenge] = await server.challenges()
    assert await server.answered(answer(challenge).replace(", algorithm=MD5", "")) == BOB


async def test_2_6_7_the_entity_body_is_covered_by_auth_int() -> None:
    server = Server((Algorithm.SHA256,), (Qop.AUTH_INT,))
    [challenge] = await server.challenges()
    assert challenge.qops == (Qop.AUTH_INT,)
    assert refused(await server.answered(answer(challenge), body=b"<another/>"))
    assert await server.answered(answer(challenge, nc=2)) == BOB


async def test_2_6_7_a_request_without_a_body_hashes_the_empty_one() -> None:
    server = Server((Algorithm.SHA512_256,), (Qop.AUTH_INT,))
    [challenge] = await server.challenges()
    assert await server.answered(answer(challenge, body=b""), body=b"") == BOB


@pytest.mark.parametrize("qops", [(Qop.AUTH,), (Qop.AUTH_INT,), (Qop.AUTH, Qop.AUTH_INT), (Qop.AUTH_INT, Qop.AUTH)])
async def test_rfc7616_3_3_the_qualities_that_are_offered_are_taken_and_no_others(qops: Sequence[Qop]) -> None:
    server = Server((Algorithm.MD5,), qops)
    [challenge] = await server.challenges()
    assert challenge.qops == qops
    for nc, qop in enumerate(Qop, start=1):
        outcome = await server.answered(answer(replace(challenge, qops=(qop,)), nc=nc))
        assert outcome == BOB if qop in qops else refused(outcome)


@pytest.mark.parametrize(("qops", "taken"), [((Qop.AUTH,), True), ((Qop.AUTH_INT,), False)])
async def test_rfc3261_22_4_8_an_answer_without_qop_is_taken_where_the_body_need_not_be_covered(
    qops: Sequence[Qop], taken: bool
) -> None:
    server = Server((Algorithm.MD5,), qops)
    [challenge] = await server.challenges()
    outcome = await server.answered(answer(replace(challenge, qops=())))
    assert outcome == BOB if taken else refused(outcome)


async def test_rfc7616_3_4_4_userhash_is_not_offered() -> None:
    server = Server()
    await server.bench.with_bob()
    response = await server.bench.challenged(subscribe())
    assert all("userhash" not in row for row in response.headers.get_all("WWW-Authenticate"))


async def test_rfc7616_3_3_a_challenge_has_what_the_rfc_requires_and_every_nonce_is_another() -> None:
    server = Server()
    first, second = await server.challenges(), challenges_of(await server.bench.challenged(subscribe()))
    assert len({each.nonce for each in (*first, *second)}) == 2
    for challenge in first:
        assert challenge.realm == "example.com"
        assert len(challenge.nonce) >= 43  # 32 octets in base64
        assert challenge.qops == (Qop.AUTH,)


async def test_rfc7616_3_4_each_count_is_good_once_also_out_of_order() -> None:
    """ "nc ... allows the server to detect request replays"."""
    server = Server()
    challenge = (await server.challenges())[0]
    for nc in (1, 3, 2, 9):
        assert await server.answered(answer(challenge, nc=nc)) == BOB
    for nc in (1, 2, 3, 9):
        again = await server.answered(answer(challenge, nc=nc))
        assert isinstance(again, Response)
        assert all(each.stale for each in challenges_of(again))


async def test_rfc7616_3_3_stale_is_said_of_the_nonce_and_never_of_a_wrong_password() -> None:
    server = Server()
    challenge = (await server.challenges())[0]
    server.bench.clock.advance(301)
    assert refused(await server.answered(answer(challenge, password="wrong")))
    outcome = await server.answered(answer(challenge))
    assert isinstance(outcome, Response)
    assert all(each.stale for each in challenges_of(outcome))
    assert await server.answered(answer(challenges_of(outcome)[0])) == BOB


async def test_rfc7616_3_4_2_what_is_kept_is_a_hash_for_each_algorithm_and_no_password() -> None:
    server = Server()
    await server.challenges()
    kept = await server.bench.users.credential(BOB)
    assert kept is not None
    assert {algorithm for algorithm, _ in kept.ha1} == set(Algorithm)
    assert all(kept.ha1[each, "bob"] == ha1(each, "bob", "example.com", "secret") for each in Algorithm)
    assert "secret" not in repr(kept)


async def test_rfc3261_22_3_of_several_credentials_those_for_this_realm_count() -> None:
    server = Server()
    challenge = (await server.challenges())[0]
    elsewhere = answer(replace(challenge, realm="elsewhere.example"), password="other")
    assert await server.answered(elsewhere, answer(challenge)) == BOB


@pytest.mark.parametrize(
    "uri", ["sip:example.com", "sips:dan@Example.COM:5061;lr", "sip:ann@example.com;x=1", "tel:+15550100"]
)
async def test_2_6_6_the_digest_uri_may_be_another_one_of_ours_than_the_request_uri(uri: str) -> None:
    """A proxy may have retargeted the request; the response covers the URI that it names."""
    server = Server()
    challenge = (await server.challenges())[0]
    moved = replace(Credentials.parse(answer(challenge)), uri=uri)
    assert refused(await server.answered(str(moved)))
    signed = response_value(moved, ha1(moved.algorithm, "bob", "example.com", "secret"), "SUBSCRIBE", BODY)
    assert await server.answered(str(replace(moved, response=signed))) == BOB


@pytest.mark.parametrize("uri", ["sip:ann@elsewhere.net", "http://example.com/", "ann", "", "sip:ann@"])
@pytest.mark.parametrize("user", ["bob", "nobody"])
async def test_2_6_6_the_digest_uri_has_to_be_one_that_is_served_here(uri: str, user: str) -> None:
    """ "a UAS MUST check if the Request-URI in the Authorization [...] header field value corresponds to a user for
    whom the UAS is willing to accept forwarded or direct requests". Without a look at user or password."""
    server = Server()
    challenge = (await server.challenges())[0]
    value = authorization(challenge, user, "secret", "SUBSCRIBE", uri, BODY, nc=1, cnonce="c")
    outcome = await server.answered(value)
    assert isinstance(outcome, Response)
    assert (outcome.status, outcome.reason) == (400, "Digest for Another URI")


async def test_2_6_6_simple_clients_sign_the_address_that_they_send_to() -> None:
    server = Server()
    await server.bench.with_bob()
    server.bench.authenticator = Authenticator(
        server.bench.users,
        Nonces(b"another secret"),
        server.bench.clock,
        domains=["example.com"],
        trusts=TrustedPeers([ip_network("10.9.0.0/16")]),
    )
    for flow, uri, taken in (
        (PHONE, f"sip:{PHONE.local.host}:5060", True),
        (PROXY, f"sip:{PROXY.remote.host}", True),
        (PHONE, f"sip:{PHONE.remote.host}", False),
        (PHONE, f"sip:{PROXY.remote.host}", False),
    ):
        challenge = challenges_of(await server.bench.challenged(subscribe(), flow))[0]
        value = authorization(challenge, "bob", "secret", "SUBSCRIBE", uri, b"", nc=1, cnonce="c")
        outcome = await server.bench.authenticator.identify(subscribe(Authorization=value), flow)
        assert (outcome == BOB) is taken


async def test_2_6_6_an_ipv6_address_that_they_send_to_may_lack_its_brackets() -> None:
    """SIPp 3.6 writes `sip:::1:5060`."""
    server = Server()
    await server.bench.with_bob()
    flow = Flow(Transport.UDP, Address("2001:db8::1", 5060), Address("2001:db8::2", 40_000))
    for uri, taken in (("sip:2001:db8::1:5060", True), ("sip:2001:db8::1:5061", False), ("sip:2001:db8::1", False)):
        challenge = challenges_of(await server.bench.challenged(subscribe(), flow))[0]
        value = authorization(challenge, "bob", "secret", "SUBSCRIBE", uri, b"", nc=1, cnonce="c")
        outcome = await server.bench.authenticator.identify(subscribe(Authorization=value), flow)
        assert (outcome == BOB) is taken


async def test_2_6_6_the_request_uri_itself_always_serves() -> None:
    """Within a dialog it is our Contact, which has no domain of ours."""
    server = Server()
    challenge = (await server.challenges())[0]
    request = subscribe()
    request.uri = "sip:192.0.2.1:5060"
    value = authorization(challenge, "bob", "secret", "SUBSCRIBE", request.uri, b"", nc=1, cnonce="c")
    request.headers.add("Authorization", value)
    assert await server.bench.authenticator.identify(request, PHONE) == BOB


async def test_rfc3261_22_4_the_method_is_covered() -> None:
    server = Server()
    challenge = (await server.challenges())[0]
    other = authorization(challenge, "bob", "secret", "PUBLISH", "sip:ann@example.com", BODY, nc=1, cnonce="c")
    assert refused(await server.answered(other))


async def test_rfc8760_2_4_our_own_client_takes_the_topmost_that_it_knows() -> None:
    server = Server((Algorithm.SHA512_256, Algorithm.SHA256, Algorithm.MD5))
    await server.bench.with_bob()
    answers = DigestAnswers("bob", "secret", lambda: "cnonce")
    assert answers.learn(await server.bench.challenged(subscribe()))
    request = subscribe()
    answers.sign(request)
    assert Credentials.parse(request.headers.get("Authorization") or "").algorithm is Algorithm.SHA512_256
    assert await server.bench.authenticator.identify(request, PHONE) == BOB
