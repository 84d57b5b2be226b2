"""Whatever is lost, delayed, duplicated, restarted or edited: after quiet, everybody has what is theirs, and no more.

A state machine plays owners who edit and decide, rules that begin and end by the clock, spheres and lists that rules
rest on, devices that come, go, forget and wish for filters, rates, codings or silence, those who watch the watchers, a
network that misbehaves and a server that is killed. All of it is real except sockets, disk and time. The laws (design:
convergence, no body before confirmation, monotonic numbers, one NOTIFY in flight) are checked at every packet and after
every quiet.

CONVERGENCE_EXAMPLES in the environment sets the number of stories (`make soak` asks for many).
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_stories
from lxml import etree

from abserver.domain.identity import Aor, Owner, Watcher
from abserver.domain.relation import RelationState
from abserver.domain.rules import Handling
from abserver.domain.usages import SHARED_CARDS
from abserver.domain.usages.shared_cards import name_of
from abserver.domain.view import View, text_of
from abserver.events import filters
from abserver.events.contact_card import PACKAGE, PATCH, VCARD, XCARD
from abserver.events.follow import State
from abserver.events.formats import TEXT_SUFFIX
from abserver.events.winfo.document import Status
from abserver.events.xcap_diff.lists import MEDIA_TYPE as RESOURCE_LISTS
from abserver.events.xcap_diff.package import PACE
from abserver.sip.headers import Substate
from abserver.sip.transport import Address
from tests.support.diffs import resource_lists
from tests.support.documents import ANN, BOB, CAROL, DAN, card
from tests.support.filters import sets
from tests.support.leftovers import leftovers
from tests.support.network import HOP
from tests.support.readers import DiffReader, TableReader
from tests.support.steady import Steady
from tests.support.truth import DECISIONS, Truth
from tests.support.weather import Weather
from tests.support.winfo import WINFO
from tests.support.wires import Wires
from tests.support.wishes import CODINGS, FILTER_SETS, FILTERS, RATES, Wish, WishingDevice
from tests.support.world import virtual_world
from xcap.core.errors import NotFound
from xcap.core.uri import DocumentKey

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from abserver.services.followers import Followed
    from abserver.sip.message import Request

STORIES = int(os.environ.get("CONVERGENCE_EXAMPLES", "270"))
LENGTH = 50
"""Steps of a story at most."""
ENOUGH = min(10_000, 30 * STORIES)
"""Steps that all stories have together at least."""

OWNERS, WATCHERS = (ANN, DAN), (BOB, CAROL)
NUMBERS = st.sampled_from([None, "1", "2"])
"""Few, so that a view often returns to what it was."""
MOMENTS = st.sampled_from([0.0, HOP / 2, HOP * 1.5, HOP * 2.5, 0.1, 1.0])
"""Seconds that end before, during and after an exchange of two packets."""
SETTLED = 400.0
"""Seconds after which nothing moves any more but by its own clock: longer than every pause of a device or a retry."""
REFRESHED = 4000.0
"""Seconds in which every device has refreshed its subscription, and has learnt so if there is none any more."""
PACES = {"contact-card": PACKAGE.pace, WINFO: 5.0, "xcap-diff": PACE}
DEVICES = 7
LOOKERS = 5
SHOWN = (Handling.ALLOW, Handling.POLITE_BLOCK)

wishes = st.builds(Wish, rates=st.sampled_from(RATES), coding=st.sampled_from(CODINGS), silent=st.booleans())


class Convergence(RuleBasedStateMachine):
    """The story; see the head of the file."""

    steps = 0
    """Of all stories."""

    def __init__(self) -> None:
        super().__init__()
        self.end = contextlib.ExitStack()
        self.world, self.loop = self.end.enter_context(virtual_world())
        self.truth = Truth(self.world)
        self.weather = Weather()
        folder = Path(self.end.enter_context(tempfile.TemporaryDirectory()))
        self.devices = [
            WishingDevice(
                self.world, watcher, owner, host=f"10.1.0.{number}", accept=accept, keep_in=folder / str(number)
            )
            for number, (watcher, owner, accept) in enumerate(
                [
                    (BOB, ANN, (XCARD, PATCH)),
                    (BOB, ANN, (XCARD,)),
                    (CAROL, ANN, (XCARD, PATCH)),
                    (CAROL, DAN, (VCARD,)),
                    (Watcher(ANN), ANN, (XCARD, PATCH)),
                    (BOB, DAN, (XCARD, PATCH)),
                    (CAROL, DAN, (XCARD,)),
                ]
            )
        ]
        for place, wish in ((5, "whole"), (6, "whole")):
            self.devices[place].wish = Wish(filter=wish)
        self.lookers = [
            *(
                Steady(self.world.network, Address(f"10.9.1.{number}", 5060), watcher, owner, WINFO, TableReader())
                for number, (watcher, owner) in enumerate([(Watcher(ANN), ANN), (BOB, ANN), (Watcher(DAN), DAN)])
            ),
            *(
                Steady(
                    self.world.network,
                    Address(f"10.9.2.{number}", 5060),
                    watcher,
                    Owner(watcher),
                    f"xcap-diff;diff-processing={processing}",
                    DiffReader(),
                    (RESOURCE_LISTS, resource_lists(f"{SHARED_CARDS.auid}/users/{watcher}/")),
                )
                for number, (watcher, processing) in enumerate([(BOB, "aggregate"), (CAROL, "xcap-patching")])
            ),
        ]
        self.versions: dict[Owner, int] = dict.fromkeys(OWNERS, 0)
        self.wires = Wires(PACES, self.check_what_is_told)
        self.world.network.sent = self.wires.leaves
        self.world.network.arrived = self.wires.arrives
        self.world.network.fate = self.weather.fate

    def run(self, work: Coroutine[object, object, object]) -> None:
        self.loop.run_until_complete(work)

    @initialize(
        seed=st.integers(0, 2**32),
        journal=st.sampled_from([0.0, 0.002, 0.3]),
        read=st.sampled_from([0.0, 0.05]),
        on=st.sets(st.integers(0, DEVICES - 1), min_size=2),
        looking=st.sets(st.integers(0, LOOKERS - 1)),
        decisions=st.lists(st.sampled_from([*sorted(DECISIONS), "allow", "friend"]), min_size=4, max_size=4),
    )
    def begin(
        self, seed: int, journal: float, read: float, on: set[int], looking: set[int], decisions: list[str]
    ) -> None:
        self.weather.dice.seed(seed)
        self.world.journal.latency, self.world.documents.latency = journal, read
        for user in (*OWNERS, *WATCHERS):
            self.run(self.world.add_user(user))
        self.run(self.world.start())
        pairs = [(owner, watcher) for owner in OWNERS for watcher in WATCHERS]
        for (owner, watcher), decision in zip(pairs, decisions, strict=True):
            self.decide(owner, watcher, decision)
        for place in sorted(on):
            self.switch_on(place)
        for place in sorted(looking):
            self.look(place)

    # -- what people do

    @rule(owner=st.sampled_from(OWNERS), public=NUMBERS, friends=NUMBERS, private=NUMBERS, then=MOMENTS)
    def edit_card(
        self, owner: Owner, public: str | None, friends: str | None, private: str | None, then: float
    ) -> None:
        self.put_card(owner, card(public or "0", friends=friends, private=private), then)

    @rule(owner=st.sampled_from(OWNERS), then=MOMENTS)
    def edit_there_and_back(self, owner: Owner, then: float) -> None:
        before = self.truth.card(owner)
        self.put_card(owner, card("there"), then)
        self.put_card(owner, before, 0.0)

    def put_card(self, owner: Owner, content: bytes | None, then: float) -> None:
        self.truth.put_card(owner, content)
        self.pass_time(then)

    @rule(owner=st.sampled_from(OWNERS), watcher=st.sampled_from(WATCHERS), decision=st.sampled_from(sorted(DECISIONS)))
    def decide(self, owner: Owner, watcher: Watcher, decision: str) -> None:
        if decision == "block":
            for device in self.devices:
                device.blocked |= (device.owner, device.watcher) == (owner, watcher)
        self.truth.decide(owner, watcher, decision)

    @rule(
        owner=st.sampled_from(OWNERS),
        sphere=st.sampled_from(["work", "home"]),
        seconds=st.sampled_from([None, 1.0, 60.0]),
        listed=st.none() | st.sets(st.sampled_from(WATCHERS)),
    )
    def move(self, owner: Owner, sphere: str, seconds: float | None, listed: set[Watcher] | None) -> None:
        """Change what rules rest on."""
        if listed is None:
            self.truth.be_in(owner, sphere, seconds)
        else:
            self.truth.list_friends(owner, sorted(listed))

    # -- what devices do

    @rule(place=st.integers(0, DEVICES - 1))
    def switch_on(self, place: int) -> None:
        device = self.devices[place]
        if device.watching is None:
            device.blocked = self.truth.decision(device.owner, device.watcher).handling is Handling.BLOCK
            self.run(device.switch_on())

    @rule(place=st.integers(0, DEVICES - 1), how=st.sampled_from(["leaves", "loses power", "forgets"]))
    def switch_off(self, place: int, how: str) -> None:
        device = self.devices[place]
        self.run(device.switch_off(leaves=how == "leaves"))
        if how == "forgets":
            device.file.unlink(missing_ok=True)

    @rule(place=st.integers(0, DEVICES - 1), wish=wishes, filter=st.sampled_from(sorted(FILTERS)), now=st.booleans())
    def wish(self, place: int, wish: Wish, filter: str, now: bool) -> None:
        """Ask for something else; with a refresh, or when the next one is due."""
        device = self.devices[place]
        device.ask_for(wish if device.wish.filter is None else wish.with_filter(filter))
        if now:
            self.run(device.refresh())

    @rule(place=st.integers(0, DEVICES - 1), times=st.integers(1, 2))
    def be_busy(self, place: int, times: int) -> None:
        self.devices[place].be_busy(times)

    @rule(place=st.integers(0, LOOKERS - 1))
    def look(self, place: int) -> None:
        """Begin to watch the watchers, or the documents that owners share; or stop it."""
        looker = self.lookers[place]
        self.run(looker.switch_off() if looker.is_on else looker.switch_on())

    @precondition(lambda self: self.world.is_up)
    @rule(place=st.integers(3, LOOKERS - 1))
    def fetch(self, place: int) -> None:
        """Get the documents that it was told of."""
        looker = self.lookers[place]
        assert isinstance(looker.reader, DiffReader)
        self.run(looker.reader.fetch(self.world, looker.watcher))

    # -- what fate does

    @rule(lost=st.sampled_from([0.0, 0.1, 0.5]), late=st.sampled_from([0.0, 0.3]), doubled=st.sampled_from([0.0, 0.3]))
    def change_weather(self, lost: float, late: float, doubled: float) -> None:
        self.weather.lost, self.weather.late, self.weather.doubled = lost, late, doubled

    @rule(seconds=MOMENTS | st.sampled_from([6.0, 40.0, 1800.0]))
    def pass_time(self, seconds: float) -> None:
        if seconds:  # else nobody gets to do anything before what comes next
            self.run(self.world.pass_time(seconds))

    @precondition(lambda self: self.world.is_up)
    @rule(restart=st.booleans())
    def kill_server(self, restart: bool) -> None:
        self.world.kill_now()
        if restart:
            self.start_server()

    @precondition(lambda self: self.world.is_up)
    @rule()
    def collect_garbage(self) -> None:
        self.run(self.world.server.collector.collect())

    @precondition(lambda self: not self.world.is_up)
    @rule()
    def start_server(self) -> None:
        self.wires.restarted()
        self.run(self.world.start())

    @rule()
    def quiet(self) -> None:
        """Let everything settle in good weather; what has to hold then, has to hold."""
        self.weather.lost = self.weather.late = self.weather.doubled = 0.0
        if not self.world.is_up:
            self.start_server()
        self.settle(SETTLED)
        self.check_those_that_the_server_believes_up_to_date()
        self.check_beats()
        self.settle(REFRESHED)
        self.check_those_that_the_server_believes_up_to_date()
        self.check_everybody()
        self.check_lookers()
        self.check_lists()
        assert leftovers(self.world.server) == []

    def settle(self, seconds: float) -> None:
        """Let time pass, and then a refresh end that happens to be under way; there is always a moment without any."""
        self.run(self.world.pass_time(seconds))
        for _ in range(60):
            if not self.is_busy():
                break
            self.run(self.world.pass_time(1.0))
        self.run(self.world.server.outbox.drained())

    def is_busy(self) -> bool:
        """Whether something is under way, or left over."""
        return (
            any(each.machine.behind for each in self.live())
            or any(each.is_asking for each in self.lookers)
            or leftovers(self.world.server) != []
        )

    def live(self) -> Sequence[Followed]:
        """All subscriptions, of all packages."""
        return [
            followed
            for each in self.world.server.events.servers
            for owner in each.followers.owners()
            for followed in each.followers.of(owner)
        ]

    # -- laws of every packet

    def check_what_is_told(self, notify: Request) -> None:
        """Only by the rules of this very moment, to the watcher who is asked for."""
        device = next((each for each in self.devices if each.host in notify.uri), None)
        if device is None:
            return
        tag = notify.headers.get("SIP-ETag")
        shown = self.truth.decision(device.owner, device.watcher).handling in SHOWN
        assert shown or (tag is None and notify.body == b""), "a body before confirmation"
        if notify.body:
            assert tag is not None
            assert plain(tag) in self.tags(device), "not the view of this moment"

    def tags(self, device: WishingDevice) -> set[str]:
        """Those of what the device may be told, whichever of its filters reached the server."""
        whole = self.truth.view(device.owner, device.watcher)
        return {whole.tag} if device.wish.filter is None else {filtered(whole, each).tag for each in FILTERS}

    # -- laws of every moment

    @invariant()
    def versions_never_go_back(self) -> None:
        Convergence.steps += 1
        for owner, before in self.versions.items():
            record = self.world.journal.owner(owner)
            if record is not None:
                assert record.version >= before
                self.versions[owner] = record.version

    @invariant()
    def no_device_is_ahead_of_its_owner(self) -> None:
        for record in self.world.journal.devices():
            owner = self.world.journal.owner(record.key.owner)
            assert record.version <= (0 if owner is None else owner.version)

    # -- laws of quiet

    def check_those_that_the_server_believes_up_to_date(self) -> None:
        """By what they asked for so far; those whom a trigger or silence may keep from knowing are left out."""
        live = {each.key: each for each in self.live() if each.package is PACKAGE}
        for device in self.devices:
            followed = live.get(device.key)
            if device.watching is None or followed is None:
                continue
            assert not followed.machine.behind
            criteria = filters.filters_of(followed.terms.body).criteria_for(device.owner)
            withheld = followed.terms.quenched or (criteria is not None and criteria.triggers)
            if device.watching.state is State.ACTIVE and not withheld:
                whole = self.truth.view(device.owner, device.watcher)
                self.check_copy(device, whole if criteria is None else filters.filtered(whole, criteria))

    def check_beats(self) -> None:
        """Whoever asked for a min-rate hears so often, whether anything changes or not (RFC 6446 §6.2)."""
        for followed in self.live():
            machine = followed.machine
            if machine.rates.min_rate and machine.told is Substate.ACTIVE and machine._condition is None:
                last = self.wires.last(followed.dialog.call_id, followed.dialog.local_tag)
                assert self.world.clock.now() - last <= 1 / machine.rates.min_rate + 1.0

    def check_everybody(self) -> None:
        for device in self.devices:
            if device.watching is None:
                continue
            match self.truth.decision(device.owner, device.watcher).handling:
                case _ if device.blocked and device.watching.ends_for_good:
                    pass
                case Handling.ALLOW | Handling.POLITE_BLOCK:
                    assert device.watching.state is State.ACTIVE
                    if not device.wish.silent:
                        self.check_copy(device, self.view(device))
                        self.check_record(device)
                case Handling.CONFIRM:
                    assert device.watching.state is State.PENDING
                case Handling.BLOCK:
                    assert device.watching.ends_for_good

    def check_copy(self, device: WishingDevice, view: View) -> None:
        copy = None if device.watching is None else device.watching.copy
        assert copy is not None
        if device.accept == (VCARD,):
            assert copy.content == text_of(view)
        else:
            assert canonical(copy.content) == canonical(view.content)

    def check_record(self, device: WishingDevice) -> None:
        record = self.world.journal.device(device.key)
        assert record is not None
        assert record.tag == self.world.server.lists.held(device.key) == self.view(device).tag

    def view(self, device: WishingDevice) -> View:
        """What the device should have."""
        view = self.truth.view(device.owner, device.watcher)
        return view if device.wish.filter is None else filtered(view, device.wish.filter)

    def check_lookers(self) -> None:
        """Whoever may watch the watchers sees who there is, and nobody else does; documents are what a GET shows."""
        for watcher in WATCHERS:
            self.run(self.check_shared(watcher))
        for looker in self.lookers:
            if looker.is_on:
                match looker.reader:
                    case TableReader() as table:
                        self.check_table(looker, table)
                    case DiffReader() as documents:
                        self.run(documents.fetch(self.world, looker.watcher))
                        self.check_documents(looker, documents)

    def check_table(self, looker: Steady, table: TableReader) -> None:
        expected = self.rows(looker.resource, looker.watcher)
        if expected is None:
            assert looker.state not in ("active", "pending")
        else:
            assert looker.state == "active"
            assert table.rows(looker.resource) == expected

    def check_documents(self, looker: Steady, documents: DiffReader) -> None:
        expected = {
            f"{SHARED_CARDS.auid}/users/{looker.watcher}/{owner}": view
            for owner, view in self.shared(looker.watcher).items()
        }
        assert looker.state == "active"
        assert {name: found.etag for name, found in documents.documents.items()} == {
            name: view.tag for name, view in expected.items()
        }
        for name, found in documents.documents.items():
            assert canonical(found.content or b"") == canonical(expected[name].content)

    async def check_shared(self, watcher: Watcher) -> None:
        """A GET shows the view, under its tag; and nothing of those who share nothing."""
        shared = self.shared(watcher)
        for owner in OWNERS:
            key = DocumentKey(SHARED_CARDS.auid, watcher, name_of(owner))
            if owner in shared:
                found = await self.world.get(watcher, key)
                assert (found.etag, found.content) == (shared[owner].tag, shared[owner].content)
            else:
                with pytest.raises(NotFound):
                    await self.world.get(watcher, key)

    def shared(self, watcher: Watcher) -> dict[Owner, View]:
        """What there is in the watcher's tree: of each owner who was asked and shows something."""
        owners = [each for each in OWNERS if self.world.server.relating.of(each, watcher) is not None]
        shown = [each for each in owners if self.truth.decision(each, watcher).handling in SHOWN]
        return {each: self.truth.view(each, watcher) for each in shown}

    def rows(self, owner: Owner, watcher: Watcher) -> dict[str, str] | None:
        """What `watcher` may see of those who follow `owner`; None: nothing at all."""
        if Aor(watcher) == owner:
            everybody = {each: self.status(owner, each) for each in (*WATCHERS, watcher)}
            return {each: status.value for each, status in everybody.items() if status is not None}
        relation = self.world.server.relating.of(owner, watcher)
        match self.truth.decision(owner, watcher).handling:
            case Handling.BLOCK:
                return None
            case Handling.CONFIRM if relation is None or relation.state is RelationState.ENDED:
                return None
            case _:
                status = self.status(owner, watcher)
                return {} if status is None else {watcher: status.value}

    def status(self, owner: Owner, watcher: Watcher) -> Status | None:
        watched = any(each.lasting for each in self.world.server.followers.by(owner, watcher))
        relation = self.world.server.relating.of(owner, watcher)
        match relation and relation.state:
            case RelationState.PENDING:
                return Status.PENDING
            case RelationState.WAITING:
                return Status.WAITING
            case RelationState.CONFIRMED | RelationState.POLITE_BLOCKED:
                return Status.ACTIVE if watched else None
            case _:
                return Status.ACTIVE if watched and Aor(watcher) == owner else None

    def check_lists(self) -> None:
        """Memory and journal agree, and both with what the rules say."""
        server, journal = self.world.server, self.world.journal
        live = self.live()
        assert {followed.dialog.id for followed in live} == {record.dialog.id for record in journal.subscriptions()}
        assert len({(followed.key, followed.package) for followed in live}) == len(live)
        for owner in OWNERS:
            for watcher in WATCHERS:
                relation = journal.relation(owner, watcher)
                assert relation == server.relating.of(owner, watcher)
                if relation is not None:
                    watched = bool(server.followers.by(owner, watcher))
                    handling = self.truth.decision(owner, watcher).handling
                    assert relation.state in self.states(handling, watched=watched)

    @staticmethod
    def states(handling: Handling, *, watched: bool) -> Sequence[RelationState]:
        match handling:
            case Handling.ALLOW:
                return (RelationState.CONFIRMED,)
            case Handling.POLITE_BLOCK:
                return (RelationState.POLITE_BLOCKED,)
            case Handling.BLOCK:
                return (RelationState.REJECTED,)
            case Handling.CONFIRM:
                return (RelationState.PENDING,) if watched else (RelationState.WAITING, RelationState.ENDED)

    def teardown(self) -> None:
        with self.end:
            self.quiet()


def canonical(content: bytes) -> str:
    return etree.canonicalize(content.decode(), with_comments=True)


def plain(tag: str) -> str:
    """The tag of the view behind an entity-tag."""
    for coding in ("-gzip", "-deflate"):
        tag = tag.removesuffix(coding)
    return tag.removesuffix(TEXT_SUFFIX)


def filtered(view: View, name: str) -> View:
    criteria = sets(FILTER_SETS[name]).criteria_for(ANN)
    return view if criteria is None else filters.filtered(view, criteria)


def test_after_quiet_everybody_has_what_is_theirs() -> None:
    Convergence.steps = 0
    run_stories(
        Convergence,
        settings=settings(
            max_examples=STORIES,
            stateful_step_count=LENGTH,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
    assert Convergence.steps >= ENOUGH, Convergence.steps
