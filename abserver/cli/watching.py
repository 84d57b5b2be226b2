"""`abserver watch`: a device that follows an owner, in a terminal; a real SIP subscriber like any phone."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from abserver.cli import common, passwords
from abserver.cli.common import CommandError

if TYPE_CHECKING:
    from abserver.config import Settings
    from abserver.sip.transport import Address

DEFAULT_PORT = 5060


class SipTransport(enum.Enum):
    """How the first SUBSCRIBE leaves."""

    UDP = "udp"
    TCP = "tcp"


As = Annotated[
    str, typer.Option("--as", metavar="WATCHER", help="Who watches: a user with a password.", show_default=False)
]
Server = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="The server; without it, the one of the configuration.", show_default=False),
]
Accept = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TYPE",
        help="Media type to accept, may be repeated; without it, full views and differences of them.",
    ),
]
StateFile = Annotated[
    Path | None,
    typer.Option(
        "--state",
        metavar="FILE",
        help="Keep the copy here, so that the next watch is told only what changed meanwhile.",
        show_default=False,
    ),
]


def watch(
    owner: common.OwnerAddress,
    watcher: As,
    password: passwords.Password = None,
    password_stdin: passwords.PasswordStdin = False,
    server: Server = None,
    transport: SipTransport = SipTransport.UDP,
    accept: Accept = None,
    state: StateFile = None,
    config: common.ConfigFile = None,
) -> None:
    """Follow OWNER's card: print it, then each difference as it arrives. Ctrl-C unsubscribes."""
    from abserver.cli.watch_terminal import WatchTerminal, node_towards
    from abserver.events.follow import Follow
    from abserver.net.listeners import ListenerError
    from abserver.services.watching import UnusableFile, Watching

    target = _target(server or _configured(common.settings_from(config), transport))
    follow = Follow(
        owner=common.owner(owner),
        watcher=common.watcher(watcher),
        password=passwords.read(password, password_stdin),
        route=f"sip:{target};transport={transport.value}",
    )
    if accept:
        follow = dataclasses.replace(follow, accept=tuple(accept))
    try:
        watching = Watching(follow, node_towards(target, udp=transport is SipTransport.UDP), keep_in=state)
        terminal = WatchTerminal(watching, f"{transport.value} {target}", common.with_config("serve", config))
        asyncio.run(terminal.run())
    except (UnusableFile, ListenerError) as error:
        raise CommandError(str(error)) from None


def _configured(settings: Settings, transport: SipTransport) -> str:
    listeners = settings.sip.udp if transport is SipTransport.UDP else settings.sip.tcp
    if not listeners:
        either = settings.sip.udp or settings.sip.tcp
        raise CommandError(
            f"the configuration has no {transport.value} listener",
            "Choose the other --transport, or name the --server"
            if either
            else "watch speaks UDP and TCP only; add one to [sip] on loopback: tcp = ['127.0.0.1:5060']",
        )
    return common.reachable(listeners[0].address)


def _target(server: str) -> Address:
    """The numeric address of HOST:PORT. Raises CommandError."""
    from abserver.sip.errors import SipSyntaxError
    from abserver.sip.transport import Address
    from abserver.sip.uri import SipUri

    try:
        uri = SipUri.parse(f"sip:{server}")
        host = uri.host.removeprefix("[").removesuffix("]")
        found = socket.getaddrinfo(host, uri.port or DEFAULT_PORT, type=socket.SOCK_DGRAM)
    except (SipSyntaxError, OSError):
        raise CommandError(f"there is no server '{server}'", "Write its address like 192.0.2.1:5060") from None
    return Address(*found[0][4][:2])
