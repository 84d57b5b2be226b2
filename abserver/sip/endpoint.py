"""One SIP endpoint without its sockets: bytes and `now` in, effects out (RFC 3261 §17, §18).

It parses, keeps the transactions of both sides, matches what comes to them, and answers by itself what needs no user:
broken requests (400), merged ones (482), INVITE (405, without state), CANCEL. ACK and strays are dropped. A gate, if
there is one, has what is too much refused (503, without state) or dropped.

A client transaction is forgotten with its final response, though Figure 6 keeps it in Completed until timer K. All that
Completed does is to drop responses, and a response that fits no transaction is dropped as well (§18.1.2), so nobody can
tell the difference; but in a large fan-out a hundred thousand would lie here at a time.

Laws: every request that `send` took ends in exactly one of ResponseReceived with a final response, TimedOut and
TransportFailed. No bytes from a peer raise anything here. All timers of all transactions are behind one deadline.
"""

from __future__ import annotations

import math
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
    TransmitAnew,
    TransportFailed,
)
from abserver.sip.errors import SipSyntaxError
from abserver.sip.grammar import split_list
from abserver.sip.headers import MAGIC_COOKIE, Via
from abserver.sip.identifiers import new_branch
from abserver.sip.message import Request, Response
from abserver.sip.outgoing import Outgoing
from abserver.sip.plain import read_plain
from abserver.sip.server_transaction import ServerTransaction
from abserver.sip.sources import Verdict
from abserver.sip.timers import Agenda
from abserver.sip.transport import WEBSOCKETS
from abserver.sip.uas import allow, check, make_response

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from abserver.sip.gate import Gate
    from abserver.sip.transport import Flow
    from abserver.sip.uas import Mandatory

MAX_RECEIVED = 262_144
"""Transactions of peers at once: timer J keeps each for 32 s over UDP, so this is 8,000 requests in a second."""
MAX_KEPT = 256 * 1024 * 1024
"""Bytes of responses that are kept for retransmitted requests."""
BUSY_SECONDS = "32"
"""Retry-After of the 503 beyond these bounds: until timer J has freed all that is kept now."""

_SLACK = 4096
"""Entries of finished transactions that the agenda may hold beyond those that live, before it is swept."""

_ANSWERED = Request("", "")
"""Takes the place of a request that nothing copies from any more: many wait for timer J."""


class _Sent(ClientTransaction):
    """A request of ours in its transaction."""

    __slots__ = ("data", "flow", "hop", "id")

    def __init__(self, transaction_id: TransactionId, flow: Flow, hop: str, data: bytes, now: float) -> None:
        ClientTransaction.__init__(self, reliable=flow.transport.reliable, now=now)
        self.id = transaction_id
        self.flow = flow
        self.hop = hop
        """What names us in the Via (§18.1.2)."""
        self.data = data


class _Received(ServerTransaction):
    """A peer's request in its transaction."""

    __slots__ = ("cut_off", "flow", "id", "merge_key", "request", "response", "via")

    def __init__(self, transaction_id: TransactionId, flow: Flow, via: Via, request: Request, now: float) -> None:
        ServerTransaction.__init__(self, reliable=flow.transport.reliable, now=now)
        self.cut_off = False
        """Whether the connection of the request is gone."""
        self.via = via if flow.connection else None
        """The topmost, for when that happens."""
        self.id = transaction_id
        self.flow = flow
        """Where responses go."""
        self.request = request
        """What a 100 copies from; _ANSWERED once the final response is there."""
        self.merge_key: int | None = None
        """Its place among the originals, if it has one."""
        self.response = b""
        """The last one."""


class Endpoint:
    """The transaction layer of one node: all its flows, both roles."""

    def __init__(
        self, *, allow: Sequence[str], branches: Callable[[], str] = new_branch, gate: Gate | None = None
    ) -> None:
        """allow: the methods that the users above serve, for the 405 to an INVITE. gate: None lets everything in."""
        self._allow = tuple(allow)
        self._gate = gate
        self._branches = branches
        self._sent: dict[TransactionId, _Sent] = {}
        self._received: dict[TransactionId, _Received] = {}
        self._kept = 0
        """Bytes of responses in them."""
        self._originals: set[int] = set()
        """Requests outside of dialogs by hash of From tag, Call-ID and CSeq: what makes a merged request (§8.2.2.2)."""
        self._on_connection: dict[int, set[_Sent | _Received]] = {}
        self._agenda: Agenda[_Sent | _Received] = Agenda()

    # What comes from the network

    def receive(self, data: bytes, flow: Flow, now: float) -> list[Effect]:
        """Take one datagram, or one frame of a stream, that came on `flow`."""
        plain = read_plain(data)
        if plain is not None:
            sent = self._sent.get(_client_key(plain.branch, plain.method))
            if sent is not None and sent.hop == plain.hop:
                return self._settle(sent, plain.response, now)
        try:
            message = parse(data)
            if isinstance(message, Response):
                return self._receive_response(message, now)
            if message.method == "ACK":
                return []  # of an INVITE that was answered without state
            fields = check(message)
        except SipSyntaxError as error:
            return self.refuse(error, flow) if self._gate is None or self._gate.hears(flow, now) else []
        return self._receive_request(message, fields, flow, now)

    def refuse(self, error: SipSyntaxError, flow: Flow) -> list[Effect]:
        """Answer what is no SIP message, without state, if an answer is due: also for errors of a StreamFramer."""
        if error.request is None:
            return []
        response = make_response(error.request, error.status_hint, reason=error.reason)
        try:
            via = _stamp_top(response, response.via, flow)
        except SipSyntaxError:
            try:
                via = Via.parse_hop(error.request.headers.get("Via") or "")
            except SipSyntaxError:
                return []  # nobody to answer to
        return [Transmit(routing.response_flow(via, flow), serialize(response))]

    def _receive_response(self, response: Response, now: float) -> list[Effect]:
        via = response.via
        sent = self._sent.get(_client_key(via.branch or "", response.cseq.method))
        if sent is None or not routing.names_us(via, sent.flow) or len(response.headers.elements("Via")) > 1:
            return []  # a stray, or not for us (§18.1.2, §8.1.3.3)
        return self._settle(sent, response, now)

    def _settle(self, sent: _Sent, response: Response, now: float) -> list[Effect]:
        """Pass a response up, and forget the transaction if that was the final one."""
        sent.receive(response.status, now)
        if sent.state is not client_transaction.State.PROCEEDING:
            self._forget_sent(sent)
        return [ResponseReceived(sent.id, response)]

    def _receive_request(self, request: Request, fields: Mandatory, flow: Flow, now: float) -> list[Effect]:
        via = _stamp_top(request, fields.via, flow)
        transaction_id = _server_key(request, fields, via, request.method)
        known = self._received.get(transaction_id)
        if known is not None:
            heard = self._gate is None or self._gate.hears(flow, now)
            return self._carry_out_received(known, known.receive()) if heard else []
        back = routing.response_flow(via, flow)
        if self._gate is not None:
            verdict = self._gate.judge(request, fields, flow, now)
            _put_on_top(request, via, self._gate.answered(via, flow))
            if verdict is Verdict.REFUSE:
                return [Transmit(back, serialize(self._gate.refusal(request, flow)))]
            if verdict is Verdict.IGNORE:
                return []
        if request.method == "INVITE":
            response = make_response(request, 405, headers=[("Allow", allow(self._allow))])
            return [Transmit(back, serialize(response))]
        if len(self._received) >= MAX_RECEIVED or self._kept >= MAX_KEPT:
            response = make_response(request, 503, headers=[("Retry-After", BUSY_SECONDS)])
            return [Transmit(back, serialize(response))]
        received = _Received(transaction_id, back, via, request, now)
        self._received[transaction_id] = received
        self._watch(received)
        if request.method == "CANCEL":
            found = any(_server_key(request, fields, via, method) in self._received for method in self._allow)
            return self.respond(transaction_id, make_response(request, 200 if found else 481), now)
        if not self._claim(received, fields):
            return self.respond(transaction_id, make_response(request, 482), now)
        return [RequestReceived(transaction_id, request, flow)]

    # What comes from above

    def send(self, request: Request | Outgoing, flow: Flow, now: float) -> tuple[TransactionId, list[Effect]]:
        """Send a request in a transaction of its own; the endpoint adds the Via. Any method but INVITE and ACK.

        Raises ValueError for a line break within a field, SipSyntaxError for a Route that is none.
        """
        if isinstance(request, Request):
            request = Outgoing.of(request)
        branch = self._branches()
        hop = routing.hop_of(flow.transport, flow.local)
        transaction_id = _client_key(branch, request.method)
        data = request.written(routing.via_of(hop, branch, flow))
        sent = _Sent(transaction_id, flow, hop, data, now)
        self._sent[transaction_id] = sent
        self._watch(sent)
        return transaction_id, [Transmit(flow, data)]

    def respond(self, transaction_id: TransactionId, response: Response, now: float) -> list[Effect]:
        """Send the final response to a request; nothing happens if the client has given up since.

        Raises ValueError for a status that RFC 4320 forbids.
        """
        received = self._received.get(transaction_id)
        if received is None:
            return []
        data = serialize(response)  # first: a response that cannot be written leaves the transaction to another one
        effects = received.respond(response.status, now)
        if effects:
            self._keep(received, data)
            received.request = _ANSWERED
        return self._carry_out_received(received, effects)

    # What comes from the clock and the shells

    def next_deadline(self) -> float | None:
        """When to call `expire` at the latest; a call at that time may find nothing to do."""
        deadline = self._agenda.next
        return None if deadline == math.inf else deadline

    def expire(self, now: float) -> list[Effect]:
        """Fire all timers that are due by `now`."""
        effects: list[Effect] = []
        for transaction in self._agenda.take_due(now):
            if isinstance(transaction, _Sent):
                if transaction.id in self._sent:
                    effects += self._carry_out_sent(transaction, transaction.expire(now))
                    self._agenda.add(transaction.next_deadline(), transaction)
            elif transaction.state is not server_transaction.State.TERMINATED:
                effects += self._carry_out_received(transaction, transaction.expire(now))
                self._agenda.add(transaction.next_deadline(), transaction)
        return effects

    def flow_failed(self, flow: Flow) -> list[Effect]:
        """Take word that nothing can be sent on this flow: a closed connection, an ICMP error (§17.1.4, §18.4).

        A request that came on a connection stays, and its response goes by another one (§18.2.2).
        """
        effects: list[Effect] = []
        for transaction in self._transactions_on(flow):
            if isinstance(transaction, _Sent):
                effects += self._carry_out_sent(transaction, transaction.transport_failed())
            elif flow.connection:
                transaction.cut_off = True
            else:
                effects += self._carry_out_received(transaction, transaction.transport_failed())
        return effects

    # Transactions

    def _watch(self, transaction: _Sent | _Received) -> None:
        """Take a new transaction into the agenda and the index of connections."""
        if transaction.flow.connection:
            self._on_connection.setdefault(transaction.flow.connection, set()).add(transaction)
        if len(self._agenda) > 2 * (len(self._sent) + len(self._received)) + _SLACK:
            self._agenda.keep(self._lives)
        self._agenda.add(transaction.next_deadline(), transaction)

    def _lives(self, transaction: _Sent | _Received) -> bool:
        return transaction.id in (self._sent if isinstance(transaction, _Sent) else self._received)

    def _carry_out_sent(self, sent: _Sent, effects: list[client_transaction.Effect]) -> list[Effect]:
        carried_out: list[Effect] = []
        for effect in effects:
            match effect:
                case client_transaction.Effect.SEND:
                    carried_out.append(Transmit(sent.flow, sent.data))
                case client_transaction.Effect.TIMED_OUT:
                    carried_out.append(TimedOut(sent.id))
                case _:
                    carried_out.append(TransportFailed(sent.id))
        if sent.state is client_transaction.State.TERMINATED:
            self._forget_sent(sent)
        return carried_out

    def _forget_sent(self, sent: _Sent) -> None:
        del self._sent[sent.id]
        sent.data = b""  # the agenda may hold it for a while
        self._leave_connection(sent)

    def _carry_out_received(self, received: _Received, effects: list[server_transaction.Effect]) -> list[Effect]:
        carried_out: list[Effect] = []
        for effect in effects:
            match effect:
                case server_transaction.Effect.SEND:
                    carried_out += _answer(received)
                case server_transaction.Effect.SEND_TRYING:
                    self._keep(received, serialize(_trying(received.request)))
                    if not received.cut_off:  # no connection is worth a 100
                        carried_out.append(Transmit(received.flow, received.response))
                case _:
                    carried_out.append(TransportFailed(received.id))
        if received.state is server_transaction.State.TERMINATED:
            self._forget_received(received)
        return carried_out

    def _keep(self, received: _Received, data: bytes) -> None:
        """Make this the last response."""
        self._kept += len(data) - len(received.response)
        received.response = data

    def _forget_received(self, received: _Received) -> None:
        del self._received[received.id]
        self._keep(received, b"")
        received.request = _ANSWERED
        self._leave_connection(received)
        if received.merge_key is not None:
            self._originals.discard(received.merge_key)

    def _leave_connection(self, transaction: _Sent | _Received) -> None:
        connection = transaction.flow.connection
        if connection:
            others = self._on_connection[connection]
            others.discard(transaction)
            if not others:
                del self._on_connection[connection]

    def _transactions_on(self, flow: Flow) -> list[_Sent | _Received]:
        if flow.connection:
            return list(self._on_connection.get(flow.connection, ()))
        every: list[_Sent | _Received] = [*self._sent.values(), *self._received.values()]
        return [transaction for transaction in every if transaction.flow == flow]

    def _claim(self, received: _Received, fields: Mandatory) -> bool:
        """Note a request outside of a dialog as the original of what may arrive by other paths; False if it is such a
        copy itself (§8.2.2.2). A hash is enough: nobody outside knows its key, and two that are equal by chance cost a
        client a second attempt.
        """
        if fields.to.tag is not None:
            return True
        key = hash((fields.call_id, fields.from_.tag, fields.cseq.number, fields.cseq.method))
        if key in self._originals:
            return False
        self._originals.add(key)
        received.merge_key = key
        return True


def _trying(request: Request) -> Response:
    """The 100; a Timestamp tells how long it took (§8.2.6.1)."""
    response = make_response(request, 100)
    sent_at = (response.headers.get("Timestamp") or "").split()
    if sent_at:
        response.headers.set("Timestamp", f"{sent_at[0]} {server_transaction.TRYING_DELAY}")
    return response


def _answer(received: _Received) -> list[Effect]:
    """Send the last response, by another connection if its own is gone."""
    if not received.cut_off or received.via is None:
        return [Transmit(received.flow, received.response)]
    remote, transport = routing.other_way(received.via, received.flow), received.flow.transport
    return [] if remote is None else [TransmitAnew(transport, remote, received.via.host, received.response)]


def _stamp_top(message: Request | Response, via: Via, flow: Flow) -> Via:
    """Stamp the topmost Via with where the message came from, in its headers too.

    Not on a WebSocket: responses need its connection and nothing else, and where that comes from, the addresses of HTTP
    proxies among it, is not the client's business (RFC 7118 §5.3).
    """
    if flow.transport in WEBSOCKETS:
        return via
    stamped = routing.stamp(via, flow.remote)
    _put_on_top(message, via, stamped)
    return stamped


def _put_on_top(message: Request | Response, via: Via, other: Via) -> None:
    """Write another topmost Via, unless it is the one that is there."""
    if other is not via:
        first, *others = message.headers.get_all("Via")
        message.headers.set_all("Via", [", ".join([str(other), *split_list(first)[1:]]), *others])


def _client_key(branch: str, method: str) -> TransactionId:
    """What a response is matched by (§17.1.3)."""
    return TransactionId(f"{branch} {method}")


def _server_key(request: Request, fields: Mandatory, via: Via, method: str) -> TransactionId:
    """What retransmissions of a request share, and other requests don't (§17.2.3); with the method of another request,
    what that one would have.
    """
    branch = via.branch or ""
    if branch.startswith(MAGIC_COOKIE) and branch != MAGIC_COOKIE:
        return TransactionId(f"{branch} {via.sent_by.lower()} {method}")
    tags = (fields.to.tag or "", fields.from_.tag or "")
    parts = (request.uri, *tags, fields.call_id, str(fields.cseq.number), method, str(via))
    return TransactionId("\n".join(parts))
