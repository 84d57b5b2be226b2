"""The same corpus through our codec and through the `sipmessage` package: field by field they must agree.

Where they don't, the difference is listed below with its reason, and a test holds it to that list: a difference that
goes away, or a new one, fails here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sipmessage

from abserver.sip.codec import parse
from abserver.sip.errors import SipSyntaxError
from abserver.sip.headers import NameAddr, Via
from abserver.sip.message import Request, Response
from abserver.sip.uri import SipUri

if TYPE_CHECKING:
    from collections.abc import Callable

TORTURE = Path(__file__).parents[2] / "data" / "rfc4475"

HEAD = """\
Via: SIP/2.0/UDP pc33.atlanta.com:5066;branch=z9hG4bK776asdhds;rport
Max-Forwards: 70
To: Bob <sip:bob@biloxi.com>
From: "Alice \\"A\\" L." <sip:alice:pw@atlanta.com;user=phone>;tag=1928301774
Call-ID: a84b4c76e66710@pc33.atlanta.com
CSeq: 314159 {method}
"""

CORPUS = {
    "SUBSCRIBE": "SUBSCRIBE sip:alice@example.com SIP/2.0\n"
    + HEAD.format(method="SUBSCRIBE")
    + 'Contact: <sip:bob@192.0.2.4:5062;transport=tcp;ob>;+sip.instance="<urn:uuid:0>"\n'
    "Event: contact-card\nExpires: 3600\nAccept: application/vcard+xml, text/vcard;charset=utf-8\n"
    "Supported: eventlist, gruu\nAllow: NOTIFY, OPTIONS\nContent-Length: 0\n\n",
    "NOTIFY with routes and a body": "NOTIFY sip:bob@[2001:db8::9]:5062;transport=tcp SIP/2.0\n"
    + HEAD.format(method="NOTIFY")
    + "Route: <sip:p1.example.com;lr>\nRoute: <sip:p2.example.com;lr>\n"
    "Record-Route: <sip:p3.example.com;lr>,<sip:p4.example.com>\n"
    "Subscription-State: active;expires=600\nContent-Type: application/xml-patch+xml\nContent-Length: 7\n\n<diff/>",
    "compact forms": "OPTIONS sips:alice@example.com:5061 SIP/2.0\nv: SIP/2.0/TLS 192.0.2.4;branch=z9hG4bK1\n"
    "v: SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bK2;received=192.0.2.9;rport=9\n"
    "f: <sip:bob@example.com>;tag=1\nt: sip:alice@example.com\ni: 1@2\nCSeq: 1 OPTIONS\n"
    "m: sip:bob@192.0.2.4\nk: path\nl: 0\n\n",
    "200": "SIP/2.0 200 OK\n"
    + HEAD.format(method="NOTIFY")
    + "User-Agent: x/1.0 (y)\nServer: z\nContent-Length: 0\n\n",
    "a reason with many words": "SIP/2.0 489 Bad Event, nothing of that name\n"
    + HEAD.format(method="SUBSCRIBE")
    + "Allow-Events: contact-card\nu: presence\nContent-Length: 0\n\n",
    "401": "SIP/2.0 401 Unauthorized\n"
    + HEAD.format(method="SUBSCRIBE")
    + 'WWW-Authenticate: Digest realm="a, b", nonce="1"\nWWW-Authenticate: Digest realm="c"\nContent-Length: 0\n\n',
}

DIFFERENCES: dict[str, tuple[str, bool, bool]] = {
    # why they differ: (message, whether we read it, whether sipmessage does)
    "a folded line is one field (RFC 3261 §7.3.1)": ("OPTIONS sip:a@b SIP/2.0\nSubject: one\n two\n\n", True, False),
    "a Request-URI of any scheme is read, to be answered 416 (§8.2.2.1)": (
        "OPTIONS soap.beep://192.0.2.3 SIP/2.0\n\n",
        True,
        False,
    ),
    "names and versions in start lines ignore case (§7.1)": ("sip/2.0 200 OK\n\n", True, False),
    "a status is three digits, 100 to 699 (§7.2)": ("SIP/2.0 4294967301 x\n\n", False, True),
    "a body is as long as announced (§18.3)": ("OPTIONS sip:a@b SIP/2.0\nContent-Length: 5\n\nabc", False, True),
    "a Content-Length is a number": ("OPTIONS sip:a@b SIP/2.0\nContent-Length: x\n\n", False, True),
    "a field name is a token": ("OPTIONS sip:a@b SIP/2.0\nSub ject: x\n\n", False, True),
    "a method is a token": ("OPT/IONS sip:a@b SIP/2.0\n\n", False, True),
    "a line ends in CRLF only": ("OPTIONS sip:a@b SIP/2.0\nSubject: a\rb\n\n", False, True),
}

READ_BY_US_ALONE = {
    "escruri": "header fields in a Request-URI parse; whether to serve one is another question (RFC 4475 §3.1.2.11)",
    "novelsc": "a Request-URI of another scheme is answered 416",
    "unkscm": "a Request-URI of another scheme is answered 416",
    "scalar02": "a folded line; the overlarge numbers are refused one by one, where they are read",
    "semiuri": "a folded line",
    "wsinv": "folded lines",
}
READ_BY_THEM_ALONE = {
    "bigcode": "a status code has three digits",
    "clerr": "the body is shorter than announced",
    "mcl01": "two Content-Lengths",
    "ncl": "a negative Content-Length",
}
READ_OTHERWISE = {
    "esc01": "a folded line that holds a colon is no field of its own",
    "longreq": "blanks between a name and its colon are not part of the name",
}


def wire(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def our_fields(message: Request | Response) -> dict[str, list[str]]:
    return {name.lower(): rows for name, rows in message.headers.rows().items()}


def their_fields(message: sipmessage.Message) -> dict[str, list[str]]:
    names = message.headers.keys()
    fields = {name.lower(): message.headers.getlist(name) for name in names}
    fields.pop("content-length", None)  # ours is framing and no field
    return fields


@pytest.mark.parametrize("text", CORPUS.values(), ids=CORPUS.keys())
def test_start_line_fields_and_body_are_equal(text: str) -> None:
    ours, theirs = parse(wire(text)), sipmessage.Message.parse(wire(text))
    assert our_fields(ours) == their_fields(theirs)
    assert ours.body == theirs.body
    if isinstance(ours, Request):
        assert isinstance(theirs, sipmessage.Request)
        assert (ours.method, str(SipUri.parse(ours.uri))) == (theirs.method, str(theirs.uri))
    else:
        assert isinstance(theirs, sipmessage.Response)
        assert (ours.status, ours.reason) == (theirs.code, theirs.phrase)


@pytest.mark.parametrize("text", CORPUS.values(), ids=CORPUS.keys())
def test_typed_values_are_equal(text: str) -> None:
    ours, theirs = parse(wire(text)), sipmessage.Message.parse(wire(text))
    assert [via_facts(Via.parse(element)) for element in ours.headers.elements("Via")] == [
        (via.transport, via.host, via.port, dict(via.parameters)) for via in theirs.via
    ]
    assert (ours.cseq.number, ours.cseq.method) == (theirs.cseq.sequence, theirs.cseq.method)
    assert ours.call_id == theirs.call_id
    for our_address, their_address in [(ours.from_, theirs.from_address), (ours.to, theirs.to_address)]:
        assert address_facts(our_address) == their_facts(their_address)
    for name, addresses in [
        ("Contact", theirs.contact),
        ("Route", theirs.route),
        ("Record-Route", theirs.record_route),
    ]:
        assert [address_facts(NameAddr.parse(element)) for element in ours.headers.elements(name)] == [
            their_facts(address) for address in addresses
        ]
    assert [accepted.name for accepted in ours.accept or ()] == [media.mime_type for media in theirs.accept or ()]


def via_facts(via: Via) -> tuple[str, str, int | None, dict[str, str | None]]:
    return via.transport, via.host, via.port, dict(via.params)


def address_facts(address: NameAddr) -> tuple[str, str, dict[str, str | None]]:
    return str(SipUri.parse(address.uri)), address.display, dict(address.params)


def their_facts(address: sipmessage.Address) -> tuple[str, str, dict[str, str | None]]:
    return str(address.uri), address.name, dict(address.parameters)


def reads(parse_one: Callable[[bytes], object], data: bytes, fault: type[Exception]) -> bool:
    try:
        parse_one(data)
    except fault:
        return False
    return True


@pytest.mark.parametrize(("text", "ours", "theirs"), DIFFERENCES.values(), ids=DIFFERENCES.keys())
def test_the_known_differences_are_as_listed(text: str, ours: bool, theirs: bool) -> None:
    assert reads(parse, wire(text), SipSyntaxError) is ours
    assert reads(sipmessage.Message.parse, wire(text), ValueError) is theirs


def test_the_known_differences_of_values_are_as_listed() -> None:
    theirs = sipmessage.Via.parse("SIP/2.0/udp a;Branch=%41")
    ours = Via.parse("SIP/2.0/udp a;Branch=%41")
    assert (ours.transport, theirs.transport) == ("UDP", "udp")  # tokens ignore case; we settle on one
    assert dict(ours.params) == {"branch": "%41"}  # so do parameter names; nothing but URIs is percent-encoded
    assert dict(theirs.parameters) == {"Branch": "A"}
    bare_ipv6 = "SIP/2.0/UDP [2001:db8::1];received=2001:db8::2"
    assert Via.parse(bare_ipv6).received == "2001:db8::2"  # the grammar of §25.1 has no brackets here
    with pytest.raises(ValueError, match="Via"):
        sipmessage.Via.parse(bare_ipv6)


@pytest.mark.parametrize("path", sorted(TORTURE.glob("*.dat")), ids=lambda path: path.stem)
def test_the_torture_messages_differ_only_as_listed(path: Path) -> None:
    """RFC 4475: start line and fields; bodies are cut by us alone (§18.3)."""
    data = path.read_bytes()
    ours, theirs = reads(parse, data, SipSyntaxError), reads(sipmessage.Message.parse, data, ValueError)
    if not theirs and ours:
        assert path.stem in READ_BY_US_ALONE
    elif theirs and not ours:
        assert path.stem in READ_BY_THEM_ALONE
    elif ours:
        equal = our_fields(parse(data)) == their_fields(sipmessage.Message.parse(data))
        assert equal is (path.stem not in READ_OTHERWISE)


def test_every_listed_torture_message_exists() -> None:
    listed = READ_BY_US_ALONE.keys() | READ_BY_THEM_ALONE.keys() | READ_OTHERWISE.keys()
    assert listed <= {path.stem for path in TORTURE.glob("*.dat")}
