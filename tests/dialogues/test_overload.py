"""A real server under a flood: others are served, what lies within dialogs goes on, and the log tells what happened."""

from __future__ import annotations

import asyncio
import random
import re
import socket
import sys
import time
from typing import TYPE_CHECKING

import pytest

from abserver.net.listeners import bind
from abserver.net.load import LoadMeter
from abserver.net.udp import LEAST_RATE, UdpSocket
from abserver.sip.gate import Gate
from abserver.sip.shedding import Kind, Load, Shedder
from abserver.sip.sources import Sources
from abserver.sip.transport import Address, Flow, Transport
from tests.bench.messages import field_of
from tests.support.process import ServerProcess
from tests.support.raw import Peer, flood, request, status
from tests.support.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from pathlib import Path

FLOOD = 2.0
"""Seconds at least; on a slow machine until it has shown."""
MOST = 5_000
"""Rounds in which a flood has shown on any machine."""
ASKED = 500
"""Requests of each of the others: less than their share."""
EXCESS = re.compile(r"\S+ \S+ WARNING abserver\.net\.load too many requests peer=(\S+) refused=([0-9]+) ignored=[0-9]+")


def subscribe(local: tuple[str, int]) -> bytes:
    return request("SUBSCRIBE", local, more="Expires: 600\r\n")


def lines(log: str, what: str) -> list[str]:
    return [line for line in log.splitlines() if f" abserver.net.load {what} " in line]


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM], ids=["datagrams", "connections"])
def test_a_flood_from_one_source_leaves_all_others_served(tmp_path: Path, kind: socket.SocketKind) -> None:
    """RFC 5390 REQ 5."""
    share = {"OVERLOAD__SOURCE_RATE": "200", "OVERLOAD__SOURCE_BURST": "1000", "OVERLOAD__MAX_LAG": "60"}
    with ServerProcess(tmp_path, share) as server:
        with (
            Peer(server.sip, "127.0.0.3") as one,
            Peer(server.sip, "127.0.0.4") as other,
            flood(server.sip, ["127.0.0.2"] * 8, subscribe, rate=20_000, kind=kind),
        ):
            for _ in range(ASKED):
                assert status(one.ask(request("OPTIONS", one.local))) == 200
                assert status(other.ask(subscribe(other.local))) == 401
        with Peer(server.sip, "127.0.0.2") as flooder:
            assert status(flooder.ask(request("OPTIONS", flooder.local))) == 200
        assert server.stop() == 0
        log = server.log
    found = [EXCESS.fullmatch(line) for line in lines(log, "too many requests")]
    assert {each and each[1] for each in found} == {"127.0.0.2"}  # told again every ten seconds
    assert found[0] is not None
    assert int(found[0][2]) > 0
    assert "Traceback" not in log


def test_while_new_subscriptions_are_refused_those_that_exist_go_on(tmp_path: Path) -> None:
    """RFC 5390 REQ 1, REQ 19: thousands ask for new subscriptions, and one device keeps its own."""
    settings = {"SIP__TRUSTED_PEERS": "127.0.0.0/8", "OVERLOAD__MAX_HANDLING": "16", "OVERLOAD__MAX_LAG": "60"}
    hosts = [f"127.0.1.{number}" for number in range(1, 20)]
    with ServerProcess(tmp_path, settings) as server:
        server.command("user", "add", "sip:ann@example.com", "--password", "annpw")
        with Peer(server.sip, "127.0.0.3") as phone:
            answer = phone.ask(request("SUBSCRIBE", phone.local, number=0, more="Expires: 600\r\n"))
            assert status(answer) == 200
            to = field_of(answer, b"To")
            refused = number = 0
            with flood(server.sip, hosts, subscribe, rate=8_000):
                end = time.monotonic() + FLOOD
                while number < MOST and (time.monotonic() < end or not refused):
                    number += 1
                    refused += status(phone.ask(subscribe(phone.local))) == 503
                    refresh = request("SUBSCRIBE", phone.local, number=0, cseq=1 + number, to=to)
                    assert status(phone.ask(refresh)) == 200
            assert refused > 0
            while status(phone.ask(subscribe(phone.local))) == 503:  # until what was too much is done
                pass
        assert server.stop() == 0
        log = server.log
    assert lines(log, "overload begins")
    assert "Traceback" not in log


async def test_how_long_datagrams_wait_shows_by_how_many_wait_and_how_many_are_taken() -> None:
    loop = asyncio.get_running_loop()
    taken = asyncio.Event()
    shell = UdpSocket(bind(socket.SOCK_DGRAM, Address("127.0.0.1", 0)), received=lambda *_: taken.set(), failed=print)
    try:
        assert shell.delay(1.0) == 0.0
        shell.start(loop)
        assert shell.delay(1.0) == 0.0
        with Peer(shell.address) as peer:
            peer.send(b"x" * 1000)
            await taken.wait()
            for _ in range(50):
                peer.send(b"x" * 1000)
            if sys.platform == "linux":
                assert 20 / LEAST_RATE < shell.delay(1.0) < 200 / LEAST_RATE  # one was taken, but more could be
            assert shell.delay(1.0) == 0.0  # none was taken: that is for the lag of the loop to tell
    finally:
        shell.close()
    assert shell.delay(1.0) == 0.0


def test_an_episode_is_told_as_it_begins_and_as_it_ends_and_a_source_beyond_its_share_every_ten_seconds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    chance, handling = random.Random(1).random, [2000]
    sources, shedder = Sources(rate=1, burst=8), Shedder(Load(60.0, 1000, 1000), chance)
    gate = Gate(sources, shedder, trusts=lambda flow: False, retry_after=20, draw=chance, started=0)
    meter = LoadMeter(gate, handling=lambda: handling[0], waiting=lambda: 0, delay=lambda seconds: 0.0)
    flow = Flow(Transport.UDP, Address("192.0.2.10", 5060), Address("192.0.2.4", 5060))

    async def story() -> None:
        loop = asyncio.get_running_loop()
        meter.start(loop)
        for _ in range(15):  # one and a half seconds of a flood
            for _ in range(10):
                shedder.refuses(Kind.NEW)
                sources.judge(flow, loop.time(), new=True)
            await asyncio.sleep(0.1)
        handling[0] = 0
        await asyncio.sleep(20)
        meter.stop()
        await asyncio.sleep(1)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(story())
    messages = [record.message for record in caplog.records]
    assert messages == ["too many requests", "overload begins", "overload ends", "too many requests"]
    begins, ends = (vars(record) for record in caplog.records if record.message.startswith("overload"))
    assert (begins["handling"], begins["waiting"]) == (2000, 0)
    assert ends["refused_new"] > 0
    assert ends["refused_ongoing"] == 0
    assert 50 < ends["worst_percent"] <= 98
    told = [vars(record) for record in caplog.records if record.message == "too many requests"]
    assert {each["peer"] for each in told} == {"192.0.2.4"}
    assert sum(each["refused"] + each["ignored"] for each in told) > 100
