"""Users' digest hashes in a database, read at each use: another process (the command line) changes them at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, insert, select

from xcap.core.digest import Algorithm
from xcap.ports import Credential
from xcap.storage.tables import credentials

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xcap.storage.commit import GroupCommit
    from xcap.storage.database import Database, Transaction


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


def _put(transaction: Transaction, new: Sequence[Credential]) -> Sequence[bool | Exception]:
    return [_replace(transaction, credential) for credential in new]


def _replace(transaction: Transaction, credential: Credential) -> bool:
    """Whether the user is new."""
    was_there = _forget(transaction, credential.user)
    rows = [
        {"user": credential.user, "algorithm": algorithm.value, "username": name, "realm": credential.realm, "ha1": ha1}
        for (algorithm, name), ha1 in credential.ha1.items()
    ]
    transaction.run(_insert, rows)
    return not was_there


def _remove(transaction: Transaction, users: Sequence[str]) -> Sequence[bool | Exception]:
    return [_forget(transaction, user) for user in users]


def _forget(transaction: Transaction, user: str) -> bool:
    """Whether there was such a user."""
    transaction.hold([user])
    was_there = bool(transaction.rows(_select, {"user": user}))
    transaction.run(_delete, [{"of_user": user}])
    return was_there
