"""Programs that read traces: tshark takes captures apart, sngrep is a collector of HEP."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from abserver.sip.pcap import PcapWriter, file_header
from abserver.sip.trace import Direction, TracedMessage
from abserver.sip.transport import Address, Flow, Transport
from tests.support.process import ServerProcess, free_port
from tests.support.programs import SNGREP, TSHARK, needs

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 30.0
CHECKS = [word for protocol in ("ip", "tcp", "udp") for word in ("-o", f"{protocol}.check_checksum:TRUE")]
GOOD = "1"


def dissected(capture: Path) -> list[dict[str, str]]:
    """What tshark reads of each packet. A packet in the midst of a message has no Call-ID."""
    assert TSHARK.path is not None
    fields = [
        *("sip.Call-ID", "sip.Method", "sip.Status-Code", "_ws.malformed", "_ws.expert.severity"),
        *("ip.checksum.status", "tcp.checksum.status", "udp.checksum.status"),
    ]
    wanted = [word for field in fields for word in ("-e", field)]
    done = subprocess.run(
        [TSHARK.path, "-r", capture, "-o", "tcp.try_heuristic_first:TRUE", *CHECKS, "-T", "fields", *wanted],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return [dict(zip(fields, line.split("\t"), strict=True)) for line in done.stdout.splitlines()]


def assert_sound(packets: list[dict[str, str]]) -> None:
    for packet in packets:
        assert not packet["_ws.malformed"], packet
        sums = [packet[name] for name in packet if name.endswith("checksum.status") and packet[name]]
        assert sums, packet
        assert set(sums) == {GOOD}, packet


def notify(call_id: str, size: int) -> bytes:
    return (
        "NOTIFY sip:bob@192.0.2.4 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK1\r\n"
        "From: <sip:alice@example.com>;tag=1\r\nTo: <sip:bob@example.com>;tag=2\r\nMax-Forwards: 70\r\n"
        f"Call-ID: {call_id}\r\nCSeq: 1 NOTIFY\r\nContact: <sip:192.0.2.10>\r\nEvent: contact-card\r\n"
        f"Subscription-State: active\r\nContent-Type: text/vcard\r\nContent-Length: {size}\r\n\r\n"
    ).encode() + b"x" * size


@pytest.mark.parametrize("ours", ["192.0.2.10", "2001:db8::1"])
@pytest.mark.parametrize(
    ("transport", "port"),
    list(zip(Transport, (5060, 5060, 5061, 8080, 443), strict=True)),
)
@needs(TSHARK)[0]
def test_tshark_reads_messages_of_every_transport_and_joins_the_large_ones(
    transport: Transport, port: int, ours: str, tmp_path: Path
) -> None:
    theirs = "2001:db8::2" if ":" in ours else "192.0.2.4"
    flow = Flow(transport, Address(ours, port), Address(theirs, 40_000), 1)
    sizes = (0, 201, 100_000 if transport.reliable else 30_000, 7)
    writer, capture = PcapWriter(), tmp_path / "made.pcap"
    messages = [TracedMessage(1.0, Direction.OUT, flow, notify(f"number-{n}", size)) for n, size in enumerate(sizes)]
    capture.write_bytes(file_header() + b"".join(map(writer.packets, messages)))
    packets = dissected(capture)
    assert_sound(packets)
    found = [packet["sip.Call-ID"] for packet in packets if packet["sip.Call-ID"]]
    assert found == [f"number-{n}" for n in range(len(sizes))]
    assert {packet["sip.Method"] for packet in packets} - {""} == {"NOTIFY"}


def options(server: ServerProcess, kind: socket.SocketKind, call_id: str) -> None:
    """Ask a question and take the answer."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(server.sip)
        transport = "UDP" if kind is socket.SOCK_DGRAM else "TCP"
        sock.send(
            f"OPTIONS sip:alice@example.com SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1:9;branch=z9hG4bK{call_id}"
            f";rport\r\nFrom: <sip:bob@example.com>;tag=1\r\nTo: <sip:alice@example.com>\r\nCall-ID: {call_id}\r\n"
            "CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n".encode()
        )
        assert b"SIP/2.0 200" in sock.recv(65536)


@needs(TSHARK)[0]
def test_tshark_reads_what_a_running_server_is_asked_and_answers(tmp_path: Path) -> None:
    capture = tmp_path / "seen.pcap"
    with tempfile.TemporaryDirectory() as folder, ServerProcess(tmp_path, TRACE__SOCKET=f"{folder}/trace") as server:
        place = f"{folder}/trace"
        command = [sys.executable, "-m", "abserver", "trace", "--socket", place, "--pcap", str(capture)]
        with subprocess.Popen(command, env=server.environment, stderr=subprocess.PIPE) as trace:
            assert trace.stderr is not None
            assert trace.stderr.readline().startswith(b"tracing ")
            options(server, socket.SOCK_DGRAM, "datagram")
            options(server, socket.SOCK_STREAM, "stream")
            while capture.read_bytes().count(b"Call-ID: stream") < 2:
                assert trace.poll() is None
            trace.send_signal(signal.SIGINT)
            assert trace.wait(PATIENCE) == 130
        assert server.stop() == 0
    packets = dissected(capture)
    assert_sound(packets)
    assert [(each["sip.Call-ID"], each["sip.Method"], each["sip.Status-Code"]) for each in packets] == [
        ("datagram", "OPTIONS", ""),
        ("datagram", "", "200"),
        ("stream", "OPTIONS", ""),
        ("stream", "", "200"),
    ]


@needs(SNGREP)[0]
def test_sngrep_collects_the_messages_of_a_running_server(tmp_path: Path) -> None:
    assert SNGREP.path is not None
    port, capture = free_port(), tmp_path / "collected.pcap"
    command = [str(SNGREP.path), "-N", "-q", "-F", "-L", f"udp:127.0.0.1:{port}", "-O", str(capture)]
    with ServerProcess(tmp_path, TRACE__HEP=f"127.0.0.1:{port}", TRACE__HEP_ID="2001") as server:
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as collector:
            try:
                _until(lambda: _listens(port), collector)
                options(server, socket.SOCK_DGRAM, "datagram")
                options(server, socket.SOCK_STREAM, "stream")
                _until(lambda: capture.exists() and capture.read_bytes().count(b"Call-ID: stream") == 2, collector)
            finally:
                collector.terminate()
        assert server.stop() == 0
    assert capture.read_bytes().count(b"Call-ID: datagram") == 2


def _until(so: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while not so():
        assert process.poll() is None
        assert time.monotonic() < end


def _listens(port: int) -> bool:
    """Whether somebody has that UDP port, by the kernel's table: a try to bind it would be in the other's way."""
    rows = Path("/proc/net/udp").read_text().splitlines()[1:]
    return any(row.split()[1].endswith(f":{port:04X}") for row in rows)
