"""Whatever is lost, delayed, duplicated, restarted or edited: after quiet, everybody has what is theirs, and no more.

A state machine plays owners who edit and decide, devices that come, go and forget, a network that misbehaves and a
server that is killed. All of it is real except sockets, disk and time. The laws (design: convergence, no body before
confirmation, monotonic numbers, one NOTIFY in flight) are checked at every packet and after every quiet.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from lxml import etree

from abserver.domain.identity import Aor, Owner, Watcher
from abserver.domain.relation import RelationState
from abserver.domain.rules import EVERYTHING, Decision, Handling, decide, parse_rules
from abserver.domain.view import View, text_of, view_of
from abserver.events.contact_card import PATCH, TEXT_SUFFIX, VCARD, XCARD
from abserver.events.follow import State
from abserver.ports import DeviceKey
from abserver.sip.codec import parse
from abserver.sip.message import Request, Response
from abserver.sip.timers import TRANSACTION_TIMEOUT
from tests.support.documents import ANN, BOB, CAROL, DAN, allow, block, card, confirm, polite_block, rules
from tests.support.network import HOP, Packet
from tests.support.server import ADDRESS
from tests.support.world import virtual_world

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from abserver.services.followers import Followed
    from abserver.services.watching import Watching

OWNERS, WATCHERS = (ANN, DAN), (BOB, CAROL)
DECISIONS = {
    "nothing": lambda watcher: b"",
    "allow": allow,
    "friend": lambda watcher: allow(watcher, "friends"),
    "confirm": confirm,
    "polite": polite_block,
    "block": block,
}
NUMBERS = st.sampled_from([None, "1", "2"])
"""Few, so that a view often returns to what it was."""
MOMENTS = st.sampled_from([0.0, HOP / 2, HOP * 1.5, HOP * 2.5, 0.1, 1.0])
"""Seconds that end before, during and after an exchange of two packets."""
SETTLED = 400.0
"""Seconds after which nothing moves any more but by its own clock: longer than every pause of a device or a retry."""
REFRESHED = 4000.0
"""Seconds in which every device has refreshed its subscription, and has learnt so if there is none any more."""
LONGEST = 5.0
"""Seconds that a packet lingers in the network at most (T4 of RFC 3261)."""


@dataclass(eq=False)
class Device:
    """One device of the story, on or off, with the file that it keeps its copy in."""

    watcher: Watcher
    owner: Owner
    host: str
    accept: tuple[str, ...]
    file: Path
    watching: Watching | None = None
    blocked: bool = False
    """Whether it may have heard that it is rejected: then it is not to ask again."""

    @property
    def key(self) -> DeviceKey:
        return DeviceKey(self.owner, self.watcher, f"urn:uuid:{self.host}")


@dataclass
class Wire:
    """What was seen of one dialog at the server's end."""

    cseq: int = 0
    branch: str = ""
    answered: bool = True
    sent_at: float = 0.0


@dataclass
class Weather:
    """How likely a packet is lost, late, or doubled."""

    lost: float = 0.0
    late: float = 0.0
    doubled: float = 0.0
    dice: random.Random = field(default_factory=random.Random)

    def fate(self, packet: Packet) -> Sequence[float]:
        if self.dice.random() < self.lost:
            return ()
        delay = HOP + self.dice.random() * LONGEST if self.dice.random() < self.late else HOP
        return (delay, self.dice.random() * LONGEST) if self.dice.random() < self.doubled else (delay,)


class Convergence(RuleBasedStateMachine):
    """The story; see the head of the file."""

    def __init__(self) -> None:
        super().__init__()
        self.end = contextlib.ExitStack()
        self.world, self.loop = self.end.enter_context(virtual_world())
        folder = Path(self.end.enter_context(tempfile.TemporaryDirectory()))
        self.devices = [
            Device(BOB, ANN, "10.1.0.1", (XCARD, PATCH), folder / "1"),
            Device(BOB, ANN, "10.1.0.2", (XCARD,), folder / "2"),
            Device(CAROL, ANN, "10.1.0.3", (XCARD, PATCH), folder / "3"),
            Device(CAROL, DAN, "10.1.0.4", (VCARD,), folder / "4"),
            Device(Watcher(ANN), ANN, "10.1.0.5", (XCARD, PATCH), folder / "5"),
        ]
        self.cards: dict[Owner, bytes | None] = dict.fromkeys(OWNERS)
        self.decisions: dict[tuple[Owner, Watcher], str] = {}
        self.weather = Weather()
        self.wires: dict[tuple[str, str], Wire] = {}
        self.versions: dict[Owner, int] = dict.fromkeys(OWNERS, 0)
        self.world.network.sent = self.leaves
        self.world.network.arrived = self.arrives
        self.world.network.fate = lambda packet: self.weather.fate(packet)

    def run(self, work: Coroutine[object, object, object]) -> None:
        self.loop.run_until_complete(work)

    @initialize(
        seed=st.integers(0, 2**32),
        journal=st.sampled_from([0.0, 0.002, 0.3]),
        read=st.sampled_from([0.0, 0.05]),
        on=st.sets(st.integers(0, 4), min_size=2),
        decisions=st.lists(st.sampled_from([*sorted(DECISIONS), "allow", "friend"]), min_size=4, max_size=4),
    )
    def begin(self, seed: int, journal: float, read: float, on: set[int], decisions: list[str]) -> None:
        self.weather.dice.seed(seed)
        self.world.journal.latency, self.world.documents.latency = journal, read
        for user in (*OWNERS, *WATCHERS):
            self.run(self.world.add_user(user))
        self.run(self.world.start())
        pairs = [(owner, watcher) for owner in OWNERS for watcher in WATCHERS]
        for (owner, watcher), decision in zip(pairs, decisions, strict=True):
            self.decide(owner, watcher, decision)
        for place in on:
            self.switch_on(place)

    # -- what people do

    @rule(owner=st.sampled_from(OWNERS), public=NUMBERS, friends=NUMBERS, private=NUMBERS, then=MOMENTS)
    def edit_card(
        self, owner: Owner, public: str | None, friends: str | None, private: str | None, then: float
    ) -> None:
        self.put_card(owner, card(public or "0", friends=friends, private=private), then)

    @rule(owner=st.sampled_from(OWNERS), then=MOMENTS)
    def edit_there_and_back(self, owner: Owner, then: float) -> None:
        before = self.cards[owner]
        self.put_card(owner, card("there"), then)
        self.put_card(owner, before, 0.0)

    def put_card(self, owner: Owner, content: bytes | None, then: float) -> None:
        self.cards[owner] = content
        self.world.put_card(owner, content)
        self.pass_time(then)

    @rule(owner=st.sampled_from(OWNERS), watcher=st.sampled_from(WATCHERS), decision=st.sampled_from(sorted(DECISIONS)))
    def decide(self, owner: Owner, watcher: Watcher, decision: str) -> None:
        self.decisions[owner, watcher] = decision
        if decision == "block":
            for device in self.devices:
                device.blocked |= (device.owner, device.watcher) == (owner, watcher)
        made = [DECISIONS[kind](who) for (whose, who), kind in self.decisions.items() if whose == owner]
        self.world.put_rules(owner, rules(*made))

    @rule(place=st.integers(0, 4))
    def switch_on(self, place: int) -> None:
        device = self.devices[place]
        if device.watching is None:
            device.blocked = self.decision(device.owner, device.watcher).handling is Handling.BLOCK
            device.watching = self.world.device(
                device.watcher, device.owner, host=device.host, accept=device.accept, keep_in=device.file
            )
            self.run(device.watching.start())

    @rule(place=st.integers(0, 4), how=st.sampled_from(["leaves", "loses power", "forgets"]))
    def switch_off(self, place: int, how: str) -> None:
        device = self.devices[place]
        if device.watching is not None:
            self.run(device.watching.leave() if how == "leaves" else device.watching.stop())
            device.watching = None
        if how == "forgets":
            device.file.unlink(missing_ok=True)

    # -- what fate does

    @rule(lost=st.sampled_from([0.0, 0.1, 0.5]), late=st.sampled_from([0.0, 0.3]), doubled=st.sampled_from([0.0, 0.3]))
    def change_weather(self, lost: float, late: float, doubled: float) -> None:
        self.weather.lost, self.weather.late, self.weather.doubled = lost, late, doubled

    @rule(seconds=MOMENTS | st.sampled_from([40.0, 1800.0]))
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
        for wire in self.wires.values():
            wire.answered = True  # the new process knows of no NOTIFY in flight
        self.run(self.world.start())

    @rule()
    def quiet(self) -> None:
        """Let everything settle in good weather; what has to hold then, has to hold."""
        self.weather.lost = self.weather.late = self.weather.doubled = 0.0
        if not self.world.is_up:
            self.start_server()
        self.settle(SETTLED)
        self.check_those_that_the_server_believes_up_to_date()
        self.settle(REFRESHED)
        self.check_those_that_the_server_believes_up_to_date()
        self.check_everybody()
        self.check_lists()

    def settle(self, seconds: float) -> None:
        """Let time pass, and then a refresh end that happens to be under way; there is always a moment without any."""
        self.run(self.world.pass_time(seconds))
        for _ in range(10):
            if not any(each.machine.behind for each in self.live()):
                break
            self.run(self.world.pass_time(1.0))
        self.run(self.world.server.outbox.drained())

    def live(self) -> Sequence[Followed]:
        followers = self.world.server.followers
        return [followed for owner in followers.owners() for followed in followers.of(owner)]

    # -- laws of every packet

    def leaves(self, packet: Packet) -> None:
        message = parse(packet.data)
        if packet.source != ADDRESS or not isinstance(message, Request):
            return
        wire = self.wires.setdefault((message.call_id, message.from_.tag or ""), Wire())
        branch = message.via.branch or ""
        if branch == wire.branch:
            return  # a retransmission
        assert message.cseq.number > wire.cseq, "CSeq went back"
        assert wire.answered or packet.at >= wire.sent_at + TRANSACTION_TIMEOUT, "two NOTIFYs in flight"
        wire.cseq, wire.branch, wire.answered, wire.sent_at = message.cseq.number, branch, False, packet.at
        self.check_what_is_told(message)

    def arrives(self, packet: Packet) -> None:
        if packet.destination != ADDRESS:
            return
        message = parse(packet.data)
        if isinstance(message, Response) and message.status >= 200:
            wire = self.wires[message.call_id, message.from_.tag or ""]
            if wire.branch == message.via.branch:
                wire.answered = True

    def check_what_is_told(self, notify: Request) -> None:
        """Only by the rules of this very moment, to the watcher who is asked for."""
        device = next(each for each in self.devices if each.host in notify.uri)
        decision, tag = self.decision(device.owner, device.watcher), notify.headers.get("SIP-ETag")
        shown = decision.handling in (Handling.ALLOW, Handling.POLITE_BLOCK)
        assert shown or (tag is None and notify.body == b""), "a body before confirmation"
        if tag is not None:
            assert tag.removesuffix(TEXT_SUFFIX) == self.view(device).tag, "not the view of this moment"

    # -- laws of every moment

    @invariant()
    def versions_never_go_back(self) -> None:
        for owner, before in self.versions.items():
            record = self.world.journal.owner(owner)
            if record is not None:
                assert record.version >= before
                self.versions[owner] = record.version

    @invariant()
    def no_device_is_ahead_of_its_owner(self) -> None:
        for record in self.world.journal.devices():
            owner = self.world.journal.owner(record.key.owner)
            assert owner is not None
            assert record.version <= owner.version

    # -- laws of quiet

    def check_those_that_the_server_believes_up_to_date(self) -> None:
        for device in self.devices:
            followed = next((each for each in self.live() if each.key == device.key), None)
            if device.watching is None or followed is None:
                continue
            assert not followed.machine.behind
            if device.watching.state is State.ACTIVE:
                self.check_copy(device, self.view(device))

    def check_everybody(self) -> None:
        for device in self.devices:
            if device.watching is None:
                continue
            match self.decision(device.owner, device.watcher).handling:
                case _ if device.blocked and device.watching.ends_for_good:
                    pass
                case Handling.ALLOW | Handling.POLITE_BLOCK:
                    assert device.watching.state is State.ACTIVE
                    self.check_copy(device, self.view(device))
                    record = self.world.journal.device(device.key)
                    assert record is not None
                    assert record.tag == self.world.server.lists.held(device.key) == self.view(device).tag
                case Handling.CONFIRM:
                    assert device.watching.state is State.PENDING
                case Handling.BLOCK:
                    assert device.watching.ends_for_good

    def check_copy(self, device: Device, view: View) -> None:
        copy = None if device.watching is None else device.watching.copy
        assert copy is not None
        if device.accept == (VCARD,):
            assert copy.content == text_of(view)
        else:
            assert canonical(copy.content) == canonical(view.content)

    def check_lists(self) -> None:
        """Memory and journal agree, and both with what the rules say."""
        server, journal = self.world.server, self.world.journal
        live = self.live()
        assert {followed.dialog.id for followed in live} == {record.dialog.id for record in journal.subscriptions()}
        assert len({followed.key for followed in live}) == len(live)
        for owner in OWNERS:
            for watcher in WATCHERS:
                relation = journal.relation(owner, watcher)
                assert relation == server.relating.of(owner, watcher)
                if relation is not None:
                    watched = bool(server.followers.by(owner, watcher))
                    assert relation.state in self.states(self.decision(owner, watcher).handling, watched=watched)

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

    # -- what should be

    def decision(self, owner: Owner, watcher: Watcher) -> Decision:
        if Aor(watcher) == Aor(owner):
            return Decision(Handling.ALLOW, EVERYTHING, None)
        made = [DECISIONS[kind](who) for (whose, who), kind in self.decisions.items() if whose == owner]
        return decide(parse_rules(rules(*made)), watcher, self.world.clock.utc())

    def view(self, device: Device) -> View:
        return view_of(self.cards[device.owner], self.decision(device.owner, device.watcher).grant, device.owner)

    def teardown(self) -> None:
        with self.end:
            if self.world.is_up or self.wires:
                self.quiet()


def canonical(content: bytes) -> str:
    return etree.canonicalize(content.decode(), with_comments=True)


TestConvergence = Convergence.TestCase
TestConvergence.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
