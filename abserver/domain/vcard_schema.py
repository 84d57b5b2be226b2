"""What is known of vCard properties and parameters: their value types and structures (RFC 6350 §5, §6, RFC 6351).

Registered by RFC 6350, 6474 (birthplace, deathplace, deathdate), 6715 (expertise to org-directory), 8605 (contact-uri),
9554 (created to socialprofile, more fields of N and ADR) and 9555 (jsprop). Everything else is kept as <unknown>.
"""

from __future__ import annotations

DATE_AND_OR_TIME = "date-and-or-time"
"""Becomes <date>, <date-time>, <time> or <text>, whichever the value is."""

DEFAULT_TYPES: dict[str, str] = {
    **dict.fromkeys(
        ("source", "photo", "impp", "geo", "logo", "member", "related", "sound", "uid", "url", "key"), "uri"
    ),
    **dict.fromkeys(("fburl", "caladruri", "caluri", "org-directory", "contact-uri", "socialprofile"), "uri"),
    **dict.fromkeys(("kind", "fn", "nickname", "tel", "email", "tz", "title", "role", "org", "categories"), "text"),
    **dict.fromkeys(("note", "prodid", "birthplace", "deathplace", "expertise", "hobby", "interest"), "text"),
    **dict.fromkeys(("gramgender", "pronouns", "jsprop"), "text"),
    **dict.fromkeys(("lang", "language"), "language-tag"),
    **dict.fromkeys(("rev", "created"), "timestamp"),
    **dict.fromkeys(("bday", "anniversary", "deathdate"), DATE_AND_OR_TIME),
}
"""property -> value type where no VALUE parameter says otherwise."""

LISTS: dict[str, str] = {"nickname": ",", "categories": ",", "org": ";"}
"""Properties whose value is a list of <text>, and what separates them in text."""

STRUCTURES: dict[str, tuple[str, ...]] = {
    "n": ("surname", "given", "additional", "prefix", "suffix", "surname2", "generation"),
    "adr": (
        *("pobox", "ext", "street", "locality", "region", "code", "country"),
        *("room", "apartment", "floor", "streetnumber", "streetname", "building", "block"),
        *("subdistrict", "district", "landmark", "direction"),
    ),
    "gender": ("sex", "identity"),
    "clientpidmap": ("sourceid", "uri"),
}
"""Compound properties: the names of their fields by position. RFC 9554 added those behind the first of N and ADR."""

REQUIRED_FIELDS: dict[str, int] = {"n": 5, "adr": 7, "gender": 1, "clientpidmap": 2}
"""How many of the fields are there even when they are empty (RFC 6351 Appendix A)."""

SINGLE_FIELDS = frozenset({"gender", "clientpidmap"})
"""Compounds whose fields are no lists."""

PARAMETER_TYPES: dict[str, str] = {
    **dict.fromkeys(("altid", "pid", "type", "mediatype", "calscale", "sort-as", "label", "cc"), "text"),
    **dict.fromkeys(("author-name", "phonetic", "prop-id", "script", "service-type", "username", "level"), "text"),
    **dict.fromkeys(("jscomps", "jsptr", "x-level", "tz"), "text"),
    **dict.fromkeys(("pref", "index"), "integer"),
    **dict.fromkeys(("geo", "author"), "uri"),
    "language": "language-tag",
    "created": "timestamp",
    "derived": "boolean",
}
"""parameter -> the type of its values; `x-level` is ours (see `card`)."""

VALUE_TYPES = frozenset(
    {
        *("text", "uri", "date", "time", "date-time", DATE_AND_OR_TIME, "timestamp", "boolean", "integer", "float"),
        *("utc-offset", "language-tag"),
    }
)
"""What VALUE may say (RFC 6350 §5.2)."""
