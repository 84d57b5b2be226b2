"""fail2ban reads the log of a real server by the filter that is shipped (Debian's `fail2ban-regex`)."""

from __future__ import annotations

import socket
import subprocess
from typing import TYPE_CHECKING

import httpx

from tests.support.failregex import FILTER
from tests.support.process import ServerProcess
from tests.support.programs import FAIL2BAN, LIMIT, needs
from xcap.core.digest import Challenge, authorization

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = needs(FAIL2BAN)

URI = "sip:ann@example.com"


class Sender:
    """A socket that sends requests."""

    def __init__(self, server: tuple[str, int]) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(LIMIT)
        self._socket.connect(server)
        self._number = 0

    def ask(self, method: str, *more: str, uri: str = URI) -> str:
        """The response."""
        self._number += 1
        host, port = self._socket.getsockname()
        fields = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{method}{self._number}",
            f"From: <sip:x@example.com>;tag={self._number}",
            f"To: <{URI}>",
            f"Call-ID: {method}{self._number}",
            f"CSeq: 1 {method}",
            f"Contact: <sip:{host}:{port}>",
            "Event: contact-card",
            *more,
            "Content-Length: 0",
        ]
        self._socket.send("\r\n".join([*fields, "", ""]).encode())
        return self._socket.recv(65_536).decode()

    def close(self) -> None:
        self._socket.close()


def banned(log: Path, *options: str) -> list[str]:
    """What fail2ban finds: an address for each line."""
    done = subprocess.run(
        [str(FAIL2BAN.path), *options, "-o", "row", str(log), str(FILTER)],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=True,
    )
    return [line.partition(",")[0].strip("[] '\"") for line in done.stdout.splitlines() if line.startswith("[")]


def test_guessers_and_scanners_are_found_and_nobody_else(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        server.command("user", "add", "sip:bob@example.com", "--password", "secret")
        sender = Sender(server.sip)
        try:
            refused = sender.ask("SUBSCRIBE")
            rows = [row.partition(": ")[2] for row in refused.split("\r\n") if row.startswith("WWW-Authenticate")]
            [challenge] = Challenge.parse_all(rows[0])
            for number, password in enumerate(("secret", "guess", "again"), start=1):
                value = authorization(challenge, "bob", password, "SUBSCRIBE", URI, b"", nc=number, cnonce="c")
                sender.ask("SUBSCRIBE", f"Authorization: {value}")
            assert "405" in sender.ask("INVITE")
            assert "501" in sender.ask("PROBE")
            assert "404" in sender.ask("OPTIONS", uri="sip:100@203.0.113.1")
            assert "200" in sender.ask("OPTIONS")
        finally:
            sender.close()
        root = "http://{}:{}".format(*server.http)
        card = f"{root}/xcap-root/org.abserver.contact-card/users/sip:bob@example.com/index"
        for password, status in (("guess", 401), ("secret", 404)):
            assert httpx.get(card, auth=httpx.DigestAuth("bob", password)).status_code == status
        assert httpx.get(f"{root}/wp-login.php").status_code == 404
        assert server.stop() == 0
    log = tmp_path / "server.log"
    assert banned(log) == ["127.0.0.1"] * 7, log.read_text()

    journal = tmp_path / "journal"
    lines = log.read_text().splitlines()
    journal.write_text("".join(f"Feb  3 04:05:06 sip.example.com python3[12]: {line}\n" for line in lines))
    assert banned(journal, "--datepattern", r"^%b %d %H:%M:%S") == ["127.0.0.1"] * 7
