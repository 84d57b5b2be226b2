"""Users' digest hashes in a database, read at each use: another process (the command line) changes them at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, insert, select

from xcap.core.digest import Algorithm
from xcap.ports import Credential
from xcap.storage.tables import credentials

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from xcap.storage.commit import GroupCommit
    from xcap.storage.database import Database


class SqlCredentialStore:
    """The CredentialStore in a database that was upgraded to this room's tables."""

    def __init__(self, database: Database, committer: GroupCommit) -> None:
        self._database = database
        self._committer = committer

    async def credential(self, user: str) -> Credential | None:
        rows = await self._database.rows(_select, {"user": user})
        if not rows:
            return None
        return Credential(user, rows[0][0], {(_ALGORITHMS[token], username): ha1 for _, token, username, ha1 in rows})

    async def put(self, credential: Credential) -> bool:
        return await self._committer.do(_put, credential)

    async def remove(self, user: str) -> bool:
        return await self._committer.do(_remove, user)

    async def users(self) -> Sequence[str]:
        return [user for (user,) in await self._database.rows(_select_users)]


_ALGORITHMS = {algorithm.value: algorithm for algorithm in Algorithm}

_select = select(credentials.c.realm, credentials.c.algorithm, credentials.c.username, credentials.c.ha1).where(
    credentials.c.user == bindparam("user")
)
_select_users = select(credentials.c.user).distinct().order_by(credentials.c.user)
_delete = delete(credentials).where(credentials.c.user == bindparam("of_user"))
_insert = insert(credentials)


def _put(connection: Connection, new: Sequence[Credential]) -> Sequence[bool | Exception]:
    results = []
    for credential in new:
        removed = connection.execute(_delete, {"of_user": credential.user})
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
        connection.execute(_insert, rows)
        results.append(removed.rowcount == 0)
    return results


def _remove(connection: Connection, users: Sequence[str]) -> Sequence[bool | Exception]:
    return [connection.execute(_delete, {"of_user": user}).rowcount > 0 for user in users]
