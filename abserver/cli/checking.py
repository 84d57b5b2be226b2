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
    check_certificates(settings)
    typer.echo(f"{config or 'defaults'}: good; {_summary(settings)}")


def check_certificates(settings: Settings) -> None:
    """Raises CommandError if a listener could not use its certificate."""
    from abserver.app.certificates import sip_certificate
    from abserver.app.http_side import certificate
    from xcap.http.tls import TlsError

    section = "http"
    try:
        certificate(settings)
        section = "sip"
        sip_certificate(settings.sip)
    except TlsError as error:
        raise common.CommandError(common.UNUSABLE, f"{section}.tls_certificate: {error}") from None


def _summary(settings: Settings) -> str:
    sip = settings.sip
    kinds = (("udp", sip.udp), ("tcp", sip.tcp), ("tls", sip.tls))
    listeners = [f"{kind} {address}" for kind, addresses in kinds for address in addresses]
    scheme, websocket = ("https", "wss") if settings.http.tls_certificate else ("http", "ws")
    if sip.websocket_path:
        listeners.append(f"{websocket} {settings.http.listen}{sip.websocket_path}")
    return f"{', '.join(settings.server.domains)} on {', '.join(listeners)}, {scheme} {settings.http.listen}"
