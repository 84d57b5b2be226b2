"""What the fuzzers begin with: the torture messages of RFC 4475 and RFC 5118, and messages of our own trade."""

from __future__ import annotations

from pathlib import Path

DATA = Path(__file__).parents[1] / "data"

OURS = (
    b"SUBSCRIBE sip:ann@example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.4:5060;branch=z9hG4bKf1;rport\r\n"
    b'From: "Bob" <sip:bob@example.com>;tag=b1\r\nTo: <sip:ann@example.com>\r\nCall-ID: c1@192.0.2.4\r\n'
    b"CSeq: 1 SUBSCRIBE\r\nMax-Forwards: 70\r\nRoute: <sip:p1.example.com;lr>, <sip:p2.example.com>\r\n"
    b'Contact: <sip:bob@192.0.2.4:5060>;+sip.instance="<urn:uuid:1>"\r\nEvent: contact-card;id=7\r\nExpires: 3600\r\n'
    b"Accept: application/vcard+xml;q=0.5, application/xml-patch+xml\r\nSuppress-If-Match: *\r\n"
    b"P-Asserted-Identity: <sip:bob@example.com>, <tel:+15550100>\r\nSupported: gruu, eventlist\r\n"
    b'Authorization: Digest username="bob", realm="example.com", nonce="n", uri="sip:ann@example.com", '
    b'response="0123456789abcdef0123456789abcdef", algorithm=MD5, qop=auth, nc=00000001, cnonce="c"\r\n'
    b"Content-Type: application/simple-filter+xml\r\nContent-Length: 4\r\n\r\n<a/>",
    b"NOTIFY sip:bob@192.0.2.4 SIP/2.0\r\n"
    b"v: SIP/2.0/TCP [2001:db8::1]:5060;branch=z9hG4bKf2,SIP/2.0/TLS b;branch=z9hG4bKf3\r\n"
    b"f: sip:ann@example.com;tag=a1\r\nt: <sip:bob@example.com>;tag=b1\r\ni: c1\r\nCSeq: 2 NOTIFY\r\n"
    b"o: contact-card\r\n"
    b"Subscription-State: terminated;reason=timeout;retry-after=5\r\nm: <sip:ann@192.0.2.10>\r\nl: 0\r\n\r\n",
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKf4;rport=5060;received=192.0.2.10\r\n"
    b"From: <sip:ann@example.com>;tag=a1\r\nTo: <sip:bob@example.com>;tag=b1\r\nCall-ID: c1\r\nCSeq: 17 NOTIFY\r\n"
    b"Content-Length: 0\r\n\r\n",
    b"SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP 192.0.2.4;branch=z9hG4bKf5\r\nFrom: <sip:bob@example.com>;tag=b1\r\n"
    b'To: <sip:ann@example.com>;tag=x\r\nCall-ID: c2\r\nCSeq: 1 SUBSCRIBE\r\nWWW-Authenticate: Digest realm="a", '
    b'nonce="n", algorithm=SHA-256, qop="auth,auth-int"\r\n'
    b"Retry-After: 18 (soon);duration=3\r\nContent-Length: 0\r\n\r\n",
    b'REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.4;branch=z9hG4bKf6;oc;oc-algo="loss,A"\r\n'
    b"From: <sip:bob@example.com>;tag=b1\r\nTo: <sip:bob@example.com>\r\nCall-ID: r1\r\nCSeq: 9 REGISTER\r\n"
    b'Contact: *\r\nContact: <sip:bob@192.0.2.4;ob>;reg-id=1;+sip.instance="<urn:uuid:1>";q=0.7\r\n'
    b"Path: <sip:e.example.com;lr;ob>\r\n"
    b"Expires: 0\r\nContent-Length: 0\r\n\r\n",
)


def torture() -> list[bytes]:
    """The messages of the two RFCs."""
    return [path.read_bytes() for folder in ("rfc4475", "rfc5118") for path in sorted((DATA / folder).glob("*.dat"))]


def corpus() -> list[bytes]:
    """All messages."""
    return [*torture(), *OURS]
