"""The registrar of a stand-alone server (RFC 3261 §10.3): who is where, and by which flow a device is reached.

What a request does is decided in one pure step (`sip/bindings.py`); here are the lock that keeps the requests of a user
in their order, the journal, and the time. Law: a 200 leaves after the bindings that it tells are durable.

The server is no proxy. What is registered serves its own requests: a NOTIFY to a device whose flow is another one now,
or whose Contact is a GRUU, leaves on a flow that the device registered (RFC 5626 §7, RFC 5627 §6.1).
"""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
import logging
import secrets
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from abserver.domain.identity import NO_ALIASES, Aor, InvalidAor, domain_of, parse_aor
from abserver.ports import BindingsRecord, SecretRecord, SendFailure
from abserver.services.reaching import Way
from abserver.services.sweeping import Sweeper
from abserver.sip.bindings import accepted, current, register
from abserver.sip.errors import SipSyntaxError
from abserver.sip.grammar import bare_host
from abserver.sip.gruu import INDEX_OCTETS, SALT_OCTETS, SECRET_OCTETS, Gruus, is_gruu
from abserver.sip.headers import NameAddr
from abserver.sip.message import Response
from abserver.sip.uas import make_response
from abserver.sip.uri import SipUri

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Iterable, Sequence

    from abserver.domain.identity import Identities, Watcher
    from abserver.ports import Clock, Respond
    from abserver.services.authenticating import Authenticator
    from abserver.services.followers import Followed
    from abserver.services.outbox import Outbox
    from abserver.sip.bindings import Binding, Limits
    from abserver.sip.message import Request
    from abserver.sip.transport import Flow
    from abserver.sip.uas import Capabilities

log = logging.getLogger(__name__)

SECRET = "gruu"  # noqa: S105 - its name
"""In the journal: what GRUUs are sealed with."""
_BUSY = 1.0
"""Seconds until bindings are looked at again that a REGISTER is about to change."""
MAX_FAILED = 65_536
"""Flows of which it is remembered that a request failed."""
_FLOW_FAILED = frozenset({408, 430})
"""Answers after which another flow of the device is tried (RFC 5626 §7)."""

EXTENSIONS = frozenset({"path", "outbound", "gruu"})
"""Option tags that a Require of a REGISTER may name."""


def with_registrar(capabilities: Capabilities) -> Capabilities:
    """The capabilities of a server that is a registrar too."""
    return dataclasses.replace(
        capabilities,
        methods=(*capabilities.methods, "REGISTER"),
        extensions=capabilities.extensions | EXTENSIONS,
    )


class Registering:
    """Answers REGISTER, and knows where devices are."""

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        outbox: Outbox,
        clock: Clock,
        domains: Sequence[str],
        limits: Limits,
        known: Sequence[BindingsRecord] = (),
        kept: Sequence[SecretRecord] = (),
        identities: Identities = NO_ALIASES,
        on_reach: Callable[[Followed], None] = lambda followed: None,
        draw: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """known, kept: what the journal remembers. on_reach: told of a subscriber who has a flow again, after a request
        found none. draw: so many octets by chance."""
        self._on_reach = on_reach
        self._authenticator = authenticator
        self._outbox = outbox
        self._clock = clock
        self._domains = frozenset(domains)
        self._limits = limits
        self._identities = identities
        self._draw = draw
        self._locks: WeakValueDictionary[Aor, asyncio.Lock] = WeakValueDictionary()
        self._users: dict[Aor, tuple[Binding, ...]] = {}
        self._indices: dict[str, tuple[Aor, str]] = {}
        """User and instance by the index of temporary GRUUs."""
        self._failed: dict[Flow, datetime.datetime] = {}
        """When a request failed on a flow, of late (RFC 5626 §7)."""
        self._lost: dict[tuple[str, str], set[Followed]] = {}
        """Subscribers to whom no flow led, by user and instance of their devices."""
        self._sweeper: Sweeper[Aor] = Sweeper(clock, self._expire)
        secret = next((each.value for each in kept if each.name == SECRET), None)
        self._unwritten = [SecretRecord(SECRET, draw(SECRET_OCTETS))] if secret is None else []
        self._gruus = Gruus(secret or self._unwritten[0].value)
        for record in known:
            self._take(record.user, record.bindings)

    # -- REGISTER ---------------------------------------------------------------------------------------------------

    async def handle(self, request: Request, flow: Flow, respond: Respond) -> None:
        """Answer a REGISTER (a `RequestHandler`)."""
        try:
            respond(await self._answer(request, flow))
        except SipSyntaxError as error:
            respond(make_response(request, error.status_hint, reason=error.reason))

    async def _answer(self, request: Request, flow: Flow) -> Response:
        """Steps 3 to 8; what comes before is `inspect`'s."""
        sender = await self._authenticator.identify(request, flow)
        if isinstance(sender, Response):
            return sender
        try:
            user = self._identities.canonical(request.to.uri)
        except InvalidAor:
            raise SipSyntaxError("Malformed To") from None
        if user != sender:
            log.warning("registration refused", extra={"peer": flow.remote.host, "user": sender})
            return make_response(request, 403)
        if not self._is_for(request, user):
            return make_response(request, 404)
        lock = self._locks.setdefault(user, asyncio.Lock())
        async with lock:
            return await self._register(request, flow, user)

    def _is_for(self, request: Request, user: Aor) -> bool:
        """Whether the address of record is one of the domain in the Request-URI (step 5), or of any domain of ours
        where that is the address of the server."""
        host = bare_host(SipUri.parse(request.uri).host).lower()
        named = {domain_of(user), domain_of(parse_aor(request.to.uri))}
        return not named.isdisjoint(self._domains) and (host in named or _is_address(host))

    async def _register(self, request: Request, flow: Flow, user: Aor) -> Response:
        now = self._clock.utc()
        done = register(
            self._users.get(user, ()),
            request,
            flow,
            aor=user,
            limits=self._limits,
            now=now,
            draw=lambda: self._draw(INDEX_OCTETS).hex(),
        )
        if isinstance(done, Response):
            return done
        if done.changed:
            await self._outbox.write(*self._unwritten, BindingsRecord(user, done.bindings))
            self._unwritten.clear()
            self._take(user, done.bindings)
            self._found(user, {each.instance for each in done.bindings if each.updated_at == now})
            log.info("registered", extra={"user": user, "bindings": len(done.bindings), "flow": str(flow.remote)})
        return accepted(request, done, limits=self._limits, now=now, gruus=lambda each: self._gruus_of(user, each))

    def _found(self, user: Aor, instances: Iterable[str | None]) -> None:
        """These devices of a user registered just now."""
        for instance in instances:
            for followed in self._lost.pop((user, instance or ""), ()):
                self._on_reach(followed)

    def _gruus_of(self, user: Aor, binding: Binding) -> tuple[str, str]:
        """A public and a new temporary one, of the scheme of the Contact (RFC 5630 §5.2.1)."""
        public = self._gruus.public(user, binding.instance or "")
        salt = self._draw(SALT_OCTETS)
        temporary = self._gruus.temporary(domain_of(user), bytes.fromhex(binding.index), salt)
        if binding.uri[:5].lower() == "sips:":
            return f"sips{public[3:]}", f"sips{temporary[3:]}"
        return public, temporary

    # -- what is there ----------------------------------------------------------------------------------------------

    def bindings(self, user: Aor) -> Sequence[Binding]:
        """What is registered for a user now."""
        return current(self._users.get(user, ()), self._clock.utc())

    def registered_until(self, watcher: Watcher, device: str) -> datetime.datetime | None:
        """When a device of a watcher is registered no more, unless it registers again; None if it is not now."""
        ends = [each.expires_at for each in self.bindings(watcher) if each.instance == device]
        return max(ends, default=None)

    def _take(self, user: Aor, bindings: tuple[Binding, ...]) -> None:
        """These are the user's bindings from now on."""
        for gone in self._users.pop(user, ()):
            self._indices.pop(gone.index, None)
            if not bindings:
                self._lost.pop((user, gone.instance or ""), None)
        if not bindings:
            return
        self._users[user] = bindings
        for each in bindings:
            if each.instance:
                self._indices[each.index] = user, each.instance
        next_end = min(each.expires_at for each in bindings)
        self._sweeper.book(self._clock.now() + (next_end - self._clock.utc()).total_seconds(), user)

    def _expire(self, user: Aor) -> None:
        """Some of the bindings may have ended."""
        lock = self._locks.get(user)
        if lock is not None and lock.locked():  # what it writes would be written over
            self._sweeper.book(self._clock.now() + _BUSY, user)
            return
        before = self._users.get(user, ())
        left = current(before, self._clock.utc())
        if len(left) < len(before):
            self._outbox.put(BindingsRecord(user, left))
            log.info("registration expired", extra={"user": user, "bindings": len(left)})
        self._take(user, left)

    async def watch_the_clock(self) -> None:
        """Forget bindings when they end, until cancelled."""
        await self._sweeper.run()

    # -- GRUUs ------------------------------------------------------------------------------------------------------

    def resolve(self, request: Request) -> Aor | Response:
        """The user to whose device a public GRUU leads, or the refusal (RFC 5627 §6.1): 404 for one that is not valid,
        480 for one without a registered contact.

        404 for a temporary one too: an answer about its user's card would tell whose it is, which it is there to hide.
        """
        named = self._gruus.instance_of(SipUri.parse(request.uri))
        if named is None:
            return make_response(request, 404)
        user, instance = Aor(named[0]), named[1]
        if not any(each.instance == instance for each in self.bindings(user)):
            return make_response(request, 480)
        return user

    def _device_at(self, uri: str) -> tuple[Aor, str] | None:
        """User and instance of a GRUU that is valid."""
        parsed = SipUri.parse(uri)
        index = self._gruus.index_of(parsed)
        if index is not None:
            return self._indices.get(index.hex())
        found = self._gruus.instance_of(parsed)
        return None if found is None else (Aor(found[0]), found[1])

    def owns(self, uri: str) -> bool:
        """Whether a GRUU is one of our domains, so that only we can tell where it leads."""
        return is_gruu(uri) and bare_host(SipUri.parse(uri).host).lower() in self._domains

    # -- ways to devices --------------------------------------------------------------------------------------------

    def way(self, followed: Followed) -> Way | None:
        """The way of the next request to a subscriber (`reaching.Reach`).

        The flow of its last SUBSCRIBE, if that is registered, or newer than all that are; else the newest of those.
        """
        dialog = followed.dialog
        if self.owns(dialog.remote_target):
            return self._way_to_gruu(followed)
        if dialog.route_set:
            return None
        bindings = self._bound(*self._device_of(followed))
        reachable = self._reachable(bindings)
        own = next((each for each in bindings if each.flow == followed.flow), None)
        if reachable and not self._is_good(followed, own, reachable[0]):
            return _way_to(reachable[0])
        return None if own is None or own.reg_id is None else Way(own.flow, pinned=True)

    def _is_good(self, followed: Followed, own: Binding | None, newest: Binding) -> bool:
        """Whether the dialog's own flow is as good as the newest that is registered."""
        heard_at = followed.heard_at
        if own is not None:
            heard_at = own.updated_at if heard_at is None else max(heard_at, own.updated_at)
        if heard_at is None or not self._is_up(followed.flow, heard_at):
            return False
        return own is not None or heard_at > newest.updated_at

    def _is_up(self, flow: Flow, heard_at: datetime.datetime) -> bool:
        """Whether no request failed on a flow since something came on it."""
        failed_at = self._failed.get(flow)
        return failed_at is None or failed_at < heard_at

    def _way_to_gruu(self, followed: Followed) -> Way:
        """To the contact that stands for the GRUU now: the one on the flow of the dialog, else the newest. A Path is
        left aside where the dialog has a route (RFC 5627 §6.1)."""
        named = self._device_at(followed.dialog.remote_target)
        mine = named is not None and named[0] == followed.identity
        bindings = self._reachable(self._bound(*named)) if named is not None and mine else []
        if not bindings:
            return Way(None, pinned=True)  # nobody is there: 480, or 430
        chosen = next((each for each in bindings if each.flow == followed.flow), bindings[0])
        if followed.dialog.route_set:
            return Way(followed.flow, chosen.uri)
        return _way_to(chosen)._replace(uri=chosen.uri)

    def _device_of(self, followed: Followed) -> tuple[str, str]:
        """User and instance of a subscriber: by a GRUU, else by the device's name, to which a package may add."""
        target = followed.dialog.remote_target
        named = self._device_at(target) if self.owns(target) else None
        return named or (followed.identity, followed.key.device.partition(" ")[0])

    def _bound(self, user: str, instance: str) -> Sequence[Binding]:
        """The bindings of a device that lead to it."""
        bindings = current(self._users.get(Aor(user), ()), self._clock.utc())
        return [each for each in bindings if each.instance == instance and (each.direct or each.path)]

    def _reachable(self, bindings: Sequence[Binding]) -> Sequence[Binding]:
        """Those whose flows did not fail, the newest first."""
        up = [each for each in bindings if self._is_up(each.flow, each.updated_at)]
        return sorted(up, key=lambda each: each.updated_at, reverse=True)

    def failed(self, followed: Followed, way: Way | None, answer: Response | SendFailure) -> bool:
        """Take note that a request failed on its way; whether there is another one (`reaching.Reach`)."""
        if not isinstance(answer, SendFailure) and answer.status not in _FLOW_FAILED:
            return False
        flow = followed.flow if way is None else way.flow
        if flow is not None and followed.identity in self._users:
            if len(self._failed) >= MAX_FAILED:
                self._failed.clear()
            self._failed[flow] = self._clock.utc()
        other = self.way(followed)
        if other is not None and other.flow is not None and other != way:
            return True
        if followed.living and self._bound(*self._device_of(followed)):
            self._lost.setdefault(self._device_of(followed), set()).add(followed)
        return False


def _way_to(binding: Binding) -> Way:
    if binding.path:
        return Way(binding.flow, routes=tuple(NameAddr.parse(each).uri for each in binding.path))
    return Way(binding.flow, pinned=True)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
