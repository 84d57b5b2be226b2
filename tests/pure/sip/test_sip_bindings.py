"""A registrar's bindings, statement by statement (RFC 3261 §10.3, RFC 3327 §5.3, RFC 5626 §6, RFC 5627 §5)."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from abserver.sip.bindings import Limits, Registered, current, parse_q, preferred, sip_date
from abserver.sip.errors import SipSyntaxError
from abserver.sip.headers import NameAddr
from abserver.sip.message import Response
from abserver.sip.uri import SipUri
from tests.support.registering import (
    AOR,
    FLOW,
    GRUUS,
    INSTANCE,
    LAPTOP,
    NOW,
    OTHER_FLOW,
    OUTBOUND,
    PHONE,
    Registrar,
    a_register,
)

ANOTHER = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"


def contacts(response: Response) -> list[NameAddr]:
    return [NameAddr.parse(each) for each in response.headers.elements("Contact")]


def statuses(response: Response) -> tuple[int, str]:
    return response.status, response.reason


# -- RFC 3261 §10.3 -------------------------------------------------------------------------------------------------


def test_a_contact_is_bound_and_told_with_its_expiration_rfc3261_10_3_8() -> None:
    registrar = Registrar()
    response = registrar.register(PHONE, Expires="600")
    assert statuses(response) == (200, "OK")
    assert response.headers.get_all("Contact") == [f"{PHONE};expires=600"]
    assert response.headers.get("Date") == "Fri, 17 May 2030 11:22:33 GMT"
    [binding] = registrar.bindings
    assert (binding.call_id, binding.cseq, binding.flow) == ("call-1", 1, FLOW)
    assert binding.expires_at == NOW + datetime.timedelta(seconds=600)


def test_a_request_without_contact_fetches_and_changes_nothing_rfc3261_10_3_6() -> None:
    registrar = Registrar()
    registrar.register(PHONE, LAPTOP)
    before = registrar.bindings
    registrar.pass_time(100.25)
    done = registrar.attempt(a_register(cseq=1))
    assert done == Registered(before, changed=False)
    response = registrar.register(cseq=2)
    assert response.headers.get_all("Contact") == [f"{PHONE};expires=3500", f"{LAPTOP};expires=3500"]
    assert "Contact" not in Registrar().register().headers


def test_the_contacts_own_expiration_goes_before_the_fields_and_that_before_the_default_rfc3261_10_3_7() -> None:
    registrar = Registrar(Limits(default_expires=500))
    response = registrar.register(f"{PHONE};expires=100", LAPTOP, Expires="200")
    assert response.headers.get_all("Contact") == [f"{PHONE};expires=100", f"{LAPTOP};expires=200"]
    assert Registrar(Limits(default_expires=500)).register(PHONE).headers.get("Contact") == f"{PHONE};expires=500"


@pytest.mark.parametrize("malformed", ["soon", "", "-1", '"5"', "99999999999"])
def test_a_malformed_duration_is_an_hour_rfc3261_20_10(malformed: str) -> None:
    told = f"{PHONE};expires=3600"
    assert Registrar().register(PHONE, Expires=malformed).headers.get("Contact") == told
    if malformed:
        assert Registrar().register(f"{PHONE};expires={malformed}").headers.get("Contact") == told
    assert Registrar().register(f"{PHONE};expires").headers.get("Contact") == told


def test_a_longer_expiration_is_cut_rfc3261_10_3_7() -> None:
    response = Registrar(Limits(max_expires=1000)).register(PHONE, Expires="100000")
    assert response.headers.get("Contact") == f"{PHONE};expires=1000"


def test_a_brief_expiration_gets_423_and_is_not_bound_rfc3261_10_3_7() -> None:
    registrar = Registrar(Limits(min_expires=60))
    response = registrar.register(LAPTOP, f"{PHONE};expires=59", Expires="600")
    assert (response.status, response.headers.get("Min-Expires")) == (423, "60")
    assert registrar.bindings == ()
    assert registrar.register(PHONE, Expires="60").status == 200


def test_an_hour_is_never_too_brief_rfc3261_10_3_7() -> None:
    """ "If and only if the requested expiration interval is greater than zero AND smaller than one hour"."""
    registrar = Registrar(Limits(min_expires=7200, max_expires=7200))
    assert registrar.register(PHONE, Expires="3600").status == 200
    assert registrar.register(PHONE, Expires="3599", cseq=2).status == 423
    assert registrar.register(PHONE, Expires="0", cseq=3).status == 200
    assert registrar.bindings == ()


def test_an_expired_binding_is_none() -> None:
    registrar = Registrar()
    registrar.register(PHONE, Expires="60")
    registrar.register(LAPTOP, Expires="600", cseq=2)
    registrar.pass_time(60)
    assert contacts(registrar.register(cseq=3))[0].uri == LAPTOP.strip("<>")
    assert [f"<{each.uri}>" for each in current(registrar.bindings, registrar.now)] == [LAPTOP]


def test_a_contact_is_found_again_by_the_rules_of_uri_comparison_rfc3261_10_3_7() -> None:
    registrar = Registrar()
    registrar.register("<sip:%62ob@HOST.example.com;transport=tcp>")
    registrar.register("<sip:bob@host.example.com;Transport=TCP;line=7>", cseq=2)
    assert registrar.uris == ["sip:bob@host.example.com;Transport=TCP;line=7"]
    registrar.register("<sip:bob@host.example.com>", cseq=3)
    assert len(registrar.bindings) == 2


def test_a_contact_with_expiration_zero_is_removed_rfc3261_10_3_7() -> None:
    registrar = Registrar()
    registrar.register(PHONE, LAPTOP)
    response = registrar.register(f"{PHONE};expires=0", cseq=2)
    assert [each.uri for each in contacts(response)] == registrar.uris == [LAPTOP.strip("<>")]
    assert registrar.register("<sip:never@example.org>;expires=0", cseq=3).status == 200


@pytest.mark.parametrize("expires", ["0", "600"])
@pytest.mark.parametrize("cseq", [1, 2])
def test_a_request_out_of_order_fails_and_nothing_changes_rfc3261_10_3_7(expires: str, cseq: int) -> None:
    registrar = Registrar()
    registrar.register(PHONE, cseq=2)
    before = registrar.bindings
    assert registrar.register(LAPTOP, f"{PHONE};expires={expires}", cseq=cseq).status == 500
    assert registrar.bindings == before


def test_another_call_id_needs_no_higher_number_rfc3261_10_3_7() -> None:
    registrar = Registrar()
    registrar.register(PHONE, cseq=5)
    assert registrar.register(PHONE, Call_ID="call-2", cseq=1).status == 200
    assert [(each.call_id, each.cseq) for each in registrar.bindings] == [("call-2", 1)]
    assert registrar.register(f"{PHONE};expires=0", Call_ID="call-3", cseq=1).status == 200
    assert registrar.bindings == ()


def test_all_bindings_are_removed_by_a_star_rfc3261_10_3_6() -> None:
    registrar = Registrar()
    registrar.register(PHONE, LAPTOP, OUTBOUND.replace(";reg-id=1", ""))
    response = registrar.register("*", Expires="0", cseq=2)
    assert (response.status, "Contact" in response.headers) == (200, False)
    assert registrar.bindings == ()
    assert registrar.attempt(a_register("*", Expires="0")) == Registered((), changed=False)


@pytest.mark.parametrize(
    ("listed", "fields"),
    [(["*"], {}), (["*"], {"Expires": "60"}), (["*", PHONE], {"Expires": "0"}), ([f"{PHONE}, *"], {"Expires": "0"})],
)
def test_a_star_with_anything_else_is_invalid_rfc3261_10_3_6(listed: list[str], fields: dict[str, Any]) -> None:
    registrar = Registrar()
    registrar.register(PHONE)
    assert statuses(registrar.register(*listed, cseq=2, **fields)) == (400, "Invalid Request")
    assert len(registrar.bindings) == 1


def test_a_star_out_of_order_fails_rfc3261_10_3_6() -> None:
    registrar = Registrar()
    registrar.register(PHONE, cseq=4)
    registrar.register(LAPTOP, Call_ID="call-2")
    assert registrar.register("*", Expires="0", cseq=4).status == 500
    assert len(registrar.bindings) == 2
    assert registrar.register("*", Expires="0", cseq=5).status == 200


def test_bindings_are_told_in_the_order_of_their_preference_rfc3261_20_10() -> None:
    registrar = Registrar()
    registrar.register(f"{PHONE};q=0.5", f"{LAPTOP};q=0.7", "<sip:third@example.org>;q=0.123")
    assert [each.params["q"] for each in contacts(registrar.register(cseq=2))] == ["0.7", "0.5", "0.123"]


@pytest.mark.parametrize("q", ["1.1", "0.1234", "2", "", ".5", "1.0001", "x", "0.½"])
def test_a_malformed_preference_is_refused_rfc3261_25_1(q: str) -> None:
    with pytest.raises(SipSyntaxError):
        parse_q(q)


@pytest.mark.parametrize(("q", "value"), [("0", 0.0), ("1", 1.0), ("1.000", 1.0), ("0.", 0.0), ("0.25", 0.25)])
def test_a_preference_is_a_number_rfc3261_25_1(q: str, value: float) -> None:
    assert parse_q(q) == value


def test_a_contact_with_a_malformed_preference_is_refused() -> None:
    with pytest.raises(SipSyntaxError):
        Registrar().register(f"{PHONE};q=7")


def test_what_a_contact_says_of_its_device_is_kept_rfc3840_6() -> None:
    contact = '"Bob, at work" <sip:bob@h;x=1>;audio;+g.oma.sip-im;methods="INVITE,NOTIFY";class=business'
    registrar = Registrar()
    registrar.register(contact)
    assert registrar.register(cseq=2).headers.get("Contact") == f"{contact};expires=3600"


def test_other_schemes_are_bound_too_and_compare_by_their_text_rfc3261_10_2_1() -> None:
    registrar = Registrar()
    registrar.register("<mailto:bob@example.com>", PHONE)
    registrar.register("<mailto:bob@example.com>", cseq=2)
    assert sorted(registrar.uris) == sorted(["mailto:bob@example.com", PHONE.strip("<>")])


def test_an_answer_has_no_record_route_rfc3261_10_3() -> None:
    assert "Record-Route" not in Registrar().register(PHONE, Record_Route="<sip:proxy;lr>").headers


def test_a_contact_may_not_be_listed_twice() -> None:
    registrar = Registrar()
    for cseq in (1, 11):
        assert registrar.register(PHONE, PHONE, cseq=cseq).status == 400
        registrar.register(PHONE, cseq=cseq + 1)
    assert len(registrar.bindings) == 1


def test_the_bindings_of_a_user_are_limited() -> None:
    registrar = Registrar(Limits(contacts=2))
    registrar.register(PHONE, LAPTOP)
    third = registrar.register("<sip:third@example.org>", cseq=2)
    assert (third.status, third.headers.get("Retry-After")) == (503, "60")
    assert registrar.register(f"{PHONE};expires=0", "<sip:third@example.org>", cseq=3).status == 200
    registrar.limits = Limits(contacts=1)  # who has more by then keeps them
    assert registrar.register(LAPTOP, cseq=4).status == 200


@pytest.mark.parametrize(
    ("contact", "fields"),
    [
        (f"<sip:{'b' * 3000}@example.org>", {}),
        (PHONE, {"Call_ID": "c" * 513}),
        (f'{PHONE};+sip.instance="<urn:x:{"1" * 300}>"', {}),
        (f"{PHONE};+sip.instance", {}),
        (f'{PHONE};+sip.instance="<urn:x:ü>"', {}),
        (PHONE, {"Supported": "path", "Path": f"<sip:{'p' * 4096}@example.org>"}),
    ],
)
def test_what_is_kept_of_a_request_is_bounded(contact: str, fields: dict[str, Any]) -> None:
    registrar = Registrar()
    assert registrar.register(contact, **fields).status == 400
    assert registrar.bindings == ()


def test_of_the_user_agent_the_beginning_is_kept() -> None:
    registrar = Registrar()
    registrar.register(PHONE, User_Agent="x" * 1000)
    assert registrar.bindings[0].agent == "x" * 256


def test_a_date_is_in_english_and_gmt_rfc3261_20_17() -> None:
    india = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
    assert sip_date(NOW.astimezone(india)) == "Fri, 17 May 2030 11:22:33 GMT"


# -- RFC 5630: sips -------------------------------------------------------------------------------------------------


def test_a_sips_contact_needs_sips_throughout_rfc5630_5_2() -> None:
    contact = "<sips:bob@h>"
    path: dict[str, Any] = {"Supported": "path", "Path": "<sip:p;lr>"}
    assert Registrar().register(contact).status == 400
    for fields, expected in (({}, Registered), (path, Response), ({**path, "Path": "<sips:p;lr>"}, Registered)):
        done = Registrar().attempt(a_register(contact, uri="sips:example.com", **fields))
        assert isinstance(done, expected), done


# -- RFC 3327: Path -------------------------------------------------------------------------------------------------


def test_the_path_is_stored_in_order_and_told_again_rfc3327_5_3() -> None:
    registrar = Registrar()
    rows = ["<sip:p2.example.com;lr>, <sip:p1.example.com;lr>", "<sip:edge.example.com;lr>"]
    response = registrar.register(PHONE, Supported="path", Path=rows)
    assert response.headers.get_all("Path") == rows
    assert registrar.bindings[0].path == (
        "<sip:p2.example.com;lr>",
        "<sip:p1.example.com;lr>",
        "<sip:edge.example.com;lr>",
    )


def test_a_path_is_replaced_by_the_next_registration_rfc3327_5_3() -> None:
    registrar = Registrar()
    registrar.register(PHONE, Supported="path", Path="<sip:p1;lr>")
    registrar.register(PHONE, cseq=2)
    assert registrar.bindings[0].path == ()


def test_a_path_whose_user_agent_does_not_know_it_gets_420_rfc3327_5_3() -> None:
    registrar = Registrar()
    response = registrar.register(PHONE, Path="<sip:p1;lr>", Supported="outbound")
    assert (response.status, response.headers.get("Unsupported")) == (420, "path")
    assert registrar.bindings == ()


def test_a_path_that_is_none_is_refused() -> None:
    for path in ("<sip:>", "p1", "<mailto:a@b>"):
        with pytest.raises(SipSyntaxError):
            Registrar().register(PHONE, Supported="path", Path=path)


# -- RFC 5626: outbound ---------------------------------------------------------------------------------------------

VIA_PROXY = ["SIP/2.0/UDP proxy;branch=z9hG4bK2", "SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK1"]


def test_a_flow_is_registered_and_the_answer_requires_outbound_rfc5626_6() -> None:
    registrar = Registrar()
    response = registrar.register(OUTBOUND, Supported="path, outbound")
    assert response.headers.get("Require") == "outbound"
    assert response.headers.get("Flow-Timer") == "120"
    assert response.headers.get("Contact") == f"{OUTBOUND};expires=3600"
    [binding] = registrar.bindings
    assert (binding.instance, binding.reg_id, binding.flow, binding.direct) == (INSTANCE, 1, FLOW, True)


def test_without_the_option_tag_the_flow_is_bound_and_the_answer_requires_nothing_rfc5626_6() -> None:
    registrar = Registrar()
    response = registrar.register(OUTBOUND)
    assert "Require" not in response.headers
    assert "Flow-Timer" not in response.headers
    assert registrar.bindings[0].reg_id == 1


def test_without_reg_id_the_answer_does_not_require_outbound_rfc5626_6() -> None:
    response = Registrar().register(OUTBOUND.replace(";reg-id=1", ""), Supported="outbound")
    assert response.status == 200
    assert "Require" not in response.headers


def test_the_flow_timer_can_be_left_out() -> None:
    response = Registrar(Limits(flow_timer=0)).register(OUTBOUND, Supported="outbound")
    assert "Flow-Timer" not in response.headers


def test_a_binding_is_one_of_instance_and_reg_id_whatever_its_contact_rfc5626_6() -> None:
    """A new mapping, a new Contact, a new Call-ID: the flow replaces the older one."""
    registrar = Registrar()
    registrar.register(OUTBOUND, Supported="outbound")
    moved = OUTBOUND.replace("10.0.0.2", "172.16.0.9").replace("a95a0", "A95A0")
    registrar.register(moved, Supported="outbound", Call_ID="call-2", flow=OTHER_FLOW)
    [binding] = registrar.bindings
    assert (binding.uri, binding.flow, binding.call_id) == ("sip:bob@172.16.0.9;ob", OTHER_FLOW, "call-2")


def test_several_flows_of_one_instance_are_several_bindings_rfc5626_6() -> None:
    registrar = Registrar()
    registrar.register(OUTBOUND, Supported="outbound")
    registrar.pass_time(1)
    second = OUTBOUND.replace("reg-id=1", "reg-id=2")
    registrar.register(second, Supported="outbound", Call_ID="call-2", flow=OTHER_FLOW)
    assert [(each.reg_id, each.flow) for each in registrar.bindings] == [(1, FLOW), (2, OTHER_FLOW)]
    assert [each.reg_id for each in preferred(registrar.bindings)] == [2, 1]  # the newest first (RFC 5627 §6.1)
    registrar.register(f"{second};expires=0", Supported="outbound", Call_ID="call-2", cseq=2)
    assert [each.reg_id for each in registrar.bindings] == [1]


def test_bindings_with_and_without_flows_are_apart_rfc5626_6() -> None:
    registrar = Registrar()
    registrar.register(OUTBOUND)
    registrar.register("<sip:bob@10.0.0.2;ob>", cseq=2)
    assert [each.reg_id for each in registrar.bindings] == [1, None]


def test_a_reg_id_without_an_instance_is_ignored_rfc5626_6() -> None:
    registrar = Registrar()
    response = registrar.register(f"{PHONE};reg-id=1", Supported="outbound")
    assert (response.status, registrar.bindings[0].reg_id, "Require" in response.headers) == (200, None, False)


@pytest.mark.parametrize("reg_id", ["0", "x", "2147483648", '"1"'])
def test_a_malformed_reg_id_is_refused_rfc5626_4_2_1(reg_id: str) -> None:
    with pytest.raises(SipSyntaxError):
        Registrar().register(OUTBOUND.replace("reg-id=1", f"reg-id={reg_id}"))
    with pytest.raises(SipSyntaxError):
        Registrar().register(OUTBOUND.replace("reg-id=1", "reg-id"))


def test_several_lasting_contacts_with_a_reg_id_are_refused_rfc5626_6() -> None:
    registrar = Registrar()
    assert registrar.register(OUTBOUND, LAPTOP, Supported="outbound").status == 400
    assert registrar.register(OUTBOUND, f"{LAPTOP};expires=0", Supported="outbound").status == 200


def test_behind_a_first_hop_that_lacks_outbound_gets_439_rfc5626_6() -> None:
    """ "If the Path header field is missing or it exists but the first URI does not have an "ob" URI parameter"."""
    without_ob: dict[str, Any] = {"Path": "<sip:edge.example.com;lr>"}
    for fields in ({}, without_ob):
        registrar = Registrar()
        response = registrar.register(OUTBOUND, Supported="path, outbound", Via=VIA_PROXY, **fields)
        assert statuses(response) == (439, "First Hop Lacks Outbound Support")
        assert registrar.bindings == ()


def test_behind_such_a_hop_reg_id_is_ignored_if_outbound_is_not_asked_for_rfc5626_6() -> None:
    registrar = Registrar()
    response = registrar.register(OUTBOUND, Supported="path", Via=VIA_PROXY)
    assert (response.status, "Require" in response.headers) == (200, False)
    assert (registrar.bindings[0].reg_id, registrar.bindings[0].direct) == (None, False)


@pytest.mark.parametrize("path", ["<sip:t@edge;lr;ob>", "<sip:inner;lr>, <sip:t@edge;lr;ob>"])
def test_behind_an_edge_proxy_that_knows_flows_outbound_is_applied_rfc5626_6(path: str) -> None:
    registrar = Registrar()
    response = registrar.register(OUTBOUND, Supported="path, outbound", Via=VIA_PROXY, Path=path)
    assert (response.status, response.headers.get("Require")) == (200, "outbound")
    assert registrar.bindings[0].reg_id == 1


# -- RFC 5627: GRUU -------------------------------------------------------------------------------------------------

WITH_INSTANCE = f'<sip:bob@10.0.0.2>;+sip.instance="<{INSTANCE}>"'


def gruus_of(response: Response) -> tuple[str, str]:
    [contact] = contacts(response)
    public, temporary = contact.param("pub-gruu"), contact.param("temp-gruu")
    assert public is not None
    assert temporary is not None
    return public, temporary


def test_a_device_gets_a_public_and_a_temporary_gruu_rfc5627_5_2() -> None:
    registrar = Registrar()
    response = registrar.register(WITH_INSTANCE, Supported="gruu")
    public, temporary = gruus_of(response)
    assert GRUUS.instance_of(SipUri.parse(public)) == (AOR, INSTANCE)
    index = GRUUS.index_of(SipUri.parse(temporary))
    assert index is not None
    assert index.hex() == registrar.bindings[0].index
    assert contacts(response)[0].param("+sip.instance") == f"<{INSTANCE}>"
    assert "gruu" not in (response.headers.get("Require") or "")


def test_who_does_not_know_gruus_is_told_none_rfc5627_5_2() -> None:
    response = Registrar().register(WITH_INSTANCE)
    assert response.headers.get("Contact") == f"{WITH_INSTANCE};expires=3600"
    plain = Registrar().register(PHONE, Supported="gruu")
    assert plain.headers.get("Contact") == f"{PHONE};expires=3600"


def test_a_refresh_brings_the_same_public_and_a_new_temporary_gruu_and_the_old_one_lives_rfc5627_3_2() -> None:
    registrar = Registrar()
    first = gruus_of(registrar.register(WITH_INSTANCE, Supported="gruu"))
    second = gruus_of(registrar.register(WITH_INSTANCE, Supported="gruu", cseq=2))
    assert first[0] == second[0]
    assert first[1] != second[1]
    assert len({GRUUS.index_of(SipUri.parse(each)) for each in (first[1], second[1])}) == 1


def test_another_call_id_ends_all_temporary_gruus_of_the_device_rfc5627_5_1() -> None:
    registrar = Registrar()
    registrar.register(OUTBOUND, Supported="gruu")
    registrar.register(OUTBOUND.replace("reg-id=1", "reg-id=2"), Supported="gruu", Call_ID="call-2")
    [index] = {each.index for each in registrar.bindings}  # a second flow ends none
    registrar.pass_time(1)
    registrar.register(OUTBOUND, Supported="gruu", Call_ID="call-3")
    [renewed] = {each.index for each in registrar.bindings}
    assert renewed != index


def test_another_device_has_gruus_of_its_own_rfc5627_5_4() -> None:
    registrar = Registrar()
    registrar.register(WITH_INSTANCE, f'{LAPTOP};+sip.instance="<{ANOTHER}>"', PHONE)
    first, second, plain = registrar.bindings
    assert first.index != second.index
    assert (plain.index, plain.instance) == ("", None)


def test_when_the_last_binding_ends_so_do_the_temporary_gruus_rfc5627_5_3() -> None:
    registrar = Registrar()
    registrar.register(WITH_INSTANCE)
    index = registrar.bindings[0].index
    registrar.register(f"{WITH_INSTANCE};expires=0", cseq=2)
    registrar.register(WITH_INSTANCE, cseq=3)
    assert registrar.bindings[0].index != index


@pytest.mark.parametrize(
    "uri",
    [
        AOR,
        f"{AOR};x=1",
        GRUUS.public(AOR, INSTANCE),
        GRUUS.temporary("example.com", bytes(8), bytes(10)),
        "tel:+15550100",
        "mailto:bob@example.com",
    ],
)
def test_a_device_is_not_at_its_own_address_of_record_rfc5627_5_1(uri: str) -> None:
    registrar = Registrar()
    contact = f'<{uri}>;+sip.instance="<{INSTANCE}>"'
    assert registrar.register(contact).status == 403
    assert registrar.register(f"{contact};expires=0", cseq=2).status == 200


def test_a_client_cannot_suggest_gruus_rfc5627_5_1() -> None:
    registrar = Registrar()
    suggested = f'{WITH_INSTANCE};pub-gruu="sip:x@y;gr";temp-gruu="sip:z@y;gr"'
    response = registrar.register(suggested)
    assert response.headers.get("Contact") == f"{WITH_INSTANCE};expires=3600"


def test_gruus_stand_beside_all_contacts_of_the_device_rfc5627_5_2() -> None:
    registrar = Registrar()
    registrar.register(WITH_INSTANCE)
    response = registrar.register(PHONE, Supported="gruu", cseq=2)
    told = {each.uri: "pub-gruu" in each.params for each in contacts(response)}
    assert told == {"sip:bob@10.0.0.2": True, PHONE.strip("<>"): False}
