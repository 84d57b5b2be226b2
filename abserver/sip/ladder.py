"""A ladder of SIP messages, line by line: who to whom, what a message is, and by what it is found again.

Bodies are named by type and size, never shown. A message may be anything that came over the wire, so a field that can't
be read is shown as it is, and what a terminal would obey is written out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.sip.errors import SipSyntaxError
from abserver.sip.headers import NameAddr, SubscriptionState
from abserver.sip.message import Response
from abserver.sip.uri import SipUri

if TYPE_CHECKING:
    from abserver.sip.message import Message

TAG = 6
"""Characters of an entity-tag that are shown: enough to tell it from others."""


def rung(when: str, left: str, *, rightward: bool, right: str, transport: str) -> str:
    """How a line begins: the same end always stands on the left, and the arrow says which way the message went."""
    return f"{when} {left} {'──▶' if rightward else '◀──'} {right} {transport.lower():<4}"


def told(message: Message) -> list[str]:
    """What a message is: method or status first, then what tells it from others of its kind."""
    if isinstance(message, Response):
        return _present([f"{message.status} {message.reason}", _header(message, "SIP-ETag")])
    if message.method == "NOTIFY":
        return _present(
            [
                f"NOTIFY {state_of(message)}",
                _header(message, "SIP-ETag"),
                _base(message),
                _body(message) or "no body",
            ]
        )
    return _present(
        [
            f"{message.method} {message.headers.get('Event') or ''}".rstrip(),
            _named("Expires", message.headers.get("Expires")),
            _header(message, "Suppress-If-Match"),
            _body(message),
        ]
    )


def identified(message: Message) -> list[str]:
    """By what a message is found again: its place in a dialog, and the dialog."""
    cseq = message.headers.get("CSeq")
    if cseq is not None and not isinstance(message, Response):
        cseq = cseq.split()[0] if cseq else cseq  # the method stands on the line already
    event = message.headers.get("Event") if method_of(message) == "NOTIFY" else None
    return _present(
        [
            event and event.partition(";")[0],
            None if cseq is None else f"CSeq {cseq}",
            _named("Call-ID", message.headers.get("Call-ID")),
        ]
    )


def method_of(message: Message) -> str:
    """The method of a request, or of the request that a response is for; empty if it does not say."""
    if not isinstance(message, Response):
        return message.method
    return (message.headers.get("CSeq") or "").partition(" ")[2].strip()


def state_of(message: Message) -> str:
    """The state and the reason that a NOTIFY tells; as it came if it can't be read; empty without one."""
    text = message.headers.get("Subscription-State") or ""
    try:
        state = SubscriptionState.parse(text)
    except SipSyntaxError:
        return text
    return f"{state.state} {state.reason}" if state.reason else state.state


def users_of(message: Message) -> set[str]:
    """Who a message is about, as `user@host` in lower case: From, To, the asserted identities, the Request-URI."""
    fields = [*message.headers.get_all("From"), *message.headers.get_all("To")]
    uris = [uri for field in fields if (uri := _uri_in(field))]
    uris += [uri for field in message.headers.get_all("P-Asserted-Identity") for uri in _uris_in(field)]
    if not isinstance(message, Response):
        uris.append(message.uri)
    return {user for uri in uris if (user := _user(uri))}


def printable(text: str, keep: str = "") -> str:
    """A text that a terminal shows and does not obey: what is not printable is written out, save what `keep` holds."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in keep else each.encode("unicode_escape").decode() for each in text
    )


def _present(parts: list[str | None]) -> list[str]:
    return [part for part in parts if part]


def _header(message: Message, name: str) -> str | None:
    value = message.headers.get(name)
    return None if value is None else f"{name} {_tag(value)}"


def _named(name: str, value: str | None) -> str | None:
    return None if value is None else f"{name} {value}"


def _base(message: Message) -> str | None:
    try:
        base = message.event and message.event.params.get("base")
    except SipSyntaxError:
        return None
    return f"base {_tag(base)}" if base else None


def _body(message: Message) -> str | None:
    """Type and size of the body, if there is one."""
    if not message.body:
        return None
    try:
        name = message.content_type.name if message.content_type else ""
    except SipSyntaxError:
        name = ""
    return f"{name.removeprefix('application/')} {len(message.body)} B".lstrip()


def _tag(text: str) -> str:
    return text.strip('"')[:TAG]


def _uri_in(field: str) -> str | None:
    try:
        return NameAddr.parse(field).uri
    except SipSyntaxError:
        return None


def _uris_in(field: str) -> list[str]:
    return [uri for part in field.split(",") if (uri := _uri_in(part))]


def _user(uri: str) -> str | None:
    try:
        parsed = SipUri.parse(uri)
    except SipSyntaxError:
        return None
    user = (parsed.userinfo or "").partition(":")[0]
    return f"{user}@{parsed.host}".lower() if user else None
