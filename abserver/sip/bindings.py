"""A registrar's bindings (RFC 3261 §10.3, with RFC 3327 Path, RFC 5626 outbound and RFC 5627 GRUU): REGISTER in, the
bindings of one address of record out.

Laws: a REGISTER is carried out as a whole or not at all (`register` changes nothing, it returns what is to be). Of two
requests of one Call-ID the one with the higher CSeq wins, in whatever order they come. What grows with a request has a
bound. Times are those of the wall clock, since bindings outlive the process.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from abserver.sip.equivalence import equivalent
from abserver.sip.errors import SipSyntaxError
from abserver.sip.grammar import format_params, parse_number, quote
from abserver.sip.gruu import is_gruu
from abserver.sip.headers import NameAddr, parse_seconds
from abserver.sip.uas import make_response
from abserver.sip.uri import SipUri

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from abserver.sip.message import Request, Response
    from abserver.sip.transport import Flow

MALFORMED_EXPIRES = 3600
"""Seconds that a malformed duration stands for (§10.2.1.1, §20.10)."""
LONGEST_CONTACT = 2048
"""Characters of one Contact."""
LONGEST_PATH = 4096
"""Characters of all Path values of a request."""
LONGEST_CALL_ID = 512
LONGEST_INSTANCE = 256
LONGEST_AGENT = 256
"""Characters of User-Agent that are kept."""

_OURS = frozenset({"expires", "pub-gruu", "temp-gruu"})
"""Contact parameters that are the registrar's to say in an answer (RFC 5627 §5.1: a client's are ignored)."""
_OUT_OF_ORDER = "CSeq Out Of Order"
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator decides."""

    min_expires: int = 60
    """Seconds; less is refused with 423."""
    default_expires: int = 3600
    max_expires: int = 7200
    """Seconds; more is cut."""
    contacts: int = 16
    """Bindings of one address of record."""
    flow_timer: int = 120
    """Seconds, for Flow-Timer (RFC 5626 §6); 0: not said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One contact of an address of record."""

    uri: str
    """As it came."""
    display: str = ""
    params: tuple[tuple[str, str | None], ...] = ()
    """The Contact's parameters as they came (RFC 3840, `q`, `+sip.instance`, `reg-id`), but for those that are the
    registrar's to say."""
    path: tuple[str, ...] = ()
    """The Path vector, each value as it came (RFC 3327 §5.3)."""
    call_id: str
    cseq: int
    expires_at: datetime.datetime
    updated_at: datetime.datetime
    flow: Flow
    """That of its last REGISTER."""
    direct: bool = True
    """Whether nothing but the flow was between the device and us."""
    reg_id: int | None = None
    """Of a binding of RFC 5626; None where the parameter is missing, or was to be ignored."""
    index: str = ""
    """By which its temporary GRUUs are found, in hexadecimal; empty without an instance."""
    agent: str = ""
    """User-Agent."""

    @property
    def contact(self) -> NameAddr:
        return NameAddr(self.uri, self.display, dict(self.params))

    @property
    def instance(self) -> str | None:
        """The `+sip.instance` without its angle brackets; as in the names of devices, in lower case."""
        return instance_of(self.contact)

    @property
    def q(self) -> float:
        """The preference, 1.0 unless it says otherwise."""
        return parse_q(self.contact.params.get("q", "1"))

    def remaining(self, now: datetime.datetime) -> int:
        """Whole seconds, rounded up."""
        return -((now - self.expires_at) // datetime.timedelta(seconds=1))


@dataclass(frozen=True, slots=True)
class Registered:
    """What comes of a REGISTER that is carried out."""

    bindings: tuple[Binding, ...]
    """Those of the address of record from now on, none of them expired."""
    changed: bool
    """Whether they are others than before; not so for a fetch."""
    outbound: bool = False
    """Whether RFC 5626 was applied, and the answer has to require it."""


def instance_of(contact: NameAddr) -> str | None:
    """The instance that a Contact names (RFC 5626 §4.1), in lower case: URNs of that kind compare so."""
    instance = contact.param("+sip.instance")
    return instance.strip("<>").lower() if instance else None


def current(bindings: Iterable[Binding], now: datetime.datetime) -> tuple[Binding, ...]:
    """Those that have not expired."""
    return tuple(each for each in bindings if each.expires_at > now)


def preferred(bindings: Iterable[Binding]) -> list[Binding]:
    """In the order in which they are to be tried: by q, of equals the newest first (RFC 5627 §6.1)."""
    return sorted(bindings, key=lambda each: (each.q, each.updated_at), reverse=True)


def register(
    stored: Sequence[Binding],
    request: Request,
    flow: Flow,
    *,
    aor: str,
    limits: Limits,
    now: datetime.datetime,
    draw: Callable[[], str],
) -> Registered | Response:
    """Carry out a REGISTER of `aor`, whose sender may; a Response is the refusal. Raises SipSyntaxError.

    stored: the bindings so far. aor: the address of record in normal form, `sip:user@domain`. draw: a new index for
    temporary GRUUs, by chance.
    """
    return _Registration(request, flow, aor, limits, now, draw).carry_out(current(stored, now))


class _Registration:
    """One REGISTER on its way."""

    def __init__(
        self,
        request: Request,
        flow: Flow,
        aor: str,
        limits: Limits,
        now: datetime.datetime,
        draw: Callable[[], str],
    ) -> None:
        self._request = request
        self._flow = flow
        self._aor = aor
        self._limits = limits
        self._now = now
        self._draw = draw
        self._call_id = request.call_id
        self._cseq = request.cseq.number
        self._direct = len(request.headers.elements("Via")) == 1
        self._supported = frozenset(request.option_tags("Supported"))
        self._path = tuple(request.headers.elements("Path"))
        self._outbound = False

    def carry_out(self, stored: tuple[Binding, ...]) -> Registered | Response:
        elements = self._request.headers.elements("Contact")
        if not elements:
            return Registered(stored, changed=False)
        if "*" in elements:
            return self._remove_all(stored, elements)
        if max(map(len, elements)) > LONGEST_CONTACT or len(self._call_id) > LONGEST_CALL_ID:
            return self._refused(400, reason="Contact Too Long")
        contacts = [NameAddr.parse(each) for each in elements]
        return self._refusal(contacts) or self._bind(stored, contacts)

    def _remove_all(self, stored: tuple[Binding, ...], elements: Sequence[str]) -> Registered | Response:
        """Step 6 of §10.3."""
        if len(elements) > 1 or self._request.expires != 0:
            return self._refused(400, reason="Invalid Request")
        if any(map(self._is_late_for, stored)):
            return self._refused(500, reason=_OUT_OF_ORDER)
        return Registered((), changed=bool(stored))

    # -- what the request may not be --------------------------------------------------------------------------------

    def _refusal(self, contacts: Sequence[NameAddr]) -> Response | None:
        lasting = [each for each in contacts if self._wish(each) != 0]
        if any(0 < self._wish(each) < min(3600, self._limits.min_expires) for each in lasting):
            return self._refused(423, ("Min-Expires", str(self._limits.min_expires)))
        if len(lasting) > 1 and any("reg-id" in each.params for each in lasting):  # RFC 5626 §6
            return self._refused(400, reason="Several Contacts with a reg-id")
        for contact in contacts:
            if refusal := self._refusal_of(contact, lasting=contact in lasting):
                return refusal
        return self._refusal_of_path(contacts)

    def _refusal_of(self, contact: NameAddr, *, lasting: bool) -> Response | None:
        instance = contact.param("+sip.instance")
        if instance is not None and not (0 < len(instance) <= LONGEST_INSTANCE and instance.isascii()):
            return self._refused(400, reason="Malformed +sip.instance")
        parse_q(contact.params.get("q", "1"))
        is_sip = contact.uri.partition(":")[0].lower() in ("sip", "sips")
        if is_sip:
            uri = SipUri.parse(contact.uri)
            if uri.scheme == "sips" and not self._is_sips_throughout():  # RFC 5630 §5.2
                return self._refused(400, reason="SIPS Contact Without SIPS Request-URI and Path")
        if lasting and instance is not None and (not is_sip or self._leads_back(contact.uri)):  # RFC 5627 §5.1
            return self._refused(403, reason="Contact Is No Device")
        return None

    def _is_sips_throughout(self) -> bool:
        uris = (self._request.uri, *(NameAddr.parse(each).uri for each in self._path))
        return all(each.lower().startswith("sips:") for each in uris)

    def _leads_back(self, uri: str) -> bool:
        """Whether the contact is the address of record itself or a GRUU of it. A temporary one has its domain."""
        plain = f"sip:{uri.partition(':')[2]}"
        if equivalent(plain, self._aor):
            return True
        return is_gruu(plain) and SipUri.parse(plain).host.lower() == self._aor.rpartition("@")[2]

    def _refusal_of_path(self, contacts: Sequence[NameAddr]) -> Response | None:
        if self._path and "path" not in self._supported:
            return self._refused(420, ("Unsupported", "path"))  # RFC 3327 §5.3: the recommended policy
        if sum(map(len, self._path)) > LONGEST_PATH:
            return self._refused(400, reason="Path Too Long")
        for each in self._path:
            SipUri.parse(NameAddr.parse(each).uri)
        asks = "outbound" in self._supported and any("reg-id" in each.params for each in contacts)
        if asks and not self._first_hop_knows_flows():
            return self._refused(439)
        return None

    def _first_hop_knows_flows(self) -> bool:
        """Whether the device is on a flow of ours, or of an edge proxy that says so: only the first hop may put `ob`
        into its Path, so wherever it stands it is that one's (RFC 5626 §5.1, §6)."""
        return self._direct or any("ob" in SipUri.parse(NameAddr.parse(each).uri).params for each in self._path)

    def _refused(self, status: int, *headers: tuple[str, str], reason: str | None = None) -> Response:
        return make_response(self._request, status, reason=reason, headers=headers)

    # -- what is bound ----------------------------------------------------------------------------------------------

    def _bind(self, stored: tuple[Binding, ...], contacts: Sequence[NameAddr]) -> Registered | Response:
        """Step 7 of §10.3: all contacts in turn, each beside the bindings that there were before."""
        bindings = dict(enumerate(stored))
        bound: set[int] = set()
        for contact in contacts:
            reg_id = self._reg_id(contact)
            found = [place for place, each in bindings.items() if _is_same(each, contact, reg_id)]
            if not bound.isdisjoint(found):
                return self._refused(400, reason="Contact Listed Twice")
            if any(self._is_late_for(bindings[place]) for place in found):
                return self._refused(500, reason=_OUT_OF_ORDER)
            known = [bindings.pop(place) for place in found]
            if self._wish(contact):
                index = self._index(contact, reg_id, known, [*stored, *bindings.values()])
                bindings = _with_index(bindings, contact, index)
                place = found[0] if found else len(stored) + len(bound)
                bindings[place] = self._binding(contact, reg_id, index)
                bound.add(place)
        after = tuple(bindings[place] for place in sorted(bindings))
        if len(after) > max(self._limits.contacts, len(stored)):
            return self._refused(503, ("Retry-After", str(self._limits.min_expires)), reason="Too Many Contacts")
        return Registered(after, changed=True, outbound=self._outbound and "outbound" in self._supported)

    def _is_late_for(self, binding: Binding) -> bool:
        """Whether this request was sent before the one that made the binding, by the same user agent."""
        return binding.call_id == self._call_id and self._cseq <= binding.cseq

    def _wish(self, contact: NameAddr) -> int:
        """The duration that is asked for: the parameter's, else the field's, else the default."""
        if "expires" in contact.params:
            return _seconds(contact.params["expires"])
        field = self._request.headers.get("Expires")
        return self._limits.default_expires if field is None else _seconds(field)

    def _reg_id(self, contact: NameAddr) -> int | None:
        """The flow's number, where RFC 5626 applies: with an instance, and a first hop that knows flows."""
        if "reg-id" not in contact.params or not instance_of(contact) or not self._first_hop_knows_flows():
            return None
        self._outbound = True
        number = parse_number(contact.params["reg-id"] or "", 2**31 - 1)
        if number == 0:
            raise SipSyntaxError("Malformed reg-id")
        return number

    def _index(self, contact: NameAddr, reg_id: int | None, known: Sequence[Binding], others: Sequence[Binding]) -> str:
        """What finds the device by its temporary GRUUs: a new one when all that were given so far end, since the user
        agent began anew, with another Call-ID (RFC 5627 §5.1)."""
        instance = instance_of(contact)
        if not instance:
            return ""
        of_device = [each for each in (*known, *others) if each.instance == instance]
        of_flow = [each for each in of_device if reg_id is None or each.reg_id == reg_id]
        newest = max(of_flow, key=lambda each: each.updated_at, default=None)
        if newest is not None and newest.call_id != self._call_id:
            return self._draw()
        return of_device[0].index if of_device else self._draw()

    def _binding(self, contact: NameAddr, reg_id: int | None, index: str) -> Binding:
        lasts = min(self._wish(contact), self._limits.max_expires)
        return Binding(
            uri=contact.uri,
            display=contact.display,
            params=tuple((name, value) for name, value in contact.params.items() if name not in _OURS),
            path=self._path,
            call_id=self._call_id,
            cseq=self._cseq,
            expires_at=self._now + datetime.timedelta(seconds=lasts),
            updated_at=self._now,
            flow=self._flow,
            direct=self._direct,
            reg_id=reg_id,
            index=index,
            agent=(self._request.headers.get("User-Agent") or "")[:LONGEST_AGENT],
        )


def _is_same(binding: Binding, contact: NameAddr, reg_id: int | None) -> bool:
    """Whether a Contact is about this binding: by instance and flow (RFC 5626 §6), else by its URI (§10.3)."""
    if reg_id is not None:
        return binding.reg_id == reg_id and binding.instance == instance_of(contact)
    return binding.reg_id is None and equivalent(binding.uri, contact.uri)


def _with_index(bindings: dict[int, Binding], contact: NameAddr, index: str) -> dict[int, Binding]:
    """All bindings of a device have one index."""
    instance = instance_of(contact)
    if instance is None:
        return bindings
    return {
        place: replace(each, index=index) if each.instance == instance and each.index != index else each
        for place, each in bindings.items()
    }


def _seconds(text: str | None) -> int:
    try:
        return parse_seconds(text or "")
    except SipSyntaxError:
        return MALFORMED_EXPIRES


def parse_q(text: str | None) -> float:
    """A preference from 0 to 1 with at most three digits (§25.1); raises SipSyntaxError."""
    whole, _, part = (text or "").partition(".")
    if whole not in ("0", "1") or len(part) > 3 or not (part == "" or (part.isascii() and part.isdigit())):
        raise SipSyntaxError("Malformed q")
    value = float(f"{whole}.{part or '0'}")
    if value > 1.0:
        raise SipSyntaxError("Malformed q")
    return value


# -- the answer -----------------------------------------------------------------------------------------------------


def accepted(
    request: Request,
    registered: Registered,
    *,
    limits: Limits,
    now: datetime.datetime,
    gruus: Callable[[Binding], tuple[str, str]],
) -> Response:
    """Step 8 of §10.3: 200 with all bindings, the preferred first.

    gruus: the public GRUU of a binding that has an instance, and a new temporary one.
    """
    asks = "gruu" in request.option_tags("Supported")
    headers = [("Contact", _contact_of(each, now, gruus if asks else None)) for each in preferred(registered.bindings)]
    headers += [("Path", each) for each in request.headers.get_all("Path")]  # RFC 3327 §5.3
    if registered.outbound:
        headers.append(("Require", "outbound"))  # RFC 5626 §6
        if limits.flow_timer:
            headers.append(("Flow-Timer", str(limits.flow_timer)))
    response = make_response(request, 200, headers=[*headers, ("Date", sip_date(now))])
    response.headers.remove("Record-Route")  # §10.3: a registrar's answer has none
    return response


def _contact_of(binding: Binding, now: datetime.datetime, gruus: Callable[[Binding], tuple[str, str]] | None) -> str:
    params: dict[str, str | None] = dict(binding.params)
    if gruus is not None and binding.instance:
        public, temporary = gruus(binding)
        params |= {"pub-gruu": quote(public), "temp-gruu": quote(temporary)}
    params["expires"] = str(binding.remaining(now))
    return f"{NameAddr(binding.uri, binding.display)}{format_params(params)}"


def sip_date(now: datetime.datetime) -> str:
    """A Date (§20.17): RFC 1123, in English whatever the locale."""
    utc = now.astimezone(datetime.UTC)
    return f"{_DAYS[utc.weekday()]}, {utc:%d} {_MONTHS[utc.month - 1]} {utc:%Y %H:%M:%S} GMT"
