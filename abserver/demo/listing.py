"""What there is in the end: the copies at the devices, the relation list, the synchronization update lists."""

from __future__ import annotations

import datetime
import json
import textwrap
from typing import TYPE_CHECKING, Any

from abserver.demo.cast import MAREN
from abserver.demo.ladder import WIDTH, Ladder
from abserver.demo.views import items_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from abserver.demo.cast import Part
    from abserver.demo.devices import Device
    from abserver.demo.stage import Stage

TAG = 12
"""Characters of a view's tag that are shown."""


def copy_lines(device: Device) -> Iterator[str]:
    """What a device shows."""
    copy = device.copy
    if copy is None:
        yield f"{device.name}: nothing"
        return
    yield f"{device.name}: {copy.content_type}, {len(copy.content)} bytes, SIP-ETag {copy.etag}"
    for item in items_of(copy):
        yield from textwrap.wrap(item, WIDTH - 8, initial_indent="    ", subsequent_indent="      ")


async def show_relations(stage: Stage, ladder: Ladder) -> dict[str, str]:
    """Show the owner's subscription relation list; gives the state of each watcher."""
    relations = json.loads(await stage.command("relations", MAREN.aor, "--json", shown=False))
    ladder.command(f"abserver relations {MAREN.aor}")
    ladder.lines(_relation_lines(relations))
    return {each["watcher"]: each["state"] for each in relations}


async def show_update_lists(stage: Stage, ladder: Ladder, devices: Mapping[Part, Device]) -> dict[Part, str]:
    """Show the synchronization update lists; gives the tag of the view that each device acknowledged."""
    lists = json.loads(await stage.command("sync", MAREN.aor, "--json", shown=False))
    ladder.command(f"abserver sync {MAREN.aor}")
    parts = {device.instance: part for part, device in devices.items()}
    ladder.lines(_sync_lines(lists, {instance: part.name for instance, part in parts.items()}))
    return {parts[each["device"]]: each["view"] for each in lists["devices"]}


def _relation_lines(relations: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield f"{'watcher':<7}  {'state':<14}  {'levels':<23}  {'requested':<9}  {'decided':<8}  by rule"
    for each in relations:
        levels = ", ".join(each["levels"])
        requested, decided = _time(each["requested_at"]), _time(each["decided_at"])
        watcher = each["watcher"].removeprefix("sip:").partition("@")[0]
        yield f"{watcher:<7}  {each['state']:<14}  {levels:<23}  {requested:<9}  {decided:<8}  {each['rule'] or ''}"


def _sync_lines(lists: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[str]:
    owner = lists["owner"]
    yield f"owner: version {owner['version']}, modified {_time(owner['modified_at'])}"
    for each in lists["devices"]:
        name, at, tag = names[each["device"]], _time(each["acknowledged_at"]), each["view"][:TAG]
        yield f"{name:<12}  version {each['version']:>2}  acknowledged {at}  view {tag}"


def _time(text: str | None) -> str:
    return "" if text is None else f"{datetime.datetime.fromisoformat(text).astimezone():%H:%M:%S}"
