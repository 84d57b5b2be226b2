"""A SIP network in virtual time: nodes with real endpoints, and a fate for every packet between them."""

from __future__ import annotations

import asyncio
import itertools
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.ports import Answered, RequestHandler, Respond, SendFailure
from abserver.sip.effects import RequestReceived, ResponseReceived, TimedOut, Transmit, TransportFailed
from abserver.sip.endpoint import Endpoint
from abserver.sip.outgoing import ON_FLOW, Outgoing
from abserver.sip.transport import Address, Flow, Transport
from abserver.sip.uas import Capabilities, inspect, make_response
from abserver.sip.uri import SipUri

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from abserver.sip.effects import Effect, TransactionId
    from abserver.sip.message import Request, Response

log = logging.getLogger("abserver.simulation")

HOP = 0.01
"""Seconds that a packet takes if nothing happens to it."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One datagram."""

    at: float
    source: Address
    destination: Address
    data: bytes


def undisturbed(packet: Packet) -> Sequence[float]:
    """The fate of a packet in a good network."""
    return (HOP,)


class Network:
    """Carries datagrams between attached nodes; those for nobody are lost."""

    def __init__(self) -> None:
        self.fate: Callable[[Packet], Sequence[float]] = undisturbed
        """When the copies of a packet arrive, in seconds from now: none of them, one, or several."""
        self.sent: Callable[[Packet], None] = lambda packet: None
        """Told of every packet when it leaves."""
        self.arrived: Callable[[Packet], None] = lambda packet: None
        """Told of every copy that reaches a node, before the node is."""
        self.packets: list[Packet] = []
        """All that was ever sent, in order."""
        self._nodes: dict[Address, SimNode] = {}
        self._branches = itertools.count(1)

    def attach(self, node: SimNode) -> None:
        self._nodes[node.address] = node

    def detach(self, node: SimNode) -> None:
        if self._nodes.get(node.address) is node:
            del self._nodes[node.address]

    def new_branch(self) -> str:
        """A branch that no other transaction has had."""
        return f"z9hG4bK-{next(self._branches)}"

    def transmit(self, source: Address, destination: Address, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        packet = Packet(loop.time(), source, destination, data)
        self.packets.append(packet)
        self.sent(packet)
        for delay in self.fate(packet):
            loop.call_later(delay, self._arrive, packet)

    def _arrive(self, packet: Packet) -> None:
        node = self._nodes.get(packet.destination)
        if node is not None:
            self.arrived(packet)
            node.receive(packet)


@dataclass(frozen=True, slots=True)
class Listening:
    """A listener that is ready."""

    transport: Transport
    address: Address


class SimNode:
    """What `abserver.net.sip_driver.SipDriver` is on real sockets: serves by its handler, sends requests."""

    def __init__(self, network: Network, address: Address, handler: RequestHandler, capabilities: Capabilities) -> None:
        self.address = address
        self._network = network
        self._handler = handler
        self._capabilities = capabilities
        self._endpoint = Endpoint(allow=capabilities.methods, branches=network.new_branch)
        self._answered: dict[TransactionId, Answered] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._alive = False

    @property
    def ready(self) -> Sequence[Listening]:
        return (Listening(Transport.UDP, self.address),)

    @property
    def handling(self) -> int:
        """Requests in handlers."""
        return len(self._tasks)

    async def start(self) -> None:
        self._alive = True
        self._network.attach(self)

    async def stop(self) -> None:
        self.switch_off()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def switch_off(self) -> None:
        """Stop without a word, at this very moment."""
        self._alive = False
        self._network.detach(self)
        self._answered.clear()
        for task in self._tasks:
            task.cancel()
        if self._timer is not None:
            self._timer.cancel()

    def receive(self, packet: Packet) -> None:
        """Take a datagram."""
        self._execute(self._endpoint.receive(packet.data, self._flow(packet.source), _now()))

    def send(self, request: Request | Outgoing, *, flow: Flow | None, answered: Answered) -> None:
        """`abserver.ports.SipSender`."""
        outgoing = request if isinstance(request, Outgoing) else Outgoing.of(request)
        if outgoing.next_hop != ON_FLOW or flow is None:
            uri = SipUri.parse(outgoing.next_hop)  # all names in this network are numbers
            flow = self._flow(Address(uri.host, uri.port or 5060))
        transaction_id, effects = self._endpoint.send(outgoing, flow, _now())
        self._answered[transaction_id] = answered
        self._execute(effects)

    def _flow(self, remote: Address) -> Flow:
        return Flow(Transport.UDP, local=self.address, remote=remote)

    def _execute(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Transmit(flow, data):
                    if self._alive:
                        self._network.transmit(self.address, flow.remote, data)
                case RequestReceived(transaction_id, request, flow):
                    self._serve(transaction_id, request, flow)
                case ResponseReceived(transaction_id, response):
                    if response.status >= 200:
                        self._tell(transaction_id, response)
                case TimedOut(transaction_id):
                    self._tell(transaction_id, SendFailure.TIMEOUT)
                case TransportFailed(transaction_id):
                    self._tell(transaction_id, SendFailure.UNREACHABLE)
        self._rearm()

    def _rearm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadline = self._endpoint.next_deadline() if self._alive else None
        if deadline is not None:
            self._timer = asyncio.get_running_loop().call_at(deadline, self._expire)

    def _expire(self) -> None:
        self._execute(self._endpoint.expire(_now()))

    def _tell(self, transaction_id: TransactionId, outcome: Response | SendFailure) -> None:
        answered = self._answered.pop(transaction_id, None)
        if answered is not None:
            answered(outcome)

    def _serve(self, transaction_id: TransactionId, request: Request, flow: Flow) -> None:
        def respond(response: Response) -> None:
            self._execute(self._endpoint.respond(transaction_id, response, _now()))

        refusal = inspect(request, self._capabilities)
        if refusal is not None:
            respond(refusal)
            return
        task = asyncio.create_task(self._handle(request, flow, respond))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _handle(self, request: Request, flow: Flow, respond: Respond) -> None:
        try:
            await self._handler(request, flow, respond)
        except Exception:
            log.exception("request failed")
            respond(make_response(request, 500))


def _now() -> float:
    return asyncio.get_running_loop().time()
