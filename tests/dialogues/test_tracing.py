"""Who sees a server's messages: readers of the trace socket, over real sockets, and a collector."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from abserver.net import tracing
from abserver.net.listeners import ListenerError
from abserver.net.tracing import HepMirror, TraceSocket, TraceSwitch, make_own_folder, own_folder, usual_place
from abserver.sip.trace import Direction, TracedMessage, Tracer
from abserver.sip.trace_stream import GREETING, Dropped, TraceReader
from abserver.sip.transport import Address, Flow, Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

FLOW = Flow(Transport.TCP, Address("127.0.0.1", 5060), Address("127.0.0.1", 40000), 1)
PATIENCE = 20.0


def message(number: int, size: int = 0) -> TracedMessage:
    return TracedMessage(float(number), Direction.IN, FLOW, f"{number}".encode() + bytes(size))


class Driver:
    """What a driver is to a trace: somebody who has a tracer, or none."""

    def __init__(self) -> None:
        self.tracer: Tracer | None = None
        self.off = asyncio.Event()

    def trace_to(self, tracer: Tracer | None) -> None:
        self.tracer = tracer
        if tracer is None:
            self.off.set()

    def tell(self, message: TracedMessage) -> None:
        assert self.tracer is not None
        self.tracer(message)


@pytest.fixture
def driver() -> Driver:
    return Driver()


@pytest.fixture
def place() -> Iterator[Path]:
    """A path that is short enough for a socket, whatever the folder of this test is called."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "trace"


@contextlib.asynccontextmanager
async def tracing_at(place: Path, driver: Driver) -> AsyncIterator[TraceSocket]:
    trace = TraceSocket(place, TraceSwitch(driver.trace_to))
    await trace.start()
    try:
        yield trace
    finally:
        await trace.stop()


class Reader:
    """One who reads a trace."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._stream = TraceReader()
        self.seen: list[TracedMessage | Dropped] = []
        assert list(self._stream.feed(GREETING)) == []

    @classmethod
    async def at(cls, place: Path) -> Reader:
        """Connected, and known to be: the greeting is here."""
        reader, writer = await asyncio.open_unix_connection(place)
        assert await reader.readexactly(len(GREETING)) == GREETING
        return cls(reader, writer)

    async def read(self, until: int | None = None) -> list[TracedMessage | Dropped]:
        """What comes until there were so many in all, or until the end."""
        async with asyncio.timeout(PATIENCE):
            while (until is None or len(self.seen) < until) and (data := await self._reader.read(65536)):
                self.seen += self._stream.feed(data)
        return self.seen

    async def leave(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


def facts_of(place: Path) -> tuple[str, int] | None:
    """Kind and mode of a file, or that there is none."""
    if not place.exists():
        return None
    mode = place.lstat().st_mode
    return ("socket" if stat.S_ISSOCK(mode) else "file"), stat.S_IMODE(mode)


def letter(folder: Path) -> Path:
    """A file that is no socket."""
    place = folder / "letter"
    place.write_text("dear aunt")
    place.chmod(0o640)
    return place


async def test_the_driver_has_a_tracer_only_while_somebody_reads(place: Path, driver: Driver) -> None:
    async with tracing_at(place, driver):
        assert driver.tracer is None
        first, second = await Reader.at(place), await Reader.at(place)
        driver.tell(message(1))
        assert await first.read(1) == await second.read(1) == [message(1)]
        await first.leave()
        driver.tell(message(2))
        assert (await second.read(2))[1:] == [message(2)]
        await second.leave()
        await asyncio.wait_for(driver.off.wait(), PATIENCE)
        assert driver.tracer is None


async def test_only_the_owner_may_connect_and_the_file_goes_with_the_server(place: Path, driver: Driver) -> None:
    async with tracing_at(place, driver):
        assert facts_of(place) == ("socket", 0o600)
    assert facts_of(place) is None


async def test_a_reader_sees_the_end_of_the_server_after_all_that_came_before(place: Path, driver: Driver) -> None:
    async with tracing_at(place, driver):
        reader = await Reader.at(place)
        driver.tell(message(1, 1000))
    assert await reader.read() == [message(1, 1000)]
    await reader.leave()


async def test_a_reader_that_takes_nothing_does_not_hold_up_the_server_and_hears_what_it_missed(
    place: Path, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "QUEUE", 64 * 1024)
    async with tracing_at(place, driver):
        slow, quick = await Reader.at(place), await Reader.at(place)
        for number in range(1000):
            driver.tell(message(number, 10_000))
            await quick.read(number + 1)
        assert quick.seen == [message(number, 10_000) for number in range(1000)]
        seen: list[TracedMessage | Dropped] = []
        while not any(isinstance(each, Dropped) for each in seen):
            seen = await slow.read(len(slow.seen) + 1)
        missed = sum(each.count for each in seen if isinstance(each, Dropped))
        told = sum(isinstance(each, TracedMessage) for each in seen)
        assert missed + told == 1000
        assert missed > 800
        driver.tell(message(1000))
        assert (await slow.read(len(slow.seen) + 1))[-1] == message(1000)
        await slow.leave()
        await quick.leave()


async def test_a_reader_that_takes_nothing_does_not_hold_up_the_end(
    place: Path, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "GOODBYE", 0.01)
    async with asyncio.timeout(PATIENCE):
        async with tracing_at(place, driver):
            stuck = await Reader.at(place)
            for number in range(100):
                driver.tell(message(number, 10_000))
    await stuck.leave()


async def test_there_are_only_so_many_readers(place: Path, driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "MAX_READERS", 1)
    async with tracing_at(place, driver):
        first = await Reader.at(place)
        reader, writer = await asyncio.open_unix_connection(place)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        driver.tell(message(1))
        assert await first.read(1) == [message(1)]
        await first.leave()


async def test_what_a_reader_says_is_not_listened_to(place: Path, driver: Driver) -> None:
    async with tracing_at(place, driver):
        reader = await Reader.at(place)
        reader._writer.write(b"OPTIONS sip:a SIP/2.0\r\n\r\n")
        await reader._writer.drain()
        driver.tell(message(1))
        assert await reader.read(1) == [message(1)]
        await reader.leave()


async def test_a_socket_that_a_killed_server_left_is_taken_over(place: Path, driver: Driver) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(place))
    async with tracing_at(place, driver):
        reader = await Reader.at(place)
        await reader.leave()


async def test_a_socket_of_a_running_server_is_left_to_it(place: Path, driver: Driver) -> None:
    async with tracing_at(place, driver):
        with pytest.raises(ListenerError, match="a running server has it"):
            await TraceSocket(place, TraceSwitch(driver.trace_to)).start()
        reader = await Reader.at(place)
        await reader.leave()


async def test_a_file_in_the_way_is_left_alone(tmp_path: Path, driver: Driver) -> None:
    place = letter(tmp_path)
    with pytest.raises(ListenerError, match="cannot listen on trace socket"):
        await TraceSocket(place, TraceSwitch(driver.trace_to)).start()
    assert facts_of(place) == ("file", 0o640)


async def test_a_folder_that_is_not_there_is_said(place: Path, driver: Driver) -> None:
    trace = TraceSocket(place / "deeper", TraceSwitch(driver.trace_to))
    with pytest.raises(ListenerError, match="No such file"):
        await trace.start()
    await trace.stop()


def test_servers_that_listen_elsewhere_have_other_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    places = {usual_place(Address(host, port)) for host in ("127.0.0.1", "::1") for port in (5060, 5062)}
    assert len(places) == 4
    assert {each.parent for each in places} == {own_folder()}
    make_own_folder()
    make_own_folder()
    assert stat.S_IMODE(own_folder().stat().st_mode) == 0o700


@pytest.mark.parametrize("trap", ["open", "link"])
def test_a_folder_that_somebody_else_may_have_prepared_is_not_used(
    trap: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if trap == "open":
        own_folder().mkdir()
        own_folder().chmod(0o755)
    else:
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        own_folder().symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError, match="not this user's alone"):
        make_own_folder()


# -- the collector ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_collector_gets_each_message_while_readers_come_and_go(host: str, driver: Driver) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    other: list[TracedMessage] = []
    switch = TraceSwitch(driver.trace_to)
    with socket.socket(family, socket.SOCK_DGRAM) as collector:
        collector.bind((host, 0))
        collector.settimeout(PATIENCE)
        mirror = HepMirror(Address(*collector.getsockname()[:2]), agent=7, key="secret")
        mirror.start()
        switch.add(mirror.tell)
        driver.tell(message(1))
        switch.add(other.append)
        driver.tell(message(2))
        switch.remove(other.append)
        driver.tell(message(3))
        packets = [collector.recv(65536) for _ in range(3)]
        mirror.close()
    assert [packet[:4] for packet in packets] == [b"HEP3"] * 3
    assert [packet.endswith(f"{number}".encode()) for number, packet in enumerate(packets, 1)] == [True] * 3
    assert all(b"secret" in packet for packet in packets)
    assert other == [message(2)]


def test_a_collector_that_is_not_there_is_complained_of_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        mirror = HepMirror(Address(*gone.getsockname()), agent=1)
    mirror.start()
    with caplog.at_level(logging.WARNING, "abserver.net.tracing"):
        for number in range(50):
            mirror.tell(message(number))
        assert mirror.lost
        assert len(caplog.records) == 1
        for number in range(100, 150):
            mirror.tell(message(number))
    mirror.close()
    assert [record.message for record in caplog.records] == ["the HEP collector does not take messages"] * 2


def test_a_collector_that_no_way_leads_to_is_an_error_at_the_start() -> None:
    mirror = HepMirror(Address("255.255.255.255", 9060), agent=1)
    with pytest.raises(ListenerError, match="HEP collector 255"):
        mirror.start()
    mirror.close()
