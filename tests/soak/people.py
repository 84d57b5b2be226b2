"""Owners who edit and decide, and the devices that follow them, at a real server that dies now and then."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from typing import TYPE_CHECKING

import httpx
from lxml import etree

from abserver.domain.identity import Owner, Watcher, parse_aor
from abserver.domain.rules import Handling, decide, parse_rules
from abserver.domain.usages import CARD_RULES, CONTACT_CARD
from abserver.domain.view import View, text_of, view_of
from abserver.events.contact_card import PATCH, VCARD, XCARD
from abserver.events.follow import Follow, State
from abserver.net.sip_driver import SipDriver
from abserver.services.watching import Watching
from abserver.sip.transport import Address
from tests.support.documents import allow, block, card, confirm, polite_block, rules
from xcap.client import AsyncXcapClient
from xcap.core.source import ELEMENT_OCTETS, REMEMBERED_OCTETS
from xcap.core.uri import DocumentKey, ResourceUri
from xcap.core.usages import resource_lists

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from abserver.domain.rules import Decision
    from abserver.ports import RequestHandler
    from abserver.sip.trace import Tracer
    from abserver.sip.uas import Capabilities
    from tests.support.process import ServerProcess

PASSWORD = "secret"
OWNERS = tuple(Owner(parse_aor(f"sip:{name}@example.com")) for name in ("ann", "dan", "eve"))
WATCHERS = tuple(Watcher(parse_aor(f"sip:w{number}@example.com")) for number in range(8))
FORMS = ((XCARD, PATCH), (XCARD,), (VCARD,))
NUMBERS = (None, "1", "2", "3")
"""Few, so that what is kept in memory because it may be needed again finds an end."""
DECISIONS: Sequence[Callable[[Watcher], bytes]] = (
    lambda watcher: b"",
    allow,
    allow,
    lambda watcher: allow(watcher, "friends"),
    lambda watcher: allow(watcher, "friends"),
    confirm,
    polite_block,
    block,
)
ENTRIES = 1000
LISTS = "urn:ietf:params:xml:ns:resource-lists"
AGAIN = 0.3
"""Seconds until a request that met no server is repeated."""


class OwnerAtWork:
    """One owner; what she wrote was acknowledged, however often the server died meanwhile."""

    def __init__(self, owner: Owner, server: ServerProcess) -> None:
        self.owner = owner
        root = f"http://{server.http[0]}:{server.http[1]}/xcap-root"
        self._client = AsyncXcapClient(root, owner.removeprefix("sip:"), PASSWORD)
        self._card = card()
        self._decisions: dict[Watcher, bytes] = {}
        self._writing = asyncio.Lock()
        """What is written last is to be what counts."""

    async def close(self) -> None:
        await self._client.aclose()

    async def begin(self) -> None:
        await self._put(CONTACT_CARD.auid, CONTACT_CARD.media_type, self._card)
        await self._put(CARD_RULES.auid, CARD_RULES.media_type, self._rules)

    async def fill_memory(self) -> None:
        """Have the server know as many documents as it keeps in memory, so that whatever grows from now on is not that.

        For an element of a document, all of it is scanned and remembered.
        """
        auid, entries = resource_lists.AUID, "".join(f'<entry uri="sip:{n}@example.com"/>' for n in range(ENTRIES))
        for number in range(REMEMBERED_OCTETS // (ELEMENT_OCTETS * ENTRIES) + 1):
            content = f'<resource-lists xmlns="{LISTS}"><list name="{number}">{entries}</list></resource-lists>'
            await self._put(auid, resource_lists.RESOURCE_LISTS.media_type, content.encode())
            await self._client.get(ResourceUri(DocumentKey(auid, self.owner, "index"), "resource-lists/list/entry[1]"))

    async def edit(self, dice: random.Random) -> None:
        """Change the card; as often as not in a way that most must not see."""
        async with self._writing:
            self._card = card(dice.choice(NUMBERS) or "0", friends=dice.choice(NUMBERS), private=dice.choice(NUMBERS))
            await self._put(CONTACT_CARD.auid, CONTACT_CARD.media_type, self._card)

    async def decide(self, dice: random.Random) -> None:
        """Confirm, refuse or revoke somebody."""
        async with self._writing:
            watcher = dice.choice(WATCHERS)
            self._decisions[watcher] = dice.choice(DECISIONS)(watcher)
            await self._put(CARD_RULES.auid, CARD_RULES.media_type, self._rules)

    @property
    def _rules(self) -> bytes:
        return rules(*self._decisions.values())

    async def _put(self, auid: str, media_type: str, content: bytes) -> None:
        """Write until it is acknowledged."""
        while True:
            with contextlib.suppress(httpx.TransportError):
                await self._client.put(DocumentKey(auid, self.owner, "index"), content, media_type=media_type)
                return
            await asyncio.sleep(AGAIN)

    def decision(self, watcher: Watcher) -> Decision:
        return decide(parse_rules(self._rules), watcher, datetime.datetime.now(datetime.UTC))

    def view(self, watcher: Watcher) -> View:
        """What the watcher is to see."""
        return view_of(self._card, self.decision(watcher).grant, self.owner)


class Handset:
    """A device that follows one owner, on or off."""

    def __init__(self, watcher: Watcher, owner: OwnerAtWork, form: int, file: Path, expires: int) -> None:
        self.watcher = watcher
        self.owner = owner
        self._accept = FORMS[form % len(FORMS)]
        self._file = file
        self._expires = expires
        self.watching: Watching | None = None
        self.turning = asyncio.Lock()
        """Held while it is switched on or off."""

    async def switch_on(self, server: ServerProcess) -> None:
        host, port = server.sip
        follow = Follow(
            owner=self.owner.owner,
            watcher=self.watcher,
            password=PASSWORD,
            route=f"sip:{host}:{port}",
            accept=self._accept,
            expires=self._expires,
        )
        self.watching = Watching(follow, _node, keep_in=self._file)
        await self.watching.start()

    async def switch_off(self, how: str) -> None:
        """`leaves` unsubscribes; `falls silent` loses power; `forgets` does so, and its copy too."""
        watching, self.watching = self.watching, None
        assert watching is not None
        await (watching.leave() if how == "leaves" else watching.stop())
        if how == "forgets":
            self._file.unlink(missing_ok=True)

    @property
    def is_served(self) -> bool:
        """Whether it has a subscription."""
        return self.watching is not None and self.watching.state in (State.ACTIVE, State.PENDING)

    def has_what_it_should(self) -> bool:
        """Whether it stands as the rules say, and has the view that they grant."""
        watching = self.watching
        assert watching is not None
        match self.owner.decision(self.watcher).handling:
            case Handling.BLOCK:
                return watching.ends_for_good
            case Handling.CONFIRM:
                return watching.state is State.PENDING
            case _:
                return watching.state is State.ACTIVE and self._has(self.owner.view(self.watcher))

    def _has(self, view: View) -> bool:
        copy = None if self.watching is None else self.watching.copy
        if copy is None:
            return False
        if self._accept == (VCARD,):
            return copy.content == text_of(view)
        return _canonical(copy.content) == _canonical(view.content)


def _canonical(content: bytes) -> str:
    return etree.canonicalize(content.decode(), with_comments=True)


def _node(handler: RequestHandler, capabilities: Capabilities, tracer: Tracer) -> SipDriver:
    here = (Address("127.0.0.1", 0),)
    return SipDriver(handler, capabilities, udp=here, tcp=here, tracer=tracer)
