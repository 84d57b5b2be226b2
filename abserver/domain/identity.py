"""Who somebody is: addresses of record in one normal form (RFC 3261 §10.1, §19.1), telephone numbers (RFC 3966), and
which of them are the same user.

Two spellings of one address become the same string here and nowhere else, so that every other room compares
identities with `==`. An `Owner` never passes for a `Watcher`: the types differ, the text is the same.

URIs of different schemes never equal each other by themselves (RFC 5025 §3.1.1.2), and a number means nobody in
particular at another operator's. So which number is which user is for the operator to say (`Identities`).
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Final, NewType

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

Aor = NewType("Aor", str)
"""A user's address in normal form: `sip:user@domain`, domain in lower case, no port, parameters or headers; or the tel
URI of who has no such address: `tel:+15550100`."""

Owner = NewType("Owner", Aor)
"""Whose contact card it is."""

Watcher = NewType("Watcher", Aor)
"""Who asks for the card or follows it; authenticated, or ANONYMOUS."""

ANONYMOUS: Final = Watcher(Aor("sip:anonymous@anonymous.invalid"))
"""Nobody in particular (RFC 3323 §4.1.1.3): who is not authenticated, and as whom all are shown who want privacy."""

NOBODYS_DOMAINS: Final = frozenset({"anonymous.invalid", "unknown.invalid"})
"""Whoever has an address there is nobody in particular: hidden (RFC 3323), or not known to a gateway (TS 29.163)."""

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = rf"(?:{_LABEL}\.)*{_LABEL}\.?|\[[0-9A-Fa-f:.]+\]"
# `user` of RFC 3261 §25.1 without a password: an address of record has none.
_USER = r"(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/]|%[0-9A-Fa-f]{2})+"
_AOR = re.compile(
    rf"sips?:(?P<user>{_USER})@(?P<host>{_HOST})(?::[0-9]{{1,5}})?(?P<rest>(?:[;?][^\s<>\"@]*)?)",
    re.IGNORECASE | re.ASCII,
)
_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9\-_.!~*'()]")
_IS_PHONE = re.compile(r";user=phone(?:[;?]|$)", re.IGNORECASE)

_SEPARATORS = re.compile(r"[-.()]")
_GLOBAL = re.compile(r"\+[0-9]+")
_LOCAL = re.compile(r"[0-9a-f*#]+")
_CONTEXT = re.compile(rf"\+[0-9]+|(?:{_LABEL}\.)*{_LABEL}")
_SUBSCRIBER = re.compile(r"[0-9a-z+\-.()*#;=_%/:&$!~'\[\]]+")
_IDENTIFYING = ("ext", "isub", "phone-context")
"""Parameters that tell one line from another (RFC 3966 §5.3 to §5.1.5). The others say how a call is to be carried or
charged (RFC 4694, RFC 5341); carriers add and drop them on the way, and the number stays the same user's."""

LONGEST = 320
"""Longer text is no address: 64 octets of user, `@` and 255 of domain, the bound that mail has (RFC 5321 §4.5.3.1)."""


REMEMBERED = 16_384
"""Addresses whose normal form is at hand: the same few turn up again and again."""


class InvalidAor(ValueError):
    """The text is neither a SIP address of record nor a tel URI."""

    def __init__(self) -> None:
        super().__init__("not an address: write it as sip:user@domain")


@functools.lru_cache(REMEMBERED)
def parse_aor(text: str) -> Aor:
    """The normal form of a SIP or SIPS URI that names a user, or of a tel URI. Raises InvalidAor.

    RFC 3261 §19.1.4: hosts compare without case, escapes of unreserved characters equal the characters. The scheme,
    port, parameters and headers say how to reach the user, not who it is (RFC 5630 §4.1: both schemes name the
    same resource), so they go. A number (`tel:`, or before the `@` with `user=phone`) compares as RFC 3966 §4 says:
    without its visual separators and without case, its parameters in one order (RFC 3261 §19.1.6).
    """
    text = text.strip(" \t\r\n")
    if len(text) > LONGEST:
        raise InvalidAor
    if text[:4].lower() == "tel:":
        number = _number(text[4:])
        if number is None:
            raise InvalidAor
        return Aor(f"tel:{number}")
    found = _AOR.fullmatch(text)
    if found is None:
        raise InvalidAor
    user = _ESCAPE.sub(_unescaped, found["user"])
    if _IS_PHONE.search(found["rest"]):
        user = _number(user) or user
    return Aor(f"sip:{user}@{found['host'].rstrip('.').lower()}")


def domain_of(aor: Aor) -> str:
    """The domain of an address in normal form; empty for a tel URI, which has none."""
    return aor.rpartition("@")[2] if aor.startswith("sip:") else ""


class Identities:
    """Which addresses are the same user: the names that an operator gives, and numbers of a domain."""

    def __init__(
        self,
        aliases: Mapping[Aor, Aor],
        *,
        domains: Collection[str] = (),
        phone_domain: str | None = None,
    ) -> None:
        """aliases: another address -> the user's own. domains: those whose users are ours.

        phone_domain: the domain in which numbers are users: `tel:+15550100` is `sip:+15550100@phone_domain` unless it
        is an alias, and so is the local number 100 with one of our domains as its context `sip:100@…` there. None: a
        number is a user by an alias only.
        """
        self._phone_domain = phone_domain
        self._domains = frozenset(domains)
        self._aliases = (
            {user: user for user in aliases.values()} | dict(self._numbers_in_domains(aliases)) | {**aliases}
        )

    def canonical(self, text: str) -> Aor:
        """The one address of the user whom `text` names, in normal form. Raises InvalidAor."""
        aor = parse_aor(text)
        if aor in self._aliases:
            return self._aliases[aor]
        return aor if self._phone_domain is None else self._of_number(aor, self._phone_domain)

    def xui(self, xui: str) -> str:
        """The same for an XUI of the document server, which may be no address at all; a user's own SIP address stays as
        it is written there."""
        try:
            known = self.canonical(xui)
        except InvalidAor:
            return xui
        return xui if known == parse_aor(xui) and not known.startswith("tel:") else known

    def _numbers_in_domains(self, aliases: Mapping[Aor, Aor]) -> Iterator[tuple[Aor, Aor]]:
        """A number's user is meant by the SIP form of the number at our domains, too (RFC 3261 §19.1.6)."""
        for alias, user in aliases.items():
            for domain in self._domains if alias.startswith("tel:") else ():
                form = Aor(f"sip:{alias[4:]}@{domain}")
                if form not in aliases.values():
                    yield form, user

    def _of_number(self, aor: Aor, phone_domain: str) -> Aor:
        number = aor[4:] if aor.startswith("tel:") else ""
        if not number and domain_of(aor) in self._domains:
            number = _number(aor[4:].rpartition("@")[0]) or ""
        digits, _, context = number.partition(";phone-context=")
        if _GLOBAL.fullmatch(number) or (context in self._domains and ";" not in digits):
            return Aor(f"sip:{digits}@{phone_domain}")
        return aor


NO_ALIASES: Final = Identities({})
"""Every address is a user of its own."""


def _number(subscriber: str) -> str | None:
    """The normal form of a `telephone-subscriber` (RFC 3966 §3); None for what is no number."""
    subscriber = subscriber.lower()
    if not _SUBSCRIBER.fullmatch(subscriber):
        return None
    head, *parts = subscriber.split(";")
    digits = _SEPARATORS.sub("", head)
    given = dict(part.partition("=")[::2] for part in parts)
    if len(given) < len(parts):
        return None  # "MUST NOT appear more than once"
    context = given.get("phone-context")
    if context is not None:
        context = _SEPARATORS.sub("", context) if context.startswith("+") else context.rstrip(".")
        given["phone-context"] = context
    if _GLOBAL.fullmatch(digits):
        given.pop("phone-context", None)  # a global number has none (§5.1.4)
    elif not (_LOCAL.fullmatch(digits) and context is not None and _CONTEXT.fullmatch(context)):
        return None
    if "ext" in given:
        given["ext"] = _SEPARATORS.sub("", given["ext"])
    return digits + "".join(f";{name}={given[name]}" for name in _IDENTIFYING if given.get(name))


def _unescaped(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if _UNRESERVED.fullmatch(character) else escape[0].upper()
