"""Whatever a notifier and a network do, the subscriber neither fails nor falls asleep, and never makes a copy up."""

from __future__ import annotations

import itertools

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from abserver.events.contact_card import PATCH, XCARD
from abserver.events.follow import CopyChanged, Device, Effect, Follow, SendSubscribe, State
from abserver.events.subscriber import Subscriber
from abserver.sip.message import Headers, Request
from abserver.sip.uas import make_response
from xcap.core import patch

FOLLOW = Follow(owner="sip:ann@example.com", watcher="sip:bob@example.com", password="secret")
VIEWS = [
    f'<vcards xmlns="urn:ietf:params:xml:ns:vcard-4.0"><vcard><note><text>{n}</text></note></vcard></vcards>'.encode()
    for n in range(4)
]
DIFFERENCES = {
    (a, b): patch.diff(VIEWS[a], VIEWS[b]) for a, b in itertools.product(range(len(VIEWS)), repeat=2) if a != b
}
STATUSES = [200, 202, 204, 302, 400, 401, 403, 404, 407, 408, 423, 480, 481, 489, 500, 503, 600, 603]
SUBSCRIPTION_STATES = [
    "active;expires=3600",
    "active",
    "pending;expires=600",
    "extension;expires=60",
    "terminated",
    "terminated;reason=deactivated",
    "terminated;reason=rejected",
    "terminated;reason=probation;retry-after=7",
    "active;expires=0",
    ";;",
]
CHALLENGE = 'Digest realm="example.com", nonce="n", qop="auth", algorithm=MD5'

views = st.integers(0, len(VIEWS) - 1)


class AnyNotifier(RuleBasedStateMachine):
    """Plays every order of answers, NOTIFYs and time against one subscriber."""

    @initialize()
    def prepare(self) -> None:
        numbers = itertools.count()
        self.subscriber = Subscriber(
            FOLLOW, Device("urn:uuid:1", "sip:bob@192.0.2.7"), new_token=lambda: f"t{next(numbers)}"
        )
        self.now = 0.0
        self.unanswered: Request | None = None
        self.latest: Request | None = None
        self.cseq = itertools.count(1)
        self.left = False
        self.take(self.subscriber.begin(self.now))

    def take(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, SendSubscribe):
                assert self.subscriber.state is not State.TERMINATED or self.unanswered is None
                self.unanswered = self.latest = effect.request
            elif isinstance(effect, CopyChanged):
                assert effect.copy.etag is not None
                assert effect.copy.content == VIEWS[int(effect.copy.etag)]

    @precondition(lambda self: self.unanswered is not None)
    @rule(status=st.none() | st.sampled_from(STATUSES), seconds=st.sampled_from(["", "0", "5", "60", "99999", "x"]))
    def answer(self, status: int | None, seconds: str) -> None:
        request, self.unanswered = self.unanswered, None
        assert request is not None
        fields = ["Expires", "Min-Expires", "Retry-After"]
        headers = [(name, seconds) for name in fields if seconds] + [("WWW-Authenticate", CHALLENGE)]
        response = None if status is None else make_response(request, status, headers=headers, to_tag="notifier")
        self.take(self.subscriber.answered(request, response, self.now))

    @precondition(lambda self: self.latest is not None)
    @rule(
        state=st.sampled_from(SUBSCRIPTION_STATES),
        view=views,
        base=views,
        body=st.sampled_from(["full", "patch", "none", "junk"]),
        tag=st.sampled_from(["notifier", "notifier", "notifier", "fork"]),
    )
    def notify(self, state: str, view: int, base: int, body: str, tag: str) -> None:
        assert self.latest is not None
        headers = Headers(
            [
                ("From", f"<sip:ann@example.com>;tag={tag}"),
                ("To", self.latest.headers.get("From") or ""),
                ("Call-ID", self.latest.call_id),
                ("CSeq", f"{next(self.cseq)} NOTIFY"),
                ("Contact", "<sip:server@192.0.2.1>"),
                ("Subscription-State", state),
                ("SIP-ETag", str(view)),
            ]
        )
        content, type, event = b"", XCARD, "contact-card"
        if body == "full":
            content = VIEWS[view]
        elif body == "patch" and base != view:
            content, type, event = DIFFERENCES[base, view], PATCH, f"contact-card;base={base}"
        elif body == "junk":
            content, type = b"<p", PATCH
        headers.add("Event", event)
        if content:
            headers.add("Content-Type", type)
        response, effects = self.subscriber.notified(Request("NOTIFY", "sip:bob@192.0.2.7", headers, content), self.now)
        assert response.status in (200, 400, 481, 500)
        self.take(effects)

    @rule(seconds=st.sampled_from([0.5, 5.0, 40.0, 300.0, 3600.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.take(self.subscriber.expire(self.now))

    @rule()
    def leave(self) -> None:
        self.left = True
        self.take(self.subscriber.leave(self.now))

    @rule()
    def begin(self) -> None:
        effects = self.subscriber.begin(self.now)
        self.left = self.left and not effects
        self.take(effects)

    @invariant()
    def it_waits_for_something_unless_it_is_over(self) -> None:
        if self.subscriber.state is not State.TERMINATED:
            assert self.subscriber.next_deadline() is not None

    @invariant()
    def who_left_stays_away(self) -> None:
        if self.left and self.subscriber.state is State.TERMINATED:
            assert self.subscriber.next_deadline() is None


AnyNotifier.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyNotifier = AnyNotifier.TestCase
