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
    _check_certificate(settings)
    typer.echo(f"{config or 'defaults'}: good; {_summary(settings)}")


def _check_certificate(settings: Settings) -> None:
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
    scheme = "https" if settings.http.tls_certificate else "http"
    return f"{', '.join(settings.server.domains)} on {', '.join(listeners)}, {scheme} {settings.http.listen}"
