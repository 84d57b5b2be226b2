"""The SIP messages of the load, written and read by cutting bytes: who loads has to cost less than what is loaded."""

from __future__ import annotations

import functools
import time

OWNER_DOMAIN = "example.com"
_COPIED = (b"Via:", b"From:", b"To:", b"Call-ID:", b"CSeq:")
_OK, _END = b"SIP/2.0 200 OK", b" NOTIFY\r\nContent-Length: 0\r\n\r\n"
_SKIPPED = b"\r\nMax-Forwards: 70"


@functools.cache
def nonce() -> str:
    """Makes the dialogs of this run others than those of the last one."""
    return f"{time.time_ns():x}"


def owner(number: int) -> str:
    """The address of one of the owners."""
    return f"sip:ann{number}@{OWNER_DOMAIN}"


def subscribe_of(number: int, port: int, *, followed: str, domain: str = OWNER_DOMAIN) -> bytes:
    """The first SUBSCRIBE of a watcher behind that port of loopback; its Call-ID begins with the watcher's number."""
    return _subscribe(number, port, 1, f"To: <{followed}>", followed, domain)


def refresh_of(number: int, port: int, *, cseq: int, to: str, domain: str = OWNER_DOMAIN, holds: str = "") -> bytes:
    """One within the dialog, whose To was `to` in the last answer; `holds` is for Suppress-If-Match."""
    more = f"Suppress-If-Match: {holds}\r\n" if holds else ""
    return _subscribe(number, port, cseq, to, to.partition("<")[2].partition(">")[0], domain, more)


def _subscribe(number: int, port: int, cseq: int, to: str, uri: str, domain: str, more: str = "") -> bytes:
    user = f"w{number}@{domain}"
    return (
        f"SUBSCRIBE {uri} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{number}x{cseq}x{nonce()}\r\n"
        "Max-Forwards: 70\r\n"
        f"From: <sip:{user}>;tag=w{number}\r\n"
        f"{to}\r\n"
        f"Call-ID: {number}.{nonce()}@127.0.0.1\r\n"
        f"CSeq: {cseq} SUBSCRIBE\r\n"
        f'Contact: <sip:w{number}@127.0.0.1:{port}>;+sip.instance="<urn:x-bench:{number}>"\r\n'
        f"P-Asserted-Identity: <sip:{user}>\r\n"
        "Event: contact-card\r\n"
        f"{more}"
        "Accept: application/vcard+xml, application/xml-patch+xml\r\n"
        "Expires: 3600\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()


def number_of(answer: bytes) -> int:
    """Whose SUBSCRIBE that is the answer to."""
    start = answer.index(b"\r\nCall-ID: ") + 11
    return int(answer[start : answer.index(b".", start)])


def field_of(message: bytes, name: bytes) -> str:
    """The first field of that name, as a whole line; empty if there is none."""
    start = message.find(b"\r\n" + name + b": ") + 2
    return message[start : message.index(b"\r\n", start)].decode() if start > 1 else ""


def answer_to(notify: bytes) -> bytes:
    """The 200 to a NOTIFY. If its fields stand in the order in which this server writes them, two cuts are enough."""
    skipped = notify.find(_SKIPPED)
    end = notify.find(b" NOTIFY\r\n", skipped)
    start = notify.find(b"\r\nVia: ", 0, skipped)
    if start < 0 or end < 0 or notify.find(b"\r\nFrom: ", skipped, end) != skipped + len(_SKIPPED):
        return _answer_in_any_order(notify)
    return b"%b%b%b%b" % (_OK, notify[start:skipped], notify[skipped + len(_SKIPPED) : end], _END)


def _answer_in_any_order(notify: bytes) -> bytes:
    head = notify.partition(b"\r\n\r\n")[0].split(b"\r\n")
    copied = [line for line in head if line.startswith(_COPIED)]
    return b"\r\n".join([_OK, *copied, b"Content-Length: 0\r\n\r\n"])
