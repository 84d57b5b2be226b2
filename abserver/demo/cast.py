"""Who takes part: an owner, four watchers with five devices, and what each of them shall see."""

from __future__ import annotations

from dataclasses import dataclass

from abserver.events.contact_card import PATCH, VCARD, XCARD
from abserver.sip.transport import Transport


@dataclass(frozen=True, slots=True)
class Person:
    """One user of the server."""

    name: str
    export: str
    """The contact that their phone or mail program exported: a file in `data/`."""

    @property
    def aor(self) -> str:
        return f"sip:{self.user}@example.com"

    @property
    def user(self) -> str:
        return self.name.lower()

    @property
    def password(self) -> str:
        """Good enough for a server that lives for seconds on loopback."""
        return f"{self.user}-secret"


@dataclass(frozen=True, slots=True)
class Part:
    """One device of a watcher."""

    name: str
    """In the ladder."""
    person: Person
    transport: Transport
    accept: tuple[str, ...] = (XCARD, PATCH)


MAREN = Person("Maren", "maren-iphone.vcf")
"""The owner, whose card everybody wants."""
IDRIS = Person("Idris", "idris-android.vcf")
"""Her husband: family and friends."""
WANDA = Person("Wanda", "wanda-outlook.vcf")
"""From the office: work."""
JUNO = Person("Juno", "juno-thunderbird.vcf")
"""A friend, until she is politely blocked."""
OTTO = Person("Otto", "otto-old-phone.vcf")
"""Sells insurance, and is rejected; his phone exports vCard 2.1."""

WATCHERS = (IDRIS, WANDA, JUNO, OTTO)
EVERYBODY = (MAREN, *WATCHERS)

IDRIS_PHONE = Part("Idris phone", IDRIS, Transport.UDP)
IDRIS_TABLET = Part("Idris tablet", IDRIS, Transport.TCP)
WANDA_DESK = Part("Wanda desk", WANDA, Transport.UDP, accept=(VCARD,))
JUNO_SOFT = Part("Juno soft", JUNO, Transport.UDP)
OTTO_PHONE = Part("Otto phone", OTTO, Transport.UDP)
DEVICES = (IDRIS_PHONE, IDRIS_TABLET, WANDA_DESK, JUNO_SOFT, OTTO_PHONE)

DEFAULT_LEVELS = {
    **dict.fromkeys(("fn", "n", "gender", "org", "title"), "public"),
    **dict.fromkeys(("adr", "bday"), "family"),
    "photo": "friends",
}
"""What the server's configuration says of items that have no level of their own; all others are `private`."""

OWN_LEVELS = {"tel[1]": "friends", "tel[2]": "family", "tel[3]": "work", "email[1]": "work", "email[2]": "friends"}
"""What Maren says item by item: a step of a node selector below `vcards/vcard` -> level."""
