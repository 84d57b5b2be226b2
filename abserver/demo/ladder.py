"""What the demo prints: narration, the ladder of SIP and XCAP messages, commands, checks; and the trace that it keeps.

One line per message in at most `WIDTH` columns: when, between whom, on which transport, what. Bodies are named by type
and size; the whole of each message is in the trace. Colours only where Rich finds a terminal that has them.
"""

from __future__ import annotations

import textwrap
import time
from typing import TYPE_CHECKING

from rich.text import Text

from abserver.sip.codec import parse
from abserver.sip.ladder import TAG, rung, told
from abserver.sip.trace import Direction, TracedMessage

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import httpx
    from rich.console import Console

WIDTH = 100
"""Columns."""
OTHER_END = "server"


class Ladder:
    """The demo's voice."""

    def __init__(self, console: Console, trace: Path) -> None:
        """trace: the file that gets every message in full."""
        self._console = console
        self._trace = trace.open("wb")
        self._begun = time.time()
        self._acts = 0

    def close(self) -> None:
        self._trace.close()

    # -- words ------------------------------------------------------------------------------------------------------

    def act(self, title: str, story: str) -> None:
        """A new act, and what is going to happen in it."""
        self._acts += 1
        self._print(Text(f"\n{self._acts}. {title}", style="bold"))
        self.say(story)

    def say(self, text: str) -> None:
        """Narration."""
        for each in textwrap.wrap(text, WIDTH) or [""]:
            self._print(Text(each, style="italic"))

    def command(self, line: str) -> None:
        """A command of the command line."""
        self._print(Text(f"  $ {line}", style="bold cyan"))

    def output(self, text: str) -> None:
        """What a command printed."""
        for each in text.splitlines():
            self.lines(textwrap.wrap(each, WIDTH - 4, subsequent_indent="  "))

    def held(self, expectation: str) -> None:
        """An expectation holds."""
        self._print(Text(_cut(f"  ✓ {expectation}"), style="green"))

    def failed(self, why: str) -> None:
        """The end of a demo that did not go as it should."""
        self._print(Text(""))
        for each in textwrap.wrap(f"✗ {why}", WIDTH, subsequent_indent="  "):
            self._print(Text(each, style="bold red"))

    def lines(self, lines: Iterable[str]) -> None:
        """Anything else, line by line."""
        for each in lines:
            self._print(Text(_cut(f"    {each}")))

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True)

    # -- messages ---------------------------------------------------------------------------------------------------

    def sip(self, who: str, message: TracedMessage) -> None:
        """A SIP message between `who` and the server, traced at the end of `who`."""
        outward = message.direction is Direction.OUT
        transport = message.flow.transport.value.lower()
        here, there = f"{who} {message.flow.local}", f"{OTHER_END} {message.flow.remote}"
        self._keep(f"{transport} {here} {'->' if outward else '<-'} {there}", message.data)
        self._rung(who, outward, transport, told(parse(message.data)))

    def xcap_request(self, who: str, request: httpx.Request, *, shown: bool) -> None:
        """An XCAP request on its way to the server; one that is not shown is in the trace alone."""
        head = f"{request.method} {request.url.raw_path.decode()} HTTP/1.1\r\n"
        self._keep(f"http {who} -> {OTHER_END}", head.encode() + _fields(request.headers) + request.content)
        if shown:
            what = f"{request.method} {_resource(request.url.path)}"
            self._rung(who, True, "http", [what, _size(_type(request.headers), request.content)])

    def xcap_response(self, who: str, response: httpx.Response, *, shown: bool) -> None:
        """Its response."""
        status = f"{response.status_code} {response.reason_phrase}"
        self._keep(
            f"http {who} <- {OTHER_END}", f"{status}\r\n".encode() + _fields(response.headers) + response.content
        )
        if shown:
            etag = response.headers.get("etag")
            self._rung(who, False, "http", [status, etag and f"ETag {_tag(etag)}"])

    def _rung(self, who: str, outward: bool, transport: str, parts: Iterable[str | None]) -> None:
        now = f"{self._now():6.3f}"
        line = f"{rung(now, f'{who:<12}', rightward=outward, right=OTHER_END, transport=transport)} "
        first, *others = (part for part in parts if part)
        rest = "".join(f" {part}" for part in others)
        self._print(Text.assemble((line, "dim"), _cut(first, WIDTH - len(line) - len(rest)), rest))

    def _keep(self, head: str, data: bytes) -> None:
        self._trace.write(f"-- {self._now():.6f} {head}, {len(data)} bytes\r\n".encode() + data + b"\r\n\r\n")

    def _now(self) -> float:
        return time.time() - self._begun


def _tag(text: str) -> str:
    """An entity-tag, as far as it is needed to tell it from others."""
    return text.strip('"')[:TAG]


def _type(headers: httpx.Headers) -> str:
    return str(headers.get("content-type", ""))


def _size(media_type: str, body: bytes) -> str | None:
    return f"{media_type.removeprefix('application/')} {len(body)} B" if body else None


def _resource(path: str) -> str:
    """An XCAP path without what is the same in all of them: usage, then the node."""
    document, _, node = path.partition("/~~/")
    usage = next((each for each in document.split("/") if each.startswith("org.abserver.")), document)
    return f"{usage.removeprefix('org.abserver.')} {node.replace('vcards/vcard/', '…/')}".rstrip()


def _fields(headers: httpx.Headers) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode() + b"\r\n"


def _cut(text: str, width: int = WIDTH) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
