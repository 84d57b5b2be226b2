"""What happened in one flow, in the order of its script: what was given before, and each message with who sent it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

import httpx
from lxml import etree

from abserver.sip.headers import SubscriptionState
from abserver.sip.message import Request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CoroutineType
    from typing import Any

    from abserver.sip.message import Message, Response

SERVER = "Server"
"""The one actor that every flow has."""

_OUTSIDE = ("From", "To", "Contact")
"""Shown of requests outside of dialogs: within, the Call-ID says as much."""
_SIP = """
    From To Call-ID CSeq Contact Event Subscription-State SIP-ETag Suppress-If-Match Expires Min-Expires
    User-Agent Accept Accept-Encoding Allow-Events Path Supported Require Flow-Timer
    Unsupported Retry-After P-Asserted-Identity P-Served-User
    P-Charging-Vector Privacy WWW-Authenticate
    Authorization Warning Content-Disposition Content-Type Content-Encoding
"""
_HTTP = """
    X-XCAP-Asserted-Identity WWW-Authenticate Authorization If-Match If-None-Match ETag Retry-After Content-Type
"""
"""The fields that matter, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message: what a page shows of it."""

    label: str
    """In the ladder."""
    start: str
    fields: tuple[tuple[str, str], ...] = ()
    """Those that matter."""
    body: bytes = b""
    coding: str | None = None


@dataclass(frozen=True, slots=True)
class Arrow:
    """One message between two actors; or, from an actor to itself, something that happens to it."""

    source: str
    target: str
    said: Said
    line: int
    """Of the script."""

    @property
    def is_note(self) -> bool:
        return self.source == self.target


@dataclass(frozen=True, slots=True)
class Given:
    """What was there before the story."""

    sentence: str
    text: str = ""
    """Shown as it is."""


@dataclass(slots=True)
class Record:
    """All of one flow."""

    script: CoroutineType[Any, Any, None] | None = None
    """While it runs."""
    givens: list[Given] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    secret: bool = False
    """Whether what happens now is part of what is given, and no part of the story."""

    def arrow(self, source: str, target: str, said: Said) -> None:
        if not self.secret:
            self.arrows.append(Arrow(source, target, said, self._line))

    def note(self, actor: str, text: str) -> None:
        """Something happens to an actor, which is no message."""
        self.arrow(actor, actor, Said(text, ""))

    @property
    def _line(self) -> int:
        """Where the script is now."""
        assert self.script is not None
        assert self.script.cr_frame is not None
        return self.script.cr_frame.f_lineno


def of_sip(message: Message) -> Said:
    """A SIP message."""
    left_out: tuple[str, ...] = ()
    if isinstance(message, Request):
        start = f"{message.method} {message.uri} SIP/2.0"
        left_out = _OUTSIDE if message.to.tag is not None else ()
        label = _request_label(message)
    else:
        start = f"SIP/2.0 {message.status} {message.reason}"
        left_out = (*(each for each in _OUTSIDE if not _tells_bindings(message, each)), "Call-ID")
        label = f"{message.status} {message.reason}"
    fields = [(name, value) for name in _SIP.split() if name not in left_out for value in message.headers.get_all(name)]
    return Said(label, start, tuple(fields), message.body, message.headers.get("Content-Encoding"))


def _tells_bindings(response: Response, name: str) -> bool:
    """Whether a field is what a response is about: the Contacts of one to REGISTER."""
    return name == "Contact" and response.cseq.method == "REGISTER"


def _request_label(request: Request) -> str:
    package = request.event.package if request.event else ""
    if request.method == "REGISTER":
        return " ".join([request.method, *(["Expires 0"] if request.expires == 0 else [])])
    if request.method != "NOTIFY":
        return " ".join([request.method, package, *_wishes(request)])
    told = SubscriptionState.parse(request.headers.get("Subscription-State") or "")
    state = f"{told.state} ({told.reason})" if told.reason else told.state
    kind = request.content_type
    return f"NOTIFY {package} {state}" + (f", {kind.subtype}" if kind else "")


def _wishes(request: Request) -> Iterator[str]:
    if request.expires == 0:
        yield "Expires 0"
    if "Suppress-If-Match" in request.headers:
        yield "Suppress-If-Match"


def of_http(message: httpx.Request | httpx.Response) -> Said:
    """An HTTP message."""
    fields = tuple((name, value) for name in _HTTP.split() for value in message.headers.get_list(name))
    if isinstance(message, httpx.Request):
        path = message.url.raw_path.decode()
        return Said(f"{message.method} {_short(path)}", f"{message.method} {path} HTTP/1.1", fields, message.content)
    line = f"{message.status_code} {message.reason_phrase}"
    return Said(line, f"HTTP/1.1 {line}", fields, message.content)


def _short(path: str) -> str:
    """The document, or the last steps of the node selector in it."""
    document, _, node = path.partition("/~~/")
    usage = document.split("/")[2].removeprefix("org.abserver.")
    steps = unquote(node.partition("?")[0]).split("/")[-2:]
    return f"{usage} …/{'/'.join(steps)}" if node else usage


def indented(content: bytes) -> str:
    """XML for reading; what is no document, as it is."""
    try:
        root = etree.fromstring(content)
    except etree.XMLSyntaxError:
        return content.decode()
    etree.indent(root)
    return etree.tostring(root, encoding="unicode")


def of_command(arguments: tuple[str, ...], output: str) -> Said:
    """A command and what it printed."""
    line = " ".join(("abserver", *arguments))
    return Said(line, f"$ {line}\n{output.rstrip()}")
