"""What of a SUBSCRIBE to `xcap-diff` is kept with the subscription, and what is refused at first sight."""

from __future__ import annotations

import gzip

from abserver.domain.identity import parse_aor
from abserver.events.terms import Terms
from abserver.events.wish import Wish, agreed, read_wish
from abserver.events.xcap_diff.lists import MAX_ENTRIES, MEDIA_TYPE
from abserver.events.xcap_diff.package import PACKAGE
from abserver.sip.message import Headers, Request, Response

BOB = parse_aor("sip:bob@example.com")


def listed(*uris: str) -> bytes:
    entries = "".join(f'<entry uri="{uri}"/>' for uri in uris)
    namespace = "urn:ietf:params:xml:ns:resource-lists"
    return f'<resource-lists xmlns="{namespace}"><list>{entries}</list></resource-lists>'.encode()


def subscribe(body: bytes = b"", event: str = "xcap-diff", **fields: str) -> Request:
    headers = Headers(
        [
            ("Via", "SIP/2.0/UDP 127.0.0.1:5999;branch=z9hG4bKx"),
            ("From", f"<{BOB}>;tag=b"),
            ("To", f"<{BOB}>"),
            ("Call-ID", "c1"),
            ("CSeq", "1 SUBSCRIBE"),
            ("Contact", "<sip:bob@127.0.0.1:5999>"),
            ("Event", event),
        ]
    )
    if body:
        headers.set("Content-Type", MEDIA_TYPE)
    for name, value in fields.items():
        headers.set(name.replace("_", "-"), value)
    return Request("SUBSCRIBE", BOB, headers, body)


def wish(request: Request) -> Wish:
    found = read_wish(request, [PACKAGE])
    assert isinstance(found, Wish)
    return found


def refusal(request: Request) -> int:
    found = read_wish(request, [PACKAGE])
    assert isinstance(found, Response)
    return found.status


def terms(request: Request, held: Terms | None = None) -> Terms:
    found = agreed(request, wish(request), BOB, held)
    assert isinstance(found, Terms)
    return found


def test_rfc5875_4_4_the_list_is_kept_until_another_comes() -> None:
    """ "the subscribed URI list MAY change, in which case the notifier MUST use the new list." """
    first = terms(subscribe(listed("a/")))
    assert (first.body_type, first.body) == (MEDIA_TYPE, listed("a/"))
    assert terms(subscribe(), first).body == listed("a/")
    assert terms(subscribe(listed("b/")), first).body == listed("b/")
    packed = subscribe(gzip.compress(listed("c/")), Content_Encoding="gzip")
    assert terms(packed, first).body == listed("c/")


def test_rfc5875_4_3_each_subscribe_names_the_mode_anew() -> None:
    first = terms(subscribe(event="xcap-diff;diff-processing=aggregate"))
    assert first.processing == "aggregate"
    assert Terms.from_json(first.to_json()) == first
    assert terms(subscribe(event="xcap-diff;diff-processing=xcap-patching"), first).processing == "xcap-patching"
    assert terms(subscribe(), first).processing is None


def test_rfc5875_4_4_who_does_not_accept_xcap_diff_documents_gets_406() -> None:
    """ "If the header field is present, it MUST include "application/xcap-diff+xml""."""
    for request in (subscribe(Accept="application/xcap-diff+xml, text/plain"), subscribe()):
        assert wish(request).formats.full == "application/xcap-diff+xml"
    assert refusal(subscribe(Accept="application/pidf+xml")) == 406


def test_a_list_that_cannot_be_read_or_is_too_long_is_refused() -> None:
    assert refusal(subscribe(b"no list")) == 400
    assert refusal(subscribe(listed(*map(str, range(MAX_ENTRIES + 1))))) == 413
    assert refusal(subscribe(b" " * (PACKAGE.max_body + 1))) == 413
    assert refusal(subscribe(b"v=0", Content_Type="application/sdp")) == 415


def test_one_device_may_subscribe_to_several_lists_beside_each_other() -> None:
    names = [wish(subscribe(body)).device for body in (listed("a/"), listed("b/"), b"")]
    assert len(set(names)) == 3
    assert wish(subscribe(listed("a/"))).device == names[0]
    assert all(name.startswith("bob@127.0.0.1:5999 ") for name in names)
