"""REGISTER requests for tests, and what is bound by them."""

from __future__ import annotations

import datetime
import itertools
from typing import TYPE_CHECKING, Any

from abserver.sip.bindings import Limits, Registered, accepted, register
from abserver.sip.gruu import Gruus
from abserver.sip.message import Headers, Request, Response
from abserver.sip.transport import Address, Flow, Transport

if TYPE_CHECKING:
    from abserver.sip.bindings import Binding

NOW = datetime.datetime(2030, 5, 17, 11, 22, 33, 500_000, tzinfo=datetime.UTC)
AOR = "sip:bob@example.com"
FLOW = Flow(Transport.UDP, Address("192.0.2.1", 5060), Address("198.51.100.7", 40_000))
OTHER_FLOW = Flow(Transport.TCP, Address("192.0.2.1", 5060), Address("198.51.100.7", 40_001), connection=3)
PHONE = "<sip:bob@198.51.100.7:5060>"
LAPTOP = "<sip:bob@198.51.100.8:5060>"
INSTANCE = "urn:uuid:00000000-0000-1000-8000-000a95a0e128"
OUTBOUND = f'<sip:bob@10.0.0.2;ob>;reg-id=1;+sip.instance="<{INSTANCE}>"'
"""The Contact of a device that registers a flow."""
GRUUS = Gruus(b"s" * 32)


def a_register(*contacts: str, cseq: int = 1, uri: str = "sip:example.com", **fields: Any) -> Request:
    """A REGISTER of Bob's. `fields` are added or replaced; several rows as a sequence."""
    rows: dict[str, list[str]] = {
        "Via": ["SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKnashds7"],
        "From": [f"<{AOR}>;tag=1"],
        "To": [f"<{AOR}>"],
        "Call-ID": ["call-1"],
        "CSeq": [f"{cseq} REGISTER"],
    }
    if contacts:
        rows["Contact"] = list(contacts)
    for name, value in fields.items():
        rows[name.replace("_", "-")] = [value] if isinstance(value, str) else list(value)
    return Request("REGISTER", uri, Headers((name, each) for name, values in rows.items() for each in values))


class Registrar:
    """The bindings of Bob as a sequence of requests leaves them."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.bindings: tuple[Binding, ...] = ()
        self.now = NOW
        self._indices = itertools.count(1)

    def attempt(self, request: Request, flow: Flow = FLOW) -> Registered | Response:
        """What `register` says; nothing is kept of it."""
        return register(self.bindings, request, flow, aor=AOR, limits=self.limits, now=self.now, draw=self._draw)

    def register(self, *contacts: str, cseq: int = 1, flow: Flow = FLOW, **fields: Any) -> Response:
        """The answer; what it says is kept."""
        request = a_register(*contacts, cseq=cseq, **fields)
        done = self.attempt(request, flow)
        if isinstance(done, Response):
            return done
        self.bindings = done.bindings
        return accepted(request, done, limits=self.limits, now=self.now, gruus=self._gruus)

    def pass_time(self, seconds: float) -> None:
        self.now += datetime.timedelta(seconds=seconds)

    @property
    def uris(self) -> list[str]:
        return [each.uri for each in self.bindings]

    def _draw(self) -> str:
        return f"{next(self._indices):016x}"

    def _gruus(self, binding: Binding) -> tuple[str, str]:
        assert binding.instance is not None
        salt = next(self._indices).to_bytes(10, "big")
        temporary = GRUUS.temporary("example.com", bytes.fromhex(binding.index), salt)
        return GRUUS.public(AOR, binding.instance), temporary
