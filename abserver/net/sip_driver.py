"""The shell around one SIP endpoint: its sockets, its one timer, and the tasks in which requests are served.

The endpoint (`abserver.sip.endpoint`) is pure; this file executes its effects and brings it datagrams, frames, time and
failures. Law of the file: whatever a handler does, each request gets its one response and a fault is logged once.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.net.connections import Connections, StreamLimits
from abserver.net.listeners import bind_sip
from abserver.net.load import LoadMeter
from abserver.net.scans import SUSPECT, Scans
from abserver.net.stream import StreamShell
from abserver.net.trails import Attempt
from abserver.net.udp import UdpSocket
from abserver.net.ways import Ways
from abserver.net.websocket import WebSocketShell
from abserver.ports import Answered, RequestHandler, SendFailure
from abserver.sip.effects import RequestReceived, ResponseReceived, TimedOut, Transmit, TransmitAnew
from abserver.sip.endpoint import Endpoint
from abserver.sip.locating import default_port
from abserver.sip.message import Request
from abserver.sip.outgoing import Outgoing
from abserver.sip.trace import Direction, TracedMessage, Tracer
from abserver.sip.transport import Address, Flow, Listener, Transport
from abserver.sip.uas import Capabilities, inspect, make_response

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence

    from abserver.net.tls import Security
    from abserver.net.trails import Trail
    from abserver.sip.effects import Effect, TransactionId
    from abserver.sip.errors import SipSyntaxError
    from abserver.sip.gate import Gate
    from abserver.sip.message import Response

log = logging.getLogger(__name__)

MAX_HANDLING = 10_000
"""Requests in handlers at once; one more is answered 503."""
TICK = 0.01
"""Seconds that a timer may be late: in a large fan-out thousands are due one after the other, and fire in one go."""
STOP_TIME = 3.0
"""Seconds that handlers get to end when the driver stops."""
_RESPONSE = b"SIP/2.0 "
"""How responses begin: they are never ignored, since each of them ends something."""
_CALL = b"INVITE "
"""How that begins which nobody sends here but a scanner: the endpoint refuses it without a word."""


@dataclass(frozen=True, slots=True)
class Listening:
    """A listener that is ready."""

    transport: Transport
    address: Address
    advertised: Address | None = None
    """What peers are to call it, if not by its address."""

    def __str__(self) -> str:
        return f"{self.transport.value.lower()} {Listener(self.address, self.advertised)}"


def _listeners(wanted: Iterable[Address | Listener]) -> list[Listener]:
    return [each if isinstance(each, Listener) else Listener(each) for each in wanted]


class SipDriver:
    """A SIP node: listens from `start` to `stop`, serves requests by its handler, sends requests (`SipSender`)."""

    def __init__(
        self,
        handler: RequestHandler,
        capabilities: Capabilities,
        *,
        udp: Sequence[Address | Listener] = (),
        tcp: Sequence[Address | Listener] = (),
        tls: Sequence[Address | Listener] = (),
        security: Security | None = None,
        tracer: Tracer | None = None,
        limits: StreamLimits | None = None,
        name_servers: Sequence[Address] = (),
        gate: Gate | None = None,
        waiting: Callable[[], int] = lambda: 0,
    ) -> None:
        """handler: takes requests that passed `inspect` with these capabilities.
        udp, tcp, tls: where to listen; a wildcard host is every address of its family. Those that are advertised by
        another address are a Listener.
        security: what TLS needs; None where there is no TLS.
        name_servers: of the DNS, to find hosts by their names; empty for the system's.
        tracer: told of each message in and out, in their order; None costs nothing. `trace_to` puts another in place.
        gate: judges what comes in, by the load that is measured here; None lets everything in. waiting: how much waits
        for the journal, which is part of that load.
        """
        self._handler = handler
        self._capabilities = capabilities
        self._listen = (_listeners(udp), _listeners(tcp), _listeners(tls))
        self._tracer = tracer
        self._gate = gate
        self._endpoint = Endpoint(allow=capabilities.methods, gate=gate)
        self._connections = Connections(
            received=self._received, broken=self._broken, closed=self._flow_failed, limits=limits
        )
        self._streams = StreamShell(self._connections, security)
        self.websockets = WebSocketShell(self._connections)
        """Takes over connections of an HTTP listener; closed by `stop`, if not before."""
        self._ways = Ways(self._connections, self._streams, self._spawn, name_servers)
        self._meter = None if gate is None else LoadMeter(gate, lambda: len(self._tasks), waiting, self._ways.delay)
        self._answered: dict[TransactionId, Answered] = {}
        self._scans = Scans()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = math.inf
        self.ready: tuple[Listening, ...] = ()
        """Where it listens, with real port numbers, once `start` has returned."""

    # -- life -------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Bind and listen. Raises PortTaken, ListenerError; then nothing is bound."""
        self._loop = asyncio.get_running_loop()
        bound = bind_sip(*self._listen)
        for each in bound:
            if each.transport is Transport.UDP:
                shell = UdpSocket(
                    each.sock, received=self._received, failed=self._flow_failed, advertised=each.advertised
                )
                self._ways.add_datagrams(shell)
                shell.start(self._loop)
            else:
                self._ways.add_listener(each.transport, each.address, each.place)
                await self._streams.listen(each.sock, each.transport, advertised=each.advertised)
        self.ready = tuple(Listening(each.transport, each.address, each.advertised) for each in bound)
        if self._meter is not None:
            self._meter.start(self._loop)

    async def stop(self) -> None:
        """Take no more requests, give those in handlers a moment, close. Requests of ours get no answer any more."""
        self._stopping = True
        if self._meter is not None:
            self._meter.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_TIME)
        self._answered.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._streams.stop()
        await self.websockets.stop()
        self._ways.close()
        if self._timer is not None:
            self._timer.cancel()

    def trace_to(self, tracer: Tracer | None) -> None:
        """From now on tell this one of each message, or nobody."""
        self._tracer = tracer

    # -- what comes in ----------------------------------------------------------------------------------------------

    def _received(self, data: bytes, flow: Flow) -> None:
        if self._tracer is not None:
            self._trace(Direction.IN, flow, data)
        now = self._loop.time()
        if not data.startswith(_RESPONSE):
            if data.startswith(_CALL):
                self._scans.note(flow.remote.host, 405, now)
            if self._gate is not None and self._gate.ignores(data, flow, now):
                return
        try:
            self._execute(self._endpoint.receive(data, flow, now))
        except Exception:
            log.exception("message not handled", extra={"remote": str(flow.remote)})

    def _broken(self, error: SipSyntaxError, flow: Flow) -> None:
        """A stream that can't be cut into messages: answer what can be answered before it is closed."""
        self._scans.note(flow.remote.host, error.status_hint, self._loop.time())
        self._execute(self._endpoint.refuse(error, flow))

    def _flow_failed(self, flow: Flow) -> None:
        self._execute(self._endpoint.flow_failed(flow))

    def _expire(self) -> None:
        self._timer, self._armed_for = None, math.inf
        self._execute(self._endpoint.expire(self._loop.time()))

    def _execute(self, effects: Iterable[Effect]) -> None:
        for effect in effects:  # by frequency, and without class patterns, which cost several times as much
            if isinstance(effect, Transmit):
                self._transmit(effect.flow, effect.data)
            elif isinstance(effect, ResponseReceived):
                if effect.response.status >= 200:
                    self._tell(effect.transaction_id, effect.response)
                else:
                    self._hear(effect.transaction_id)
            elif isinstance(effect, RequestReceived):
                self._serve(effect.transaction_id, effect.request, effect.flow)
            elif isinstance(effect, TimedOut):
                self._tell(effect.transaction_id, SendFailure.TIMEOUT)
            elif isinstance(effect, TransmitAnew):
                self._transmit_anew(effect)
            else:
                self._tell(effect.transaction_id, SendFailure.UNREACHABLE)
        self._rearm()

    def _rearm(self) -> None:
        """Keep one timer for the endpoint's next deadline; one that is early finds nothing to do."""
        deadline = self._endpoint.next_deadline()
        if deadline is None or deadline >= self._armed_for:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(max(deadline, self._loop.time() + TICK), self._expire)
        self._armed_for = deadline

    def _transmit(self, flow: Flow, data: bytes) -> None:
        if self._tracer is not None:
            self._trace(Direction.OUT, flow, data)
        if flow.connection:
            if not self._connections.send(data, flow):
                self._loop.call_soon(self._flow_failed, flow)
        elif (datagrams := self._ways.datagrams_of(flow)) is not None:
            datagrams.send(data, flow)

    def _transmit_anew(self, effect: TransmitAnew) -> None:
        def found(flow: Flow | None) -> None:
            if flow is None:
                log.info("response not sent: its connection is gone", extra={"remote": str(effect.remote)})
            else:
                self._transmit(flow, effect.data)

        if not self._stopping:
            self._ways.find_anew(effect.transport, effect.remote, effect.host, found)

    def _trace(self, direction: Direction, flow: Flow, data: bytes) -> None:
        if self._tracer is not None:
            self._tracer(TracedMessage(time.time(), direction, flow, data))

    def _tell(self, transaction_id: TransactionId, outcome: Response | SendFailure) -> None:
        answered = self._answered.pop(transaction_id, None)
        if answered is not None:
            self._call(answered, outcome)

    def _hear(self, transaction_id: TransactionId) -> None:
        """A provisional response came: nothing but that the hop is there."""
        answered = self._answered.get(transaction_id)
        if isinstance(answered, Attempt):
            answered.heard = True

    def _call(self, answered: Answered, outcome: Response | SendFailure) -> None:
        try:
            answered(outcome)
        except Exception:
            log.exception("answer not handled")

    # -- serving requests -------------------------------------------------------------------------------------------

    def _serve(self, transaction_id: TransactionId, request: Request, flow: Flow) -> None:
        if flow.names and not flow.opened:
            self._alias(request, flow)
        refusal = inspect(request, self._capabilities)
        if refusal is not None and refusal.status in SUSPECT:
            self._scans.note(flow.remote.host, refusal.status, self._loop.time())
        if refusal is None and (self._stopping or len(self._tasks) >= MAX_HANDLING):
            refusal = make_response(request, 503, headers=[("Retry-After", "5")])
        if refusal is not None:
            self._execute(self._endpoint.respond(transaction_id, refusal, self._loop.time()))
        else:
            self._tasks.add(self._loop.create_task(self._handle(transaction_id, request, flow)))

    def _alias(self, request: Request, flow: Flow) -> None:
        """Let requests to where a peer advertises to be leave on the connection on which it proved who it is, if it
        wants that (RFC 5923 §8.2)."""
        via = request.via
        if "alias" in via.params:
            self._connections.alias(flow, Address(flow.remote.host, via.port or default_port(Transport.TLS)))

    async def _handle(self, transaction_id: TransactionId, request: Request, flow: Flow) -> None:
        """Run the handler: the one place where a fault in serving a request is logged and answered."""
        responded = False

        def respond(response: Response) -> None:
            nonlocal responded
            if responded:
                raise RuntimeError("the request is answered already")
            self._execute(self._endpoint.respond(transaction_id, response, self._loop.time()))
            responded = True

        try:
            await self._handler(request, flow, respond)
            if not responded:
                raise RuntimeError("the request was left unanswered")
        except Exception:
            log.exception("request failed", extra={"method": request.method, "call_id": request.call_id})
            if not responded:
                respond(make_response(request, 500))
        finally:
            self._tasks.discard(asyncio.current_task())

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("task of the driver failed", exc_info=fault)

    # -- sending requests -------------------------------------------------------------------------------------------

    def send(self, request: Request | Outgoing, *, flow: Flow | None, answered: Answered) -> None:
        """Send within a client transaction (SipSender): on `flow` if that is a live connection, else where the first
        Route or the Request-URI points (§8.1.2). `answered` is called later, never from here.

        Raises ValueError for a line break within a field, SipSyntaxError for a Route that is none.
        """
        outgoing = Outgoing.of(request) if isinstance(request, Request) else request
        way = self._ways.known(outgoing, flow)
        if way is not None:
            self._send_on(way, outgoing, answered)
            return

        def found(way: Flow | None, trail: Trail | None) -> None:
            if way is None:
                self._loop.call_soon(self._fail, answered)
            elif trail is None:
                self._send_on(way, outgoing, answered)
            else:
                self._send_on(way, outgoing, Attempt(trail, outgoing, flow, answered, self._try_next))

        self._ways.find(outgoing, came_on=flow, found=found)

    def _send_on(self, way: Flow, request: Outgoing, answered: Answered) -> None:
        transaction_id, effects = self._endpoint.send(request, way, self._loop.time())
        self._answered[transaction_id] = answered
        self._execute(effects)

    def _try_next(self, failed: Attempt, outcome: Response | SendFailure) -> None:
        """Send the request to the next hop if one failed (RFC 3263 §4.3), in a transaction of its own; without another
        hop, what became of it at the last one is the outcome."""
        if self._stopping or not failed.trail.fails(outcome, self._loop.time(), heard=failed.heard):
            failed.answered(outcome)
            return

        def found(way: Flow | None) -> None:
            if way is not None:
                self._send_on(way, failed.request, failed.again())
            elif not self._stopping:
                self._call(failed.answered, outcome)

        self._ways.follow(failed.trail, failed.request, came_on=failed.came_on, found=found)

    def _fail(self, answered: Answered) -> None:
        if not self._stopping:
            self._call(answered, SendFailure.UNREACHABLE)
