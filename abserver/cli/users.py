"""`abserver user …`: who may authenticate, over SIP and HTTP alike.

Written straight into the database, where the running server looks at every authentication. Of a password only its
hashes are kept, so nobody can read it back from here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from abserver.cli import common, database, passwords
from abserver.cli.common import CommandError

if TYPE_CHECKING:
    from abserver.config import Settings
    from abserver.domain.identity import Aor

app = typer.Typer(name="user", help="Who may authenticate: add, list, change and remove users.", no_args_is_help=True)

UserAddress = Annotated[
    str, typer.Argument(metavar="AOR", help="Address of record, sip:alice@example.com.", show_default=False)
]


@app.command("add")
def add(
    user: UserAddress,
    password: passwords.Password = None,
    password_stdin: passwords.PasswordStdin = False,
    config: common.ConfigFile = None,
) -> None:
    """Add a user; asks for the password unless an option gives it. Effective at once."""
    settings = common.settings_from(config)
    aor = _of_our_domains(user, settings)
    if asyncio.run(_exists(settings, aor)):
        raise CommandError(f"{aor} exists already", f"To change the password: abserver user passwd {aor}")
    asyncio.run(_put(settings, aor, passwords.read(password, password_stdin, new=True)))
    typer.echo(f"{aor} added")


@app.command("passwd")
def passwd(
    user: UserAddress,
    password: passwords.Password = None,
    password_stdin: passwords.PasswordStdin = False,
    config: common.ConfigFile = None,
) -> None:
    """Change a user's password; asks for it unless an option gives it. Effective at once."""
    settings = common.settings_from(config)
    aor = _known(user, settings)
    if not asyncio.run(_exists(settings, aor)):
        raise _unknown(aor)
    asyncio.run(_put(settings, aor, passwords.read(password, password_stdin, new=True)))
    typer.echo(f"password of {aor} changed")


@app.command("list")
def list_users(as_json: common.Json = False, config: common.ConfigFile = None) -> None:
    """List the users, one address per line."""
    users = asyncio.run(_users(common.settings_from(config)))
    if as_json:
        common.print_json(users)
    else:
        typer.echo("".join(f"{user}\n" for user in users), nl=False)


@app.command("remove")
def remove(user: UserAddress, config: common.ConfigFile = None) -> None:
    """Remove a user, who can no longer authenticate. Card, rules and relations stay."""
    settings = common.settings_from(config)
    aor = _known(user, settings)
    if not asyncio.run(_remove(settings, aor)):
        raise _unknown(aor)
    typer.echo(f"{aor} removed")


async def _exists(settings: Settings, aor: Aor) -> bool:
    async with database.credentials(settings, create=True) as store:
        return await store.credential(aor) is not None


async def _put(settings: Settings, aor: Aor, password: str) -> None:
    from xcap.ports import Credential

    async with database.credentials(settings, create=True) as store:
        await store.put(Credential.of(aor, settings.realm_of(aor), password))


async def _users(settings: Settings) -> list[str]:
    async with database.credentials(settings) as store:
        return list(await store.users())


async def _remove(settings: Settings, aor: Aor) -> bool:
    async with database.credentials(settings) as store:
        return await store.remove(aor)


def _known(user: str, settings: Settings) -> Aor:
    """The one address of the user who was named by any of his."""
    return settings.identities.canonical(common.address(user))


def _unknown(aor: Aor) -> CommandError:
    return CommandError(f"{aor} is no user of this server", "`abserver user list` names those that are")


def _of_our_domains(user: str, settings: Settings) -> Aor:
    """A new user's address. Nobody else's requests reach this server, so an address elsewhere is a mistake."""
    from abserver.domain.identity import domain_of

    aor = _known(user, settings)
    if domain_of(aor) not in settings.server.domains:
        served = ", ".join(settings.server.domains)
        raise CommandError(
            f"{aor} is in no domain of this server ({served})",
            f'Add "{domain_of(aor)}" to domains in [server] of the configuration, if it is to be one',
        )
    return aor
