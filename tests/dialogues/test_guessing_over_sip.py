"""Who guesses over SIP learns nothing: the same bytes, after the same time, over real sockets.

The clock is a fake one. Looking up a known user takes another time than looking for one who is not there.
"""

from __future__ import annotations

import asyncio
import re
import socket
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from abserver.net.sip_driver import SipDriver
from abserver.services.authenticating import Authenticator
from abserver.sip.codec import parse
from abserver.sip.message import Response
from abserver.sip.transport import Address, Flow
from abserver.sip.uas import Capabilities, make_response
from tests.support.virtual_time import FakeClock
from xcap.core.digest import Algorithm, Challenge, Nonces, Qop, authorization
from xcap.core.throttle import Throttle
from xcap.ports import Credential
from xcap.storage.memory import MemoryCredentialStore

if TYPE_CHECKING:
    from abserver.ports import Respond
    from abserver.sip.message import Request

KNOWN, UNKNOWN = "robert", "xxxxxx"
LOOK_UP = {KNOWN: 0.043, UNKNOWN: 0.002}
WAYS = ("{}", "{}@example.com", "sip:{}@example.com")
_NONCE, _TAG = re.compile(rb'nonce="[^"]*"'), re.compile(rb"(To:[^\r]*;tag=)[0-9a-f]+")


class SlowStore(MemoryCredentialStore):
    """Takes its time, by the fake clock."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    async def credential(self, user: str) -> Credential | None:
        self._clock.advance(next(time for name, time in LOOK_UP.items() if f":{name}@" in user))
        return await super().credential(user)


class Server:
    """Tells who sends a request, or refuses it, and nothing else."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.users = SlowStore(self.clock)
        self._authenticator = Authenticator(
            self.users,
            Nonces(b"a secret of this test"),
            self.clock,
            domains=["example.com"],
            offered=tuple(Algorithm),
            qops=tuple(Qop),
            throttle=Throttle(user_failures=0, source_failures=0),
            sleep=self._sleep,
        )
        self.driver = SipDriver(self._handle, Capabilities(("SUBSCRIBE",)), udp=[Address("127.0.0.1", 0)])
        self.times: list[float] = []

    async def _sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)

    async def _handle(self, request: Request, flow: Flow, respond: Respond) -> None:
        began = self.clock.now()
        outcome = await self._authenticator.identify(request, flow)
        self.times.append(self.clock.now() - began)
        respond(outcome if isinstance(outcome, Response) else make_response(request, 200))


class Guesser:
    """A socket that sends requests which differ in their numbers, and in what is guessed."""

    def __init__(self, server: Address) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self._server = server

    def close(self) -> None:
        self._socket.close()

    async def ask(self, number: int, authorization: str) -> bytes:
        """The response to a request, as it came."""
        name = f"{number:06}"
        fields = [
            "SUBSCRIBE sip:ann@example.com SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{self._socket.getsockname()[1]};branch=z9hG4bK{name};rport",
            f"From: <sip:somebody@example.com>;tag={name}",
            "To: <sip:ann@example.com>",
            f"Call-ID: {name}",
            "CSeq: 1 SUBSCRIBE",
            f"Authorization: {authorization}",
            "Content-Length: 0",
        ]
        loop = asyncio.get_running_loop()
        await loop.sock_sendto(self._socket, "\r\n".join([*fields, "", ""]).encode(), tuple(self._server))
        answer = (await asyncio.wait_for(loop.sock_recvfrom(self._socket, 65_536), 10))[0]
        return _TAG.sub(rb"\1T", _NONCE.sub(b'nonce="N"', answer)).replace(name.encode(), b"######")


async def _guess(way: str, algorithm: Algorithm, qop: Qop, password: str) -> None:
    server = Server()
    await server.users.put(Credential.of(f"sip:{KNOWN}@example.com", "example.com", "secret"))
    await server.driver.start()
    guesser = Guesser(server.driver.ready[0].address)
    try:
        nonces = Nonces(b"a secret of this test")
        answers, times = [], []
        for number, name in enumerate((KNOWN, UNKNOWN), start=1):
            challenge = Challenge("example.com", nonces.mint(server.clock.now()), algorithm, (qop,))
            user = way.format(name)
            value = authorization(challenge, user, password, "SUBSCRIBE", "sip:ann@example.com", b"", 1, "c")
            answers.append(await guesser.ask(number, value))
            times.append(server.times[-1])
        assert answers[0] == answers[1]
        response = parse(answers[0])
        assert isinstance(response, Response)
        assert response.status == 401
        assert len(response.headers.get_all("WWW-Authenticate")) == len(Algorithm)
        assert times[0] == times[1] > max(LOOK_UP.values())
    finally:
        guesser.close()
        await server.driver.stop()


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(WAYS),
    st.sampled_from(Algorithm),
    st.sampled_from(Qop),
    st.text(max_size=20).filter(lambda password: password != "secret"),
)
def test_an_unknown_user_and_a_wrong_password_get_the_same_bytes_after_the_same_time(
    way: str, algorithm: Algorithm, qop: Qop, password: str
) -> None:
    asyncio.run(_guess(way, algorithm, qop, password))
