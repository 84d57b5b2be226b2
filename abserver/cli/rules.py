"""What an owner lets watchers see: `rules show`, and the decisions `approve`, `reject` and `block`.

A decision is one rule about one watcher in the owner's card rules; deciding again replaces it. Permissions of several
rules add up (RFC 4745 §10), so after the edit the rules are read back, and where other rules outweigh the decision the
command says so.
"""

from __future__ import annotations

import asyncio
import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

import typer

from abserver.cli import acting, common, database
from abserver.cli.acting import acting_as
from abserver.cli.common import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from abserver.domain.identity import Owner
    from abserver.domain.relation import Relation
    from abserver.domain.rules import Decision, Handling
    from abserver.domain.ruleset import Ruleset
    from xcap.client import XcapClient
    from xcap.core.uri import DocumentKey

app = typer.Typer(name="rules", help="What the owner's card rules say.", no_args_is_help=True)

Levels = Annotated[
    list[str] | None,
    typer.Option("--level", metavar="LEVEL", help="A level the watcher may see beside `public`; may be repeated."),
]
Polite = Annotated[bool, typer.Option("--polite", help="The watcher believes to be approved, and sees an empty card.")]


@app.command("show")
def show(owner: common.OwnerAddress, as_json: common.Json = False, config: common.ConfigFile = None) -> None:
    """Show the owner's rules, first to last."""
    from abserver.cli import describing

    address = common.owner(owner)
    with acting_as(address, common.settings_from(config), config) as client:
        ruleset = _read(client, address)
    if as_json:
        common.print_json([describing.rule_value(rule) for rule in ruleset.rules])
    elif ruleset.rules:
        common.print_table(("rule", "if", "handling", "shows"), map(describing.rule_cells, ruleset.rules))
    else:
        typer.echo(f"{address} has no rules: everybody who asks is pending")


def approve(
    owner: common.OwnerAddress,
    watcher: common.WatcherAddress,
    level: Levels = None,
    config: common.ConfigFile = None,
) -> None:
    """Let WATCHER see OWNER's card: the public items, and those of each --level. Also for who has not asked yet."""
    from abserver.cli import describing
    from abserver.domain.rules import Handling

    deciding = _Deciding(owner, watcher, config)
    decision = deciding.put(Handling.ALLOW, level or ())
    typer.echo(f"{deciding.watcher} sees of {deciding.owner}'s card: {describing.shown(decision.grant)}")
    if not deciding.asked():
        typer.echo("They have not asked; the approval waits for them.")


def reject(owner: common.OwnerAddress, watcher: common.WatcherAddress, config: common.ConfigFile = None) -> None:
    """Refuse WATCHER's request, or end what was approved before."""
    from abserver.domain.rules import Handling

    deciding = _Deciding(owner, watcher, config)
    if not deciding.asked():
        raise CommandError(
            f"{deciding.watcher} has not asked for {deciding.owner}'s card, so there is nothing to reject",
            f"To refuse them in advance: abserver block {deciding.owner} {deciding.watcher}",
        )
    deciding.put(Handling.BLOCK)
    typer.echo(f"{deciding.watcher} is rejected by {deciding.owner}")


def block(
    owner: common.OwnerAddress,
    watcher: common.WatcherAddress,
    polite: Polite = False,
    config: common.ConfigFile = None,
) -> None:
    """Keep WATCHER out, whether they have asked or not."""
    from abserver.domain.rules import Handling

    deciding = _Deciding(owner, watcher, config)
    deciding.put(Handling.POLITE_BLOCK if polite else Handling.BLOCK)
    typer.echo(f"{deciding.watcher} is {'politely ' if polite else ''}blocked by {deciding.owner}")


class _Deciding:
    """One decision of an owner about a watcher."""

    def __init__(self, owner: str, watcher: str, config: Path | None) -> None:
        self.owner = common.owner(owner)
        self.watcher = common.watcher(watcher)
        self._config = config
        self._settings = common.settings_from(config)
        if str(self.owner) == str(self.watcher):
            raise CommandError("owners always see their own card", "Name somebody else as WATCHER")

    def asked(self) -> bool:
        """Whether the watcher ever asked, by the server's relation list."""
        return asyncio.run(self._relation()) is not None

    async def _relation(self) -> Relation | None:
        async with database.journal(self._settings) as journal:
            relations = await journal.relations(self.owner)
        return next((each for each in relations if each.watcher == self.watcher), None)

    def put(self, handling: Handling, levels: Iterable[str] = ()) -> Decision:
        """Write the rule, and give what all rules together make of it.

        Raises CommandError where that is something else, naming the rule that outweighs this one.
        """
        from abserver.domain.rules import decide, decision_rule

        rule_id, rule = decision_rule(self.watcher, handling, [level.lower() for level in levels])
        with acting_as(self.owner, self._settings, self._config) as client:
            _put_rule(client, self.owner, rule_id, rule)
            decision = decide(_read(client, self.owner), self.watcher, datetime.datetime.now(datetime.UTC))
        if decision.handling is not handling:
            from abserver.cli.describing import handling_name

            raise CommandError(
                f"the rule is written, but rule '{decision.rule}' outweighs it: {handling_name(decision.handling)}",
                f"Permissions add up; take {self.watcher} out of that rule: abserver rules show {self.owner}",
            )
        return decision


def _read(client: XcapClient, owner: Owner) -> Ruleset:
    """The owner's rules; without a document there are none."""
    from abserver.domain.rules import parse_rules
    from abserver.domain.ruleset import Ruleset
    from abserver.domain.usages import CARD_RULES

    fetched = acting.fetch(client, CARD_RULES, owner)
    return Ruleset(()) if fetched is None else parse_rules(fetched.content)


def _put_rule(client: XcapClient, owner: Owner, rule_id: str, rule: bytes) -> None:
    """Create or replace one rule."""
    from abserver.domain.usages import CARD_RULES
    from xcap.client import Refused
    from xcap.core.uri import ResourceUri

    key = acting.document(CARD_RULES, owner)
    node = ResourceUri(key, f'ruleset/rule[@id="{rule_id}"]')
    try:
        client.put(node, rule)
    except Refused as refused:
        if refused.condition != "no-parent":
            raise
        _put_first_document(client, key)
        client.put(node, rule)


def _put_first_document(client: XcapClient, key: DocumentKey) -> None:
    """An empty ruleset, unless somebody made one meanwhile."""
    from abserver.domain.rules import empty_ruleset
    from abserver.domain.usages import CARD_RULES
    from xcap.client import Refused

    try:
        client.put(key, empty_ruleset(), media_type=CARD_RULES.media_type, only_new=True)
    except Refused as refused:
        if refused.status != HTTPStatus.PRECONDITION_FAILED:
            raise
