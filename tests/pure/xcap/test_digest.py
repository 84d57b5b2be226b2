"""Digest authentication: the examples of RFC 7616 §3.9, and what a server accepts, once."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xcap.core.digest import (
    MAX_HEADER,
    Algorithm,
    Challenge,
    Credentials,
    MalformedDigest,
    Nonces,
    Qop,
    Verdict,
    authorization,
    authorization_from_ha1,
    ha1,
    ha1_table,
    response_value,
    user_of,
    usernames_of,
    verify,
)
from xcap.core.nonces import WINDOW

NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
OPAQUE = "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
NONCE_2 = "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK"
CNONCE_2 = "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v"


def example(algorithm: str, response: str) -> str:
    return (
        f'Digest username="Mufasa",\r\n realm="http-auth@example.org", uri="/dir/index.html", algorithm={algorithm},'
        f' nonce="{NONCE}", nc=00000001, cnonce="{CNONCE}", qop=auth, response="{response}", opaque="{OPAQUE}"'
    )


RFC_7616_3_9_1 = [
    ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
    ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
]


class TestExamples:
    """RFC 7616 §3.9."""

    @pytest.mark.parametrize(("algorithm", "response"), RFC_7616_3_9_1)
    def test_3_9_1_the_server_computes_the_response(self, algorithm: str, response: str) -> None:
        credentials = Credentials.parse(example(algorithm, response))
        secret = ha1(credentials.algorithm, "Mufasa", "http-auth@example.org", "Circle of Life")
        assert response_value(credentials, secret, "GET") == response == credentials.response

    @pytest.mark.parametrize(("algorithm", "response"), RFC_7616_3_9_1)
    def test_3_9_1_the_client_answers_the_challenge(self, algorithm: str, response: str) -> None:
        header = (
            f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm},'
            f' nonce="{NONCE}", opaque="{OPAQUE}"'
        )
        [challenge] = Challenge.parse_all(header)
        answer = authorization(challenge, "Mufasa", "Circle of Life", "GET", "/dir/index.html", cnonce=CNONCE)
        assert Credentials.parse(answer) == Credentials.parse(example(algorithm, response))

    def test_3_9_2_sha_512_256_and_an_extended_username(self) -> None:
        """The response printed in §3.9.2 comes of a SHA-512 that was cut to 256 bits, which is another function than
        SHA-512/256: so it is shown to be just that, and not what is computed here.
        """
        printed = "ae66e67d6b427bd3f120414a82e4acff38e8ecd9101d6c861229025f607a79dd"
        credentials = Credentials.parse(
            'Digest username*=UTF-8\'\'J%C3%A4s%C3%B8n%20Doe, realm="api@example.org", uri="/doe.json",'
            f' algorithm=SHA-512-256, nonce="{NONCE_2}", nc=00000001, cnonce="{CNONCE_2}", qop=auth, userhash=false,'
            f' response="{printed}", opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS"'
        )
        assert credentials.username == "J\u00e4s\u00f8n Doe"
        secret = ha1(Algorithm.SHA512_256, credentials.username, credentials.realm, "Secret, or not?")
        corrected = "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"
        assert response_value(credentials, secret, "GET") == corrected

        def cut(text: str) -> str:
            return hashlib.sha512(text.encode()).hexdigest()[:64]

        a1 = cut(f"{credentials.username}:{credentials.realm}:Secret, or not?")
        assert cut(f"{a1}:{NONCE_2}:00000001:{CNONCE_2}:auth:{cut('GET:/doe.json')}") == printed


SECRET = b"0123456789abcdef"
REALM = "example.com"
MD5_HA1 = ha1(Algorithm.MD5, "alice", REALM, "open sesame")


class Server:
    """A server with one user, at a time of our choosing."""

    def __init__(self, *, lifetime: float = 300.0, capacity: int = 100) -> None:
        self.nonces = Nonces(SECRET, lifetime=lifetime, capacity=capacity)
        self.now = 1000.0

    def challenge(self, *qops: Qop, algorithm: Algorithm = Algorithm.MD5) -> Challenge:
        return Challenge(REALM, self.nonces.mint(self.now), algorithm, qops or (Qop.AUTH,))

    def judge(self, header: str, *, method: str = "GET", body: bytes = b"", known: str | None = MD5_HA1) -> Verdict:
        credentials = Credentials.parse(header)
        return verify(credentials, ha1=known, method=method, body=body, nonces=self.nonces, now=self.now)


def answer(challenge: Challenge, *, nc: int = 1, method: str = "GET", password: str = "open sesame") -> str:
    return authorization(challenge, "alice", password, method, "/x", nc=nc, cnonce="c")


class TestVerdicts:
    @pytest.mark.parametrize("algorithm", Algorithm)
    def test_the_right_password_is_good_with_every_algorithm(self, algorithm: Algorithm) -> None:
        server = Server()
        known = ha1(algorithm, "alice", REALM, "open sesame")
        assert server.judge(answer(server.challenge(algorithm=algorithm)), known=known) is Verdict.GOOD

    def test_a_client_that_keeps_the_hash_only_gives_the_same_answer(self) -> None:
        challenge = Server().challenge()
        assert authorization_from_ha1(challenge, "alice", MD5_HA1, "GET", "/x", b"", 1, "c") == answer(challenge)

    def test_a_wrong_password_and_an_unknown_user_are_bad_alike(self) -> None:
        server = Server()
        assert server.judge(answer(server.challenge(), password="wrong")) is Verdict.BAD
        assert server.judge(answer(server.challenge()), known=None) is Verdict.BAD

    def test_an_unknown_user_does_not_get_in_with_the_hash_that_stands_in(self) -> None:
        server = Server()
        forged = authorization_from_ha1(server.challenge(), "nobody", "0" * 32, "GET", "/x", b"", 1, "c")
        assert server.judge(forged, known=None) is Verdict.BAD

    def test_the_response_is_for_one_method_and_one_uri(self) -> None:
        server = Server()
        header = answer(server.challenge())
        assert server.judge(header, method="PUT") is Verdict.BAD
        assert server.judge(header.replace('uri="/x"', 'uri="/y"')) is Verdict.BAD

    def test_a_nonce_serves_many_counts_and_each_once(self) -> None:
        """RFC 7616 §3.4: "if the same nc value is seen twice, then the request is a replay"."""
        server = Server()
        challenge = server.challenge()
        headers = [answer(challenge, nc=nc) for nc in (1, 2, 3)]
        assert [server.judge(header) for header in headers] == [Verdict.GOOD] * 3
        assert [server.judge(header) for header in headers] == [Verdict.REPLAYED] * 3

    def test_counts_may_overtake_each_other_but_not_without_bound(self) -> None:
        server = Server()
        challenge = server.challenge()
        order = [WINDOW + 1, 3, 2, 1, WINDOW + 2, 4 * WINDOW, 3 * WINDOW + 1, 3 * WINDOW]
        verdicts = [server.judge(answer(challenge, nc=nc)) for nc in order]
        good, replayed = Verdict.GOOD, Verdict.REPLAYED
        assert verdicts == [good, good, good, replayed, good, good, good, replayed]

    def test_an_old_nonce_is_stale(self) -> None:
        server = Server(lifetime=60)
        challenge = server.challenge()
        assert server.judge(answer(challenge, nc=1)) is Verdict.GOOD
        server.now += 60
        assert server.judge(answer(challenge, nc=2)) is Verdict.GOOD
        server.now += 0.01
        assert server.judge(answer(challenge, nc=3)) is Verdict.STALE

    def test_stale_is_said_only_to_who_knows_the_password(self) -> None:
        server = Server(lifetime=60)
        challenge = server.challenge()
        server.now += 61
        assert server.judge(answer(challenge, password="wrong")) is Verdict.BAD

    @pytest.mark.parametrize("nonce", ["", "!", "AAAA", NONCE, Nonces(b"another secret..").mint(1000.0), "\u00e9"])
    def test_a_nonce_of_another_maker_is_stale(self, nonce: str) -> None:
        assert Server().judge(answer(Challenge(REALM, nonce))) is Verdict.STALE

    def test_nonces_differ(self) -> None:
        nonces = Nonces(SECRET)
        assert len({nonces.mint(1.0) for _ in range(100)}) == 100

    def test_what_a_full_table_forgets_becomes_stale_and_never_good_again(self) -> None:
        server = Server(capacity=2)
        challenges = []
        for _ in range(4):
            challenges.append(server.challenge())
            server.now += 1
        first = answer(challenges[0])
        assert server.judge(first) is Verdict.GOOD
        for challenge in challenges[1:]:
            assert server.judge(answer(challenge)) is Verdict.GOOD
        assert server.judge(first) is Verdict.STALE
        assert server.judge(answer(challenges[3], nc=2)) is Verdict.GOOD

    def test_expired_nonces_leave_the_table_first(self) -> None:
        server = Server(lifetime=60, capacity=2)
        server.judge(answer(server.challenge()))
        server.now += 100
        kept, other = server.challenge(), server.challenge()
        assert [server.judge(answer(challenge)) for challenge in (kept, other)] == [Verdict.GOOD] * 2
        assert server.judge(answer(kept, nc=2)) is Verdict.GOOD

    def test_a_response_without_qop_serves_once(self) -> None:
        """RFC 8760 §2.6.8: a SIP client may still leave qop out."""
        server = Server()
        challenge = replace(server.challenge(), qops=())
        header = answer(challenge)
        assert "qop" not in header
        assert [server.judge(header), server.judge(header)] == [Verdict.GOOD, Verdict.REPLAYED]

    def test_auth_int_covers_the_body(self) -> None:
        server = Server()
        header = authorization(server.challenge(Qop.AUTH_INT), "alice", "open sesame", "PUT", "/x", b"body", cnonce="c")
        assert "qop=auth-int" in header
        assert server.judge(header, method="PUT", body=b"ydob") is Verdict.BAD
        assert server.judge(header, method="PUT", body=b"body") is Verdict.GOOD

    def test_auth_int_without_a_body_hashes_the_empty_text(self) -> None:
        """RFC 8760 §2.6.7."""
        empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        credentials = Credentials("u", "r", "n", "/x", "", Algorithm.SHA256, Qop.AUTH_INT, "c", "00000001")
        inner = Algorithm.SHA256.digest(f"GET:/x:{empty}")
        assert response_value(credentials, "s", "GET") == Algorithm.SHA256.digest(f"s:n:00000001:c:auth-int:{inner}")

    def test_auth_is_preferred_over_auth_int(self) -> None:
        assert "qop=auth," in answer(Challenge(REALM, "n", Algorithm.MD5, (Qop.AUTH_INT, Qop.AUTH)))


class TestUsers:
    @pytest.mark.parametrize(
        "username", ["alice", "alice@example.com", "sip:alice@example.com", "sip:alice@EXAMPLE.com"]
    )
    def test_every_way_to_write_a_user_names_the_same(self, username: str) -> None:
        assert user_of(username, "example.com") == "sip:alice@example.com"

    def test_a_domain_in_the_username_wins(self) -> None:
        assert user_of("alice@example.org", "example.com") == "sip:alice@example.org"

    @pytest.mark.parametrize("algorithm", Algorithm)
    @pytest.mark.parametrize("username", ["alice", "alice@example.com", "sip:alice@example.com"])
    def test_a_hash_is_kept_for_each_way_and_each_algorithm(self, username: str, algorithm: Algorithm) -> None:
        table = ha1_table("sip:alice@example.com", "example.com", "open sesame")
        assert username in usernames_of("sip:alice@example.com")
        assert table[algorithm, username] == ha1(algorithm, username, "example.com", "open sesame")


class TestHeaders:
    def test_a_challenge_writes_what_the_rfc_quotes_in_quotes(self) -> None:
        """RFC 7616 §3.3: realm, nonce, opaque and qop are quoted; stale and algorithm must not be."""
        challenge = Challenge('a "b" \\', "n", Algorithm.SHA256, (Qop.AUTH, Qop.AUTH_INT), stale=True, opaque="o")
        assert str(challenge) == (
            'Digest realm="a \\"b\\" \\\\", nonce="n", algorithm=SHA-256, qop="auth, auth-int", stale=true, opaque="o"'
        )
        assert Challenge.parse_all(str(challenge)) == [challenge]

    def test_several_challenges_in_one_value_keep_their_order(self) -> None:
        """RFC 8760 §2.4: preferred first, what is not understood is ignored."""
        text = (
            'Basic realm="x", Negotiate, Bearer abc==, Digest realm="r", nonce="1", algorithm=SHA-1024,'
            ' DIGEST realm="r", nonce="2", algorithm="sha-256", qop="auth", digest nonce="3",'
            ' Digest realm="r", nonce="4", qop="other", Digest realm="a, Digest b", nonce="5", stale=FALSE'
        )
        assert Challenge.parse_all(text) == [
            Challenge("r", "2", Algorithm.SHA256, (Qop.AUTH,)),
            Challenge("a, Digest b", "5", Algorithm.MD5, ()),
        ]

    def test_parameters_may_be_quoted_or_not_and_spaced(self) -> None:
        credentials = Credentials.parse(
            'Digest username = "al\\"ice" ,realm=r,nonce="n", uri=/x, response="AB",'
            ' qop="auth", nc="0000000a", cnonce=c'
        )
        assert credentials == Credentials('al"ice', "r", "n", "/x", "ab", qop=Qop.AUTH, cnonce="c", count="0000000a")

    def test_quotes_may_stand_bare_inside_a_uri(self) -> None:
        """curl and others copy the request target into `uri` as it is, with the quotes of a node selector."""
        uri = '/root/app/users/sip:a@b/index/~~/list[@name="a"]/entry[@uri="sip:b"]'
        credentials = Credentials.parse(
            f'Digest username="u", realm="r", nonce="n", uri="{uri}", response="0", qop=auth, nc=00000001, cnonce="c"'
        )
        assert (credentials.uri, credentials.response, credentials.cnonce) == (uri, "0", "c")

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "Basic dXNlcjpwYXNz",
            "Digest",
            'Digest realm="r", nonce="n", uri="/x", response="0"',
            'Digest username="u", realm="r", nonce="n", uri="/x", response="0", algorithm=MD5-sess',
            'Digest username="u", realm="r", nonce="n", uri="/x", response="0", qop=auth, nc=1, cnonce="c"',
            'Digest username="u", realm="r", nonce="n", uri="/x", response="0", qop=auth, nc=00000001',
            'Digest username="u", realm="r", nonce="n", uri="/x", response="0", qop=what, nc=00000001, cnonce="c"',
            'Digest username="u", username="v", realm="r", nonce="n", uri="/x", response="0"',
            'Digest username="u", username*=UTF-8\'\'v, realm="r", nonce="n", uri="/x", response="0"',
            'Digest username*=latin-1\'\'v, realm="r", nonce="n", uri="/x", response="0"',
            'Digest username*=UTF-8\'\'%FF, realm="r", nonce="n", uri="/x", response="0"',
            'Digest username="\udcff", realm="r", nonce="n", uri="/x", response="0"',
            'Digest username="\t", realm="r", nonce="n", uri="/x", response="0"',
            'Digest username*=UTF-8\'\'%00, realm="r", nonce="n", uri="/x", response="0"',
            'username="u", realm="r", nonce="n", uri="/x", response="0"',
            'Digest username="u", realm="r", nonce="n", uri="/x", response="0", Digest realm="s"',
            'Digest username="u" realm;',
            'Digest username="' + "u" * MAX_HEADER + '"',
        ],
    )
    def test_credentials_that_are_not_well_formed_say_so(self, text: str) -> None:
        with pytest.raises(MalformedDigest):
            Credentials.parse(text)

    @given(st.text(max_size=200))
    def test_no_text_breaks_the_parser(self, text: str) -> None:
        with pytest.raises(MalformedDigest):
            Credentials.parse(f"Digest {text}")
        assert Challenge.parse_all(f"Digest {text}") == []

    def test_a_challenge_without_qop_stays_one(self) -> None:
        assert str(Challenge("r", "n", qops=())) == 'Digest realm="r", nonce="n", algorithm=MD5'

    def test_octets_that_are_no_utf_8_are_a_wrong_answer_and_no_error(self) -> None:
        server = Server()
        header = (
            answer(server.challenge()).replace('uri="/x"', 'uri="/\udcff"').replace('response="', 'response="\udcff')
        )
        assert server.judge(header) is Verdict.BAD

    @given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=30), st.sampled_from(Algorithm))
    def test_what_a_client_writes_the_server_reads(self, name: str, algorithm: Algorithm) -> None:
        header = authorization(Challenge(name, "n", algorithm, opaque=name), name, "p", "GET", f"/{name}", cnonce="c")
        credentials = Credentials.parse(header)
        assert (credentials.username, credentials.realm, credentials.uri) == (name, name, f"/{name}")
        assert credentials.response == response_value(credentials, ha1(algorithm, name, name, "p"), "GET")
