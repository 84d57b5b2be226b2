"""SIPp against a server process: staying subscribed, many at once, and what is refused."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from tests.support.process import ServerProcess
from tests.support.programs import SIPP, needs
from tests.support.sipp import Sipp, walk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OWNER, WATCHER, PASSWORD = "sip:ann@example.com", "sip:bob@example.com", "bobpw"
WHO = {"owner": "ann@example.com", "watcher": "bob@example.com"}
CARD = "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Ann Example\r\nTEL;X-LEVEL=public:+1-555-0100\r\nEND:VCARD\r\n"
NUMBERS = (f"+1-555-02{number:02}" for number in itertools.count())
"""Ann's next ones."""
MANY = 40
"""Devices at once."""

IPV4, IPV6 = "127.0.0.1", "[::1]"

pytestmark = needs(SIPP)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One where Ann has a card, and has approved Bob."""
    tmp_path = tmp_path_factory.mktemp("server")
    server = ServerProcess(
        tmp_path, also_at=[IPV6], SUBSCRIPTIONS__MAX_DEVICES=str(MANY), SUBSCRIPTIONS__EXPIRES_JITTER="0"
    )
    server.command("user", "add", OWNER, "--password", "annpw")
    server.command("user", "add", WATCHER, "--password", PASSWORD)
    (tmp_path / "ann.vcf").write_text(CARD)
    with server:
        server.command("card", "import", str(tmp_path / "ann.vcf"), OWNER)
        server.command("approve", OWNER, WATCHER)
        yield server
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("host", "transport", "calls"),
    [(IPV4, "u1", 1), (IPV4, "t1", 1), (IPV6, "u1", 1), (IPV6, "t1", 1), (IPV4, "u1", MANY), (IPV4, "tn", MANY)],
)
def test_sipp_polls_refreshes_and_is_told_of_a_change(
    server: ServerProcess, tmp_path: Path, host: str, transport: str, calls: int
) -> None:
    options = ("-m", str(calls), "-r", str(calls), "-au", "bob", "-ap", PASSWORD)
    with Sipp("stay", (host, server.sip[1]), tmp_path, *options, transport=transport, host=host, **WHO) as sipp:
        sipp.until("CSeq: 2 NOTIFY", 2 * calls)  # it came, and was answered
        server.command("card", "set", OWNER, f"TEL:{next(NUMBERS)}")
        sipp.finish()
    assert "Traceback" not in server.log


@pytest.mark.parametrize("transport", ["u1", "t1"], ids=["udp", "tcp"])
def test_sipp_is_told_why_it_is_refused(server: ServerProcess, tmp_path: Path, transport: str) -> None:
    walk("refusals", server.sip, tmp_path, "-au", "bob", "-ap", "guessed", transport=transport, **WHO)
    assert "login failed" in server.log
