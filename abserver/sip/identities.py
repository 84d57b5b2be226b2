"""Whom a certificate names: SIP domain identities (RFC 5922 §7.1, §7.2).

Law: an identity is compared as a whole, so no wildcard and no parent domain stands for a host.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from abserver.sip.errors import SipSyntaxError
from abserver.sip.grammar import bare_host
from abserver.sip.uri import SipUri

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def identities(alternative_names: Sequence[tuple[str, str]], common_names: Iterable[str] = ()) -> frozenset[str]:
    """The identities of a certificate that was found to be valid, in normal form.

    alternative_names: kind and value of each subjectAltName, with the kinds `URI`, `DNS` and `IP Address`.
    common_names: of the subject; they count only where there is no subjectAltName (§7.1).

    Addresses are beside the identities of domains: they name a host that a URI names by its address (RFC 5280
    §4.2.1.6), and nothing else.
    """
    if not alternative_names:
        return frozenset(map(identity_of, common_names))
    domains = {host for kind, value in alternative_names if kind == "URI" and (host := _domain_of(value))}
    domains = domains or {value for kind, value in alternative_names if kind == "DNS"}
    addresses = {value for kind, value in alternative_names if kind == "IP Address"}
    return frozenset(map(identity_of, domains | addresses))


def identity_of(host: str) -> str:
    """A host in the form in which two are compared (§7.2): lower case; an address in its usual spelling."""
    bare = bare_host(host.strip())
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        return bare.rstrip(".").lower()


def _domain_of(uri: str) -> str | None:
    """The host of a `sip` URI that names no user; another URI identifies no domain (§7.1)."""
    try:
        parsed = SipUri.parse(uri)
    except SipSyntaxError:
        return None
    return parsed.host if parsed.scheme == "sip" and parsed.userinfo is None else None
