"""One SIP endpoint without its sockets: bytes and `now` in, effects out (RFC 3261 §17, §18).

It parses, keeps the transactions of both sides, matches what comes to them, and answers by itself what needs no user:
broken requests (400), merged ones (482), INVITE (405, without state), CANCEL. ACK and strays are dropped.

Laws: every request that `send` took ends in exactly one of ResponseReceived with a final response, TimedOut and
TransportFailed. No bytes from a peer raise anything here. All timers of all transactions are behind one deadline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.sip import client_transaction, routing, server_transaction
from abserver.sip.client_transaction import ClientTransaction
from abserver.sip.codec import parse, serialize
from abserver.sip.effects import (
    Effect,
    RequestReceived,
    ResponseReceived,
    TimedOut,
    TransactionId,
    Transmit,
    TransportFailed,
)
from abserver.sip.errors import SipSyntaxError
from abserver.sip.grammar import split_list
from abserver.sip.headers import MAGIC_COOKIE, Via
from abserver.sip.identifiers import new_branch
from abserver.sip.message import Request, Response
from abserver.sip.outgoing import Outgoing
from abserver.sip.server_transaction import ServerTransaction
from abserver.sip.timers import Agenda
from abserver.sip.uas import check, make_response

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from abserver.sip.transport import Flow

_SLACK = 1000
"""Entries of finished transactions that the agenda may hold beyond those that live, before it is swept."""

_ANSWERED = Request("", "")
"""Takes the place of a request that nothing copies from any more: many wait for timer J."""


@dataclass(slots=True)
class _Sent:
    """A request of ours in its transaction."""

    machine: ClientTransaction
    flow: Flow
    data: bytes


@dataclass(slots=True)
class _Received:
    """A peer's request in its transaction."""

    machine: ServerTransaction
    flow: Flow
    """Where responses go."""
    request: Request
    """What a 100 copies from; _ANSWERED once the final response is there."""
    merge_key: tuple[str, ...] | None = None
    """Its place among the originals, if it has one."""
    response: bytes = b""
    """The last one."""


class Endpoint:
    """The transaction layer of one node: all its flows, both roles."""

    def __init__(self, *, allow: Sequence[str], branches: Callable[[], str] = new_branch) -> None:
        """allow: the methods that the users above serve, for the 405 to an INVITE."""
        self._allow = tuple(allow)
        self._branches = branches
        self._sent: dict[TransactionId, _Sent] = {}
        self._received: dict[TransactionId, _Received] = {}
        self._originals: set[tuple[str, ...]] = set()
        """Requests outside of dialogs by From tag, Call-ID and CSeq: what makes a merged request (§8.2.2.2)."""
        self._on_connection: dict[int, set[TransactionId]] = {}
        self._agenda: Agenda[TransactionId] = Agenda()

    # What comes from the network

    def receive(self, data: bytes, flow: Flow, now: float) -> list[Effect]:
        """Take one datagram, or one frame of a stream, that came on `flow`."""
        try:
            message = parse(data)
            if isinstance(message, Response):
                return self._receive_response(message, now)
            if message.method == "ACK":
                return []  # of an INVITE that was answered without state
            check(message)
        except SipSyntaxError as error:
            return self.refuse(error, flow)
        return self._receive_request(message, flow, now)

    def refuse(self, error: SipSyntaxError, flow: Flow) -> list[Effect]:
        """Answer what is no SIP message, without state, if an answer is due: also for errors of a StreamFramer."""
        if error.request is None:
            return []
        response = make_response(error.request, error.status_hint, reason=error.reason)
        try:
            via = _stamp_top(response, flow)
        except SipSyntaxError:
            try:
                via = Via.parse_hop(error.request.headers.get("Via") or "")
            except SipSyntaxError:
                return []  # nobody to answer to
        return [Transmit(routing.response_flow(via, flow), serialize(response))]

    def _receive_response(self, response: Response, now: float) -> list[Effect]:
        via = response.via
        transaction_id = TransactionId((via.branch or "", response.cseq.method))
        sent = self._sent.get(transaction_id)
        if sent is None or not routing.names_us(via, sent.flow) or len(response.headers.elements("Via")) > 1:
            return []  # a stray, or not for us (§18.1.2, §8.1.3.3)
        effects = sent.machine.receive(response.status, now)
        self._settle_sent(transaction_id, sent)
        return [ResponseReceived(transaction_id, response) for _ in effects]

    def _receive_request(self, request: Request, flow: Flow, now: float) -> list[Effect]:
        via = _stamp_top(request, flow)
        transaction_id = _server_key(request, via)
        known = self._received.get(transaction_id)
        if known is not None:
            return self._carry_out_received(transaction_id, known, known.machine.receive())
        back = routing.response_flow(via, flow)
        if request.method == "INVITE":
            response = make_response(request, 405, headers=[("Allow", ", ".join(self._allow))])
            return [Transmit(back, serialize(response))]
        received = _Received(ServerTransaction(reliable=flow.transport.reliable, now=now), back, request)
        self._received[transaction_id] = received
        self._watch(transaction_id, received)
        if request.method == "CANCEL":
            found = any((*transaction_id[:2], method) in self._received for method in self._allow)
            return self.respond(transaction_id, make_response(request, 200 if found else 481), now)
        if not self._claim(received, request):
            return self.respond(transaction_id, make_response(request, 482), now)
        return [RequestReceived(transaction_id, request, flow)]

    # What comes from above

    def send(self, request: Request | Outgoing, flow: Flow, now: float) -> tuple[TransactionId, list[Effect]]:
        """Send a request in a transaction of its own; the endpoint adds the Via. Any method but INVITE and ACK."""
        if isinstance(request, Request):
            request = Outgoing.of(request)
        branch = self._branches()
        transaction_id = TransactionId((branch, request.method))
        data = request.written(routing.via_of(flow, branch))
        sent = _Sent(ClientTransaction(reliable=flow.transport.reliable, now=now), flow, data)
        self._sent[transaction_id] = sent
        self._watch(transaction_id, sent)
        return transaction_id, [Transmit(flow, data)]

    def respond(self, transaction_id: TransactionId, response: Response, now: float) -> list[Effect]:
        """Send the final response to a request; nothing happens if the client has given up since.

        Raises ValueError for a status that RFC 4320 forbids.
        """
        received = self._received.get(transaction_id)
        if received is None:
            return []
        data = serialize(response)  # first: a response that cannot be written leaves the transaction to another one
        effects = received.machine.respond(response.status, now)
        if effects:
            received.response = data
            received.request = _ANSWERED
        return self._carry_out_received(transaction_id, received, effects)

    # What comes from the clock and the shells

    def next_deadline(self) -> float | None:
        """When to call `expire` at the latest; a call at that time may find nothing to do."""
        return self._agenda.next()

    def expire(self, now: float) -> list[Effect]:
        """Fire all timers that are due by `now`."""
        effects: list[Effect] = []
        while (transaction_id := self._agenda.pop_due(now)) is not None:
            if (sent := self._sent.get(transaction_id)) is not None:
                effects += self._carry_out_sent(transaction_id, sent, sent.machine.expire(now))
                self._remind(transaction_id, sent)
            elif (received := self._received.get(transaction_id)) is not None:
                effects += self._carry_out_received(transaction_id, received, received.machine.expire(now))
                self._remind(transaction_id, received)
        return effects

    def flow_failed(self, flow: Flow) -> list[Effect]:
        """Take word that nothing can be sent on this flow: a closed connection, an ICMP error (§17.1.4, §18.4)."""
        effects: list[Effect] = []
        for transaction_id in self._transactions_on(flow):
            if (sent := self._sent.get(transaction_id)) is not None:
                effects += self._carry_out_sent(transaction_id, sent, sent.machine.transport_failed())
            else:
                received = self._received[transaction_id]
                effects += self._carry_out_received(transaction_id, received, received.machine.transport_failed())
        return effects

    # Transactions

    def _watch(self, transaction_id: TransactionId, transaction: _Sent | _Received) -> None:
        """Take a new transaction into the agenda and the index of connections."""
        if transaction.flow.connection:
            self._on_connection.setdefault(transaction.flow.connection, set()).add(transaction_id)
        if len(self._agenda) > 2 * (len(self._sent) + len(self._received)) + _SLACK:
            self._agenda.keep(lambda key: key in self._sent or key in self._received)
        self._remind(transaction_id, transaction)

    def _remind(self, transaction_id: TransactionId, transaction: _Sent | _Received) -> None:
        """Look at the transaction again when its first timer fires; one entry each is enough (`Agenda`)."""
        deadline = transaction.machine.deadlines.next()
        if deadline is not None:
            self._agenda.add(deadline, transaction_id)

    def _carry_out_sent(
        self, transaction_id: TransactionId, sent: _Sent, effects: list[client_transaction.Effect]
    ) -> list[Effect]:
        carried_out: list[Effect] = []
        for effect in effects:
            match effect:
                case client_transaction.Effect.SEND:
                    carried_out.append(Transmit(sent.flow, sent.data))
                case client_transaction.Effect.TIMED_OUT:
                    carried_out.append(TimedOut(transaction_id))
                case _:
                    carried_out.append(TransportFailed(transaction_id))
        self._settle_sent(transaction_id, sent)
        return carried_out

    def _settle_sent(self, transaction_id: TransactionId, sent: _Sent) -> None:
        match sent.machine.state:
            case client_transaction.State.COMPLETED:
                sent.data = b""  # never sent again: many wait here for timer K
            case client_transaction.State.TERMINATED:
                del self._sent[transaction_id]
                self._leave_connection(transaction_id, sent.flow)
            case _:
                pass

    def _carry_out_received(
        self, transaction_id: TransactionId, received: _Received, effects: list[server_transaction.Effect]
    ) -> list[Effect]:
        carried_out: list[Effect] = []
        for effect in effects:
            match effect:
                case server_transaction.Effect.SEND:
                    carried_out.append(Transmit(received.flow, received.response))
                case server_transaction.Effect.SEND_TRYING:
                    received.response = serialize(make_response(received.request, 100))
                    carried_out.append(Transmit(received.flow, received.response))
                case _:
                    carried_out.append(TransportFailed(transaction_id))
        if received.machine.state is server_transaction.State.TERMINATED:
            del self._received[transaction_id]
            self._leave_connection(transaction_id, received.flow)
            if received.merge_key is not None:
                self._originals.discard(received.merge_key)
        return carried_out

    def _leave_connection(self, transaction_id: TransactionId, flow: Flow) -> None:
        if flow.connection:
            others = self._on_connection[flow.connection]
            others.discard(transaction_id)
            if not others:
                del self._on_connection[flow.connection]

    def _transactions_on(self, flow: Flow) -> list[TransactionId]:
        if flow.connection:
            return list(self._on_connection.get(flow.connection, ()))
        sent = [key for key, transaction in self._sent.items() if transaction.flow == flow]
        return sent + [key for key, transaction in self._received.items() if transaction.flow == flow]

    def _claim(self, received: _Received, request: Request) -> bool:
        """Note a request outside of a dialog as the original of what may arrive by other paths; False if it is such a
        copy itself (§8.2.2.2).
        """
        if request.to.tag is not None:
            return True
        key = (request.call_id, request.from_.tag or "", str(request.cseq))
        if key in self._originals:
            return False
        self._originals.add(key)
        received.merge_key = key
        return True


def _stamp_top(message: Request | Response, flow: Flow) -> Via:
    """Stamp the topmost Via with where the message came from, in its headers too."""
    via = routing.stamp(message.via, flow.remote)
    first, *others = message.headers.get_all("Via")
    message.headers.set_all("Via", [", ".join([str(via), *split_list(first)[1:]]), *others])
    return via


def _server_key(request: Request, via: Via) -> TransactionId:
    """What retransmissions of a request share, and other requests don't (§17.2.3)."""
    branch = via.branch or ""
    if branch.startswith(MAGIC_COOKIE) and branch != MAGIC_COOKIE:
        return TransactionId((branch, via.sent_by.lower(), request.method))
    tags = (request.to.tag or "", request.from_.tag or "")
    return TransactionId((request.uri, *tags, request.call_id, str(request.cseq), str(via)))
