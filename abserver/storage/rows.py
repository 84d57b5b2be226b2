"""Records as rows and back: one pair of functions per table, side by side so that they stay in step.

A row has its values in the order of the table's columns. What is equal in many rows, an address or a list of levels, is
read as one value that they share: a server with 100,000 subscriptions holds few of them.
"""

from __future__ import annotations

import datetime
import json
from functools import lru_cache
from sys import intern
from typing import TYPE_CHECKING, Any

from abserver.domain.identity import Aor, Owner, Watcher
from abserver.domain.relation import Relation, RelationState
from abserver.events.terms import Terms
from abserver.ports import DecisionRecord, Departure, DeviceKey, DeviceRecord, OwnerRecord, SubscriptionRecord
from abserver.sip.dialog import Dialog
from abserver.sip.headers import Substate
from abserver.sip.transport import Address, Flow, Transport

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Row = Sequence[Any]

SHARED = 1024
"""Values of a kind that are looked up, not made."""

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def _micros(time: datetime.datetime) -> int:
    since = time - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _time(micros: int) -> datetime.datetime:
    return _EPOCH + datetime.timedelta(microseconds=micros)


def _micros_if(time: datetime.datetime | None) -> int | None:
    return None if time is None else _micros(time)


def _time_if(micros: int | None) -> datetime.datetime | None:
    return None if micros is None else _time(micros)


def _owner(text: str) -> Owner:
    return Owner(Aor(intern(text)))


def _watcher(text: str) -> Watcher:
    return Watcher(Aor(intern(text)))


# -- relations ------------------------------------------------------------------------------------------------------


def relation_row(relation: Relation) -> Row:
    return (
        relation.owner,
        relation.watcher,
        relation.state.value,
        _levels_text(relation.levels),
        relation.rule,
        _micros(relation.requested_at),
        _micros_if(relation.decided_at),
        _micros_if(relation.ended_at),
    )


def relation_of(row: Row) -> Relation:
    owner, watcher, state, levels, rule, requested_at, decided_at, ended_at = row
    return Relation(
        owner=_owner(owner),
        watcher=_watcher(watcher),
        state=RelationState(state),
        levels=_levels(levels),
        rule=rule and intern(rule),
        requested_at=_time(requested_at),
        decided_at=_time_if(decided_at),
        ended_at=_time_if(ended_at),
    )


@lru_cache(SHARED)
def _levels_text(levels: frozenset[str]) -> str:
    return json.dumps(sorted(levels))


@lru_cache(SHARED)
def _levels(text: str) -> frozenset[str]:
    return frozenset(json.loads(text))


def decision_row(record: DecisionRecord) -> dict[str, Any]:
    """By name: the number is the database's to give."""
    return {
        "owner": record.owner,
        "watcher": record.watcher,
        "at": _micros(record.at),
        "state": record.state.value,
        "rule": record.rule,
        "by": record.by,
    }


def decision_of(row: Row) -> DecisionRecord:
    _, owner, watcher, at, state, rule, by = row
    return DecisionRecord(_owner(owner), _watcher(watcher), _time(at), RelationState(state), rule, by)


# -- update lists ---------------------------------------------------------------------------------------------------


def owner_row(record: OwnerRecord) -> Row:
    return record.owner, record.version, _micros(record.modified_at), record.card_etag, record.rules_etag


def owner_of(row: Row) -> OwnerRecord:
    owner, version, modified_at, card_etag, rules_etag = row
    return OwnerRecord(_owner(owner), version, _time(modified_at), card_etag, rules_etag)


def key_of(owner: str, watcher: str, device: str) -> DeviceKey:
    return DeviceKey(_owner(owner), _watcher(watcher), intern(device))


def device_rows(records: Iterable[DeviceRecord], numbers: Mapping[DeviceKey, int]) -> list[Row]:
    """Raises KeyError for a device without a number."""
    return [(numbers[key], tag, version, _micros(at)) for key, tag, version, at in records]


def device_of(key: DeviceKey, tag: str, version: int, at: int) -> DeviceRecord:
    return DeviceRecord(key, intern(tag), version, _time(at))


def departure_rows(departures: Iterable[Departure], numbers: Mapping[DeviceKey, int]) -> list[Row]:
    """Raises KeyError for a device without a number."""
    return [(numbers[key], tag, version) for key, tag, version in departures]


def departure_of(key: DeviceKey, tag: str, version: int) -> Departure:
    return Departure(key, intern(tag), version)


# -- subscriptions --------------------------------------------------------------------------------------------------


def subscription_row(record: SubscriptionRecord) -> Row:
    dialog, flow, key = record.dialog, record.flow, record.key
    return (
        dialog.call_id,
        dialog.local_tag,
        dialog.remote_tag,
        key.owner,
        key.watcher,
        key.device,
        dialog.local_uri,
        dialog.remote_uri,
        dialog.remote_target,
        _routes_text(dialog.route_set),
        dialog.local_cseq,
        dialog.remote_cseq,
        record.package,
        record.event_id,
        record.terms.to_json(),
        record.told and record.told.value,
        _micros(record.expires_at),
        flow.transport.value,
        flow.local.host,
        flow.local.port,
        flow.remote.host,
        flow.remote.port,
    )


def subscription_of(row: Row, keys: dict[DeviceKey, DeviceKey]) -> SubscriptionRecord:
    """The flow comes back without a connection number: a connection does not outlive the process.

    keys: those that other records have, to be shared.
    """
    call_id, local_tag, remote_tag, owner, watcher, device, local_uri, remote_uri, remote_target, *rest = row
    route_set, local_cseq, remote_cseq, package, event_id, terms, told, expires_at, *flow = rest
    key = key_of(owner, watcher, device)
    return SubscriptionRecord(
        key=keys.setdefault(key, key),
        dialog=Dialog(
            call_id=call_id,
            local_tag=local_tag,
            remote_tag=remote_tag,
            local_uri=intern(local_uri),
            remote_uri=intern(remote_uri),
            remote_target=remote_target,
            route_set=_routes(route_set),
            local_cseq=local_cseq,
            remote_cseq=remote_cseq,
        ),
        package=intern(package),
        event_id=event_id,
        terms=Terms.from_json(terms),
        told=Substate(told) if told else None,
        expires_at=_time(expires_at),
        flow=_flow(*flow),
    )


@lru_cache(SHARED)
def _routes_text(route_set: tuple[str, ...]) -> str:
    return json.dumps(route_set)


@lru_cache(SHARED)
def _routes(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


@lru_cache(SHARED)
def _flow(transport: str, local_host: str, local_port: int, remote_host: str, remote_port: int) -> Flow:
    return Flow(
        transport=Transport(transport),
        local=Address(local_host, local_port),
        remote=Address(remote_host, remote_port),
    )
