"""`abserver user …` and `check-config`: the commands that need no server."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from xcap.core.digest import Algorithm, ha1
from xcap.storage.commit import GroupCommit
from xcap.storage.credentials import SqlCredentialStore
from xcap.storage.database import open_database

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Abserver
    from xcap.ports import Credential

ALICE = "sip:alice@example.com"


def _stored(database: Path, user: str) -> Credential | None:
    async def read() -> Credential | None:
        async with open_database(f"sqlite:///{database}") as opened, GroupCommit(opened) as committer:
            return await SqlCredentialStore(opened, committer).credential(user)

    return asyncio.run(read())


def test_a_user_is_added_with_hashes_for_md5_and_sha256_in_the_realm_of_its_domain(abserver: Abserver) -> None:
    ran = abserver("user", "add", ALICE, "--password", "secret")
    assert (ran.code, ran.out) == (0, f"{ALICE} added\n")
    stored = _stored(abserver.database, ALICE)
    assert stored is not None
    assert stored.realm == "example.com"
    for algorithm in (Algorithm.MD5, Algorithm.SHA256):
        assert stored.ha1[algorithm, "alice"] == ha1(algorithm, "alice", "example.com", "secret")


def test_the_configured_realm_goes_into_the_hashes(abserver: Abserver) -> None:
    abserver.config.write_text(abserver.config.read_text() + '[auth]\nrealm = "lab"\n')
    abserver("user", "add", ALICE, "--password", "secret")
    stored = _stored(abserver.database, ALICE)
    assert stored is not None
    assert stored.ha1[Algorithm.MD5, "alice"] == ha1(Algorithm.MD5, "alice", "lab", "secret")


def test_a_user_may_be_written_without_the_scheme_and_is_listed_in_normal_form(abserver: Abserver) -> None:
    abserver("user", "add", "bob@EXAMPLE.com", "--password", "x")
    abserver("user", "add", "sip:alice@example.com:5060;transport=tcp", "--password", "x")
    assert abserver("user", "list").out == "sip:alice@example.com\nsip:bob@example.com\n"
    assert json.loads(abserver("user", "list", "--json").out) == ["sip:alice@example.com", "sip:bob@example.com"]


def test_the_password_may_come_from_standard_input(abserver: Abserver) -> None:
    assert abserver("user", "add", ALICE, "--password-stdin", stdin="päss wörd\r\nnot this\n").code == 0
    stored = _stored(abserver.database, ALICE)
    assert stored is not None
    assert stored.ha1[Algorithm.SHA256, "alice"] == ha1(Algorithm.SHA256, "alice", "example.com", "päss wörd")


def test_passwd_changes_the_password(abserver: Abserver) -> None:
    abserver("user", "add", ALICE, "--password", "old")
    assert abserver("user", "passwd", ALICE, "--password", "new").code == 0
    stored = _stored(abserver.database, ALICE)
    assert stored is not None
    assert stored.ha1[Algorithm.MD5, "alice"] == ha1(Algorithm.MD5, "alice", "example.com", "new")


def test_a_removed_user_is_gone(abserver: Abserver) -> None:
    abserver("user", "add", ALICE, "--password", "x")
    assert abserver("user", "remove", ALICE).out == f"{ALICE} removed\n"
    assert _stored(abserver.database, ALICE) is None
    assert abserver("user", "list").out == ""


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["add", ALICE, "--password", "x"], f"{ALICE} exists already", f"abserver user passwd {ALICE}"),
        (["add", "sip:bob@elsewhere.org", "--password", "x"], "in no domain of this server (example.com)", "[server]"),
        (["add", "sip:bob", "--password", "x"], "'sip:bob' is no SIP address", "sip:alice@example.com"),
        (["add", "bob@example.com"], "there is no terminal to ask", "--password-stdin"),
        (["add", "bob@example.com", "--password-stdin"], "the password is empty", "--password-stdin"),
        (["add", "bob@example.com", "--password", "x", "--password-stdin"], "two passwords", "one of them"),
        (["passwd", "bob@example.com", "--password", "x"], "sip:bob@example.com is no user", "abserver user list"),
        (["remove", "bob@example.com"], "sip:bob@example.com is no user", "abserver user list"),
    ],
)
def test_a_mistake_is_said_with_what_to_do_next(
    abserver: Abserver, arguments: list[str], message: str, hint: str
) -> None:
    abserver("user", "add", ALICE, "--password", "x")
    ran = abserver("user", *arguments)
    assert ran.code == 1
    assert ran.out == ""
    first, second = ran.err.splitlines()
    assert first.startswith("error: ")
    assert message in first
    assert hint in second
    assert abserver("user", "list").out == f"{ALICE}\n"


def test_listing_users_makes_no_database(abserver: Abserver) -> None:
    ran = abserver("user", "list")
    assert ran.code == 1
    assert f"there is no database {abserver.database}" in ran.err
    assert not abserver.database.exists()


def test_a_file_that_is_no_database_is_said_and_left_alone(abserver: Abserver) -> None:
    abserver.database.write_bytes(b"this is a letter to my aunt" * 100)
    ran = abserver("user", "list")
    assert ran.code == 1
    assert ran.err.startswith(f"error: {abserver.database}: file is not a database\n")
    assert abserver.database.read_bytes().startswith(b"this is a letter")


@pytest.mark.parametrize("command", [["user", "add", ALICE, "--password", "x"], ["serve"]])
def test_a_database_that_cannot_be_made_is_said(abserver: Abserver, command: list[str]) -> None:
    abserver.config.write_text('[storage]\nurl = "sqlite:////nowhere/at/all/abserver.db"\n')
    ran = abserver(*command)
    assert ran.code == 1
    assert "storage.url: the folder /nowhere/at/all does not exist" in ran.err


def test_the_configuration_may_be_named_by_the_environment(abserver: Abserver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABSERVER_CONFIG", str(abserver.config))
    assert abserver("user", "add", ALICE, "--password", "x", config=False).code == 0
    assert _stored(abserver.database, ALICE) is not None


def test_check_config_lists_every_problem(abserver: Abserver) -> None:
    abserver.config.write_text("[sip]\nudpp = []\n[http]\nlisten = 'here'\n")
    ran = abserver("check-config")
    assert ran.code == 1
    assert ran.err.splitlines() == [
        "error: the configuration cannot be used",
        f"  {abserver.config}: sip.udpp: unknown; did you mean 'udp'?",
        f"  {abserver.config}: http.listen: 'here' is no numeric host:port; write it like '127.0.0.1:5060' or "
        "'[::1]:5060'",
    ]


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("sqlite:////nowhere/at/all.db", "the folder /nowhere/at does not exist; make it, or name another file"),
        ("sqlite:////usr", "/usr is a folder; name a file in it"),
    ],
)
def test_check_config_looks_whether_the_database_has_a_place(abserver: Abserver, url: str, problem: str) -> None:
    abserver.config.write_text(f'[storage]\nurl = "{url}"\n')
    ran = abserver("check-config")
    assert ran.code == 1
    assert ran.err.splitlines()[1] == f"  storage.url: {problem}"


def test_check_config_says_what_a_good_configuration_serves(abserver: Abserver) -> None:
    abserver.configure(http="127.0.0.1:80", sip="127.0.0.1:5062")
    ran = abserver("check-config")
    assert ran.code == 0
    assert ran.out == (
        f"{abserver.config}: good; example.com on udp 127.0.0.1:5062, tcp 127.0.0.1:5062, "
        "ws 127.0.0.1:80/sip, http 127.0.0.1:80\n"
    )
    assert not abserver.database.exists()


def test_every_command_says_when_its_configuration_cannot_be_used(abserver: Abserver) -> None:
    abserver.config.unlink()
    for command in (["serve"], ["user", "list"], ["user", "remove", ALICE]):
        ran = abserver(*command)
        assert ran.code == 1
        assert ran.err.startswith("error: the configuration cannot be used\n")
        assert "No such file" in ran.err


def test_help_loads_neither_settings_nor_database_nor_xml() -> None:
    """`abserver --help` is to be immediate, so no command may load at its head what only its work needs."""
    heavy = (
        "{'pydantic', 'sqlalchemy', 'alembic', 'lxml', 'httpx', 'uvicorn', 'asyncio.base_events'} & set(sys.modules)"
    )
    program = f"import sys, abserver.cli; print(sorted({heavy} - {{'asyncio.base_events'}}))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_a_prompt_asks_twice_and_an_interrupt_at_it_is_quiet(abserver: Abserver) -> None:
    """On a real terminal, since that is where a prompt is: the second password differs, then Ctrl-C."""
    process, terminal = pty.fork()
    if process == 0:
        line = [sys.executable, "-m", "abserver", "user", "add", ALICE, "--config", str(abserver.config)]
        os.execv(sys.executable, line)
    try:
        seen = _read_until(terminal, b"Password: ")
        os.write(terminal, b"one\n")
        seen += _read_until(terminal, b"confirmation: ")
        os.write(terminal, b"two\n")
        seen += _read_until(terminal, b"Password: ")
        os.write(terminal, b"\x03")
        _, status = os.waitpid(process, 0)
    finally:
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) not in (0, -signal.SIGINT)
    assert b"Traceback" not in seen
    assert b"one" not in seen.replace(b"confirmation", b"")


def _read_until(terminal: int, end: bytes) -> bytes:
    seen = b""
    while not seen.endswith(end):
        seen += os.read(terminal, 1024)
    return seen


def test_a_user_may_be_named_by_any_address_of_his(abserver: Abserver) -> None:
    text = abserver.config.read_text()
    places = f'[server]\naliases = {{ "tel:+15550199" = "{ALICE}" }}\nphone_domain = "example.com"\n'
    abserver.config.write_text(places + text)
    assert abserver("user", "add", "tel:+1-555-0199", "--password", "x").out == f"{ALICE} added\n"
    assert abserver("user", "add", "tel:+1-555-0100", "--password", "x").out == "sip:+15550100@example.com added\n"
    assert abserver("user", "passwd", "tel:+15550199", "--password", "y").code == 0
    assert abserver("user", "remove", "sip:+15550199@example.com").out == f"{ALICE} removed\n"
