"""Globally routable user agent URIs (RFC 5627): one's own, of a notifier, and those that a registrar gives to devices.

Laws: what a registrar minted it knows again without having kept it, and nobody else can mint one; a temporary GRUU
tells nobody but its registrar whose it is, nor whether another one is of the same device (§5.1). All of it rests on a
secret that outlives the process.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import hmac
import re
from typing import TYPE_CHECKING

from abserver.sip.errors import SipSyntaxError
from abserver.sip.transport import Address, Transport
from abserver.sip.uri import SipUri

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET_OCTETS = 32
"""Of the secret."""
SALT_OCTETS = 10
"""What makes each temporary GRUU another one (Appendix A.2: an 80-bit distinguisher)."""
INDEX_OCTETS = 8
"""What finds the device to which a temporary GRUU was given."""

_TEMPORARY = "tgruu."
_MAC_OCTETS = 10
_ESCAPED = re.compile(r"[^A-Za-z0-9\-_.!~*'():&+$]")
_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")


# -- a notifier's own -----------------------------------------------------------------------------------------------


@functools.lru_cache(16_384)
def notifier_target(resource: str, transport: Transport, local: Address, *, secure: bool = False) -> str:
    """The local target of a notifier for a resource, `sip:user@domain` (RFC 6665 §4.5.1): a self-made GRUU (§3.2), at
    which the notifier is reached, and the resource on it found (`resource_of`). secure: a SIPS URI, of which TLS is the
    transport anyway.
    """
    user, _, rest = resource.partition(":")[2].rpartition("@")
    domain = rest.partition(";")[0]
    at = f"{user}@" if user else ""
    plain = transport is Transport.UDP or (secure and transport is Transport.TLS)
    way = "" if plain else f";transport={transport.parameter}"
    scheme = "sips" if secure else "sip"
    return f"{scheme}:{at}{local}{way};gr={_escaped(domain)}" if domain else f"{scheme}:{at}{local}{way};gr"


def resource_of(uri: SipUri) -> str | None:
    """The resource that a `notifier_target` names; None for any other URI."""
    domain = uri.params.get("gr")
    if not domain or "/" in domain or uri.userinfo is None:
        return None
    return f"sip:{uri.userinfo}@{_unescaped(domain)}"


# -- a registrar's --------------------------------------------------------------------------------------------------


class Gruus:
    """Mints the GRUUs of a registrar, and knows them again."""

    def __init__(self, secret: bytes) -> None:
        """secret: SECRET_OCTETS that nobody guesses; with another one all GRUUs are others."""
        self._public_key, self._cipher_key, self._temporary_key = (
            hashlib.blake2b(name, key=secret).digest() for name in (b"public", b"cipher", b"temporary")
        )

    def public(self, aor: str, instance: str) -> str:
        """The public GRUU of a device (§3.1.1): the address of record, and `gr` with the instance in it."""
        return f"{aor};gr={_escaped(instance)}/{self._public_mac(aor, instance)}"

    def instance_of(self, uri: SipUri) -> tuple[str, str] | None:
        """The address of record and the instance of a public GRUU; None if it is none of ours.

        `gr` compares without case (RFC 3261 §19.1.4), and so the instance comes back in lower case.
        """
        value, slash, mac = (uri.params.get("gr") or "").lower().rpartition("/")
        if not slash or uri.userinfo is None:
            return None
        aor, instance = f"sip:{uri.userinfo}@{uri.host.lower()}", _unescaped(value)
        return (aor, instance) if hmac.compare_digest(mac, self._public_mac(aor, instance)) else None

    def temporary(self, domain: str, index: bytes, salt: bytes) -> str:
        """A temporary GRUU (§3.1.2) for what `index` finds; with each salt another one."""
        sealed = salt + _xor(index, self._pad(salt))
        token = base64.urlsafe_b64encode(sealed + self._seal(sealed)).rstrip(b"=").decode()
        return f"sip:{_TEMPORARY}{token}@{domain};gr"

    def index_of(self, uri: SipUri) -> bytes | None:
        """The index of a temporary GRUU; None if it is none of ours."""
        user = uri.userinfo or ""
        if "gr" not in uri.params or not user.startswith(_TEMPORARY):
            return None
        text = user.removeprefix(_TEMPORARY)
        try:
            token = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        sealed, mac = token[: SALT_OCTETS + INDEX_OCTETS], token[SALT_OCTETS + INDEX_OCTETS :]
        if not hmac.compare_digest(mac, self._seal(sealed)):
            return None
        return _xor(sealed[SALT_OCTETS:], self._pad(sealed[:SALT_OCTETS]))

    def _public_mac(self, aor: str, instance: str) -> str:
        facts = f"{aor}\0{instance.lower()}".encode(errors="surrogateescape")
        return hashlib.blake2b(facts, key=self._public_key, digest_size=_MAC_OCTETS).hexdigest()

    def _pad(self, salt: bytes) -> bytes:
        return hashlib.blake2b(salt, key=self._cipher_key, digest_size=INDEX_OCTETS).digest()

    def _seal(self, sealed: bytes) -> bytes:
        return hashlib.blake2b(sealed, key=self._temporary_key, digest_size=_MAC_OCTETS).digest()


def is_gruu(uri: str) -> bool:
    """Whether a URI says of itself that it is one (§3.1)."""
    try:
        return ";gr" in uri.lower() and "gr" in SipUri.parse(uri).params
    except SipSyntaxError:
        return False


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _escaped(text: str) -> str:
    """As the value of a URI parameter (RFC 3261 §25.1, `paramchar`), but for `/`, `[` and `]`."""
    return _ESCAPED.sub(lambda found: "".join(_escapes(found[0])), text)


def _escapes(character: str) -> Iterator[str]:
    return (f"%{octet:02X}" for octet in character.encode(errors="surrogateescape"))


def _unescaped(text: str) -> str:
    octets = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    return octets.encode("latin-1").decode(errors="surrogateescape")
