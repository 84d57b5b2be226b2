"""Whatever is edited, decided, lost or restarted: after quiet, a client that follows `xcap-diff` has what a GET shows.

The client is as simple as RFC 5875 §4.8 lets it be: it applies what it is told, fetches what it does not have, and
subscribes again when it is told to. It never looks at the documents on its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from abserver.domain.usages import ADDRESS_BOOK, SHARED_CARDS
from tests.support.diffs import path, resubscribe, said, subscribe
from tests.support.documents import ANN, BOB, CAROL, DAN, allow, block, card, confirm, polite_block, rules
from tests.support.world import World, virtual_world
from xcap.core.errors import XcapError
from xcap.core.uri import parse
from xcap.core.xcapdiff import Cache, Version, apply
from xcap.ports import DocumentKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from abserver.domain.identity import Watcher
    from tests.support.phone import Phone

LISTS = "resource-lists"
OWN, OTHERS = DocumentKey(LISTS, BOB, "index"), DocumentKey(LISTS, CAROL, "index")
BOOK = DocumentKey(ADDRESS_BOOK.auid, BOB, "index")
NAMES = ["a", "b", "c"]
ATTRIBUTE = f"{path(OWN)}/~~/resource-lists/list/@name"
SELECTED = (f"{LISTS}/", f"{SHARED_CARDS.auid}/", path(BOOK), ATTRIBUTE)
QUIET = 400.0
"""Seconds after which nothing moves any more."""
DECISIONS: dict[str, Callable[[Watcher], bytes]] = {
    "allow": allow,
    "block": block,
    "confirm": confirm,
    "polite": polite_block,
    "friend": lambda w: allow(w, "friends"),
}


def lists(name: str) -> bytes:
    return (
        f'<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="{name}"/></resource-lists>'.encode()
    )


def book(name: str) -> bytes:
    entry = (
        f'<entry id="e"><vcard xmlns="urn:ietf:params:xml:ns:vcard-4.0"><fn><text>{name}</text></fn></vcard></entry>'
    )
    return f'<address-book xmlns="{ADDRESS_BOOK.default_namespace}">{entry}</address-book>'.encode()


@dataclass
class Client:
    """Bob's device, and what it has."""

    world: World
    phone: Phone
    processing: str | None
    cache: Cache = field(default_factory=Cache)
    heard: int = 0

    async def begin(self) -> None:
        self.cache = Cache()
        self.heard = len(self.phone.notifies)
        response = await subscribe(self.phone, *SELECTED, processing=self.processing)
        assert response.status == 200

    async def refresh(self) -> None:
        """Subscribe again, in the dialog if there is one."""
        self.hear()
        self.cache = Cache()
        if self.phone.dialog is None or (await resubscribe(self.phone, processing=self.processing)).status == 481:
            await self.begin()

    def hear(self) -> bool:
        """Take in what came; whether the subscription goes on."""
        alive = True
        for notify in self.phone.notifies[self.heard :]:
            if notify.body:
                self.cache = apply(said(notify), self.cache).cache
            alive = notify.state != "terminated"
        self.heard = len(self.phone.notifies)
        return alive

    async def fetch(self) -> None:
        """GET what is not at hand."""
        documents = {}
        for selector, version in self.cache.documents.items():
            found = version if version.content is not None else await self._get(selector)
            if found is not None:
                documents[selector] = found
        self.cache = Cache(documents, self.cache.components)

    async def _get(self, selector: str) -> Version | None:
        try:
            found = await self.world.get(BOB, parse(b"/" + selector.encode(), b"", "").key)
        except XcapError:
            return None
        return Version(found.etag, found.content)


async def truth(world: World) -> dict[str, str]:
    """The entity-tags of all that Bob may read of what was selected."""
    reader = world.server.events.document_changes._reader
    found = {}
    for auid, user in ((LISTS, BOB), (LISTS, None), (LISTS, CAROL), (SHARED_CARDS.auid, BOB), (BOOK.auid, BOB)):
        found.update({path(key): etag for key, etag in await reader.list(BOB, auid, user)})
    return found


Step = tuple[str, Any, Any]
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("put"), st.sampled_from([OWN, OTHERS]), st.sampled_from([None, *NAMES])),
    st.tuples(st.just("book"), st.just(BOOK), st.sampled_from([None, *NAMES])),
    st.tuples(st.just("card"), st.sampled_from([ANN, DAN]), st.sampled_from(["1", "2"])),
    st.tuples(st.just("hidden"), st.sampled_from([ANN, DAN]), st.sampled_from(["1", "2"])),
    st.tuples(st.just("decide"), st.sampled_from([ANN, DAN]), st.sampled_from(list(DECISIONS))),
    st.tuples(st.just("wait"), st.none(), st.sampled_from([0.0, 0.01, 0.5, 6.0, 60.0])),
    st.tuples(st.just("answer"), st.none(), st.sampled_from([None, 500, 503])),
    st.tuples(st.just("restart"), st.none(), st.none()),
    st.tuples(st.just("refresh"), st.none(), st.none()),
)


async def play(world: World, steps: list[Step], processing: str | None) -> None:
    await world.start()
    follower = await world.phone(BOB)
    numbers: dict[object, list[str]] = {ANN: ["1", "1"], DAN: ["1", "1"]}
    for owner in (ANN, DAN):
        world.put_card(owner, card("1", private="1"))
        await follower.subscribe(owner)
    client = Client(world, await world.phone(BOB), processing)
    await client.begin()
    for kind, what, value in [*steps, ("calm", None, None), ("wait", None, QUIET)]:
        match kind, what:
            case (("put" | "book"), DocumentKey() as key):
                content = {"put": lists, "book": book}[kind]
                stored = await world.store.load(key)
                if value is not None:
                    await world.put(key, content(str(value)))
                elif stored is not None:
                    await world.delete(key)
            case (("card" | "hidden"), owner):
                numbers[owner][kind == "hidden"] = str(value)
                world.put_card(owner, card(numbers[owner][0], private=numbers[owner][1]))
            case "decide", owner:
                world.put_rules(owner, rules(DECISIONS[str(value)](BOB)))
            case "wait", _:
                await world.pass_time(float(str(value)))
            case "answer", _:
                client.phone.answers.append(None if value is None else (int(str(value)), [("Retry-After", "5")]))
            case "restart", _:
                await world.restart()
            case "refresh", _:
                await client.refresh()
            case "calm", _:
                client.phone.answers.clear()
        if not client.hear():
            await client.begin()
            await world.pass_time()
    await world.pass_time(QUIET)
    if not client.hear() or not len(world.server.events.document_changes.followers):
        await client.refresh()  # it was removed in silence: it finds out by its next SUBSCRIBE
        await world.pass_time(QUIET)
    client.hear()
    await client.fetch()
    assert {selector: version.etag for selector, version in client.cache.documents.items()} == await truth(world)
    for selector, version in client.cache.documents.items():
        found = await client._get(selector)
        assert found is not None
        assert found.etag == version.etag
    name = await world.store.load(OWN)
    assert (ATTRIBUTE in client.cache.components) == (name is not None)


@given(st.lists(STEPS, max_size=25), st.sampled_from([None, "xcap-patching", "aggregate"]))
@settings(max_examples=150, deadline=None)
def test_after_quiet_a_client_has_what_a_get_shows(steps: list[Step], processing: str | None) -> None:
    with virtual_world() as (world, loop):
        loop.run_until_complete(play(world, steps, processing))
