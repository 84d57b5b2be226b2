"""SIPp, a third party's SIP stack, follows a card over UDP and over TCP (tests/interop/sipp/follow.xml).

The notifier here is a few lines on our driver: what is tested is that a foreign stack and our transports, transactions,
dialogs and digest understand each other.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from abserver.events.contact_card import PATCH, XCARD
from abserver.net.sip_driver import SipDriver
from abserver.sip.dialog import Dialog
from abserver.sip.message import Request, Response
from abserver.sip.transport import Address, Flow
from abserver.sip.uas import Capabilities, make_response
from xcap.core import patch
from xcap.core.digest import Algorithm, Challenge, Credentials, Nonces, Verdict, ha1, verify

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from abserver.ports import Respond, SendFailure

SCENARIO = Path(__file__).parent / "sipp" / "follow.xml"
SIPP = shutil.which("sipp")
CARD = b'<vcards xmlns="urn:ietf:params:xml:ns:vcard-4.0"><vcard><fn><text>Ann</text></fn></vcard></vcards>'
RENAMED = CARD.replace(b"Ann", b"Anne")

pytestmark = pytest.mark.skipif(SIPP is None, reason="SIPp is not installed (Debian: apt-get install sip-tester)")


class TinyNotifier:
    """Challenges, then tells `pending`, the view, a difference, and the end, each when the one before was taken."""

    def __init__(self) -> None:
        here = (Address("127.0.0.1", 0),)
        self.driver = SipDriver(self._handle, Capabilities(methods=("SUBSCRIBE",)), udp=here, tcp=here)
        self.acknowledged: list[int] = []
        self.done = asyncio.Event()
        self._nonces = Nonces(b"0123456789abcdef")
        self._dialog: Dialog | None = None

    async def _handle(self, request: Request, flow: Flow, respond: Respond) -> None:
        if not self._is_bob(request):
            nonce = self._nonces.mint(asyncio.get_running_loop().time())
            challenge = Challenge("example.com", nonce, Algorithm.MD5)
            respond(make_response(request, 401, headers=[("WWW-Authenticate", str(challenge))]))
            return
        own = [("Expires", str(request.expires)), ("Contact", f"<sip:{flow.local}>")]
        respond(make_response(request, 200, headers=own, to_tag="tiny"))
        if request.to.tag is None:
            self._dialog = Dialog.notifier(request, "tiny")
            await self._tell(flow, "pending;expires=3600")
            await self._tell(flow, "active;expires=3600", XCARD, CARD, etag="v1")
            await self._tell(flow, "active;expires=3600", PATCH, patch.diff(CARD, RENAMED), etag="v2", base=";base=v1")
        else:
            await self._tell(flow, "terminated;reason=timeout", XCARD, RENAMED, etag="v2")
            self.done.set()

    def _is_bob(self, request: Request) -> bool:
        field = request.headers.get("Authorization")
        if field is None:
            return False
        credentials = Credentials.parse(field)
        secret = ha1(credentials.algorithm, "bob", "example.com", "secret")
        now = asyncio.get_running_loop().time()
        return verify(credentials, ha1=secret, method="SUBSCRIBE", nonces=self._nonces, now=now) is Verdict.GOOD

    async def _tell(
        self, flow: Flow, state: str, type: str = "", body: bytes = b"", *, etag: str = "", base: str = ""
    ) -> None:
        assert self._dialog is not None
        notify = self._dialog.next_request("NOTIFY")
        own = {"Event": f"contact-card{base}", "Subscription-State": state, "Contact": f"<sip:{flow.local}>"}
        own |= {"Content-Type": type, "SIP-ETag": etag} if body else {}
        for name, value in own.items():
            notify.headers.add(name, value)
        outcome: asyncio.Future[Response | SendFailure] = asyncio.get_running_loop().create_future()
        sent = Request(notify.method, notify.uri, notify.headers, body)
        self.driver.send(sent, flow=flow, answered=outcome.set_result)
        response = await outcome
        assert isinstance(response, Response)
        self.acknowledged.append(response.status)


@pytest.fixture
async def notifier() -> AsyncIterator[TinyNotifier]:
    tiny = TinyNotifier()
    await tiny.driver.start()
    yield tiny
    await tiny.driver.stop()


async def run_sipp(server: Address, transport: str, errors: Path) -> int:
    """Run the scenario once as bob; its errors, if there are any, go to a file."""
    arguments = [
        "-sf",
        str(SCENARIO),
        "-m",
        "1",
        "-t",
        transport,
        "-i",
        "127.0.0.1",
        "-nostdin",
        "-nd",
        "-max_retrans",
        "3",
    ]
    arguments += [
        "-key",
        "owner",
        "ann@example.com",
        "-key",
        "watcher",
        "bob@example.com",
        "-au",
        "bob",
        "-ap",
        "secret",
    ]
    arguments += ["-timeout", "20s", "-timeout_error", "-trace_err", "-error_file", str(errors)]
    process = await asyncio.create_subprocess_exec(
        SIPP or "sipp",
        str(server),
        *arguments,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await process.wait()


@pytest.mark.parametrize("transport", ["u1", "t1"])
async def test_sipp_follows_a_card_from_request_to_end(transport: str, notifier: TinyNotifier, tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    code = await run_sipp(notifier.driver.ready[0].address, transport, errors)
    report = re.sub(r"\s+", " ", errors.read_text()) if errors.exists() else ""
    assert (code, report) == (0, "")
    await notifier.done.wait()
    assert notifier.acknowledged == [200, 200, 200, 200]
