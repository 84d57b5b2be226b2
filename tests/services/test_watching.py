"""A watching device over real sockets, against a notifier that the tests play."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from abserver.events.card_copy import CardCopy
from abserver.events.contact_card import PATCH, VCARD, XCARD
from abserver.events.follow import CopyChanged, Follow, State, StateChanged
from abserver.net.sip_driver import SipDriver
from abserver.services.watching import UnusableFile, Watching
from abserver.sip.dialog import Dialog
from abserver.sip.message import Headers, Request, Response
from abserver.sip.trace import Direction, TracedMessage
from abserver.sip.transport import Address, Flow, Transport
from abserver.sip.uas import Capabilities, make_response
from xcap.core import patch
from xcap.core.digest import Algorithm, Challenge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from abserver.ports import RequestHandler, Respond, SendFailure
    from abserver.sip.trace import Tracer

ANY = Address("127.0.0.1", 0)
CARD = b'<vcards xmlns="urn:ietf:params:xml:ns:vcard-4.0"><vcard><fn><text>Ann</text></fn></vcard></vcards>'
RENAMED = CARD.replace(b"Ann", b"Anne")


class Notifier:
    """Takes every SUBSCRIBE, and sends the NOTIFYs that a test asks for."""

    def __init__(self) -> None:
        self.driver = SipDriver(self._handle, Capabilities(methods=("SUBSCRIBE",)), udp=(ANY,), tcp=(ANY,))
        self.subscribes: asyncio.Queue[Request] = asyncio.Queue()
        self.answers: list[tuple[int, list[tuple[str, str]]]] = []
        """What to answer to the next SUBSCRIBEs instead of 200."""
        self.flows: list[Flow] = []
        self._dialog: Dialog | None = None

    @property
    def uri(self) -> str:
        return f"sip:{self.driver.ready[0].address}"

    async def _handle(self, request: Request, flow: Flow, respond: Respond) -> None:
        self.flows.append(flow)
        status, headers = self.answers.pop(0) if self.answers else (200, [])
        if status < 300 and request.to.tag is None:
            self._dialog = Dialog.notifier(request, "notifier")
        headers += [("Expires", request.headers.get("Expires") or ""), ("Contact", f"<{self.uri}>")]
        respond(make_response(request, status, headers=headers, to_tag="notifier"))
        self.subscribes.put_nowait(request)

    async def notify(
        self, state: str, *, body: bytes = b"", type: str = XCARD, etag: str | None = None, base: str | None = None
    ) -> Response:
        """Send a NOTIFY and wait for its answer."""
        assert self._dialog is not None
        request = self._dialog.next_request("NOTIFY")
        request.headers.add("Event", "contact-card" + (f";base={base}" if base else ""))
        request.headers.add("Subscription-State", state)
        request.headers.add("Contact", f"<{self.uri}>")
        if etag:
            request.headers.add("SIP-ETag", etag)
        if body:
            request.headers.add("Content-Type", type)
        outcome: asyncio.Future[Response | SendFailure] = asyncio.get_running_loop().create_future()
        sent = Request(request.method, request.uri, request.headers, body)
        self.driver.send(sent, flow=self.flows[-1], answered=outcome.set_result)
        response = await outcome
        assert isinstance(response, Response)
        return response


@asynccontextmanager
async def notifying() -> AsyncIterator[Notifier]:
    notifier = Notifier()
    await notifier.driver.start()
    try:
        yield notifier
    finally:
        await notifier.driver.stop()


def open_sip(handler: RequestHandler, capabilities: Capabilities, tracer: Tracer) -> SipDriver:
    return SipDriver(handler, capabilities, udp=(ANY,), tcp=(ANY,), tracer=tracer)


def open_tcp(handler: RequestHandler, capabilities: Capabilities, tracer: Tracer) -> SipDriver:
    return SipDriver(handler, capabilities, tcp=(ANY,), tracer=tracer)


def follow(notifier: Notifier, *, transport: str = "", accept: tuple[str, ...] = (XCARD, PATCH)) -> Follow:
    return Follow(
        owner="sip:ann@example.com",
        watcher="sip:bob@example.com",
        password="secret",
        route=notifier.uri + transport,
        accept=accept,
    )


@asynccontextmanager
async def watching(notifier: Notifier, **more: object) -> AsyncIterator[Watching]:
    device = Watching(follow(notifier), open_sip, **more)  # type: ignore[arg-type]  # of mixed types
    await device.start()
    try:
        yield device
    finally:
        await device.stop()


def is_active(device: Watching) -> bool:
    return device.state is State.ACTIVE


async def test_a_request_is_confirmed_and_the_differences_follow() -> None:
    async with notifying() as notifier, watching(notifier) as device:
        await notifier.subscribes.get()
        assert (await notifier.notify("pending;expires=3600")).status == 200
        await device.reached(lambda now: now.state is State.PENDING and now.copy is None)
        assert (await notifier.notify("active;expires=3600", body=CARD, etag="v1")).status == 200
        await device.reached(is_active)
        assert device.copy == CardCopy(CARD, XCARD, "v1")
        difference = patch.diff(CARD, RENAMED)
        await notifier.notify("active;expires=3600", body=difference, type=PATCH, etag="v2", base="v1")
        assert device.copy == CardCopy(RENAMED, XCARD, "v2")


async def test_what_happens_can_be_followed_message_by_message() -> None:
    async with notifying() as notifier, watching(notifier) as device:
        events = device.events()
        await notifier.subscribes.get()
        await notifier.notify("active;expires=3600", body=CARD, etag="v1")
        notifier.answers.append((204, []))
        await device.leave()
        seen = [event async for event in events]
    messages = [event for event in seen if isinstance(event, TracedMessage)]
    assert [(each.direction, each.data.split(b" ", 1)[0]) for each in messages[:4]] == [
        (Direction.IN, b"SIP/2.0"),
        (Direction.IN, b"NOTIFY"),
        (Direction.OUT, b"SIP/2.0"),
        (Direction.OUT, b"SUBSCRIBE"),
    ]
    assert [event for event in seen if isinstance(event, CopyChanged)] == [
        CopyChanged(CardCopy(CARD, XCARD, "v1"), patch=None)
    ]
    assert seen[-1] == StateChanged(State.TERMINATED, "left")


async def test_a_large_view_comes_by_tcp_to_a_device_that_asked_by_udp() -> None:
    """RFC 3261 §18.1.1."""
    photo = CARD.replace(b"Ann", b"A" * 3000)
    async with notifying() as notifier, watching(notifier) as device:
        events = device.events()
        await notifier.subscribes.get()
        await notifier.notify("active;expires=3600", body=photo, etag="v1")
        await device.stop()
        seen = [event async for event in events if isinstance(event, TracedMessage)]
    assert [each.flow.transport for each in seen if each.data.startswith(b"NOTIFY")] == [Transport.TCP]
    assert device.copy == CardCopy(photo, XCARD, "v1")


async def test_a_device_on_tcp_is_notified_on_its_connection() -> None:
    async with notifying() as notifier:
        device = Watching(follow(notifier, transport=";transport=tcp"), open_tcp)
        await device.start()
        request = await notifier.subscribes.get()
        assert request.contact is not None
        assert request.contact.uri.endswith(";transport=tcp")
        assert notifier.flows[0].transport is Transport.TCP
        await notifier.notify("active;expires=3600", body=CARD, etag="v1")
        assert device.copy is not None
        await device.stop()


async def test_a_challenge_is_answered() -> None:
    async with notifying() as notifier:
        challenge = Challenge("example.com", "n1", Algorithm.SHA256)
        notifier.answers.append((401, [("WWW-Authenticate", str(challenge))]))
        async with watching(notifier):
            assert "Authorization" not in (await notifier.subscribes.get()).headers
            assert "Authorization" in (await notifier.subscribes.get()).headers


async def test_a_device_comes_back_with_its_copy_and_its_name(tmp_path: Path) -> None:
    """RFC 5839 §5.5."""
    file = tmp_path / "card.json"
    async with notifying() as notifier:
        async with watching(notifier, keep_in=file) as device:
            first = await notifier.subscribes.get()
            await notifier.notify("active;expires=3600", body=CARD, etag="v1")
            instance = device.instance
        assert file.stat().st_mode & 0o777 == 0o600
        async with watching(notifier, keep_in=file) as device:
            again = await notifier.subscribes.get()
            assert device.copy == CardCopy(CARD, XCARD, "v1")
            assert device.instance == instance
    assert first.headers.get("Suppress-If-Match") == "none"
    assert again.headers.get("Suppress-If-Match") == "v1"
    assert first.contact is not None
    assert again.contact is not None
    assert first.contact.param("+sip.instance") == again.contact.param("+sip.instance") == f"<{instance}>"
    assert first.call_id != again.call_id


async def test_a_copy_that_cannot_be_kept_is_not_acknowledged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "gone"
    async with notifying() as notifier, watching(notifier, keep_in=folder / "card.json"):
        await notifier.subscribes.get()
        assert (await notifier.notify("active;expires=3600", body=CARD, etag="v1")).status == 500
    assert "request failed" in caplog.messages


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"owner": "sip:ann@example.com", "instance": "urn:x", "etag": "v1", "content_type": "a/b", "content": "?"}',
        '{"owner": "sip:eve@example.com", "instance": "urn:x", "etag": "v1", "content_type": "a/b", "content": ""}',
    ],
)
async def test_a_file_that_is_no_copy_of_this_card_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "card.json"
    file.write_text(text)
    wanted = Follow(owner="sip:ann@example.com", watcher="sip:bob@example.com", password="secret")
    with pytest.raises(UnusableFile, match=r"card\.json"):
        Watching(wanted, open_sip, keep_in=file)


async def test_leaving_unsubscribes_and_stopping_does_not() -> None:
    async with notifying() as notifier:
        async with watching(notifier) as device:
            await notifier.subscribes.get()
            await notifier.notify("active;expires=3600", body=CARD, etag="v1")
        assert notifier.subscribes.empty()
        async with watching(notifier) as device:
            await notifier.subscribes.get()
            await notifier.notify("active;expires=3600", body=CARD, etag="v1")
            leaving = asyncio.create_task(device.leave())
            assert (await notifier.subscribes.get()).headers.get("Expires") == "0"
            await notifier.notify("terminated;reason=timeout")
            await leaving
            assert device.ends_for_good


async def test_a_rejection_ends_it_for_good() -> None:
    async with notifying() as notifier, watching(notifier) as device:
        await notifier.subscribes.get()
        await notifier.notify("pending;expires=3600")
        await notifier.notify("terminated;reason=rejected")
        await device.reached(lambda now: now.ends_for_good)


async def test_a_server_that_is_not_there_is_tried_again() -> None:
    async with notifying() as notifier:
        wanted = follow(notifier)
    device = Watching(wanted, open_sip)
    events = device.events()
    await device.start()
    await device.reached(lambda now: now.state is State.TERMINATED)
    assert not device.ends_for_good
    await device.stop()
    ends = [event async for event in events if isinstance(event, StateChanged)]
    assert ends[-1].reason == "no answer"


async def test_a_device_tells_what_it_can_and_takes_text_too() -> None:
    async with notifying() as notifier:
        device = Watching(follow(notifier, accept=(VCARD,)), open_sip, instance="urn:uuid:7")
        assert (device.state, device.copy) == (State.INIT, None)
        await device.start()
        subscribe = await notifier.subscribes.get()
        await notifier.notify("active;expires=3600", body=b"BEGIN:VCARD", type=VCARD, etag="v1-text")
        assert device.copy == CardCopy(b"BEGIN:VCARD", VCARD, "v1-text")
        assert subscribe.contact is not None
        options = Request(
            "OPTIONS",
            subscribe.contact.uri,
            Headers([("From", "<sip:a@b>;tag=1"), ("To", "<sip:c@d>"), ("Call-ID", "x"), ("CSeq", "1 OPTIONS")]),
        )
        outcome: asyncio.Future[Response | SendFailure] = asyncio.get_running_loop().create_future()
        notifier.driver.send(options, flow=None, answered=outcome.set_result)
        response = await outcome
        assert isinstance(response, Response)
        assert (response.status, response.headers.get("Allow")) == (200, "NOTIFY, OPTIONS, CANCEL")
        await device.stop()
