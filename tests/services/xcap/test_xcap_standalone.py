"""`xcap serve` as a process of its own: settings, users, documents, signals, and nothing of abserver."""

from __future__ import annotations

import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from typer.testing import CliRunner

from xcap.client import DocumentKey, Refused, XcapClient
from xcap.standalone.cli import app
from xcap.standalone.settings import SettingsError, XcapSettings, load

if TYPE_CHECKING:
    from collections.abc import Iterator

LISTS = DocumentKey("resource-lists", "sip:alice@example.com", "index")
CONTENT = b'<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="friends"/></resource-lists>'
MEDIA_TYPE = "application/resource-lists+xml"
URLLIB = Path(__file__).resolve().parents[2] / "interop" / "urllib_client.py"
CERTIFICATES = Path(__file__).resolve().parents[2] / "data" / "tls"


def run(*line: str, stdin: str = "") -> tuple[int, str]:
    """A command in this process: its exit code, and what it printed."""
    result = CliRunner().invoke(app, line, input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


class Served:
    """A running server."""

    def __init__(self, process: subprocess.Popen[str], root: str) -> None:
        self.process = process
        self.root = root

    @property
    def log(self) -> Iterator[str]:
        """Its lines, as they come."""
        assert self.process.stderr is not None
        return iter(self.process.stderr.readline, "")


@contextmanager
def serving(*options: str) -> Iterator[Served]:
    line = [sys.executable, "-m", "xcap", "serve", "--listen", "127.0.0.1:0", *options]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = re.fullmatch(r"xcap: ready on (https?://127\.0\.0\.1:\d+/[\w/-]+)\n", process.stdout.readline())
            assert ready
            yield Served(process, ready[1])
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)
            assert process.returncode == 0


def test_it_serves_documents_and_keeps_them_without_anything_of_abserver(tmp_path: Path) -> None:
    storage = ("--storage", f"sqlite:///{tmp_path}/xcap.db")
    assert run("user", "add", "alice", "--password", "pw", *storage) == (0, "sip:alice@example.com added\n")
    for expected in (None, CONTENT):
        with serving(*storage) as served, XcapClient(served.root, "alice@example.com", "pw") as client:
            client.update(LISTS, partial(seen, expected), media_type=MEDIA_TYPE)
            assert client.get(DocumentKey("xcap-caps", None, "index")) is not None
            assert "XCAP server" in httpx.get(served.root).text


def seen(expected: bytes | None, there: bytes | None) -> bytes:
    assert there == expected
    return CONTENT


def test_a_refusal_arrives_whole_though_the_client_is_still_sending(tmp_path: Path) -> None:
    """urllib sends its whole body before it reads; here on the event loop that servers run on."""
    storage = ("--storage", f"sqlite:///{tmp_path}/xcap.db")
    assert run("user", "add", "alice", "--password", "pw", *storage)[0] == 0
    with serving(*storage) as served:
        line = [f"{served.root}/", "alice", "pw", "PUT", "resource-lists/users/sip:alice@example.com/index", MEDIA_TYPE]
        ran = subprocess.run(
            [sys.executable, URLLIB, *line], input=b" " * 3_000_000, capture_output=True, timeout=60, check=True
        )
    assert ran.stdout.startswith(b"413\n")


def test_a_list_of_documents_has_the_root_by_which_clients_reach_them(tmp_path: Path) -> None:
    storage = ("--storage", f"sqlite:///{tmp_path}/xcap.db")
    assert run("user", "add", "alice", "--password", "pw", *storage)[0] == 0
    directory = DocumentKey("org.openmobilealliance.xcap-directory", "sip:alice@example.com", "directory.xml")
    root = "https://xcap.example.com/xcap-root"
    with serving("--root-uri", root, *storage) as served, XcapClient(served.root, "alice", "pw") as client:
        client.put(LISTS, CONTENT, media_type=MEDIA_TYPE)
        listed = client.get(directory)
    assert listed is not None
    assert f'uri="{root}/resource-lists/users/sip:alice@example.com/index"'.encode() in listed.content


def test_users_come_and_go_while_it_runs(tmp_path: Path) -> None:
    storage = ("--storage", f"sqlite:///{tmp_path}/xcap.db")
    with serving(*storage) as served, XcapClient(served.root, "alice", "pw") as client:
        with pytest.raises(Refused, match="401"):
            client.get(LISTS)
        assert run("user", "add", "sip:alice@example.com", "--password-stdin", *storage, stdin="pw\n")[0] == 0
        with pytest.raises(Refused, match="404"):
            client.get(LISTS)
        assert run("user", "list", *storage) == (0, "sip:alice@example.com\n")
        assert run("user", "add", "alice", "--password", "other", *storage)[1].startswith("password of sip:alice")
        assert run("user", "remove", "alice", *storage) == (0, "sip:alice@example.com removed\n")
        assert run("user", "remove", "alice", *storage)[0] == 1
        with pytest.raises(Refused, match="401"):
            client.get(LISTS)


def test_a_small_file_holds_its_settings_and_the_command_line_stands_above_it(tmp_path: Path) -> None:
    file = tmp_path / "xcap.toml"
    file.write_text(
        'domains = ["Example.ORG"]\nroot = "/documents"\nlisten = "127.0.0.1:1"\nuser_documents = 1\n'
        f'storage = "sqlite:///{tmp_path}/xcap.db"\ntrusted_peers = ["127.0.0.0/8"]\nlog_access = false\n'
    )
    with serving("--config", str(file)) as served:
        assert served.root.endswith("/documents")
        headers = {"X-XCAP-Asserted-Identity": "sip:ann@example.org", "Content-Type": MEDIA_TYPE}
        answers = [
            httpx.put(
                f"{served.root}/resource-lists/users/sip:ann@example.org/{name}", content=CONTENT, headers=headers
            )
            for name in ("index", "other")
        ]
    assert [answer.status_code for answer in answers] == [201, 507]
    assert answers[1].text == "all documents of a user together may have 1 documents\n"


def test_sighup_brings_a_renewed_certificate(tmp_path: Path) -> None:
    files = [tmp_path / "server.pem", tmp_path / "server.key"]
    options = ("--tls-certificate", str(files[0]), "--tls-key", str(files[1]))
    install("first", files)
    with serving("--storage", f"sqlite:///{tmp_path}/xcap.db", *options) as served:
        assert served.root.startswith("https://")
        assert httpx.get(served.root, verify=trusting("first")).status_code == 200
        install("second", files)
        served.process.send_signal(signal.SIGHUP)
        assert next(line for line in served.log if "certificate" in line).endswith("was read again\n")
        assert httpx.get(served.root, verify=trusting("second")).status_code == 200
        files[1].write_text("no key")
        served.process.send_signal(signal.SIGHUP)
        assert "the certificate stays as it was" in next(line for line in served.log if "certificate" in line)
        assert httpx.get(served.root, verify=trusting("second")).status_code == 200


def install(name: str, files: list[Path]) -> None:
    for file in files:
        shutil.copy(CERTIFICATES / f"{name}{file.suffix}", file)


def trusting(name: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=CERTIFICATES / f"{name}.pem")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--listen", "here"), "--listen: 'here' is no numeric host:port; write it like '127.0.0.1:8080'"),
        (("--listen", "192.0.2.1:8080"), "cannot listen on 192.0.2.1:8080: "),
        (("--tls-certificate", "missing.pem"), "missing.pem: No such file or directory"),
        (("--storage", "mysql://u:secret@h/d"), "--storage: is no storage URL; write 'sqlite:///FILE'"),
        (("--storage", "sqlite:////nowhere/at/all.db"), "the database cannot be used: unable to open database file"),
        (("--config", "missing.toml"), "missing.toml: cannot be read: No such file or directory"),
    ],
)
def test_what_cannot_be_is_one_clear_line_and_a_failure(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    line = [sys.executable, "-m", "xcap", "serve", *options]
    ran = subprocess.run(line, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    [shown] = ran.stderr.splitlines()
    assert shown.startswith(f"xcap: {said}")
    assert "secret" not in shown


def environment() -> dict[str, str]:
    """So that another folder can be the current one."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}


def test_every_problem_of_a_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "xcap.toml"
    file.write_text('domains = []\nlissten = "x"\nuser_failures = -1\ntls_key = "k.pem"\ntrusted_users = ["ann"]\n')
    with pytest.raises(SettingsError) as raised:
        load(file, {"root": "root"})
    assert sorted(problem.partition(";")[0] for problem in raised.value.problems) == [
        "--root: 'root' is no XCAP root",
        f"{file}: domains: the list is empty, so nobody could log in",
        f"{file}: lissten: unknown",
        f"{file}: tls_key: there is a key and no certificate",
        f"{file}: trusted_users: 'ann' is no user",
        f"{file}: user_failures: input should be greater than or equal to 0, not -1",
    ]
    file.write_text("= 1")
    with pytest.raises(SettingsError, match="is not TOML"):
        load(file, {})


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("add", "bob@example.org", "--password", "x"), "sip:bob@example.org is in no domain of this server"),
        (("add", "bob", "--password-stdin"), "the password is empty"),
        (("list", "--storage", "sqlite:////nowhere/at/all.db"), "the database cannot be used"),
    ],
)
def test_a_user_that_cannot_be_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, output = run("user", *line)
    assert (code, output.startswith(f"xcap: {said}")) == (1, True)


def test_the_realm_is_in_the_passwords(tmp_path: Path) -> None:
    options = ("--storage", f"sqlite:///{tmp_path}/xcap.db", "--realm", "one realm")
    assert run("user", "add", "alice", "--password", "pw", *options)[0] == 0
    with serving(*options) as served, XcapClient(served.root, "alice@example.com", "pw") as client:
        assert client.put(LISTS, CONTENT, media_type=MEDIA_TYPE).created


def test_a_user_of_a_presence_server_reads_what_it_is_trusted_with(tmp_path: Path) -> None:
    file = tmp_path / "xcap.toml"
    file.write_text(f'storage = "sqlite:///{tmp_path}/xcap.db"\ntrusted_users = ["sip:presence@example.com"]\n')
    for user in ("alice", "bob", "presence"):
        assert run("user", "add", user, "--password", user, "--config", str(file))[0] == 0
    with serving("--config", str(file)) as served:
        with XcapClient(served.root, "alice@example.com", "alice") as alice:
            alice.put(LISTS, CONTENT, media_type=MEDIA_TYPE)
        with XcapClient(served.root, "presence@example.com", "presence") as presence:
            fetched = presence.get(LISTS)
            assert fetched is not None
            with pytest.raises(Refused, match="403"):
                presence.delete(LISTS)
        with (
            XcapClient(served.root, "bob@example.com", "bob") as bob,
            pytest.raises(Refused, match="403"),
        ):
            bob.get(LISTS)


def test_the_tree_of_nobody_is_not_there(tmp_path: Path) -> None:
    """RFC 4825 §8: 404 where the user is unknown; a known one's tree is forbidden."""
    storage = ("--storage", f"sqlite:///{tmp_path}/xcap.db")
    for user in ("alice", "bob"):
        assert run("user", "add", user, "--password", user, *storage)[0] == 0
    with serving(*storage) as served, XcapClient(served.root, "bob@example.com", "bob") as bob:
        for user, status in (("alice", "403"), ("nobody", "404")):
            with pytest.raises(Refused, match=status):
                bob.get(DocumentKey("resource-lists", f"sip:{user}@example.com", "index"))


def test_it_needs_nothing_of_abserver() -> None:
    program = (
        "import sys, xcap.__main__, xcap.standalone.server, xcap.client\n"
        "assert not [name for name in sys.modules if name.split('.')[0] == 'abserver']"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_the_defaults_are_usable_as_they_are() -> None:
    settings = XcapSettings()
    assert str(settings.listen) == "127.0.0.1:8080"
    assert settings.realm_of("sip:alice@example.com") == "example.com"
