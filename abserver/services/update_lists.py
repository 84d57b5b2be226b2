"""The synchronization update lists: what each owner has changed, and what each device has acknowledged.

In memory for reconcile, in the journal for good. An owner's list moves when card or rules have new etags; a device's
list moves when the device acknowledges a view, and at no other time. Searching for the devices that are behind means
comparing the two (`reconcile`); the lists themselves send nothing.

Acknowledgements reach the journal a moment after they came, so a record that a crash leaves behind may be old, and if
the owner's next edit leads back to the recorded view, nothing would show it. Hence departures: before a device is sent
another view than its record names, the journal knows that it leaves that view. A record whose view was left is in
doubt after a restart, and its device is told the full view.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from abserver.ports import Departure, DeviceKey, DeviceRecord, OwnerRecord

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable

    from abserver.domain.identity import Owner
    from abserver.domain.view import View
    from abserver.services.authorizing import Policy


class _Mark(NamedTuple):
    """A view, and the owner's modification version with it. A fan-out has few of them, which all devices share."""

    tag: str
    version: int


class UpdateLists:
    """All lists of one server."""

    def __init__(
        self,
        owners: Iterable[OwnerRecord] = (),
        devices: Iterable[DeviceRecord] = (),
        departures: Iterable[Departure] = (),
    ) -> None:
        """The lists as the journal remembers them."""
        self._latest = _Mark("", 0)
        self._owners = {record.owner: record for record in owners}
        self._departures = {key: self._shared(tag, version) for key, tag, version in departures}
        """Those that are durable, as far as they may count still."""
        held = ((key, self._shared(tag, version)) for key, tag, version, _ in devices)
        self._held = {key: mark for key, mark in held if not self._is_left(key, mark)}
        """Of a device that is in doubt, nothing is known."""

    def version(self, owner: Owner) -> int:
        """The owner's modification version; 0 before anything was noticed."""
        record = self._owners.get(owner)
        return record.version if record else 0

    def modified(self, policy: Policy, utc: datetime.datetime) -> OwnerRecord | None:
        """Note the card and rules of `policy`; the new list if they are news, else None."""
        old = self._owners.get(policy.owner)
        if old is not None and (old.card_etag, old.rules_etag) == (policy.card_etag, policy.rules_etag):
            return None
        new = OwnerRecord(
            owner=policy.owner,
            version=self.version(policy.owner) + 1,
            modified_at=utc,
            card_etag=policy.card_etag,
            rules_etag=policy.rules_etag,
        )
        self._owners[policy.owner] = new
        return new

    def delivered(self, key: DeviceKey, view: View, version: int, utc: datetime.datetime) -> DeviceRecord | None:
        """Note that the device acknowledged `view`, which the owner had at `version`; the new list if that is news."""
        old, new = self._held.get(key), self._shared(view.tag, version)
        if old == new:
            return None
        if old is not None and old.tag != new.tag:
            self._departures.pop(key, None)
        self._held[key] = new
        return DeviceRecord(key, new.tag, version, utc)

    def held(self, key: DeviceKey) -> str | None:
        """The tag of the view that the device acknowledged last; None if that is not known for sure."""
        mark = self._held.get(key)
        return None if mark is None else mark.tag

    def departure(self, key: DeviceKey, view: View) -> Departure | None:
        """What has to be durable before the device is sent `view`; None if nothing is missing."""
        mark = self._held.get(key)
        if mark is None or mark.tag == view.tag or self._is_left(key, mark):
            return None
        return Departure(key, mark.tag, self.version(key.owner))

    def departed(self, departure: Departure) -> None:
        """The departure is durable now."""
        self._departures[departure.key] = self._shared(departure.tag, departure.version)

    def forget(self, keys: Iterable[DeviceKey]) -> None:
        """Know nothing of these devices any more."""
        for key in keys:
            self._held.pop(key, None)
            self._departures.pop(key, None)

    def forget_departures(self) -> None:
        """Take none for durable any more: the journal is about to collect those that it does not need."""
        self._departures.clear()

    def _is_left(self, key: DeviceKey, mark: _Mark) -> bool:
        departure = self._departures.get(key)
        return departure is not None and departure.tag == mark.tag and departure.version >= mark.version

    def _shared(self, tag: str, version: int) -> _Mark:
        """The mark, the same one as last time if that was equal."""
        latest = self._latest
        if latest.version != version or latest.tag != tag:
            self._latest = latest = _Mark(tag, version)
        return latest
