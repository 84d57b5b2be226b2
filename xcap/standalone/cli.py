"""The command line of the document server alone: `xcap serve`, and `xcap user …` for who may log in."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from xcap.core.digest import user_of
from xcap.standalone.settings import SettingsError, XcapSettings, load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from xcap.ports import CredentialStore

app = typer.Typer(
    name="xcap",
    help="An XCAP document server (RFC 4825) on its own.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its tracebacks would show passwords among the local variables
)
users = typer.Typer(name="user", help="Who may log in. Effective at once, also for a running server.")
app.add_typer(users, no_args_is_help=True)

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", envvar="XCAP_CONFIG", metavar="FILE", help="TOML file with settings.", show_default=False),
]
Storage = Annotated[str | None, typer.Option(metavar="URL", help="Database: sqlite:///FILE or postgresql://…")]
Realm = Annotated[str | None, typer.Option(metavar="TEXT", help="Realm of passwords, if not each user's domain.")]
User = Annotated[str, typer.Argument(metavar="AOR", help="sip:alice@example.com, or without the scheme.")]
Password = Annotated[str | None, typer.Option(metavar="TEXT", help="Others on this machine can see it meanwhile.")]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read one line with the password.")]


@app.command()
def serve(
    config: ConfigFile = None,
    listen: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Where to listen.")] = None,
    domain: Annotated[list[str] | None, typer.Option(metavar="NAME", help="A domain of users; repeatable.")] = None,
    root: Annotated[str | None, typer.Option(metavar="PATH", help="Path of the XCAP root.")] = None,
    root_uri: Annotated[str | None, typer.Option(metavar="URI", help="The XCAP root as clients know it.")] = None,
    storage: Storage = None,
    realm: Realm = None,
    trusted_peer: Annotated[
        list[str] | None, typer.Option(metavar="NETWORK", help="Proxy that asserts identities; repeatable.")
    ] = None,
    tls_certificate: Annotated[str | None, typer.Option(metavar="FILE", help="Certificate (PEM), for HTTPS.")] = None,
    tls_key: Annotated[str | None, typer.Option(metavar="FILE", help="Its key (PEM).")] = None,
    log_level: Annotated[str | None, typer.Option(metavar="LEVEL", help="debug, info, warning or error.")] = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C; one line says where, when it is ready. SIGHUP reads the certificate again."""
    settings = _settings(
        config,
        listen=listen,
        domains=domain,
        root=root,
        root_uri=root_uri,
        storage=storage,
        realm=realm,
        trusted_peers=trusted_peer,
        tls_certificate=tls_certificate,
        tls_key=tls_key,
        log_level=log_level,
    )
    import uvloop

    from xcap.interpreter import share_the_lock, spare_what_stays
    from xcap.standalone.server import serve as run

    share_the_lock()
    spare_what_stays()
    raise typer.Exit(uvloop.run(run(settings)))


@users.command("add")
def add(
    user: User,
    password: Password = None,
    password_stdin: PasswordStdin = False,
    config: ConfigFile = None,
    storage: Storage = None,
    realm: Realm = None,
) -> None:
    """Add a user, or change a user's password. Of the password only hashes are kept, and they contain the realm."""
    settings = _settings(config, storage=storage, realm=realm)
    address = _address(user, settings)
    new = asyncio.run(_put(settings, address, _password(password, password_stdin)))
    typer.echo(f"{address} added" if new else f"password of {address} changed")


@users.command("remove")
def remove(user: User, config: ConfigFile = None, storage: Storage = None) -> None:
    """Remove a user, who can no longer log in. The documents stay."""
    settings = _settings(config, storage=storage)
    address = _address(user, settings)
    if not asyncio.run(_remove(settings, address)):
        _fail(f"{address} is no user of this server")
    typer.echo(f"{address} removed")


@users.command("list")
def list_users(config: ConfigFile = None, storage: Storage = None) -> None:
    """List the users, one address per line."""
    for user in asyncio.run(_list(_settings(config, storage=storage))):
        typer.echo(user)


async def _put(settings: XcapSettings, user: str, password: str) -> bool:
    from xcap.ports import Credential

    async with _store(settings) as store:
        return await store.put(Credential.of(user, settings.realm_of(user), password))


async def _remove(settings: XcapSettings, user: str) -> bool:
    async with _store(settings) as store:
        return await store.remove(user)


async def _list(settings: XcapSettings) -> Sequence[str]:
    async with _store(settings) as store:
        return await store.users()


@contextlib.asynccontextmanager
async def _store(settings: XcapSettings) -> AsyncIterator[CredentialStore]:
    """Leaves the command with a message where the database cannot be used."""
    from xcap.standalone.server import CannotOpen, opened
    from xcap.storage.commit import GroupCommit
    from xcap.storage.credentials import SqlCredentialStore

    try:
        async with opened(settings) as database, GroupCommit(database) as committer:
            yield SqlCredentialStore(database, committer)
    except CannotOpen as error:
        _fail(f"the database cannot be used: {error}")


def _settings(config: Path | None, **given: object) -> XcapSettings:
    """Leaves the command with every problem if there is one."""
    try:
        return load(config, {name: value for name, value in given.items() if value})
    except SettingsError as error:
        _fail(*error.problems)


def _address(user: str, settings: XcapSettings) -> str:
    """In normal form; a name without a domain is one of the first domain."""
    address = user_of(user, settings.domains[0])
    if address.rpartition("@")[2] not in settings.domains:
        _fail(f"{address} is in no domain of this server ({', '.join(settings.domains)})")
    return address


def _password(given: str | None, from_stdin: bool) -> str:
    if given is None and from_stdin:
        given = sys.stdin.readline().rstrip("\r\n")
    elif given is None:
        given = str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    if not given:
        _fail("the password is empty")
    return given


def _fail(*problems: str) -> NoReturn:
    for problem in problems:
        typer.echo(f"xcap: {problem}", err=True)
    raise typer.Exit(1)
