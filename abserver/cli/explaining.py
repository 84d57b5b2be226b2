"""`abserver explain` and `abserver see-as`: what a watcher sees of a card, and why; asked of the running server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from abserver.cli import acting, common
from abserver.cli.acting import acting_as
from abserver.cli.common import CommandError

if TYPE_CHECKING:
    from abserver.cli.card_items import ItemName
    from abserver.cli.explanation import Told
    from abserver.domain.identity import Owner, Watcher
    from xcap.client import XcapClient

Item = Annotated[
    str | None,
    typer.Argument(
        metavar="[ITEM]",
        show_default=False,
        help="Only these items, as `card set` names them, without a value: TEL, 'TEL;TYPE=home'.",
    ),
]
Xml = Annotated[bool, typer.Option("--xml", help="The view itself, byte for byte, in place of vCard text.")]


def explain(
    owner: common.OwnerAddress,
    watcher: common.WatcherAddress,
    item: Item = None,
    as_json: common.Json = False,
    config: common.ConfigFile = None,
) -> None:
    """Say what WATCHER sees of OWNER's card and why, and what WATCHER's devices were told."""
    whose, who = common.owner(owner), common.watcher(watcher)
    wanted = None if item is None else _named(item)
    with acting_as(whose, common.settings_from(config), config) as client:
        told = _told(client, whose, who)
    if wanted is not None and not told.keep_items(wanted):
        raise CommandError(f"the card of {whose} has no {wanted.spoken}", "`abserver card show` prints what it has")
    if as_json:
        common.print_json(told.value())
    elif wanted is not None:
        told.print_items()
        told.print_devices()
    else:
        told.print()


def see_as(
    owner: common.OwnerAddress,
    watcher: common.WatcherAddress,
    xml: Xml = False,
    config: common.ConfigFile = None,
) -> None:
    """Print OWNER's card as WATCHER sees it, or would if WATCHER asked."""
    from abserver.domain.usages import VIEWS
    from abserver.domain.usages.shared_cards import name_of
    from abserver.domain.vcard_text import export_vcard

    whose, who = common.owner(owner), common.watcher(watcher)
    with acting_as(whose, common.settings_from(config), config) as client:
        view = acting.fetch(client, VIEWS, whose, name_of(who))
        if view is None:
            hint = f"`abserver explain {whose} {who}` says more"
            raise CommandError(_told(client, whose, who).verdict, hint)
    typer.echo(view.content if xml else export_vcard(view.content), nl=False)


def _told(client: XcapClient, owner: Owner, watcher: Watcher) -> Told:
    """Raises CommandError if the server is one that does not explain."""
    from abserver.cli.explanation import Told
    from abserver.domain.usages import EXPLANATIONS
    from abserver.domain.usages.shared_cards import name_of

    fetched = acting.fetch(client, EXPLANATIONS, owner, name_of(watcher))
    if fetched is None:
        raise CommandError("the server explains nothing", "Is it older than this program? Start it again")
    return Told(fetched.content)


def _named(item: str) -> ItemName:
    from abserver.cli.card_items import InvalidLine, item_named

    try:
        return item_named(item)
    except InvalidLine as error:
        raise CommandError(str(error), error.hint) from None
