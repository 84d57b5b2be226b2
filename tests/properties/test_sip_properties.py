"""SIP properties: what is written is read again, no bytes do harm, every request of ours has exactly one outcome."""

from __future__ import annotations

import itertools
import math
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abserver.sip import client_transaction, server_transaction
from abserver.sip.client_transaction import ClientTransaction
from abserver.sip.codec import KeepAlive, StreamFramer, parse, serialize
from abserver.sip.effects import RequestReceived, ResponseReceived, TimedOut, Transmit, TransportFailed
from abserver.sip.endpoint import Endpoint
from abserver.sip.errors import SipSyntaxError
from abserver.sip.headers import CSeq, Event, MediaType, NameAddr, SubscriptionState, Via
from abserver.sip.message import Headers, Message, Request, Response
from abserver.sip.server_transaction import ServerTransaction
from abserver.sip.transport import Address, Flow, Transport
from abserver.sip.uas import Capabilities, inspect, make_response
from abserver.sip.uri import SipUri

if TYPE_CHECKING:
    from collections.abc import Callable

    from abserver.sip.effects import Effect

UDP = Flow(Transport.UDP, Address("192.0.2.10", 5060), Address("192.0.2.4", 5060))
TCP = Flow(Transport.TCP, Address("192.0.2.10", 5060), Address("192.0.2.4", 5060), 1)
SAMPLES = [path.read_bytes() for path in sorted((Path(__file__).parents[1] / "data" / "rfc4475").glob("*.dat"))]

token = st.text("abcXYZ019-.!%*_+`'~", min_size=1, max_size=8)
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=20)
value = text.map(lambda written: written.strip(" \t"))
name = token.filter(lambda written: written.lower() not in ("l", "content-length"))
headers = st.lists(st.tuples(name, value), max_size=8).map(Headers)
uri = st.tuples(token, st.text("abc019.:@;=?/[]%", min_size=1, max_size=12)).map(lambda parts: f"x:{''.join(parts)}")
quoted = text.map(lambda written: '"' + written.replace("\\", "\\\\").replace('"', '\\"') + '"')
params = st.dictionaries(token.map(str.lower), st.none() | token | quoted, max_size=3)
messages: st.SearchStrategy[Message] = st.builds(Request, token, uri, headers, st.binary(max_size=40)) | st.builds(
    Response, st.integers(100, 699), text, headers, st.binary(max_size=40)
)


@given(messages)
def test_what_is_written_is_read_again(message: Message) -> None:
    assert parse(serialize(message)) == message


@given(st.lists(messages | st.just(KeepAlive.PING), max_size=4), st.lists(st.integers(0, 400), max_size=6))
def test_a_stream_gives_its_messages_however_it_is_cut(sent: list[Message | KeepAlive], cuts: list[int]) -> None:
    stream = b"".join(b"\r\n\r\n" if isinstance(item, KeepAlive) else serialize(item) for item in sent)
    framer = StreamFramer()
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    frames = [frame for start, end in itertools.pairwise(places) for frame in framer.feed(stream[start:end])]
    got = [frame if isinstance(frame, KeepAlive) else parse(frame) for frame in frames if frame is not KeepAlive.PONG]
    assert got == sent


host = st.sampled_from(["a.example.com", "192.0.2.1", "[2001:db8::1]", "x_y"])
port = st.none() | st.integers(0, 65535)
VALUES = (
    st.builds(Via, token.map(str.upper), host, port, params)
    | st.builds(NameAddr, uri, value.filter(lambda display: "\x00" not in display), params)
    | st.builds(CSeq, st.integers(0, 2**31 - 1), token)
    | st.builds(Event, token, st.none() | token, params.map(lambda some: {k: v for k, v in some.items() if k != "id"}))
    | st.builds(SubscriptionState, token.map(str.lower), *[st.none() | st.integers(0, 2**32 - 1)])
    | st.builds(
        MediaType,
        token.map(str.lower),
        token.map(str.lower),
        params.map(lambda some: {k: v for k, v in some.items() if k != "q"}),
        st.sampled_from([0.0, 0.001, 0.5, 1.0]),
    )
    | st.builds(
        SipUri,
        st.sampled_from(["sip", "sips"]),
        st.none() | st.just("al;ice?:x%20"),
        host,
        port,
        st.dictionaries(st.sampled_from(["lr", "transport"]), st.none() | st.just("tcp")),
        st.just("") | st.just("a=b?c"),
    )
)


@given(VALUES)
def test_a_typed_value_that_is_written_is_read_again(
    one: Via | NameAddr | CSeq | Event | SubscriptionState | MediaType | SipUri,
) -> None:
    assert type(one).parse(str(one)) == one


PARSERS: list[Callable[[str], object]] = [
    Via.parse,
    Via.parse_hop,
    NameAddr.parse,
    NameAddr.parse_list,
    CSeq.parse,
    Event.parse,
    SubscriptionState.parse,
    MediaType.parse,
    MediaType.parse_list,
    SipUri.parse,
]


@pytest.mark.parametrize("parse_value", PARSERS, ids=lambda parser: parser.__qualname__)
@given(st.text('ab0;,="\\<>:@/ \t[]%?*.', max_size=30) | st.text(max_size=30))
@settings(max_examples=60)
def test_no_text_raises_anything_but_a_syntax_error(parse_value: Callable[[str], object], garbage: str) -> None:
    with suppress(SipSyntaxError):
        parse_value(garbage)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A torture message with some of its bytes replaced, or no message at all."""
    data = bytearray(draw(st.sampled_from(SAMPLES)))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(data) - 1))
        data[place : place + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(data)


@given(damaged() | st.binary(max_size=200), st.sampled_from([UDP, TCP]))
@settings(max_examples=300)
def test_no_bytes_harm_the_endpoint_and_every_answer_is_sip(data: bytes, flow: Flow) -> None:
    endpoint = Endpoint(allow=("SUBSCRIBE",))
    for effect in endpoint.receive(data, flow, 0.0):
        match effect:
            case Transmit(_, answer):
                response = parse_leniently(answer)
                assert isinstance(response, Response)
                assert response.status in (400, 405, 413, 481, 505, 513)
            case RequestReceived(transaction_id, request, _):
                refusal = inspect(request, Capabilities(("SUBSCRIBE", "OPTIONS", "REGISTER")))
                assert endpoint.respond(transaction_id, refusal or make_response(request, 200), 0.0)
            case _:
                pytest.fail(f"{effect} out of nothing")


def parse_leniently(answer: bytes) -> Message:
    """An answer echoes bytes of its request that need not be UTF-8."""
    return parse(answer.decode(errors="replace").encode())


@given(damaged() | st.binary(max_size=200))
def test_no_bytes_harm_the_framer(data: bytes) -> None:
    try:
        frames = list(StreamFramer().feed(data))
    except SipSyntaxError:
        return
    assert sum(len(frame) for frame in frames if isinstance(frame, bytes)) <= len(data)


# A step is a pause in seconds, then a status from the peer, a failed transport (None), or nothing but the pause (0).
steps = st.lists(st.tuples(st.floats(0, 20), st.none() | st.sampled_from([0, 100, 180, 200, 404, 503])), max_size=12)


@given(steps, st.booleans())
def test_any_order_of_inputs_gives_a_client_transaction_exactly_one_outcome(
    inputs: list[tuple[float, int | None]], reliable: bool
) -> None:
    now = 0.0
    machine = ClientTransaction(reliable=reliable, now=now)
    outcomes: list[str] = []
    for pause, step in [*inputs, (100.0, 0)]:
        now += pause
        outcomes += ["over" for effect in machine.expire(now) if effect is client_transaction.Effect.TIMED_OUT]
        if step is None:
            outcomes += ["over" for _ in machine.transport_failed()]
        elif step:
            outcomes += ["over" for _ in machine.receive(step, now) if step >= 200]
    assert outcomes == ["over"]
    machine.expire(now + 100)
    assert machine.state is client_transaction.State.TERMINATED
    assert machine.next_deadline() == math.inf


@given(steps, st.booleans())
def test_any_order_of_inputs_ends_a_server_transaction_and_never_changes_its_answer(
    inputs: list[tuple[float, int | None]], reliable: bool
) -> None:
    now = 0.0
    machine = ServerTransaction(reliable=reliable, now=now)
    finals = 0
    for pause, step in inputs:
        now += pause
        machine.expire(now)
        if step is None:
            machine.transport_failed()
        elif step >= 200:
            finals += len(machine.respond(step, now))
        else:
            assert machine.receive() in ([], [server_transaction.Effect.SEND])
    assert finals <= 1
    machine.expire(now + 100)
    machine.expire(now + 200)
    assert machine.state is server_transaction.State.TERMINATED


@given(
    st.lists(
        st.tuples(st.floats(0.01, 6), st.sampled_from(["deliver", "lose", "duplicate", "answer", "fail"])), max_size=30
    ),
    st.sampled_from([UDP, TCP]),
)
def test_two_endpoints_over_a_bad_network_agree_on_one_outcome(script: list[tuple[float, str]], flow: Flow) -> None:
    """Whatever is lost, doubled or late: the client's user hears one outcome, the server's user one request."""
    net = Network(flow)
    for pause, action in script:
        net.step(pause, action)
    net.finish()
    assert len(net.outcomes) == 1
    assert net.requests <= 1 or flow is TCP  # over a connection a network doubles nothing
    assert net.client.next_deadline() is None
    assert net.server.next_deadline() is None


class Network:
    """A client and a server endpoint, what is under way between them, and one clock."""

    def __init__(self, flow: Flow) -> None:
        self.now = 0.0
        self.flow = flow
        self.client, self.server = Endpoint(allow=()), Endpoint(allow=("SUBSCRIBE",))
        self.there: list[bytes] = []
        self.back: list[bytes] = []
        self.unanswered: list[RequestReceived] = []
        self.outcomes: list[Effect] = []
        self.requests = 0
        fields = [("From", "<sip:b>;tag=1"), ("To", "<sip:a>"), ("Call-ID", "c"), ("CSeq", "1 SUBSCRIBE")]
        _, effects = self.client.send(Request("SUBSCRIBE", "sip:a", Headers(fields)), flow, 0.0)
        self.at_client(effects)

    def at_client(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Transmit(_, data):
                    self.there.append(data)
                case ResponseReceived(_, response) if response.status < 200:
                    pass
                case ResponseReceived() | TimedOut() | TransportFailed():
                    self.outcomes.append(effect)

    def at_server(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Transmit(_, data):
                    self.back.append(data)
                case RequestReceived():
                    self.unanswered.append(effect)
                    self.requests += 1

    def step(self, pause: float, action: str) -> None:
        self.now += pause
        self.at_client(self.client.expire(self.now))
        self.at_server(self.server.expire(self.now))
        times = {"deliver": 1, "lose": 0, "duplicate": 1 if self.flow is TCP else 2}.get(action)
        if times is not None:
            there, self.there, back, self.back = self.there, [], self.back, []
            for data in there * times:
                self.at_server(self.server.receive(data, self.flow, self.now))
            for data in back * times:
                self.at_client(self.client.receive(data, self.flow, self.now))
        elif action == "answer" and self.unanswered:
            up = self.unanswered.pop()
            self.at_server(self.server.respond(up.transaction_id, make_response(up.request, 200), self.now))
        elif action == "fail":
            self.at_client(self.client.flow_failed(self.flow))

    def finish(self) -> None:
        for _ in range(4):
            self.step(100.0, "lose")
