"""`register` over any sequence of requests: whole or not at all, in order, bounded, and nothing but SipSyntaxError."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from abserver.sip.bindings import Binding, Limits, accepted, register
from abserver.sip.equivalence import equivalent
from abserver.sip.errors import SipSyntaxError
from abserver.sip.message import Response
from abserver.sip.transport import Address, Flow, Transport
from tests.support.registering import AOR, FLOW, OTHER_FLOW, Registrar, a_register

URIS = ("sip:bob@192.0.2.1", "sip:BOB@192.0.2.1", "sip:%62ob@192.0.2.1;x=1", "sips:bob@192.0.2.1", "mailto:b@c", AOR)
SECOND = Flow(Transport.UDP, Address("192.0.2.1", 5060), Address("198.51.100.9", 1))


@dataclass(frozen=True, slots=True)
class Step:
    """One REGISTER, and the time before it."""

    wait: float
    contacts: tuple[str, ...]
    cseq: int
    call_id: str
    expires: int | None
    supported: str
    proxied: bool
    flow: Flow


def _contact(uri: str, instance: int | None, reg_id: int | None, expires: int | None, q: str | None) -> str:
    text = f"<{uri}>"
    text += f';+sip.instance="<urn:uuid:{instance}>"' if instance is not None else ""
    text += f";reg-id={reg_id}" if reg_id is not None else ""
    text += f";expires={expires}" if expires is not None else ""
    return text + (f";q={q}" if q is not None else "")


_CONTACTS = st.builds(
    _contact,
    st.sampled_from(URIS),
    st.none() | st.integers(1, 2),
    st.none() | st.integers(0, 2),
    st.none() | st.sampled_from([0, 1, 60, 100_000]),
    st.none() | st.sampled_from(["0.3", "1", "7"]),
)
_STEPS = st.builds(
    Step,
    st.sampled_from([0.0, 0.5, 30.0, 4000.0]),
    st.lists(_CONTACTS, max_size=3).map(tuple) | st.just(("*",)),
    st.integers(1, 6),
    st.sampled_from(["a", "b"]),
    st.none() | st.sampled_from([0, 3600]),
    st.sampled_from(["", "path", "outbound", "path, outbound, gruu"]),
    st.booleans(),
    st.sampled_from([FLOW, OTHER_FLOW, SECOND]),
)
LIMITS = Limits(contacts=3)


@settings(max_examples=200, deadline=None)
@given(st.lists(_STEPS, max_size=12))
def test_any_sequence_of_requests_keeps_the_laws(steps: list[Step]) -> None:
    registrar = Registrar(LIMITS)
    for step in steps:
        registrar.pass_time(step.wait)
        fields = {"Call_ID": step.call_id, "Supported": step.supported}
        if step.expires is not None:
            fields["Expires"] = str(step.expires)
        if step.proxied:
            fields["Path"] = "<sip:edge;lr;ob>"
        request = a_register(*step.contacts, cseq=step.cseq, **fields)
        before = registrar.bindings
        try:
            done = registrar.attempt(request, step.flow)
        except SipSyntaxError:
            continue
        if isinstance(done, Response):
            assert 400 <= done.status < 600  # a registrar never answers 6xx (§10.3)
            continue
        _keeps_the_laws(before, done.bindings, registrar, step)
        registrar.bindings = done.bindings
        response = accepted(request, done, limits=LIMITS, now=registrar.now, gruus=lambda each: ("sip:p", "sip:t"))
        assert len(response.headers.get_all("Contact")) == len(done.bindings)


def _keeps_the_laws(old: tuple[Binding, ...], new: tuple[Binding, ...], registrar: Registrar, step: Step) -> None:
    assert len(new) <= LIMITS.contacts
    assert all(each.expires_at > registrar.now for each in new)
    assert all(each.remaining(registrar.now) >= 1 for each in new)
    flows = [(each.instance, each.reg_id) for each in new if each.reg_id is not None]
    assert len(flows) == len(set(flows))
    plain = [each.uri for each in new if each.reg_id is None]
    assert not any(equivalent(one, other) for at, one in enumerate(plain) for other in plain[at + 1 :])
    for each in new:
        if each in old:
            continue
        unchanged_but_index = [known for known in old if known.uri == each.uri and known.cseq == each.cseq]
        assert unchanged_but_index or (each.call_id, each.cseq, each.flow) == (step.call_id, step.cseq, step.flow)
    for known in old:  # what a request changed or took away was not made by a later one of the same Call-ID
        if known.expires_at > registrar.now and known.uri not in [each.uri for each in new]:
            assert known.call_id != step.call_id or step.cseq > known.cseq
    indices: dict[str | None, set[str]] = {}
    for each in new:
        indices.setdefault(each.instance, set()).add(each.index)
    assert all(len(each) == 1 for each in indices.values())


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=30))
def test_any_text_is_bound_or_refused_and_nothing_else(contact: str, path: str, supported: str) -> None:
    request = a_register(contact, Path=path, Supported=supported)
    with contextlib.suppress(SipSyntaxError):
        register((), request, FLOW, aor=AOR, limits=LIMITS, now=Registrar().now, draw=lambda: "00" * 8)
