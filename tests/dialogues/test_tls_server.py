"""A running server behind another address, over TLS: what a proxy with a certificate gets, and a renewal meanwhile."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import socket
import ssl
from typing import TYPE_CHECKING

import pytest

from abserver.sip.codec import StreamFramer, parse
from abserver.sip.message import Request, Response
from tests.support.certificates import FOLDER, trusting
from tests.support.process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

OUTSIDE = "sip.example.com:5071"
LIMIT = 30.0
"""Seconds that an answer may take."""


class Peer:
    """One connection over TLS."""

    def __init__(self, served: ServerProcess, own: str | None = None) -> None:
        with socket.create_connection(served.sips, timeout=LIMIT) as raw:
            self._stream = trusting(own).wrap_socket(raw, server_hostname="sip.example.com")
        self._framer = StreamFramer()
        self._waiting: list[Request | Response] = []

    @property
    def shown(self) -> str:
        """The certificate of the server."""
        return ssl.DER_cert_to_PEM_cert(self._stream.getpeercert(True) or b"")

    def ask(self, method: str, number: int, *fields: str) -> None:
        head = [
            f"{method} sip:ann@example.com SIP/2.0",
            f"Via: SIP/2.0/TLS proxy.example.net;branch=z9hG4bK{number}",
            "Max-Forwards: 70",
            "From: <sip:bob@example.com>;tag=b",
            "To: <sip:ann@example.com>",
            f"Call-ID: {number}@proxy.example.net",
            f"CSeq: 1 {method}",
            "Contact: <sip:bob@proxy.example.net>",
            *fields,
            "Content-Length: 0",
        ]
        self._stream.sendall("\r\n".join([*head, "", ""]).encode())

    def next(self) -> Request | Response:
        while not self._waiting:
            frames = self._framer.feed(self._stream.recv(65_536))
            self._waiting += [parse(each) for each in frames if isinstance(each, bytes)]
        return self._waiting.pop(0)

    def close(self) -> None:
        self._stream.close()


def asked(peer: Peer, method: str, number: int, *fields: str) -> Response:
    peer.ask(method, number, *fields)
    answer = peer.next()
    assert isinstance(answer, Response)
    return answer


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    tmp_path = tmp_path_factory.mktemp("server")
    for ending in ("pem", "key"):
        shutil.copy(FOLDER / f"server.{ending}", tmp_path / f"sip.{ending}")
    process = ServerProcess(
        tmp_path,
        tls=True,
        SIP__TLS_CERTIFICATE=str(tmp_path / "sip.pem"),
        SIP__TLS_KEY=str(tmp_path / "sip.key"),
        SIP__TLS_CLIENT_CA=str(FOLDER / "authority.pem"),
        SIP__TRUSTED_NAMES="proxy.example.net",
    )
    listener = process.environment["ABSERVER_SIP__TLS"]
    process.environment["ABSERVER_SIP__TLS"] = f"{listener} advertise {OUTSIDE}"
    process.command("user", "add", "sip:ann@example.com", "--password", "pw")
    with process:
        yield process
        assert process.stop() == 0
        assert "Traceback" not in process.log


SUBSCRIBE = ("Event: contact-card", "Accept: application/vcard+xml", "Expires: 600")


def test_a_proxy_that_proves_its_name_speaks_for_its_users_and_finds_us_where_we_are_advertised(
    served: ServerProcess,
) -> None:
    """RFC 3325, RFC 5922 §7.4, RFC 3261 §8.1.1.8."""
    with contextlib.closing(Peer(served, own="proxy")) as proxy:
        answer = asked(proxy, "SUBSCRIBE", 1, *SUBSCRIBE, "P-Asserted-Identity: <sip:bob@example.com>")
        assert answer.status in (200, 202)
        assert answer.contact is not None
        assert OUTSIDE in answer.contact.uri
        notify = proxy.next()
    assert isinstance(notify, Request)
    assert f"{notify.via.host}:{notify.via.port}" == OUTSIDE
    assert notify.via.transport == "TLS"


def test_the_same_word_without_a_certificate_is_challenged(served: ServerProcess) -> None:
    with contextlib.closing(Peer(served)) as phone:
        answer = asked(phone, "SUBSCRIBE", 1, *SUBSCRIBE, "P-Asserted-Identity: <sip:bob@example.com>")
    assert answer.status == 401


def test_a_renewal_ends_no_connection(served: ServerProcess) -> None:
    numbers = itertools.count(10)
    with contextlib.closing(Peer(served)) as before:
        for ending in ("pem", "key"):
            shutil.copy(FOLDER / f"renewed.{ending}", served.folder / f"sip.{ending}")
        os.kill(served.pid, signal.SIGHUP)
        while "reloaded" not in served.log:
            assert asked(before, "OPTIONS", next(numbers)).status == 200
        assert before.shown == (FOLDER / "server.pem").read_text()
        with contextlib.closing(Peer(served)) as after:
            assert after.shown == (FOLDER / "renewed.pem").read_text()
            assert asked(after, "OPTIONS", 2).status == 200
        assert asked(before, "OPTIONS", 3).status == 200
