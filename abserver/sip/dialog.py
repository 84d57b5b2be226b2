"""Dialogs as subscriptions make them (RFC 3261 §12, RFC 6665 §4.4.1): at the notifier and at the subscriber.

A dialog is the state that requests between two ends need, and no more: when it begins and ends is the subscription's
business. Its fields are plain values, so a row of a table holds one and a restart goes on where it was.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import NamedTuple

from abserver.sip.codec import write_fields
from abserver.sip.errors import SipSyntaxError
from abserver.sip.headers import NameAddr
from abserver.sip.message import Headers, Message, Request
from abserver.sip.outgoing import Outgoing
from abserver.sip.uri import SipUri

MAX_FORWARDS = "70"
"""What a request of ours starts with (§8.1.1.6)."""


class DialogId(NamedTuple):
    """What finds the dialog of a message (§12)."""

    call_id: str
    local_tag: str
    remote_tag: str

    @classmethod
    def of_request(cls, request: Request) -> DialogId | None:
        """The dialog, at our end, that a request from the peer is for; None if it is outside of any (§12.2.2)."""
        local_tag = request.to.tag
        return None if local_tag is None else cls(request.call_id, local_tag, request.from_.tag or "")


@dataclass(slots=True)
class Dialog:
    """One end's state of a dialog (§12)."""

    call_id: str
    local_tag: str
    remote_tag: str
    """Empty if the peer gave none, as RFC 2543 allowed (§12.1.1)."""
    local_uri: str
    remote_uri: str
    remote_target: str
    """The peer's Contact: where requests go in the end."""
    route_set: tuple[str, ...] = ()
    """URIs of the proxies that stay on the path, nearest first."""
    local_cseq: int | None = None
    """Number of our last request; None before the first."""
    remote_cseq: int | None = None
    """Highest number that the peer's requests had; None before the first."""

    @classmethod
    def notifier(cls, request: Request, local_tag: str) -> Dialog:
        """The notifier's end, from the SUBSCRIBE that it accepts with `local_tag` in the To (§12.1.1).

        Raises SipSyntaxError if the request has no usable Contact: a request to a SIPS URI has to have one too
        (§8.1.1.8, RFC 5630 §5.1.2).
        """
        target = _target(request)
        if is_sips(request.uri) and not is_sips(target):
            raise SipSyntaxError("Contact Is No SIPS URI")
        from_ = request.from_
        return cls(
            call_id=request.call_id,
            local_tag=local_tag,
            remote_tag=from_.tag or "",
            local_uri=request.to.uri,
            remote_uri=from_.uri,
            remote_target=target,
            route_set=_record_route(request),
            remote_cseq=request.cseq.number,
        )

    @classmethod
    def subscriber(cls, subscribe: Request, notify: Request) -> Dialog:
        """The subscriber's end, from its SUBSCRIBE and the NOTIFY that answers it: the NOTIFY makes the dialog, not the
        2xx, and its Record-Route is the route set (RFC 6665 §4.4.1).

        Raises SipSyntaxError if the NOTIFY has no usable Contact.
        """
        return cls(
            call_id=subscribe.call_id,
            local_tag=subscribe.from_.tag or "",
            remote_tag=notify.from_.tag or "",
            local_uri=subscribe.from_.uri,
            remote_uri=subscribe.to.uri,
            remote_target=_target(notify),
            route_set=_record_route(notify),
            local_cseq=subscribe.cseq.number,
            remote_cseq=notify.cseq.number,
        )

    @property
    def secure(self) -> bool:
        """Whether our Contact has to be a SIPS URI (§12.1.1, RFC 5630 §5.1.2): so is the next hop of the peer's
        requests, or what it asked for. The Request-URI of its first request is not kept; its To tells the same.
        """
        nearest = self.route_set[0] if self.route_set else self.remote_target
        return is_sips(nearest) or is_sips(self.local_uri)

    @property
    def id(self) -> DialogId:
        return DialogId(self.call_id, self.local_tag, self.remote_tag)

    def ahead(self, numbers: int) -> Dialog:
        """The dialog as it is after so many more requests of ours."""
        return Dialog(
            self.call_id,
            self.local_tag,
            self.remote_tag,
            self.local_uri,
            self.remote_uri,
            self.remote_target,
            self.route_set,
            (self.local_cseq or 0) + numbers,
            self.remote_cseq,
        )

    def next_request(self, method: str) -> Request:
        """Begin our next request within the dialog; it takes the next CSeq number (§12.2.1.1).

        Contact, body and the method's own fields are the caller's to add; the endpoint adds the Via.
        """
        number = self._next_number()
        uri, routes, _ = self._path()
        rows = {
            "Max-Forwards": [MAX_FORWARDS],
            "From": [_address(self.local_uri, self.local_tag)],
            "To": [_address(self.remote_uri, self.remote_tag)],
            "Call-ID": [self.call_id],
            "CSeq": [f"{number} {method}"],
        }
        if routes:
            rows["Route"] = [f"<{route}>" for route in routes]
        return Request(method, uri, Headers.of_rows(rows))

    def next_outgoing(self, method: str, fields: str, body: bytes = b"") -> Outgoing:
        """Write our next request within the dialog: what `next_request` begins, with the method's own fields and body.

        fields: the method's own header fields with Contact, by `codec.write_fields`; many requests may share the text.
        Raises ValueError for a line break within a field of the dialog.
        """
        number = self._next_number()
        uri, routes, next_hop = self._path()
        own = (
            f"Max-Forwards: {MAX_FORWARDS}\r\nFrom: {_address(self.local_uri, self.local_tag)}\r\n"
            f"To: {_address(self.remote_uri, self.remote_tag)}\r\n"
            f"Call-ID: {self.call_id}\r\nCSeq: {number} {method}\r\n"
        )
        if own.count("\n") != 5 or own.count("\r") != 5:
            raise ValueError("line break within a field of the dialog")
        route = write_fields(("Route", f"<{each}>") for each in routes) if routes else ""
        return Outgoing(method, uri, next_hop, f"{own}{route}{fields}", body)

    def _next_number(self) -> int:
        self.local_cseq = number = 1 if self.local_cseq is None else self.local_cseq + 1
        return number

    def _path(self) -> tuple[str, tuple[str, ...], str]:
        """The Request-URI, the Route, and which URI's host gets the request (§12.2.1.1, §8.1.2)."""
        if not self.route_set:
            return self.remote_target, (), self.remote_target
        routes = tuple(map(_as_sips, self.route_set)) if is_sips(self.remote_target) else self.route_set
        strict_router = _strict_router(routes[0])
        if strict_router is None:
            return self.remote_target, routes, routes[0]
        # It takes its next hop from the Request-URI, and puts the first Route there instead.
        return strict_router, (*routes[1:], self.remote_target), strict_router

    def receive(self, request: Request) -> bool:
        """Take the number of a request from the peer; False if it is out of order, to be answered 500 (§12.2.2).

        Nothing else changes: what an accepted request changes beyond that, `refresh` does.
        """
        number = request.cseq.number
        if self.remote_cseq is not None and number < self.remote_cseq:
            return False
        self.remote_cseq = number
        return True

    def refresh(self, message: Message) -> None:
        """Take the peer's new target from a SUBSCRIBE or NOTIFY that was accepted, or from the 2xx to one of ours
        (§12.2.1.2, §12.2.2, RFC 6665 §3.1, §3.2). Without a Contact the target stays.
        """
        contact = message.contact
        if contact is not None:
            self.remote_target = contact.uri


def is_sips(uri: str) -> bool:
    """Whether it is a SIPS URI."""
    return uri[:5].lower() == "sips:"


def _as_sips(route: str) -> str:
    """A URI of the route set as it has to be when the Request-URI is a SIPS URI (RFC 5630 §5.1.1)."""
    return f"sips:{route[4:]}" if route[:4].lower() == "sip:" else route


def _target(request: Request) -> str:
    contact = request.contact
    if contact is None:
        raise SipSyntaxError("Missing Contact")
    return contact.uri


def _record_route(request: Request) -> tuple[str, ...]:
    return tuple(NameAddr.parse(element).uri for element in request.headers.elements("Record-Route"))


@functools.lru_cache(maxsize=1024)
def _strict_router(uri: str) -> str | None:
    """The URI as a Request-URI (§19.1.1 Table 1), if the router that owns it routes as RFC 2543 did."""
    try:
        router = SipUri.parse(uri)
    except SipSyntaxError:
        return None  # no SIP URI: leave the path as the proxies recorded it
    if router.loose_router:
        return None
    params = {name: value for name, value in router.params.items() if name != "method"}
    return str(replace(router, params=params, headers=""))


def _address(uri: str, tag: str) -> str:
    return f"<{uri}>;tag={tag}" if tag else f"<{uri}>"
