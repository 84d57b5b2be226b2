"""pjsua2, from its wheel, against a server process: REGISTER, no presence, a card by a raw request."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.ordered import OrderedProcess
from tests.support.process import CERTIFICATES, ServerProcess, free_port
from tests.support.programs import PJSUA2, needs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

SCRIPT = Path(__file__).parent / "pjsua2_phone.py"
OWNER, WATCHER, PASSWORD = "sip:ann@example.com", "sip:bob@example.com", "bobpw"
CARD = "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Ann Example\r\nTEL;X-LEVEL=public:+1-555-0100\r\nEND:VCARD\r\n"

pytestmark = needs(PJSUA2)


class Phone(OrderedProcess):
    """The script as a process."""

    def __init__(self, server: ServerProcess, folder: Path, transport: str) -> None:
        self._log = folder / "pjsua2.log"
        host, port = server.sips if transport == "tls" else server.sip
        place = f"{host}:{port}", transport, f"127.0.0.1:{free_port()}"
        believed = str(CERTIFICATES / "authority.pem")
        super().__init__([sys.executable, str(SCRIPT), *place, "bob", PASSWORD, believed], folder)

    @property
    def log(self) -> str:
        """All messages that it sent and received, when it has ended."""
        return self._log.read_text()

    def __enter__(self) -> Self:
        self.told("ready")
        return self


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One where Ann has a card, and has approved Bob."""
    folder = tmp_path_factory.mktemp("server")
    server = ServerProcess(folder, {"REGISTRAR__ENABLED": "true"}, tls=True)
    server.command("user", "add", OWNER, "--password", "annpw")
    server.command("user", "add", WATCHER, "--password", PASSWORD)
    (folder / "ann.vcf").write_text(CARD)
    with server:
        server.command("card", "import", str(folder / "ann.vcf"), OWNER)
        server.command("approve", OWNER, WATCHER)
        yield server
        assert server.stop() == 0


@pytest.fixture(params=["udp", "tcp", "tls"])
def transport(request: pytest.FixtureRequest) -> str:
    transport: str = request.param
    return transport


@pytest.fixture
def phone(transport: str, server: ServerProcess, tmp_path: Path) -> Iterator[Phone]:
    with Phone(server, tmp_path, transport) as phone:
        yield phone


def test_pjsua2_is_told_what_there_is_instead_of_presence_and_fetches_a_card(phone: Phone) -> None:
    phone.order("options")
    answer = phone.told("answer")
    assert answer["status"] == 200
    assert "Allow-Events: contact-card" in answer["message"]

    phone.order("presence", OWNER)
    refused = phone.told("presence")
    assert (refused["state"], refused["status"]) == ("TERMINATED", 489)

    phone.order("follow", OWNER)
    assert [phone.told("answer")["status"] for _ in range(2)] == [401, 200]
    phone.order("options")
    assert phone.told("answer")["status"] == 200, "which came after the NOTIFY"
    phone.finish()
    refusal = phone.log.partition("SIP/2.0 489")[2].partition("--end msg--")[0]
    assert "Allow-Events: contact-card" in refusal
    notify = phone.log.partition("\nNOTIFY sip:")[2].partition("--end msg--")[0]
    assert "Event: contact-card" in notify
    assert "<text>Ann Example</text>" in notify


def test_pjsua2_registers_and_takes_it_back(phone: Phone, server: ServerProcess, transport: str) -> None:
    """With a flow of its own where that is a connection (RFC 5626): for UDP the library has none."""
    phone.order("register")
    assert phone.told("registration")["status"] == 200
    (binding,) = json.loads(server.command("registrations", WATCHER, "--json"))
    assert binding["contact"].startswith("<sip:bob@127.0.0.1:")
    assert binding["reg_id"] == (None if transport == "udp" else 1)
    phone.order("unregister")
    assert phone.told("registration")["status"] == 200
    assert json.loads(server.command("registrations", WATCHER, "--json")) == []
    phone.finish()
