"""Explanations in words and as values: every situation, by documents as the server writes them."""

from __future__ import annotations

import datetime
import re
from dataclasses import replace

import pytest

from abserver.cli.card_items import item_named
from abserver.cli.explanation import Told
from abserver.domain.explanation import (
    Because,
    ExplainedDevice,
    ExplainedItem,
    ExplainedRule,
    ExplainedRules,
    Explanation,
    LastNotify,
    Next,
)
from abserver.domain.identity import Owner, Watcher, parse_aor
from abserver.domain.relation import Relation, RelationState
from abserver.domain.rules import EVERYTHING, NOTHING, Decision, Grant, Handling, Provided
from abserver.domain.usages.explanations import explanation_document

NOON = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)
ANN, BOB = Owner(parse_aor("sip:ann@example.com")), Watcher(parse_aor("sip:bob@example.org"))
ALLOWED = Decision(Handling.ALLOW, Grant(frozenset({"public"}), frozenset({Provided("tel", "work")})), "r1")
DEVICE = ExplainedDevice(
    device="urn:uuid:1",
    next=Next.UP_TO_DATE,
    at=NOON,
    current=None,
    delivered=None,
    version=None,
    acknowledged_at=None,
    expires_at=None,
    has_filter=False,
    ended=None,
    last=None,
)
EXPLANATION = Explanation(
    owner=ANN,
    watcher=BOB,
    at=NOON,
    decision=ALLOWED,
    rules=ExplainedRules(),
    items=[],
    view=None,
    version=4,
    relation=None,
    history=[],
    devices=[],
)


def told(explanation: Explanation) -> Told:
    return Told(explanation_document(explanation))


def said(explanation: Explanation, capsys: pytest.CaptureFixture[str]) -> str:
    told(explanation).print()
    return capsys.readouterr().out


def item(because: Because, *levels: str, by_default: bool = False, group: str | None = None) -> ExplainedItem:
    return ExplainedItem("tel", frozenset({"home"}), group, frozenset(levels), by_default, because)


@pytest.mark.parametrize(
    ("decision", "verdict"),
    [
        (ALLOWED, f"{BOB} sees of {ANN}'s card, by rule r1: public, tel (work)"),
        (Decision(Handling.ALLOW, EVERYTHING, None), f"{BOB} sees of {ANN}'s card, as the owner: everything"),
        (
            Decision(Handling.POLITE_BLOCK, NOTHING, "r1"),
            f"{BOB} sees an empty card of {ANN}: politely blocked by rule r1",
        ),
        (Decision(Handling.BLOCK, NOTHING, "r1"), f"{BOB} sees nothing of {ANN}'s card: blocked by rule r1"),
        (
            Decision(Handling.CONFIRM, NOTHING, "r1"),
            f"{BOB} sees nothing of {ANN}'s card: rule r1 leaves it to the owner",
        ),
        (Decision(Handling.CONFIRM, NOTHING, None), f"{BOB} sees nothing of {ANN}'s card: no rule decides"),
    ],
)
def test_a_decision_is_one_sentence(decision: Decision, verdict: str) -> None:
    assert told(replace(EXPLANATION, decision=decision)).verdict == verdict


def test_a_rule_decides_or_adds_or_has_no_effect_for_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    friends = Grant(frozenset({"friends"}), frozenset({Provided("note")}))
    rules = (
        ExplainedRule("first", Handling.ALLOW, ALLOWED.grant, None, decides=True),
        ExplainedRule("second", None, friends, None, decides=False),
        ExplainedRule("third", Handling.BLOCK, NOTHING, None, decides=False),
        ExplainedRule("fourth", Handling.ALLOW, friends, "validity: begins 2026-12-01 00:00 UTC", decides=False),
    )
    lines = said(replace(EXPLANATION, rules=ExplainedRules(rules, 7)), capsys).splitlines()
    rows = [
        line.split(maxsplit=1) for line in lines if line.split()[:1] and line.split()[0] in {each.id for each in rules}
    ]
    assert [[first, " ".join(rest.split())] for first, rest in rows] == [
        ["first", "decides: allow (public, tel (work))"],
        ["second", "adds friends, note"],
        ["third", "adds nothing"],
        ["fourth", "- validity: begins 2026-12-01 00:00 UTC"],
    ]
    assert "and 7 more without effect" in lines


@pytest.mark.parametrize(
    ("what", "row"),
    [
        (item(Because.EVERYTHING, "private"), "TEL;TYPE=home shown everything is granted"),
        (item(Because.LEVEL, "family", "friends"), "TEL;TYPE=home shown level family or friends"),
        (item(Because.PROPERTY, "work", group="g"), "g.TEL;TYPE=home shown the property is granted by name"),
        (
            item(Because.NOT_GRANTED, "private", by_default=True),
            "TEL;TYPE=home hidden not granted: level private (the default)",
        ),
        (item(Because.NOT_ALLOWED, "public"), "TEL;TYPE=home hidden nothing is shown"),
    ],
)
def test_an_item_is_shown_or_hidden_for_a_reason(
    what: ExplainedItem, row: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [" ".join(line.split()) for line in said(replace(EXPLANATION, items=[what]), capsys).splitlines()]
    assert row in lines


@pytest.mark.parametrize("following", Next)
def test_there_are_words_for_whatever_the_next_notify_waits_for(
    following: Next, capsys: pytest.CaptureFixture[str]
) -> None:
    out = said(replace(EXPLANATION, devices=[replace(DEVICE, next=following)]), capsys)
    line = out.split("urn:uuid:1\n")[1].splitlines()[0].strip()
    assert line
    assert line != following.value
    assert (NOON.astimezone().strftime("%Y-%m-%d %H:%M:%S") in line) is (
        following in (Next.IN_FLIGHT, Next.PACED, Next.RETRY)
    )


@pytest.mark.parametrize(
    ("why", "words"),
    [
        ("timeout", "expired, or was ended by the watcher"),
        ("silent", "the device did not answer a NOTIFY"),
        ("noresource", "noresource"),
    ],
)
def test_the_end_of_a_subscription_is_told(why: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    gone = replace(DEVICE, next=Next.OFFLINE, ended=why, last=LastNotify("call", 7, NOON, "timeout"))
    out = said(replace(EXPLANATION, devices=[gone]), capsys)
    assert re.search(f"  its last subscription ended .*: {words}\n", out)
    assert re.search("  last NOTIFY: .*, Call-ID call, CSeq 7: answered timeout\n", out)


def test_until_when_a_device_is_registered_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert "registered" not in said(replace(EXPLANATION, devices=[DEVICE]), capsys)
    registered = replace(DEVICE, registered_until=NOON)
    line = f"it is registered until {NOON.astimezone():%Y-%m-%d %H:%M:%S}"
    assert line in said(replace(EXPLANATION, devices=[registered]), capsys)


def test_a_device_with_a_filter_and_a_notify_on_its_way_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    device = replace(
        DEVICE,
        next=Next.IN_FLIGHT,
        current="new",
        delivered="old",
        has_filter=True,
        last=LastNotify("c", 7, NOON, None),
    )
    out = said(replace(EXPLANATION, devices=[device]), capsys)
    assert "  has view old\n" in out
    assert "  is to have view new, of which its filter leaves a part\n" in out
    assert "CSeq 7: not answered yet\n" in out


def test_a_relation_says_since_when(capsys: pytest.CaptureFixture[str]) -> None:
    relation = Relation(
        owner=ANN,
        watcher=BOB,
        state=RelationState.PENDING,
        levels=frozenset(),
        rule=None,
        requested_at=NOON,
        decided_at=None,
        ended_at=None,
    )
    assert "relation: pending, asked " in said(replace(EXPLANATION, relation=relation), capsys)
    ended = replace(relation, state=RelationState.ENDED, ended_at=NOON)
    assert "relation: ended since " in said(replace(EXPLANATION, relation=ended), capsys)
    value = told(replace(EXPLANATION, relation=relation)).value()
    assert value["relation"]["decided_at"] is None


def test_values_for_scripts_have_every_key_whatever_is_known() -> None:
    bare = told(EXPLANATION).value()
    rule = ExplainedRule("r", None, EVERYTHING, None, decides=False)
    last = LastNotify("call", 7, NOON, None)
    full = told(
        replace(
            EXPLANATION,
            rules=ExplainedRules((rule,)),
            items=[item(Because.LEVEL, "public")],
            devices=[replace(DEVICE, last=last), replace(DEVICE, version=3, has_filter=True)],
        )
    ).value()
    assert bare.keys() == full.keys()
    assert full["decision"] == {
        "rule": "r1",
        "handling": "allow",
        "everything": False,
        "levels": ["public"],
        "properties": ["tel (work)"],
    }
    assert full["rules"] == [
        {
            "rule": "r",
            "handling": None,
            "matches": True,
            "decides": False,
            "failed": None,
            "everything": True,
            "levels": [],
            "properties": [],
        }
    ]
    assert full["items"][0]["group"] is None
    first, second = full["devices"]
    assert first.keys() == second.keys()
    assert (first["last_notify"]["cseq"], first["last_notify"]["answer"], second["last_notify"]) == (7, None, None)
    assert (second["version"], second["filter"]) == (3, True)


@pytest.mark.parametrize("text", ["tel", "TEL;TYPE=HOME", "tel;type=home:+1"])
def test_items_are_named_with_or_without_types(text: str) -> None:
    explanation = replace(EXPLANATION, items=[item(Because.LEVEL, "public")])
    assert told(explanation).keep_items(item_named(text))


@pytest.mark.parametrize("text", ["TEL;TYPE=work", "TEL;TYPE=home,work", "NOTE"])
def test_items_of_another_name_or_other_types_are_not_meant(text: str) -> None:
    explanation = replace(EXPLANATION, items=[item(Because.LEVEL, "public")])
    assert not told(explanation).keep_items(item_named(text))
