"""What holds for any bytes: nothing but SipSyntaxError leaves the codec, what is written is read again, all readers
agree, and the endpoint answers with SIP or not at all."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING

from abserver.sip import stun
from abserver.sip.codec import KeepAlive, Limits, StreamFramer, parse, serialize
from abserver.sip.effects import RequestReceived, Transmit
from abserver.sip.endpoint import Endpoint
from abserver.sip.errors import SipSyntaxError
from abserver.sip.headers import CSeq, Event, MediaType, NameAddr, SubscriptionState, Via, parse_seconds
from abserver.sip.message import Message, Response
from abserver.sip.plain import read_plain
from abserver.sip.transport import Address, Flow, Transport
from abserver.sip.uas import Capabilities, inspect, make_response
from abserver.sip.uri import SipUri
from abserver.sip.websocket import WebSocketFramer
from tests.support.websocket import BINARY, frame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

UDP = Flow(Transport.UDP, Address("192.0.2.10", 5060), Address("192.0.2.4", 5060))
TCP = Flow(Transport.TCP, Address("2001:db8::10", 5060), Address("2001:db8::4", 5060), 1)
SERVER = Capabilities(("SUBSCRIBE", "OPTIONS", "REGISTER"), body_types=("application/simple-filter+xml",))

ECHO = Limits(head=2**20, line=2**20, fields=2**20)
"""An answer to what is too large repeats the fields that it has to."""
MORE = 512
"""Bytes that an answer may have beyond twice its request (`v:` is written `Via: `): little for who forges."""

_VALUES = (Via, NameAddr, CSeq, Event, SubscriptionState, MediaType, SipUri)
PARSERS: Sequence[Callable[[str], object]] = [each.parse for each in _VALUES]
"""Those of which each value is written as it is read."""


def everything(data: bytes) -> None:
    """All that follows."""
    codec(data)
    framer(data)
    plain(data)
    endpoint(data)
    stun.answer(data, UDP.remote)
    websocket(data)
    websocket(frame(BINARY, data[:4096]))


def codec(data: bytes) -> None:
    """What is read is written, and read again as the same message, in the same bytes; fields are values or errors."""
    try:
        message = parse(data)
    except SipSyntaxError:
        return
    written = serialize(message)
    again = parse(written)
    assert again == message, "another message"
    assert serialize(again) == written, "other bytes"
    fields(message)


def fields(message: Message) -> None:
    """The typed fields, and the values of each parser by their own text."""
    for name in ("via", "from_", "to", "call_id", "cseq", "contact", "event", "expires", "content_type", "accept"):
        with suppress(SipSyntaxError):
            getattr(message, name)
    with suppress(SipSyntaxError):
        message.option_tags("Supported")
    for _, value in message.headers:
        with suppress(SipSyntaxError):
            parse_seconds(value)
        for read in PARSERS:
            try:
                found = read(value)
            except SipSyntaxError:
                continue
            assert read(str(found)) == found, f"{read.__qualname__} reads its own {found} as another value"


def framer(data: bytes) -> None:
    """A stream gives the same frames and the same error however it is cut."""
    whole = _frames([data])
    cuts = sorted({0, 1, len(data) // 3, len(data) // 2, max(0, len(data) - 1), len(data)})
    pieces = [data[start:end] for start, end in pairwise(cuts)]
    assert _messages(_frames(pieces)) == _messages(whole), "other frames"


def _frames(pieces: Sequence[bytes]) -> list[bytes | KeepAlive | str]:
    stream, found = StreamFramer(), list[bytes | KeepAlive | str]()
    try:
        for piece in pieces:
            found.extend(stream.feed(piece))
    except SipSyntaxError as error:
        found.append(error.reason)
    return found


def _messages(frames: list[bytes | KeepAlive | str]) -> list[bytes | KeepAlive | str]:
    """Without keep-alives: a ping that is cut in two is told as a pong first."""
    return [frame for frame in frames if not isinstance(frame, KeepAlive)]


def websocket(data: bytes) -> None:
    """The same for what comes by WebSocket."""
    half = len(data) // 2
    whole, *pieces = [[data], [data[:half], data[half:]], [data[:1], data[1:7], data[7:]]]
    for cut in pieces:
        assert _carried(cut) == _carried(whole), "other messages"


def _carried(pieces: Sequence[bytes]) -> list[bytes]:
    stream = WebSocketFramer()
    return [found for piece in pieces for found in stream.feed(piece) if isinstance(found, bytes)]


def plain(data: bytes) -> None:
    """What the one-look reader reads, the codec reads alike."""
    found = read_plain(data)
    if found is not None:
        expected = parse(data)
        assert found.response == expected
        assert (found.branch, found.method) == (expected.via.branch, expected.cseq.method)


def endpoint(data: bytes) -> None:
    """Over UDP and TCP: an answer of ours, a request for the user, or silence; and never a lasting fault."""
    for flow in (UDP, TCP):
        here = Endpoint(allow=SERVER.methods)
        for effect in here.receive(data, flow, 0.0):
            if isinstance(effect, RequestReceived):
                refusal = inspect(effect.request, SERVER) or make_response(effect.request, 200)
                (effect,) = here.respond(effect.transaction_id, refusal, 0.0)
            assert isinstance(effect, Transmit), effect
            answer = parse(effect.data.decode(errors="replace").encode(), ECHO)
            assert isinstance(answer, Response)
            assert len(effect.data) <= 2 * len(data) + MORE, "an answer much larger than what it answers"
        here.expire(100.0)
        here.expire(200.0)
        assert here.next_deadline() is None
