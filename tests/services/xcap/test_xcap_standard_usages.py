"""The documents of deployed clients, under the names that they give them, through the service; and OMA's directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from xcap.core.errors import ConstraintFailure, Forbidden, MethodNotAllowed, NoParent, NotFound, SchemaValidationError
from xcap.core.etag import Conditions
from xcap.core.selector import NodeKind
from xcap.core.uri import ResourceUri, parse
from xcap.core.usage import Usages
from xcap.core.usages import STANDARD
from xcap.core.usages.xcap_directory import XCAP_DIRECTORY
from xcap.core.xml import parse_document
from xcap.ports import Change, Computed, DocumentKey
from xcap.service import Representation, XcapService
from xcap.sources import standard_sources
from xcap.storage.memory import MemoryDocumentStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xcap.core.selector import NodeSelector

CLIENTS = Path(__file__).parent.parent.parent / "data" / "usages" / "clients"
ALICE, BOB, SERVER = "sip:alice@example.com", "sip:bob@example.com", "sip:presence@example.com"
ROOT = "https://xcap.example.com/xcap-root"
ALWAYS = Conditions()

PRESENCE_RULES = "application/auth-policy+xml"
CONTENT = "application/vnd.oma.pres-content+xml"
XUI = "users/sip:alice@example.com"
OMA_RULES = "org.openmobilealliance.pres-rules"


class World:
    """A server of the standard usages."""

    def __init__(self, **own: Notices) -> None:
        usages = Usages(STANDARD)
        self.store = MemoryDocumentStore()
        sources = standard_sources(usages, self.store, ROOT, own)
        self.service = XcapService(usages, self.store, self, sources=sources, trusted=[SERVER])

    def changed(self, change: Change) -> None:
        """Nobody listens."""

    async def put(self, path: str, body: bytes, media_type: str, user: str = ALICE) -> None:
        await self.service.put(user, parse(f"/x/{path}".encode(), b"", "/x"), body, media_type, ALWAYS)

    async def get(self, path: str, user: str = ALICE) -> Representation:
        found = await self.service.get(user, parse(f"/x/{path}".encode(), b"", "/x"), ALWAYS)
        assert isinstance(found, Representation)
        return found


class Notices:
    """Computed documents of a usage that stores documents too, as a later usage might have."""

    async def load(self, key: DocumentKey, node: NodeSelector | None) -> Computed | None:
        raise AssertionError("not asked for here")

    async def list(self, auid: str, user: str | None) -> Sequence[tuple[DocumentKey, str]]:
        return [(DocumentKey(auid, user, "made up"), "e1")]


@pytest.fixture
def world() -> World:
    return World()


class TestDocumentsOfClients:
    @pytest.mark.parametrize(
        ("path", "document", "media_type"),
        [
            (f"resource-lists/{XUI}/index", "blink-resource-lists", "application/resource-lists+xml"),
            (f"resource-lists/{XUI}/index", "jitsi-resource-lists", "application/resource-lists+xml"),
            (f"resource-lists/{XUI}/index", "rcs-resource-lists", "application/resource-lists+xml"),
            (f"rls-services/{XUI}/index", "blink-rls-services", "application/rls-services+xml"),
            (f"{OMA_RULES}/{XUI}/index", "blink-pres-rules", PRESENCE_RULES),
            (f"{OMA_RULES}/{XUI}/pres-rules", "rcs-pres-rules", PRESENCE_RULES),
            (f"{OMA_RULES}/{XUI}/pres-rules", "doubango-pres-rules", PRESENCE_RULES),
            (f"pres-rules/{XUI}/presrules", "jitsi-presrules", PRESENCE_RULES),
            (f"pres-rules/{XUI}/index", "jitsi-presrules", PRESENCE_RULES),
            (f"oma_status-icon/{XUI}/sip_contact", "jitsi-icon", CONTENT),
            (f"org.openmobilealliance.pres-content/{XUI}/oma_status-icon/rcs_status_icon", "jitsi-icon", CONTENT),
            (f"org.openmobilealliance.pres-content/{XUI}/oma_status-icon/index", "jitsi-icon", CONTENT),
            (f"pidf-manipulation/{XUI}/index", "sipsimple-pidf", "application/pidf+xml"),
            (f"org.openmobilealliance.cab-pcc/{XUI}/PCC.xml", "rcs-pcc", "application/vnd.oma.cab-pcc+xml"),
        ],
    )
    async def test_a_document_is_taken_and_given_back_as_it_is(
        self, world: World, path: str, document: str, media_type: str
    ) -> None:
        content = (CLIENTS / f"{document}.xml").read_bytes()
        await world.put(path, content, media_type)
        found = await world.get(path.replace("sip:alice@", "sip%3Aalice%40"))
        assert (found.content, found.media_type) == (content, media_type)

    async def test_a_phone_adds_an_entry_without_saying_its_namespace(self, world: World) -> None:
        """As RCS phones do: the fragment takes the document's default namespace."""
        path = f"resource-lists/{XUI}/index"
        await world.put(path, (CLIENTS / "blink-resource-lists.xml").read_bytes(), "application/resource-lists+xml")
        node = f"{path}/~~/resource-lists/list%5B@name=%22oma_blockedcontacts%22%5D/entry%5B@uri=%22tel:+49%22%5D"
        await world.put(node, b"<entry uri='tel:+49'></entry>", NodeKind.ELEMENT.value)
        assert (await world.get(node)).content == b"<entry uri='tel:+49'></entry>"

    async def test_an_icon_is_one_under_both_its_names_and_every_user_sees_it(self, world: World) -> None:
        icon = (CLIENTS / "jitsi-icon.xml").read_bytes()
        await world.put(f"oma_status-icon/{XUI}/me", icon, CONTENT)
        for path in (f"oma_status-icon/{XUI}/me", f"org.openmobilealliance.pres-content/{XUI}/oma_status-icon/me"):
            assert (await world.get(path, BOB)).content == icon
            with pytest.raises(Forbidden):
                await world.put(path, icon, CONTENT, BOB)

    async def test_there_are_no_other_folders(self, world: World) -> None:
        with pytest.raises(NoParent):
            await world.put(
                f"org.openmobilealliance.pres-content/{XUI}/album/1", (CLIENTS / "jitsi-icon.xml").read_bytes(), CONTENT
            )

    async def test_conditions_of_oma_that_no_schema_here_declares_are_kept(self, world: World) -> None:
        """OMA has more of them than deployed clients show, so the namespace is open (RFC 4825 §8.2.5)."""
        rules = (CLIENTS / "rcs-pres-rules.xml").read_bytes()
        rules = rules.replace(b"<ocp:other-identity/>", b"<ocp:other-identity/><ocp:service-list/>")
        await world.put(f"{OMA_RULES}/{XUI}/pres-rules", rules, PRESENCE_RULES)

    async def test_a_personal_contact_card_is_called_as_phones_call_it_and_private(self, world: World) -> None:
        path = f"org.openmobilealliance.cab-pcc/{XUI}"
        card = (CLIENTS / "rcs-pcc.xml").read_bytes()
        with pytest.raises(ConstraintFailure, match=r"PCC\.xml"):
            await world.put(f"{path}/other", card, "application/vnd.oma.cab-pcc+xml")
        with pytest.raises(SchemaValidationError):
            await world.put(f"{path}/PCC.xml", b'<pcc xmlns="urn:other"/>', "application/vnd.oma.cab-pcc+xml")
        await world.put(f"{path}/PCC.xml", card, "application/vnd.oma.cab-pcc+xml")
        for reader in (BOB, SERVER):
            with pytest.raises(Forbidden):
                await world.get(f"{path}/PCC.xml", reader)

    async def test_what_a_server_acts_upon_is_readable_by_it(self, world: World) -> None:
        path = f"pres-rules/{XUI}/presrules"
        await world.put(path, (CLIENTS / "jitsi-presrules.xml").read_bytes(), PRESENCE_RULES)
        assert (await world.get(path, SERVER)).media_type == PRESENCE_RULES
        with pytest.raises(Forbidden):
            await world.get(path, BOB)

    async def test_clients_find_what_they_look_for_in_the_capabilities(self, world: World) -> None:
        """Blink looks for three AUIDs and else gives up for an hour; Jitsi looks for three namespaces."""
        capabilities = parse_document((await world.get("xcap-caps/global/index")).content)
        assert {"resource-lists", "rls-services", OMA_RULES} <= {each.text for each in capabilities.iter("{*}auid")}
        namespaces = {each.text for each in capabilities.iter("{*}namespace")}
        assert {
            "urn:ietf:params:xml:ns:resource-lists",
            "urn:ietf:params:xml:ns:pres-rules",
            "urn:oma:xml:prs:pres-content",
        } <= namespaces


DIRECTORY = f"org.openmobilealliance.xcap-directory/{XUI}/directory.xml"


class TestDirectory:
    async def test_it_lists_every_document_by_usage_and_usages_without_any(self, world: World) -> None:
        icon = (CLIENTS / "jitsi-icon.xml").read_bytes()
        await world.put(f"oma_status-icon/{XUI}/me", icon, CONTENT)
        rules = (CLIENTS / "jitsi-presrules.xml").read_bytes()
        for name in ("presrules", "an index"):
            await world.put(f"pres-rules/{XUI}/{name.replace(' ', '%20')}", rules, PRESENCE_RULES)
        await world.put(f"pres-rules/{XUI.replace('alice', 'bob')}/index", rules, PRESENCE_RULES, BOB)
        found = await world.get(DIRECTORY)
        document = XCAP_DIRECTORY.validate(found.content, ALICE)
        folders = {each.get("auid"): [(entry.get("uri"), entry.get("size")) for entry in each] for each in document}
        assert list(folders) == [usage.auid for usage in STANDARD if usage is not XCAP_DIRECTORY]
        assert folders["resource-lists"] == []
        assert folders["pres-rules"] == [
            (f"{ROOT}/pres-rules/{XUI}/an%20index", str(len(rules))),
            (f"{ROOT}/pres-rules/{XUI}/presrules", str(len(rules))),
        ]
        assert folders["org.openmobilealliance.pres-content"] == [
            (f"{ROOT}/org.openmobilealliance.pres-content/{XUI}/oma_status-icon/me", str(len(icon)))
        ]
        assert found.media_type == "application/vnd.oma.xcap-directory+xml"

    async def test_an_entry_has_the_etag_of_its_document_and_so_a_change_shows(self, world: World) -> None:
        path = f"pres-rules/{XUI}/presrules"
        before = await world.get(DIRECTORY)
        await world.put(path, (CLIENTS / "jitsi-presrules.xml").read_bytes(), PRESENCE_RULES)
        after = await world.get(DIRECTORY)
        [entry] = parse_document(after.content).iter("{*}entry")
        assert entry.get("etag") == (await world.get(path)).etag
        assert before.etag != after.etag

    async def test_computed_documents_are_listed_too(self) -> None:
        world = World(**{OMA_RULES: Notices()})
        entry = next(parse_document((await world.get(DIRECTORY)).content).iter("{*}entry"))
        assert dict(entry.attrib) == {"uri": f"{ROOT}/{OMA_RULES}/{XUI}/made%20up", "etag": "e1"}

    async def test_its_nodes_are_selected_as_in_any_document(self, world: World) -> None:
        await world.put(f"pres-rules/{XUI}/index", (CLIENTS / "jitsi-presrules.xml").read_bytes(), PRESENCE_RULES)
        found = await world.get(f"{DIRECTORY}/~~/xcap-directory/folder%5B@auid=%22pres-rules%22%5D/entry/@uri")
        assert found.content == f'"{ROOT}/pres-rules/{XUI}/index"'.encode()

    async def test_it_is_for_its_user_and_written_by_nobody(self, world: World) -> None:
        with pytest.raises(Forbidden):
            await world.get(DIRECTORY, BOB)
        assert (await world.get(DIRECTORY, SERVER)).etag
        for user, refusal in ((ALICE, MethodNotAllowed), (BOB, Forbidden)):
            with pytest.raises(refusal):
                await world.put(DIRECTORY, b"<xcap-directory/>", XCAP_DIRECTORY.media_type, user)

    @pytest.mark.parametrize("path", [f"{XUI}/index", "global/directory.xml"])
    async def test_there_is_no_other_document(self, world: World, path: str) -> None:
        with pytest.raises(NotFound):
            await world.get(f"org.openmobilealliance.xcap-directory/{path}", SERVER)

    async def test_sources_list_what_they_have(self, world: World) -> None:
        sources = standard_sources(Usages(STANDARD), world.store, ROOT)
        for auid, source in sources.items():
            in_global = [key.name for key, _ in await source.list(auid, None)]
            of_alice = [key.name for key, _ in await source.list(auid, ALICE)]
            assert (in_global, of_alice) == ((["index"], []) if auid == "rls-services" else ([], ["directory.xml"]))
        assert await sources["rls-services"].load(DocumentKey("rls-services", None, "other"), None) is None


async def test_a_document_that_goes_away_while_the_index_is_made_is_left_out() -> None:
    class Vanishing(MemoryDocumentStore):
        async def list_named(self, auid: str, name: str) -> Sequence[tuple[str, str]]:
            return [("sip:gone@example.com", "e"), *await super().list_named(auid, name)]

    store = Vanishing()
    content = (CLIENTS / "blink-rls-services.xml").read_bytes()
    await store.save(DocumentKey("rls-services", ALICE, "index"), content, "e1", expected=None)
    source = standard_sources(Usages(STANDARD), store, ROOT)["rls-services"]
    found = await source.load(DocumentKey("rls-services", None, "index"), None)
    assert found is not None
    assert found.content.count(b"<service") == 2


def test_a_resource_in_a_folder_has_a_path_that_is_read_back() -> None:
    key = DocumentKey("org.openmobilealliance.pres-content", ALICE, "oma_status-icon/a b")
    assert parse(ResourceUri(key).to_path("/x").encode(), b"", "/x").key == key
