"""The standing between an owner and a watcher: one row of the subscription relation list.

The states follow RFC 3857 §4.7.1 as far as a request is undecided: it is pending while a subscription of the watcher
lasts and waiting after that, so that an owner who comes back days later still finds it. Beyond that a relation is more
than a subscription: once decided it stands, whether or not a device of the watcher is on; subscriptions come and go
under it. It changes when the rules say something else, and it ends when the rules say nothing any more and nobody is
there to ask again, or when the server gives an undecided request up.

`_NEXT` is the whole machine. The functions below feed it and keep the times; each returns the same object when
nothing changed.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from abserver.domain.rules import Decision, Handling

if TYPE_CHECKING:
    import datetime

    from abserver.domain.identity import Owner, Watcher

EVERY_LEVEL = "*"
"""Stands in `Relation.levels` for a grant of everything; no level can have this name (the schema's `levelName`)."""


class RelationState(enum.Enum):
    """Where a relation stands."""

    PENDING = "pending"
    """The watcher asks, the owner has not decided."""
    WAITING = "waiting"
    """The watcher asked, his subscription is over, the owner has not decided."""
    CONFIRMED = "confirmed"
    """The watcher sees what the rules grant."""
    POLITE_BLOCKED = "polite-blocked"
    """The watcher sees an empty card and is to think that he is confirmed."""
    REJECTED = "rejected"
    """The watcher is refused."""
    ENDED = "ended"
    """There was a relation; nothing is asked and nothing is decided."""


UNDECIDED = frozenset({RelationState.PENDING, RelationState.WAITING})
"""Where the owner has yet to decide."""
DECIDED = frozenset({RelationState.CONFIRMED, RelationState.POLITE_BLOCKED, RelationState.REJECTED})
"""Where the rules say something."""
ACCEPTED = frozenset({RelationState.CONFIRMED, RelationState.POLITE_BLOCKED})
"""Where a subscription is active, as far as the watcher can tell."""


class Input(enum.Enum):
    """What can happen to a relation."""

    ALLOWED = "the rules allow the watcher"
    POLITE_BLOCKED = "the rules polite-block the watcher"
    BLOCKED = "the rules block the watcher"
    OPEN = "the rules leave it to the owner, and a subscription lasts or was just accepted"
    OPEN_UNWATCHED = "the rules leave it to the owner, and no subscription lasts"
    UNWATCHED = "the last subscription expired or was ended by the watcher"
    GIVEN_UP = "the request was undecided for too long (the giveup event)"


_S = RelationState
_I = Input

_NEXT: dict[tuple[RelationState, Input], RelationState] = {
    # A request: RFC 3857 Figure 1. A decision ends the waiting *subscription*; the relation that it leads to stands.
    (_S.PENDING, _I.ALLOWED): _S.CONFIRMED,
    (_S.PENDING, _I.POLITE_BLOCKED): _S.POLITE_BLOCKED,
    (_S.PENDING, _I.BLOCKED): _S.REJECTED,
    (_S.PENDING, _I.OPEN): _S.PENDING,
    (_S.PENDING, _I.OPEN_UNWATCHED): _S.WAITING,
    (_S.PENDING, _I.UNWATCHED): _S.WAITING,
    (_S.PENDING, _I.GIVEN_UP): _S.ENDED,
    (_S.WAITING, _I.ALLOWED): _S.CONFIRMED,
    (_S.WAITING, _I.POLITE_BLOCKED): _S.POLITE_BLOCKED,
    (_S.WAITING, _I.BLOCKED): _S.REJECTED,
    (_S.WAITING, _I.OPEN): _S.PENDING,
    (_S.WAITING, _I.OPEN_UNWATCHED): _S.WAITING,
    (_S.WAITING, _I.UNWATCHED): _S.WAITING,
    (_S.WAITING, _I.GIVEN_UP): _S.ENDED,
    # Decided: it stands without a subscription, and giving up is for requests. RFC 5025 §3.2.1: back to `confirm` is
    # back to pending.
    (_S.CONFIRMED, _I.ALLOWED): _S.CONFIRMED,
    (_S.CONFIRMED, _I.POLITE_BLOCKED): _S.POLITE_BLOCKED,
    (_S.CONFIRMED, _I.BLOCKED): _S.REJECTED,
    (_S.CONFIRMED, _I.OPEN): _S.PENDING,
    (_S.CONFIRMED, _I.OPEN_UNWATCHED): _S.ENDED,
    (_S.CONFIRMED, _I.UNWATCHED): _S.CONFIRMED,
    (_S.CONFIRMED, _I.GIVEN_UP): _S.CONFIRMED,
    (_S.POLITE_BLOCKED, _I.ALLOWED): _S.CONFIRMED,
    (_S.POLITE_BLOCKED, _I.POLITE_BLOCKED): _S.POLITE_BLOCKED,
    (_S.POLITE_BLOCKED, _I.BLOCKED): _S.REJECTED,
    (_S.POLITE_BLOCKED, _I.OPEN): _S.PENDING,
    (_S.POLITE_BLOCKED, _I.OPEN_UNWATCHED): _S.ENDED,
    (_S.POLITE_BLOCKED, _I.UNWATCHED): _S.POLITE_BLOCKED,
    (_S.POLITE_BLOCKED, _I.GIVEN_UP): _S.POLITE_BLOCKED,
    (_S.REJECTED, _I.ALLOWED): _S.CONFIRMED,
    (_S.REJECTED, _I.POLITE_BLOCKED): _S.POLITE_BLOCKED,
    (_S.REJECTED, _I.BLOCKED): _S.REJECTED,
    (_S.REJECTED, _I.OPEN): _S.PENDING,
    (_S.REJECTED, _I.OPEN_UNWATCHED): _S.ENDED,
    (_S.REJECTED, _I.UNWATCHED): _S.REJECTED,
    (_S.REJECTED, _I.GIVEN_UP): _S.REJECTED,
    # Ended: a decision about somebody who asked before is a decision; a new request is a request.
    (_S.ENDED, _I.ALLOWED): _S.CONFIRMED,
    (_S.ENDED, _I.POLITE_BLOCKED): _S.POLITE_BLOCKED,
    (_S.ENDED, _I.BLOCKED): _S.REJECTED,
    (_S.ENDED, _I.OPEN): _S.PENDING,
    (_S.ENDED, _I.OPEN_UNWATCHED): _S.ENDED,
    (_S.ENDED, _I.UNWATCHED): _S.ENDED,
    (_S.ENDED, _I.GIVEN_UP): _S.ENDED,
}

_DECIDED_BY = {
    Handling.ALLOW: Input.ALLOWED,
    Handling.POLITE_BLOCK: Input.POLITE_BLOCKED,
    Handling.BLOCK: Input.BLOCKED,
}


class WinfoEvent(enum.Enum):
    """What moved the state machine of a subscription (RFC 3857 §4.7.1), as watcher information names it (RFC 3858)."""

    SUBSCRIBE = "subscribe"
    """The watcher asked; or he is back to asking, because the rules leave it to the owner again (RFC 5025 §3.2.1)."""
    APPROVED = "approved"
    """The rules let him in, politely or not; also when they now show something else."""
    DEACTIVATED = "deactivated"
    """What the relation rested on is gone from the rules, and nobody is there to ask again."""
    PROBATION = "probation"
    """The subscription was ended, to be tried again after a while."""
    REJECTED = "rejected"
    """The rules refuse him."""
    TIMEOUT = "timeout"
    """His last subscription expired, or he ended it."""
    GIVEUP = "giveup"
    """Nobody decided in the time that the server keeps requests for."""
    NORESOURCE = "noresource"
    """There is no such owner any more."""


@dataclass(frozen=True, slots=True)
class Relation:
    """One watcher's standing with one owner. Times are aware UTC."""

    owner: Owner
    watcher: Watcher
    state: RelationState
    levels: frozenset[str]
    """What the watcher's decision grants; `EVERY_LEVEL` for all. Empty unless confirmed."""
    rule: str | None
    """The id of the rule that decided; None while nothing has."""
    requested_at: datetime.datetime
    """When the watcher asked; when he last began to ask, if the relation had ended or been undone meanwhile."""
    decided_at: datetime.datetime | None
    """When the decision in force was first seen; None while there is none."""
    ended_at: datetime.datetime | None
    """When the relation ended; None while it has not."""


@dataclass(frozen=True, slots=True)
class RelationEvent:
    """A relation changed, or the watcher's first subscription under it began, or his last one ended.

    The state machine of RFC 3857 Figure 1 is about subscriptions: it is `active` where a relation is CONFIRMED or
    POLITE_BLOCKED and `watched`, `terminated` where one is not watched any more. A request that waited and is made
    again is WAITING to PENDING with SUBSCRIBE here; there it is a waiting subscription that ends with `giveup` and a
    new one that is pending.
    """

    old: Relation | None
    """None for the first request; the same object as `new` where only the watching began or ended."""
    new: Relation
    event: WinfoEvent
    watched: bool
    """Whether a subscription of the watcher lasts after this."""


def event_between(old: Relation | None, new: Relation, *, watched: bool) -> WinfoEvent:
    """What led from one to the other, as Figure 1 of RFC 3857 has it; `watched` as it is afterwards."""
    begins = watched and (old is None or old.state is RelationState.ENDED)
    match new.state:
        case RelationState.PENDING:
            return WinfoEvent.SUBSCRIBE
        case RelationState.CONFIRMED | RelationState.POLITE_BLOCKED:
            return WinfoEvent.SUBSCRIBE if begins else WinfoEvent.APPROVED
        case RelationState.REJECTED:
            return WinfoEvent.REJECTED
        case RelationState.WAITING:
            return WinfoEvent.TIMEOUT
        case _:
            undecided = old is not None and old.state in UNDECIDED
            return WinfoEvent.GIVEUP if undecided else WinfoEvent.DEACTIVATED


def next_state(state: RelationState, happened: Input) -> RelationState:
    """The machine; total."""
    return _NEXT[state, happened]


def asked(
    relation: Relation | None, owner: Owner, watcher: Watcher, decision: Decision, utc: datetime.datetime
) -> Relation:
    """The watcher subscribes and `decision` is the answer; `relation` is None if he never did before."""
    if relation is None:
        relation = Relation(
            owner=owner,
            watcher=watcher,
            state=RelationState.ENDED,
            levels=frozenset(),
            rule=None,
            requested_at=utc,
            decided_at=None,
            ended_at=None,
        )
    return decided(relation, decision, utc, watched=True)


def decided(relation: Relation, decision: Decision, utc: datetime.datetime, *, watched: bool) -> Relation:
    """The rules, as they are now, say this of the watcher; `watched` if a subscription of his lasts."""
    undecided = Input.OPEN if watched else Input.OPEN_UNWATCHED
    state = next_state(relation.state, _DECIDED_BY.get(decision.handling, undecided))
    levels = frozenset({EVERY_LEVEL}) if decision.grant.everything else decision.grant.levels
    if (state, levels, decision.rule) == (relation.state, relation.levels, relation.rule):
        return relation
    begins = state is RelationState.PENDING and relation.state not in (RelationState.PENDING, RelationState.WAITING)
    return Relation(
        owner=relation.owner,
        watcher=relation.watcher,
        state=state,
        levels=levels,
        rule=decision.rule,
        requested_at=utc if begins else relation.requested_at,
        decided_at=utc if decision.handling in _DECIDED_BY else None,
        ended_at=_ended_at(relation, state, utc),
    )


def unwatched(relation: Relation) -> Relation:
    """The watcher's last subscription to this owner expired or was ended by him (RFC 3857 §4.7.1 `timeout`)."""
    state = next_state(relation.state, Input.UNWATCHED)
    return relation if state is relation.state else replace(relation, state=state)


def given_up(relation: Relation, utc: datetime.datetime) -> Relation:
    """Nobody decided in the time that the server keeps requests for (RFC 3857 §4.7.1 `giveup`)."""
    state = next_state(relation.state, Input.GIVEN_UP)
    if state is relation.state:
        return relation
    return replace(relation, state=state, ended_at=_ended_at(relation, state, utc))


def _ended_at(relation: Relation, state: RelationState, utc: datetime.datetime) -> datetime.datetime | None:
    if state is not RelationState.ENDED:
        return None
    return utc if relation.state is not RelationState.ENDED else relation.ended_at
