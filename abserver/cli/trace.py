"""`abserver trace`: the SIP messages of a running server, as a ladder, as JSON, or as a capture file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from abserver.cli import common
from abserver.cli.common import CommandError

if TYPE_CHECKING:
    from abserver.cli.trace_output import Output
    from abserver.config import Settings

User = Annotated[
    str | None,
    typer.Option(metavar="USER", help="Only messages from, to or for this user: `bob` or `sip:bob@example.com`."),
]
CallId = Annotated[str | None, typer.Option(metavar="TEXT", help="Only messages whose Call-ID has this in it.")]
Method = Annotated[
    list[str] | None, typer.Option(metavar="METHOD", help="Only such requests and their responses; may be repeated.")
]
Peer = Annotated[
    str | None, typer.Option(metavar="HOST[:PORT]", help="Only messages from or to this address.", show_default=False)
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Whole messages, bodies included: cards are in them.")]
Lines = Annotated[bool, typer.Option("--json", help="One JSON object per line, for scripts.")]
Pcap = Annotated[
    str | None,
    typer.Option(
        "--pcap", metavar="FILE", help="Write a capture file for Wireshark, bodies included; `-` is standard output."
    ),
]
Socket = Annotated[
    Path | None,
    typer.Option("--socket", metavar="FILE", help="The server's trace socket; without it, the configuration's."),
]


def trace(
    user: User = None,
    call_id: CallId = None,
    method: Method = None,
    peer: Peer = None,
    verbose: Verbose = False,
    lines: Lines = False,
    pcap: Pcap = None,
    socket: Socket = None,
    config: common.ConfigFile = None,
) -> None:
    """Show the SIP messages of the running server as they come and go. Ctrl-C ends it."""
    from abserver.cli.trace_choice import Choice
    from abserver.cli.trace_source import from_server

    if pcap is not None and (verbose or lines):
        raise CommandError("a capture file has whole messages", "Leave out --verbose and --json beside --pcap")
    choice = Choice(user=user, call_id=call_id, methods=tuple(method or ()), peer=peer)
    traced = from_server(socket or _place(common.settings_from(config)), config)
    with _output(pcap, verbose=verbose, lines=lines) as output:
        try:
            for batch in traced:
                for each in batch:
                    output.tell(each, choice)
                output.flush()
        except BrokenPipeError:
            output.abandon()


def _output(pcap: str | None, *, verbose: bool, lines: bool) -> Output:
    from abserver.cli.trace_output import CaptureFile, JsonLines, Ladder

    if pcap is not None:
        return CaptureFile.opened(pcap)
    return JsonLines(verbose=verbose) if lines else Ladder(verbose=verbose)


def _place(settings: Settings) -> Path:
    """Where the configured server has its trace socket."""
    from abserver.net.tracing import usual_place

    if settings.trace.socket == "off":
        raise CommandError("the configuration switches the trace off", "Take `socket` out of [trace], and start again")
    if settings.trace.socket:
        return Path(settings.trace.socket)
    return usual_place(settings.http.listen)
