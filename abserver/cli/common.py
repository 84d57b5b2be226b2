"""What all commands share: the --config option, mistakes that say what to do next, and ways to print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from abserver.config import Settings
    from abserver.domain.identity import Aor, Owner, Watcher
    from abserver.sip.transport import Address

CONFIG_VARIABLE = "ABSERVER_CONFIG"
UNUSABLE = "the configuration cannot be used"

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar=CONFIG_VARIABLE,
        metavar="FILE",
        help="The server's configuration; without it the defaults: loopback, example.com, ./abserver.db.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
OwnerAddress = Annotated[str, typer.Argument(metavar="OWNER", help="Whose card: sip:user@domain.", show_default=False)]
WatcherAddress = Annotated[
    str, typer.Argument(metavar="WATCHER", help="Who asks or follows: sip:user@domain.", show_default=False)
]


class CommandError(Exception):
    """A mistake of the user or a server that is not there: `message` says what, `hint` what to do next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Commands(TyperGroup):
    """The root of the commands, where CommandError becomes two lines on standard error and exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except CommandError as error:
            typer.secho("error: ", fg=typer.colors.RED, nl=False, err=True)
            typer.echo(error.message, err=True)
            if error.hint:
                typer.echo(f"  {error.hint}", err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            raise typer.Exit(130) from None  # what a shell expects after SIGINT


def settings_from(config: Path | None) -> Settings:
    """The settings which the server named by --config runs with. Raises CommandError naming every problem."""
    from abserver.config import ConfigError, load

    try:
        return load(config)
    except ConfigError as error:
        raise CommandError(UNUSABLE, "\n  ".join(map(str, error.problems))) from None


def with_config(command: str, config: Path | None) -> str:
    """A command line to suggest, for the same configuration that the user gave."""
    return f"abserver {command} --config {config}" if config else f"abserver {command}"


def address(text: str) -> Aor:
    """An address as the user typed it, in normal form; `alice@example.com` will do. Raises CommandError."""
    from abserver.domain.identity import InvalidAor, parse_aor

    try:
        return parse_aor(text if ":" in text else f"sip:{text}")
    except InvalidAor:
        raise CommandError(f"'{text}' is no SIP address", "Write it like sip:alice@example.com") from None


def owner(text: str) -> Owner:
    """As `address`, of somebody who has a card."""
    from abserver.domain.identity import Owner

    return Owner(address(text))


def watcher(text: str) -> Watcher:
    """As `address`, of somebody who asks or follows."""
    from abserver.domain.identity import Watcher

    return Watcher(address(text))


def print_json(value: object) -> None:
    """One JSON value, indented."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


_NO_LIMIT = 100_000


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str | None]]) -> None:
    """A table that wraps at the edge of a terminal and nowhere else, so that scripts see whole lines."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE, show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell or "") for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _NO_LIMIT
    console.print(table)


def reachable(listener: Address) -> str:
    """`host:port` by which this machine reaches a listener; one on all addresses is on loopback too."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listener.host, listener.host)  # noqa: S104 - compared, not bound
    return str(listener._replace(host=host))
