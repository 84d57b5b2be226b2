"""`abserver trace` as a process beside a running server: what it shows of real messages, and how it ends."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from abserver.cli.trace_choice import Choice
from abserver.cli.trace_output import Ladder
from abserver.sip.codec import parse
from abserver.sip.errors import SipSyntaxError
from abserver.sip.trace import Direction, TracedMessage
from abserver.sip.trace_stream import GREETING, write_dropped, write_message
from abserver.sip.transport import Address, Flow, Transport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Abserver, Ran

PATIENCE = 30.0
FLOW = Flow(Transport.UDP, Address("127.0.0.1", 5060), Address("127.0.0.1", 40000))


class Trace:
    """The process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().rstrip("\n")

    def lines(self, count: int) -> list[str]:
        return [self.line() for _ in range(count)]

    def interrupt(self) -> tuple[int, bytes, str]:
        """Press Ctrl-C; exit code, what was still written, what was said of it."""
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err.decode()


@contextlib.contextmanager
def tracing(abserver: Abserver, *options: str) -> Iterator[Trace]:
    """A trace that the server knows of: what happens from now on is in it."""
    line = [sys.executable, "-m", "abserver", "trace", *options, "--config", str(abserver.config)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline().startswith(b"tracing ")
            yield Trace(process)
        finally:
            if process.poll() is None:
                process.kill()


def sip_address(abserver: Abserver) -> tuple[str, int]:
    found = re.search(r'udp = \["([0-9.]+):([0-9]+)"\]', abserver.config.read_text())
    assert found is not None
    return found[1], int(found[2])


def ask(
    abserver: Abserver, *, call_id: str = "one", user: str = "bob", method: str = "OPTIONS", more: str = ""
) -> tuple[str, int]:
    """Send a request over UDP and take its answer; the address that it came from."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(sip_address(abserver))
        host, port = sock.getsockname()
        sock.send(
            f"{method} sip:alice@example.com SIP/2.0\r\nVia: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{call_id}\r\n"
            f"From: <sip:{user}@example.com>;tag=1\r\nTo: <sip:alice@example.com>\r\nCall-ID: {call_id}\r\n"
            f"CSeq: 1 {method}\r\nMax-Forwards: 70\r\n{more}Content-Length: 0\r\n\r\n".encode()
        )
        sock.recv(65536)
        return host, port


def test_a_ladder_shows_a_request_and_its_answer_with_ends_kind_cseq_and_call_id(served: Abserver) -> None:
    with tracing(served) as trace:
        peer = "{}:{}".format(*ask(served, call_id="ladder"))
        request, response = trace.lines(2)
        code, out, err = trace.interrupt()
    server = "{}:{}".format(*sip_address(served))
    assert re.fullmatch(rf"\d\d:\d\d:\d\d\.\d{{3}} {peer} +──▶ {server} +udp  OPTIONS  CSeq 1  Call-ID ladder", request)
    assert re.fullmatch(
        rf"\d\d:\d\d:\d\d\.\d{{3}} {peer} +◀── {server} +udp  200 OK  CSeq 1 OPTIONS  Call-ID ladder", response
    )
    assert (code, out, err) == (130, b"", "")


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        (["--user", "carol"], ["two"]),
        (["--user", "sip:Carol@example.com"], ["two"]),
        (["--user", "carol@example.org"], []),
        (["--call-id", "hre"], ["three"]),
        (["--method", "subscribe", "--method", "PUBLISH"], ["three"]),
        (["--user", "bob", "--method", "OPTIONS"], ["one", "end"]),
        (["--peer", "127.0.0.1"], ["one", "two", "three", "end"]),
        (["--peer", "127.0.0.2"], []),
    ],
)
def test_filters_leave_what_fits_all_of_them(served: Abserver, options: list[str], seen: list[str]) -> None:
    with tracing(served, "--json", *options) as chosen, tracing(served, "--json") as everything:
        ask(served, call_id="one")
        ask(served, call_id="two", user="carol")
        ask(
            served,
            call_id="three",
            method="SUBSCRIBE",
            more="Event: contact-card\r\nContact: <sip:bob@127.0.0.1:9>\r\n",
        )
        ask(served, call_id="end")
        everything.lines(8)
        lines = chosen.lines(2 * len(seen))
        assert chosen.interrupt()[:2] == (130, b"")
    assert [json.loads(line)["call_id"] for line in lines] == [each for each in seen for _ in range(2)]


def test_an_object_has_what_a_script_asks_for(served: Abserver) -> None:
    with tracing(served, "--json", "--verbose") as trace:
        peer = "{}:{}".format(*ask(served, call_id="json"))
        request, response = (json.loads(line) for line in trace.lines(2))
    assert request.pop("time") <= response["time"]
    message = request.pop("message")
    assert message.startswith("OPTIONS sip:alice@example.com SIP/2.0\r\n")
    assert request == {
        "direction": "in",
        "from": peer,
        "to": "{}:{}".format(*sip_address(served)),
        "transport": "udp",
        "size": len(message),
        "method": "OPTIONS",
        "uri": "sip:alice@example.com",
        "call_id": "json",
        "cseq": "1 OPTIONS",
        "from_field": "<sip:bob@example.com>;tag=1",
        "to_field": "<sip:alice@example.com>",
        "body": 0,
    }
    assert (response["status"], response["reason"], response["method"]) == (200, "OK", "OPTIONS")


def test_verbose_shows_whole_messages_and_what_is_no_sip_is_named(served: Abserver) -> None:
    with tracing(served, "--verbose") as trace:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"\x1b[31mnonsense\xff", sip_address(served))
        head, body, end = trace.lines(3)
        ask(served, call_id="whole")
        lines = trace.lines(3)
    assert head.endswith("udp  14 B that are no SIP message: Header Does Not End")
    assert (body, end) == ("    \\x1b[31mnonsense\\xff", "")
    assert lines[0].endswith("Call-ID whole")
    assert lines[1] == "    OPTIONS sip:alice@example.com SIP/2.0"


def test_a_capture_file_is_its_owners_alone_and_whole_after_an_interrupt(served: Abserver, tmp_path: Path) -> None:
    file = tmp_path / "calls.pcap"
    with tracing(served, "--pcap", str(file)) as trace:
        ask(served, call_id="capture")
        while file.read_bytes().count(b"Call-ID: capture") < 2:
            assert trace.process.poll() is None
        assert trace.interrupt() == (130, b"", "")
    data = file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert data[:4] == bytes.fromhex("a1b2c3d4")
    position, packets = 24, []
    while position < len(data):
        (size,) = struct.unpack_from("!I", data, position + 8)
        packets.append(data[position + 16 : position + 16 + size])
        position += 16 + size
    assert [b"Call-ID: capture" in each for each in packets] == [True, True]


def test_a_capture_on_standard_output_comes_at_once(served: Abserver) -> None:
    with tracing(served, "--pcap", "-") as trace:
        assert trace.process.stdout is not None
        assert trace.process.stdout.read(4) == bytes.fromhex("a1b2c3d4")
        ask(served, call_id="piped")
        assert b"OPTIONS sip:alice" in trace.process.stdout.read(24 - 4 + 16 + 28 + 40)


@pytest.mark.parametrize("options", [[], ["--json"], ["--pcap", "-"]])
def test_a_reader_that_goes_away_ends_the_trace_quietly(served: Abserver, options: list[str]) -> None:
    with tracing(served, *options) as trace:
        assert trace.process.stdout is not None
        trace.process.stdout.close()
        ask(served)
        trace.process.wait(PATIENCE)
        assert trace.process.stderr is not None
        assert (trace.process.returncode, trace.process.stderr.read()) == (0, b"")


def test_the_end_of_the_server_is_the_end_of_the_trace(abserver: Abserver) -> None:
    assert abserver("user", "add", "alice@example.com", "--password", "alice").code == 0
    with contextlib.ExitStack() as running:
        with abserver.serving():
            trace = running.enter_context(tracing(abserver))
            ask(abserver, call_id="last")
        out, err = trace.process.communicate(timeout=PATIENCE)
    assert len(out.splitlines()) == 2
    assert (trace.process.returncode, err) == (0, b"")


# -- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def nowhere(abserver: Abserver, monkeypatch: pytest.MonkeyPatch) -> Iterator[Abserver]:
    """A command line whose servers have no traces yet."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield abserver


def test_without_a_server_the_way_to_one_is_told(nowhere: Abserver) -> None:
    ran = nowhere("trace")
    assert ran.code == 1
    assert ran.err.startswith("error: no server can be traced at ")
    assert f"abserver serve --config {nowhere.config}" in ran.err
    assert "--socket" in ran.err


def test_another_server_that_can_be_traced_is_named(nowhere: Abserver) -> None:
    folder = tempfile.gettempdir()
    os.mkdir(f"{folder}/abserver-{os.getuid()}")
    other = f"{folder}/abserver-{os.getuid()}/127.0.0.1-9.trace"
    open(other, "w").close()
    assert f"abserver trace --socket {other}" in nowhere("trace").err


def test_a_trace_that_is_switched_off_is_said(nowhere: Abserver) -> None:
    nowhere.config.write_text('[trace]\nsocket = "off"\n')
    assert "switches the trace off" in nowhere("trace").err


def test_a_socket_that_is_no_trace_is_said(nowhere: Abserver) -> None:
    assert "of this version" in told_by(nowhere, b"HTTP/1.1 200 OK\r\n").err


def test_a_server_with_enough_readers_is_said(nowhere: Abserver) -> None:
    assert "enough readers" in told_by(nowhere, b"").err


def test_missing_messages_are_told_where_they_are_missing(nowhere: Abserver, tmp_path: Path) -> None:
    message = write_message(TracedMessage(0.0, Direction.IN, FLOW, b"OPTIONS sip:a SIP/2.0\r\n\r\n"))
    said = GREETING + message + write_dropped(4711) + message
    lines = told_by(nowhere, said).out.splitlines()
    assert lines[1] == "-- 4711 messages are missing here: they came faster than they were read"
    assert lines[0] == lines[2]
    assert told_by(nowhere, said, "--json").out.splitlines()[1] == '{"missing": 4711}'
    assert "\n4711 messages are missing" in told_by(nowhere, said, "--pcap", str(tmp_path / "a.pcap")).err


def test_a_capture_file_is_neither_verbose_nor_json(nowhere: Abserver) -> None:
    assert "a capture file has whole messages" in nowhere("trace", "--pcap", "-", "--json").err


def test_a_capture_file_that_cannot_be_written_is_said(nowhere: Abserver, tmp_path: Path) -> None:
    assert "Is a directory" in nowhere("trace", "--pcap", str(tmp_path)).err


def told_by(abserver: Abserver, said: bytes, *options: str) -> Ran:
    """What `abserver trace` makes of a server that says this and goes."""
    place = f"{tempfile.gettempdir()}/some.trace"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server, ThreadPoolExecutor(1) as pool:
        server.bind(place)
        server.listen()
        server.settimeout(PATIENCE)

        def say() -> None:
            taken, _ = server.accept()
            with taken:
                taken.sendall(said)

        telling = pool.submit(say)
        ran = abserver("trace", "--socket", place, *options)
        telling.result(PATIENCE)
    os.unlink(place)
    return ran


# -- lines ------------------------------------------------------------------------------------------------------------


def line(data: bytes, monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> str:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    ladder = Ladder(verbose=False)
    traced = TracedMessage(0.0, Direction.IN, FLOW, data)
    try:
        return ladder.line(traced, parse(data), "")
    except SipSyntaxError as error:
        return ladder.line(traced, None, str(error))


@pytest.mark.parametrize(
    ("start", "colour"),
    [
        ("OPTIONS sip:a SIP/2.0", "\x1b[36m"),
        ("SIP/2.0 180 Ringing", "\x1b[32m"),
        ("SIP/2.0 302 Moved", "\x1b[33m"),
        ("SIP/2.0 401 Unauthorized", "\x1b[33m"),
        ("SIP/2.0 403 Forbidden", "\x1b[31m"),
        ("nonsense", "\x1b[31m"),
    ],
)
def test_colours_are_for_terminals_and_for_who_wants_them(
    start: str, colour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = f"{start}\r\n\r\n".encode()
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert colour in line(data, monkeypatch, terminal=True)
    assert "\x1b" not in line(data, monkeypatch, terminal=False)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in line(data, monkeypatch, terminal=True)


def test_a_terminal_is_given_nothing_to_obey(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = line(b"SIP/2.0 200 \x1b]0;title\x07\r\nCall-ID: \x1b[2J\r\n\r\n", monkeypatch, terminal=False)
    assert "\x1b" not in shown
    assert "\\x1b]0;title\\x07" in shown
    assert "Call-ID \\x1b[2J" in shown


@pytest.mark.parametrize("peer", ["2001:db8::1", "[2001:db8::1]", "[2001:DB8::1]:5060"])
def test_a_peer_is_chosen_by_host_or_by_host_and_port(peer: str) -> None:
    flow = Flow(Transport.TCP, Address("::1", 5060), Address("2001:db8::1", 5060), 1)
    assert Choice(peer=peer).takes(TracedMessage(0.0, Direction.IN, flow, b""), None)
    assert not Choice(peer=peer).takes(TracedMessage(0.0, Direction.IN, FLOW, b""), None)


def test_what_cannot_be_read_has_no_user() -> None:
    assert not Choice(user="bob").takes(TracedMessage(0.0, Direction.IN, FLOW, b"bob"), None)
