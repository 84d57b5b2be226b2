"""Kamailio in front of a server process: the proxy and registrar of phones that the server has no passwords of.

SIPp is the phone. It comes by UDP or TCP to Kamailio, which goes on by UDP, TCP or TLS: all six ways.
"""

from __future__ import annotations

import itertools
import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.baresip import Baresip
from tests.support.kamailio import HOST, NAME, PASSWORDS, PHONES, Kamailio
from tests.support.process import CERTIFICATES, ServerProcess
from tests.support.programs import BARESIP, KAMAILIO, SIPP, needs
from tests.support.sipp import Sipp, walk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OWNER, WATCHER = "sip:ann@example.com", "sip:bob@example.com"
WHO = {"owner": "ann@example.com", "watcher": "bob@example.com", "user": "bob"}
LOGIN = ("-au", "bob", "-ap", PASSWORDS["bob"])
CARD = "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Ann Example\r\nTEL;X-LEVEL=public:+1-555-0100\r\nEND:VCARD\r\n"
NOTES = (f"NOTE;X-LEVEL=public:{number} letters. {'They are long. ' * 150}" for number in itertools.count())
"""Changes; each is more than fits into a datagram of 1300 bytes (RFC 3261 §18.1.1)."""
PATIENCE = 30.0
"""Seconds until something that must happen has happened."""

pytestmark = needs(KAMAILIO, SIPP)


@pytest.fixture(scope="module", params=["udp", "tcp", "tls"], ids=["udp-inside", "tcp-inside", "tls-inside"])
def inside(request: pytest.FixtureRequest) -> str:
    """The way from Kamailio to the server."""
    transport: str = request.param
    return transport


@pytest.fixture(scope="module")
def server(inside: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One that believes Kamailio by its address, over TLS by the name that it proves; it knows Ann's password only."""
    folder = tmp_path_factory.mktemp("server")
    authority = str(CERTIFICATES / "edge_authority.pem")
    by_name = {"SIP__TRUSTED_NAMES": NAME, "SIP__TLS_CLIENT_CA": authority, "SIP__TLS_CA": authority}
    server = ServerProcess(folder, by_name if inside == "tls" else {"SIP__TRUSTED_PEERS": HOST}, tls=True)
    server.command("user", "add", OWNER, "--password", "annpw")
    (folder / "ann.vcf").write_text(CARD)
    with server:
        server.command("approve", OWNER, WATCHER)
        yield server
        assert server.stop() == 0


@pytest.fixture(scope="module")
def kamailio(inside: str, server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kamailio]:
    address = server.sips if inside == "tls" else server.sip
    with Kamailio(tmp_path_factory.mktemp("kamailio"), address, inside) as kamailio:
        yield kamailio


@pytest.fixture
def small_card(server: ServerProcess) -> None:
    """Ann's card as at first: a NOTIFY with it fits into a datagram, so it does not overtake the 200 before it."""
    server.command("card", "import", str(server.folder / "ann.vcf"), OWNER)


def until_answered(server: ServerProcess, sipp: Sipp, cseq: int) -> None:
    """Wait until the server has the answer of the phone to this NOTIFY, by way of Kamailio."""
    sipp.until(f"CSeq: {cseq} NOTIFY", 2)
    call_id = re.findall(r"^Call-ID: (.*?)\r?$", sipp.messages, re.MULTILINE)[-1]
    deadline = time.monotonic() + PATIENCE
    while f"Call-ID {call_id}, CSeq {cseq}: answered 200" not in server.command("explain", OWNER, WATCHER):
        assert time.monotonic() < deadline, server.log[-3000:]


@pytest.mark.usefixtures("small_card")
@pytest.mark.parametrize("transport", ["u1", "t1"], ids=["udp-outside", "tcp-outside"])
def test_a_phone_behind_kamailio_is_who_kamailio_says_and_is_told_along_the_route(
    inside: str, kamailio: Kamailio, server: ServerProcess, tmp_path: Path, transport: str
) -> None:
    with Sipp("proxied", kamailio.address, tmp_path, *LOGIN, transport=transport, host=PHONES, **WHO) as sipp:
        until_answered(server, sipp, 2)
        server.command("card", "set", OWNER, next(NOTES))
        sipp.finish()
    by, (host, port) = ("TLS", server.sips) if inside == "tls" else ("TCP", server.sip)
    assert f"Via: SIP/2.0/{by} {host}:{port}" in sipp.messages, "the change is too large for a datagram"
    watchers = {each["watcher"] for each in json.loads(server.command("relations", OWNER, "--json"))}
    assert watchers == {WATCHER}, "Bob, although the phone claimed to be Ann"
    assert "Traceback" not in server.log


@pytest.mark.usefixtures("small_card")
def test_a_phone_behind_kamailio_is_told_after_that_has_started_anew(
    kamailio: Kamailio, server: ServerProcess, tmp_path: Path
) -> None:
    with Sipp("proxied", kamailio.address, tmp_path, *LOGIN, host=PHONES, **WHO) as sipp:
        until_answered(server, sipp, 2)
        kamailio.restart()
        server.command("card", "set", OWNER, next(NOTES))
        sipp.finish()


def test_the_word_of_a_phone_for_itself_counts_for_nothing(server: ServerProcess, tmp_path: Path) -> None:
    messages = walk("claimed", server.sip, tmp_path, host=PHONES, **WHO)
    assert "SIP/2.0 401 Unauthorized" in messages


@pytest.mark.skipif(BARESIP.path is None, reason=BARESIP.advice)
@pytest.mark.parametrize("way", ["udp", "tcp"])
def test_a_telephone_registers_with_the_server_by_way_of_kamailio_rfc3327(tmp_path: Path, way: str) -> None:
    """Kamailio is the edge of a registrar here: it knows the passwords, and puts the flow into the Path (RFC 5626)."""
    settings = {"REGISTRAR__ENABLED": "true", "SIP__TRUSTED_PEERS": HOST}
    with (
        ServerProcess(tmp_path, settings) as server,
        Kamailio(tmp_path, server.sip, way, "SERVER_REGISTERS=1") as kamailio,
    ):
        proxy = f'outbound="sip:{HOST}:{kamailio.address[1]}"'
        login = f"auth_user=bob;auth_pass={PASSWORDS['bob']};regint=600;mwi=no;sipnat=outbound"
        with Baresip(tmp_path, f"<{WATCHER}>;{proxy};{login}", host=PHONES) as baresip:
            baresip.until("SIP/2.0 200 OK")
            (binding,) = json.loads(server.command("registrations", WATCHER, "--json"))
            assert [f"{HOST}:{kamailio.address[1]}" in path for path in binding["path"]] == [True] * len(
                binding["path"]
            )
            assert binding["path"]
            assert f"@{PHONES}:" in binding["contact"]
            baresip.stop()
        assert json.loads(server.command("registrations", WATCHER, "--json")) == []
        assert server.stop() == 0
