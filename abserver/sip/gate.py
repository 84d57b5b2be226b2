"""The gate of the endpoint: which requests go in, which are refused 503, and what proxies are told about the load.

A refusal is made without state (RFC 3261 §8.2.7), so it costs a tenth of what it refuses. Where the client itself hears
it, it has a Retry-After, spread by chance so that those who were refused together do not come back together. A proxy
gets none: it would turn away from this server altogether, for all its users (RFC 3261 §21.5.4, RFC 7339 §5.10.2, RFC
5390 §5.3).

Trusted peers, proxies that speak for many users, have no bucket. Those of them that announce `oc` in their Via are told
the loss that is due (RFC 7339, the loss-based scheme of §7) and choose themselves what to send; the others, and all the
rest, are refused here. Nobody else's `oc` is heeded: it would be a way around the gate, and the load is the operator's
secret (§5.2, §11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.sip.grammar import unquote
from abserver.sip.headers import Via
from abserver.sip.shedding import Kind, Shedder, kind_of
from abserver.sip.sources import Sources, Verdict
from abserver.sip.transport import WEBSOCKETS
from abserver.sip.uas import make_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from abserver.sip.message import Request, Response
    from abserver.sip.transport import Flow
    from abserver.sip.uas import Mandatory

VALIDITY = 500
"""Milliseconds that a loss is valid (RFC 7339 §4.3); each answer tells a newer one."""


class Gate:
    """Judges what comes in, before anything is kept of it."""

    def __init__(
        self,
        sources: Sources | None,
        shedder: Shedder,
        *,
        trusts: Callable[[Flow], bool],
        retry_after: int,
        draw: Callable[[], float],
        started: int,
    ) -> None:
        """sources: None is no bucket for anybody. trusts: whether the peer is a trusted one. retry_after: seconds at
        least, and less than twice as many by chance. started: whole seconds of the wall clock, for `oc-seq`.
        """
        self.sources = sources
        self.shedder = shedder
        self._trusts = trusts
        self._retry_after = retry_after
        self._draw = draw
        self._started = started

    def ignores(self, data: bytes, flow: Flow, now: float) -> bool:
        """Whether a message, if it is no response, is dropped before it is read."""
        if flow.names and self._trusts(flow):  # whoever else comes from there
            return False
        return self.sources is not None and self.sources.ignores(data, flow, now)

    def hears(self, flow: Flow, now: float) -> bool:
        """Count what is no request to be judged, a broken one or a retransmission; whether it gets an answer."""
        if self.sources is None or self._trusts(flow):
            return True
        return self.sources.judge(flow, now, new=False) is Verdict.SERVE

    def judge(self, request: Request, fields: Mandatory, flow: Flow, now: float) -> Verdict:
        """What becomes of a request that no transaction has yet."""
        kind = kind_of(request, fields)
        if self.sources is not None and not self._trusts(flow):
            verdict = self.sources.judge(flow, now, new=kind is Kind.NEW)
            if verdict is not Verdict.SERVE:
                return verdict
        if takes_part(fields.via) and self._is_proxy(flow):
            return Verdict.SERVE
        return Verdict.REFUSE if self.shedder.refuses(kind) else Verdict.SERVE

    def refusal(self, request: Request, flow: Flow) -> Response:
        """The 503."""
        if self._is_proxy(flow) or len(request.headers.elements("Via")) > 1:
            return make_response(request, 503)
        seconds = self._retry_after + int(self._retry_after * self._draw())
        return make_response(request, 503, headers=[("Retry-After", str(seconds))])

    def _is_proxy(self, flow: Flow) -> bool:
        """Whether a trusted peer speaks there. By WebSocket it only passes on what browsers say."""
        return flow.transport not in WEBSOCKETS and self._trusts(flow)

    def answered(self, via: Via, flow: Flow) -> Via:
        """The topmost Via as the responses are to have it: with the loss, for a trusted peer that takes part (§5.2)."""
        if "oc" not in via.params or not takes_part(via) or not self._is_proxy(flow):
            return via
        loss, number = self.shedder.loss, self.shedder.measurements
        told = {
            "oc": str(loss),
            "oc-algo": '"loss"',
            "oc-validity": str(VALIDITY if loss else 0),
            "oc-seq": f"{self._started + number // 100_000}.{number % 100_000:05d}",  # grows slower than the wall clock
        }
        return Via(via.transport, via.host, via.port, {**via.params, **told}, via.protocol)


def takes_part(via: Via) -> bool:
    """Whether the peer announces loss-based overload control (RFC 7339 §4.1, §4.2)."""
    params = via.params
    if "oc" not in params or params["oc"] is not None:
        return False
    algorithms = unquote(params.get("oc-algo") or "")
    return "loss" in [each.strip().lower() for each in algorithms.split(",")]
