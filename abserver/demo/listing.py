"""The lists at the end, as lines: the copies at the devices, the relation list, the synchronization update lists."""

from __future__ import annotations

import datetime
import textwrap
from typing import TYPE_CHECKING, Any

from abserver.demo.ladder import WIDTH
from abserver.demo.views import items_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from abserver.demo.devices import Device

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


def relation_lines(relations: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The subscription relation list of `abserver relations --json`."""
    yield f"{'watcher':<7}  {'state':<14}  {'levels':<23}  {'requested':<9}  {'decided':<8}  by rule"
    for each in relations:
        levels = ", ".join(each["levels"])
        requested, decided = _time(each["requested_at"]), _time(each["decided_at"])
        watcher = each["watcher"].removeprefix("sip:").partition("@")[0]
        yield f"{watcher:<7}  {each['state']:<14}  {levels:<23}  {requested:<9}  {decided:<8}  {each['rule'] or ''}"


def sync_lines(lists: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[str]:
    """The synchronization update lists of `abserver sync --json`; `names` is what the devices are called."""
    owner = lists["owner"]
    yield f"owner: version {owner['version']}, modified {_time(owner['modified_at'])}"
    for each in lists["devices"]:
        name, at, tag = names[each["device"]], _time(each["acknowledged_at"]), each["view"][:TAG]
        yield f"{name:<12}  version {each['version']:>2}  acknowledged {at}  view {tag}"


def _time(text: str | None) -> str:
    return "" if text is None else f"{datetime.datetime.fromisoformat(text).astimezone():%H:%M:%S}"
