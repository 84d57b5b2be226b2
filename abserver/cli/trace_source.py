"""Where a trace comes from: a running server."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

import typer

from abserver.cli import common
from abserver.cli.common import CommandError
from abserver.net.tracing import own_folder
from abserver.sip.trace_stream import TraceReader, TraceStreamError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from abserver.sip.trace import TracedMessage
    from abserver.sip.trace_stream import Dropped

    Batches = Iterator[list[TracedMessage | Dropped]]

CHUNK = 256 * 1024
"""Bytes taken at once."""
LOOK_UP = 0.5
"""Seconds."""


def from_server(place: Path, config: Path | None) -> Batches:
    """What the server behind that socket tells, until it ends; says so when it begins. Raises CommandError.

    config: what the user named, for the advice.
    """
    reader = TraceReader()
    greeted = False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        _connect(sock, place, config)
        try:
            while data := _next(sock):
                batch = list(reader.feed(data))
                if not greeted:
                    typer.echo(f"tracing {place}", err=True)
                greeted = True
                yield batch
        except TraceStreamError as error:
            raise CommandError(str(error), "Restart the server with the program that you trace it with") from None
    if not greeted:
        raise CommandError("the server has enough readers of its trace", "End another `abserver trace` first")


def _next(sock: socket.socket) -> bytes:
    """What comes next, empty at the end. Looks up now and then: an interrupt just before a wait does not end it."""
    sock.settimeout(LOOK_UP)
    while True:
        with contextlib.suppress(TimeoutError):
            return sock.recv(CHUNK)


def _connect(sock: socket.socket, place: Path, config: Path | None) -> None:
    try:
        sock.connect(str(place))
    except PermissionError:
        raise CommandError(f"{place} is another user's", "Run this as the user that runs the server") from None
    except OSError:
        raise CommandError(f"no server can be traced at {place}", _advice(place, config)) from None


def _advice(place: Path, config: Path | None) -> str:
    others = sorted(each for each in own_folder().glob("*.trace") if each != place)
    if others:
        return f"Others are there; choose one: abserver trace --socket {others[0]}"
    start = common.with_config("serve", config)
    return f"Start the server: {start}; or name its configuration with --config, or its [trace] socket with --socket"
