"""The HTTPS listener: whom its certificate names, what it refuses, and a certificate that changes while it serves."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.services.xcap.conftest import ALICE, NOTES, PASSWORD, ROOT, Server, listening
from xcap.client import AsyncXcapClient, Refused
from xcap.http.tls import Tls, TlsError
from xcap.ports import DocumentKey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CERTIFICATES = Path(__file__).resolve().parents[2] / "data" / "tls"
KEY = DocumentKey("notes", ALICE, "index")
CONTENT = b'<notes xmlns="urn:test:notes"/>'


def trusting(*names: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    for name in names:
        context.load_verify_locations(CERTIFICATES / f"{name}.pem")
    return context


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with the server's files, the first certificate in them."""
    install(tmp_path, "first")
    return tmp_path


def install(folder: Path, name: str) -> None:
    for ending in ("pem", "key"):
        shutil.copy(CERTIFICATES / f"{name}.{ending}", folder / f"server.{ending}")


def tls_of(folder: Path) -> Tls:
    return Tls(folder / "server.pem", folder / "server.key")


@asynccontextmanager
async def handshake(port: int, context: ssl.SSLContext) -> AsyncIterator[tuple[asyncio.StreamReader, ssl.SSLObject]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="xcap.example.com")
    try:
        yield reader, writer.get_extra_info("ssl_object")
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_documents_are_served_over_tls(server: Server, installed: Path) -> None:
    async with (
        listening(server.app(), tls=tls_of(installed)) as port,
        AsyncXcapClient(f"https://localhost:{port}{ROOT}", "alice", PASSWORD, tls=trusting("first")) as client,
    ):
        assert (await client.put(KEY, CONTENT, media_type=NOTES.media_type)).created
        fetched = await client.get(KEY)
    assert fetched is not None
    assert fetched.content == CONTENT


async def test_a_refusal_arrives_whole_though_the_client_is_still_sending(server: Server, installed: Path) -> None:
    async with (
        listening(server.app(), tls=tls_of(installed)) as port,
        AsyncXcapClient(f"https://localhost:{port}{ROOT}", "alice", PASSWORD, tls=trusting("first")) as client,
    ):
        with pytest.raises(Refused, match="413 more than 10000 bytes"):
            await client.put(KEY, b" " * 1_500_000, media_type=NOTES.media_type)


async def test_the_protocol_is_http_1_1_over_tls_1_2_or_newer(server: Server, installed: Path) -> None:
    offering = trusting("first")
    offering.set_alpn_protocols(["h2", "http/1.1"])
    async with listening(server.app(), tls=tls_of(installed)) as port, handshake(port, offering) as (_, connection):
        assert connection.selected_alpn_protocol() == "http/1.1"
        assert connection.version() in ("TLSv1.2", "TLSv1.3")


async def test_older_versions_of_tls_are_refused(server: Server, installed: Path) -> None:
    """RFC 8996."""
    old = trusting("first")
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    async with listening(server.app(), tls=tls_of(installed)) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", port, ssl=old, server_hostname="xcap.example.com")


async def test_plain_http_gets_no_answer_and_leaves_no_trace(
    server: Server, installed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(server.app(), tls=tls_of(installed)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert not (await reader.read()).startswith(b"HTTP")
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    assert not caplog.records


async def test_a_renewed_certificate_is_shown_to_new_connections_and_the_others_go_on(
    server: Server, installed: Path
) -> None:
    tls = tls_of(installed)
    async with listening(server.app(), tls=tls) as port:
        root = f"https://localhost:{port}{ROOT}"
        async with AsyncXcapClient(root, "alice", PASSWORD, tls=trusting("first")) as before:
            await before.put(KEY, CONTENT, media_type=NOTES.media_type)
            install(installed, "second")
            tls.reload()
            assert await before.get(KEY) is not None
        async with AsyncXcapClient(root, "alice", PASSWORD, tls=trusting("second")) as after:
            assert await after.get(KEY) is not None


async def test_files_that_do_not_fit_each_other_change_nothing(server: Server, installed: Path) -> None:
    tls = tls_of(installed)
    async with listening(server.app(), tls=tls) as port:
        shutil.copy(CERTIFICATES / "second.pem", installed / "server.pem")
        with pytest.raises(TlsError, match=r"server\.pem and .*server\.key: no certificate with its key"):
            tls.reload()
        async with handshake(port, trusting("first")) as (_, connection):
            assert connection.getpeercert()


def test_certificate_and_key_may_be_one_file(tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes((CERTIFICATES / "first.key").read_bytes() + (CERTIFICATES / "first.pem").read_bytes())
    assert Tls(both).context.get_ciphers()


@pytest.mark.parametrize(
    ("certificate", "key", "said"),
    [
        ("missing.pem", "first.key", "missing.pem: No such file"),
        ("first.pem", "missing.key", "missing.key: No such file"),
        ("first.pem", "encrypted.key", "first.pem: the key is encrypted"),
        ("README.md", "first.key", "no certificate with its key"),
    ],
)
def test_files_that_cannot_be_used_are_named(certificate: str, key: str, said: str) -> None:
    with pytest.raises(TlsError, match=said):
        Tls(CERTIFICATES / certificate, CERTIFICATES / key)
