"""The values around a subscriber: what a device wants to follow and the SUBSCRIBEs that say so (RFC 6665 §3.1), where
its subscription stands, what is to be done."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.events.contact_card import PACKAGE, PATCH, XCARD
from abserver.sip.dialog import MAX_FORWARDS
from abserver.sip.message import Headers, Request

if TYPE_CHECKING:
    from abserver.events.card_copy import CardCopy


class State(enum.Enum):
    """The states of RFC 6665 §4.1.2's figure."""

    INIT = "init"
    NOTIFY_WAIT = "notify_wait"
    PENDING = "pending"
    ACTIVE = "active"
    TERMINATED = "terminated"


class Timer(enum.Enum):
    """What the subscriber waits for."""

    N = "give up waiting for the NOTIFY that follows a SUBSCRIBE"
    REFRESH = "refresh before the notifier's grant runs out, or try that again"
    EXPIRY = "the grant ran out"
    RESUBSCRIBE = "begin anew after the end (the figure's `Retry-after expires`)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow:
    """Whose card is wanted, by whom, and how."""

    owner: str
    """Address of record: the Request-URI."""
    watcher: str
    """Address of record: From, and the realm's user."""
    password: str
    username: str | None = None
    """For digest; None is the user part of the watcher's address."""
    route: str | None = None
    """URI of the server that takes the first SUBSCRIBE (RFC 3261 §8.1.2); None leaves it to the owner's domain."""
    expires: int = PACKAGE.default_expires
    accept: tuple[str, ...] = (XCARD, PATCH)
    """Media types. The patch type is a promise: the copy is kept across subscriptions."""


@dataclass(frozen=True, slots=True)
class Device:
    """The user agent that follows."""

    instance: str
    """What stays of it when addresses change: `urn:uuid:...` (RFC 5626 §4.1)."""
    contact: str
    """The URI at which it takes NOTIFYs."""


@dataclass(frozen=True, slots=True)
class SendSubscribe:
    """Send this and tell `answered`."""

    request: Request


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The subscription is in another state, or ended again."""

    state: State
    reason: str | None = None
    """Why it ended: an event reason code, a status line, or a phrase of ours."""
    retry_at: float | None = None
    """When it begins anew by itself; None is never."""


@dataclass(frozen=True, slots=True)
class CopyChanged:
    """The copy is another one now. To be kept before the NOTIFY's response leaves."""

    copy: CardCopy
    patch: bytes | None
    """The difference to the copy before, if that is what came."""


Effect = SendSubscribe | StateChanged | CopyChanged


def first_subscribe(follow: Follow, *, call_id: str, tag: str) -> Request:
    """Begin a SUBSCRIBE outside of any dialog (RFC 3261 §8.1.1); `complete` adds what all SUBSCRIBEs have."""
    headers = Headers(
        [
            ("Max-Forwards", MAX_FORWARDS),
            ("From", f"<{follow.watcher}>;tag={tag}"),
            ("To", f"<{follow.owner}>"),
            ("Call-ID", call_id),
            ("CSeq", "1 SUBSCRIBE"),
        ]
    )
    if follow.route is not None:
        headers.add("Route", f"<{follow.route};lr>")
    return Request("SUBSCRIBE", follow.owner, headers)


def renumbered(request: Request) -> Request:
    """The same request for another try: one CSeq number on (RFC 3261 §8.1.3.5)."""
    headers = request.headers.copy()
    headers.set("CSeq", f"{request.cseq.number + 1} {request.method}")
    return Request(request.method, request.uri, headers)


def complete(request: Request, follow: Follow, device: Device, *, expires: int, suppress: str | None) -> None:
    """Add the fields that every SUBSCRIBE of this device carries; `suppress` is for Suppress-If-Match (RFC 5839)."""
    headers = request.headers
    headers.set("Contact", f'<{device.contact}>;+sip.instance="<{device.instance}>"')
    headers.set("Event", PACKAGE.name)
    headers.set("Accept", ", ".join(follow.accept))
    headers.set("Expires", str(expires))
    if suppress is not None:
        headers.set("Suppress-If-Match", suppress)
