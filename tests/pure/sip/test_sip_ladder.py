"""The lines of a ladder: what a message is and by what it is found, and nothing that a terminal would obey."""

from __future__ import annotations

import pytest

from abserver.sip.ladder import identified, method_of, printable, rung, state_of, told, users_of
from abserver.sip.message import Headers, Message, Request, Response


def request(method: str, *fields: tuple[str, str], body: bytes = b"") -> Request:
    return Request(method, "sip:alice@Example.com;x=y", Headers(fields), body)


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        (
            request(
                "SUBSCRIBE",
                ("Event", "contact-card;x=1"),
                ("Expires", "4294967"),
                ("Suppress-If-Match", '"abcdefgh"'),
            ),
            ["SUBSCRIBE contact-card;x=1", "Expires 4294967", "Suppress-If-Match abcdef"],
        ),
        (request("OPTIONS"), ["OPTIONS"]),
        (
            request(
                "NOTIFY",
                ("Subscription-State", "active;expires=3"),
                ("Event", "contact-card;base=0123456789"),
                ("SIP-ETag", "abcdefgh"),
                ("Content-Type", "application/vcard+xml;charset=utf-8"),
                body=b"12345",
            ),
            ["NOTIFY active", "SIP-ETag abcdef", "base 012345", "vcard+xml 5 B"],
        ),
        (
            request("NOTIFY", ("Subscription-State", "terminated;reason=rejected"), ("Event", "a")),
            ["NOTIFY terminated rejected", "no body"],
        ),
        (Response(202, "Accepted", Headers([("SIP-ETag", "1")])), ["202 Accepted", "SIP-ETag 1"]),
        (Response(200, "OK"), ["200 OK"]),
    ],
)
def test_a_line_says_what_tells_a_message_from_others_of_its_kind(message: Message, parts: list[str]) -> None:
    assert told(message) == parts


def test_fields_that_cannot_be_read_are_shown_as_they_are_or_left_out() -> None:
    broken = request("NOTIFY", ("Subscription-State", "@"), ("Event", "@;x"), ("Content-Type", "@"), body=b"x")
    assert told(broken) == ["NOTIFY @", "1 B"]
    assert identified(broken) == ["@"]
    assert told(request("PUBLISH", body=b"x")) == ["PUBLISH", "1 B"]


def test_a_message_is_found_by_its_dialog_and_its_place_there() -> None:
    fields = [("Call-ID", "abc"), ("CSeq", "7 NOTIFY"), ("Event", "contact-card;id=1")]
    assert identified(request("NOTIFY", *fields)) == ["contact-card", "CSeq 7", "Call-ID abc"]
    assert identified(request("SUBSCRIBE", *fields)) == ["CSeq 7", "Call-ID abc"]
    assert identified(Response(200, "OK", Headers(fields))) == ["contact-card", "CSeq 7 NOTIFY", "Call-ID abc"]
    assert identified(request("NOTIFY", ("CSeq", ""))) == ["CSeq "]
    assert identified(request("OPTIONS")) == []


def test_a_response_has_the_method_of_its_request() -> None:
    assert method_of(Response(200, "OK", Headers([("CSeq", "1  SUBSCRIBE ")]))) == "SUBSCRIBE"
    assert method_of(Response(200, "OK")) == ""
    assert method_of(request("NOTIFY")) == "NOTIFY"


def test_a_message_without_a_state_has_none() -> None:
    assert state_of(request("OPTIONS")) == ""


def test_a_message_is_about_the_users_in_it() -> None:
    message = request(
        "SUBSCRIBE",
        ("From", '"Bob" <sip:Bob@example.com;transport=tcp>;tag=1'),
        ("To", "<sip:carol:pw@example.com>"),
        ("P-Asserted-Identity", "<sip:dave@example.com>, <tel:+15550100>, <"),
    )
    people = {"alice", "bob", "carol", "dave"}
    assert users_of(message) == {f"{each}@example.com" for each in people}
    assert users_of(Response(200, "OK", message.headers)) == {f"{each}@example.com" for each in people - {"alice"}}
    assert users_of(Response(200, "OK", Headers([("From", "<sip:example.com>"), ("To", "<")]))) == set()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü", "plain ü"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("right\u202eleft", "right\\u202eleft"),
        ("\udcff", "\\udcff"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_what_is_kept_stays() -> None:
    assert printable("a\n\tb\r", keep="\n\t") == "a\n\tb\\r"


def test_ends_stay_where_they_are_and_the_arrow_turns() -> None:
    assert rung("1.0", "bob", rightward=True, right="server", transport="UDP") == "1.0 bob ──▶ server udp "
    assert rung("1.0", "bob", rightward=False, right="server", transport="TLS") == "1.0 bob ◀── server tls "
