"""RFC 4826, section by section: resource lists, RLS services, and what a server checks in them."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from xcap.core.errors import (
    ConstraintFailure,
    Forbidden,
    MethodNotAllowed,
    SchemaValidationError,
    TooLarge,
    UniquenessFailure,
)
from xcap.core.etag import Conditions
from xcap.core.sipuri import canonical
from xcap.core.uri import ResourceUri
from xcap.core.usage import Usages
from xcap.core.usages import STANDARD
from xcap.core.usages.resource_lists import RESOURCE_LISTS
from xcap.core.usages.rls_services import INDEX, RLS_SERVICES
from xcap.core.xml import parse_document
from xcap.ports import Change, DocumentKey
from xcap.service import Representation, XcapService
from xcap.sources import standard_sources
from xcap.storage.memory import MemoryDocumentStore

DATA = Path(__file__).parent.parent / "data" / "usages"
JOE, BOB, RLS = "sip:joe@example.com", "sip:bob@example.com", "sip:rls@example.com"
ALWAYS = Conditions()
LISTS, SERVICES = "urn:ietf:params:xml:ns:resource-lists", "urn:ietf:params:xml:ns:rls-services"


def example(name: str) -> bytes:
    """A document as it stands in the RFC, without the indentation of the text around it."""
    return (DATA / f"{name}.xml").read_bytes()


def lists(content: str) -> bytes:
    return f'<resource-lists xmlns="{LISTS}">{content}</resource-lists>'.encode()


def services(*service: str) -> bytes:
    return f'<rls-services xmlns="{SERVICES}" xmlns:rl="{LISTS}">{"".join(service)}</rls-services>'.encode()


def service(uri: str, content: str = "<list/>", packages: str = "") -> str:
    return f'<service uri="{uri}">{content}{packages}</service>'


def reference(uri: str) -> str:
    return f"<resource-list>{uri}</resource-list>"


JOES_LIST = "http://xcap.example.com/resource-lists/users/sip:joe@example.com/index/~~/resource-lists/list%5b1%5d"


class TestSection3ResourceLists:
    def test_3_3_the_example_is_valid_as_it_is_printed(self) -> None:
        assert RESOURCE_LISTS.validate(example("rfc4826-3.3-resource-lists"), JOE) is not None

    @pytest.mark.parametrize(
        "content",
        [
            "",
            "<list/>",
            "<list/><list/>",
            '<list name="a"><list name="a"><list name="a"/></list></list>',
            '<list name="a"/><list name="A"/>',
            '<list x:colour="red" xmlns:x="urn:x"><x:note>hi</x:note></list>',
            '<list><entry uri="sip:a@b" x:a="1" xmlns:x="urn:x"><display-name xml:lang="de">Ä</display-name><x:y/>'
            "</entry></list>",
            '<list><display-name/><entry uri="mailto:a@b"/><entry uri="tel:+1"/><list/><entry uri="sip:a@b"/></list>',
            "<!-- a comment --><list><?pi?><!-- another --></list>",
        ],
    )
    def test_3_1_what_a_list_may_hold(self, content: str) -> None:
        assert RESOURCE_LISTS.validate(lists(content)) is not None

    @pytest.mark.parametrize(
        "content",
        [
            "<entry uri='sip:a@b'/>",
            "<list><entry/></list>",
            "<list><entry-ref/></list>",
            "<list><external/></list>",
            "<list><display-name/><display-name/></list>",
            "<list><entry uri='sip:a@b'/><display-name/></list>",
            "<list><x:y xmlns:x='urn:x'/><entry uri='sip:a@b'/></list>",
            "<list colour='red'/>",
            "<list>text</list>",
        ],
    )
    def test_3_2_what_the_schema_refuses(self, content: str) -> None:
        with pytest.raises(SchemaValidationError, match="line 1"):
            RESOURCE_LISTS.validate(lists(content))

    @pytest.mark.parametrize(
        ("content", "fields"),
        [
            ('<list name="a"/><list/><list name="a"/>', ["resource-lists/list%5B3%5D/@name"]),
            (
                '<list name="a"><list name="b"/><list name="b"/></list>',
                ["resource-lists/list%5B1%5D/list%5B2%5D/@name"],
            ),
            (
                '<list/><list><entry uri="sip:a@b"/><list/><entry uri="sip:a@b"/><entry uri="sip:a@b"/></list>',
                ["resource-lists/list%5B2%5D/entry%5B2%5D/@uri", "resource-lists/list%5B2%5D/entry%5B3%5D/@uri"],
            ),
            (
                '<list><entry-ref ref="resource-lists/a"/><entry-ref ref="resource-lists/a"/></list>',
                ["resource-lists/list%5B1%5D/entry-ref%5B2%5D/@ref"],
            ),
            (
                '<list><external anchor="http://a/b"/><external anchor="http://a/b"/></list>',
                ["resource-lists/list%5B1%5D/external%5B2%5D/@anchor"],
            ),
        ],
    )
    def test_3_4_5_what_names_a_child_is_unique_in_its_parent(self, content: str, fields: list[str]) -> None:
        with pytest.raises(UniquenessFailure) as refusal:
            RESOURCE_LISTS.validate(lists(content))
        assert [field.field for field in refusal.value.fields] == fields

    def test_3_4_5_another_name_for_a_list_is_free_among_its_siblings(self) -> None:
        with pytest.raises(UniquenessFailure) as refusal:
            RESOURCE_LISTS.validate(lists('<list name="a-2"/><list name="a"/><list name="a"/><list name="a-3"/>'))
        assert [field.alternatives for field in refusal.value.fields] == [("a-4",)]

    def test_3_4_5_a_report_is_short_however_many_there_are(self) -> None:
        with pytest.raises(UniquenessFailure) as refusal:
            RESOURCE_LISTS.validate(lists("<list>" + '<entry uri="sip:a@b"/>' * 20_000 + "</list>"))
        assert len(refusal.value.fields) == 10

    @pytest.mark.parametrize(
        "uris",
        [("sip:a@b", "sip:A@b"), ("sip:a@b", "sip:a@B"), ("sip:a@b", "sip:%61@b"), ("sip:a@b", "sip:a@b;user=phone")],
    )
    def test_3_1_uniqueness_is_determined_by_case_sensitive_string_comparison(self, uris: tuple[str, str]) -> None:
        """§3.1: "it is possible that two uri attributes will have the same URI … using the functional equality"."""
        entries = "".join(f'<entry uri="{uri}"/>' for uri in uris)
        assert RESOURCE_LISTS.validate(lists(f"<list>{entries}</list>")) is not None

    def test_3_1_values_are_compared_as_xml_says_they_are(self) -> None:
        with pytest.raises(UniquenessFailure):
            RESOURCE_LISTS.validate(lists("<list><entry uri='sip:a@b'/><entry uri=\"sip:&#x61;@b\"/></list>"))

    @pytest.mark.parametrize(
        "ref", ["/resource-lists/users/a/index", "http://a/resource-lists", "//a/b", "sip:a@b", "", "?a"]
    )
    def test_3_4_5_a_ref_is_a_relative_path(self, ref: str) -> None:
        with pytest.raises(ConstraintFailure, match="line 1: the ref"):
            RESOURCE_LISTS.validate(lists(f'<list><entry-ref ref="{ref}"/></list>'))

    def test_3_1_the_example_of_a_reference(self) -> None:
        """Without the folding, and with it, as it is printed."""
        ref = (
            "resource-lists/users/sip:bill@example.com/\n   index/~~/resource-lists/list%5b@name=%22list1%22%5d/\n"
            "   entry%5b@uri=%22sip:petri@example.com%22%5d"
        )
        for each in (ref, "".join(ref.split())):
            assert RESOURCE_LISTS.validate(lists(f'<list><entry-ref ref="{each}"/></list>')) is not None

    @pytest.mark.parametrize("anchor", ["resource-lists/users/a/index", "/a", "ftp://a/b", "http:", "sip:a@b", ""])
    def test_3_4_5_an_anchor_is_an_absolute_http_uri(self, anchor: str) -> None:
        with pytest.raises(ConstraintFailure, match="line 1: the anchor"):
            RESOURCE_LISTS.validate(lists(f'<list><external anchor="{anchor}"/></list>'))
        assert RESOURCE_LISTS.validate(lists('<list><external anchor="HTTPS://a.example"/></list>')) is not None

    def test_3_4_5_references_are_not_followed(self) -> None:
        anchor = "http://nobody.invalid/resource-lists/users/sip:x@y/index/~~/resource-lists/list"
        content = f'<list><entry-ref ref="no/such/thing"/><external anchor="{anchor}"/></list>'
        assert RESOURCE_LISTS.validate(lists(content)) is not None

    def test_3_4_what_the_usage_is_called(self) -> None:
        assert RESOURCE_LISTS.auid == "resource-lists"
        assert RESOURCE_LISTS.media_type == "application/resource-lists+xml"
        assert RESOURCE_LISTS.default_namespace == LISTS

    def test_the_document_element_is_resource_lists(self) -> None:
        with pytest.raises(SchemaValidationError):
            RESOURCE_LISTS.validate(f'<list xmlns="{LISTS}"/>'.encode())


class TestSection4RlsServices:
    def test_4_3_the_example_is_valid_as_it_is_printed(self) -> None:
        assert RLS_SERVICES.validate(example("rfc4826-4.3-rls-services"), JOE) is not None

    def test_4_4_what_the_usage_is_called(self) -> None:
        assert RLS_SERVICES.auid == "rls-services"
        assert RLS_SERVICES.media_type == "application/rls-services+xml"
        assert RLS_SERVICES.default_namespace == SERVICES

    @pytest.mark.parametrize(
        "content",
        [
            "",
            service("sip:a@b", "<list><rl:entry uri='sip:a@b'/><rl:list name='x'/></list>"),
            service("sip:a@b", packages="<packages/>"),
            service("sip:a@b", packages="<packages><package>presence.winfo</package><x:y xmlns:x='urn:x'/></packages>"),
            service("sip:a@b", packages="<packages><package>a</package><package> b </package></packages>"),
            service("sip:a@b", packages="<x:y xmlns:x='urn:x'/>"),
            service("sip:a@b", reference(JOES_LIST)),
            service("sip:a@b", reference(JOES_LIST.replace("sip:joe@", "sip%3Ajoe%40"))),
            service("sip:a@b", reference(JOES_LIST.replace("http://xcap.example.com", "https://other:8443/any/root"))),
            service("sip:a@b", reference(JOES_LIST.replace("/~~/", "/%7e%7E/"))),
        ],
    )
    def test_4_1_what_a_service_may_hold(self, content: str) -> None:
        assert RLS_SERVICES.validate(services(content), JOE) is not None

    @pytest.mark.parametrize(
        "content",
        [
            "<service><list/></service>",
            service("sip:a@b", ""),
            service("sip:a@b", "<list/><list/>"),
            service("sip:a@b", f"<list/>{reference(JOES_LIST)}"),
            service("sip:a@b", "<rl:list/>"),
            service("sip:a@b", packages="<packages><package/></packages>"),
            service("sip:a@b", packages="<packages><package>two words</package></packages>"),
            service("sip:a@b", packages="<packages/><packages/>"),
        ],
    )
    def test_4_2_what_the_schema_refuses(self, content: str) -> None:
        with pytest.raises(SchemaValidationError):
            RLS_SERVICES.validate(services(content), JOE)

    @pytest.mark.parametrize(
        ("uri", "phrase"),
        [
            ("resource-lists/users/sip:joe@example.com/index/~~/resource-lists/list", "absolute HTTP URI"),
            ("sip:joe@example.com", "absolute HTTP URI"),
            (JOES_LIST.replace("/~~/resource-lists/list%5b1%5d", ""), "of an element"),
            (JOES_LIST.replace("/resource-lists/users", "/pres-rules/users"), "resource-lists"),
            (JOES_LIST.replace("/users/sip:joe@example.com", "/global"), "resource-lists"),
            (JOES_LIST.replace("/index", ""), "resource-lists"),
            (JOES_LIST.replace("sip:joe", "sip:bob"), "same user"),
            ("", "absolute HTTP URI"),
        ],
    )
    def test_4_4_5_a_reference_is_to_a_list_of_the_same_user(self, uri: str, phrase: str) -> None:
        with pytest.raises(ConstraintFailure, match=phrase):
            RLS_SERVICES.validate(services(service("sip:a@b", reference(uri))), JOE)

    def test_4_1_in_the_global_tree_it_may_be_any_users(self) -> None:
        assert RLS_SERVICES.validate(example("rfc4826-4.4.8-global"), None) is not None

    @pytest.mark.parametrize(
        ("content", "field"),
        [
            (
                "<rl:entry uri='sip:a@b'/><rl:entry uri='sip:a@b'/>",
                "rls-services/service%5B2%5D/list%5B1%5D/*%5B2%5D/@uri",
            ),
            (
                "<rl:list><rl:list name='a'/><!-- --><rl:list name='a'/></rl:list>",
                "rls-services/service%5B2%5D/list%5B1%5D/*%5B1%5D/*%5B2%5D/@name",
            ),
        ],
    )
    def test_4_4_5_the_constraints_of_lists_hold_in_services_too(self, content: str, field: str) -> None:
        with pytest.raises(UniquenessFailure) as refusal:
            RLS_SERVICES.validate(services(service("sip:a@b"), service("sip:c@d", f"<list>{content}</list>")))
        assert [each.field for each in refusal.value.fields] == [field]
        with pytest.raises(ConstraintFailure):
            RLS_SERVICES.validate(services(service("sip:a@b", "<list><rl:external anchor='x'/></list>")))

    def test_a_document_has_a_bounded_number_of_services(self) -> None:
        with pytest.raises(TooLarge, match="1000 services"):
            RLS_SERVICES.validate(services(*(service(f"sip:{n}@b") for n in range(1001))))


class World:
    """A server of the standard usages."""

    def __init__(self) -> None:
        usages = Usages(STANDARD)
        self.store = MemoryDocumentStore()
        self.users = {JOE, BOB, "sip:friends@example.com"}
        self.service = XcapService(
            usages,
            self.store,
            self,
            sources=standard_sources(usages, self.store, "/xcap-root"),
            in_use=self.in_use,
            trusted=[RLS],
        )

    def changed(self, change: Change) -> None:
        """Nobody listens."""

    async def in_use(self, uri: str) -> bool:
        return uri in self.users

    async def put(self, user: str, content: bytes, name: str = "index") -> None:
        resource = ResourceUri(DocumentKey("rls-services", user, name))
        await self.service.put(user, resource, content, RLS_SERVICES.media_type, ALWAYS)

    async def refused(self, user: str, content: bytes, name: str = "index") -> list[tuple[str, tuple[str, ...]]]:
        with pytest.raises(UniquenessFailure) as refusal:
            await self.put(user, content, name)
        return [(field.field, field.alternatives) for field in refusal.value.fields]

    async def index(self, node: str | None = None, requester: str = RLS) -> Representation:
        found = await self.service.get(requester, ResourceUri(INDEX, node), ALWAYS)
        assert isinstance(found, Representation)
        return found


@pytest.fixture
def world() -> World:
    return World()


FIRST = "rls-services/service%5B1%5D/@uri"


class TestUniqueServiceUris:
    """§4.4.5: "unique amongst all other URIs … in any document on a particular server"."""

    async def test_4_4_5_unique_over_the_documents_of_all_users(self, world: World) -> None:
        await world.put(JOE, services(service("sip:team@example.com")))
        suggested = ("sip:team-2@example.com", "sip:team-3@example.com", "sip:team-4@example.com")
        assert await world.refused(BOB, services(service("sip:team@example.com"))) == [(FIRST, suggested)]
        await world.put(BOB, services(service(suggested[0])))

    async def test_4_4_5_unique_over_the_documents_of_one_user(self, world: World) -> None:
        await world.put(JOE, services(service("sip:team@example.com")), "other")
        assert [field for field, _ in await world.refused(JOE, services(service("sip:team@example.com")))] == [FIRST]

    async def test_4_4_5_unique_in_one_document(self, world: World) -> None:
        twice = services(service("sip:a@b"), service("sip:c@d"), service("sip:a@b"))
        assert [field for field, _ in await world.refused(JOE, twice)] == ["rls-services/service%5B3%5D/@uri"]

    async def test_4_4_5_no_uri_of_an_existing_resource(self, world: World) -> None:
        """The example of RFC 4825 §11.1: sip:friends@example.com exists already."""
        world.users.add("sip:friends-2@example.com")
        [(field, suggested)] = await world.refused(JOE, services(service("sip:friends@example.com")))
        assert field == FIRST
        assert suggested[0] == "sip:friends-3@example.com"

    @pytest.mark.parametrize("same", ["sip:TEAM@example.com", "pres:team@example.com"])
    async def test_other_uris_are_others(self, world: World, same: str) -> None:
        await world.put(JOE, services(service("sip:team@example.com"), service(same)))

    @pytest.mark.parametrize(
        "same", ["SIP:team@EXAMPLE.com", "sip:%74eam@example.com", "sip:team@example.com?subject=x"]
    )
    async def test_5_uris_that_are_one_for_the_rls_are_one_here(self, world: World, same: str) -> None:
        """§4.5: the RLS looks a service up by the canonical form of the Request-URI."""
        await world.put(JOE, services(service("sip:team@example.com")))
        assert [field for field, _ in await world.refused(BOB, services(service(same)))] == [FIRST]

    async def test_of_many_users_who_want_one_uri_at_once_exactly_one_gets_it(self, world: World) -> None:
        users = [f"sip:user{n}@example.com" for n in range(10)]
        content = services(service("sip:team@example.com"))
        results = await asyncio.gather(*(world.put(user, content) for user in users), return_exceptions=True)
        assert results.count(None) == 1
        assert (await world.index()).content.count(b"<service") == 1

    async def test_a_uri_is_free_again_when_its_service_is_gone(self, world: World) -> None:
        await world.put(JOE, services(service("sip:team@example.com")))
        await world.put(JOE, services())
        await world.put(BOB, services(service("sip:team@example.com")))


class TestGlobalIndex:
    async def test_4_4_8_the_example(self, world: World) -> None:
        """The users' documents of the RFC lack the namespaces that the RFC's own union has, and one is folded in the
        middle of a percent-escape, for display; put right, they give the RFC's union."""
        declared = f'<rls-services xmlns="{SERVICES}" xmlns:rl="{LISTS}">'.encode()
        for user in (JOE, BOB):
            name = f"rfc4826-4.4.8-{user.partition('@')[0][4:]}"
            unfolded = re.sub(rb"(%?)\n +(?=[a-z0-9])", rb"\1", example(name))
            await world.put(user, unfolded.replace(b"<rls-services>", declared))
        expected = parse_document(example("rfc4826-4.4.8-global"))
        union = parse_document((await world.index()).content)
        assert union.tag == expected.tag

        def flat(document: bytes) -> list[tuple[str, dict[str, str], str]]:
            return [
                (str(each.tag), dict(each.attrib), "".join((each.text or "").split()))
                for each in parse_document(document).iter()
            ]

        ours, theirs = flat((await world.index()).content), flat(example("rfc4826-4.4.8-global"))
        assert sorted(map(str, ours)) == sorted(map(str, theirs))
        assert RLS_SERVICES.validate((await world.index()).content, None) is not None

    async def test_4_4_7_it_is_made_of_the_documents_index_alone(self, world: World) -> None:
        await world.put(JOE, services(service("sip:a@b")))
        await world.put(JOE, services(service("sip:c@d")), "other")
        union = await world.index()
        assert (union.content.count(b"<service"), b"sip:c@d" in union.content) == (1, False)
        node = 'rls-services/service[@uri="sip:c@d"]'
        with pytest.raises(Exception, match="selects no single node"):
            await world.index(node)

    async def test_4_4_8_it_reflects_the_most_recent_state(self, world: World) -> None:
        seen: list[tuple[int, str]] = []
        contents = [services(service("sip:a@b")), services(service("sip:a@b"), service("sip:c@d")), services()]
        for content in contents:
            await world.put(JOE, content)
            union = await world.index()
            seen.append((union.content.count(b"<service"), union.etag))
        await world.service.delete(JOE, ResourceUri(DocumentKey("rls-services", JOE, "index")), ALWAYS)
        union = await world.index()
        seen.append((union.content.count(b"<service"), union.etag))
        assert [count for count, _ in seen] == [1, 2, 0, 0]
        assert len({etag for _, etag in seen}) == 4
        assert (await world.index()).etag == union.etag

    async def test_4_5_a_service_is_found_by_its_canonical_uri(self, world: World) -> None:
        await world.put(
            JOE, services(service("sip:a@example.com", "<list name='joes'/>"), service("sip:b@example.com"))
        )
        await world.put(BOB, services(service("sip:c@example.com", "<list name='bobs'/>")))
        whole = await world.index()
        for node in (
            'rls-services/service[@uri="sip:a@example.com"]',
            'rls-services/service[@uri="sip:c@example.com"]/list',
            'rls-services/service[@uri="sip:b@example.com"]/@uri',
            "rls-services/service[3]",
            'rls-services/service[2][@uri="sip:a@example.com"]',
            'rls-services/*[@uri="sip:c@example.com"]',
        ):
            found = await world.index(node)
            assert found.content in whole.content
            assert found.etag == whole.etag
        with pytest.raises(Exception, match="selects no single node"):
            await world.index('rls-services/service[@uri="sip:nobody@example.com"]')

    async def test_4_4_9_it_is_for_trusted_elements_alone(self, world: World) -> None:
        await world.put(JOE, services(service("sip:a@b")))
        with pytest.raises(Forbidden):
            await world.index(requester=JOE)
        with pytest.raises(MethodNotAllowed):
            await world.service.put(RLS, ResourceUri(INDEX), services(), RLS_SERVICES.media_type, ALWAYS)

    async def test_4_4_9_users_read_and_write_their_own(self, world: World) -> None:
        await world.put(JOE, services(service("sip:a@b")))
        own = ResourceUri(DocumentKey("rls-services", JOE, "index"))
        for reader in (JOE, RLS):
            assert isinstance(await world.service.get(reader, own, ALWAYS), Representation)
        with pytest.raises(Forbidden):
            await world.service.get(BOB, own, ALWAYS)
        with pytest.raises(Forbidden):
            await world.service.delete(RLS, own, ALWAYS)


class TestSection5Canonicalization:
    @pytest.mark.parametrize(
        ("uri", "expected"),
        [
            ("sip:%6aoe%20smith@example.com", "sip:joe%20smith@example.com"),
            ("SIP:Joe@EXAMPLE.com;Transport=UDP", "sip:Joe@example.com;transport=udp"),
            ("sip:a@b;user=phone;lr;method=invite", "sip:a@b;lr;method=invite;user=phone"),
            ("sips:a@b:5061?subject=x&priority=urgent", "sips:a@b:5061"),
            ("sip:a%3ab@[2001:DB8::1]:5060", "sip:a%3Ab@[2001:db8::1]:5060"),
            ("sip:example.COM", "sip:example.com"),
            ("sip:a;b?c@d", "sip:a;b?c@d"),
            ("sip:a@b;x=%41%2f%zz", "sip:a@b;x=a/%zz"),
            ("tel:+1-202", "tel:+1-202"),
            ("pres:A@B", "pres:A@B"),
            ("sip:", "sip:"),
        ],
    )
    def test_5_the_steps(self, uri: str, expected: str) -> None:
        assert canonical(uri) == expected
        assert canonical(expected) == expected
