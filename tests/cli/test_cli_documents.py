"""`abserver xcap …`: any document and node, from the terminal, through the running server."""

from __future__ import annotations

import re
import shutil
import signal
import ssl
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Abserver, Ran

ALICE = "sip:alice@example.com"
CARD = "org.abserver.contact-card"
NS = "urn:ietf:params:xml:ns:vcard-4.0"
CONTENT = f'<vcards xmlns="{NS}"><vcard><fn><text>Ann</text></fn><note><text>one</text></note></vcard></vcards>\n'
NOTE = f"{CARD}/vcards/vcard/note"
CERTIFICATES = Path(__file__).resolve().parents[1] / "data" / "tls"


@pytest.fixture
def stored(served: Abserver) -> Abserver:
    """Alice's card is CONTENT."""
    ran = served("xcap", "put", ALICE, CARD, stdin=CONTENT)
    assert (ran.code, ran.err) == (0, "")
    return served


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets an editor that runs one line of Python on `file`, a Path."""
    folder = tmp_path / "edited"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.delenv("VISUAL", raising=False)

    def set_to(statement: str) -> None:
        program = tmp_path / "editor.py"
        program.write_text(f"import pathlib, sys\nfile = pathlib.Path(sys.argv[1])\n{statement}\n")
        monkeypatch.setenv("EDITOR", f"{sys.executable} {program}")

    return set_to


def left(tmp_path: Path) -> list[str]:
    """What is kept of edited texts."""
    return [file.read_text() for file in (tmp_path / "edited").iterdir()]


def replacing(old: str, new: str) -> str:
    return f"file.write_text(file.read_text().replace({old!r}, {new!r}))"


def shown(served: Abserver, where: str = CARD, *options: str) -> str:
    ran = served("xcap", "get", ALICE, where, *options)
    assert ran.code == 0, ran.err
    return ran.out


class TestGettingAndPutting:
    def test_what_is_put_is_what_is_printed_byte_for_byte(self, stored: Abserver) -> None:
        assert shown(stored) == CONTENT

    def test_a_node_is_printed_put_and_deleted_alone(self, stored: Abserver) -> None:
        assert shown(stored, f"{NOTE}/text") == "<text>one</text>"
        ran = stored("xcap", "put", ALICE, f"{NOTE}/text", stdin="<text>two</text>\n")
        assert re.fullmatch(rf"{NOTE}/text of {ALICE} replaced, version \w+\n", ran.out)
        assert shown(stored) == CONTENT.replace("one", "two")
        assert re.fullmatch(rf"{NOTE} of {ALICE} deleted, version \w+\n", stored("xcap", "delete", ALICE, NOTE).out)
        assert "note" not in shown(stored)

    def test_a_whole_document_is_deleted_and_is_gone(self, stored: Abserver) -> None:
        assert stored("xcap", "delete", ALICE, CARD).out == f"{CARD} of {ALICE} deleted\n"
        ran = stored("xcap", "get", ALICE, CARD)
        assert (ran.code, ran.err) == (1, f"error: there is no {CARD} of {ALICE}\n")

    def test_a_file_is_put(self, stored: Abserver, tmp_path: Path) -> None:
        file = tmp_path / "card.xml"
        file.write_text(CONTENT.replace("Ann", "Anna"))
        assert stored("xcap", "put", ALICE, CARD, "--file", str(file)).code == 0
        assert "Anna" in shown(stored)
        ran = stored("xcap", "put", ALICE, CARD, "--file", "/nowhere/card.xml")
        assert ran.err.startswith("error: /nowhere/card.xml cannot be read: No such file or directory\n")

    def test_a_prefix_means_what_the_option_says(self, stored: Abserver) -> None:
        where = f"{CARD}/v:vcards/v:vcard/v:fn/v:text"
        assert shown(stored, where, "--namespace", f"v={NS}") == "<text>Ann</text>"
        ran = stored("xcap", "get", ALICE, where, "--namespace", "v")
        assert ran.err.startswith("error: 'v' binds no prefix\n")

    def test_the_global_tree_is_there_too(self, stored: Abserver) -> None:
        assert "<auid>xcap-caps</auid>" in shown(stored, "xcap-caps", "--global")

    def test_versions_make_an_edit_depend_on_what_was_read(self, stored: Abserver) -> None:
        etag = shown(stored, CARD, "--etag").strip()
        changed = CONTENT.replace("one", "two")
        assert stored("xcap", "put", ALICE, CARD, "--if-match", etag, stdin=changed).code == 0
        for command in (["put", "--if-match", etag], ["put", "--only-new"], ["delete", "--if-match", etag]):
            ran = stored("xcap", command[0], ALICE, CARD, *command[1:], stdin=CONTENT)
            assert (ran.code, "412" in ran.err) == (1, True)
        assert shown(stored) == changed

    def test_what_the_server_refuses_is_said_with_its_reason(self, stored: Abserver) -> None:
        ran = stored("xcap", "put", ALICE, CARD, stdin="<vcards>")
        assert ran.code == 1
        assert "409 not-well-formed line 1, column 9: no element found" in ran.err

    def test_a_usage_that_is_not_known_here_needs_its_type(self, stored: Abserver) -> None:
        ran = stored("xcap", "put", ALICE, "net.example.unknown", "--type", "a/b", stdin="<a/>")
        assert "404 no such application usage" in ran.err
        ran = stored("xcap", "put", ALICE, "net.example.unknown", stdin="<a/>")
        assert ran.err == (
            "error: nothing is known here of the usage net.example.unknown\n"
            "  Give the document's media type with --type\n"
        )


class TestEditing:
    def test_an_edited_document_is_put_back(
        self, stored: Abserver, editor: Callable[[str], None], tmp_path: Path
    ) -> None:
        editor(replacing("one", "two"))
        ran = stored("xcap", "edit", ALICE, CARD)
        assert re.fullmatch(rf"{CARD} of {ALICE} changed, version \w+\n", ran.out)
        assert shown(stored) == CONTENT.replace("one", "two")
        assert left(tmp_path) == []

    def test_an_edited_node_is_put_back_without_the_editors_last_line_end(
        self, stored: Abserver, editor: Callable[[str], None]
    ) -> None:
        editor('file.write_text("<text>two</text>\\n")')
        assert stored("xcap", "edit", ALICE, f"{NOTE}/text").code == 0
        assert shown(stored) == CONTENT.replace("one", "two")

    def test_a_new_node_and_a_new_document_start_empty(self, stored: Abserver, editor: Callable[[str], None]) -> None:
        editor('assert not file.read_text(); file.write_text("<note><text>new</text></note>")')
        ran = stored("xcap", "edit", ALICE, f"{CARD}/vcards/vcard/note[2]")
        assert " created, version " in ran.out
        stored("xcap", "delete", ALICE, CARD)
        editor(f"assert not file.read_text(); file.write_text({CONTENT!r})")
        assert " created, version " in stored("xcap", "edit", ALICE, CARD).out
        assert shown(stored) == CONTENT

    def test_what_is_not_changed_is_not_put(
        self, stored: Abserver, editor: Callable[[str], None], tmp_path: Path
    ) -> None:
        editor("pass")
        assert stored("xcap", "edit", ALICE, CARD).out == f"{CARD} of {ALICE} is left as it was\n"
        assert left(tmp_path) == []

    def test_what_is_refused_is_kept_and_the_file_is_named(
        self, stored: Abserver, editor: Callable[[str], None], tmp_path: Path
    ) -> None:
        editor('file.write_text("<vcards>long work")')
        ran = stored("xcap", "edit", ALICE, CARD)
        assert ran.code == 1
        assert ran.err.startswith("error: the server refused it: 409 not-well-formed")
        assert kept(ran) == "<vcards>long work"
        assert shown(stored) == CONTENT

    def test_a_change_by_somebody_else_meanwhile_is_not_overwritten(
        self, stored: Abserver, editor: Callable[[str], None], tmp_path: Path
    ) -> None:
        other = [sys.executable, "-m", "abserver", "xcap", "put", ALICE, f"{NOTE}/text", "--config", str(stored.config)]
        meanwhile = f"import subprocess; subprocess.run({other!r}, input=b'<text>theirs</text>', check=True)"
        editor(f"{meanwhile}; {replacing('Ann', 'Anna')}")
        ran = stored("xcap", "edit", ALICE, CARD)
        assert ran.code == 1
        assert ran.err.startswith("error: somebody else changed the document meanwhile\n")
        assert kept(ran) == CONTENT.replace("Ann", "Anna")
        assert shown(stored) == CONTENT.replace("one", "theirs")

    def test_an_editor_that_fails_changes_nothing_and_loses_nothing(
        self, stored: Abserver, editor: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        editor("sys.exit(1)")
        ran = stored("xcap", "edit", ALICE, CARD)
        assert ran.err.endswith("failed\n  Set EDITOR to one that is there\n")
        assert left(tmp_path) == []
        editor("file.write_text('half of it'); sys.exit(1)")
        assert kept(stored("xcap", "edit", ALICE, CARD)) == "half of it"
        monkeypatch.setenv("VISUAL", "no-such-editor")
        assert "the editor 'no-such-editor' failed" in stored("xcap", "edit", ALICE, CARD).err
        assert shown(stored) == CONTENT


def kept(ran: Ran) -> str:
    """The text in the file that the error names, which nobody else may read."""
    named = re.search(r"What you wrote is kept in (\S+)", ran.err)
    assert named, ran.err
    file = Path(named[1])
    assert file.stat().st_mode & 0o077 == 0
    return file.read_text()


class TestHttps:
    def test_the_command_line_trusts_the_servers_own_certificate(self, abserver: Abserver) -> None:
        install("first", abserver.folder)
        assert abserver("user", "add", ALICE, "--password", "pw").code == 0
        abserver.https = True
        with abserver.serving():
            assert abserver("xcap", "put", ALICE, CARD, stdin=CONTENT).code == 0
            assert shown(abserver) == CONTENT

    def test_sighup_makes_the_server_read_its_certificate_again(self, abserver: Abserver) -> None:
        install("first", abserver.folder)
        abserver.https = True
        abserver.configure(http="127.0.0.1:0", sip="127.0.0.1:0", sips="127.0.0.1:0")
        line = [sys.executable, "-m", "abserver", "serve", "--config", str(abserver.config)]
        with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            *_, sip, _, root = (process.stdout.readline().split()[-1] for _ in range(5))
            assert page(root, "first") == 200
            assert shown_by(sip) == der("first")
            install("second", abserver.folder)
            process.send_signal(signal.SIGHUP)
            assert "reloaded" in next(line for line in process.stderr if "app.running" in line)
            assert page(root, "second") == 200
            assert shown_by(sip) == der("second")
            install("first", abserver.folder)
            for broken in ("sip.key", "first.key"):
                good = (abserver.folder / broken).read_text()
                (abserver.folder / broken).write_text("no key")
                process.send_signal(signal.SIGHUP)
                assert "certificates stay as they were" in next(
                    line for line in process.stderr if "app.running" in line
                )
                assert page(root, "second") == 200
                assert shown_by(sip) == der("second")
                (abserver.folder / broken).write_text(good)
            process.terminate()
            process.communicate(timeout=30)
        assert process.returncode == 0

    def test_check_config_reads_the_certificate(self, abserver: Abserver) -> None:
        abserver.https = True
        abserver.configure(http="127.0.0.1:0", sip="127.0.0.1:0")
        ran = abserver("check-config")
        missing = abserver.folder / "first.pem"
        assert ran.err == (
            f"error: the configuration cannot be used\n  http.tls_certificate: {missing}: No such file or directory\n"
        )
        install("first", abserver.folder)
        assert "https 127.0.0.1:0" in abserver("check-config").out
        abserver.configure(http="127.0.0.1:0", sip="127.0.0.1:0", sips="127.0.0.1:0")
        assert "tls 127.0.0.1:0, wss 127.0.0.1:0/sip, https 127.0.0.1:0" in abserver("check-config").out
        missing = abserver.folder / "sip.key"
        missing.unlink()
        assert f"sip.tls_certificate: {missing}: No such file or directory" in abserver("check-config").err


def install(name: str, folder: Path) -> None:
    """Make this certificate the one that the configuration names."""
    for ending in ("pem", "key"):
        shutil.copy(CERTIFICATES / f"{name}.{ending}", folder / f"first.{ending}")
        shutil.copy(CERTIFICATES / f"{name}.{ending}", folder / f"sip.{ending}")


def shown_by(address: str) -> bytes:
    """The certificate that the SIP listener shows."""
    host, _, port = address.rpartition(":")
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((host, int(port))))


def der(name: str) -> bytes:
    return ssl.PEM_cert_to_DER_cert((CERTIFICATES / f"{name}.pem").read_text())


def page(place: str, trusted: str) -> int:
    """The status of the page at the XCAP root, if the server shows this certificate."""
    verify = ssl.create_default_context(cafile=CERTIFICATES / f"{trusted}.pem")
    return httpx.get(f"https://{place}", verify=verify).status_code
