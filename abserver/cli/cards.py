"""`abserver card …`: the owner's contact card, imported, shown, and edited item by item; all by XCAP as the owner."""

from __future__ import annotations

import sys
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from abserver.cli import acting, common
from abserver.cli.acting import acting_as
from abserver.cli.common import CommandError

if TYPE_CHECKING:
    from abserver.cli.card_items import ItemEdit
    from abserver.domain.identity import Owner
    from xcap.client import XcapClient

app = typer.Typer(name="card", help="The owner's contact card: import, show and change it.", no_args_is_help=True)

VcardFile = Annotated[
    Path,
    typer.Argument(
        metavar="FILE.vcf",
        allow_dash=True,
        show_default=False,
        help="One vCard 3.0 or 4.0, as phones and mail programs export it; - is standard input.",
    ),
]
ContentLine = Annotated[
    str,
    typer.Argument(
        metavar="LINE",
        show_default=False,
        help="One line of a vCard: 'TEL;TYPE=home;X-LEVEL=friends:tel:+1-555-0100'. Without a value it removes.",
    ),
]
Which = Annotated[
    int | None,
    typer.Option("--which", min=1, metavar="N", help="Which of several with this name and TYPE; 1 is the first."),
]
Xml = Annotated[bool, typer.Option("--xml", help="The document itself, byte for byte, in place of vCard text.")]


@app.command("import")
def import_card(file: VcardFile, owner: common.OwnerAddress, config: common.ConfigFile = None) -> None:
    """Make the vCard in FILE.vcf OWNER's card, in place of the one before. X-LEVEL on a line is the item's level."""
    from abserver.domain.card import parse_card
    from abserver.domain.usages import CONTACT_CARD

    address = common.owner(owner)
    content = _one_card(file)
    with acting_as(address, common.settings_from(config), config) as client:
        written = client.put(acting.document(CONTACT_CARD, address), content, media_type=CONTACT_CARD.media_type)
    items = sum(1 for _ in parse_card(content).items())
    typer.echo(f"card of {address} {'made' if written.created else 'replaced'}: {items} items")


@app.command("show")
def show(owner: common.OwnerAddress, xml: Xml = False, config: common.ConfigFile = None) -> None:
    """Print OWNER's card with the level of each item, as the owner sees it."""
    from abserver.domain.usages import CONTACT_CARD
    from abserver.domain.vcard_text import export_vcard

    address = common.owner(owner)
    with acting_as(address, common.settings_from(config), config) as client:
        fetched = acting.fetch(client, CONTACT_CARD, address)
    if fetched is None:
        raise _no_card(address)
    typer.echo(fetched.content if xml else export_vcard(fetched.content), nl=False)


@app.command("set")
def set_item(
    owner: common.OwnerAddress, line: ContentLine, which: Which = None, config: common.ConfigFile = None
) -> None:
    """Change one item of OWNER's card: the property of the same name and TYPE, or a new one if there is none.

    An item keeps its level unless the line has an X-LEVEL.
    """
    address = common.owner(owner)
    with acting_as(address, common.settings_from(config), config) as client:
        edit = _edited(client, address, line, which)
    typer.echo(f"{edit.done} ({edit.selector})")


def _edited(client: XcapClient, owner: Owner, line: str, which: int | None) -> ItemEdit:
    """Carry out what the line means, on the very card that it was found to mean it in. Raises CommandError, Refused."""
    from abserver.cli.card_items import InvalidLine, edit_for
    from abserver.domain.usages import CONTACT_CARD
    from xcap.client import Refused
    from xcap.core.uri import ResourceUri

    fetched = acting.fetch(client, CONTACT_CARD, owner)
    if fetched is None:
        raise _no_card(owner)
    try:
        edit = edit_for(line, fetched.content, which)
        node = ResourceUri(acting.document(CONTACT_CARD, owner), edit.selector)
        client.put(node, edit.element, if_match=fetched.etag)
    except InvalidLine as error:
        raise CommandError(str(error), error.hint) from None
    except Refused as refused:
        if refused.status == HTTPStatus.PRECONDITION_FAILED:
            raise CommandError("the card was changed by somebody else meanwhile", "Say it again") from None
        raise
    return edit


def _one_card(file: Path) -> bytes:
    """The xCard of the only vCard in a file. Raises CommandError."""
    from abserver.domain.contentline import VcardError
    from abserver.domain.vcard import LARGEST, import_vcard

    try:
        cards = import_vcard(_read(file, LARGEST + 1))
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}", "Name a file with one vCard") from None
    except VcardError as error:
        raise CommandError(f"{file}: {error}", "Nothing was imported") from None
    if len(cards) != 1:
        raise CommandError(f"{file} holds {len(cards)} vCards, and an owner has one card", "Give a file with that one")
    return cards[0]


def _read(file: Path, most: int) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read(most)
    with file.open("rb") as stream:
        return stream.read(most)


def _no_card(owner: Owner) -> CommandError:
    return CommandError(f"{owner} has no card yet", f"Import one: abserver card import FILE.vcf {owner}")
