"""What watcher information is about: the subscriptions of another package, its "inner" ones (RFC 3857 §2).

Who may know what (§4.6): owners all of their watchers, of a package and of its watcher information; a watcher whom the
rules admit, and one who awaits a decision, what became of his own subscription; nobody else anything. Whether a watcher
was blocked politely never shows.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from abserver.domain.identity import ANONYMOUS, Aor, Watcher
from abserver.domain.relation import UNDECIDED, RelationState, WinfoEvent
from abserver.domain.rules import Handling

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable

    from abserver.domain.identity import Owner
    from abserver.ports import Clock
    from abserver.services.authorizing import Authorizer
    from abserver.services.packages import PackageServer
    from abserver.services.relating import Relating
    from abserver.services.watcher_infos import WatcherInfos


class Sight(enum.Enum):
    """What a subscriber of watcher information may see."""

    ALL = "every watcher"
    OWN = "his own row"
    NOT_YET = "nothing, as long as he does not ask"
    NONE = "nothing"


class Standing(NamedTuple):
    """How a watcher stands with an owner in the package that is watched."""

    state: RelationState | None
    """None: not at all."""
    came_by: WinfoEvent = WinfoEvent.SUBSCRIBE
    """What made him active, as far as that can be told afterwards; for the owner alone, since it tells of decisions."""
    asks_since: datetime.datetime | None = None
    """Since when he awaits a decision."""


class Inner(Protocol):
    """The subscriptions that are watched: "inner" in the words of RFC 3857 §2."""

    server: PackageServer
    """Serves the package that is watched."""

    def watchers(self, owner: Owner) -> Iterable[Watcher]:
        """All who may be watching, as of now; some may be named twice."""
        ...

    def standing(self, owner: Owner, watcher: Watcher) -> Standing: ...

    async def ready(self, owner: Owner) -> None:
        """Get hold of what `sight` needs."""
        ...

    def sight(self, owner: Owner, watcher: Watcher) -> Sight | None:
        """What a subscriber may see by the rules of this moment; None if `ready` has to be awaited."""
        ...


class CardWatchers:
    """The watchers of contact cards (an `Inner`)."""

    def __init__(self, server: PackageServer, relating: Relating, authorizer: Authorizer, clock: Clock) -> None:
        self.server = server
        self._relating = relating
        self._authorizer = authorizer
        self._clock = clock

    def watchers(self, owner: Owner) -> Iterable[Watcher]:
        """Who ever asked; the owner, whose devices may follow his own card; and those who are not named, as one."""
        yield Watcher(Aor(owner))
        yield ANONYMOUS
        for relation in self._relating.all_of(owner):
            yield relation.watcher

    def standing(self, owner: Owner, watcher: Watcher) -> Standing:
        """As the relation list says. Who is not named was let in, or does not watch."""
        if Aor(watcher) == owner or watcher == ANONYMOUS:
            return Standing(RelationState.CONFIRMED)
        relation = self._relating.of(owner, watcher)
        if relation is None:
            return Standing(None)
        approved = relation.decided_at is not None and relation.decided_at > relation.requested_at
        return Standing(
            relation.state,
            came_by=WinfoEvent.APPROVED if approved else WinfoEvent.SUBSCRIBE,
            asks_since=relation.requested_at if relation.state in UNDECIDED else None,
        )

    async def ready(self, owner: Owner) -> None:
        await self._authorizer.policy(owner)

    def sight(self, owner: Owner, watcher: Watcher) -> Sight | None:
        if Aor(watcher) == owner:
            return Sight.ALL
        policy = self._authorizer.current(owner)
        if policy is None:
            return None
        match policy.decide(watcher, self._clock.utc()).handling:
            case Handling.ALLOW | Handling.POLITE_BLOCK:
                return Sight.OWN
            case Handling.CONFIRM:
                return Sight.NOT_YET if self.standing(owner, watcher).asks_since is None else Sight.OWN
            case Handling.BLOCK:
                return Sight.NONE


class InfoWatchers:
    """The watchers of watcher information (an `Inner`): for owners alone, and no deeper (RFC 3857 §4.6)."""

    def __init__(self, server: WatcherInfos) -> None:
        self.server: PackageServer = server
        self._inner = server.inner

    def watchers(self, owner: Owner) -> Iterable[Watcher]:
        return [each.key.watcher for each in self.server.followers.of(owner)]

    def standing(self, owner: Owner, watcher: Watcher) -> Standing:
        """Nobody waits for admission here; whom the rules refuse in the package below is refused here as well."""
        refused = self._inner.standing(owner, watcher).state is RelationState.REJECTED
        return Standing(RelationState.REJECTED if refused else RelationState.CONFIRMED)

    async def ready(self, owner: Owner) -> None:
        """Nothing is needed."""

    def sight(self, owner: Owner, watcher: Watcher) -> Sight | None:
        return Sight.ALL if Aor(watcher) == owner else Sight.NONE
