"""A process to be killed: writes nodes into documents of one database, and prints each one that was acknowledged.

python writing_process.py DATABASE-URL
"""

from __future__ import annotations

import asyncio
import itertools
import sys

from xcap.core.etag import Conditions
from xcap.core.uri import DocumentKey, ResourceUri
from xcap.core.usage import ApplicationUsage, Usages
from xcap.service import XcapService
from xcap.storage import migrate
from xcap.storage.commit import GroupCommit
from xcap.storage.database import open_database
from xcap.storage.documents import SqlDocumentStore

USAGE = ApplicationUsage(auid="notes", media_type="application/notes+xml", default_namespace=None, namespaces=())
USERS = tuple(f"sip:u{n}@example.com" for n in range(3))
WRITERS = 8


class Deaf:
    def changed(self, change: object) -> None: ...


async def write(service: XcapService, writer: int) -> None:
    """For each of the users, a new node after the last one was acknowledged, until killed."""
    for number in itertools.count():
        user = USERS[number % len(USERS)]
        name = f"w{writer}-{number}"
        at = ResourceUri(DocumentKey("notes", user, "index"), f'notes/n[@id="{name}"]')
        await service.put(user, at, f'<n id="{name}"/>'.encode(), "application/xcap-el+xml", Conditions())
        print(user, name, flush=True)


async def main(url: str) -> None:
    await migrate.upgrade(url)
    async with open_database(url) as database, GroupCommit(database) as committer:
        service = XcapService(Usages([USAGE]), SqlDocumentStore(database, committer), Deaf())
        for user in USERS:
            at = ResourceUri(DocumentKey("notes", user, "index"))
            await service.put(user, at, b"<notes/>", USAGE.media_type, Conditions())
        await asyncio.gather(*(write(service, writer) for writer in range(WRITERS)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
