"""`abserver registrations`: which devices are registered, read from the server's database.

Reading needs no server; with one running, what is shown is what it has committed.
"""

from __future__ import annotations

import asyncio
import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abserver.cli import common, database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from abserver.config import Settings
    from abserver.domain.identity import Aor
    from abserver.sip.bindings import Binding

User = Annotated[
    str | None,
    typer.Argument(metavar="[USER]", show_default=False, help="Only of this user: sip:user@domain."),
]


def registrations(user: User = None, as_json: common.Json = False, config: common.ConfigFile = None) -> None:
    """The devices that are registered, and by which flow each is reached."""
    settings = common.settings_from(config)
    address = None if user is None else common.address(user)
    now = datetime.datetime.now(datetime.UTC)
    found = list(asyncio.run(_found(settings, address, now)))
    if as_json:
        common.print_json([_value(whose, each) for whose, each in found])
    elif found:
        common.print_table(
            ("user", "contact", "device", "flow", "q", "expires", "agent"),
            (_cells(whose, each, now) for whose, each in found),
        )
    elif not settings.registrar.enabled:
        typer.echo("nothing is registered: this server is no registrar ([registrar] enabled)")
    else:
        typer.echo("nothing is registered" + (f" for {address}" if address else ""))


async def _found(settings: Settings, user: Aor | None, now: datetime.datetime) -> Iterator[tuple[Aor, Binding]]:
    from abserver.sip.bindings import current, preferred

    async with database.journal(settings) as journal:
        records = await journal.bindings(user)
    return ((each.user, binding) for each in records for binding in preferred(current(each.bindings, now)))


def _cells(user: Aor, binding: Binding, now: datetime.datetime) -> tuple[str, ...]:
    return (
        user,
        binding.uri,
        _device(binding),
        " ".join([_flow(binding), *(f"by {each}" for each in binding.path)]),
        f"{binding.q:g}",
        f"in {binding.remaining(now)} s",
        binding.agent,
    )


def _device(binding: Binding) -> str:
    if binding.instance is None:
        return ""
    return binding.instance if binding.reg_id is None else f"{binding.instance} flow {binding.reg_id}"


def _flow(binding: Binding) -> str:
    return f"{binding.flow.transport.value.lower()} {binding.flow.remote}"


def _value(user: Aor, binding: Binding) -> dict[str, Any]:
    return {
        "user": user,
        "contact": str(binding.contact),
        "instance": binding.instance,
        "reg_id": binding.reg_id,
        "q": binding.q,
        "path": list(binding.path),
        "transport": binding.flow.transport.value.lower(),
        "flow": str(binding.flow.remote),
        "direct": binding.direct,
        "call_id": binding.call_id,
        "cseq": binding.cseq,
        "registered_at": binding.updated_at.isoformat(),
        "expires_at": binding.expires_at.isoformat(),
        "agent": binding.agent,
    }
