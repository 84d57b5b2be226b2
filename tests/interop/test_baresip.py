"""baresip against a server process: a telephone that registers, and what it is told when it asks for presence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.baresip import INSTANCE, Baresip
from tests.support.process import ServerProcess
from tests.support.programs import BARESIP, needs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OWNER, WATCHER, PASSWORD = "sip:ann@example.com", "sip:bob@example.com", "bobpw"

pytestmark = needs(BARESIP)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path_factory.mktemp("server"), {"REGISTRAR__ENABLED": "true"}, tls=True)
    server.command("user", "add", OWNER, "--password", "annpw")
    server.command("user", "add", WATCHER, "--password", PASSWORD)
    with server:
        yield server
        assert server.stop() == 0


def account(server: ServerProcess, transport: str, *more: str) -> str:
    """Bob's, with the server as outbound proxy."""
    host, port = server.sips if transport == "tls" else server.sip
    proxy = f'outbound="sip:{host}:{port};transport={transport}"'
    return ";".join([f"<{WATCHER}>", "auth_user=bob", f"auth_pass={PASSWORD}", proxy, *more])


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_baresip_is_told_what_there_is_instead_of_presence(
    server: ServerProcess, tmp_path: Path, transport: str
) -> None:
    contact = f'"Ann" <{OWNER}>;presence=p2p'
    with Baresip(tmp_path, account(server, transport, "regint=0", "mwi=no"), contact) as baresip:
        baresip.until(f"presence: subscriber closed <{OWNER}>: 489 Bad Event")
        assert "Allow-Events: contact-card" in baresip.log
        baresip.stop()


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_baresip_registers_a_flow_and_takes_it_back(server: ServerProcess, tmp_path: Path, transport: str) -> None:
    """RFC 5626; by MD5 alone, since this one bears no other algorithm (docs/user-agents.md)."""
    with Baresip(tmp_path, account(server, transport, "regint=600", "mwi=no", "sipnat=outbound")) as baresip:
        baresip.until("SIP/2.0 200 OK")
        answer = baresip.log.rpartition("SIP/2.0 200 OK")[2]
        assert "Require: outbound" in answer
        assert "Flow-Timer: 120" in answer
        (binding,) = json.loads(server.command("registrations", WATCHER, "--json"))
        assert (binding["instance"], binding["reg_id"]) == (f"urn:uuid:{INSTANCE}", 1)
        baresip.stop()
    assert json.loads(server.command("registrations", WATCHER, "--json")) == []
