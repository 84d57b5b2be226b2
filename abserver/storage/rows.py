"""Records as rows and back: one pair of functions per table, side by side so that they stay in step."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from abserver.domain.identity import Aor, Owner, Watcher
from abserver.domain.relation import Relation, RelationState
from abserver.events.contact_card import Formats
from abserver.ports import Departure, DeviceKey, DeviceRecord, OwnerRecord, SubscriptionRecord
from abserver.sip.dialog import Dialog
from abserver.sip.headers import Substate
from abserver.sip.transport import Address, Flow, Transport

if TYPE_CHECKING:
    from collections.abc import Mapping

Row = dict[str, Any]


def relation_row(relation: Relation) -> Row:
    return {
        "owner": relation.owner,
        "watcher": relation.watcher,
        "state": relation.state.value,
        "levels": json.dumps(sorted(relation.levels)),
        "rule": relation.rule,
        "requested_at": relation.requested_at,
        "decided_at": relation.decided_at,
        "ended_at": relation.ended_at,
    }


def relation_of(row: Mapping[str, Any]) -> Relation:
    return Relation(
        owner=Owner(Aor(row["owner"])),
        watcher=Watcher(Aor(row["watcher"])),
        state=RelationState(row["state"]),
        levels=frozenset(json.loads(row["levels"])),
        rule=row["rule"],
        requested_at=row["requested_at"],
        decided_at=row["decided_at"],
        ended_at=row["ended_at"],
    )


def owner_row(record: OwnerRecord) -> Row:
    return {
        "owner": record.owner,
        "version": record.version,
        "modified_at": record.modified_at,
        "card_etag": record.card_etag,
        "rules_etag": record.rules_etag,
    }


def owner_of(row: Mapping[str, Any]) -> OwnerRecord:
    return OwnerRecord(
        owner=Owner(Aor(row["owner"])),
        version=row["version"],
        modified_at=row["modified_at"],
        card_etag=row["card_etag"],
        rules_etag=row["rules_etag"],
    )


def _key_row(key: DeviceKey) -> Row:
    return {"owner": key.owner, "watcher": key.watcher, "device": key.device}


def _key_of(row: Mapping[str, Any]) -> DeviceKey:
    return DeviceKey(owner=Owner(Aor(row["owner"])), watcher=Watcher(Aor(row["watcher"])), device=row["device"])


def device_row(record: DeviceRecord) -> Row:
    return {**_key_row(record.key), "tag": record.tag, "version": record.version, "at": record.at}


def device_of(row: Mapping[str, Any]) -> DeviceRecord:
    return DeviceRecord(key=_key_of(row), tag=row["tag"], version=row["version"], at=row["at"])


def departure_row(record: Departure) -> Row:
    return {**_key_row(record.key), "tag": record.tag, "version": record.version}


def departure_of(row: Mapping[str, Any]) -> Departure:
    return Departure(key=_key_of(row), tag=row["tag"], version=row["version"])


def subscription_row(record: SubscriptionRecord) -> Row:
    dialog, flow = record.dialog, record.flow
    return {
        **_key_row(record.key),
        "call_id": dialog.call_id,
        "local_tag": dialog.local_tag,
        "remote_tag": dialog.remote_tag,
        "local_uri": dialog.local_uri,
        "remote_uri": dialog.remote_uri,
        "remote_target": dialog.remote_target,
        "route_set": json.dumps(dialog.route_set),
        "local_cseq": dialog.local_cseq,
        "remote_cseq": dialog.remote_cseq,
        "event_id": record.event_id,
        "full_form": record.formats.full,
        "patches": int(record.formats.patches),
        "told": record.told,
        "expires_at": record.expires_at,
        "transport": flow.transport.value,
        "local_host": flow.local.host,
        "local_port": flow.local.port,
        "remote_host": flow.remote.host,
        "remote_port": flow.remote.port,
    }


def subscription_of(row: Mapping[str, Any]) -> SubscriptionRecord:
    """The flow comes back without a connection number: a connection does not outlive the process."""
    return SubscriptionRecord(
        key=_key_of(row),
        dialog=Dialog(
            call_id=row["call_id"],
            local_tag=row["local_tag"],
            remote_tag=row["remote_tag"],
            local_uri=row["local_uri"],
            remote_uri=row["remote_uri"],
            remote_target=row["remote_target"],
            route_set=tuple(json.loads(row["route_set"])),
            local_cseq=row["local_cseq"],
            remote_cseq=row["remote_cseq"],
        ),
        event_id=row["event_id"],
        formats=Formats(full=row["full_form"], patches=bool(row["patches"])),
        told=Substate(row["told"]) if row["told"] else None,
        expires_at=row["expires_at"],
        flow=Flow(
            transport=Transport(row["transport"]),
            local=Address(row["local_host"], row["local_port"]),
            remote=Address(row["remote_host"], row["remote_port"]),
        ),
    )
