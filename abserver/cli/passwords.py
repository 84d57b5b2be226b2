"""Where a command takes a password from: an option, standard input, or a prompt."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from abserver.cli.common import CommandError

Password = Annotated[
    str | None,
    typer.Option("--password", metavar="TEXT", help="Other users of this machine can see it while the command runs."),
]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read one line with the password.")]


def read(given: str | None, from_stdin: bool, *, new: bool = False) -> str:
    """The password from wherever the options say; from a prompt without them. Raises CommandError.

    new: a prompt asks twice.
    """
    if given is not None and from_stdin:
        raise CommandError("--password and --password-stdin are two passwords", "Give one of them")
    if from_stdin:
        given = sys.stdin.readline().rstrip("\r\n")
    elif given is None:
        given = _prompt(new)
    if not given:
        raise CommandError("the password is empty", "Type one at the prompt, or give it with --password-stdin")
    return given


def _prompt(new: bool) -> str:
    if not sys.stdin.isatty():
        raise CommandError("there is no terminal to ask for the password", "Pipe it in and say --password-stdin")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=new))
