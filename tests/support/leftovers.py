"""What the services of a server remember of subscriptions that are over: nothing, once all is quiet."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.server import SimServer


def leftovers(server: SimServer) -> list[str]:
    """Names of what should be empty and is not; to be asked when no NOTIFY is under way."""
    return [name for name, left in _looked_at(server) if left]


def _looked_at(server: SimServer) -> Iterator[tuple[str, object]]:
    events = server.events
    notifier, cards, documents = events.notifier, events.contact_cards, events.document_changes
    yield "windows", notifier._windows._under_way or notifier._windows._lines or notifier._windows._total
    yield "preparing", notifier._preparing._waiting
    yield "hints", events.reconciler._hints
    yield "subscribing", events.subscribing._starting
    cards_live = {each for owner in cards.followers.owners() for each in cards.followers.of(owner)}
    yield "audiences", cards._audiences._places.keys() - cards_live
    yield "audiences by owner", set(cards._audiences._owners) - set(cards.followers.owners())
    yield "filters", (cards._filtering._current.keys() | cards._filtering._told.keys()) - cards_live
    yield "unsettled", {each for group in cards._unsettled.values() for each in group} - cards_live
    documents_live = {each for owner in documents.followers.owners() for each in documents.followers.of(owner)}
    yield "watches of documents", documents._watches.keys() ^ documents_live
    yield "interest in documents", {each for group in documents._interested.values() for each in group} - documents_live
    infos = events.watcher_infos
    infos_live = {each for owner in infos.followers.owners() for each in infos.followers.of(owner)}
    yield "watcher information", (infos._tellings.keys() | infos._own.keys()) - infos_live
    yield "tables of watchers", infos._tables.keys() - set(infos.followers.owners())
    for followers in (cards.followers, infos.followers, documents.followers):
        yield "groups of followers", set(followers._owners) ^ {owner for owner, _ in followers._watchers}
        yield "devices", set(followers._devices.values()) - {*followers._dialogs.values()}
