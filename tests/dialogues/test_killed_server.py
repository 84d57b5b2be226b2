"""Devices on real sockets follow a server process that is killed again and again (design §7.1, §7.6, §7.7)."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from abserver.domain.identity import Aor, Owner
from abserver.domain.rules import Grant
from abserver.domain.usages import CONTACT_CARD_AUID
from abserver.domain.view import view_of
from abserver.events.contact_card import PATCH, XCARD
from abserver.events.follow import Follow, State
from abserver.net.sip_driver import SipDriver
from abserver.services.watching import Watching
from abserver.sip.transport import Address
from tests.support.process import ServerProcess
from xcap.client import AsyncXcapClient
from xcap.core.uri import DocumentKey

if TYPE_CHECKING:
    from pathlib import Path

    from abserver.ports import RequestHandler
    from abserver.sip.trace import Tracer
    from abserver.sip.uas import Capabilities

OWNER = Owner(Aor("sip:ann@example.com"))
LEVELS = {"bob": ("friends",), "carol": ("work",), "dave": ("friends", "work")}
PATIENCE = 40.0
ROUNDS = 4
CARD = DocumentKey(CONTACT_CARD_AUID, OWNER, "index")


def card(edits: int, rng: random.Random) -> bytes:
    """A card whose items differ from edit to edit, the hidden ones too."""

    def tel(level: str) -> str:
        number = f"+1555{edits:03d}{rng.randrange(1000):03d}"
        return f"<tel><parameters><x-level><text>{level}</text></x-level></parameters><uri>tel:{number}</uri></tel>"

    items = "".join(tel(level) for level in ("friends", "work", "private") if rng.random() < 0.7)
    return (
        f'<vcards xmlns="urn:ietf:params:xml:ns:vcard-4.0"><vcard><fn><text>Ann</text></fn>{items}</vcard></vcards>'
    ).encode()


def node(handler: RequestHandler, capabilities: Capabilities, tracer: Tracer) -> SipDriver:
    here = (Address("127.0.0.1", 0),)
    return SipDriver(handler, capabilities, udp=here, tcp=here, tracer=tracer)


def device(user: str, accept: tuple[str, ...], server: ServerProcess) -> Watching:
    """A device of that user, which follows the owner."""
    host, port = server.sip
    follow = Follow(
        owner=OWNER,
        watcher=f"sip:{user}@example.com",
        password="secret",
        route=f"sip:{host}:{port}",
        accept=accept,
    )
    return Watching(follow, node)


async def holds(watching: Watching, tag: str) -> None:
    """Wait until the device has the view with this tag."""
    await watching.reached(lambda each: each.copy is not None and each.copy.etag == tag)


@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_acknowledged_is_lost_and_all_devices_converge(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    server = ServerProcess(tmp_path)
    for user in ("ann", *LEVELS):
        server.command("user", "add", f"sip:{user}@example.com", "--password", "secret")
    async with AsyncExitStack() as running:
        running.enter_context(server)
        devices = [(user, device(user, accept, server)) for user in LEVELS for accept in ((XCARD, PATCH), (XCARD,))]
        async with asyncio.timeout(PATIENCE):
            for _, each in devices:
                await each.start()
                running.push_async_callback(each.stop)
                await each.reached(lambda watching: watching.state is State.PENDING)
        for user, levels in LEVELS.items():
            options = [option for level in levels for option in ("--level", level)]
            await asyncio.to_thread(server.command, "approve", OWNER, f"sip:{user}@example.com", *options)

        client = AsyncXcapClient(f"http://{server.http[0]}:{server.http[1]}/xcap-root", "ann", "secret")
        running.push_async_callback(client.aclose)
        acknowledged = b""
        for edits in range(ROUNDS):
            for _ in range(rng.randrange(1, 4)):
                acknowledged = card(edits, rng)
                await client.put(CARD, acknowledged, media_type=XCARD)
            for _ in range(rng.randrange(100)):  # let the fan-out get somewhere: where the kill hits is chance
                await asyncio.sleep(0)
            server.kill()
            await asyncio.to_thread(server.start)

        async with asyncio.timeout(PATIENCE):
            for user, each in devices:
                grant = Grant(levels=frozenset({"public", *LEVELS[user]}))
                await holds(each, view_of(acknowledged, grant, OWNER).tag)
        kept = await client.get(CARD)
        assert kept is not None
        assert kept.content == acknowledged
    assert "ERROR" not in server.log
    assert "Traceback" not in server.log
