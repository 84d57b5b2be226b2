"""What a watcher may not see leaves no trace in what it gets: not in bytes, sizes, tags, numbers, nor in their times.

Two worlds live through one story and differ only in what Bob must not know: hidden items, who else is let in, what
others do. Everything that leaves the server for Bob's devices is the same in both, to the byte, at the same time.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from abserver.events.contact_card import VCARD
from tests.support.documents import ANN, BOB, CAROL, allow, block, card, confirm, polite_block, rules
from tests.support.phone import BOTH
from tests.support.world import World, virtual_world

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from abserver.domain.identity import Watcher
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
CAROLS: dict[str, Callable[[Watcher], bytes]] = {"friend": lambda watcher: allow(watcher, "friends"), **BOBS}


@dataclass(frozen=True)
class Secret:
    """What one step of the story does that Bob must not notice."""

    friends: str | None
    private: str | None
    carol: str
    carol_subscribes: bool
    carol_refuses: bool


@dataclass(frozen=True)
class Step:
    """One step: what Bob may notice, and the secrets of either world."""

    public: str
    bob: str
    does: str
    seconds: float
    restart: bool
    secrets: tuple[Secret | None, ...]
    """None: nothing secret happens."""


secrets_ = st.builds(Secret, NUMBERS, NUMBERS, st.sampled_from(sorted(CAROLS)), st.booleans(), st.booleans())
steps = st.builds(
    Step,
    public=st.sampled_from(["1", "2"]),
    bob=st.sampled_from(["allow", *sorted(BOBS)]),
    does=st.sampled_from(["nothing", "nothing", "subscribe", "poll", "refresh", "suppress", "leave"]),
    seconds=st.sampled_from([0.005, 0.015, 1.0, 100.0]),
    restart=st.booleans(),
    secrets=st.tuples(st.none() | secrets_, st.none() | secrets_),
)


stories = st.lists(steps, min_size=1, max_size=8)
accepts = st.sampled_from([BOTH, None, VCARD])


@given(story=stories, accept=accepts)
@settings(max_examples=60, deadline=None)
def test_what_bob_must_not_see_changes_nothing_that_bob_hears(story: list[Step], accept: str | None) -> None:
    compare([replace(step, restart=False) for step in story], accept)


@given(story=stories, accept=accepts)
@settings(max_examples=60, deadline=None)
def test_nor_does_it_when_the_server_is_killed(story: list[Step], accept: str | None) -> None:
    compare(story, accept)


def compare(story: Sequence[Step], accept: str | None) -> None:
    """Let both worlds live, and see that Bob cannot tell them apart."""
    one, other = (heard(story, accept, world) for world in (0, 1))
    assert one == other


def heard(story: Sequence[Step], accept: str | None, number: int) -> list[tuple[float, bytes]]:
    """All that the server sends to Bob's phone in one of the two worlds, and when."""
    with virtual_world() as (world, loop):
        return loop.run_until_complete(play(world, story, accept, number))


async def play(world: World, story: Sequence[Step], accept: str | None, number: int) -> list[tuple[float, bytes]]:
    world.journal.latency = 0.0  # a journal that takes time is shared, and tells that others are there
    await world.start()
    await world.add_user(ANN)
    bob, carol = await world.phone(BOB), await world.phone(CAROL)
    written, secret = (b"", b""), Secret(None, None, "nothing", carol_subscribes=False, carol_refuses=False)
    meanwhile: set[asyncio.Task[Response]] = set()
    for step in story:
        secret = step.secrets[number] or replace(secret, carol_subscribes=False, carol_refuses=False)
        edits = (
            card(step.public, friends=secret.friends, private=secret.private),
            rules(BOBS[step.bob](BOB), CAROLS[secret.carol](CAROL)),
        )
        if edits[0] != written[0]:
            world.put_card(ANN, edits[0])
        if edits[1] != written[1]:
            world.put_rules(ANN, edits[1])
        written = edits
        if secret.carol_refuses:
            carol.answers = [(500, [])]
        if secret.carol_subscribes:
            meanwhile.add(asyncio.create_task(carol.subscribe(ANN, Accept=BOTH)))
        await act(bob, step.does, accept)
        await world.pass_time(step.seconds)
        if step.restart:
            await world.restart()
    await world.pass_time(4000)
    return [
        (round(packet.at, 6), masked(packet.data))
        for packet in world.network.packets
        if packet.destination == bob.address
    ]


def masked(data: bytes) -> bytes:
    """Without the identifiers that are random."""
    return re.sub(rb"(branch|tag)=[-\w]+", rb"\1=", data)


async def act(bob: Phone, does: str, accept: str | None) -> None:
    match does:
        case "subscribe":
            await bob.subscribe(ANN, Accept=accept)
        case "poll":
            await bob.subscribe(ANN, Accept=accept, Expires="0")
        case "refresh" if bob.dialog is not None:
            await bob.refresh(Accept=accept)
        case "suppress" if bob.dialog is not None and bob.notifies[-1].etag:
            await bob.refresh(Accept=accept, Suppress_If_Match=bob.notifies[-1].etag)
        case "leave" if bob.dialog is not None:
            await bob.unsubscribe()
        case _:
            pass
