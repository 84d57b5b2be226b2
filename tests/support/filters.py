"""Filter-sets for tests, as short as what is tested."""

from __future__ import annotations

from abserver.domain.identity import parse_aor
from abserver.domain.view import View
from abserver.events.filters import Criteria, FilterSet, read_change

VC = "urn:ietf:params:xml:ns:vcard-4.0"
ANN = parse_aor("sip:ann@example.com")


def filter_set(*filters: str, bindings: dict[str, str] | None = None, attributes: str = "") -> bytes:
    """A filter-set of these <filter> elements; `vc` is bound to the namespace of xCard unless it is said otherwise."""
    bound = {"vc": VC} if bindings is None else bindings
    inside = "".join(f'<ns-binding prefix="{prefix}" urn="{urn}"/>' for prefix, urn in bound.items())
    head = f"<ns-bindings>{inside}</ns-bindings>" if bound else ""
    return (
        f'<filter-set xmlns="urn:ietf:params:xml:ns:simple-filter"{attributes}>{head}{"".join(filters)}</filter-set>'
    ).encode()


def one(inside: str, attributes: str = 'id="1"') -> str:
    """A <filter>."""
    return f"<filter {attributes}>{inside}</filter>"


def include(*expressions: str) -> str:
    """A <what> with what it includes."""
    return "<what>" + "".join(f"<include>{each}</include>" for each in expressions) + "</what>"


def sets(*bodies: bytes) -> FilterSet:
    """The filters after SUBSCRIBEs to ann with these bodies."""
    found = FilterSet()
    for body in bodies:
        found = found.amended(read_change(body), ANN)
    return found


def criteria(inside: str, bindings: dict[str, str] | None = None) -> Criteria:
    """What one filter for ann asks for."""
    found = sets(filter_set(one(inside), bindings=bindings)).criteria_for(ANN)
    assert found is not None
    return found


def view(properties: str) -> View:
    """A view of a card with these properties, in canonical form."""
    return View.of(f'<vcards xmlns="{VC}"><vcard>{properties}</vcard></vcards>'.encode())


def properties(shown: View) -> str:
    """The inverse."""
    text = shown.content.decode()
    return text.removeprefix(f'<vcards xmlns="{VC}"><vcard>').removesuffix("</vcard></vcards>")
