"""The churn: subscribe, edit, confirm, revoke, leave, fall silent, forget, and `kill -9` of the server.

In the first half of the time the server is killed again and again. In the second half it lives, so that its memory can
be seen not to grow. Then everybody comes to rest, and everything has to be as if nothing had happened: each device has
what is its own, the database has a dialog for each and no more, nothing is in the log.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.soak.leftovers import Kept, kept, resident
from tests.soak.people import OWNERS, PASSWORD, WATCHERS, Handset, OwnerAtWork
from tests.support.process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TIMER_F = 32.0
"""Seconds that a NOTIFY to a device that is silent takes to fail."""
PATIENCE = 60.0
"""Seconds in which everybody comes to rest."""
RUSH = 0.02
"""Seconds between two events, on average."""
HANDS = 6
"""Events at a time: one that waits for a server that is dead keeps the others going."""
LOOK = 0.2
"""Seconds between two looks."""
MARGIN = 5.0
"""Seconds that an end may take to get to the database."""
MEGABYTE = 1 << 20


@dataclass
class Figures:
    """What came of it."""

    seconds: float = 0.0
    edits: int = 0
    decisions: int = 0
    comings: int = 0
    goings: int = 0
    kills: int = 0
    resident: list[tuple[float, int]] = field(default_factory=list)
    """Since the last start: when, and octets of memory."""
    wrong: list[str] = field(default_factory=list)
    """What should not be."""
    kept: Kept | None = None

    @property
    def growth(self) -> float:
        """Octets by which the memory grew from the first third of the server's last life to its last third."""
        third = max(1, len(self.resident) // 3)
        first, last = self.resident[third // 2 : third + third // 2], self.resident[-third:]
        return statistics.median(size for _, size in last) - statistics.median(size for _, size in first)


class Churn:
    """One run in a folder of its own."""

    def __init__(self, folder: Path, seconds: float, *, seed: int, expires: int, patient: bool = True) -> None:
        """expires: seconds that subscriptions last. patient: wait in the end until those of silent devices are over,
        and have the server fill what it keeps in memory of documents, so that its growth shows what else grows."""
        self._server = ServerProcess(
            folder, SUBSCRIPTIONS__MIN_EXPIRES="5", SUBSCRIPTIONS__MAX_DEVICES="100", LOG__LEVEL="warning"
        )
        self._database = folder / "abserver.db"
        self._seconds = seconds
        self._expires = expires
        self._patient = patient
        self._dice = random.Random(seed)
        self._owners = [OwnerAtWork(owner, self._server) for owner in OWNERS]
        self._handsets = [
            Handset(watcher, owner, number + place, folder / f"{number}-{place}", expires)
            for number, watcher in enumerate(WATCHERS)
            for place, owner in enumerate(self._owners)
        ]
        self._fell_silent: list[float] = []
        self._figures = Figures()

    async def run(self) -> Figures:
        """The whole of it."""
        for user in (*OWNERS, *WATCHERS):
            await asyncio.to_thread(self._server.command, "user", "add", user, "--password", PASSWORD)
        async with AsyncExitStack() as running:
            running.enter_context(self._server)
            for owner in self._owners:
                running.push_async_callback(owner.close)
                await owner.begin()
            running.push_async_callback(self._silence)
            started = time.monotonic()
            await self._live(self._seconds / 2, kills=True)
            if self._patient:
                await self._owners[0].fill_memory()
            await self._live(self._seconds / 2, kills=False)
            self._figures.seconds = time.monotonic() - started
            await self._rest()
            await self._look_at_what_is_kept()
        self._look_at_the_log()
        return self._figures

    # -- churn

    async def _live(self, seconds: float, *, kills: bool) -> None:
        """Everything at once, for so long."""
        ending = asyncio.create_task(asyncio.sleep(seconds))
        async with asyncio.TaskGroup() as group:
            for _ in range(HANDS):
                group.create_task(self._busy(ending))
            if kills:
                group.create_task(self._die(ending, max(3.0, seconds / 20)))
            else:
                self._figures.resident.clear()
                group.create_task(self._measure(ending, seconds / 60))

    async def _happen(self) -> None:
        """One thing happens."""
        owner, handset = self._dice.choice(self._owners), self._dice.choice(self._handsets)
        match self._dice.choices(["edit", "decide", "on or off"], [5, 1, 4])[0]:
            case "edit":
                self._figures.edits += 1
                await owner.edit(self._dice)
            case "decide":
                self._figures.decisions += 1
                await owner.decide(self._dice)
            case _ if not handset.turning.locked():
                async with handset.turning:
                    await self._turn(handset)

    async def _turn(self, handset: Handset) -> None:
        """Switch the device on or off."""
        if handset.watching is None:
            self._figures.comings += 1
            await handset.switch_on(self._server)
        else:
            self._figures.goings += 1
            await self._switch_off(handset, self._dice.choice(["leaves", "falls silent", "forgets"]))

    async def _switch_off(self, handset: Handset, how: str) -> None:
        self._fell_silent.append(time.monotonic())  # one that leaves while the server is dead does as well
        await handset.switch_off(how)

    async def _busy(self, ending: asyncio.Task[None]) -> None:
        """One thing after the other, as many at a time as there are of these."""
        while not ending.done():
            await self._happen()
            await asyncio.sleep(self._dice.expovariate(1 / RUSH) * HANDS)

    async def _die(self, ending: asyncio.Task[None], pause: float) -> None:
        """Be killed, and started again after a while."""
        while not ending.done():
            await asyncio.wait([ending], timeout=self._dice.uniform(0.5, 1.5) * pause)
            self._figures.kills += 1
            self._server.kill()
            await asyncio.sleep(self._dice.choice([0.0, 1.0]))
            await asyncio.to_thread(self._server.start)

    async def _measure(self, ending: asyncio.Task[None], pause: float) -> None:
        while not ending.done():
            self._figures.resident.append((time.monotonic(), resident(self._server.pid)))
            await asyncio.wait([ending], timeout=pause)

    # -- rest

    async def _rest(self) -> None:
        """Let everybody who is on have what he should have; who was refused for good asks once more."""
        for handset in self._handsets:
            if handset.watching is not None and handset.watching.ends_for_good:
                await self._switch_off(handset, "falls silent")
                await handset.switch_on(self._server)
        await _until(lambda: not any(map(_is_wrong, self._handsets)), PATIENCE)
        self._figures.wrong += [f"{each} has not what it should" for each in self._handsets if _is_wrong(each)]

    async def _silence(self) -> None:
        for handset in self._handsets:
            if handset.watching is not None:
                await handset.switch_off("falls silent")

    async def _look_at_what_is_kept(self) -> None:
        """A dialog for each device that has one, and after a stop and a start, which collects, no view for nobody."""
        live = sum(each.is_served for each in self._handsets)
        if self._patient:
            await _until(lambda: not self._recently_silent(), self._expires + TIMER_F + MARGIN)
        found = kept(self._database)
        if not live <= found.dialogs <= live + self._recently_silent():
            self._figures.wrong.append(f"{found.dialogs} dialogs for {live} devices")
        if found.relations > len(OWNERS) * len(WATCHERS):
            self._figures.wrong.append(f"{found.relations} relations")
        status = await asyncio.to_thread(self._server.stop)
        if status:
            self._figures.wrong.append(f"the server ended with {status}")
        await asyncio.to_thread(self._server.start)
        found = self._figures.kept = kept(self._database)
        if found.nameless:
            self._figures.wrong.append(f"{found.nameless} views that no device holds")

    def _recently_silent(self) -> int:
        """Dialogs of devices that lost power, which the server may believe to be there yet."""
        since = time.monotonic() - self._expires - TIMER_F - MARGIN
        return sum(at > since for at in self._fell_silent)

    def _look_at_the_log(self) -> None:
        self._figures.wrong += [
            line for line in self._server.log.splitlines() if "ERROR" in line.upper() or "Traceback" in line
        ]


async def _until(holds: Callable[[], bool], seconds: float) -> None:
    """Wait until it holds, or for so long."""
    for _ in range(int(seconds / LOOK)):  # what another process does gives no sign
        if holds():
            return
        await asyncio.sleep(LOOK)


def _is_wrong(handset: Handset) -> bool:
    return handset.watching is not None and not handset.has_what_it_should()
