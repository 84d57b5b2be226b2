"""SIP over WebSocket without sockets: the handshake of RFC 7118 §4.1 and RFC 6455 §4.2, and messages out of frames."""

from __future__ import annotations

import struct

import pytest
from wsproto.events import BytesMessage, Ping, Pong, TextMessage
from wsproto.frame_protocol import CloseReason

from abserver.sip.codec import PING_BYTES, PONG_BYTES, KeepAlive, Limits, parse
from abserver.sip.websocket import Handshake, Reply, WebSocketFramer, answer_handshake
from tests.support.websocket import (
    ACCEPT,
    BINARY,
    CLOSE,
    CONTINUATION,
    HANDSHAKE,
    PING,
    PONG,
    TEXT,
    Listener,
    close_frame,
    code_of,
    frame,
    without,
)

MESSAGE = "MESSAGE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bK1\r\n\r\nGrüße".encode()
SMALL = Limits(head=100, body=28)


def answer(fields: list[tuple[bytes, bytes]] | None = None, **origins: set[str]) -> Handshake:
    handshake = answer_handshake(b"GET", HANDSHAKE if fields is None else fields, origins.get("origins", set()))
    assert handshake is not None
    return handshake


class TestHandshake:
    def test_the_handshake_of_the_rfc_is_answered_as_the_rfc_does(self) -> None:
        """RFC 7118 §4.1."""
        assert answer() == Handshake(
            101,
            (
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Accept", ACCEPT),
                ("Sec-WebSocket-Protocol", "sip"),
            ),
        )

    def test_an_offer_of_another_protocol_is_none_of_ours(self) -> None:
        assert answer_handshake(b"GET", [*without(b"upgrade"), (b"upgrade", b"h2c")], ()) is None
        assert answer_handshake(b"GET", without(b"upgrade"), ()) is None

    def test_names_of_protocol_and_connection_are_read_whatever_their_case(self) -> None:
        """RFC 6455 §4.2.1, 3 and 4; Firefox sends `keep-alive, Upgrade`."""
        own = [(b"upgrade", b"h2c, WebSocket"), (b"connection", b"keep-alive, uPGRADE")]
        assert answer([*(each for each in without(b"upgrade") if each[0] != b"connection"), *own]).status == 101

    def test_sip_may_be_one_of_several_subprotocols(self) -> None:
        """RFC 6455 §4.2.1, 8; they may also be spread over fields (§11.3.4)."""
        fields = [*without(b"sec-websocket-protocol"), (b"sec-websocket-protocol", b"xmpp , msrp,sip")]
        assert answer(fields).status == 101
        spread = [(b"sec-websocket-protocol", each) for each in (b"xmpp", b"sip")]
        assert answer([*without(b"sec-websocket-protocol"), *spread]).status == 101

    @pytest.mark.parametrize("named", [[], [b"xmpp"], [b"SIP"], [b"sipx"], [b""]])
    def test_without_the_subprotocol_sip_it_is_refused(self, named: list[bytes]) -> None:
        """RFC 7118 §4.1: the client MUST name it. Nothing is named that the client did not (RFC 6455 §4.2.2)."""
        refusal = answer([*without(b"sec-websocket-protocol"), *((b"sec-websocket-protocol", each) for each in named)])
        assert refusal == Handshake(400, (), "Sec-WebSocket-Protocol does not name sip")

    @pytest.mark.parametrize("versions", [[], [b"8"], [b"13, 8"], [b"13", b"13"]])
    def test_another_version_is_told_the_one_that_there_is(self, versions: list[bytes]) -> None:
        """RFC 6455 §4.2.2 /version/, §4.4."""
        refusal = answer([*without(b"sec-websocket-version"), *((b"sec-websocket-version", each) for each in versions)])
        assert refusal.status == 426
        assert ("Sec-WebSocket-Version", "13") in refusal.fields

    @pytest.mark.parametrize("name", [b"connection", b"host", b"sec-websocket-key"])
    def test_a_handshake_without_what_it_needs_is_refused(self, name: bytes) -> None:
        """RFC 6455 §4.2.1."""
        assert answer(without(name)).status == 400

    @pytest.mark.parametrize("name", [b"host", b"sec-websocket-key"])
    def test_a_field_that_is_there_once_is_not_there_twice(self, name: bytes) -> None:
        assert answer([*HANDSHAKE, *(field for field in HANDSHAKE if field[0] == name)]).status == 400

    @pytest.mark.parametrize("key", [b"", b"c2hvcnQ=", b"dGhlIHNhbXBsZSBub25jZQ", b"dGhlIHNhbXBsZSBub25jZQ=\xff"])
    def test_a_key_is_16_bytes_in_base64(self, key: bytes) -> None:
        """RFC 6455 §4.2.1, 5."""
        assert answer([*without(b"sec-websocket-key"), (b"sec-websocket-key", key)]).status == 400

    def test_only_get_opens_a_websocket(self) -> None:
        """RFC 6455 §4.2.1, 1."""
        refusal = answer_handshake(b"POST", HANDSHAKE, ())
        assert refusal is not None
        assert refusal.status == 400

    def test_pages_of_other_origins_are_refused_where_origins_are_named(self) -> None:
        """RFC 6455 §4.2.2 /origin/, §10.2."""
        assert answer(origins={"http://www.example.com"}).status == 101
        assert answer(origins={"https://www.example.com"}).status == 403
        assert (
            answer([*HANDSHAKE, (b"origin", b"http://evil.example")], origins={"http://www.example.com"}).status == 403
        )

    def test_a_client_that_is_no_browser_names_no_origin(self) -> None:
        """RFC 6455 §10.2."""
        assert answer(without(b"origin"), origins={"https://www.example.com"}).status == 101


class TestMessages:
    @pytest.mark.parametrize("opcode", [TEXT, BINARY])
    def test_one_message_of_either_kind_is_one_sip_message(self, opcode: int) -> None:
        """RFC 7118 §4.2, §5: it needs no Content-Length."""
        (message,) = WebSocketFramer().feed(frame(opcode, MESSAGE))
        assert message == MESSAGE
        assert parse(MESSAGE).body == "Grüße".encode()

    def test_a_message_cut_at_every_byte_is_the_same(self) -> None:
        data = frame(TEXT, MESSAGE) + frame(BINARY, MESSAGE)
        for cut in range(len(data)):
            framer = WebSocketFramer()
            assert [*framer.feed(data[:cut]), *framer.feed(data[cut:])] == [MESSAGE, MESSAGE]

    @pytest.mark.parametrize("opcode", [TEXT, BINARY])
    def test_fragments_of_every_size_make_the_same_message(self, opcode: int) -> None:
        """RFC 6455 §5.4; a character of UTF-8 may be in two of them."""
        for size in range(1, len(MESSAGE)):
            parts = [MESSAGE[at : at + size] for at in range(0, len(MESSAGE), size)]
            last = len(parts) - 1
            frames = (
                frame(CONTINUATION if place else opcode, part, fin=place == last) for place, part in enumerate(parts)
            )
            assert list(WebSocketFramer().feed(b"".join(frames))) == [MESSAGE]

    def test_control_frames_may_come_between_fragments(self) -> None:
        """RFC 6455 §5.4."""
        data = frame(TEXT, MESSAGE[:9], fin=False) + frame(PING, b"hi") + frame(CONTINUATION, MESSAGE[9:])
        pong, message = WebSocketFramer().feed(data)
        assert isinstance(pong, Reply)
        assert Listener().feed(pong.data) == [Pong(b"hi")]
        assert message == MESSAGE

    def test_a_message_is_pending_from_its_first_fragment_to_its_last(self) -> None:
        framer = WebSocketFramer()
        parts = (frame(TEXT, b"", fin=False), frame(PING), frame(CONTINUATION, MESSAGE))
        pending = [framer.pending, *((list(framer.feed(part)) and framer.pending) or framer.pending for part in parts)]
        assert pending == [False, True, True, False]

    def test_a_message_that_never_ends_ends_the_connection(self) -> None:
        """RFC 6455 §7.4.1: 1009."""
        framer = WebSocketFramer(SMALL)
        assert list(framer.feed(frame(TEXT, b"a" * 128))) == [b"a" * 128]
        assert list(framer.feed(frame(TEXT, b"a" * 100, fin=False))) == []
        (reply,) = framer.feed(frame(CONTINUATION, b"a" * 29, fin=False))
        assert isinstance(reply, Reply)
        assert not reply.over
        assert code_of(reply.data) == CloseReason.MESSAGE_TOO_BIG
        assert framer.closing
        assert not framer.pending

    def test_what_a_frame_only_announces_takes_no_room(self) -> None:
        framer = WebSocketFramer(SMALL)
        assert list(framer.feed(bytes([0x82, 0xFF]) + struct.pack("!Q", 2**62) + b"\0" * 4 + b"a" * 128)) == []
        (reply,) = framer.feed(b"a")
        assert isinstance(reply, Reply)
        assert code_of(reply.data) == CloseReason.MESSAGE_TOO_BIG

    def test_a_double_crlf_is_a_ping_and_a_single_one_a_pong(self) -> None:
        """RFC 7118 §6, RFC 5626 §3.5.1."""
        assert list(WebSocketFramer().feed(frame(TEXT, PING_BYTES))) == [KeepAlive.PING]
        assert list(WebSocketFramer().feed(frame(BINARY, PONG_BYTES))) == [KeepAlive.PONG]

    def test_a_message_of_ours_is_text_if_it_can_be(self) -> None:
        """RFC 7118 §4.2: what has a byte that is not UTF-8 goes as binary, as a compressed body does."""
        framer = WebSocketFramer()
        assert Listener().feed(framer.write(MESSAGE)) == [TextMessage(MESSAGE.decode())]
        assert Listener().feed(framer.write(b"\x1f\x8b")) == [BytesMessage(b"\x1f\x8b")]

    def test_our_messages_of_every_length_arrive(self) -> None:
        """RFC 6455 §5.2: three ways to write a length."""
        for size in (125, 126, 65_535, 65_536):
            assert Listener().messages(WebSocketFramer().write(b"a" * size)) == ["a" * size]


class TestControl:
    def test_a_ping_is_answered_with_what_it_said(self) -> None:
        """RFC 6455 §5.5.3."""
        (reply,) = WebSocketFramer().feed(frame(PING, b"x" * 125))
        assert isinstance(reply, Reply)
        assert Listener().feed(reply.data) == [Pong(b"x" * 125)]

    def test_our_ping_is_one_and_its_pong_says_nothing(self) -> None:
        framer = WebSocketFramer()
        assert Listener().feed(framer.ping()) == [Ping(b"")]
        assert list(framer.feed(frame(PONG))) == []

    @pytest.mark.parametrize(("code", "echo"), [(1000, 1000), (1001, 1001), (3000, 3000), (4999, 4999), (None, 1005)])
    def test_a_close_is_answered_with_its_code_and_the_connection_is_over(self, code: int | None, echo: int) -> None:
        """RFC 6455 §5.5.1, §7.1.5."""
        framer = WebSocketFramer()
        (reply,) = framer.feed(close_frame(code))
        assert isinstance(reply, Reply)
        assert reply.over
        assert code_of(reply.data) == echo

    def test_after_the_close_nothing_is_read_or_written(self) -> None:
        framer = WebSocketFramer()
        assert len(list(framer.feed(close_frame(1000) + frame(TEXT, MESSAGE)))) == 1
        assert list(framer.feed(frame(TEXT, MESSAGE))) == []
        assert framer.write(MESSAGE) == framer.ping() == framer.close() == b""

    def test_after_our_close_only_the_peers_is_of_interest(self) -> None:
        """RFC 6455 §7.1.2: it may have sent before it heard."""
        framer = WebSocketFramer()
        assert list(framer.feed(frame(TEXT, MESSAGE[:9], fin=False))) == []
        assert code_of(framer.close()) == CloseReason.GOING_AWAY
        assert not framer.pending
        assert list(framer.feed(frame(CONTINUATION, MESSAGE[9:]) + frame(PING) + frame(TEXT, MESSAGE))) == []
        assert framer.close() == b""
        assert list(framer.feed(close_frame(1001))) == [Reply(b"", over=True)]


FAULTS = {
    "5.1 a frame without mask": (frame(TEXT, MESSAGE, masked=False), CloseReason.PROTOCOL_ERROR),
    "5.2 a bit of no extension": (frame(TEXT, MESSAGE, rsv=4), CloseReason.PROTOCOL_ERROR),
    "5.2 an opcode of no meaning": (frame(0x3, MESSAGE), CloseReason.PROTOCOL_ERROR),
    "5.2 a control opcode of no meaning": (frame(0xB), CloseReason.PROTOCOL_ERROR),
    "5.2 a length in more bytes than it needs": (
        bytes([0x81, 0xFE, 0, 5]) + b"\0" * 4 + b"hello",
        CloseReason.PROTOCOL_ERROR,
    ),
    "5.2 a length of 64 bits": (bytes([0x81, 0xFF]) + b"\xff" * 8 + b"\0" * 4, CloseReason.PROTOCOL_ERROR),
    "5.4 a continuation of nothing": (frame(CONTINUATION, MESSAGE), CloseReason.PROTOCOL_ERROR),
    "5.4 a message within a message": (
        frame(TEXT, MESSAGE, fin=False) + frame(TEXT, MESSAGE),
        CloseReason.PROTOCOL_ERROR,
    ),
    "5.5 a ping in fragments": (frame(PING, fin=False), CloseReason.PROTOCOL_ERROR),
    "5.5 a long ping": (frame(PING, b"x" * 126), CloseReason.PROTOCOL_ERROR),
    "5.5.1 half a close code": (frame(CLOSE, b"\x03"), CloseReason.PROTOCOL_ERROR),
    "7.4.1 a close code that is never sent": (close_frame(1006), CloseReason.PROTOCOL_ERROR),
    "7.4.2 a close code of no range": (close_frame(999), CloseReason.PROTOCOL_ERROR),
    "8.1 text that is none": (frame(TEXT, b"\xff\xfe"), CloseReason.INVALID_FRAME_PAYLOAD_DATA),
    "8.1 text that ends within a character": (frame(TEXT, b"\xc3"), CloseReason.INVALID_FRAME_PAYLOAD_DATA),
    "8.1 a close whose reason is no text": (frame(CLOSE, b"\x03\xe8\xff"), CloseReason.INVALID_FRAME_PAYLOAD_DATA),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_no_websocket_traffic_ends_the_connection_with_its_code(fault: str) -> None:
    """RFC 6455, by the sections named; §7.1.7: the Close says why, and nothing that follows is read."""
    data, code = FAULTS[fault]
    framer = WebSocketFramer()
    reply = list(framer.feed(data))[-1]
    assert isinstance(reply, Reply)
    assert not reply.over
    assert code_of(reply.data) == code
    assert framer.closing
    assert list(framer.feed(frame(TEXT, MESSAGE) + close_frame(1000))) == []
