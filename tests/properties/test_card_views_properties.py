"""Laws of views over all cards: non-interference, and that a view is a vCard without levels."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from xml.sax.saxutils import escape

from hypothesis import given, settings
from hypothesis import strategies as st

from abserver.domain.card import parse_card
from abserver.domain.identity import Aor, Owner, Watcher, parse_aor
from abserver.domain.rules import (
    EVERYTHING,
    Grant,
    Handling,
    Provided,
    decide,
    decision_rule,
    empty_ruleset,
    parse_rules,
)
from abserver.domain.usages import CARD_RULES, CONTACT_CARD
from abserver.domain.view import view_of

OWNER = Owner(parse_aor("sip:ann@example.org"))
GRANT = Grant(frozenset({"public", "friends"}), frozenset({Provided("email", "work")}))
TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"), max_size=20
)


@dataclass(frozen=True)
class Property:
    name: str
    level: str | None
    type: str | None
    text: str

    @property
    def is_visible(self) -> bool:
        level = self.level or {"fn": "public", "n": "public", "gender": "public"}.get(self.name, "private")
        return level in GRANT.levels or (self.name == "email" and self.type == "work")


PROPERTIES = st.builds(
    Property,
    st.sampled_from(["fn", "n", "tel", "email", "note", "x-a"]),
    st.sampled_from([None, "public", "friends", "family", "private"]),
    st.sampled_from([None, "work", "home"]),
    TEXT,
)
NOISE = st.sampled_from(["", " ", "\n\t", "<!-- a comment -->", "<?pi data?>", "\n<!-- one --> <!-- two -->"])
PREFIXES = st.sampled_from(["", "v:", "other-prefix:"])


@st.composite
def written(draw: st.DrawFn, properties: list[Property]) -> bytes:
    """The properties as some editor writes them: its prefixes, quotes, CDATA, white space and comments."""
    p = draw(PREFIXES)
    xmlns = f"xmlns:{p[:-1]}" if p else "xmlns"
    parts: list[str] = []
    for each in properties:
        noise = draw(NOISE)
        text = escape(each.text)
        if draw(st.booleans()) and "]]>" not in each.text and each.text:
            text = f"<![CDATA[{each.text}]]>"
        level = f"<{p}x-level>{noise}<{p}text>{each.level}</{p}text></{p}x-level>" if each.level else ""
        kind = f"<{p}type><{p}text>{each.type}</{p}text>{noise}</{p}type>" if each.type else ""
        parameters = level + noise + kind if draw(st.booleans()) else kind + level
        wrapped = f"<{p}parameters>{parameters}</{p}parameters>" if parameters or draw(st.booleans()) else noise
        parts.append(f"{noise}<{p}{each.name}>{wrapped}{noise}<{p}text>{text}</{p}text></{p}{each.name}>")
    quote = draw(st.sampled_from("'\""))
    root = f"{p}vcards {xmlns}={quote}urn:ietf:params:xml:ns:vcard-4.0{quote}"
    return f"<{root}><{p}vcard>{''.join(parts)}</{p}vcard></{p}vcards>".encode()


@settings(max_examples=300, deadline=None)
@given(st.data(), st.lists(PROPERTIES, max_size=8), st.lists(PROPERTIES, max_size=8))
def test_cards_that_differ_in_hidden_items_only_have_equal_views(
    data: st.DataObject, properties: list[Property], others: list[Property]
) -> None:
    """Design law 2, over every way to write the same items, and hidden ones put anywhere among them."""
    visible = [each for each in properties if each.is_visible]
    changed = list(visible)
    for hidden in (each for each in others if not each.is_visible):
        changed.insert(data.draw(st.integers(0, len(changed))), hidden)
    one = view_of(data.draw(written(properties)), GRANT, OWNER)
    other = view_of(data.draw(written(changed)), GRANT, OWNER)
    assert one == other


@settings(max_examples=60, deadline=None)
@given(st.data(), st.lists(PROPERTIES, max_size=8))
def test_a_view_is_a_vcard_with_the_visible_items_and_without_levels(
    data: st.DataObject, properties: list[Property]
) -> None:
    view = view_of(data.draw(written(properties)), GRANT, OWNER)
    shown = list(parse_card(view.content).items())
    names = [each.name for each in properties if each.is_visible]
    assert [item.name for item in shown] == ([] if "fn" in names else ["fn"]) + names
    assert b"x-level" not in view.content
    assert all(item.levels is None for item in shown)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.lists(PROPERTIES, max_size=8))
def test_filtering_a_view_again_changes_nothing(data: st.DataObject, properties: list[Property]) -> None:
    """RFC 5025 §3.3 asks of transformations that D = F(D)."""
    view = view_of(data.draw(written(properties)), EVERYTHING, OWNER)
    assert view_of(view.content, EVERYTHING, OWNER) == view


USERS = st.from_regex(r"[A-Za-z0-9\-_.!~*'()&=+$,;?/]{1,12}", fullmatch=True)
WATCHERS = USERS.map(lambda user: Watcher(Aor(f"sip:{user}@example.org")))
LEVELS = st.from_regex(r"[a-z0-9][a-z0-9_.\-]{0,8}", fullmatch=True)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(WATCHERS, st.tuples(st.sampled_from(Handling), st.frozensets(LEVELS, max_size=3)), max_size=6))
def test_each_written_decision_is_about_its_watcher_alone(
    decisions: dict[Watcher, tuple[Handling, frozenset[str]]],
) -> None:
    rules = [decision_rule(watcher, handling, levels) for watcher, (handling, levels) in decisions.items()]
    assert len({name for name, _ in rules}) == len(rules)
    document = empty_ruleset().replace(b"</ruleset>", b"".join(rule for _, rule in rules) + b"</ruleset>")
    CARD_RULES.validate(document)
    ruleset = parse_rules(document)
    for (watcher, (handling, levels)), (name, _) in zip(decisions.items(), rules, strict=True):
        decision = decide(ruleset, watcher, datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC))
        granted = levels | {"public"} if handling is Handling.ALLOW else frozenset()
        assert (decision.handling, decision.grant.levels, decision.rule) == (handling, granted, name)


@settings(max_examples=40, deadline=None)
@given(st.data(), st.lists(PROPERTIES, max_size=6))
def test_a_view_may_itself_be_stored_as_a_card(data: st.DataObject, properties: list[Property]) -> None:
    once = {each.name: each for each in properties}
    view = view_of(data.draw(written(list(once.values()))), GRANT, OWNER)
    assert CONTACT_CARD.validate(view.content) is not None
