"""One user, whatever address a client or a proxy has for him: a real server with aliases and a phone domain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from abserver.app.server import Server
from abserver.app.stores import open_stores
from abserver.config import Settings
from abserver.domain.usages import CARD_RULES, CONTACT_CARD
from tests.support.documents import ANN, BOB, allow, card, rules
from xcap.ports import Credential

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NUMBER = "tel:+1-555-0199"
FIELD = "X-3GPP-Asserted-Identity"
LIST = (
    '<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="friends"><entry uri="{}"/></list>'
    "</resource-lists>"
)


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a running server that trusts it."""
    settings = Settings.model_validate(
        {
            "server": {"aliases": {"tel:+15550199": ANN, "sip:a@example.com": ANN}, "phone_domain": "example.com"},
            "sip": {"udp": ["127.0.0.1:0"], "tcp": ["127.0.0.1:0"]},
            "http": {"listen": "127.0.0.1:0", "trusted_peers": ["127.0.0.1"]},
            "storage": {"url": f"sqlite:///{tmp_path}/db.sqlite"},
        }
    )
    async with open_stores(settings.storage.url) as stores:
        for user in (ANN, BOB):
            await stores.credentials.put(Credential.of(user, "example.com", "secret"))
    server = Server(settings)
    await server.start()
    scheme, _, place = server.ready[-1].partition(" ")
    async with httpx.AsyncClient(base_url=f"{scheme}://{place}") as client:
        yield client
    await server.stop()


async def put(http: httpx.AsyncClient, path: str, who: str, content: bytes | str, media_type: str) -> int:
    return (await http.put(path, content=content, headers={FIELD: who, "Content-Type": media_type})).status_code


async def test_a_document_is_at_every_address_of_its_user(http: httpx.AsyncClient) -> None:
    content = card()
    path = f"/{CONTACT_CARD.auid}/users/tel:+1-555-0199/index"
    assert await put(http, path, NUMBER, content, CONTACT_CARD.media_type) == 201
    for user in ("tel:+15550199", "sip:a@example.com", "sip:+15550199@example.com;user=phone", str(ANN)):
        for who in (NUMBER, str(ANN), f'"tel:+1-555-0199", "{ANN}"'):
            found = await http.get(f"/{CONTACT_CARD.auid}/users/{user}/index", headers={FIELD: who})
            assert (found.status_code, found.content) == (200, content)
    assert (await http.get(path, headers={FIELD: str(BOB)})).status_code == 403
    intended = {FIELD: str(ANN), "X-3GPP-Intended-Identity": NUMBER}
    assert (await http.get(path, headers=intended)).status_code == 200
    assert (await http.get(path, headers={**intended, FIELD: str(BOB)})).status_code == 403

    listing = await http.get(f"/org.openmobilealliance.xcap-directory/users/{NUMBER}/directory.xml", headers=intended)
    assert f"/users/{ANN}/index" in listing.text
    assert "tel:" not in listing.text


async def test_a_user_logs_in_to_the_documents_at_his_number(http: httpx.AsyncClient) -> None:
    path = f"/{CONTACT_CARD.auid}/users/{NUMBER}/index"
    assert (await http.get(path, auth=httpx.DigestAuth("ann", "secret"))).status_code == 404
    assert (await http.get(path, auth=httpx.DigestAuth("bob", "secret"))).status_code == 403


async def test_a_number_without_an_alias_is_a_user_of_the_phone_domain(http: httpx.AsyncClient) -> None:
    path = "/resource-lists/users/tel:+1(555)0100/index"
    assert await put(http, path, "tel:+1-555-0100", LIST.format(BOB), "application/resource-lists+xml") == 201
    found = await http.get("/resource-lists/users/sip:+15550100@example.com/index", headers={FIELD: "tel:+15550100"})
    assert found.status_code == 200


async def test_rules_may_name_lists_and_people_by_their_numbers(http: httpx.AsyncClient) -> None:
    """As phones whose XUI is a number write them (`wp_prs_grantedcontacts`)."""
    users = f"users/{NUMBER}/index"
    anchor = f"{http.base_url}resource-lists/{users}/~~/resource-lists/list%5B@name=%22friends%22%5D"
    listed = LIST.format("tel:+1-555-0111")
    external = f'<external-list xmlns="urn:oma:xml:xdm:common-policy"><entry anc="{anchor}"/></external-list>'
    rule = allow(BOB).partition(b"<identity>")
    granted = rules(rule[0] + external.encode() + rule[2].partition(b"</identity>")[2])
    assert await put(http, f"/resource-lists/{users}", NUMBER, listed, "application/resource-lists+xml") == 201
    assert await put(http, f"/{CONTACT_CARD.auid}/{users}", NUMBER, card("7"), CONTACT_CARD.media_type) == 201
    assert await put(http, f"/{CARD_RULES.auid}/{users}", NUMBER, granted, CARD_RULES.media_type) == 201
    views = f"/org.abserver.views/users/{ANN}"
    watcher = "sip:+15550111@example.com"
    found = await http.get(f"{views}/{watcher}", headers={FIELD: str(ANN)})
    assert (found.status_code, b"tel:7" in found.content) == (200, True)
    assert (await http.get(f"{views}/tel:+1-555-0111", headers={FIELD: str(ANN)})).content == found.content
    assert b"tel:7" not in (await http.get(f"{views}/{BOB}", headers={FIELD: str(ANN)})).content
