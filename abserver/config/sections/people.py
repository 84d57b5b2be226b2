"""Whom the server serves, and how they prove who they are."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from abserver.config.sections.section import Section
from abserver.config.values import (
    Algorithms,
    Domain,
    Domains,
    Qops,
    Realm,
    UserAliases,
    Xuis,
)
from xcap.core.digest import Algorithm, Qop


class ServerSettings(Section):
    """Whom this server serves."""

    domains: Domains = ("example.com",)
    """Domains whose users are ours: a request for anybody else's card is answered 404. List the server's own
    address too if clients write it into their Request-URI (`sip:alice@192.0.2.7`)."""

    aliases: UserAliases = Field(default_factory=dict)
    """Other addresses of users, each with the address by which this server knows the user: `sip:al@example.com`,
    `tel:+15550100`. Rules, lists, requests and document paths may name a user by any of them; what the server writes
    has the one. A number also stands for its SIP form in our domains (`sip:+15550100@example.com;user=phone`, RFC 3261
    §19.1.6). In the environment: `tel:+15550100=sip:alice@example.com`."""

    phone_domain: Domain = None
    """Domain in which telephone numbers are users: `tel:+1-555-0100` is then the user `sip:+15550100@example.com`, and
    `tel:7042;phone-context=example.com` the user `sip:7042@example.com`, unless they are in `aliases`. Empty: a
    number is a user by an alias only (RFC 5025 §3.1.1.2)."""

    @field_validator("phone_domain")
    @classmethod
    def _ours(cls, domain: str | None, info: ValidationInfo) -> str | None:
        if domain is not None and domain not in info.data.get("domains", (domain,)):
            raise ValueError(f"{domain!r} is none of the domains; add it there, since its users are ours")
        return domain

    @field_validator("domains")
    @classmethod
    def _at_least_one(cls, domains: tuple[str, ...]) -> tuple[str, ...]:
        if not domains:
            raise ValueError("the list is empty, so nobody could have a card; name at least one domain")
        return domains


class AuthSettings(Section):
    """How users prove who they are (digest: RFC 7616, RFC 8760), the same way in SIP and HTTP."""

    realm: Realm = None
    """Realm of the challenges. Empty: the user's own domain. Passwords are stored as hashes that contain the realm, so
    after a change of this key every password has to be set anew (`abserver user passwd`)."""

    sip_algorithms: Algorithms = (Algorithm.MD5, Algorithm.SHA256)
    """Digest algorithms of SIP challenges, in their order. A client that knows RFC 8760 takes the first that it
    supports; many phones and test tools look at the first challenge only, and know MD5 alone, so MD5 comes first here.
    Put `SHA-256` first, or alone, where every client knows it."""

    sip_qops: Qops = (Qop.AUTH,)
    """Qualities of protection that SIP challenges offer, the preferred first: `auth`, and `auth-int`, which covers the
    body as well (RFC 8760 §2.6). A proxy that changes bodies makes `auth-int` fail, and not every phone knows it."""

    http_algorithms: Algorithms = (Algorithm.SHA256, Algorithm.MD5)
    """Digest algorithms of HTTP challenges, in their order (RFC 7616 §3.7). Clients built on Python's urllib look at
    the first challenge only, and know MD5 alone, so they get MD5 first if it is in the list."""

    user_failures: Annotated[int, Field(ge=0)] = 10
    """Failed logins in the name of one user, over SIP and HTTP together, after which further ones have to wait: a
    second, then twice as long each time (HTTP 429, SIP 500, with Retry-After). Where the user has logged in before,
    only failures from there count, so nobody can lock a user out from elsewhere. 0: never."""

    source_failures: Annotated[int, Field(ge=0)] = 30
    """The same for failed logins from one address (IPv6: from one /64), whoever they name. 0: never."""

    longest_wait: Annotated[int, Field(ge=1)] = 900
    """Longest such wait, in seconds; failures are forgotten when there was none for as long."""

    trusted_users: Xuis = ()
    """Users that are servers of the domain, such as a presence or resource list server with its own login: they may
    read the lists and rules of all users, and write global documents (RFC 4825 §5.7)."""
