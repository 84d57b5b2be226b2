"""What owners wrote, and what follows from it by the pure functions of the domain alone, without any server."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import TYPE_CHECKING

from abserver.domain import lists, spheres
from abserver.domain.identity import Aor, Owner, Watcher
from abserver.domain.rules import EVERYTHING, Decision, Handling, decide, parse_rules
from abserver.domain.view import View, view_of
from abserver.ports import Ground
from tests.support.documents import allow, block, confirm, during, polite_block, rules

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.world import World

PRESENCE, LISTS = Ground("pidf-manipulation", "index"), Ground("resource-lists", "index")

Made = Callable[[Owner, Watcher, datetime.datetime], bytes]


def _begins_soon(owner: Owner, watcher: Watcher, utc: datetime.datetime) -> bytes:
    return during(allow(watcher, "friends"), utc + datetime.timedelta(seconds=20), utc + datetime.timedelta(days=9))


def _ends_soon(owner: Owner, watcher: Watcher, utc: datetime.datetime) -> bytes:
    return during(allow(watcher), utc, utc + datetime.timedelta(seconds=100))


def _at_work(owner: Owner, watcher: Watcher, utc: datetime.datetime) -> bytes:
    return allow(watcher, "friends").replace(b"</conditions>", b'<sphere value="work"/></conditions>')


def _listed(owner: Owner, watcher: Watcher, utc: datetime.datetime) -> bytes:
    """For whoever is on the owner's list."""
    anchor = f"http://example.com/resource-lists/users/{owner}/index/~~/resource-lists/list"
    condition = f'<o:external-list xmlns:o="urn:oma:xml:xdm:common-policy"><o:entry anc="{anchor}"/></o:external-list>'
    rule = allow(watcher, "friends")
    begin, end = rule.index(b"<identity>"), rule.index(b"</identity>") + len(b"</identity>")
    return rule[:begin] + condition.encode() + rule[end:]


DECISIONS: dict[str, Made] = {
    "nothing": lambda owner, watcher, utc: b"",
    "allow": lambda owner, watcher, utc: allow(watcher),
    "friend": lambda owner, watcher, utc: allow(watcher, "friends"),
    "confirm": lambda owner, watcher, utc: confirm(watcher),
    "polite": lambda owner, watcher, utc: polite_block(watcher),
    "block": lambda owner, watcher, utc: block(watcher),
    "begins soon": _begins_soon,
    "ends soon": _ends_soon,
    "at work": _at_work,
    "listed": _listed,
}
"""What an owner can say of a watcher."""


class Truth:
    """The owners' side of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._cards: dict[Owner, bytes | None] = {}
        self._decisions: dict[tuple[Owner, Watcher], bytes] = {}
        self._grounds: dict[tuple[Owner, Ground], bytes] = {}

    # -- what owners do

    def put_card(self, owner: Owner, content: bytes | None) -> None:
        self._cards[owner] = content
        self._world.put_card(owner, content)

    def card(self, owner: Owner) -> bytes | None:
        return self._cards.get(owner)

    def decide(self, owner: Owner, watcher: Watcher, decision: str) -> None:
        self._decisions[owner, watcher] = DECISIONS[decision](owner, watcher, self._world.clock.utc())
        self._world.put_rules(owner, self._rules(owner))

    def _rules(self, owner: Owner) -> bytes:
        return rules(*(rule for (whose, _), rule in self._decisions.items() if whose == owner))

    def be_in(self, owner: Owner, sphere: str, seconds: float | None) -> None:
        """The owner is in a sphere, for so long if that is known."""
        utc = self._world.clock.utc()
        self._put(owner, PRESENCE, presence(sphere, None if seconds is None else _after(utc, seconds)))

    def list_friends(self, owner: Owner, watchers: Iterable[Watcher]) -> None:
        self._put(owner, LISTS, friends(*watchers))

    def _put(self, owner: Owner, ground: Ground, content: bytes) -> None:
        self._grounds[owner, ground] = content
        self._world.documents.put_ground(owner, ground, content)

    # -- what follows

    def decision(self, owner: Owner, watcher: Watcher) -> Decision:
        """What the watcher may see now."""
        if Aor(watcher) == Aor(owner):
            return Decision(Handling.ALLOW, EVERYTHING, None)
        utc, ruleset = self._world.clock.utc(), parse_rules(self._rules(owner))
        stated = self._grounds.get((owner, PRESENCE))
        sphere = None if stated is None else spheres.read_spheres(stated).at(utc)
        found = lists.resolve(ruleset.anchors, owner, {LISTS.name: self._grounds.get((owner, LISTS))})
        return decide(ruleset, watcher, utc, sphere=sphere, lists=found.lists)

    def view(self, owner: Owner, watcher: Watcher) -> View:
        return view_of(self.card(owner), self.decision(owner, watcher).grant, owner)


def presence(sphere: str, until: datetime.datetime | None = None) -> bytes:
    """A presence document that says where its owner is."""
    ends = f' until="{until.isoformat()}"' if until else ""
    return (
        '<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:d="urn:ietf:params:xml:ns:pidf:data-model"'
        ' xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:ann@example.com">'
        f'<d:person id="p"><r:sphere{ends}><r:{sphere}/></r:sphere></d:person></presence>'
    ).encode()


def friends(*watchers: Watcher) -> bytes:
    """A resource lists document with one list, of these."""
    entries = "".join(f'<entry uri="{each}"/>' for each in watchers)
    inside = f"<list>{entries}</list>"
    return f'<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">{inside}</resource-lists>'.encode()


def _after(utc: datetime.datetime, seconds: float) -> datetime.datetime:
    return utc + datetime.timedelta(seconds=seconds)
