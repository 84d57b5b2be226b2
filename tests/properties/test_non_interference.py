"""What a watcher may not see leaves no trace in what it gets: not in bytes, sizes, tags, numbers, nor in their times.

Two worlds live through one story and differ only in what Bob must not know: hidden items, who else is let in, when and
where and by which list, who watches whom, what others do, what the owner keeps in her own tree. Everything that leaves
the server for Bob's devices is the same in both, to the byte, at the same time: of his subscriptions to the card, with
filters, rates and codings, to watcher information and to changes of documents; and so is all that he reads.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from abserver.domain.identity import Watcher
from abserver.domain.usages import CONTACT_CARD_AUID, SHARED_CARDS
from abserver.domain.usages.shared_cards import name_of
from abserver.events import filters
from abserver.events.contact_card import VCARD
from tests.support.diffs import path, resubscribe, subscribe
from tests.support.documents import ANN, BOB, CAROL, allow, block, card, confirm, polite_block, rules
from tests.support.phone import BOTH
from tests.support.truth import DECISIONS, LISTS, PRESENCE, friends, presence
from tests.support.virtual_time import BEGINNING
from tests.support.winfo import WINFO
from tests.support.wishes import FILTER_SETS
from tests.support.world import World, virtual_world
from xcap.core.errors import XcapError
from xcap.core.uri import DocumentKey

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from abserver.sip.message import Response
    from tests.support.phone import Phone

NUMBERS = st.sampled_from([None, "1", "2", "a long number that changes every size that it is in"])
BOBS: dict[str, Callable[[Watcher], bytes]] = {
    "allow": allow,
    "confirm": confirm,
    "polite": polite_block,
    "block": block,
    "nothing": lambda watcher: b"",
}
MOMENT = 0.001
ODD = 0.000137
"""Seconds. Sums of its doubles are all different, so that no two things fall due at the very same time: it would be
chance which of them came first."""
FRIENDS = DocumentKey(LISTS.auid, ANN, "friends")
SHARED = DocumentKey(SHARED_CARDS.auid, BOB, name_of(ANN))
FOLLOWED = (
    f"{SHARED_CARDS.auid}/users/{BOB}/",
    path(DocumentKey(CONTACT_CARD_AUID, ANN, "index")),
    path(FRIENDS),
    f"{LISTS.auid}/users/{ANN}/",
)
"""What Bob selects: what he may read, and what he may not."""
FIELDS: dict[str, dict[str, str | None]] = {
    "usual": {},
    "gzip": {"Accept_Encoding": "gzip"},
    "rates": {"Event": "contact-card;max-rate=0.1;min-rate=0.02"},
}


@dataclass(frozen=True)
class Secret:
    """What one step of the story does that Bob must not notice."""

    friends: str | None
    private: str | None
    carol: str
    sphere: str | None
    listed: bool
    carol_does: str
    ann_does: str


@dataclass(frozen=True)
class Step:
    """One step: what Bob may notice, and the secrets of either world."""

    public: str
    bob: str
    device: int
    does: str
    wish: str
    filter: str | None
    seconds: float
    restart: bool
    secrets: tuple[Secret | None, ...]
    """None: nothing secret happens."""


QUIET = Secret(None, None, "nothing", None, listed=False, carol_does="nothing", ann_does="nothing")
secrets_ = st.builds(
    Secret,
    NUMBERS,
    NUMBERS,
    st.sampled_from(["friend", *sorted(DECISIONS)]),
    st.sampled_from([None, "work", "home"]),
    st.booleans(),
    st.sampled_from(["nothing", "subscribes", "refuses", "watches her row"]),
    st.sampled_from(["nothing", "follows herself", "watches", "edits her list"]),
)
steps = st.builds(
    Step,
    public=st.sampled_from(["1", "2"]),
    bob=st.sampled_from(["allow", *sorted(BOBS)]),
    device=st.integers(0, 1),
    does=st.sampled_from(["nothing", "subscribe", "poll", "refresh", "suppress", "silence", "leave", "look", "sync"]),
    wish=st.sampled_from(sorted(FIELDS)),
    filter=st.none() | st.sampled_from(sorted(FILTER_SETS)),
    seconds=st.sampled_from([0.005, 0.015, 1.0, 6.0, 100.0]),
    restart=st.booleans(),
    secrets=st.tuples(st.none() | secrets_, st.none() | secrets_),
)


stories = st.lists(steps, min_size=1, max_size=8)
accepts = st.sampled_from([BOTH, None, VCARD])

Heard = list[tuple[object, ...]]


@given(story=stories, accept=accepts)
@settings(max_examples=120, deadline=None)
def test_what_bob_must_not_see_changes_nothing_that_bob_hears(story: list[Step], accept: str | None) -> None:
    compare([replace(step, restart=False) for step in story], accept)


@given(story=stories, accept=accepts)
@settings(max_examples=120, deadline=None)
def test_nor_does_it_when_the_server_is_killed(story: list[Step], accept: str | None) -> None:
    compare(story, accept)


def compare(story: Sequence[Step], accept: str | None) -> None:
    """Let both worlds live, and see that Bob cannot tell them apart."""
    one, other = (heard(story, accept, world) for world in (0, 1))
    assert one == other


def heard(story: Sequence[Step], accept: str | None, number: int) -> Heard:
    """All that the server sends to Bob's devices in one of the two worlds, when, and what his GETs show."""
    with virtual_world() as (world, loop):
        return loop.run_until_complete(play(world, story, accept, number))


async def play(world: World, story: Sequence[Step], accept: str | None, number: int) -> Heard:
    world.journal.latency = 0.0  # a journal that takes time is shared, and tells that others are there
    await world.start()
    for user in (ANN, BOB, CAROL):
        await world.add_user(user)
    bob, others = Bob(world, [await world.phone(BOB) for _ in range(4)], accept), await Others.of(world)
    written, secret = (b"", b""), QUIET
    shown: Heard = []
    for place, step in enumerate(story):
        secret = step.secrets[number] or replace(secret, carol_does="nothing", ann_does="nothing")
        await others.act(secret)
        edits = (
            card(step.public, friends=secret.friends, private=secret.private),
            rules(BOBS[step.bob](BOB), carols(secret.carol)),
        )
        if edits[0] != written[0]:
            world.put_card(ANN, edits[0])
        if edits[1] != written[1]:
            world.put_rules(ANN, edits[1])
        written = edits
        await bob.act(step)
        await world.pass_time(step.seconds + ODD * 2**place)
        shown.append(await bob.reads())
        if step.restart:
            await world.restart()
            await world.pass_time(MOMENT)  # else what it sees of rules that hold for no time is chance
    await world.pass_time(4000)
    shown.append(await bob.reads())
    return [*bob.heard(), *shown]


def carols(decision: str) -> bytes:
    """What the rules say of Carol: by the clock of the beginning, so that all steps that say the same say the same."""
    return DECISIONS[decision](ANN, CAROL, BEGINNING)


class Others:
    """Carol and Ann, with their devices."""

    def __init__(self, world: World, phones: Sequence[Phone]) -> None:
        self._world = world
        self._carol, self._row, self._own, self._watch = phones
        self._meanwhile: set[asyncio.Task[Response]] = set()
        self._edits = 0

    @classmethod
    async def of(cls, world: World) -> Others:
        owner = Watcher(ANN)
        return cls(world, [await world.phone(each) for each in (CAROL, CAROL, owner, owner)])

    async def act(self, secret: Secret) -> None:
        if secret.sphere is not None:
            self._world.documents.put_ground(ANN, PRESENCE, presence(secret.sphere))
        self._world.documents.put_ground(ANN, LISTS, friends(*([CAROL] if secret.listed else [])))
        match secret.carol_does:
            case "subscribes":
                self._begin(self._carol, "contact-card")
            case "refuses":
                self._carol.answers = [(500, [])]
            case "watches her row":
                self._begin(self._row, WINFO)
            case _:
                pass
        match secret.ann_does:
            case "follows herself":
                self._begin(self._own, "contact-card")
            case "watches":
                self._begin(self._watch, WINFO)
            case "edits her list":
                self._edits += 1
                await self._world.put(FRIENDS, friends(*[CAROL] * (self._edits % 2)))
            case _:
                pass

    def _begin(self, phone: Phone, event: str) -> None:
        """Subscribe, without waiting for what comes of it."""
        self._meanwhile.add(asyncio.create_task(phone.subscribe(ANN, Event=event)))


class Bob:
    """Bob, with two phones that follow Ann, one that looks at his row and one that follows documents."""

    def __init__(self, world: World, phones: Sequence[Phone], accept: str | None) -> None:
        self._world = world
        self._phones = phones
        self._accept = accept

    async def act(self, step: Step) -> None:
        phone = self._phones[step.device]
        fields, body = {"Accept": self._accept, **FIELDS[step.wish]}, b""
        if step.filter is not None:
            fields["Content_Type"], body = filters.MEDIA_TYPE, FILTER_SETS[step.filter]
        stands = phone.dialog is not None
        match step.does:
            case "subscribe":
                await phone.subscribe(ANN, body, **fields)
            case "poll":
                await phone.subscribe(ANN, body, **fields, Expires="0")
            case "refresh" if stands:
                await phone.refresh(body, **fields)
            case "suppress" if stands and phone.last.etag:
                await phone.refresh(body, **fields, Suppress_If_Match=phone.last.etag)
            case "silence" if stands:
                await phone.refresh(body, **fields, Suppress_If_Match="*")
            case "leave" if stands:
                await phone.unsubscribe()
            case "look":
                await self._look(self._phones[2])
            case "sync":
                await self._sync(self._phones[3])
            case _:
                pass

    async def _look(self, phone: Phone) -> None:
        await (phone.subscribe(ANN, Event=WINFO) if phone.dialog is None else phone.refresh(Event=WINFO))

    async def _sync(self, phone: Phone) -> None:
        begin = subscribe if phone.dialog is None else resubscribe
        await begin(phone, *FOLLOWED, processing="aggregate")

    async def reads(self) -> tuple[object, ...]:
        """What a GET of the card that Ann shares shows."""
        try:
            found = await self._world.get(BOB, SHARED)
        except XcapError as error:
            return (type(error),)
        return found.etag, found.content

    def heard(self) -> Heard:
        """All that came to each phone."""
        return [
            (round(packet.at, 6), masked(packet.data))
            for phone in self._phones
            for packet in self._world.network.packets
            if packet.destination == phone.address
        ]


def masked(data: bytes) -> bytes:
    """Without the identifiers that are random."""
    return re.sub(rb"(branch|tag)=[-\w]+", rb"\1=", data)
