"""`openssl s_client` at a running server: the handshakes that it makes and refuses, and SIP over what comes of them."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.process import CERTIFICATES, ServerProcess
from tests.support.programs import OPENSSL, needs

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = needs(OPENSSL)

LIMIT = 30.0
"""Seconds that it may take to end."""
VERIFYING = ("-CAfile", str(CERTIFICATES / "authority.pem"), "-verify_return_error", "-verify_hostname", "localhost")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    authority = str(CERTIFICATES / "authority.pem")
    with ServerProcess(tmp_path_factory.mktemp("server"), tls=True, SIP__TLS_CLIENT_CA=authority) as process:
        yield process
        assert process.stop() == 0
        assert "Traceback" not in process.log


class Client:
    """`s_client` with a connection."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.stdin, self.stdout = process.stdin, process.stdout

    def options(self, number: int) -> int:
        """Send OPTIONS; the status."""
        self.say(
            f"OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TLS a.example;branch=z9hG4bK{number}\r\n"
            "From: <sip:bob@example.com>;tag=b\r\nTo: <sip:ann@example.com>\r\n"
            f"Call-ID: {number}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
        return int(self.heard(b"SIP/2.0 ").split()[1])

    def say(self, text: str) -> None:
        self.stdin.write(text.encode())
        self.stdin.flush()

    def heard(self, beginning: bytes) -> bytes:
        """The next line with this beginning. Fails at the end of the connection."""
        return next(line for line in self.stdout if line.startswith(beginning))


@contextmanager
def s_client(served: ServerProcess, *arguments: str) -> Iterator[Client]:
    assert OPENSSL.path is not None
    line = [str(OPENSSL.path), "s_client", "-connect", f"{served.sips[0]}:{served.sips[1]}", *arguments]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            yield Client(process)
        finally:
            process.terminate()


def ended(served: ServerProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What it says of a connection that is over as soon as it is made."""
    assert OPENSSL.path is not None
    line = [str(OPENSSL.path), "s_client", "-connect", f"{served.sips[0]}:{served.sips[1]}", *arguments]
    return subprocess.run(line, input="", capture_output=True, text=True, timeout=LIMIT)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_it_verifies_the_certificate_and_its_name_and_gets_answers(served: ServerProcess, version: str) -> None:
    with s_client(served, *VERIFYING, "-quiet", version) as client:
        assert [client.options(number) for number in (1, 2)] == [200, 200]


def test_tls_1_1_is_refused(served: ServerProcess) -> None:
    """RFC 8996."""
    assert ended(served, "-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0").returncode == 1


def test_new_keys_are_given_when_it_asks_for_them(served: ServerProcess) -> None:
    """RFC 8446 §4.6.3: what TLS answers itself leaves too, and messages go on under the new keys."""
    with s_client(served, *VERIFYING, "-tls1_3") as client:
        for number in (3, 4):
            assert client.options(number) == 200
            client.say("K\n")
            client.heard(b"KEYUPDATE")
        assert client.options(5) == 200


@pytest.mark.parametrize(("own", "status"), [("proxy", 200), ("stranger", None), ("expired", None)])
def test_a_certificate_of_its_own_has_to_be_good(served: ServerProcess, own: str, status: int | None) -> None:
    files = ("-cert", str(CERTIFICATES / f"{own}.pem"), "-key", str(CERTIFICATES / f"{own}.key"))
    with s_client(served, *VERIFYING, *files, "-quiet", "-tls1_2") as client:
        if status is None:
            assert b"alert" in b"".join(client.stdout)
        else:
            assert client.options(6) == status
