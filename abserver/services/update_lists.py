"""The synchronization update lists: what each owner has changed, and what each device has acknowledged.

In memory for reconcile, in the journal for good. An owner's list moves when card or rules have new etags; a device's
list moves when the device acknowledges a view, and at no other time. Searching for the devices that are behind means
comparing the two (`reconcile`); the lists themselves send nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abserver.ports import DeviceKey, DeviceRecord, OwnerRecord

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable

    from abserver.domain.identity import Owner
    from abserver.domain.view import View
    from abserver.services.authorizing import Policy


class UpdateLists:
    """All lists of one server."""

    def __init__(self, owners: Iterable[OwnerRecord] = (), devices: Iterable[DeviceRecord] = ()) -> None:
        self._owners = {record.owner: record for record in owners}
        self._devices = {record.key: record for record in devices}

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
        old = self._devices.get(key)
        if old is not None and (old.tag, old.version) == (view.tag, version):
            return None
        new = DeviceRecord(key=key, tag=view.tag, version=version, at=utc)
        self._devices[key] = new
        return new

    def held(self, key: DeviceKey) -> str | None:
        """The tag of the view that the device acknowledged last."""
        record = self._devices.get(key)
        return record.tag if record else None
