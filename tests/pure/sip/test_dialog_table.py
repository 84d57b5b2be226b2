"""RFC 3261 §12: every state of a dialog against every event, and nothing changes but what the tables say.

A dialog has no states by name; what it does depends on whether either end has sent a request, on the route set and on
the remote target.
"""

from __future__ import annotations

import enum
import itertools
from dataclasses import asdict
from typing import Any

import pytest

from abserver.sip.dialog import Dialog
from abserver.sip.message import Headers, Request, Response

AGAIN, PHONE, SECURE_PHONE = "sip:bob@198.51.100.7", "sip:bob@192.0.2.4", "sips:bob@192.0.2.4"


class Ours(enum.Enum):
    """Our last number."""

    NONE = None
    SEVEN = 7


class Theirs(enum.Enum):
    """The highest number of the peer."""

    NONE = None
    TWENTY = 20


class Routes(enum.Enum):
    """The route set."""

    EMPTY = ()
    LOOSE = ("sip:p1;lr", "sip:p2")
    STRICT = ("sip:p1", "sip:p2;lr")
    SECURE = ("sips:p1;lr", "sip:p2;lr")
    SECURE_STRICT = ("sips:p1", "sip:p2;lr")
    FOREIGN = ("proxy:p1", "sip:p2;lr")


class Target(enum.Enum):
    """The remote target."""

    SIP = PHONE
    SIPS = SECURE_PHONE


class Event(enum.Enum):
    """All that can happen to a dialog."""

    OUR_REQUEST = "the next request of ours"
    LOWER = "a request of the peer with number 19"
    SAME = "a request of the peer with number 20"
    HIGHER = "a request of the peer with number 25: gaps are allowed"
    ACCEPTED = "a target refresh request was accepted, or is answered with 2xx"
    NO_CONTACT = "the same without Contact"


ACCEPTED, REFUSED = True, False

# §12.2.2: what is returned, and the peer's number afterwards; events that are not named leave it as it is.
NUMBERS = {
    (Theirs.NONE, Event.LOWER): (ACCEPTED, 19),
    (Theirs.NONE, Event.SAME): (ACCEPTED, 20),
    (Theirs.NONE, Event.HIGHER): (ACCEPTED, 25),
    (Theirs.TWENTY, Event.LOWER): (REFUSED, 20),
    (Theirs.TWENTY, Event.SAME): (ACCEPTED, 20),
    (Theirs.TWENTY, Event.HIGHER): (ACCEPTED, 25),
}
RECEIVED = {Event.LOWER: 19, Event.SAME: 20, Event.HIGHER: 25}

# §12.2.1.1: Request-URI and Route of the next request; RFC 5630 §5.1.1 for a SIPS target.
REQUESTS = {
    (Routes.EMPTY, Target.SIP): (PHONE, ()),
    (Routes.EMPTY, Target.SIPS): (SECURE_PHONE, ()),
    (Routes.LOOSE, Target.SIP): (PHONE, ("sip:p1;lr", "sip:p2")),
    (Routes.LOOSE, Target.SIPS): (SECURE_PHONE, ("sips:p1;lr", "sips:p2")),
    (Routes.STRICT, Target.SIP): ("sip:p1", ("sip:p2;lr", PHONE)),
    (Routes.STRICT, Target.SIPS): ("sips:p1", ("sips:p2;lr", SECURE_PHONE)),
    (Routes.SECURE, Target.SIP): (PHONE, ("sips:p1;lr", "sip:p2;lr")),
    (Routes.SECURE, Target.SIPS): (SECURE_PHONE, ("sips:p1;lr", "sips:p2;lr")),
    (Routes.SECURE_STRICT, Target.SIP): ("sips:p1", ("sip:p2;lr", PHONE)),
    (Routes.SECURE_STRICT, Target.SIPS): ("sips:p1", ("sips:p2;lr", SECURE_PHONE)),
    (Routes.FOREIGN, Target.SIP): (PHONE, ("proxy:p1", "sip:p2;lr")),
    (Routes.FOREIGN, Target.SIPS): (SECURE_PHONE, ("proxy:p1", "sips:p2;lr")),
}

# §12.1.1, RFC 5630 §5.1.2: whether our Contact is a SIPS URI.
SECURE = {
    (Routes.EMPTY, Target.SIP): False,
    (Routes.EMPTY, Target.SIPS): True,
    (Routes.LOOSE, Target.SIP): False,
    (Routes.LOOSE, Target.SIPS): False,
    (Routes.STRICT, Target.SIP): False,
    (Routes.STRICT, Target.SIPS): False,
    (Routes.SECURE, Target.SIP): True,
    (Routes.SECURE, Target.SIPS): True,
    (Routes.SECURE_STRICT, Target.SIP): True,
    (Routes.SECURE_STRICT, Target.SIPS): True,
    (Routes.FOREIGN, Target.SIP): False,
    (Routes.FOREIGN, Target.SIPS): False,
}
STATES = list(itertools.product(Ours, Theirs, Routes, Target))


def dialog_in(ours: Ours, theirs: Theirs, routes: Routes, target: Target) -> Dialog:
    return Dialog(
        "c1",
        "a1",
        "b1",
        "sip:alice@example.com",
        "sip:bob@example.com",
        target.value,
        routes.value,
        ours.value,
        theirs.value,
    )


def of_the_peer(number: int) -> Request:
    fields = [("CSeq", f"{number} SUBSCRIBE"), ("Contact", f"<{AGAIN}>"), ("Record-Route", "<sip:p9;lr>")]
    return Request("SUBSCRIBE", "sip:192.0.2.10", Headers(fields))


@pytest.mark.rfc("3261", "8.1.1.4", "one Call-ID for a dialog")
@pytest.mark.rfc("3261", "8.1.1.5", "CSeq has the method and a number of 31 bits")
@pytest.mark.rfc("3261", "8.1.2", "a SIPS resource is reached by TLS only")
@pytest.mark.rfc("3261", "12.2.1.1", "To, From and Call-ID are those of the dialog")
@pytest.mark.rfc("3261", "12.2.1.1", "numbers grow by one")
@pytest.mark.rfc("3261", "12.2.1.1", "without routes")
@pytest.mark.rfc("3261", "12.2.1.1", "loose routing")
@pytest.mark.rfc("3261", "12.2.1.1", "strict routing")
@pytest.mark.rfc("3261", "12.2.1.2", "a 2xx moves the target")
@pytest.mark.rfc("3261", "12.2.2", "the order of the peer's numbers")
@pytest.mark.rfc("3261", "12.2.2", "a request moves the target")
@pytest.mark.parametrize(("state", "event"), list(itertools.product(STATES, Event)))
def test_every_event_in_every_state_does_what_the_tables_say(
    state: tuple[Ours, Theirs, Routes, Target], event: Event
) -> None:
    ours, theirs, routes, target = state
    dialog = dialog_in(*state)
    expected: dict[str, Any] = asdict(dialog)
    match event:
        case Event.OUR_REQUEST:
            number = 1 if ours.value is None else 8
            request = dialog.next_request("NOTIFY")
            sent = (request.uri, tuple(each.strip("<>") for each in request.headers.get_all("Route")))
            assert sent == REQUESTS[routes, target]
            assert str(request.cseq) == f"{number} NOTIFY"
            assert (request.from_.tag, request.to.tag, request.call_id) == ("a1", "b1", "c1")
            expected["local_cseq"] = number
        case Event.LOWER | Event.SAME | Event.HIGHER:
            accepted, expected["remote_cseq"] = NUMBERS[theirs, event]
            assert dialog.receive(of_the_peer(RECEIVED[event])) is accepted
        case Event.ACCEPTED:
            dialog.refresh(of_the_peer(25))
            expected["remote_target"] = AGAIN
        case _:
            dialog.refresh(Response(200, "OK"))
    assert asdict(dialog) == expected


@pytest.mark.parametrize("state", STATES)
def test_a_request_that_is_written_at_once_is_the_same(state: tuple[Ours, Theirs, Routes, Target]) -> None:
    request = dialog_in(*state).next_request("NOTIFY")
    outgoing = dialog_in(*state).next_outgoing("NOTIFY", "")
    fields = "".join(f"{name}: {value}\r\n" for name, value in request.headers)
    assert (outgoing.method, outgoing.uri, outgoing.fields) == (request.method, request.uri, fields)


@pytest.mark.rfc("3261", "12.1.1", "a secure Contact")
@pytest.mark.parametrize(("routes", "target"), list(itertools.product(Routes, Target)))
def test_our_contact_is_a_sips_uri_where_the_table_says(routes: Routes, target: Target) -> None:
    dialog = dialog_in(Ours.NONE, Theirs.NONE, routes, target)
    assert dialog.secure is SECURE[routes, target]
    dialog.local_uri = "SIPS:alice@example.com"
    assert dialog.secure


def test_the_tables_leave_nothing_out() -> None:
    assert set(NUMBERS) == set(itertools.product(Theirs, RECEIVED))
    assert set(REQUESTS) == set(SECURE) == set(itertools.product(Routes, Target))
