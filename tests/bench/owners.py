"""What the owners of the benchmarks have: cards with one number for each level, rules that grant a level each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.domain.conditions import COMMON_POLICY
from abserver.domain.rules import CARD_RULES_NAMESPACE
from abserver.domain.usages import CARD_RULES_AUID, CONTACT_CARD_AUID
from tests.bench.messages import OWNER_DOMAIN
from tests.bench.serving import OWNER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.bench.serving import Documents


def put_card(documents: Documents, edits: Sequence[int], *, user: str = OWNER) -> None:
    documents.put(CONTACT_CARD_AUID, "application/vcard+xml", card_of(edits), user=user)


def put_rules(documents: Documents, rules: bytes, *, user: str = OWNER) -> None:
    documents.put(CARD_RULES_AUID, "application/auth-policy+xml", rules, user=user)


def rules_for_domains(*domains: str) -> bytes:
    """Everybody of each domain in one rule, which grants level 0 to the first one, level 1 to the second one, ..."""
    return _ruleset(_rule(f"all{view}", f'<many domain="{domain}"/>', view) for view, domain in enumerate(domains))


def rules_by_name(count: int, views: int) -> bytes:
    """As many rules as views, each of which names its share of the watchers."""
    return _ruleset(
        _rule(f"r{view}", "".join(_one(number) for number in range(view, count, views)), view) for view in range(views)
    )


def _ruleset(rules: Iterable[str]) -> bytes:
    return f'<ruleset xmlns="{COMMON_POLICY}" xmlns:r="{CARD_RULES_NAMESPACE}">{"".join(rules)}</ruleset>'.encode()


def _one(number: int) -> str:
    return f'<one id="sip:w{number}@{OWNER_DOMAIN}"/>'


def _rule(rule_id: str, identity: str, view: int) -> str:
    return (
        f'<rule id="{rule_id}"><conditions><identity>{identity}</identity></conditions>'
        "<actions><r:card-handling>allow</r:card-handling></actions><transformations>"
        f"<r:provide-levels><r:level>level{view}</r:level></r:provide-levels></transformations></rule>"
    )


def card_of(edits: Sequence[int]) -> bytes:
    """A card of about 1.5 kB with one number for each level, and at which edit each number is."""
    numbers = "".join(
        f"<tel><parameters><x-level><text>level{view}</text></x-level></parameters>"
        f"<uri>tel:+1555{edit:04d}{view}</uri></tel>"
        for view, edit in enumerate(edits)
    )
    shared = "<parameters><x-level><text>public</text></x-level></parameters>"
    notes = "".join(f"<note>{shared}<text>Remark {each}: ring twice, then wait.</text></note>" for each in range(8))
    head = '<vcards xmlns="urn:ietf:params:xml:ns:vcard-4.0"><vcard><fn><text>Ann Example</text></fn>'
    return f"{head}{numbers}{notes}</vcard></vcards>".encode()
