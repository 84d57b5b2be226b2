"""baresip against a server process: what a telephone is told that asks for presence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.baresip import Baresip
from tests.support.process import ServerProcess
from tests.support.programs import BARESIP, needs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OWNER, WATCHER, PASSWORD = "sip:ann@example.com", "sip:bob@example.com", "bobpw"

pytestmark = needs(BARESIP)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path_factory.mktemp("server"), tls=True)
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
