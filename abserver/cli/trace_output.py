"""How a trace is shown: as a ladder for people, as lines for scripts, as a capture file for Wireshark."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import sys
from typing import TYPE_CHECKING, BinaryIO, Protocol

import typer

from abserver.cli.common import CommandError
from abserver.sip.codec import Limits, parse
from abserver.sip.errors import SipSyntaxError
from abserver.sip.ladder import identified, method_of, printable, rung, state_of, told
from abserver.sip.message import Response
from abserver.sip.pcap import PcapWriter, file_header
from abserver.sip.trace import Direction
from abserver.sip.trace_stream import Dropped

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from abserver.cli.trace_choice import Choice
    from abserver.sip.message import Message
    from abserver.sip.trace import TracedMessage

WIDTH = 21
"""Columns of the peer's address, so that arrows stand below each other: an IPv4 address with its port."""
_ANYTHING = Limits(head=2**20, line=2**20, fields=2**16, body=2**24)
"""What came is shown, also what the server refuses for its size."""


class Output(Protocol):
    """Where a trace goes. A context manager."""

    def tell(self, traced: TracedMessage | Dropped, choice: Choice) -> None:
        """Show what is chosen."""

    def flush(self) -> None:
        """Let it be seen now."""

    def abandon(self) -> None:
        """Nobody is there to see it any more."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class _Text:
    """Lines on standard output."""

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.flush()

    def tell(self, traced: TracedMessage | Dropped, choice: Choice) -> None:
        if isinstance(traced, Dropped):
            self._write(self.missing(traced.count))
            return
        message, problem = _read(traced.data)
        if choice.takes(traced, message):
            self._write(self.line(traced, message, problem))

    def line(self, traced: TracedMessage, message: Message | None, problem: str) -> str:
        raise NotImplementedError

    def missing(self, count: int) -> str:
        raise NotImplementedError

    def flush(self) -> None:
        sys.stdout.flush()

    def abandon(self) -> None:
        """As Python's documentation has it: what is left to write at exit goes nowhere, without complaint."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def _write(self, text: str) -> None:
        sys.stdout.write(f"{text}\n")


class Ladder(_Text):
    """A line for each message; colours on a terminal only."""

    def __init__(self, *, verbose: bool) -> None:
        super().__init__(verbose=verbose)
        self._coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def line(self, traced: TracedMessage, message: Message | None, problem: str) -> str:
        when = f"{_time(traced):%H:%M:%S.%f}"[:-3]
        flow = traced.flow
        begin = rung(
            when,
            f"{flow.remote!s:<{WIDTH}}",
            rightward=traced.direction is Direction.IN,
            right=f"{flow.local!s:<{WIDTH}}",
            transport=flow.transport.value,
        )
        if message is None:
            what, rest = f"{len(traced.data)} B that are no SIP message: {problem}", ""
        else:
            what, *others = [printable(part) for part in (*told(message), *identified(message))]
            rest = "  ".join(["", *others])
        line = f"{self._styled(begin, dim=True)} {self._styled(what, fg=_colour(message), bold=True)}{rest}"
        return f"{line}\n{_indented(traced.data)}\n" if self._verbose else line

    def missing(self, count: int) -> str:
        return self._styled(f"-- {count} messages are missing here: they came faster than they were read", fg="yellow")

    def _styled(self, text: str, *, fg: str | None = None, bold: bool = False, dim: bool = False) -> str:
        return typer.style(text, fg=fg, bold=bold or None, dim=dim or None) if self._coloured else text


class JsonLines(_Text):
    """An object for each message."""

    def line(self, traced: TracedMessage, message: Message | None, problem: str) -> str:
        facts: dict[str, object] = {
            "time": _time(traced).astimezone(datetime.UTC).isoformat(timespec="microseconds"),
            "direction": traced.direction.value,
            "from": str(traced.source),
            "to": str(traced.destination),
            "transport": traced.flow.transport.value.lower(),
            "connection": traced.flow.connection or None,
            "size": len(traced.data),
        }
        facts |= {"problem": problem} if message is None else _facts(message)
        if self._verbose:
            facts["message"] = traced.data.decode(errors="backslashreplace")
        return json.dumps({name: fact for name, fact in facts.items() if fact is not None}, ensure_ascii=False)

    def missing(self, count: int) -> str:
        return json.dumps({"missing": count})


class CaptureFile:
    """Packets in a file, or on standard output for a program that reads them."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._writer = PcapWriter()
        self._file.write(file_header())
        self._file.flush()

    @classmethod
    def opened(cls, name: str) -> CaptureFile:
        """Raises CommandError for a file that can't be written."""
        if name == "-":
            return cls(sys.stdout.buffer)
        try:
            return cls(open(name, "wb", opener=_for_owner))
        except OSError as error:
            raise CommandError(f"{name}: {error.strerror}", "Name a file that can be written") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._file.flush()
        if self._file is not sys.stdout.buffer:
            self._file.close()

    def tell(self, traced: TracedMessage | Dropped, choice: Choice) -> None:
        if isinstance(traced, Dropped):
            typer.echo(f"{traced.count} messages are missing: they came faster than they were written", err=True)
        elif choice.takes(traced, _read(traced.data)[0]):
            self._file.write(self._writer.packets(traced))

    def flush(self) -> None:
        self._file.flush()

    def abandon(self) -> None:
        """As for lines."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._file.fileno())


def _for_owner(name: str, flags: int) -> int:
    """Open a file that others can't read, for what is in it."""
    return os.open(name, flags, 0o600)


def _read(data: bytes) -> tuple[Message | None, str]:
    """A message, or what is wrong with it."""
    try:
        return parse(data, _ANYTHING), ""
    except SipSyntaxError as error:
        return None, printable(str(error))


def _time(traced: TracedMessage) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(traced.at).astimezone()


def _facts(message: Message) -> dict[str, object]:
    known: dict[str, object] = {"method": method_of(message)}
    if isinstance(message, Response):
        known |= {"status": message.status, "reason": message.reason}
    else:
        known |= {"uri": message.uri}
    fields = {"call_id": "Call-ID", "cseq": "CSeq", "from_field": "From", "to_field": "To", "event": "Event"}
    known |= {key: message.headers.get(name) for key, name in fields.items()}
    return known | {"state": state_of(message) or None, "body": len(message.body)}


def _colour(message: Message | None) -> str:
    if not isinstance(message, Response):
        return typer.colors.RED if message is None else typer.colors.CYAN
    if message.status < 300:
        return typer.colors.GREEN
    return typer.colors.YELLOW if message.status < 400 or message.status in (401, 407) else typer.colors.RED


def _indented(data: bytes) -> str:
    """A whole message, as lines that a terminal shows and does not obey."""
    text = printable(data.decode(errors="backslashreplace").replace("\r\n", "\n"), keep="\n\t")
    return "\n".join(f"    {line}" for line in text.rstrip("\n").split("\n"))
