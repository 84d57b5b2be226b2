"""Address books, shared cards and relation lists: what may be stored, what is computed, and what it is called."""

from __future__ import annotations

import datetime

import pytest

from abserver.domain.identity import Owner, Watcher, parse_aor
from abserver.domain.relation import EVERY_LEVEL, Relation, RelationState
from abserver.domain.usages import ADDRESS_BOOK, CONTACT_CARD, OURS, RELATIONS, SHARED_CARDS, all_usages
from abserver.domain.usages.relations import relations_document
from abserver.domain.usages.shared_cards import name_of, owner_of
from abserver.ports import DecisionRecord
from xcap.core.edit import get_node, put_node
from xcap.core.errors import ConstraintFailure, SchemaValidationError, UniquenessFailure
from xcap.core.selector import parse_node_selector
from xcap.core.uri import DocumentKey, ResourceUri, parse
from xcap.core.usage import Access, ApplicationUsage, Operation
from xcap.core.usages import STANDARD

BOB, CY = "sip:bob@example.com", "sip:cy@example.com"


def book(entries: str) -> bytes:
    return (
        '<address-book xmlns="urn:abserver:xml:ns:address-book" xmlns:vc="urn:ietf:params:xml:ns:vcard-4.0"'
        f' xmlns:x="urn:x">{entries}</address-book>'
    ).encode()


def vcard(properties: str) -> str:
    return f"<vc:vcard>{properties}</vc:vcard>"


NAME = "<vc:fn><vc:text>Cy</vc:text></vc:fn>"
NOTE = "<vc:note><vc:text>met at the fair</vc:text></vc:note>"


def test_all_usages_of_the_server_are_one_table_without_clashes() -> None:
    usages = all_usages({"com.example.card": CONTACT_CARD.auid})
    assert [usage.auid for usage in usages] == [usage.auid for usage in (*STANDARD, *OURS)]
    alias = DocumentKey("com.example.card", BOB, "index")
    assert usages.canonical(alias) == DocumentKey(CONTACT_CARD.auid, BOB, "index")
    assert {usage.auid for usage in OURS} == {
        "org.abserver.contact-card",
        "org.abserver.card-rules",
        "org.abserver.address-book",
        "org.abserver.shared-cards",
        "org.abserver.relations",
        "org.abserver.explanations",
        "org.abserver.views",
    }


class TestAddressBook:
    @pytest.mark.parametrize(
        "entries",
        [
            "",
            '<entry id="1" follows="sip:ann@example.com"/>',
            f'<entry id="1" follows="sip:ann@example.com">{vcard(NOTE)}</entry>',
            f'<entry id="1">{vcard(NAME + NOTE)}</entry><entry id="cy &amp; dy" x:colour="red">{vcard(NAME)}</entry>',
            f'<!-- c --><entry id="1">{vcard(NAME + "<x:anything/>")}</entry><x:settings/>',
            '<entry id="1" follows="sip:ann@example.com"/><entry id="2" follows="sip:dan@example.com"/>',
        ],
    )
    def test_an_entry_follows_an_owner_or_has_a_card_or_both(self, entries: str) -> None:
        assert ADDRESS_BOOK.validate(book(entries), BOB) is not None

    @pytest.mark.parametrize(
        "entries",
        [
            f"<entry>{vcard(NAME)}</entry>",
            f'<entry id="">{vcard(NAME)}</entry>',
            f'<entry id="1">{vcard(NAME)}{vcard(NAME)}</entry>',
            f'<entry id="1"><note/>{vcard(NAME)}</entry>',
            f'<entry id="1">{vcard(NAME + "<vc:tel><vc:parameters>work</vc:parameters></vc:tel>")}</entry>',
            '<entry id="1" follows="sip:ann@example.com"><x:y/></entry>',
            "<settings/>",
        ],
    )
    def test_what_the_schema_refuses(self, entries: str) -> None:
        with pytest.raises(SchemaValidationError):
            ADDRESS_BOOK.validate(book(entries), BOB)

    @pytest.mark.parametrize(
        ("entries", "phrase"),
        [
            ('<entry id="1"/>', "has a <vcard>, or follows somebody"),
            ('<entry id="1" follows="ann"/>', "an address like sip:user@domain"),
            (f'<entry id="1">{vcard(NOTE)}</entry>', "needs <fn>"),
            (f'<entry id="1">{vcard(NAME + "<vc:TEL><vc:text>1</vc:text></vc:TEL>")}</entry>', "lower case"),
            (f'<entry id="1" follows="sip:a@b">{vcard("<vc:n/><vc:n/>")}</entry>', "only once"),
        ],
    )
    def test_what_could_not_be_shown_is_refused(self, entries: str, phrase: str) -> None:
        with pytest.raises(ConstraintFailure) as refusal:
            ADDRESS_BOOK.validate(book(entries), BOB)
        assert phrase in refusal.value.phrase
        assert "fair" not in refusal.value.phrase

    @pytest.mark.parametrize(
        ("second", "field"),
        [
            ('<entry id="1" follows="sip:dan@example.com"/>', "address-book/entry%5B2%5D/@id"),
            ('<entry id="2" follows="sip:ann@EXAMPLE.com;user=phone"/>', "address-book/entry%5B2%5D/@follows"),
        ],
    )
    def test_there_is_one_entry_of_an_id_and_one_for_each_owner(self, second: str, field: str) -> None:
        with pytest.raises(UniquenessFailure) as refusal:
            ADDRESS_BOOK.validate(book(f'<entry id="1" follows="sip:ann@example.com"/>{second}'), BOB)
        assert [each.field for each in refusal.value.fields] == [field]

    def test_the_document_element_is_an_address_book(self) -> None:
        with pytest.raises(ConstraintFailure, match="<address-book>"):
            ADDRESS_BOOK.validate(b'<vcard xmlns="urn:ietf:params:xml:ns:vcard-4.0"/>', BOB)

    def test_an_entry_is_addressed_by_its_id(self) -> None:
        """RFC 4825 §5.10: what can repeat has an attribute by which it is found."""
        content = book('<entry id="1" follows="sip:ann@example.com"/>')
        selector = parse_node_selector('address-book/entry[@id="2"]', {}, ADDRESS_BOOK.default_namespace)
        entry = f'<entry id="2">{vcard(NAME)}</entry>'.encode()
        edited, created = put_node(content, selector, entry)
        assert created
        assert ADDRESS_BOOK.validate(edited, BOB) is not None
        assert get_node(edited, selector).content == entry


class TestSharedCards:
    @pytest.mark.parametrize(
        ("address", "name"),
        [
            ("sip:ann@example.com", "sip:ann@example.com"),
            ("sip:a/b@example.com", "sip:a%2Fb@example.com"),
            ("sip:joe%20smith@example.com", "sip:joe%2520smith@example.com"),
            ("sip:..@[2001:db8::1]", "sip:..@[2001:db8::1]"),
            ("sip:a;b?c&d=e@example.com", "sip:a;b?c&d=e@example.com"),
        ],
    )
    def test_a_document_is_called_after_its_owner(self, address: str, name: str) -> None:
        owner = Owner(parse_aor(address))
        assert name_of(owner) == name
        assert owner_of(name) == owner
        key = DocumentKey(SHARED_CARDS.auid, BOB, name)
        assert parse(ResourceUri(key).to_path("/x").encode(), b"", "/x").key == key

    def test_a_name_may_spell_the_address_as_the_reader_likes(self) -> None:
        assert owner_of("SIP:ann@EXAMPLE.com:5060;user=phone") == Owner(parse_aor("sip:ann@example.com"))
        assert owner_of("index") is None


def test_only_users_themselves_read_what_is_computed_for_them() -> None:
    for usage in (SHARED_CARDS, RELATIONS):
        assert isinstance(usage, ApplicationUsage)
        key = DocumentKey(usage.auid, BOB, "index")
        assert usage.policy(Access(BOB, key, Operation.READ))
        assert not usage.policy(Access("sip:eve@example.com", key, Operation.READ, trusted=True))
        assert not usage.policy(Access(BOB, DocumentKey(usage.auid, None, "index"), Operation.READ))


ANN = Owner(parse_aor("sip:ann@example.com"))
ASKED = datetime.datetime(2026, 1, 2, 3, 4, 5, 678_901, datetime.UTC)


def relation(watcher: str, state: RelationState, *levels: str, rule: str | None = None) -> Relation:
    decided = ASKED + datetime.timedelta(hours=1) if rule else None
    return Relation(
        ANN,
        Watcher(parse_aor(watcher)),
        state,
        frozenset(levels),
        rule,
        ASKED,
        decided,
        decided if state is RelationState.ENDED else None,
    )


class TestRelations:
    def test_the_list_is_valid_and_says_all_there_is_of_each_watcher(self) -> None:
        content = relations_document(
            ANN,
            [
                relation("sip:dan@example.com", RelationState.CONFIRMED, EVERY_LEVEL, rule="d<"),
                relation(BOB, RelationState.CONFIRMED, "work", "friends", rule="b"),
                relation(CY, RelationState.PENDING),
            ],
        )
        document = RELATIONS.validate(content, ANN)
        assert document.get("owner") == ANN
        bob, cy, dan = document
        assert dict(bob.attrib) == {
            "watcher": BOB,
            "state": "confirmed",
            "rule": "b",
            "requested-at": "2026-01-02T03:04:05.678+00:00",
            "decided-at": "2026-01-02T04:04:05.678+00:00",
        }
        assert [level.text for level in bob] == ["friends", "work"]
        assert (cy.get("state"), cy.get("decided-at"), len(cy)) == ("pending", None, 0)
        assert [str(each.tag) for each in dan] == [f"{{{RELATIONS.default_namespace}}}every-level"]

    def test_the_same_relations_give_the_same_octets(self) -> None:
        listed = [relation(f"sip:{name}@example.com", RelationState.PENDING) for name in ("b", "a", "c")]
        assert relations_document(ANN, listed) == relations_document(ANN, reversed(listed))

    @pytest.mark.parametrize("state", RelationState)
    def test_every_state_can_be_shown(self, state: RelationState) -> None:
        content = relations_document(ANN, [relation(BOB, state, rule="r")])
        [shown] = RELATIONS.validate(content, ANN)
        assert shown.get("state") == state.value
        assert (shown.get("ended-at") is not None) == (state is RelationState.ENDED)

    def test_the_history_of_decisions_stands_with_its_relation(self) -> None:
        lines = [
            DecisionRecord(ANN, Watcher(parse_aor(watcher)), ASKED, state, rule, "clock")
            for watcher, state, rule in (
                (BOB, RelationState.CONFIRMED, "r"),
                (CY, RelationState.REJECTED, "c"),
                (BOB, RelationState.PENDING, None),
            )
        ]
        listed = [relation(BOB, RelationState.PENDING), relation(CY, RelationState.REJECTED)]
        bob, cy = RELATIONS.validate(relations_document(ANN, listed, lines), ANN)
        at = "2026-01-02T03:04:05.678+00:00"
        assert [dict(each.attrib) for each in bob] == [
            {"state": "confirmed", "at": at, "by": "clock", "rule": "r"},
            {"state": "pending", "at": at, "by": "clock"},
        ]
        assert [each.get("rule") for each in cy] == ["c"]

    def test_a_list_of_nobody_is_a_list(self) -> None:
        assert len(RELATIONS.validate(relations_document(ANN, []), ANN)) == 0
