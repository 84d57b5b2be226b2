"""Records as rows and back: one pair of functions per table, side by side so that they stay in step.

A row has its values in the order of the table's columns. What is equal in many rows, an address or a list of levels, is
read as one value that they share (`sharing`): a server with 100,000 subscriptions holds few of them.
"""

from __future__ import annotations

import datetime
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from abserver.domain.identity import Aor, Owner, Watcher
from abserver.domain.relation import Relation, RelationState
from abserver.events.terms import Terms
from abserver.ports import (
    BindingsRecord,
    DecisionRecord,
    Departure,
    DeviceKey,
    DeviceRecord,
    OwnerRecord,
    SubscriptionRecord,
)
from abserver.sip.bindings import Binding
from abserver.sip.dialog import Dialog
from abserver.sip.headers import Substate
from abserver.sip.transport import Address, Flow, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Row = Sequence[Any]
    Same = Callable[[Any], Any]

SHARED = 1024
"""Values of a kind that are looked up, not made."""

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def micros(time: datetime.datetime) -> int:
    since = time - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _time(micros: int) -> datetime.datetime:
    return _EPOCH + datetime.timedelta(microseconds=micros)


def _micros_if(time: datetime.datetime | None) -> int | None:
    return None if time is None else micros(time)


def _time_if(micros: int | None) -> datetime.datetime | None:
    return None if micros is None else _time(micros)


def sharing() -> Same:
    """A function that gives, of equal values, always the one that it was given first."""
    known: dict[Any, Any] = {}
    return lambda value: known.setdefault(value, value)


def _owner(same: Same, text: str) -> Owner:
    return Owner(Aor(same(text)))


def _watcher(same: Same, text: str) -> Watcher:
    return Watcher(Aor(same(text)))


# -- relations ------------------------------------------------------------------------------------------------------


def relation_row(relation: Relation) -> Row:
    return (
        relation.owner,
        relation.watcher,
        relation.state.value,
        _levels_text(relation.levels),
        relation.rule,
        micros(relation.requested_at),
        _micros_if(relation.decided_at),
        _micros_if(relation.ended_at),
    )


def relation_of(same: Same, row: Row) -> Relation:
    owner, watcher, state, levels, rule, requested_at, decided_at, ended_at = row
    return Relation(
        owner=_owner(same, owner),
        watcher=_watcher(same, watcher),
        state=RelationState(state),
        levels=_levels(levels),
        rule=same(rule),
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
        "at": micros(record.at),
        "state": record.state.value,
        "rule": record.rule,
        "by": record.by,
    }


def decision_of(same: Same, row: Row) -> DecisionRecord:
    _, owner, watcher, at, state, rule, by = row
    return DecisionRecord(
        _owner(same, owner), _watcher(same, watcher), _time(at), RelationState(state), same(rule), same(by)
    )


# -- update lists ---------------------------------------------------------------------------------------------------


def owner_row(record: OwnerRecord) -> Row:
    return record.owner, record.version, micros(record.modified_at), record.card_etag, record.rules_etag


def owner_of(same: Same, row: Row) -> OwnerRecord:
    owner, version, modified_at, card_etag, rules_etag = row
    return OwnerRecord(_owner(same, owner), version, _time(modified_at), card_etag, rules_etag)


def key_of(same: Same, owner: str, watcher: str, device: str) -> DeviceKey:
    key: DeviceKey = same(DeviceKey(_owner(same, owner), _watcher(same, watcher), same(device)))
    return key


def device_rows(records: Iterable[DeviceRecord], numbers: Mapping[DeviceKey, int]) -> list[Row]:
    """Raises KeyError for a device without a number."""
    return [(numbers[key], tag, version, micros(at)) for key, tag, version, at in records]


def device_of(same: Same, key: DeviceKey, tag: str, version: int, at: int) -> DeviceRecord:
    return DeviceRecord(key, same(tag), same(version), _time(at))


def departure_rows(departures: Iterable[Departure], numbers: Mapping[DeviceKey, int]) -> list[Row]:
    """Raises KeyError for a device without a number."""
    return [(numbers[key], tag, version) for key, tag, version in departures]


def departure_of(same: Same, key: DeviceKey, tag: str, version: int) -> Departure:
    return Departure(key, same(tag), same(version))


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
        micros(record.expires_at),
        flow.transport.value,
        flow.local.host,
        flow.local.port,
        flow.remote.host,
        flow.remote.port,
    )


def subscription_of(same: Same, row: Row) -> SubscriptionRecord:
    """The flow comes back without a connection number: a connection does not outlive the process."""
    call_id, local_tag, remote_tag, owner, watcher, device, local_uri, remote_uri, remote_target, *rest = row
    route_set, local_cseq, remote_cseq, package, event_id, terms, told, expires_at, *flow = rest
    return SubscriptionRecord(
        key=key_of(same, owner, watcher, device),
        dialog=Dialog(
            call_id=call_id,
            local_tag=local_tag,
            remote_tag=remote_tag,
            local_uri=same(local_uri),
            remote_uri=same(remote_uri),
            remote_target=remote_target,
            route_set=_routes(route_set),
            local_cseq=same(local_cseq),
            remote_cseq=same(remote_cseq),
        ),
        package=same(package),
        event_id=event_id,
        terms=Terms.from_json(terms),
        told=Substate(told) if told else None,
        expires_at=_time(expires_at),
        flow=_flow(same, *flow),
    )


@lru_cache(SHARED)
def _routes_text(route_set: tuple[str, ...]) -> str:
    return json.dumps(route_set)


@lru_cache(SHARED)
def _routes(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


# -- bindings -------------------------------------------------------------------------------------------------------


def bindings_row(record: BindingsRecord) -> Row:
    return record.user, json.dumps([_binding_value(each) for each in record.bindings])


def bindings_of(row: Row) -> BindingsRecord:
    """Flows come back without a connection number, as those of subscriptions do."""
    user, text = row
    return BindingsRecord(Aor(user), tuple(_binding(value) for value in json.loads(text)))


def _binding_value(binding: Binding) -> dict[str, Any]:
    flow = binding.flow
    return {
        "uri": binding.uri,
        "display": binding.display,
        "params": binding.params,
        "path": binding.path,
        "call_id": binding.call_id,
        "cseq": binding.cseq,
        "expires_at": micros(binding.expires_at),
        "updated_at": micros(binding.updated_at),
        "flow": (flow.transport.value, flow.local.host, flow.local.port, flow.remote.host, flow.remote.port),
        "direct": binding.direct,
        "reg_id": binding.reg_id,
        "index": binding.index,
        "agent": binding.agent,
    }


def _binding(value: dict[str, Any]) -> Binding:
    return Binding(
        **value
        | {
            "params": tuple((name, text) for name, text in value["params"]),
            "path": tuple(value["path"]),
            "expires_at": _time(value["expires_at"]),
            "updated_at": _time(value["updated_at"]),
            "flow": _flow(lambda each: each, *value["flow"]),
        }
    )


def _flow(same: Same, transport: str, local_host: str, local_port: int, remote_host: str, remote_port: int) -> Flow:
    local, remote = Address(local_host, same(local_port)), Address(same(remote_host), same(remote_port))
    flow: Flow = same(Flow(transport=Transport(transport), local=same(local), remote=same(remote)))
    return flow
