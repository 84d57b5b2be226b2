"""`abserver check-config`: everything that is wrong with a configuration, before a server is started with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from abserver.cli import common, database

if TYPE_CHECKING:
    from abserver.config import Settings


def check_config(config: common.ConfigFile = None) -> None:
    """List every problem of a configuration with its key and place; exit code 1 if there is any."""
    settings = common.settings_from(config)
    database.check(settings)
    typer.echo(f"{config or 'defaults'}: good; {_summary(settings)}")


def _summary(settings: Settings) -> str:
    listeners = [f"udp {address}" for address in settings.sip.udp] + [f"tcp {address}" for address in settings.sip.tcp]
    return f"{', '.join(settings.server.domains)} on {', '.join(listeners)}, http {settings.http.listen}"
