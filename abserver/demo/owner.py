"""The owner's hand: edits of her card and her rules, by XCAP with digest authentication.

Its calls block, on purpose. While one waits for its answer no device takes a message, so the ladder shows the cause
before its effects; and in the act of the killed server nothing can come between the answer and the kill.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from abserver.demo.expectations import Unmet
from abserver.domain.card import VCARD
from abserver.domain.identity import Aor, Watcher
from abserver.domain.rules import decision_rule
from abserver.domain.trees import escaped
from abserver.domain.usages import CARD_RULES, CONTACT_CARD
from xcap.client import XcapClient
from xcap.core.uri import DocumentKey, ResourceUri

if TYPE_CHECKING:
    from abserver.demo.cast import Person
    from abserver.demo.ladder import Ladder
    from abserver.domain.rules import Handling
    from xcap.client import Fetched, Written
    from xcap.core.usage import ApplicationUsage

DOCUMENT = "index"


class Traced(httpx.BaseTransport):
    """HTTP as it is, with each request and response told to the ladder."""

    def __init__(self, who: str, ladder: Ladder) -> None:
        self.shown = True
        self._who = who
        self._ladder = ladder
        self._http = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._ladder.xcap_request(self._who, request, shown=self.shown)
        response = self._http.handle_request(request)
        response.read()
        self._ladder.xcap_response(self._who, response, shown=self.shown)
        return response

    def close(self) -> None:
        self._http.close()


class OwnersHand:
    """An XCAP client of one owner."""

    def __init__(self, person: Person, root: str, ladder: Ladder) -> None:
        """root: the XCAP root URI."""
        self._aor = person.aor
        self._wire = Traced(person.name, ladder)
        self._client = XcapClient(root, person.user, person.password, transport=self._wire)

    def close(self) -> None:
        self._client.close()

    def card(self) -> Fetched:
        """The card as it is stored. Reading is for the demo's checks, and not shown."""
        return self._get(CONTACT_CARD)

    def rules(self) -> Fetched:
        """The rules as they are stored."""
        return self._get(CARD_RULES)

    def put_value(self, item: str, value: str) -> Written:
        """Replace the text of one element of the card.

        item: a node selector below `vcards/vcard`, such as `tel[1]/text`.
        """
        name = item.rpartition("/")[2].partition("[")[0]
        return self._put_item(item, f'<{name} xmlns="{VCARD}">{escaped(value)}</{name}>')

    def put_level(self, item: str, level: str) -> Written:
        """Say who may see an item that has parameters."""
        element = f'<x-level xmlns="{VCARD}"><text>{escaped(level)}</text></x-level>'
        return self._put_item(f"{item}/parameters/x-level", element)

    def decide(self, watcher: Person, handling: Handling, *levels: str) -> Written:
        """Create or replace the rule about this watcher."""
        rule_id, rule = decision_rule(Watcher(Aor(watcher.aor)), handling, levels)
        return self._client.put(ResourceUri(self._key(CARD_RULES), f'ruleset/rule[@id="{rule_id}"]'), rule)

    def _put_item(self, item: str, element: str) -> Written:
        return self._client.put(ResourceUri(self._key(CONTACT_CARD), f"vcards/vcard/{item}"), element.encode())

    def _get(self, usage: ApplicationUsage) -> Fetched:
        self._wire.shown = False
        fetched = self._client.get(self._key(usage))
        self._wire.shown = True
        if fetched is None:  # an answer to conditional GETs only
            raise Unmet(f"{usage.auid}: no document in the answer")
        return fetched

    def _key(self, usage: ApplicationUsage) -> DocumentKey:
        return DocumentKey(usage.auid, self._aor, DOCUMENT)
