"""`abserver watch` as a process beside a running server: the whole story of a request, over real sockets."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from abserver.cli.card_lines import changed_lines, items_of, shortened
from abserver.events.card_copy import CardCopy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Abserver

CARD = """BEGIN:VCARD
VERSION:4.0
FN:Alice
TEL;TYPE=work;X-LEVEL=friends:+1
TEL;TYPE=home:+2
END:VCARD
"""


class Watch:
    """The process, and the lines that it prints."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def line(self) -> str:
        """The next line, without the time before it."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline().rstrip()
        return line[9:] if line[2:3] == ":" else line

    def lines(self, count: int) -> list[str]:
        """The next lines."""
        return [self.line() for _ in range(count)]

    def interrupt(self) -> tuple[int, str]:
        """Press Ctrl-C; the exit code, and all else that was printed."""
        self._process.send_signal(signal.SIGINT)
        out, err = self._process.communicate(timeout=30)
        return self._process.returncode, out + err

    def end(self) -> tuple[int, str]:
        """Wait for the end; the exit code and what was said of it."""
        _, err = self._process.communicate(timeout=30)
        return self._process.returncode, err


@contextlib.contextmanager
def watching(abserver: Abserver, owner: str, watcher: str, *options: str) -> Iterator[Watch]:
    command = [sys.executable, "-m", "abserver", "watch", owner, "--as", f"{watcher}@example.com"]
    line = [*command, "--password", watcher, *options, "--config", str(abserver.config)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield Watch(process)
        finally:
            if process.poll() is None:
                process.kill()


def _owner(abserver: Abserver, name: str) -> str:
    """A new user with a card."""
    owner = f"{name}@example.com"
    assert abserver("user", "add", owner, "--password", name).code == 0
    assert abserver("card", "import", "-", owner, stdin=CARD).code == 0
    return owner


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_watcher_is_pending_then_sees_the_view_then_each_difference_then_the_end(
    served: Abserver, transport: str
) -> None:
    owner = _owner(served, f"story-{transport}")
    with watching(served, owner, "bob", "--transport", transport) as watch:
        assert watch.line() == f"pending: sip:{owner} has not decided yet"
        assert served("approve", owner, "bob@example.com", "--level", "friends").code == 0
        assert watch.lines(4) == ["full view, 181 bytes", "  FN:Alice", "  TEL;TYPE=work:+1", "active"]
        served("card", "set", owner, "TEL;TYPE=home:+22")
        served("card", "set", owner, "TEL;TYPE=work:+11")
        difference, *changes = watch.lines(3)
        assert difference.startswith("difference, ")
        assert changes == ["  - TEL;TYPE=work:+1", "  + TEL;TYPE=work:+11"]
        assert served("reject", owner, "bob@example.com").code == 0
        assert watch.end() == (1, "error: the subscription ended: rejected\n")


def test_an_interrupt_unsubscribes_quietly_and_the_kept_copy_is_brought_up_to_date_by_one_difference(
    served: Abserver, tmp_path: Path
) -> None:
    owner = _owner(served, "catch-up")
    served("approve", owner, "bob@example.com", "--level", "friends")
    state = tmp_path / "bob.json"
    with watching(served, owner, "bob", "--state", str(state)) as watch:
        assert watch.lines(4)[-1] == "active"
        assert watch.interrupt() == (130, "")
    for line in ("TEL;TYPE=work:+11", "NOTE;X-LEVEL=friends:new", "TEL;TYPE=work:+111"):
        assert served("card", "set", owner, line).code == 0
    with watching(served, owner, "bob", "--state", str(state)) as watch:
        assert watch.line() == "kept from the last watch: 2 items"
        assert watch.line().startswith("difference, ")
        assert watch.lines(4) == [
            "  - TEL;TYPE=work:+1",
            "  + TEL;TYPE=work:+111",
            "  + NOTE:new",
            "active",
        ]
        assert watch.interrupt() == (130, "")


def test_a_watcher_may_ask_for_text(served: Abserver) -> None:
    owner = _owner(served, "text")
    served("approve", owner, "bob@example.com")
    with watching(served, owner, "bob", "--accept", "text/vcard") as watch:
        assert watch.lines(3)[1:] == ["  FN:Alice", "active"]


def test_the_lists_show_the_relation_and_the_device(served: Abserver) -> None:
    owner = _owner(served, "lists")
    served("approve", owner, "bob@example.com")
    with watching(served, owner, "bob") as watch:
        assert watch.lines(3)[-1] == "active"
        assert watch.interrupt() == (130, "")
    relations = served("relations", owner).out
    assert "confirmed" in relations
    first, *table = served("sync", owner).out.splitlines()
    assert first.startswith(f"sip:{owner}: version ")
    assert table[0].split() == ["watcher", "device", "version", "acknowledged", "view"]
    assert table[2].split()[0] == "sip:bob@example.com"
    assert '"watcher": "sip:bob@example.com"' in served("sync", owner, "--json").out


def test_update_lists_of_nobody_are_empty(served: Abserver) -> None:
    assert served("sync", "dave@example.com").out == "nothing of sip:dave@example.com was ever watched\n"
    assert served("sync", "dave@example.com", "--json").out.split() == [
        "{",
        '"owner":',
        "null,",
        '"devices":',
        "[]",
        "}",
    ]


@pytest.mark.parametrize(
    ("owner", "options", "message", "hint"),
    [
        ("alice@example.com", ["--password", "wrong"], "401 Unauthorized", "Check the password of sip:bob@example.com"),
        ("nobody@example.com", [], "404 ", "sip:nobody@example.com is no user there"),
        ("alice@example.com", ["--accept", "text/plain"], "406 ", ""),
        ("alice@example.com", ["--server", "127.0.0.1:9"], "no answer", "Start the server: abserver serve --config"),
        ("alice@example.com", ["--server", "no server"], "there is no server 'no server'", "192.0.2.1:5060"),
        ("alice@example.com", ["--server", "192.0.2.1:99999"], "there is no server", "192.0.2.1:5060"),
    ],
)
def test_a_watch_that_cannot_begin_says_why(
    served: Abserver, owner: str, options: list[str], message: str, hint: str
) -> None:
    with watching(served, owner, "bob", *options) as watch:
        code, err = watch.end()
    assert code == 1
    assert err.startswith("error: ")
    assert message in err
    assert hint in err
    assert "Traceback" not in err


def test_a_file_that_holds_no_copy_is_left_alone(served: Abserver, tmp_path: Path) -> None:
    state = tmp_path / "letter.txt"
    state.write_text("dear aunt")
    ran = served("watch", "alice@example.com", "--as", "bob@example.com", "--password", "bob", "--state", str(state))
    assert ran.code == 1
    assert f"{state} is no copy of a card" in ran.err
    assert state.read_text() == "dear aunt"


def test_a_transport_without_a_listener_is_said(abserver: Abserver) -> None:
    abserver.config.write_text("[sip]\ntcp = []\n")
    ran = abserver("watch", "a@example.com", "--as", "b@example.com", "--password", "b", "--transport", "tcp")
    assert ran.code == 1
    assert "the configuration has no tcp listener" in ran.err
    assert "Choose the other --transport" in ran.err


def test_watch_says_what_it_needs_of_a_server_for_tls_alone(abserver: Abserver) -> None:
    abserver.config.write_text(
        "[sip]\nudp = []\ntcp = []\ntls = ['127.0.0.1:5061']\ntls_certificate = 'a.pem'\ntls_key = 'a.key'\n"
    )
    ran = abserver("watch", "a@example.com", "--as", "b@example.com", "--password", "b")
    assert ran.code == 1
    assert "watch speaks UDP and TCP only" in ran.err


def test_a_card_in_text_and_one_in_xml_give_the_same_lines() -> None:
    xml = b'<vcards xmlns="urn:ietf:params:xml:ns:vcard-4.0"><vcard><fn><text>A</text></fn></vcard></vcards>'
    text = b"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:A\r\nEND:VCARD\r\n"
    assert items_of(CardCopy(xml, "application/vcard+xml", None)) == ["FN:A"]
    assert items_of(CardCopy(text, "text/vcard", None)) == ["FN:A"]
    assert items_of(None) == []


def test_changed_lines_name_what_is_gone_and_what_is_new() -> None:
    assert list(changed_lines(["A:1", "B:2", "C:3"], ["A:1", "B:22", "D:4"])) == ["- B:2", "+ B:22", "- C:3", "+ D:4"]


def test_a_long_line_is_shown_by_its_beginning() -> None:
    assert shortened("NOTE:short") == "NOTE:short"
    assert shortened("PHOTO:" + "x" * 994) == "PHOTO:" + "x" * 154 + "… (1000 characters)"
