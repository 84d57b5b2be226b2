"""The command line: one module per group of commands, registered here.

The law of this room: a module imports at its head only what parsing the command line needs (so that `--help` and the
completion of a word are immediate), and what a command works with inside the command. A user's mistake leaves as
CommandError and is shown as two lines: what is wrong, and what to do next. A traceback means a fault of ours.
"""

from __future__ import annotations

import typer

from abserver.cli import (
    cards,
    checking,
    demonstrating,
    documents,
    explaining,
    registrations,
    relations,
    rules,
    serving,
    trace,
    users,
    watching,
)
from abserver.cli.common import Commands

app = typer.Typer(
    name="abserver",
    cls=Commands,
    help="Address book server: one contact card per person, item by item rules, differences pushed to every device.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its tracebacks would show passwords among the local variables
)
app.command("serve")(serving.serve)
app.command("demo")(demonstrating.demo)
app.command("check-config")(checking.check_config)
app.add_typer(users.app, name="user")
app.add_typer(cards.app, name="card")
app.add_typer(rules.app, name="rules")
app.add_typer(documents.app, name="xcap")
app.command("approve")(rules.approve)
app.command("reject")(rules.reject)
app.command("block")(rules.block)
app.command("explain")(explaining.explain)
app.command("see-as")(explaining.see_as)
app.command("watch")(watching.watch)
app.command("trace")(trace.trace)
app.command("relations")(relations.relations)
app.command("sync")(relations.sync)
app.command("registrations")(registrations.registrations)
