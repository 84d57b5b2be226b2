"""The laws of every packet that leaves the server, whatever else happens, as they show at the wire of each dialog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.events.subscription import ANY
from abserver.sip.codec import parse
from abserver.sip.headers import SubscriptionState
from abserver.sip.message import Request, Response
from abserver.sip.timers import TRANSACTION_TIMEOUT
from tests.support.server import ADDRESS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.network import Packet

EARLY = 1e-6
"""Seconds by which sums of floating point numbers may be wrong."""


@dataclass
class Wire:
    """What was seen of one dialog."""

    cseq: int = 0
    branch: str = ""
    answered: bool = True
    sent_at: float = 0.0
    state: str = ""
    """Of the NOTIFY that was sent last."""
    told: str = ""
    """Of the one that was acknowledged last."""
    asked: bool = True
    """Whether a SUBSCRIBE came since the last NOTIFY left: its answer waits for nothing."""
    silent: bool = False
    """Whether nothing of the resource may be told (RFC 5839 §5.2)."""


class Wires:
    """Watches all dialogs; to be told of packets that leave and arrive (`Network.sent`, `Network.arrived`)."""

    def __init__(self, paces: Mapping[str, float], on_notify: Callable[[Request], None]) -> None:
        """paces: event package -> seconds between two NOTIFYs where no max-rate is agreed.

        on_notify: told of each NOTIFY that leaves for the first time.
        """
        self._paces = paces
        self._on_notify = on_notify
        self._dialogs: dict[tuple[str, str], Wire] = {}
        self._latest: dict[str, tuple[int, str | None]] = {}
        """Call-ID -> CSeq and Suppress-If-Match of the last SUBSCRIBE that came."""

    def restarted(self) -> None:
        """A new process knows of no NOTIFY in flight, and not when the last one left."""
        for wire in self._dialogs.values():
            wire.answered = wire.asked = True

    def last(self, call_id: str, local_tag: str) -> float:
        """When the last NOTIFY of a dialog left."""
        return self._wire(call_id, local_tag).sent_at

    def leaves(self, packet: Packet) -> None:
        if packet.source != ADDRESS:
            return
        message = parse(packet.data)
        if isinstance(message, Response):
            self._answers(message)
        else:
            self._tells(message, packet.at)

    def _answers(self, response: Response) -> None:
        """If a SUBSCRIBE that asked for silence is accepted, and no later one came, there is silence from now on."""
        if response.cseq.method == "SUBSCRIBE" and response.to.tag and 200 <= response.status < 300:
            wire = self._wire(response.call_id, response.to.tag)
            wire.asked = True
            wire.silent = wire.silent or self._latest.get(response.call_id) == (response.cseq.number, ANY)

    def _tells(self, notify: Request, at: float) -> None:
        wire, branch = self._wire(notify.call_id, notify.from_.tag), notify.via.branch or ""
        if branch == wire.branch:
            return  # a retransmission
        assert notify.cseq.number > wire.cseq, "CSeq went back"
        assert wire.answered or at >= wire.sent_at + TRANSACTION_TIMEOUT, "two NOTIFYs in flight"
        assert not (wire.silent and notify.body), "a body where silence was agreed"
        told = SubscriptionState.parse(notify.headers.get("Subscription-State") or "")
        self._check_the_pace(wire, notify, told, at)
        wire.cseq, wire.branch, wire.answered = notify.cseq.number, branch, False
        wire.sent_at, wire.state, wire.asked = at, told.state, False
        self._on_notify(notify)

    def _check_the_pace(self, wire: Wire, notify: Request, told: SubscriptionState, at: float) -> None:
        """But for what RFC 6446 §5.2 exempts: the answer to a SUBSCRIBE, the first active state, the end."""
        exempt = told.state == "terminated" or (told.state == "active" and wire.told != "active")
        if wire.asked or exempt:
            return
        event, rate = notify.event, told.params.get("max-rate")
        assert event is not None
        pace = 1 / float(rate) if rate else self._paces[event.package]
        assert at >= wire.sent_at + pace - EARLY, "faster than agreed"

    def arrives(self, packet: Packet) -> None:
        if packet.destination != ADDRESS:
            return
        message = parse(packet.data)
        if isinstance(message, Request):
            if message.method == "SUBSCRIBE":
                self._asks(message)
        elif message.status >= 200:
            self._acknowledges(message)

    def _asks(self, subscribe: Request) -> None:
        latest = (subscribe.cseq.number, subscribe.headers.get("Suppress-If-Match"))
        if latest[0] > self._latest.get(subscribe.call_id, (0, None))[0]:
            self._latest[subscribe.call_id] = latest
        if subscribe.to.tag:
            wire = self._wire(subscribe.call_id, subscribe.to.tag)
            wire.asked = True
            wire.silent = wire.silent and latest[1] == ANY

    def _acknowledges(self, response: Response) -> None:
        wire = self._wire(response.call_id, response.from_.tag)
        if wire.branch == response.via.branch:
            wire.answered = True
            if response.status < 300:
                wire.told = wire.state

    def _wire(self, call_id: str, tag: str | None) -> Wire:
        return self._dialogs.setdefault((call_id, tag or ""), Wire())
