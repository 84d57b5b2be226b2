"""Decisions from the command line: real edits of the owner's card rules through a running server."""

from __future__ import annotations

import asyncio
import datetime
import json
from typing import TYPE_CHECKING, Any

import pytest

from abserver.domain.identity import Aor, Owner, Watcher
from abserver.domain.relation import Relation, RelationState
from abserver.ports import CLI_AGENT
from abserver.storage.journal import SqlJournal, upgrade
from xcap.client import XcapClient
from xcap.core.uri import DocumentKey
from xcap.storage.commit import GroupCommit
from xcap.storage.database import open_database

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Abserver

ALICE, BOB, CAROL = "sip:alice@example.com", "sip:bob@example.com", "sip:carol@example.com"
DAVE = "sip:dave@elsewhere.org"


def _rules(abserver: Abserver, owner: str) -> list[dict[str, object]]:
    shown = abserver("rules", "show", owner, "--json")
    assert shown.code == 0
    rules: list[dict[str, object]] = json.loads(shown.out)
    return rules


def _asked(database: Path, owner: str, watcher: str) -> None:
    """Put a pending relation into the list, as the server does when a SUBSCRIBE arrives."""
    utc = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    relation = Relation(
        owner=Owner(Aor(owner)),
        watcher=Watcher(Aor(watcher)),
        state=RelationState.PENDING,
        levels=frozenset(),
        rule=None,
        requested_at=utc,
        decided_at=None,
        ended_at=None,
    )

    async def write() -> None:
        async with open_database(f"sqlite:///{database}") as opened, GroupCommit(opened) as committer:
            await upgrade(opened)
            await SqlJournal(opened, committer).write(relation)

    asyncio.run(write())


def _put_rules(abserver: Abserver, owner: str, *rules: str) -> None:
    from abserver.config import load

    http = load(abserver.config).http
    user = owner.removeprefix("sip:")
    namespaces = 'xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:c="urn:abserver:xml:ns:card-rules"'
    with XcapClient(f"http://{http.listen}{http.xcap_root}", user, user.partition("@")[0]) as client:
        client.put(
            DocumentKey("org.abserver.card-rules", owner, "index"),
            f"<ruleset {namespaces}>{''.join(rules)}</ruleset>".encode(),
            media_type="application/auth-policy+xml",
        )


@pytest.fixture
def fresh(served: Abserver) -> Abserver:
    """The running server, where alice, bob and carol have no rules yet."""
    for owner in (ALICE, BOB, CAROL):
        _put_rules(served, owner)
    return served


def test_a_first_decision_makes_the_document_and_a_second_one_replaces_the_rule(served: Abserver) -> None:
    served("user", "add", "first@example.com", "--password", "first")
    assert "has no rules" in served("rules", "show", "first@example.com").out
    approved = served("approve", "first@example.com", BOB, "--level", "friends", "--level", "Family")
    assert approved.code == 0, approved.err
    assert approved.out.splitlines()[0] == f"{BOB} sees of sip:first@example.com's card: family, friends, public"
    assert served("block", "first@example.com", BOB).code == 0
    assert served("approve", "first@example.com", DAVE).code == 0
    rules = _rules(served, "sip:first@example.com")
    assert [(rule["if"], rule["handling"], rule["levels"]) for rule in rules] == [
        (BOB, "block", []),
        (DAVE, "allow", ["public"]),
    ]


def test_approving_who_has_not_asked_is_said_to_wait_for_them(fresh: Abserver) -> None:
    assert "They have not asked; the approval waits for them." in fresh("approve", ALICE, CAROL).out


def test_approving_who_has_asked_says_nothing_of_waiting(fresh: Abserver) -> None:
    _asked(fresh.database, CAROL, ALICE)
    assert fresh("approve", CAROL, ALICE).out == f"{ALICE} sees of {CAROL}'s card: public\n"


def test_rejecting_who_has_not_asked_is_refused_with_block_as_the_way(fresh: Abserver) -> None:
    ran = fresh("reject", ALICE, DAVE)
    assert ran.code == 1
    assert f"{DAVE} has not asked for {ALICE}'s card, so there is nothing to reject" in ran.err
    assert f"abserver block {ALICE} {DAVE}" in ran.err
    assert _rules(fresh, ALICE) == []


def test_rejecting_who_has_asked_writes_a_block_rule(fresh: Abserver) -> None:
    _asked(fresh.database, BOB, CAROL)
    assert fresh("reject", BOB, CAROL).out == f"{CAROL} is rejected by {BOB}\n"
    assert [(rule["if"], rule["handling"]) for rule in _rules(fresh, BOB)] == [(CAROL, "block")]


def test_polite_block_is_a_handling_of_its_own(fresh: Abserver) -> None:
    assert fresh("block", ALICE, BOB, "--polite").out == f"{BOB} is politely blocked by {ALICE}\n"
    assert [(rule["if"], rule["handling"]) for rule in _rules(fresh, ALICE)] == [(BOB, "polite-block")]


def test_a_decision_that_another_rule_outweighs_is_written_and_the_other_rule_named(fresh: Abserver) -> None:
    """RFC 4745 §10: permissions add up, so a block cannot take away what a domain-wide rule allows."""
    _put_rules(
        fresh,
        ALICE,
        '<rule id="colleagues"><conditions><identity><many domain="example.com"/></identity></conditions>'
        "<actions><c:card-handling>allow</c:card-handling></actions></rule>",
    )
    ran = fresh("block", ALICE, BOB)
    assert ran.code == 1
    assert "the rule is written, but rule 'colleagues' outweighs it: allow" in ran.err
    assert f"abserver rules show {ALICE}" in ran.err
    assert len(_rules(fresh, ALICE)) == 2


LIST = f"http://xcap.example.com/resource-lists/users/{ALICE}/index/~~/resource-lists/list"


def test_rules_are_shown_as_a_table_with_every_condition_in_words(fresh: Abserver) -> None:
    _put_rules(
        fresh,
        ALICE,
        '<rule id="r1"><conditions><identity><many domain="example.com"><except id="sip:bob@example.com"/></many>'
        '</identity><sphere value="work"/><validity><from>2026-01-01T00:00:00Z</from><until>2027-01-01T00:00:00Z'
        "</until></validity></conditions><actions><c:card-handling>allow</c:card-handling></actions>"
        '<transformations><c:provide-property name="tel" type="work"/></transformations></rule>',
        "<rule id='r2'><transformations><c:provide-all/></transformations></rule>",
        "<rule id='r3'><conditions xmlns:oma='urn:oma:xml:xdm:common-policy'>"
        f"<oma:external-list><oma:entry anc='{LIST}'/></oma:external-list>"
        "<oma:other-identity/><oma:anonymous-request/></conditions></rule>",
    )
    header, _, first, second, third = fresh("rules", "show", ALICE).out.rstrip().splitlines()
    assert header.split() == ["rule", "if", "handling", "shows"]
    assert [cell.strip() for cell in first.split("  ") if cell.strip()] == [
        "r1",
        "everybody at example.com except sip:bob@example.com and sphere work and 2026-01-01 00:00 to 2027-01-01 00:00",
        "allow",
        "tel (work)",
    ]
    assert second.split() == ["r2", "always", "-", "everything"]
    assert f"on {LIST} and named in no other rule and anonymous" in third


def test_decisions_say_that_the_command_line_made_them(fresh: Abserver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner's history of decisions tells by which hand."""
    agents: set[str] = set()

    class Noting(XcapClient):
        def __init__(self, *arguments: Any, agent: str, **options: Any) -> None:
            agents.add(agent)
            super().__init__(*arguments, agent=agent, **options)

    monkeypatch.setattr("xcap.client.XcapClient", Noting)
    assert fresh("approve", ALICE, BOB).code == 0
    assert agents == {CLI_AGENT}


@pytest.mark.parametrize("command", [["approve", ALICE, BOB], ["block", ALICE, BOB], ["rules", "show", ALICE]])
def test_a_server_that_is_not_there_is_said_with_how_to_start_it(abserver: Abserver, command: list[str]) -> None:
    abserver("user", "add", ALICE, "--password", "alice")
    abserver.configure(http="127.0.0.1:1", sip="127.0.0.1:0")
    ran = abserver(*command)
    assert ran.code == 1
    assert ran.err == (
        f"error: no server answers at http://127.0.0.1:1\n  Start it: abserver serve --config {abserver.config}\n"
    )


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["approve", "nobody@example.com", BOB], "sip:nobody@example.com is no user of this server"),
        (["approve", ALICE, ALICE], "owners always see their own card"),
        (["approve", ALICE, "b o b"], "'b o b' is no SIP address"),
        (["rules", "show", "nobody@example.com"], "sip:nobody@example.com is no user of this server"),
    ],
)
def test_a_mistaken_decision_is_said(fresh: Abserver, command: list[str], message: str) -> None:
    ran = fresh(*command)
    assert ran.code == 1
    assert ran.err.startswith(f"error: {message}")


def test_a_server_with_another_database_is_told_apart(fresh: Abserver, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text(fresh.config.read_text().replace(str(fresh.database), str(tmp_path / "other.db")))
    fresh("user", "add", ALICE, "--password", "another", "--config", str(other), config=False)
    ran = fresh("rules", "show", ALICE, "--config", str(other), config=False)
    assert ran.code == 1
    assert "Is it the server of this configuration?" in ran.err


def test_relations_are_listed_for_people_and_for_scripts(abserver: Abserver) -> None:
    abserver("user", "add", ALICE, "--password", "alice")
    assert abserver("relations", ALICE).out == f"nobody has asked for the card of {ALICE}\n"
    _asked(abserver.database, ALICE, DAVE)
    _asked(abserver.database, BOB, DAVE)
    assert json.loads(abserver("relations", ALICE, "--json").out) == [
        {
            "watcher": DAVE,
            "state": "pending",
            "levels": [],
            "rule": None,
            "requested_at": "2026-01-02T03:04:05+00:00",
            "decided_at": None,
            "ended_at": None,
        }
    ]
    table = abserver("relations", ALICE).out.splitlines()
    assert table[0].split() == ["watcher", "state", "levels", "rule", "requested", "decided"]
    assert table[2].split()[:2] == [DAVE, "pending"]
