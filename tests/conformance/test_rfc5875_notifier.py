"""RFC 5875 at the notifier, statement by statement, as stories over the simulated network.

What the statements ask of lists, selections and differences alone is held by tests/pure/events/test_xcap_diff_*.py; who
a user is (§7), by tests/services/test_authenticating.py.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from abserver.domain.identity import Aor, Owner
from abserver.domain.usages import RELATIONS, SHARED_CARDS
from abserver.domain.usages.shared_cards import name_of
from tests.support.diffs import components, etags, is_same, patched, path, put_raw, resubscribe, said, subscribe
from tests.support.documents import ANN, BOB, CAROL, allow, block, card, rules
from tests.support.world import World, story
from xcap.core.usages import resource_lists, rls_services, xcap_caps
from xcap.core.xcapdiff import AttributeContent, DocumentChange, ElementContent
from xcap.ports import DocumentKey

INDEX = DocumentKey(resource_lists.AUID, BOB, "index")
OTHER = DocumentKey(resource_lists.AUID, BOB, "other")
COLLECTION = f"resource-lists/users/{BOB}/"
PACE = 5.0
QUIET = PACE + 1


def lists(*names: str, inner: str = "") -> bytes:
    """A document of lists with these names."""
    content = "".join(f'<list name="{name}">{inner}</list>' for name in names)
    return f'<resource-lists xmlns="{resource_lists.NAMESPACE}">{content}</resource-lists>'.encode()


# -- 4.1 Overview -----------------------------------------------------------------------------------------------------


@story
async def test_4_1_the_first_notification_has_the_urls_of_documents_and_the_contents_of_components(
    world: World,
) -> None:
    """ "this first notification MUST contain the URLs of the documents and XCAP component contents that are part of the
    subscription"; "The notifier MUST support XCAP component subscriptions." """
    etag = await world.put(INDEX, lists("friends", inner='<entry uri="sip:ann@example.com"/>'))
    bob = await world.phone(BOB)
    element, attribute = f"{path(INDEX)}/~~/*/list%5b1%5d", f"{path(INDEX)}/~~/resource-lists/list/@name"
    assert (await subscribe(bob, path(INDEX), element, attribute)).status == 200
    await world.pass_time()
    [notify] = bob.notifies
    assert etags(notify) == {path(INDEX): (None, etag)}
    found = components(notify)
    assert found[attribute] == AttributeContent(attribute, value="friends")
    shown = found[element]
    assert isinstance(shown, ElementContent)
    assert shown.content is not None
    assert (shown.content.name, shown.content.attributes) == ("list", {"name": "friends"})


@story
async def test_4_1_a_collection_has_its_documents_and_those_of_sub_collections(world: World) -> None:
    """ "A collection selection includes all documents in that collection and recursively all documents in
    sub-collections." """
    usage = next(usage for usage in world.server.usages if usage.folders)
    folder = sorted(usage.folders)[0]
    key = DocumentKey(usage.auid, BOB, f"{folder}/face")
    etag = await put_raw(world, key, b"<content/>")
    bob = await world.phone(BOB)
    for uri in (
        f"{usage.auid}/",
        f"{usage.auid}/users/",
        f"{usage.auid}/users/{BOB}/",
        f"{usage.auid}/users/{BOB}/{folder}/",
    ):
        await subscribe(bob, uri)
        await world.pass_time()
        assert etags(bob.last) == {path(key): (None, etag)}


@pytest.mark.parametrize("processing", [None, "no-patching", "xcap-patching", "aggregate"])
def test_4_1_the_diff_processing_has_no_influence_on_components(processing: str | None) -> None:
    @story
    async def told(world: World) -> None:
        await world.put(INDEX, lists("friends"))
        bob = await world.phone(BOB)
        attribute = f"{path(INDEX)}/~~/resource-lists/list/@name"
        await subscribe(bob, attribute, processing=processing)
        await world.pass_time(QUIET)
        await world.put(INDEX, lists("foes"))
        await world.pass_time(QUIET)
        assert [components(each) for each in bob.notifies] == [
            {attribute: AttributeContent(attribute, value="friends")},
            {attribute: AttributeContent(attribute, value="foes")},
        ]

    told()


# -- 4.3 diff-processing ----------------------------------------------------------------------------------------------


async def three_versions(world: World, processing: str | None) -> tuple[list[DocumentChange], list[str], list[bytes]]:
    """What a subscriber with this mode is told of two changes within one pace; the etags and contents."""
    contents = [lists("a", inner="<display-name>A</display-name>"), lists("a", "b"), lists("a", "b", "c")]
    tags = [await world.put(INDEX, contents[0])]
    bob = await world.phone(BOB)
    await subscribe(bob, path(INDEX), processing=processing)
    await world.pass_time(0.5)
    for content in contents[1:]:
        tags.append(await world.put(INDEX, content))
        await world.pass_time(0.5)
    await world.pass_time(QUIET)
    assert len(bob.notifies) == 2
    changes = [entry for entry in said(bob.last).entries if isinstance(entry, DocumentChange)]
    return changes, tags, contents


@pytest.mark.parametrize("processing", [None, "no-patching", "something-new"])
def test_4_3_no_patching_tells_of_a_change_and_is_the_default(processing: str | None) -> None:
    """ "Notifiers MUST support the "no-patching" mode"; "If the subscription does not contain the "diff-processing"
    header field parameter, the notifier MUST default to the "no-patching" mode." """

    @story
    async def told(world: World) -> None:
        changes, tags, _ = await three_versions(world, processing)
        assert changes == [DocumentChange(path(INDEX), tags[0], tags[2])]

    told()


@story
async def test_4_3_xcap_patching_tells_of_each_version(world: World) -> None:
    """ "The client receives the full (HTTP) ETag change history of a document." 4.7: "the chronological update order
    MUST be preserved in the XML document order of the notification body." """
    changes, tags, contents = await three_versions(world, "xcap-patching")
    assert [(each.previous, each.new) for each in changes] == [(tags[0], tags[1]), (tags[1], tags[2])]
    content = contents[0]
    for change, after in zip(changes, contents[1:], strict=True):
        content = patched(content, change)
        assert is_same(content, after)


@story
async def test_4_3_aggregate_tells_of_one_change_from_the_first_version_to_the_last(world: World) -> None:
    changes, tags, contents = await three_versions(world, "aggregate")
    assert [(each.previous, each.new) for each in changes] == [(tags[0], tags[2])]
    assert is_same(patched(contents[0], changes[0]), contents[2])


@story
async def test_4_3_and_4_7_another_mode_counts_for_the_notifications_after_the_next(world: World) -> None:
    """4.3: "During re-subscriptions, the subscriber MAY change the diff-processing parameter." 4.7: "The value change
    influences only subsequent notifications"."""
    await world.put(INDEX, lists("a"))
    bob = await world.phone(BOB)
    await subscribe(bob, path(INDEX), processing="xcap-patching")
    await world.pass_time(QUIET)
    etag = await world.put(INDEX, lists("a", "b"))
    await resubscribe(bob, processing="no-patching")
    await world.pass_time()
    assert etags(bob.last) == {path(INDEX): (None, etag)}
    await world.pass_time(QUIET)
    await world.put(INDEX, lists("c"))
    await world.pass_time(QUIET)
    [entry] = said(bob.last).entries
    assert isinstance(entry, DocumentChange)
    assert (entry.previous, entry.operations) == (etag, None)


# -- 4.4 SUBSCRIBE bodies, 4.5 duration, 4.6 NOTIFY bodies ------------------------------------------------------------


@story
async def test_4_4_the_list_of_a_refresh_takes_the_place_of_the_old_one(world: World) -> None:
    """ "the subscribed URI list MAY change, in which case the notifier MUST use the new list." """
    first, second = await world.put(INDEX, lists("a")), await world.put(OTHER, lists("b"))
    bob = await world.phone(BOB)
    await subscribe(bob, path(INDEX))
    await world.pass_time()
    await resubscribe(bob, path(OTHER))
    await world.pass_time(QUIET)
    assert [etags(each) for each in bob.notifies] == [{path(INDEX): (None, first)}, {path(OTHER): (None, second)}]
    await world.put(INDEX, lists("c"))
    third = await world.put(OTHER, lists("c"))
    await world.pass_time(QUIET)
    assert etags(bob.last) == {path(OTHER): (second, third)}
    await resubscribe(bob)
    await world.pass_time()
    assert etags(bob.last) == {path(OTHER): (None, third)}, "without a list the last one goes on"


@story
async def test_4_4_uris_are_relative_to_the_root_or_absolute(world: World) -> None:
    """ "the notifier MUST know how to resolve these against the correct XCAP Root URI value." """
    etag = await world.put(INDEX, lists("a"))
    bob = await world.phone(BOB)
    for uri in (path(INDEX), f"https://xcap.example.com/xcap-root/{path(INDEX)}"):
        await subscribe(bob, uri)
        await world.pass_time()
        assert etags(bob.last) == {uri: (None, etag)}
        assert said(bob.last).root == "https://xcap.example.com/xcap-root/"


@story
async def test_4_5_the_default_duration_is_an_hour(world: World) -> None:
    bob = await world.phone(BOB)
    response = await subscribe(bob, COLLECTION, Expires=None)
    assert response.headers.get("Expires") == "3600"


@story
async def test_4_6_the_body_is_an_xcap_diff_document_and_its_selectors_are_those_of_the_list(world: World) -> None:
    """ "the "sel" selector values of the XCAP diff format MUST be octet-by-octet equivalent to the relevant "uri"
    parameter values"."""
    etag = await world.put(INDEX, lists("a"))
    bob = await world.phone(BOB)
    uri = "resource-lists/users/sip%3Abob%40example.com/index"
    await subscribe(bob, uri, uri + "/~~/*/list%5B@name='a'%5D/@name", Accept="application/xcap-diff+xml")
    await world.pass_time()
    assert bob.last.content_type == "application/xcap-diff+xml"
    assert etags(bob.last) == {uri: (None, etag)}
    assert list(components(bob.last)) == [uri + "/~~/*/list%5B@name='a'%5D/@name"]
    assert said(bob.last).root == "https://xcap.example.com/xcap-root/"


# -- 4.7 what is told -------------------------------------------------------------------------------------------------


@story
async def test_4_7_and_7_what_may_not_be_read_is_not_told_of(world: World) -> None:
    """ "A resource for which an authenticated user does not have a read privilege MUST NOT be included in the XCAP diff
    format." 7: "The notifiers MUST obey the XCAP authorization rules"."""
    own, caps = await world.put(INDEX, lists("a")), await world.get(BOB, xcap_caps.KEY)
    hers = DocumentKey(resource_lists.AUID, CAROL, "index")
    await world.put(hers, lists("secret"))
    bob = await world.phone(BOB)
    await subscribe(
        bob,
        path(hers),
        f"{path(hers)}/~~/resource-lists/list/@name",
        f"resource-lists/users/{CAROL}/",
        "resource-lists/",
        "rls-services/global/index",
        f"{RELATIONS.auid}/users/{CAROL}/index",
        path(xcap_caps.KEY),
    )
    await world.pass_time()
    assert etags(bob.last) == {path(xcap_caps.KEY): (None, caps.etag), path(INDEX): (None, own)}
    assert components(bob.last) == {}
    await world.pass_time(QUIET)
    await world.put(hers, lists("another secret"))
    await world.put(
        DocumentKey(rls_services.AUID, CAROL, "index"), b'<rls-services xmlns="urn:ietf:params:xml:ns:rls-services"/>'
    )
    await world.pass_time(QUIET)
    assert len(bob.notifies) == 1


@story
async def test_4_7_what_does_not_exist_is_waited_for(world: World) -> None:
    """ "the request remains in a "pending" state, that is, waiting for this resource to be created"."""
    bob = await world.phone(BOB)
    attribute = f"{path(INDEX)}/~~/resource-lists/list/@name"
    assert (await subscribe(bob, path(INDEX), attribute)).status == 200
    await world.pass_time(QUIET)
    assert said(bob.last).entries == ()
    first = await world.put(INDEX, lists())
    await world.pass_time(QUIET)
    assert said(bob.last).entries == (DocumentChange(path(INDEX), None, first),)
    second = await world.put(INDEX, lists("a"))
    await world.pass_time(QUIET)
    assert said(bob.last).entries == (
        DocumentChange(path(INDEX), first, second),
        AttributeContent(attribute, value="a"),
    )


@story
async def test_4_7_what_is_granted_later_is_told_of_then_and_what_is_not_any_more_is_gone(world: World) -> None:
    """ "(or read access granted if XCAP Application Usages utilize dynamic access control lists)"."""
    world.put_card(ANN, card())
    shared = DocumentKey(SHARED_CARDS.auid, BOB, name_of(ANN))
    bob, phone = await world.phone(BOB), await world.phone(BOB)
    await phone.subscribe(ANN)
    await subscribe(bob, path(shared))
    await world.pass_time(QUIET)
    assert said(bob.last).entries == ()
    world.put_rules(ANN, rules(allow(BOB)))
    await world.pass_time(QUIET)
    etag = (await world.get(BOB, shared)).etag
    assert etags(bob.last) == {path(shared): (None, etag)}
    world.put_rules(ANN, rules(block(BOB)))
    await world.pass_time(QUIET)
    assert etags(bob.last) == {path(shared): (etag, None)}


@story
async def test_4_7_a_new_document_of_a_collection_is_told_of_with_the_next_notification(world: World) -> None:
    """ "once a new document is created into the subscribed collection, the creation of a new resource is signaled with
    the next NOTIFY request"; A.3: "the result is "additive""."""
    await world.put(INDEX, lists("a"))
    bob = await world.phone(BOB)
    await subscribe(bob, COLLECTION)
    await world.pass_time(QUIET)
    etag = await world.put(OTHER, lists("b"))
    await world.pass_time(QUIET)
    assert etags(bob.last) == {path(OTHER): (None, etag)}
    await world.delete(OTHER)
    await world.pass_time(QUIET)
    assert etags(bob.last) == {path(OTHER): (etag, None)}


@story
async def test_4_7_overlapping_selections_are_told_of_once(world: World) -> None:
    """ "the notifier SHOULD NOT provide overlapping similar responses for these resources." """
    etag = await world.put(INDEX, lists("a"))
    bob = await world.phone(BOB)
    attribute = f"{path(INDEX)}/~~/resource-lists/list/@name"
    await subscribe(bob, COLLECTION, path(INDEX), "/" + path(INDEX), "resource-lists/", attribute, "/" + attribute)
    await world.pass_time()
    assert said(bob.last).entries == (
        DocumentChange(path(INDEX), None, etag),
        AttributeContent(attribute, value="a"),
    )


@pytest.mark.parametrize("gone", ["the attribute", "the parent", "the document"])
def test_4_7_the_removal_of_a_component_is_told_however_it_came_to_be_gone(gone: str) -> None:
    """ "After the notifier has reported the existence of an XCAP component, it MUST also report its removal
    consistently. For example, the removal of the parent element of the subscribed element requires the same
    signaling"."""

    @story
    async def told(world: World) -> None:
        await world.put(INDEX, lists("a"))
        bob = await world.phone(BOB)
        attribute, element = f"{path(INDEX)}/~~/*/list/@name", f"{path(INDEX)}/~~/*/list"
        await subscribe(bob, attribute, element)
        await world.pass_time(QUIET)
        match gone:
            case "the attribute":
                await world.delete(INDEX, node="resource-lists/list/@name")
            case "the parent":
                await world.delete(INDEX, node="resource-lists/list")
            case _:
                await world.delete(INDEX)
        await world.pass_time(QUIET)
        found = components(bob.last)
        assert found[attribute] == AttributeContent(attribute, exists=False)
        if gone != "the attribute":
            assert found[element] == ElementContent(element, exists=False)
        assert b'exists="false"' in bob.last.body

    told()


@story
async def test_4_7_only_the_latest_state_of_a_component_is_told(world: World) -> None:
    """ "Even with rapidly changing resources, the notifier MUST signal only the latest state"."""
    await world.put(INDEX, lists("a"))
    bob = await world.phone(BOB)
    attribute = f"{path(INDEX)}/~~/resource-lists/list/@name"
    await subscribe(bob, attribute, processing="xcap-patching")
    await world.pass_time()
    for name in ("b", "c", "d"):
        await world.put(INDEX, lists(name))
    await world.delete(INDEX)
    await world.put(INDEX, lists("e"))
    await world.pass_time(QUIET)
    assert [components(each)[attribute] for each in bob.notifies] == [
        AttributeContent(attribute, value="a"),
        AttributeContent(attribute, value="e"),
    ]


@story
async def test_4_7_a_resubscription_is_answered_with_the_full_state(world: World) -> None:
    """ "When the notifier receives a re-subscription, it MUST re-send the current full XML diff content unless the
    subscriber has requested a conditional subscription"."""
    etag = await world.put(INDEX, lists("a"))
    bob = await world.phone(BOB)
    await subscribe(bob, COLLECTION, processing="aggregate")
    for _ in range(2):
        await world.pass_time(QUIET)
        await resubscribe(bob, processing="aggregate")
    await world.pass_time()
    assert [etags(each) for each in bob.notifies] == [{path(INDEX): (None, etag)}] * 3


@story
async def test_4_7_a_condition_is_about_the_list_too_and_not_about_its_order(world: World) -> None:
    """ "the notifier MUST also inspect the subscription body when determining the current subscription state"; "it is
    RECOMMENDED that the notifier does not consider the order of these URIs"; A.6."""
    first, second = await world.put(INDEX, lists("a")), await world.put(OTHER, lists("b"))
    bob = await world.phone(BOB)
    await subscribe(bob, path(INDEX), path(OTHER), processing="xcap-patching")
    await world.pass_time()
    tag = bob.last.etag
    for uris in ((), (path(INDEX), path(OTHER))):
        refreshed = await resubscribe(bob, *uris, processing="aggregate", Suppress_If_Match=tag)
        assert refreshed.status == 204
    refreshed = await resubscribe(bob, path(OTHER), path(INDEX), Suppress_If_Match=tag)
    await world.pass_time()
    assert refreshed.status == 200
    assert bob.last.body == b"", "the same state: nothing is told"
    assert bob.last.etag == tag
    refreshed = await resubscribe(bob, path(INDEX), Suppress_If_Match=tag)
    await world.pass_time()
    assert refreshed.status == 200
    assert etags(bob.last) == {path(INDEX): (None, first)}
    assert bob.last.etag != tag
    fresh = await world.phone(BOB)
    await subscribe(fresh, path(OTHER), path(INDEX), Suppress_If_Match=tag)
    await world.pass_time()
    assert (fresh.last.body, fresh.last.etag) == (b"", tag)
    await world.pass_time(QUIET)
    third = await world.put(OTHER, lists("c"))
    await world.pass_time(QUIET)
    assert etags(fresh.last) == {path(OTHER): (second, third)}, "a difference from the state of the tag"


@story
async def test_4_7_without_a_match_the_full_state_is_told(world: World) -> None:
    """ "If a match to the previous state is not found, the NOTIFY message MUST contain the full XML diff state"."""
    await world.put(INDEX, lists("a"))
    second = await world.put(OTHER, lists("b"))
    bob = await world.phone(BOB)
    await subscribe(bob, COLLECTION)
    await world.pass_time()
    tag = bob.last.etag
    first = await world.put(INDEX, lists("c"))
    await world.pass_time(QUIET)
    assert list(etags(bob.last)) == [path(INDEX)]
    assert (await resubscribe(bob, Suppress_If_Match=tag)).status == 200
    await world.pass_time()
    assert etags(bob.last) == {path(INDEX): (None, first), path(OTHER): (None, second)}


@story
async def test_4_7_no_notify_leaves_before_the_last_one_was_answered(world: World) -> None:
    """ "a notifier MUST NOT send a new NOTIFY request to the same dialog unless a successful 200-response has been
    received for the last sent NOTIFY request." """
    await world.put(INDEX, lists("a"))
    bob = await world.phone(BOB)
    await subscribe(bob, path(INDEX))
    await world.pass_time(QUIET)
    bob.answers = [None]
    second = await world.put(INDEX, lists("b"))
    for name in ("c", "d", "e"):
        await world.pass_time(QUIET)
        await world.put(INDEX, lists(name))
    assert [each.cseq for each in bob.notifies] == [1, 2]
    [change] = etags(bob.last).values()
    assert change[1] == second


@story
async def test_4_7_a_subscriber_that_does_not_answer_is_removed(world: World) -> None:
    """ "If the NOTIFY request fails due to a timeout, the notifier MUST remove the subscription." """
    await world.put(INDEX, lists("a"))
    bob = await world.phone(BOB)
    await subscribe(bob, path(INDEX))
    await world.pass_time(QUIET)
    bob.answers = [None] * 50
    await world.put(INDEX, lists("b"))
    await world.pass_time(60)
    bob.answers.clear()
    assert (await resubscribe(bob)).status == 481


@story
async def test_4_7_what_is_too_large_goes_without_contents(world: World) -> None:
    """ "If the notifier has to temporarily disable diff generation [...], it MUST continue with the "xcap-patching"
    mode afterwards for these resources"; "the notifier MAY discard the <element> element content"."""
    large = "".join(
        f"<entry uri='sip:{n}@example.com'><display-name>{'x' * 500}</display-name></entry>" for n in range(99)
    )
    tags = [await world.put(INDEX, lists("a"))]
    bob = await world.phone(BOB)
    element = f"{path(INDEX)}/~~/resource-lists/list"
    await subscribe(bob, path(INDEX), element, processing="xcap-patching")
    for content in (lists("a", inner=large), lists("a", inner=large.replace("x", "y", 1))):
        await world.pass_time(QUIET)
        tags.append(await world.put(INDEX, content))
    await world.pass_time(QUIET)
    plain, whole = said(bob.notifies[1]).entries, said(bob.notifies[2]).entries
    assert plain[0] == DocumentChange(path(INDEX), tags[0], tags[1])
    assert isinstance(plain[1], ElementContent)
    assert (plain[1].exists, plain[1].content) == (True, None)
    assert isinstance(whole[0], DocumentChange)
    assert whole[0].operations
    assert len(bob.notifies[1].body) < 1_000


# -- 4.10 rate, 7 security --------------------------------------------------------------------------------------------


@story
async def test_4_10_no_subscription_is_notified_more_often_than_once_in_five_seconds(world: World) -> None:
    """ "Notifiers of an "xcap-diff" event package SHOULD NOT generate notifications for a single subscription at a rate
    of more than once every five seconds." """
    await world.put(INDEX, lists("a"))
    bob = await world.phone(BOB)
    await subscribe(bob, path(INDEX), processing="aggregate", Event="xcap-diff;max-rate=10")
    for n in range(40):
        await world.pass_time(0.5)
        await world.put(INDEX, lists(f"n{n}"))
    await world.pass_time(QUIET)
    times = [each.at for each in bob.notifies]
    assert len(times) > 4
    assert min(after - before for before, after in pairwise(times)) >= PACE - 0.01


@pytest.mark.parametrize("name", ["sip:carol@example.com", "sip:nobody@example.com", "sip:bob@elsewhere.example.com"])
def test_7_nobody_subscribes_to_others(name: str) -> None:
    @story
    async def refused(world: World) -> None:
        bob = await world.phone(BOB)
        assert (await bob.subscribe(Owner(Aor(name)), Event="xcap-diff")).status in (403, 404)

    refused()


@pytest.mark.parametrize("name", ["sip:example.com", "sip:bob@example.com", "sips:bob@example.com"])
def test_7_users_subscribe_to_themselves_or_to_the_server(name: str) -> None:
    @story
    async def accepted(world: World) -> None:
        bob = await world.phone(BOB)
        contact = f"<{name.partition(':')[0]}:bob@{bob.address}>"
        response = await bob.subscribe(Owner(Aor(name)), Event="xcap-diff", Contact=contact)
        assert response.status == 200

    accepted()


@story
async def test_7_long_lists_are_refused(world: World) -> None:
    """ "The following can cause denial of service [...]: subscriptions to a long list of URIs"."""
    bob = await world.phone(BOB)
    assert (await subscribe(bob, *(f"resource-lists/users/{n}/" for n in range(300)))).status == 413
    assert (await subscribe(bob, COLLECTION)).status == 200
    await world.pass_time()
    assert (await resubscribe(bob, *(f"resource-lists/users/{n}/" for n in range(300)))).status == 413
