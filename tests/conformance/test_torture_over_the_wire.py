"""The messages of RFC 4475 and RFC 5118, sent to the listeners of a real server: each gets its answer, and none harms.

The server serves SUBSCRIBE and OPTIONS for `example.com`: where the RFC wants another method to be accepted or parsed,
a 405 shows that it was understood, and 404 is for who is in another domain.
"""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.process import ServerProcess, free_port
from tests.support.torture import SILENCE, over_tcp, over_udp, probe, status_of

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path(__file__).parents[1] / "data"

RFC4475 = {
    "3.1.1.1 wsinv": 405,
    "3.1.1.2 intmeth": 501,
    "3.1.1.3 esc01": 405,
    "3.1.1.4 escnull": 405,
    "3.1.1.5 esc02": 501,
    "3.1.1.6 lwsdisp": 200,
    "3.1.1.7 longreq": 405,
    "3.1.1.8 dblreq": 405,
    "3.1.1.9 semiuri": 200,
    "3.1.1.10 transports": 200,
    "3.1.1.11 mpart01": 405,
    "3.1.1.12 unreason": SILENCE,
    "3.1.1.13 noreason": SILENCE,
    "3.1.2.1 badinv01": 400,
    "3.1.2.2 clerr": 400,
    "3.1.2.3 ncl": 400,
    "3.1.2.4 scalar02": 400,
    "3.1.2.5 scalarlg": SILENCE,
    "3.1.2.6 quotbal": 400,
    "3.1.2.7 ltgtruri": 400,
    "3.1.2.8 lwsruri": 400,
    "3.1.2.9 lwsstart": 400,
    "3.1.2.10 trws": 400,
    "3.1.2.11 escruri": 405,
    "3.1.2.12 baddate": 405,
    "3.1.2.13 regbadct": 405,
    "3.1.2.14 badaspec": 400,
    "3.1.2.15 baddn": 400,
    "3.1.2.16 badvers": 505,
    "3.1.2.17 mismatch01": 400,
    "3.1.2.18 mismatch02": 400,
    "3.1.2.19 bigcode": SILENCE,
    "3.2.1 badbranch": 200,
    "3.3.1 insuf": 400,
    "3.3.2 unkscm": 416,
    "3.3.3 novelsc": 416,
    "3.3.4 unksm2": 405,
    "3.3.5 bext01": 420,
    "3.3.6 invut": 405,
    "3.3.7 regaut01": 405,
    "3.3.8 multi01": 400,
    "3.3.9 mcl01": 400,
    "3.3.10 bcast": SILENCE,
    "3.3.11 zeromf": 200,
    "3.3.12 cparam01": 405,
    "3.3.13 cparam02": 405,
    "3.3.14 regescrt": 405,
    "3.3.15 sdp01": 405,
    "3.4.1 inv2543": 405,
}
RFC5118 = {
    "4.1 ipv6-good": 405,
    "4.2 ipv6-bad": 405,  # the method is looked at before the URI (RFC 3261 §8.2)
    "4.3 port-ambiguous": 405,
    "4.4 port-unambiguous": 405,
    "4.5 via-received-param-with-delim": 405,
    "4.5 via-received-param-no-delim": 404,
    "4.6 ipv6-in-sdp": 405,
    "4.7 mult-ip-in-header": 405,
    "4.8 mult-ip-in-sdp": 405,
    "4.9 ipv4-mapped-ipv6": 405,
    "4.10 ipv6-bug-abnf-3-colons": 404,
    "4.10 ipv6-correct-abnf-2-colons": 404,
}
CLOSED = {"ncl": 400, "mcl01": 400, "inv2543": 400, "dblreq": 405, "baddn": 400}
"""What can't be framed in a stream: no Content-Length or two of them, bytes between messages, no end of the head."""


@pytest.fixture(scope="module", params=["udp", "tcp"])
def wire(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, ServerProcess]]:
    """A transport, and a server of its own: over another one a message would be a retransmission."""
    yield from ((request.param, server) for server in healthy(tmp_path_factory.mktemp(request.param)))


@pytest.fixture(scope="module")
def ipv6(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """A server that listens at `::1`."""
    if not socket.has_ipv6:
        pytest.skip("no IPv6")
    address = ("::1", free_port())
    listen = f"[{address[0]}]:{address[1]}"
    for _ in healthy(tmp_path_factory.mktemp("ipv6"), SIP__UDP=listen, SIP__TCP=listen):
        yield address


def healthy(folder: Path, **settings: str) -> Iterator[ServerProcess]:
    """A server that ends in good order, with nothing in its log that tells of a fault."""
    with ServerProcess(folder, settings) as server:
        yield server
        assert server.stop() == 0
        assert not re.findall(r"^.*(?:Traceback| ERROR | CRITICAL ).*$", server.log, re.MULTILINE)


@pytest.mark.parametrize(("case", "expected"), RFC4475.items(), ids=RFC4475.keys())
def test_each_message_of_rfc4475_gets_its_answer(wire: tuple[str, ServerProcess], case: str, expected: int) -> None:
    transport, server = wire
    name = case.split()[1]
    data = (DATA / "rfc4475" / f"{name}.dat").read_bytes()
    if transport == "udp":
        assert over_udp(server.sip, "127.0.0.9", name, data) == expected
    elif name == "clerr":
        waits_for_the_rest(server, data)
    else:
        assert over_tcp(server.sip, name, data) == ((CLOSED[name], False) if name in CLOSED else (expected, True))


def waits_for_the_rest(server: ServerProcess, data: bytes) -> None:
    """3.1.2.2 over a stream: the body may still come, so there is no answer; others are answered meanwhile."""
    with socket.create_connection(server.sip, 5.0) as waiting, socket.create_connection(server.sip, 5.0) as other:
        waiting.sendall(data)
        other.sendall(probe("meanwhile", "TCP", other.getsockname()))
        assert status_of(other.recv(65_535)) == 200
        waiting.setblocking(False)
        with pytest.raises(BlockingIOError):
            waiting.recv(1)


@pytest.mark.parametrize(("case", "expected"), RFC5118.items(), ids=RFC5118.keys())
def test_each_message_of_rfc5118_gets_its_answer_over_ipv6(ipv6: tuple[str, int], case: str, expected: int) -> None:
    """They share branches and Call-IDs, which would make one a retransmission or a copy of the other."""
    name = case.split()[1]
    data = (DATA / "rfc5118" / f"{name}.dat").read_bytes()
    data = data.replace(b"z9hG4bK", f"z9hG4bK{name}".encode(), 1).replace(b"Call-ID: ", f"Call-ID: {name}".encode())
    assert over_udp(ipv6, "::1", name, data) == expected
    data = data.replace(b"z9hG4bK", b"z9hG4bKtcp", 1).replace(b"Call-ID: ", b"Call-ID: tcp")
    assert over_tcp(ipv6, name, data) == (expected, True)


def test_no_message_is_left_out() -> None:
    for folder, cases in (("rfc4475", RFC4475), ("rfc5118", RFC5118)):
        assert {case.split()[1] for case in cases} == {path.stem for path in (DATA / folder).glob("*.dat")}
