"""A phone behind a NAT, over real sockets: the server is a process, the NAT a relay that rewrites addresses, the phone
a socket that speaks SIP and STUN.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import struct
from typing import TYPE_CHECKING

import pytest

from abserver.domain.usages import CARD_RULES, CONTACT_CARD
from abserver.events.contact_card import XCARD
from abserver.events.digest_answers import DigestAnswers
from abserver.net.sip_driver import SipDriver
from abserver.sip import stun
from abserver.sip.codec import parse, serialize
from abserver.sip.headers import NameAddr
from abserver.sip.identifiers import new_branch, new_call_id
from abserver.sip.message import Headers, Request, Response
from abserver.sip.transport import Address
from abserver.sip.uas import Capabilities, make_response
from tests.support.documents import ANN, BOB, allow, card, rules
from tests.support.nat import Nat
from tests.support.process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from abserver.ports import Respond, SendFailure
    from abserver.sip.transport import Flow

PRIVATE = "sip:bob@192.168.1.7:5060;ob"
INSTANCE = "urn:uuid:00000000-0000-1000-8000-000a95a0e128"
PATIENCE = 10.0


class Handset:
    """One UDP socket behind a NAT."""

    def __init__(self, server: Address) -> None:
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.setblocking(False)
        self._sock.connect(server)
        self._digest = DigestAnswers("bob", "bob", lambda: "cnonce")
        self._answers: asyncio.Queue[Response] = asyncio.Queue()
        self._mappings: asyncio.Queue[Address] = asyncio.Queue()
        self.notifies: asyncio.Queue[Request] = asyncio.Queue()
        self._registers = new_call_id()
        self._cseq = 0
        self._reader = asyncio.create_task(self._read())

    async def close(self) -> None:
        self._reader.cancel()
        await asyncio.wait([self._reader])
        self._sock.close()

    async def _read(self) -> None:
        while True:
            data = await asyncio.get_running_loop().sock_recv(self._sock, 65_535)
            if data[0] < stun.FIRST_OCTETS:
                await self._mappings.put(_mapped(data))
                continue
            message = parse(data)
            if isinstance(message, Response):
                await self._answers.put(message)
            else:
                self._sock.send(serialize(make_response(message, 200)))
                await self.notifies.put(message)

    async def sees_itself_at(self) -> Address:
        """A keep-alive, which tells the mapping too (RFC 5626 §4.4.2)."""
        self._sock.send(struct.pack("!HHI12s", 1, 0, stun.MAGIC_COOKIE, b"transaction!"))
        async with asyncio.timeout(PATIENCE):
            return await self._mappings.get()

    async def asks(self, method: str, to: str, call_id: str, *fields: tuple[str, str]) -> Response:
        """A request outside of dialogs, signed when that is asked for; its final response."""
        response = await self._asks_once(method, to, call_id, fields)
        if response.status == 401:
            self._digest.learn(response)
            response = await self._asks_once(method, to, call_id, fields)
        return response

    async def _asks_once(self, method: str, to: str, call_id: str, fields: tuple[tuple[str, str], ...]) -> Response:
        self._cseq += 1
        headers = Headers(
            [
                ("Via", f"SIP/2.0/UDP 192.168.1.7:5060;branch={new_branch()};rport"),
                ("Max-Forwards", "70"),
                ("From", f"<{BOB}>;tag={call_id}"),
                ("To", f"<{to}>"),
                ("Call-ID", call_id),
                ("CSeq", f"{self._cseq} {method}"),
                *fields,
            ]
        )
        request = Request(method, "sip:example.com" if method == "REGISTER" else to, headers)
        self._digest.sign(request)
        self._sock.send(serialize(request))
        async with asyncio.timeout(PATIENCE):
            return await self._answers.get()

    async def registers(self) -> Response:
        contact = f'<{PRIVATE}>;reg-id=1;+sip.instance="<{INSTANCE}>"'
        supported = ("Supported", "path, outbound, gruu")
        return await self.asks("REGISTER", BOB, self._registers, ("Contact", contact), supported)

    async def subscribes(self, contact: str = PRIVATE, call_id: str = "subscribes") -> Response:
        fields = {
            "Contact": f'<{contact}>;+sip.instance="<{INSTANCE}>"',
            "Event": "contact-card",
            "Accept": "application/vcard+xml",
            "Expires": "600",
        }
        return await self.asks("SUBSCRIBE", ANN, call_id, *fields.items())

    async def is_notified(self, call_id: str = "") -> Request:
        """The next NOTIFY, of this dialog: what earlier tests left undelivered comes too when a phone is back."""
        async with asyncio.timeout(PATIENCE):
            while (request := await self.notifies.get()).call_id != (call_id or request.call_id):
                continue
            return request


def _mapped(data: bytes) -> Address:
    """XOR-MAPPED-ADDRESS, the only attribute of the response (RFC 5389 §15.2)."""
    port, host = struct.unpack_from("!HI", data, 26)
    return Address(str(ipaddress.IPv4Address(host ^ stun.MAGIC_COOKIE)), port ^ stun.MAGIC_COOKIE >> 16)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("registrar")
    with ServerProcess(folder, REGISTRAR__ENABLED="true", NOTIFY__CARD_PACE="0") as process:
        for user in ("ann", "bob"):
            process.command("user", "add", f"{user}@example.com", "--password", user)
        yield process


@contextlib.asynccontextmanager
async def behind_a_nat(server: ServerProcess) -> AsyncIterator[tuple[Nat, Handset]]:
    nat = Nat(Address(*server.sip))
    await nat.start()
    phone = Handset(nat.inside)
    try:
        yield nat, phone
    finally:
        await phone.close()
        nat.stop()


async def put(server: ServerProcess, auid: str, content: bytes, folder: Path) -> None:
    """Ann edits a document."""
    file = folder / "document.xml"
    file.write_bytes(content)
    await asyncio.to_thread(server.command, "xcap", "put", ANN, auid, "--file", str(file))


async def test_a_phone_stays_reachable_when_its_mapping_changes_rfc5626_6(
    server: ServerProcess, tmp_path: Path
) -> None:
    await put(server, CONTACT_CARD.auid, card("1"), tmp_path)
    await put(server, CARD_RULES.auid, rules(allow(BOB)), tmp_path)
    async with behind_a_nat(server) as (nat, phone):
        registered = await phone.registers()
        assert (registered.status, registered.headers.get("Require")) == (200, "outbound")
        assert (await phone.subscribes()).status == 200
        first = await phone.is_notified()
        assert b"tel:1<" in first.body

        # The keep-alive shows another mapping than before; the phone registers again, and does nothing else.
        before = await phone.sees_itself_at()
        assert before == nat.outside
        await nat.changes_mapping()
        assert await phone.sees_itself_at() == nat.outside != before
        assert (await phone.registers()).status == 200
        assert f"udp {nat.outside}" in server.command("registrations", "bob@example.com")
        await put(server, CONTACT_CARD.auid, card("2"), tmp_path)
        told = await phone.is_notified()
        assert (told.call_id, told.cseq.number, told.uri) == (first.call_id, first.cseq.number + 1, PRIVATE)
        assert b"tel:2<" in told.body
        assert nat.lost == 0

        # The other story: it subscribes again, and what was registered is left behind.
        await nat.changes_mapping()
        assert (await phone.subscribes(call_id="again")).status == 200
        await phone.is_notified()
        await put(server, CONTACT_CARD.auid, card("3"), tmp_path)
        assert b"tel:3<" in (await phone.is_notified()).body
        assert nat.lost == 0


async def test_a_phone_whose_contact_is_its_gruu_is_reached_by_what_it_registered_rfc5627_4_4(
    server: ServerProcess, tmp_path: Path
) -> None:
    await put(server, CONTACT_CARD.auid, card("1"), tmp_path)
    await put(server, CARD_RULES.auid, rules(allow(BOB)), tmp_path)
    async with behind_a_nat(server) as (nat, phone):
        registered = await phone.registers()
        contact = NameAddr.parse(registered.headers.elements("Contact")[0])
        assert (await phone.subscribes(contact.param("temp-gruu") or "", "by-gruu")).status == 200
        assert (await phone.is_notified("by-gruu")).uri == PRIVATE
        await nat.changes_mapping()
        assert (await phone.registers()).status == 200
        await put(server, CONTACT_CARD.auid, card("2"), tmp_path)
        assert (await phone.is_notified("by-gruu")).uri == PRIVATE


# -- connections ----------------------------------------------------------------------------------------------------

OVER_TCP = "sip:bob@192.168.1.7:5060;transport=tcp;ob"


class Connected:
    """A phone that has one TCP connection to the server, and is reached by that alone."""

    def __init__(self, server: Address) -> None:
        self._server = server
        self._digest = DigestAnswers("bob", "bob", lambda: "cnonce")
        self._cseq = 0
        self.notifies: asyncio.Queue[Request] = asyncio.Queue()
        self.driver = SipDriver(self._notified, Capabilities(("NOTIFY",), body_types=(XCARD,)))

    async def _notified(self, request: Request, flow: Flow, respond: Respond) -> None:
        respond(make_response(request, 200))
        await self.notifies.put(request)

    async def asks(self, method: str, to: str, call_id: str, **fields: str) -> Response:
        """A request outside of dialogs, signed when that is asked for; its final response."""
        response = await self._asks_once(method, to, call_id, fields)
        if response.status == 401:
            self._digest.learn(response)
            response = await self._asks_once(method, to, call_id, fields)
        return response

    async def _asks_once(self, method: str, to: str, call_id: str, fields: dict[str, str]) -> Response:
        self._cseq += 1
        headers = Headers(
            [
                ("Max-Forwards", "70"),
                ("From", f"<{BOB}>;tag={call_id}"),
                ("To", f"<{to}>"),
                ("Call-ID", call_id),
                ("CSeq", f"{self._cseq} {method}"),
                ("Route", f"<sip:{self._server};transport=tcp;lr>"),
                *fields.items(),
            ]
        )
        request = Request(method, "sip:example.com" if method == "REGISTER" else to, headers)
        self._digest.sign(request)
        answer: asyncio.Future[Response | SendFailure] = asyncio.get_running_loop().create_future()
        self.driver.send(request, flow=None, answered=answer.set_result)
        async with asyncio.timeout(PATIENCE):
            response = await answer
        assert isinstance(response, Response), response
        return response

    async def registers(self, call_id: str) -> Response:
        contact = f'<{OVER_TCP}>;reg-id=1;+sip.instance="<{INSTANCE}>"'
        return await self.asks("REGISTER", BOB, call_id, Contact=contact, Supported="path, outbound")


async def test_a_phone_that_lost_its_connection_is_told_on_the_one_that_it_registers_anew_rfc5626_7(
    server: ServerProcess, tmp_path: Path
) -> None:
    """What could not be told meanwhile is told as soon as it is back: nobody waits for a retry."""
    await put(server, CONTACT_CARD.auid, card("1"), tmp_path)
    await put(server, CARD_RULES.auid, rules(allow(BOB)), tmp_path)
    before, after = Connected(Address(*server.sip)), Connected(Address(*server.sip))
    await before.driver.start()
    try:
        assert (await before.registers(new_call_id())).headers.get("Require") == "outbound"
        contact = f'<{OVER_TCP}>;+sip.instance="<{INSTANCE}>"'
        fields = {"Contact": contact, "Event": "contact-card", "Accept": XCARD, "Expires": "600"}
        subscribed = new_call_id()
        assert (await before.asks("SUBSCRIBE", ANN, subscribed, **fields)).status == 200
        async with asyncio.timeout(PATIENCE):
            while (first := await before.notifies.get()).call_id != subscribed:
                continue
    finally:
        await before.driver.stop()
    await put(server, CONTACT_CARD.auid, card("2"), tmp_path)
    await after.driver.start()
    try:
        assert (await after.registers(new_call_id())).status == 200
        async with asyncio.timeout(PATIENCE):
            while (told := await after.notifies.get()).call_id != first.call_id:
                continue
        assert told.uri == OVER_TCP
        assert b"tel:2<" in told.body
    finally:
        await after.driver.stop()
