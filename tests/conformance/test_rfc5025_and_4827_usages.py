"""RFC 5025 §9 and RFC 4827 as XCAP usages, with the examples of RFC 4745; and OMA's usages beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from xcap.core.edit import get_node, put_node
from xcap.core.errors import ConstraintFailure, SchemaValidationError
from xcap.core.selector import parse_node_selector
from xcap.core.uri import DocumentKey
from xcap.core.usages.oma_pres_rules import OMA_PRES_RULES
from xcap.core.usages.pidf_manipulation import PIDF_MANIPULATION
from xcap.core.usages.pres_rules import PRES_RULES

DATA = Path(__file__).parent.parent / "data" / "usages"
COMMON, PRES = "urn:ietf:params:xml:ns:common-policy", "urn:ietf:params:xml:ns:pres-rules"
OMA = "urn:oma:xml:xdm:common-policy"
ALICE = "sip:alice@example.com"


def ruleset(rules: str) -> bytes:
    return f'<ruleset xmlns="{COMMON}" xmlns:pr="{PRES}" xmlns:ocp="{OMA}">{rules}</ruleset>'.encode()


def rule(conditions: str = "", actions: str = "", transformations: str = "") -> str:
    return (
        f'<rule id="a"><conditions>{conditions}</conditions><actions>{actions}</actions>'
        f"<transformations>{transformations}</transformations></rule>"
    )


class TestPresenceRules:
    @pytest.mark.parametrize("usage", [PRES_RULES, OMA_PRES_RULES], ids=lambda usage: usage.auid)
    @pytest.mark.parametrize("path", sorted(DATA.glob("rfc4745-*.xml")) + sorted(DATA.glob("rfc5025-*.xml")), ids=str)
    def test_the_examples_are_valid_as_they_are_printed(self, usage: object, path: Path) -> None:
        """RFC 4745 §7.1.2 to §7.4 and §12, RFC 5025 §6."""
        assert usage in (PRES_RULES, OMA_PRES_RULES)
        checked = PRES_RULES if usage is PRES_RULES else OMA_PRES_RULES
        assert checked.validate(path.read_bytes(), ALICE) is not None

    def test_there_are_as_many_examples_as_the_rfcs_have(self) -> None:
        assert len(list(DATA.glob("rfc4745-*.xml"))) == 7

    def test_9_what_the_usage_is_called(self) -> None:
        """§9.1, §9.3, §9.4."""
        assert PRES_RULES.auid == "pres-rules"
        assert PRES_RULES.default_namespace == PRES
        assert PRES_RULES.media_type == "application/auth-policy+xml"
        assert set(PRES_RULES.namespaces) == {PRES, COMMON}

    @pytest.mark.parametrize("name", ["index", "presrules", "pres-rules", "anything"])
    def test_9_7_all_documents_of_a_user_count(self, name: str) -> None:
        PRES_RULES.check_name(DocumentKey("pres-rules", ALICE, name))

    @pytest.mark.parametrize(
        "content",
        [
            "",
            rule(actions="<pr:sub-handling>polite-block</pr:sub-handling><x:other xmlns:x='urn:x'/>"),
            rule(transformations="<pr:provide-services/><pr:provide-devices><pr:all-devices/></pr:provide-devices>"),
            # §3.3.1.1
            rule(
                transformations="<pr:provide-devices><pr:deviceID>urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
                "</pr:deviceID><pr:class>biz</pr:class></pr:provide-devices>"
            ),
            rule(
                transformations="<pr:provide-user-input>full</pr:provide-user-input><pr:provide-mood>1</pr:provide-mood>"
            ),
            rule(transformations="<x:provide-more xmlns:x='urn:x'/>"),
            rule(conditions="<x:weather xmlns:x='urn:x'/><ocp:anonymous-request/>"),
        ],
    )
    def test_3_what_rules_may_hold(self, content: str) -> None:
        assert PRES_RULES.validate(ruleset(content)) is not None

    @pytest.mark.parametrize(
        "content",
        [
            rule(actions="<pr:sub-handling>perhaps</pr:sub-handling>"),
            rule(transformations="<pr:provide-user-input>true</pr:provide-user-input>"),
            rule(transformations="<pr:provide-mood>maybe</pr:provide-mood>"),
            rule(transformations="<pr:provide-persons><pr:all-services/></pr:provide-persons>"),
            rule(transformations="<pr:provide-unknown-attribute>true</pr:provide-unknown-attribute>"),
            rule(transformations="<pr:provide-services><pr:all-services/><pr:class>a</pr:class></pr:provide-services>"),
            rule() + rule(),
            rule(conditions="<identity/>"),
        ],
    )
    def test_7_what_the_schema_refuses(self, content: str) -> None:
        with pytest.raises(SchemaValidationError, match="line 1"):
            PRES_RULES.validate(ruleset(content))

    def test_the_document_element_is_a_ruleset(self) -> None:
        with pytest.raises(ConstraintFailure, match="<ruleset>"):
            PRES_RULES.validate(f'<sub-handling xmlns="{PRES}">allow</sub-handling>'.encode())


class TestOmaRules:
    def test_a_condition_is_about_lists_of_the_same_user(self) -> None:
        """Else a rule would tell its owner who is on another's list."""

        def listed(user: str) -> bytes:
            anchor = f"http://x/resource-lists/users/{user}/index/~~/resource-lists/list%5B1%5D"
            condition = f'<ocp:external-list><ocp:entry anc="{anchor}"/></ocp:external-list>'
            return ruleset(rule(conditions=condition, actions="<pr:sub-handling>allow</pr:sub-handling>"))

        assert OMA_PRES_RULES.validate(listed("sip%3Aalice%40example.com"), ALICE) is not None
        with pytest.raises(ConstraintFailure, match="same user"):
            OMA_PRES_RULES.validate(listed("sip:bob@example.com"), ALICE)

    def test_an_entry_without_an_anchor_means_nothing_and_is_kept(self) -> None:
        condition = "<ocp:external-list><ocp:entry/></ocp:external-list>"
        assert OMA_PRES_RULES.validate(ruleset(rule(conditions=condition)), ALICE) is not None


PREFIXED = {"cr": COMMON, "p": PRES, "o": OMA}


@pytest.mark.parametrize("usage", [PRES_RULES, OMA_PRES_RULES], ids=lambda usage: usage.auid)
class TestSelectorsOfClients:
    """OMA's specification has common policy as default document namespace, RFC 5025 pres-rules: both spellings work."""

    DOCUMENT = ruleset(rule("<ocp:other-identity/>", "<pr:sub-handling>confirm</pr:sub-handling>"))

    @pytest.mark.parametrize(
        "selector",
        [
            'ruleset/rule[@id="a"]/actions/sub-handling',
            'cr:ruleset/cr:rule[@id="a"]/cr:actions/p:sub-handling',
            'cr:ruleset/cr:rule[@id="a"]/cr:actions/sub-handling',
            'ruleset/rule[@id="a"]/actions/p:sub-handling',
        ],
    )
    def test_a_node_is_selected_with_and_without_prefixes(self, usage: object, selector: str) -> None:
        checked = PRES_RULES if usage is PRES_RULES else OMA_PRES_RULES
        parsed = parse_node_selector(selector, PREFIXED, checked.default_namespace, checked.vocabulary)
        found = get_node(self.DOCUMENT, parsed)
        assert found.content == b"<pr:sub-handling>confirm</pr:sub-handling>"

    def test_a_rule_is_put_without_prefixes(self, usage: object) -> None:
        checked = PRES_RULES if usage is PRES_RULES else OMA_PRES_RULES
        parsed = parse_node_selector('ruleset/rule[@id="b"]', {}, checked.default_namespace, checked.vocabulary)
        edited, created = put_node(self.DOCUMENT, parsed, b'<rule id="b"/>')
        assert created
        assert checked.validate(edited, ALICE) is not None


def test_the_conditions_of_oma_are_selected_without_prefix_under_its_own_auid() -> None:
    text = "ruleset/rule/conditions/other-identity"
    selector = parse_node_selector(text, {}, OMA_PRES_RULES.default_namespace, OMA_PRES_RULES.vocabulary)
    assert get_node(TestSelectorsOfClients.DOCUMENT, selector).content == b"<ocp:other-identity/>"


PIDF = "urn:ietf:params:xml:ns:pidf"


def presence(content: str, entity: str = 'entity="sip:a@b"') -> bytes:
    return f'<presence xmlns="{PIDF}" {entity}>{content}</presence>'.encode()


class TestPidfManipulation:
    def test_11_the_example_is_valid_as_it_is_printed(self) -> None:
        content = (DATA / "rfc4827-11-pidf.xml").read_bytes()
        assert PIDF_MANIPULATION.validate(content, "sip:someone@example.com") is not None

    def test_11_the_note_of_the_example_is_replaced(self) -> None:
        content = (DATA / "rfc4827-11-pidf.xml").read_bytes()
        note = b"<note>I'm reading mails on Tuesdays and Fridays</note>"
        selector = parse_node_selector("presence/tuple[@id='x8eg92n']/note", {}, PIDF_MANIPULATION.default_namespace)
        edited, created = put_node(content, selector, note)
        assert not created
        assert edited == content.replace(b"<note>I'm reading mail a couple of times a week</note>", note)
        assert PIDF_MANIPULATION.validate(edited) is not None

    def test_4_to_6_what_the_usage_is_called(self) -> None:
        assert PIDF_MANIPULATION.auid == "pidf-manipulation"
        assert PIDF_MANIPULATION.media_type == "application/pidf+xml"
        assert PIDF_MANIPULATION.default_namespace == PIDF

    def test_9_there_is_one_document(self) -> None:
        PIDF_MANIPULATION.check_name(DocumentKey("pidf-manipulation", ALICE, "index"))
        with pytest.raises(ConstraintFailure, match="index"):
            PIDF_MANIPULATION.check_name(DocumentKey("pidf-manipulation", ALICE, "other"))

    @pytest.mark.parametrize(
        "content",
        [
            "",
            "<note xml:lang='en'>hi</note><x:person xmlns:x='urn:x'/>",
            '<tuple id="a"><status><x:s xmlns:x="urn:x"/></status></tuple>',
            '<tuple id="a"><status><basic>open</basic></status><contact priority="0.021">im:a@b</contact></tuple>',
            '<tuple id="a"><status><basic>open</basic></status><contact priority="1">im:a@b</contact></tuple>',
        ],
    )
    def test_7_what_pidf_allows(self, content: str) -> None:
        assert PIDF_MANIPULATION.validate(presence(content)) is not None

    @pytest.mark.parametrize(
        "content",
        [
            presence("", ""),
            presence("<tuple><status><basic>open</basic></status></tuple>"),
            presence('<tuple id="a"/>'),
            presence('<tuple id="a"><status><basic>perhaps</basic></status></tuple>'),
            presence('<tuple id="a"><status><basic>open</basic></status></tuple>' * 2),
            presence('<tuple id="a"><status><basic>open</basic></status><contact priority="2">x</contact></tuple>'),
            presence('<tuple id="a"><status><basic>open</basic></status><timestamp>now</timestamp></tuple>'),
            presence("<note/><tuple id='a'><status><basic>open</basic></status></tuple>"),
        ],
    )
    def test_7_what_pidf_does_not_allow(self, content: bytes) -> None:
        with pytest.raises(SchemaValidationError):
            PIDF_MANIPULATION.validate(content)

    def test_7_a_status_says_something(self) -> None:
        """RFC 3863 §4.1.3."""
        with pytest.raises(ConstraintFailure, match="<status>"):
            PIDF_MANIPULATION.validate(presence('<tuple id="a"><status><!-- nothing --></status></tuple>'))
