"""Users' digest hashes in a database, read at each use: another process (the command line) changes them at once."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, insert, select

from xcap.core.digest import Algorithm
from xcap.ports import Credential
from xcap.storage.tables import credentials

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from xcap.storage.commit import GroupCommit, GroupRead


class SqlCredentialStore:
    """The CredentialStore of an engine that was upgraded to this room's tables."""

    def __init__(self, committer: GroupCommit, reader: GroupRead) -> None:
        self._committer = committer
        self._reader = reader

    async def credential(self, user: str) -> Credential | None:
        return await self._reader.do(_load, user)

    async def put(self, credential: Credential) -> bool:
        return await self._committer.do(_put, credential)

    async def remove(self, user: str) -> bool:
        return await self._committer.do(_remove, user)

    async def users(self) -> Sequence[str]:
        return await self._reader.do(_users, None)


_select = (
    select(credentials).where(credentials.c.user.in_(bindparam("users", expanding=True))).order_by(credentials.c.user)
)
_select_users = select(credentials.c.user).distinct().order_by(credentials.c.user)
_delete = delete(credentials).where(credentials.c.user == bindparam("of_user"))
_insert = insert(credentials)


async def _load(connection: AsyncConnection, users: Sequence[str]) -> Sequence[Credential | Exception | None]:
    rows = await connection.execute(_select, {"users": list(set(users))})
    found = {}
    for user, group in groupby(rows, key=lambda row: row.user):
        forms = list(group)
        hashes = {(Algorithm(row.algorithm), row.username): row.ha1 for row in forms}
        found[user] = Credential(user, forms[0].realm, hashes)
    return [found.get(user) for user in users]


async def _put(connection: AsyncConnection, new: Sequence[Credential]) -> Sequence[bool | Exception]:
    results = []
    for credential in new:
        removed = await connection.execute(_delete, {"of_user": credential.user})
        rows = [
            {
                "user": credential.user,
                "algorithm": algorithm.value,
                "username": username,
                "realm": credential.realm,
                "ha1": ha1,
            }
            for (algorithm, username), ha1 in credential.ha1.items()
        ]
        await connection.execute(_insert, rows)
        results.append(removed.rowcount == 0)
    return results


async def _remove(connection: AsyncConnection, users: Sequence[str]) -> Sequence[bool | Exception]:
    return [(await connection.execute(_delete, {"of_user": user})).rowcount > 0 for user in users]


async def _users(connection: AsyncConnection, intents: Sequence[None]) -> Sequence[Sequence[str] | Exception]:
    users = list((await connection.execute(_select_users)).scalars())
    return [users for _ in intents]
