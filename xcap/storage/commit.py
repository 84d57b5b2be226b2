"""Group commit: every intent that waits goes into one transaction, so durability costs latency, not throughput.

A database has one writer at a time, and a commit costs a disk flush whatever is in it. So while one transaction is on
its way the next intents collect, and they all go into the next one: the longer a commit takes, the more share it.

The law: what `do` gives is done after the COMMIT that holds its intent. An intent whose caller went away before its
transaction began is dropped; after that it runs, and nobody is told. Intents of one handler keep the order in which
they came.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from xcap.storage.database import Database, Transaction

Intent = TypeVar("Intent")
Result = TypeVar("Result")

Handler = Callable[["Transaction", Sequence[Intent]], Sequence[Result | Exception]]
"""Carries out intents inside the transaction, and gives one result for each, in their order.

It runs in the database's thread, so it touches nothing but its arguments and keeps no state of its own between calls.
An Exception as a result is raised to that caller alone, and the transaction goes on. A handler that raises undoes the
transaction; its intents are then tried one by one.
"""

MAX_GROUP = 512
"""Intents in one transaction: bounds how long the first of them waits for the last."""


class CommitFailed(Exception):
    """The transaction could not begin or commit; whether it took effect is unknown. The cause is attached."""


@dataclass(slots=True, eq=False)
class _Waiting:
    handler: Handler[Any, Any]
    intent: Any
    future: asyncio.Future[Any]

    def settle(self, result: Any) -> None:
        if self.future.done():  # the caller was cancelled
            return
        if isinstance(result, Exception):
            self.future.set_exception(result)
        else:
            self.future.set_result(result)


class _HandlerFailed(Exception):
    """A handler raised, so nothing of its transaction took effect."""


class GroupCommit:
    """The one writer of a database: `do` runs an intent in the next transaction and returns after its commit.

    One per database and process, shared by all rooms that write to it; it lives in a task while any intent waits.
    Another process may write too (the command line does); the database makes them take turns.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def do(self, handler: Handler[Intent, Result], intent: Intent) -> asyncio.Future[Result]:
        """Run `intent` in the next transaction; gives what the handler gave for it, or raises that, or CommitFailed.

        It takes its place in the order now, not when it is awaited.
        """
        if self._closed:
            raise CommitFailed("the database is closed")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(handler, intent, future))
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
        return future

    async def aclose(self) -> None:
        """Take no more intents, and return when those that wait are done."""
        self._closed = True
        if self._task is not None:
            await self._task

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _drain(self) -> None:
        try:
            while self._waiting:
                group = self._waiting[:MAX_GROUP]
                del self._waiting[:MAX_GROUP]
                await self._run([item for item in group if not item.future.done()])
        finally:
            self._task = None

    async def _run(self, group: Sequence[_Waiting]) -> None:
        """Run one group and settle all of it; a group that a handler refused is run again item by item."""
        try:
            results = await self._database.write(lambda transaction: _handle(transaction, group))
        except _HandlerFailed as failure:
            if len(group) > 1:
                for item in group:
                    await self._run([item])
            else:
                group[0].settle(failure.__cause__)
        except Exception as error:
            for item in group:
                failed = CommitFailed(str(error))
                failed.__cause__ = error
                item.settle(failed)
        else:
            for item, result in results:
                item.settle(result)


def _handle(transaction: Transaction, group: Sequence[_Waiting]) -> Sequence[tuple[_Waiting, Any]]:
    """Let each handler carry out its intents; pairs each item with its result. Raises _HandlerFailed."""
    by_handler: defaultdict[Handler[Any, Any], list[_Waiting]] = defaultdict(list)
    for item in group:
        by_handler[item.handler].append(item)
    settled: list[tuple[_Waiting, Any]] = []
    for handler, items in by_handler.items():
        try:
            results = handler(transaction, [item.intent for item in items])
            settled.extend(zip(items, results, strict=True))
        except Exception as error:
            raise _HandlerFailed from error
    return settled
