"""The document server as clients meet it: on a socket, with the standard usages and those of RFC 4825's examples."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network
from typing import TYPE_CHECKING

from lxml import etree

from tests.conformance.rfc4825.documents import PLAIN, TEST, WATCHERS
from xcap.core.digest import Nonces
from xcap.core.throttle import Throttle
from xcap.core.usage import Usages
from xcap.core.usages import STANDARD
from xcap.core.xml import load_schema
from xcap.http import AuthenticationRules, DigestAuthenticator, XcapApp
from xcap.ports import Credential
from xcap.service import XcapService
from xcap.sources import standard_sources
from xcap.storage.memory import MemoryCredentialStore, MemoryDocumentStore

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.http import Answer, Exchange
    from xcap.core.usage import ApplicationUsage
    from xcap.ports import Change, CredentialStore, DocumentStore

BILL, JOE, OPERATOR = "sip:bill@example.com", "sip:joe@example.com", "sip:operator@example.com"
PASSWORD = "open sesame"
ELEMENT, ATTRIBUTE, NAMESPACES = "application/xcap-el+xml", "application/xcap-att+xml", "application/xcap-ns+xml"
_REPORT = load_schema("xcap.core", "schemas/xcap-error.xsd")


class _Nobody:
    def changed(self, change: Change) -> None:
        """No change is of interest here."""


async def _not_at_all(seconds: float) -> None:
    """A refused login takes its time, but not in tests."""


async def application(
    more: Iterable[ApplicationUsage] = (),
    documents: DocumentStore | None = None,
    credentials: CredentialStore | None = None,
) -> XcapApp:
    """With the root `/`, as in the RFC's examples; whom the local peer names is believed, and guessing is free.

    more: usages beside those. Without stores, what is stored is in memory.
    """
    usages = Usages([*STANDARD, WATCHERS, TEST, PLAIN, *more])
    store = documents or MemoryDocumentStore()
    credentials = credentials or MemoryCredentialStore()
    for user in (BILL, JOE, OPERATOR):
        await credentials.put(Credential.of(user, "example.com", PASSWORD))

    async def is_user(uri: str) -> bool:
        return await credentials.credential(uri) is not None

    sources = standard_sources(usages, store, "/")
    service = XcapService(
        usages, store, _Nobody(), sources=sources, in_use=is_user, is_user=is_user, trusted=[OPERATOR]
    )
    rules = AuthenticationRules(domains=("example.com",), trusted_peers=(ip_network("127.0.0.1"),))
    throttle = Throttle(user_failures=0, source_failures=0)
    authenticator = DigestAuthenticator(credentials, Nonces(b"of tests"), rules, throttle, sleep=_not_at_all)
    return XcapApp(service, authenticator, "/", usages)


@dataclass(frozen=True)
class Client:
    """One user's requests."""

    exchange: Exchange
    user: str | None = BILL
    """None logs in by itself."""

    async def request(
        self,
        method: str,
        target: str | bytes,
        body: bytes = b"",
        media_type: str | None = None,
        *,
        if_match: str | None = None,
        if_none_match: str | None = None,
        authorization: str | None = None,
    ) -> Answer:
        """As it is: nothing of the target is escaped."""
        fields = {
            "Content-Type": media_type,
            "If-Match": if_match,
            "If-None-Match": if_none_match,
            "Authorization": authorization,
            "X-XCAP-Asserted-Identity": self.user and f'"{self.user}"',
        }
        sent = [(name.encode(), value.encode()) for name, value in fields.items() if value is not None]
        return await self.exchange(method, target.encode() if isinstance(target, str) else target, sent, body)

    async def get(self, target: str | bytes, *, if_none_match: str | None = None) -> Answer:
        return await self.request("GET", target, if_none_match=if_none_match)

    async def put(
        self,
        target: str | bytes,
        body: bytes,
        media_type: str,
        *,
        if_match: str | None = None,
        if_none_match: str | None = None,
    ) -> Answer:
        return await self.request("PUT", target, body, media_type, if_match=if_match, if_none_match=if_none_match)

    async def delete(self, target: str | bytes, *, if_match: str | None = None) -> Answer:
        return await self.request("DELETE", target, if_match=if_match)

    def for_user(self, user: str | None) -> Client:
        return Client(self.exchange, user)


def condition(answer: Answer) -> etree._Element:
    """The one condition of a valid conflict report."""
    assert (answer.status, answer.fields["content-type"]) == (409, "application/xcap-error+xml")
    report = etree.fromstring(answer.body)
    _REPORT.assertValid(report)
    [found] = report
    return found


def conflict(answer: Answer) -> str:
    """The name of the condition of a conflict."""
    return etree.QName(condition(answer)).localname
