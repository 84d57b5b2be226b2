"""The subscriber's machine: RFC 6665 §4.1 and §4.4, RFC 5839 §5, every state and input, without a clock or a socket."""

from __future__ import annotations

import itertools

import pytest

from abserver.events.card_copy import CardCopy
from abserver.events.contact_card import PATCH, VCARD, XCARD
from abserver.events.follow import CopyChanged, Device, Effect, Follow, SendSubscribe, State, StateChanged
from abserver.events.subscriber import LONGEST_PAUSE, MOST_RECOVERIES, STEADY, TIMER_N, Subscriber
from abserver.sip.message import Headers, Request, Response
from abserver.sip.uas import make_response
from xcap.core import patch
from xcap.core.digest import Algorithm, Challenge, Credentials, ha1, response_value

CARD = b'<vcards xmlns="urn:ietf:params:xml:ns:vcard-4.0"><vcard><fn><text>Ann</text></fn></vcard></vcards>'
RENAMED = CARD.replace(b"Ann", b"Anne")
COPY = CardCopy(CARD, XCARD, "v1")
LOST = f'<p:patch xmlns:p="{patch.NAMESPACE}"><p:remove sel="nowhere"/></p:patch>'.encode()
"""A patch of a node that no card has."""


class Bench:
    """A subscriber with the notifier's side played by the test, at a time that the test sets."""

    def __init__(
        self, *, copy: CardCopy | None = None, accept: tuple[str, ...] = (XCARD, PATCH), **more: object
    ) -> None:
        self.follow = Follow(
            owner="sip:ann@example.com",
            watcher="sip:bob@example.com",
            password="secret",
            accept=accept,
            **more,  # type: ignore[arg-type]  # of mixed types, checked by the tests that use them
        )
        numbers = itertools.count(1)
        self.contact = "sip:bob@192.0.2.7:5071"
        device = Device(instance="urn:uuid:1", contact=self.contact)
        self.subscriber = Subscriber(self.follow, device, copy=copy, new_token=lambda: f"t{next(numbers)}")
        self.now = 1000.0
        self.sent: list[Request] = []
        self.states: list[StateChanged] = []
        self.copies: list[CopyChanged] = []
        self.notifies = itertools.count(1)

    def take(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case SendSubscribe(request):
                    self.sent.append(request)
                case StateChanged():
                    self.states.append(effect)
                case CopyChanged():
                    self.copies.append(effect)

    @property
    def last(self) -> Request:
        return self.sent[-1]

    @property
    def end(self) -> StateChanged:
        assert self.subscriber.state is State.TERMINATED
        return self.states[-1]

    def begin(self) -> None:
        self.take(self.subscriber.begin(self.now))

    def answer(self, status: int, *headers: tuple[str, str], request: Request | None = None) -> None:
        request = request or self.last
        self.take(self.subscriber.answered(request, make_response(request, status, headers=headers), self.now))

    def silence(self) -> None:
        self.take(self.subscriber.answered(self.last, None, self.now))

    def notify(
        self,
        state: str = "active;expires=3600",
        *,
        body: bytes = b"",
        type: str = XCARD,
        etag: str | None = None,
        base: str | None = None,
        change: dict[str, str | None] | None = None,
    ) -> Response:
        """Send the subscriber a NOTIFY in the dialog of its latest SUBSCRIBE; `change` replaces or drops fields."""
        headers = Headers(
            [
                ("From", "<sip:ann@example.com>;tag=notifier"),
                ("To", self.last.headers.get("From") or ""),
                ("Call-ID", self.last.call_id),
                ("CSeq", f"{next(self.notifies)} NOTIFY"),
                ("Contact", "<sip:server@192.0.2.1:5060>"),
                ("Event", "contact-card" + (f";base={base}" if base else "")),
                ("Subscription-State", state),
            ]
        )
        if etag is not None:
            headers.add("SIP-ETag", etag)
        if body:
            headers.add("Content-Type", type)
        for name, value in (change or {}).items():
            if value is None:
                headers.remove(name)
            else:
                headers.set(name, value)
        response, effects = self.subscriber.notified(Request("NOTIFY", self.contact, headers, body), self.now)
        self.take(effects)
        return response

    def pass_time(self, seconds: float) -> None:
        """Let time pass, with every deadline met on the way."""
        until = self.now + seconds
        while (deadline := self.subscriber.next_deadline()) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self.take(self.subscriber.expire(self.now))
        self.now = until


def active(copy: CardCopy | None = COPY, **more: object) -> Bench:
    """A bench whose subscription is active, with that copy, 3600 s from now."""
    bench = Bench(copy=copy, **more)  # type: ignore[arg-type]  # see Bench
    bench.begin()
    bench.answer(200, ("Expires", "3600"))
    bench.notify(etag=copy.etag if copy else None)
    assert bench.subscriber.state is State.ACTIVE
    bench.states.clear()
    return bench


# -- the first SUBSCRIBE -----------------------------------------------------------------------------------------------


def test_the_first_subscribe_says_who_what_and_how_long() -> None:
    """RFC 6665 §3.1, §4.1.2.1; RFC 3261 §8.1.1."""
    bench = Bench(route="sip:192.0.2.1:5060")
    bench.begin()
    fields = dict(bench.last.headers)
    assert (bench.last.method, bench.last.uri) == ("SUBSCRIBE", "sip:ann@example.com")
    assert fields == {
        "Max-Forwards": "70",
        "From": "<sip:bob@example.com>;tag=t2",
        "To": "<sip:ann@example.com>",
        "Call-ID": "t1",
        "CSeq": "1 SUBSCRIBE",
        "Route": "<sip:192.0.2.1:5060;lr>",
        "Contact": '<sip:bob@192.0.2.7:5071>;+sip.instance="<urn:uuid:1>"',
        "Event": "contact-card",
        "Accept": "application/vcard+xml, application/xml-patch+xml",
        "Expires": "3600",
        "Suppress-If-Match": "none",
    }
    assert bench.states == [StateChanged(State.NOTIFY_WAIT)]


def test_a_device_that_comes_back_names_its_copy() -> None:
    """RFC 5839 §5.5."""
    bench = Bench(copy=COPY)
    bench.begin()
    assert bench.last.headers.get("Suppress-If-Match") == "v1"


def test_who_keeps_no_copy_makes_no_condition() -> None:
    bench = Bench(accept=(VCARD,))
    bench.begin()
    assert "Suppress-If-Match" not in bench.last.headers
    assert "Route" not in bench.last.headers


def test_beginning_twice_subscribes_once() -> None:
    bench = Bench()
    bench.begin()
    bench.begin()
    assert len(bench.sent) == 1


# -- NOTIFY makes the dialog -------------------------------------------------------------------------------------------


def test_the_dialog_comes_from_the_notify_which_may_overtake_the_200() -> None:
    """RFC 6665 §4.1.2.4, §4.4.1."""
    bench = Bench()
    bench.begin()
    response = bench.notify(
        body=CARD, etag="v1", change={"Record-Route": "<sip:proxy.example.com;lr>", "From": "<sip:ann@a.b>;tag=n9"}
    )
    assert response.status == 200
    bench.answer(200, ("Expires", "3600"))
    bench.pass_time(3600 * 0.9)
    refresh = bench.last
    assert refresh.uri == "sip:server@192.0.2.1:5060"
    assert refresh.headers.get("Route") == "<sip:proxy.example.com;lr>"
    assert refresh.headers.get("To") == "<sip:ann@example.com>;tag=n9"
    assert refresh.cseq.number == 2


def test_pending_shows_nothing_and_then_the_full_view_comes() -> None:
    bench = Bench()
    bench.begin()
    bench.answer(200, ("Expires", "3600"))
    assert bench.notify("pending;expires=3600").status == 200
    assert bench.states[-1] == StateChanged(State.PENDING)
    assert bench.copies == []
    bench.notify(body=CARD, etag="v1")
    assert bench.states[-1] == StateChanged(State.ACTIVE)
    assert bench.copies == [CopyChanged(COPY, patch=None)]


def test_a_body_in_pending_is_not_taken() -> None:
    bench = Bench()
    bench.begin()
    assert bench.notify("pending;expires=3600", body=CARD, etag="v1").status == 200
    assert bench.subscriber.copy is None


def test_a_notify_of_another_dialog_gets_481() -> None:
    """RFC 6665 §4.1.3, §4.4.1."""
    bench = Bench()
    assert bench_before_begin(bench).status == 481
    bench.begin()
    assert bench.notify(change={"Call-ID": "other"}).status == 481
    assert bench.notify(change={"To": "<sip:bob@example.com>;tag=other"}).status == 481
    assert bench.notify().status == 200
    forked = bench.notify(change={"From": "<sip:ann@example.com>;tag=fork"})
    assert forked.status == 481
    assert bench.notify(change={"Event": "contact-card;id=7"}).status == 481


def bench_before_begin(bench: Bench) -> Response:
    bench.sent.append(Request("SUBSCRIBE", "sip:a", Headers([("From", "<sip:b>;tag=1"), ("Call-ID", "c")])))
    return bench.notify()


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"Event": "presence"}, 489),
        ({"Event": None}, 489),
        ({"Subscription-State": None}, 400),
        ({"Subscription-State": ";;"}, 400),
        ({"Contact": None}, 400),
    ],
)
def test_a_notify_that_cannot_be_taken_changes_nothing(change: dict[str, str | None], status: int) -> None:
    bench = Bench()
    bench.begin()
    assert bench.notify(body=CARD, etag="v1", change=change).status == status
    assert (bench.subscriber.state, bench.copies) == (State.NOTIFY_WAIT, [])


def test_a_notify_out_of_order_gets_500() -> None:
    """RFC 3261 §12.2.2."""
    bench = active()
    assert bench.notify(body=RENAMED, etag="v2", change={"CSeq": "0 NOTIFY"}).status == 500
    assert bench.subscriber.copy == COPY


@pytest.mark.parametrize("change", [{"Content-Type": "application/json"}, {"Content-Type": None}])
def test_a_body_of_a_type_not_asked_for_is_acknowledged_and_asked_for_again(change: dict[str, str | None]) -> None:
    """docs/contact-card-event-package.md §8: 200, whatever the body does."""
    bench = active()
    assert bench.notify(body=b"{}", etag="v2", change=change).status == 200
    assert bench.subscriber.copy == COPY
    assert bench.last.headers.get("Suppress-If-Match") == "v1"


def test_no_notify_within_timer_n_is_a_failure() -> None:
    """RFC 6665 §4.1.2.4."""
    bench = Bench()
    bench.begin()
    bench.answer(200, ("Expires", "3600"))
    assert bench.subscriber.next_deadline() == bench.now + TIMER_N
    bench.pass_time(TIMER_N)
    assert bench.end == StateChanged(State.TERMINATED, "no NOTIFY came", bench.now + 1)
    call_id = bench.last.call_id
    late = bench.last
    bench.pass_time(1)
    assert bench.last.call_id != call_id  # begun anew with a fresh Call-ID and From tag
    assert bench.last.from_.tag != late.from_.tag


# -- bodies ------------------------------------------------------------------------------------------------------------


def test_a_difference_to_our_copy_is_applied() -> None:
    bench = active()
    difference = patch.diff(CARD, RENAMED)
    bench.notify(body=difference, type=PATCH, base="v1", etag="v2")
    assert bench.copies == [CopyChanged(CardCopy(RENAMED, XCARD, "v2"), patch=difference)]


def test_a_difference_that_was_taken_already_is_not_asked_for_again() -> None:
    """A notifier that was killed before our 200 counted sends the same difference once more."""
    bench = active()
    difference = patch.diff(CARD, RENAMED)
    for _ in range(2):
        assert bench.notify(body=difference, type=PATCH, base="v1", etag="v2").status == 200
    assert bench.copies == [CopyChanged(CardCopy(RENAMED, XCARD, "v2"), patch=difference)]
    assert len(bench.sent) == 1


def test_text_replaces_the_copy() -> None:
    bench = active(accept=(VCARD,))
    bench.notify(body=b"BEGIN:VCARD", type=VCARD, etag="v2-text")
    assert bench.subscriber.copy == CardCopy(b"BEGIN:VCARD", VCARD, "v2-text")
    assert bench.notify(body=patch.diff(CARD, RENAMED), type=PATCH, base="v2-text", etag="v3").status == 200
    assert bench.last.headers.get("Suppress-If-Match") == "v2-text"  # text can't be patched: ask again


def test_no_body_with_our_tag_means_that_nothing_changed() -> None:
    """RFC 5839 §5.5."""
    bench = active()
    assert bench.copies == []
    assert len(bench.sent) == 1


def test_the_same_view_again_is_no_change() -> None:
    bench = active()
    bench.notify(body=CARD, etag="v1")
    assert bench.copies == []


@pytest.mark.parametrize(
    ("body", "base", "etag"),
    [
        (patch.diff(CARD, RENAMED), "v0", "v2"),
        (patch.diff(CARD, RENAMED), None, "v2"),
        (LOST, "v1", "v2"),
        (b"<diff", "v1", "v2"),
        (b"", None, "v2"),
    ],
    ids=["another base", "no base", "no such node", "no patch", "another tag"],
)
def test_a_view_that_our_copy_does_not_reach_is_asked_for(body: bytes, base: str | None, etag: str) -> None:
    """Refresh with our own tag: the notifier sends the way from there."""
    bench = active()
    assert bench.notify(body=body, type=PATCH, base=base, etag=etag).status == 200
    assert bench.subscriber.copy == COPY
    assert len(bench.sent) == 2
    assert bench.last.headers.get("Suppress-If-Match") == "v1"
    assert bench.last.to.tag == "notifier"


def test_a_copy_that_is_no_xml_is_asked_for_anew() -> None:
    bench = active(copy=CardCopy(b"damaged", XCARD, "v1"))
    bench.notify(body=patch.diff(CARD, RENAMED), type=PATCH, base="v1", etag="v2")
    assert len(bench.sent) == 2


def test_without_a_copy_a_view_told_by_tag_is_asked_for_in_full() -> None:
    bench = Bench()
    bench.begin()
    bench.notify(etag="v1")
    assert len(bench.sent) == 1  # the first SUBSCRIBE is still unanswered
    bench.answer(200, ("Expires", "3600"))
    assert len(bench.sent) == 2
    assert bench.last.headers.get("Suppress-If-Match") == "none"


def test_asking_again_ends_after_some_tries_and_the_second_asks_for_the_full_view() -> None:
    bench = active()
    for _ in range(MOST_RECOVERIES + 2):
        bench.notify(body=patch.diff(CARD, RENAMED), type=PATCH, base="v0", etag="v2")
        if len(bench.sent) > 1:
            bench.answer(200, ("Expires", "3600"))
    tags = [request.headers.get("Suppress-If-Match") for request in bench.sent[1:]]
    assert tags == ["v1", "none", "none"]
    bench.notify(body=RENAMED, etag="v2")
    bench.notify(body=patch.diff(CARD, RENAMED), type=PATCH, base="v0", etag="v3")
    assert bench.last.headers.get("Suppress-If-Match") == "v2"


def test_a_notifier_without_entity_tags_is_followed_by_full_views() -> None:
    bench = active(copy=None)
    bench.notify(body=CARD)
    assert bench.subscriber.copy == CardCopy(CARD, XCARD, None)
    bench.notify()
    assert bench.subscriber.copy == CardCopy(CARD, XCARD, None)


# -- digest ------------------------------------------------------------------------------------------------------------


def challenge(nonce: str = "n1", *, stale: bool = False, algorithm: Algorithm = Algorithm.SHA256) -> tuple[str, str]:
    return ("WWW-Authenticate", str(Challenge("example.com", nonce, algorithm, stale=stale)))


def credentials_of(request: Request, field: str = "Authorization") -> Credentials:
    text = request.headers.get(field)
    assert text is not None
    return Credentials.parse(text)


def proves_the_password(request: Request, field: str = "Authorization", user: str = "bob") -> bool:
    credentials = credentials_of(request, field)
    secret = ha1(credentials.algorithm, user, "example.com", "secret")
    return credentials.username == user and credentials.response == response_value(credentials, secret, "SUBSCRIBE")


def test_a_challenge_is_answered_by_the_first_algorithm_we_know() -> None:
    """RFC 8760 §2.4; RFC 3261 §8.1.3.5: same Call-ID and From, one CSeq on."""
    bench = Bench()
    bench.begin()
    first = bench.last
    bench.answer(401, challenge(), challenge("n2", algorithm=Algorithm.MD5))
    assert proves_the_password(bench.last)
    assert credentials_of(bench.last).algorithm is Algorithm.SHA256
    assert bench.last.cseq.number == 2
    assert (bench.last.call_id, bench.last.from_) == (first.call_id, first.from_)


def test_later_requests_are_signed_ahead_with_a_growing_count() -> None:
    """RFC 7616 §3.4: nc."""
    bench = Bench(username="bob@example.com")
    bench.begin()
    bench.answer(401, challenge())
    bench.answer(200, ("Expires", "3600"))
    bench.notify(body=CARD, etag="v1")
    bench.pass_time(3600 * 0.9)
    assert [credentials_of(request).count for request in bench.sent[1:]] == ["00000001", "00000002"]
    assert proves_the_password(bench.last, user="bob@example.com")


def test_a_proxy_is_answered_too() -> None:
    """RFC 3261 §22.3."""
    bench = Bench()
    bench.begin()
    bench.answer(407, ("Proxy-Authenticate", challenge()[1]))
    assert proves_the_password(bench.last, "Proxy-Authorization")
    assert "Authorization" not in bench.last.headers


def test_a_stale_nonce_is_replaced_and_a_wrong_password_is_not_repeated() -> None:
    bench = Bench()
    bench.begin()
    bench.answer(401, challenge())
    bench.answer(401, challenge("n2", stale=True))
    assert credentials_of(bench.last).nonce == "n2"
    bench.answer(401, challenge("n3"))
    assert len(bench.sent) == 3
    assert bench.end == StateChanged(State.TERMINATED, "401 Unauthorized", None)
    assert bench.subscriber.next_deadline() is None


def test_endless_staleness_is_given_up() -> None:
    bench = Bench()
    bench.begin()
    for _ in range(3):
        bench.answer(401, challenge(stale=True))
    assert bench.subscriber.state is State.NOTIFY_WAIT
    bench.answer(401, challenge(stale=True))
    assert bench.end.retry_at is None


def test_a_new_nonce_at_a_refresh_is_answered_within_the_dialog() -> None:
    bench = Bench()
    bench.begin()
    bench.answer(401, challenge())
    bench.answer(200, ("Expires", "3600"))
    bench.notify(body=CARD, etag="v1")
    bench.pass_time(3600 * 0.9)
    bench.answer(401, challenge("n2"))  # a server that forgot its nonces and doesn't say stale
    assert (credentials_of(bench.last).nonce, bench.last.to.tag) == ("n2", "notifier")


def test_a_challenge_that_cannot_be_answered_ends_it() -> None:
    bench = Bench()
    bench.begin()
    bench.answer(401, ("WWW-Authenticate", "Basic realm=x"))
    assert bench.end.retry_at is None


# -- refreshing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("granted", "after"), [(3600, 3240.0), (600, 540.0), (120, 85.0), (60, 30.0), (10, 5.0)])
def test_the_refresh_comes_before_the_grant_runs_out(granted: int, after: float) -> None:
    bench = Bench(copy=COPY)
    bench.begin()
    bench.answer(200, ("Expires", str(granted)))
    bench.notify(f"active;expires={granted}", etag="v1")
    assert bench.subscriber.next_deadline() == bench.now + after
    bench.pass_time(after)
    assert bench.last.headers.get("Suppress-If-Match") == "v1"
    assert bench.last.headers.get("Expires") == "3600"


def test_204_means_that_nothing_changed_and_no_notify_comes() -> None:
    """RFC 5839 §5.6, RFC 6665 §4.1.2.2."""
    bench = active()
    bench.pass_time(3240)
    bench.answer(204, ("Expires", "3600"))
    assert bench.subscriber.next_deadline() == bench.now + 3240
    bench.pass_time(TIMER_N + 1)
    assert bench.subscriber.state is State.ACTIVE


def test_a_refresh_without_notify_ends_the_subscription() -> None:
    """RFC 6665 §4.1.2.2: Timer N."""
    bench = active()
    bench.pass_time(3240)
    bench.answer(200, ("Expires", "3600"))
    bench.pass_time(TIMER_N)
    assert bench.end.reason == "no NOTIFY came"


def test_a_notify_that_follows_a_refresh_keeps_it() -> None:
    bench = active()
    bench.pass_time(3240)
    bench.answer(200, ("Expires", "3600"))
    bench.notify(etag="v1")
    bench.pass_time(TIMER_N)
    assert bench.subscriber.state is State.ACTIVE


def test_the_notifiers_expires_parameter_is_the_authority() -> None:
    """RFC 6665 §4.1.3."""
    bench = active()
    bench.notify("active;expires=100", etag="v1")
    assert bench.subscriber.next_deadline() == bench.now + 65
    bench.notify("active", etag="v1")
    assert bench.subscriber.next_deadline() == bench.now + 65


def test_without_any_expires_the_wish_counts() -> None:
    bench = Bench(copy=COPY)
    bench.begin()
    bench.notify("active", etag="v1")
    bench.answer(200)
    assert bench.subscriber.next_deadline() == bench.now + 3240


def test_the_2xx_cannot_lengthen_the_wish() -> None:
    """RFC 6665 §4.1.2.1."""
    bench = active()
    bench.pass_time(3240)
    bench.answer(204, ("Expires", "999999"))
    assert bench.subscriber.next_deadline() == bench.now + 3240


def test_the_2xx_moves_the_target() -> None:
    """RFC 3261 §12.2.1.2."""
    bench = active()
    bench.pass_time(3240)
    bench.answer(204, ("Expires", "3600"), ("Contact", "<sip:moved@192.0.2.9>"))
    bench.pass_time(3240)
    assert bench.last.uri == "sip:moved@192.0.2.9"


def test_a_contact_that_cannot_be_read_moves_nothing() -> None:
    bench = active()
    bench.pass_time(3240)
    bench.answer(204, ("Expires", "3600"), ("Contact", "<sip:"))
    bench.pass_time(3240)
    assert bench.last.uri == "sip:server@192.0.2.1:5060"


def test_204_outside_a_dialog_promises_nothing() -> None:
    """RFC 5839 §7.1: it is not valid there, so the NOTIFY is waited for."""
    bench = Bench(copy=COPY)
    bench.begin()
    bench.answer(204, ("Expires", "3600"))
    assert bench.subscriber.next_deadline() == bench.now + TIMER_N


def test_423_raises_the_wish() -> None:
    """RFC 3261 §21.4.17."""
    bench = Bench(expires=30)
    bench.begin()
    bench.answer(423, ("Min-Expires", "60"))
    assert (bench.last.headers.get("Expires"), bench.last.cseq.number) == ("60", 2)
    bench.answer(423, ("Min-Expires", "60"))
    assert bench.end == StateChanged(State.TERMINATED, "423 Interval Too Brief", None)


@pytest.mark.parametrize("status", [404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604])
def test_some_answers_to_a_refresh_end_the_subscription(status: int) -> None:
    """RFC 6665 §4.1.2.2."""
    bench = active()
    bench.pass_time(3240)
    bench.answer(status)
    assert bench.end.reason is not None
    assert bench.end.reason.startswith(str(status))
    assert (bench.end.retry_at is not None) == (status in (480, 481, 482))


def test_481_to_a_refresh_begins_anew_at_once() -> None:
    bench = active()
    call_id = bench.last.call_id
    bench.pass_time(3240)
    bench.answer(481)
    assert bench.end.retry_at == bench.now
    bench.pass_time(0)
    assert bench.last.call_id != call_id
    assert bench.last.to.tag is None
    assert bench.last.headers.get("Suppress-If-Match") == "v1"


def test_other_errors_leave_the_subscription_until_it_expires() -> None:
    """RFC 6665 §4.1.2.2."""
    bench = active()
    bench.pass_time(3240)
    bench.answer(503, ("Retry-After", "90 (maintenance);duration=60"))
    assert bench.subscriber.state is State.ACTIVE
    assert bench.subscriber.next_deadline() == bench.now + 90
    bench.pass_time(90)
    bench.answer(500)
    assert bench.subscriber.next_deadline() == bench.now + 2
    bench.pass_time(2)
    bench.answer(503, ("Retry-After", "9999"))
    bench.pass_time(3600)
    assert next(state.reason for state in bench.states if state.state is State.TERMINATED) == "expired"


def test_silence_at_a_refresh_is_retried_until_timer_n() -> None:
    bench = active()
    bench.pass_time(3240)
    begun = bench.now
    while bench.subscriber.state is State.ACTIVE:
        bench.silence()
        bench.pass_time((bench.subscriber.next_deadline() or 0) - bench.now)
    assert bench.now == begun + TIMER_N
    assert len(bench.sent) == 7  # the first, the refresh, and again after 1, 2, 4, 8, 16 s


def test_an_answer_that_comes_too_late_is_ignored() -> None:
    bench = Bench()
    bench.begin()
    old = bench.last
    bench.pass_time(TIMER_N + 1)
    assert bench.subscriber.state is State.NOTIFY_WAIT
    bench.answer(403, request=old)
    assert bench.subscriber.state is State.NOTIFY_WAIT


# -- first answers that refuse -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [302, 403, 404, 406, 489, 603])
def test_a_refusal_is_final(status: int) -> None:
    bench = Bench()
    bench.begin()
    bench.answer(status, ("Retry-After", "5"))
    assert bench.end.retry_at is None
    assert bench.subscriber.next_deadline() is None


@pytest.mark.parametrize("status", [408, 480, 481, 500, 503, 504])
def test_a_temporary_refusal_is_tried_again(status: int) -> None:
    bench = Bench()
    bench.begin()
    bench.answer(status, ("Retry-After", "5"))
    assert bench.end.retry_at == bench.now + 5


def test_no_answer_is_tried_again_ever_later() -> None:
    bench = Bench()
    bench.begin()
    pauses = []
    for _ in range(12):
        bench.silence()
        assert bench.end.retry_at is not None
        pauses.append(bench.end.retry_at - bench.now)
        bench.pass_time(pauses[-1])
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]


def test_a_subscription_that_lasted_makes_up_for_failures() -> None:
    bench = Bench(copy=COPY)
    bench.begin()
    for _ in range(5):
        bench.silence()
        bench.pass_time(600)
    assert bench.subscriber.state is State.TERMINATED
    bench.begin()
    bench.answer(200, ("Expires", "3600"))
    bench.notify(etag="v1")
    bench.pass_time(STEADY)
    bench.notify("active;expires=3600", etag="v1")
    bench.notify("terminated;reason=probation")
    assert bench.end.retry_at == bench.now + 1


# -- the notifier ends it ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "pause"),
    [
        ("deactivated", 0.0),
        ("timeout", 0.0),
        ("probation;retry-after=30", 30.0),
        ("giveup;retry-after=40", 40.0),
        ("giveup", 1.0),
        ("unheard-of", 1.0),
        ("unheard-of;retry-after=50", 50.0),
        ("rejected", None),
        ("rejected;retry-after=5", None),
        ("noresource", None),
        ("invariant;retry-after=5", None),
    ],
)
def test_what_follows_the_end_is_what_its_reason_asks_for(told: str, pause: float | None) -> None:
    """RFC 6665 §4.1.3."""
    bench = active()
    assert bench.notify(f"terminated;reason={told}").status == 200
    assert bench.end == StateChanged(
        State.TERMINATED, told.partition(";")[0], None if pause is None else bench.now + pause
    )


def test_an_end_without_reason_is_tried_again_later() -> None:
    bench = active()
    bench.notify("terminated")
    assert bench.end == StateChanged(State.TERMINATED, None, bench.now + 1)


def test_the_last_notify_may_hold_a_last_view() -> None:
    """RFC 6665 §4.1.2.3, §4.4.3."""
    bench = active()
    bench.notify("terminated;reason=noresource", body=RENAMED, etag="v2")
    assert bench.subscriber.copy == CardCopy(RENAMED, XCARD, "v2")


def test_a_last_view_out_of_reach_is_let_go() -> None:
    bench = active()
    bench.notify("terminated;reason=rejected", body=patch.diff(CARD, RENAMED), type=PATCH, base="v0", etag="v2")
    assert (bench.subscriber.copy, len(bench.sent)) == (COPY, 1)


def test_a_notifier_that_keeps_ending_is_asked_less_and_less() -> None:
    bench = active()
    pauses = []
    for _ in range(4):
        bench.notify("terminated;reason=deactivated")
        assert bench.end.retry_at is not None
        pauses.append(bench.end.retry_at - bench.now)
        bench.pass_time(pauses[-1])
        bench.answer(200, ("Expires", "3600"))
        bench.notify(etag="v1", change={"CSeq": "1 NOTIFY"})
    assert pauses == [0, 2, 4, 8]


def test_a_notify_after_the_end_gets_481() -> None:
    bench = active()
    bench.notify("terminated;reason=rejected")
    assert bench.notify().status == 481


def test_the_end_of_the_grant_begins_anew() -> None:
    bench = active()
    bench.pass_time(3240)
    bench.answer(503, ("Retry-After", "9999"))
    bench.states.clear()
    bench.pass_time(360)
    assert [(state.state, state.reason) for state in bench.states] == [
        (State.TERMINATED, "expired"),
        (State.NOTIFY_WAIT, None),
    ]


# -- leaving -----------------------------------------------------------------------------------------------------------


def test_leaving_says_so_and_the_final_notify_ends_it() -> None:
    """RFC 6665 §4.1.2.3."""
    bench = active()
    bench.take(bench.subscriber.leave(bench.now))
    assert bench.last.headers.get("Expires") == "0"
    bench.answer(200, ("Expires", "0"))
    assert bench.subscriber.state is State.ACTIVE
    assert bench.notify("terminated;reason=timeout").status == 200
    assert bench.end == StateChanged(State.TERMINATED, "left", None)
    assert bench.subscriber.next_deadline() is None


def test_leaving_is_over_with_a_204() -> None:
    """RFC 5839 §5.7."""
    bench = active()
    bench.take(bench.subscriber.leave(bench.now))
    assert bench.last.headers.get("Suppress-If-Match") == "v1"
    bench.answer(204, ("Expires", "0"))
    assert bench.end == StateChanged(State.TERMINATED, "left", None)


def test_other_notifies_do_not_end_the_leaving_and_timer_n_does() -> None:
    bench = active()
    bench.take(bench.subscriber.leave(bench.now))
    bench.answer(200, ("Expires", "0"))
    bench.notify("active;expires=3600", body=patch.diff(CARD, RENAMED), type=PATCH, base="v0", etag="v2")
    assert len(bench.sent) == 2  # nothing is recovered on the way out
    bench.pass_time(TIMER_N)
    assert bench.end == StateChanged(State.TERMINATED, "left", None)


@pytest.mark.parametrize("status", [None, 403, 481, 503])
def test_leaving_succeeds_whatever_is_answered(status: int | None) -> None:
    bench = active()
    bench.take(bench.subscriber.leave(bench.now))
    if status is None:
        bench.silence()
    else:
        bench.answer(status)
    assert bench.end == StateChanged(State.TERMINATED, "left", None)


def test_leaving_waits_for_the_refresh_under_way() -> None:
    bench = active()
    bench.pass_time(3240)
    bench.take(bench.subscriber.leave(bench.now))
    assert len(bench.sent) == 2
    bench.answer(204, ("Expires", "3600"), request=bench.sent[1])
    assert bench.end == StateChanged(State.TERMINATED, "left", None)


def test_leaving_before_any_notify_ends_at_once() -> None:
    bench = Bench()
    bench.begin()
    bench.take(bench.subscriber.leave(bench.now))
    assert bench.end == StateChanged(State.TERMINATED, "left", None)
    assert bench.notify().status == 481


def test_leaving_after_the_end_stays_away() -> None:
    bench = Bench()
    bench.begin()
    bench.silence()
    bench.take(bench.subscriber.leave(bench.now))
    assert bench.subscriber.next_deadline() is None
    bench.begin()
    assert len(bench.sent) == 2  # and may come back
