"""`abserver serve`: run the server in this process until SIGTERM or SIGINT."""

from __future__ import annotations

import typer

from abserver.cli import checking, common, database


def serve(config: common.ConfigFile = None) -> None:
    """Run the server: SIP and XCAP, one line per listener when it is ready, orderly stop on SIGTERM."""
    settings = common.settings_from(config)
    database.check(settings)
    checking.check_certificates(settings)

    import uvloop

    from abserver.app import serve as serve_settings
    from xcap.interpreter import share_the_lock, spare_what_stays

    share_the_lock()
    spare_what_stays()
    raise typer.Exit(uvloop.run(serve_settings(settings)))
